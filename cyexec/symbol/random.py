"""Random numbers: ``mx.sym.random``. Parameters are numbers, or symbols that give one distribution for each element."""

from __future__ import annotations

from typing import Any

from . import _internal
from .generate import lazy_namespace
from .operators import Number
from .symbol import Symbol


def _draw(name: str, params: dict[str, Any], shape: Any, dtype: Any, kwargs: dict[str, Any]) -> Symbol:
    given = {k: v for k, v in (("shape", shape), ("dtype", dtype)) if v is not None}
    kinds = {isinstance(v, Symbol) for v in params.values()}
    if len(kinds) > 1:
        raise AssertionError(f"Distribution parameters must all have the same type, but got {list(params.values())}")
    if kinds == {True}:
        return getattr(_internal, f"_sample_{name}")(*params.values(), **given, **kwargs)
    for value in params.values():
        if not isinstance(value, Number):
            raise ValueError(f"Distribution parameters must be either Symbol or numbers, but got {type(value)}.")
    return getattr(_internal, f"_random_{name}")(**params, **given, **kwargs)


def uniform(low: Any = 0, high: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the uniform distribution over ``[low, high)``.

    Parameters
    ----------
    low, high : numbers, or Symbols of one shape
    shape : int or tuple of int, optional
        Shape of the result, or of the draws for each element of `low`.
    dtype : dtype, default float32
    **kwargs
        ``name`` and ``attr`` of the node.

    Raises
    ------
    AssertionError
        When one parameter is a symbol and another a number.
    ValueError
        When a parameter is neither.
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, kwargs)


def normal(loc: Any = 0, scale: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the normal distribution of mean `loc` and standard deviation `scale`; see `uniform`."""
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def randn(*shape: int, loc: Any = 0, scale: Any = 1, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the normal distribution, with the shape as arguments; see `normal`."""
    return normal(loc, scale, shape, dtype, **kwargs)


def poisson(lam: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the Poisson distribution of rate `lam`; see `uniform`."""
    return _draw("poisson", {"lam": lam}, shape, dtype, kwargs)


def exponential(scale: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the exponential distribution of mean `scale`; see `uniform`."""
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, kwargs)


def gamma(alpha: Any = 1, beta: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw from the gamma distribution of shape `alpha` and scale `beta`; see `uniform`."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, kwargs)


def negative_binomial(k: Any = 1, p: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw how many failures come before `k` successes of probability `p`; see `uniform`."""
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, kwargs)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = None, dtype: Any = None, **kwargs: Any
) -> Symbol:
    """Draw from the negative binomial distribution of mean `mu` and dispersion `alpha`; see `uniform`."""
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, kwargs)


def randint(low: int, high: int, shape: Any = None, dtype: Any = None, **kwargs: Any) -> Symbol:
    """Draw integers from ``[low, high)``; dtype int32 or int64. See `uniform`."""
    if isinstance(low, Symbol) or isinstance(high, Symbol):
        raise AssertionError("randint takes numbers, not symbols")
    return _draw("randint", {"low": low, "high": high}, shape, dtype, kwargs)


def multinomial(data: Symbol, shape: Any = None, get_prob: bool = True, dtype: Any = "int32", **kwargs: Any) -> Symbol:
    """Draw indices with the probabilities in the last axis of `data`.

    Parameters
    ----------
    data : Symbol
        Probabilities of one distribution, or of one in each row.
    shape : int or tuple of int, optional
        Draws from each distribution.
    get_prob : bool
        Give the logarithm of each draw's probability as second output.
    dtype : dtype
        Of the indices.
    """
    given = {} if shape is None else {"shape": shape}
    return _internal._sample_multinomial(data, get_prob=get_prob, dtype=dtype, **given, **kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """Permute the elements of the first axis at random."""
    return _internal._shuffle(data, **kwargs)


__getattr__, __dir__ = lazy_namespace(__name__, "random", globals())

__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "shuffle", "uniform",
]  # fmt: skip
