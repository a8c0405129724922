"""Constants, random values scaled to the shape, and filters."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..ndarray import NDArray, random
from .base import Initializer, alias, register


def _fill_uniform(arr: NDArray, low: float, high: float) -> None:
    arr[:] = random.uniform(low, high, arr.shape)


def _fill_normal(arr: NDArray, sigma: float) -> None:
    arr[:] = random.normal(0, sigma, arr.shape)


@register
@alias("zeros")
class Zero(Initializer):
    """All zeros."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 0


@register
@alias("ones")
class One(Initializer):
    """All ones."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 1


@register
class Constant(Initializer):
    """One value for all elements, or the values of an array.

    Parameters
    ----------
    value : number, NDArray or numpy.ndarray
    """

    def __init__(self, value: Any):
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = self.value

    def dumps(self) -> str:
        value = self.value
        if hasattr(value, "asnumpy"):
            value = value.asnumpy()
        if hasattr(value, "tolist"):
            value = value.tolist()
        return json.dumps([type(self).__name__.lower(), {"value": value}])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.dumps() == other.dumps()

    __hash__ = object.__hash__


@register
class Uniform(Initializer):
    """Uniform in [-scale, scale].

    Parameters
    ----------
    scale : float
    """

    def __init__(self, scale: float = 0.07):
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name: str, arr: NDArray) -> None:
        _fill_uniform(arr, -self.scale, self.scale)


@register
class Normal(Initializer):
    """Normal with mean 0.

    Parameters
    ----------
    sigma : float
        Standard deviation.
    """

    def __init__(self, sigma: float = 0.01):
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, name: str, arr: NDArray) -> None:
        _fill_normal(arr, self.sigma)


@register
class Orthogonal(Initializer):
    """An orthogonal matrix (Saxe, McClelland, Ganguli 2013): rows, or columns where there are fewer, have length `scale`.

    Parameters
    ----------
    scale : float
    rand_type : {"uniform", "normal"}
        Distribution of the matrix that is made orthogonal.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform"):
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, name: str, arr: NDArray) -> None:
        shape = (arr.shape[0], math.prod(arr.shape[1:]))
        if self.rand_type == "uniform":
            drawn = random.uniform(-1.0, 1.0, shape)
        elif self.rand_type == "normal":
            drawn = random.normal(0.0, 1.0, shape)
        else:
            raise ValueError(f"Orthogonal: rand_type must be 'uniform' or 'normal', found {self.rand_type!r}")
        left, _, right = np.linalg.svd(drawn.asnumpy(), full_matrices=False)
        arr[:] = self.scale * (left if left.shape == shape else right).reshape(arr.shape)


@register
class Xavier(Initializer):
    """Random values that keep the variance of signals from layer to layer (Glorot, Bengio 2010).

    The variance is ``magnitude / fan`` (a third of that bound's square for uniform values), where the fan of a weight of
    shape (out, in, ...) is the number of inputs or outputs of one value, the extents after the second included.

    Parameters
    ----------
    rnd_type : {"uniform", "gaussian"}
    factor_type : {"avg", "in", "out"}
        Which fan: of inputs, of outputs, or their mean.
    magnitude : float
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3):
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        shape = arr.shape
        if len(shape) < 2:
            raise ValueError(
                f"{type(self).__name__} initializer cannot be applied to vector {name}. It requires at least 2D."
            )
        positions = math.prod(shape[2:])
        fan_in, fan_out = shape[1] * positions, shape[0] * positions
        fans = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        if self.factor_type not in fans:
            raise ValueError(f"Incorrect factor type {self.factor_type!r}; expected 'avg', 'in' or 'out'")
        scale = math.sqrt(self.magnitude / fans[self.factor_type])
        if self.rnd_type == "uniform":
            _fill_uniform(arr, -scale, scale)
        elif self.rnd_type == "gaussian":
            _fill_normal(arr, scale)
        else:
            raise ValueError(f"Unknown random type {self.rnd_type!r}; expected 'uniform' or 'gaussian'")


@register
class MSRAPrelu(Xavier):
    """Normal values for layers followed by (leaky) rectifiers (He et al. 2015).

    Parameters
    ----------
    factor_type : {"avg", "in", "out"}
        See `Xavier`.
    slope : float
        First slope of the PReLUs.
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25):
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """The filter of linear interpolation, for a Deconvolution that upsamples."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        self._init_bilinear(name, arr)
