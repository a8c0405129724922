"""Random arrays: ``mx.nd.random``. Parameters are numbers, or arrays that give one distribution for each element."""

from __future__ import annotations

from typing import Any

from ..codegen import lazy_namespace
from .generate import make_function
from .imperative import invoke
from .ndarray import NDArray


class MixedParametersError(AssertionError, ValueError):
    """Numbers stand beside arrays. MXNet raises AssertionError; ValueError says it better."""


def _draw(random_op: str, sample_op: str, params: dict[str, Any], shape: Any, dtype: Any, ctx: Any, out: Any) -> Any:
    given: dict[str, Any] = {}
    if dtype is not None:
        given["dtype"] = dtype
    arrays = [v for v in params.values() if isinstance(v, NDArray)]
    if arrays:
        if len(arrays) != len(params):
            raise MixedParametersError(
                f"Distribution parameters must all have the same type, found {list(params.values())}"
            )
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


def exponential(
    scale: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the exponential distribution of mean `scale`. Other parameters: see `uniform`."""
    return _draw("_random_exponential", "_sample_exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out)


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the gamma distribution of shape `alpha` and scale `beta`. Other parameters: see `uniform`."""
    return _draw("_random_gamma", "_sample_gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out)


def poisson(lam: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """Draw from the Poisson distribution of mean `lam`. Other parameters: see `uniform`."""
    return _draw("_random_poisson", "_sample_poisson", {"lam": lam}, shape, dtype, ctx, out)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw how many failures come before `k` successes of probability `p`. Other parameters: see `uniform`."""
    return _draw("_random_negative_binomial", "_sample_negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Draw from the negative binomial distribution of mean `mu` and dispersion `alpha`. Others: see `uniform`."""
    names = "_random_generalized_negative_binomial", "_sample_generalized_negative_binomial"
    return _draw(*names, {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out)


def multinomial(
    data: NDArray, shape: Any = None, get_prob: bool = False, out: Any = None, dtype: Any = "int32", **kwargs: Any
) -> Any:
    """Draw indices with the probabilities that stand in the rows of `data`.

    Parameters
    ----------
    data : NDArray of shape (..., k)
        Probabilities; each row sums to 1.
    shape : int or tuple of int, optional
        How many draws for each row; one by default.
    get_prob : bool, default False
        Whether to return the logarithms of the probabilities of what was drawn, too.
    out : NDArray, optional
    dtype : dtype, default int32
    """
    given = {"get_prob": get_prob, "dtype": dtype, **({} if shape is None else {"shape": shape})}
    return invoke("_sample_multinomial", [data], given, out)


def shuffle(data: NDArray, out: Any = None, **kwargs: Any) -> NDArray:
    """Return a copy with the first axis in random order."""
    return invoke("_shuffle", [data], {}, out)


# The rest (`uniform_like` and its kin) needs nothing but the operator.
__getattr__, __dir__ = lazy_namespace(__name__, "random", globals(), make_function)

__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "shuffle", "uniform",
]  # fmt: skip
