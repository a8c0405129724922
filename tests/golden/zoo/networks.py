"""The networks of Gluon's model zoo: their symbols, seeded weights, and what is asked of them.

Runs under MXNet's Python 3.8 and under ours, needs NumPy alone, and gives the same numbers in both.
"""

import json
import lzma
import os
import zlib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SYMBOLS = os.path.join(HERE, "symbols.json.xz")

# Names of `gluon.model_zoo.vision.get_model`.
NAMES = (
    ["resnet%d_v%d" % (depth, version) for version in (1, 2) for depth in (18, 34, 50, 101, 152)]
    + ["vgg%d%s" % (depth, norm) for norm in ("", "_bn") for depth in (11, 13, 16, 19)]
    + ["mobilenet%s" % width for width in ("1.0", "0.75", "0.5", "0.25")]
    + ["mobilenetv2_%s" % width for width in ("1.0", "0.75", "0.5", "0.25")]
    + ["densenet%d" % depth for depth in (121, 161, 169, 201)]
    + ["squeezenet1.0", "squeezenet1.1", "alexnet", "inceptionv3"]
)

# Their outputs, internal outputs and gradients are compared in float64 too: one of each kind.
THOROUGH = ["resnet18_v1", "resnet18_v2", "vgg11_bn", "mobilenet0.25", "mobilenetv2_0.25", "squeezenet1.1", "alexnet"]

# The networks that speed is measured with, and their inputs.
FULL = {
    "resnet18_v1": (224, 224), "resnet50_v1": (224, 224), "mobilenetv2_1.0": (224, 224), "vgg11": (224, 224),
    "squeezenet1.0": (224, 224), "densenet121": (224, 224), "alexnet": (224, 224), "inceptionv3": (299, 299),
}  # fmt: skip


def symbols():
    """Dict of name to JSON text, as exported from Gluon."""
    with lzma.open(SYMBOLS, "rt", encoding="utf-8") as file:
        return json.load(file)


def shapes(name):
    """Input shapes that a network runs at, one after the other through ``reshape``; the smallest that its design permits.

    Dense layers after the flattening fix the size (vgg, alexnet); a last pooling window needs one (densenet, squeezenet,
    inception).
    """
    if name.startswith("vgg"):
        return [(1, 3, 32, 32), (2, 3, 32, 32)]
    if name == "alexnet":
        return [(1, 3, 64, 64), (8, 3, 64, 64)]
    if name == "inceptionv3":
        return [(1, 3, 299, 299), (2, 3, 310, 299)]
    if name.startswith(("densenet", "squeezenet")):
        return [(1, 3, 224, 224), (2, 3, 240, 224)]
    return [(1, 3, 64, 64), (8, 3, 64, 64), (2, 3, 80, 96)]


def value(name, shape, network=""):
    """The value of a parameter or input, float32, a function of the names and the shape.

    Weights are uniform with He's variance, so that values keep their size through ReLU layers. Residual networks get half
    of that: each block adds to its input, and 50 blocks would overflow.
    """
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    low, high = -0.1, 0.1
    if name.endswith(("_gamma", "_var")):
        low, high = 0.5, 1.5
    elif name.endswith("_weight"):
        fan_in = int(np.prod(shape[1:]))
        high = (6.0 / fan_in) ** 0.5 * (0.7 if network.startswith("resnet") else 1.0)
        low = -high
    elif name == "data":
        low, high = -2.0, 2.0
    # In blocks, so that the doubles of a large matrix never exist all at once.
    result = np.empty(int(np.prod(shape)), np.float32)
    for start in range(0, result.size, 1 << 20):
        part = result[start : start + (1 << 20)]
        part[:] = rng.random_sample(part.size) * (high - low) + low
    return result.reshape(shape)


def samples(array, count):
    """`count` evenly spread elements of an array (all of a smaller one)."""
    flat = np.asarray(array).reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(count, flat.size)).astype(np.int64)]
