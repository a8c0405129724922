"""What a model of this folder is: a builder, the shapes it is bound with, and what its inputs hold.

Runs under MXNet's Python 3.8 and under ours; needs NumPy alone.
"""

import zlib

import numpy as np

MODELS = {}


class Model:
    """A network as people had it.

    Attributes
    ----------
    build : function
        From a module (mxnet or cyexec) to the symbol.
    shapes : dict of str to tuple
        Of the inputs.
    other : dict of str to tuple
        Shapes that ``reshape`` changes to; empty: not reshaped.
    integers : dict of str to int
        Inputs that hold whole numbers below that.
    ranges : dict of str to (low, high)
        Of other variables whose values must not be small ones around zero.
    gradients : bool
        Whether gradients are compared.
    """

    def __init__(self, build, shapes, other, integers, ranges, gradients):
        self.build = build
        self.shapes = shapes
        self.other = other
        self.integers = integers
        self.ranges = ranges
        self.gradients = gradients

    def requests(self, arguments):
        """``grad_req`` of the arguments: none for inputs that hold whole numbers."""
        return {name: "null" if name in self.integers else "write" for name in arguments}

    def value(self, name, shape):
        """The value of a variable: a function of its name and shape."""
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        if name in self.integers:
            return rng.randint(0, self.integers[name], shape).astype(np.float64)
        low, high = -0.1, 0.1
        if name in self.ranges:
            low, high = self.ranges[name]
        elif name.endswith(("gamma", "var", "scale")):
            low, high = 0.5, 1.5
        elif name in self.shapes:
            low, high = -1.0, 1.0
        elif name.endswith(("weight", "weights", "parameters")):
            fan_in = int(np.prod(shape[1:])) or 1
            high = min((6.0 / fan_in) ** 0.5, 1.0)
            low = -high
        # Through float32: the same numbers in float32 and float64 programs.
        return rng.uniform(low, high, shape).astype(np.float32).astype(np.float64)


def model(other=None, integers=None, ranges=None, gradients=True, **shapes):
    """Register a builder under its name."""

    def note(build):
        assert build.__name__ not in MODELS, build.__name__
        MODELS[build.__name__] = Model(build, shapes, other or {}, integers or {}, ranges or {}, gradients)
        return build

    return note


def samples(array, count=16):
    """Evenly spread elements of an array."""
    flat = np.asarray(array).reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(count, flat.size)).astype(np.int64)]
