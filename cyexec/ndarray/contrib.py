"""Operators named ``_contrib_X``, and control flow."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..base import MXNetError
from ..codegen import lazy_namespace
from ..zipfian import rand_zipfian as _rand_zipfian
from .control_flow import cond, foreach, while_loop
from .creation import array
from .generate import make_function
from .imperative import invoke
from .ndarray import NDArray
from .random import uniform as _uniform


def _scale(value: Any, like: NDArray) -> NDArray:
    """A loss scale as the operators take it: an array of one element."""
    return value if isinstance(value, NDArray) else array([float(value)], like.context, "float32")


def adamw_update(
    weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, rescale_grad: Any, lr: float, eta: float,
    beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0, clip_gradient: float = -1,
    out: NDArray | None = None, name: str | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Update the weight by AdamW (Loshchilov, Hutter 2019); `mean` and `var` change in place.

    Parameters
    ----------
    weight, grad, mean, var : NDArray
    rescale_grad : float or NDArray
        Gradients are multiplied by it first. Where it is 0, infinite or NaN, nothing changes.
    lr, eta : float
        The step is ``eta * (lr * mean / (sqrt(var) + epsilon) + wd * weight)``.
    beta1, beta2, epsilon, wd, clip_gradient : float
    out : NDArray, optional
        Where to write the new weight.
    """
    params = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd}
    inputs = [weight, grad, mean, var, _scale(rescale_grad, weight)]
    return invoke("_adamw_update", inputs, {**params, "clip_gradient": clip_gradient, **kwargs}, out)


def mp_adamw_update(
    weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, weight32: NDArray, rescale_grad: Any, lr: float,
    eta: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0,
    clip_gradient: float = -1, out: NDArray | None = None, name: str | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """`adamw_update` of a float16 weight through its float32 copy `weight32`, which changes in place too."""
    params = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd}
    inputs = [weight, grad, mean, var, weight32, _scale(rescale_grad, weight)]
    return invoke("_mp_adamw_update", inputs, {**params, "clip_gradient": clip_gradient, **kwargs}, out)


def boolean_mask(data: NDArray, index: NDArray, axis: int = 0) -> NDArray:
    """Return the rows of `data` (along `axis`) where `index` is not zero. How many there are depends on the values.

    Parameters
    ----------
    data : NDArray
    index : NDArray of shape (rows,)
    axis : int

    Raises
    ------
    MXNetError
        `index` is not a vector with an element for each row.
    """
    if index.ndim != 1 or not -data.ndim <= axis < data.ndim or index.shape[0] != data.shape[axis]:
        raise MXNetError(
            f"boolean_mask: index {index.shape} must have an element for each row of data {data.shape}, axis={axis}"
        )
    rows = array(np.flatnonzero(index.asnumpy()), data.context, np.int64)
    return invoke("take", [data, rows], {"axis": axis}, None)


def isnan(data: NDArray) -> NDArray:
    """Return 1 where an element is NaN, else 0."""
    return data != data


def isinf(data: NDArray) -> NDArray:
    """Return 1 where an element is infinite, else 0."""
    return invoke("abs", [data], {}, None) == np.inf


def isfinite(data: NDArray) -> NDArray:
    """Return 1 where an element is neither infinite nor NaN, else 0."""
    return invoke("abs", [data], {}, None) < np.inf


def rand_zipfian(true_classes: NDArray, num_sampled: int, range_max: int, ctx: Any = None) -> Any:
    """Draw classes log-uniformly; see `cyexec.zipfian.rand_zipfian`. `ctx` is where, by default the current context."""
    return _rand_zipfian(partial(_uniform, ctx=ctx), true_classes, num_sampled, range_max)


__getattr__, __dir__ = lazy_namespace(__name__, "contrib", globals(), make_function)

__all__ = [
    "adamw_update", "boolean_mask", "cond", "foreach", "isfinite", "isinf", "isnan", "mp_adamw_update", "rand_zipfian",
    "while_loop",
]  # fmt: skip
