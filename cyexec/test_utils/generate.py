"""Random arrays and shapes, from `numpy.random`: reproducible from its seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..base import MXNetError
from ..ndarray import NDArray, array

rnd = np.random  # tests call `numpy.random.seed`


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, int]:
    """Return a random shape with extents up to `dim0` and `dim1`."""
    low = 0 if allow_zero_size else 1
    return rnd.randint(low, dim0 + 1), rnd.randint(low, dim1 + 1)


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> tuple[int, int, int]:
    """Return a random shape with extents up to `dim0`, `dim1` and `dim2`."""
    low = 0 if allow_zero_size else 1
    return rnd.randint(low, dim0 + 1), rnd.randint(low, dim1 + 1), rnd.randint(low, dim2 + 1)


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """Return a random shape of `num_dim` extents up to `dim`."""
    return tuple(rnd.randint(0 if allow_zero_size else 1, dim + 1, size=num_dim).tolist())


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """Return a random pair of integers, the upper limits excluded."""
    return rnd.randint(x_low, x_high), rnd.randint(y_low, y_high)


def rand_ndarray(
    shape: Sequence[int], stype: str = "default", density: Any = None, dtype: Any = None, *, distribution: Any = None,
    ctx: Any = None, **kwargs: Any
) -> NDArray:  # fmt: skip
    """Return an NDArray of normal random numbers; `stype` must be "default" (dense)."""
    if stype != "default":
        raise MXNetError(f"rand_ndarray: storage type {stype!r} is not supported; arrays are dense ('default')")
    return array(rnd.uniform(-1.0, 1.0, shape), ctx, dtype)


def random_arrays(*shapes: Sequence[int]) -> Any:
    """Return an array of normal random numbers for each shape (a number for ``()``); alone, if there is one shape."""
    made = [np.array(rnd.randn(), dtype=np.float32) if len(s) == 0 else rnd.randn(*s).astype(np.float32) for s in shapes]
    return made[0] if len(made) == 1 else made


def random_uniform_arrays(*shapes: Sequence[int], low: float = 0.0, high: float = 1.0, dtype: Any = np.float32) -> list[Any]:
    """Return an array of uniform random numbers for each shape."""
    return [rnd.uniform(low, high, s).astype(dtype) for s in shapes]


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """Return `k` of `population`, in random order."""
    return [population[i] for i in rnd.permutation(len(population))[:k]]


def assign_each(the_input: np.ndarray, function: Callable[..., Any] | None) -> np.ndarray:
    """Return ``function(element)`` for every element; a copy without a function."""
    return np.array(the_input) if function is None else np.vectorize(function)(the_input)


def assign_each2(input1: np.ndarray, input2: np.ndarray, function: Callable[..., Any] | None) -> np.ndarray:
    """Return ``function(element1, element2)`` for all pairs of elements; a copy of the first without a function."""
    return np.array(input1) if function is None else np.vectorize(function)(input1, input2)


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """Return an array whose rows hold their own number."""
    return array(np.arange(rows).reshape(rows, 1).repeat(columns, 1), dtype=dtype)


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """Return 0, 1, ..., size - 1."""
    return array(np.arange(size), dtype=dtype)


def np_reduce(dat: np.ndarray, axis: Any, keepdims: Any, numpy_reduce_func: Callable[..., np.ndarray]) -> np.ndarray:
    """Reduce over one axis, several, or all (None) with a function of NumPy's that takes one."""
    axes = range(dat.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    out = dat
    for a in sorted((a % dat.ndim for a in axes), reverse=True):
        out = numpy_reduce_func(out, axis=a)
    kept = [1 if i in {a % dat.ndim for a in axes} else d for i, d in enumerate(dat.shape)]
    return np.asarray(out).reshape(kept) if keepdims else np.asarray(out)


def collapse_sum_like(a: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the sum of `a` over what broadcasting `shape` to `a.shape` repeats."""
    lead = a.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(i + lead for i, d in enumerate(shape) if d == 1 and a.shape[i + lead] != 1)
    return np.sum(a, axis=axes).reshape(shape)


def mean_check(generator: Callable[[int], Any], mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the mean of `nsamples` numbers is within 3 of its own deviations from `mu`."""
    samples = np.asarray(generator(nsamples))
    return bool(abs(samples.mean() - mu) < 3 * sigma / np.sqrt(nsamples))


def var_check(generator: Callable[[int], Any], sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the variance of `nsamples` normal numbers is within 3 of its own deviations from ``sigma ** 2``."""
    samples = np.asarray(generator(nsamples))
    return bool(abs(samples.var(ddof=1) - sigma**2) < 3 * np.sqrt(2 * sigma**4 / (nsamples - 1)))
