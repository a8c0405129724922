"""Random arrays: ``mx.nd.random``. Parameters are numbers, or arrays that give one distribution for each element."""

from __future__ import annotations

from typing import Any

from ..ops import registry
from .imperative import invoke
from .ndarray import NDArray


def _draw(random_op: str, sample_op: str, params: dict[str, Any], shape: Any, dtype: Any, ctx: Any, out: Any) -> Any:
    given: dict[str, Any] = {}
    if dtype is not None:
        given["dtype"] = dtype
    arrays = [v for v in params.values() if isinstance(v, NDArray)]
    if arrays:
        if len(arrays) != len(params):
            raise ValueError(f"Distribution parameters must all have the same type, found {list(params.values())}")
        if shape is not None:
            given["shape"] = shape
        return invoke(sample_op, arrays, given, out)
    for name, value in params.items():
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise ValueError(f"Distribution parameters must be either NDArray or numbers, found {name}={value!r}")
    if shape is not None:
        given["shape"] = shape
    elif out is not None:
        given["shape"] = out.shape
    else:
        given["shape"] = (1,)
    return invoke(random_op, [], {**params, **given}, out, ctx)


def uniform(
    low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the uniform distribution over ``[low, high)``.

    Parameters
    ----------
    low, high : numbers, or NDArrays of one shape
    shape : int or tuple of int, optional
        Shape of the result, or of the draws for each element of `low`.
    dtype : dtype, default float32
    ctx : Context, optional
    out : NDArray, optional
        Where to write the result.
    """
    return _draw("_random_uniform", "_sample_uniform", {"low": low, "high": high}, shape, dtype, ctx, out)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the normal distribution of mean `loc` and standard deviation `scale`. Other parameters: see `uniform`."""
    if isinstance(loc, NDArray):
        return _draw("_random_normal", "_sample_normal", {"mu": loc, "sigma": scale}, shape, dtype, ctx, out)
    return _draw("_random_normal", "_sample_normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out)


def randn(*shape: int, loc: Any = 0, scale: Any = 1, dtype: Any = None, ctx: Any = None, **kwargs: Any) -> Any:
    """Draw an array of shape `shape` from the normal distribution."""
    return normal(loc, scale, shape or None, dtype, ctx, kwargs.pop("out", None))


def randint(
    low: int, high: int, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw integers from ``[low, high)``; the dtype is int32 unless it is given. Other parameters: see `uniform`."""
    return _draw("_random_randint", "_random_randint", {"low": low, "high": high}, shape, dtype, ctx, out)


def __getattr__(name: str) -> Any:
    full = f"_sample_{name}" if name in ("multinomial",) else f"_{name}"
    op = registry.find(full) if not name.startswith("_") else None
    if op is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .generate import make_function

    return make_function(op, name, __name__)


__all__ = ["normal", "randint", "randn", "uniform"]
