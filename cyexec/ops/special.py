"""Functions that NumPy lacks or defines otherwise, for the operators' references: slow and obvious."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _each(function: Any, x: Array) -> Array:
    return np.array([function(float(v)) for v in x.ravel()], np.float64).reshape(x.shape)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def rint(x: Array) -> Array:
    """Nearest integer; halves go down, as MXNet has it (NumPy: to even)."""
    return np.ceil(x - 0.5)


def round_away(x: Array) -> Array:
    """Nearest integer; halves go away from zero."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def erf(x: Array) -> Array:
    """Error function."""
    return _each(math.erf, x)


def erfinv(x: Array) -> Array:
    """Inverse error function, by the quantiles of the normal distribution."""
    return _each(lambda v: NormalDist().inv_cdf((v + 1) / 2) / math.sqrt(2), x)


def gamma(x: Array) -> Array:
    """Gamma function."""
    return _each(math.gamma, x)


def gammaln(x: Array) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    return _each(math.lgamma, x)


def mod(x: Array, y: Array) -> Array:
    """Remainder with the sign of y; 0 where y is 0, as MXNet has it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(y) == 0, 0, np.mod(x, y))


def divide(x: Array, y: Array) -> Array:
    """Quotient; integers truncate towards zero, and 0 stands for division by zero there."""
    if np.result_type(x, y).kind == "f":
        return np.true_divide(x, y)
    x, y = np.broadcast_arrays(np.asarray(x), np.asarray(y))
    pairs = zip(x.ravel().tolist(), y.ravel().tolist())
    out = [int(abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1) if b else 0 for a, b in pairs]
    return np.array(out, dtype=np.int64).reshape(x.shape)
