"""Whether arrays agree, and how far apart they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ndarray import NDArray

# By dtype: how much of a number, how much besides, and which step of finite differences suits its precision.
_RTOL: dict[np.dtype, float] = {np.dtype(np.float16): 1e-2, np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-5}
_ATOL: dict[np.dtype, float] = {np.dtype(np.float16): 1e-1, np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-20}
_EPS: dict[np.dtype, float] = {np.dtype(np.float16): 2.0**-6, np.dtype(np.float32): 2.0**-9, np.dtype(np.float64): 2.0**-14}
_INTEGERS = [np.dtype(t) for t in ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")]


def default_rtols() -> dict[np.dtype, float]:
    """Return relative tolerances by dtype."""
    return {**_RTOL, **dict.fromkeys(_INTEGERS, 0)}


def default_atols() -> dict[np.dtype, float]:
    """Return absolute tolerances by dtype."""
    return {**_ATOL, **dict.fromkeys(_INTEGERS, 0)}


def default_numeric_eps() -> dict[np.dtype, float]:
    """Return steps of finite differences by dtype."""
    return dict(_EPS)


def get_etol(etol: float | None = None) -> float:
    """Return the part of the elements that may differ: `etol`, or none."""
    return 0 if etol is None else etol


def get_tolerance(dat: Any, tol: Any, default_tol: dict[np.dtype, float]) -> float:
    """Return a tolerance for `dat`: `tol`, a number or a dict by dtype, or the default of its dtype."""
    if isinstance(tol, (int, float, np.number)):
        return float(tol)
    return {**default_tol, **(tol or {})}[effective_dtype(dat)]


def get_rtol(rtol: Any = None, dtype: Any = np.float64) -> float:
    """Return the relative tolerance of a dtype."""
    return get_tolerance(np.dtype(dtype).type(0), rtol, default_rtols())


def get_atol(atol: Any = None, dtype: Any = np.float64) -> float:
    """Return the absolute tolerance of a dtype."""
    return get_tolerance(np.dtype(dtype).type(0), atol, default_atols())


def effective_dtype(dat: Any) -> np.dtype:
    """Return the dtype whose precision `dat` has; float64 for what is no array."""
    return np.dtype(getattr(dat, "dtype", np.float64))


def get_tols(x: Any, y: Any, rtol: Any = None, atol: Any = None) -> tuple[float, float]:
    """Return (rtol, atol) for comparing `x` and `y`: the larger ones, those of the less precise dtype."""
    rtols = [get_tolerance(v, rtol, default_rtols()) for v in (x, y)]
    atols = [get_tolerance(v, atol, default_atols()) for v in (x, y)]
    return max(rtols), max(atols)


def to_numpy(value: Any) -> np.ndarray:
    """The array itself, as NumPy's."""
    return value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)


def same(a: Any, b: Any) -> bool:
    """Whether all elements are equal."""
    return np.array_equal(to_numpy(a), to_numpy(b))


def almost_equal(
    a: Any, b: Any, rtol: Any = None, atol: Any = None, equal_nan: bool = False, use_broadcast: bool = True
) -> bool:
    """Whether all elements agree: ``|a - b| <= atol + rtol * |b|``. Tolerances follow from the dtypes by default."""
    rtol, atol = get_tols(a, b, rtol, atol)
    a, b = to_numpy(a), to_numpy(b)
    return _fit(a, b, use_broadcast) and np.allclose(_wide(a), _wide(b), rtol=rtol, atol=atol, equal_nan=equal_nan)


def _fit(a: np.ndarray, b: np.ndarray, use_broadcast: bool) -> bool:
    """Whether the shapes can be compared."""
    if a.shape == b.shape or not use_broadcast:
        return a.shape == b.shape
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return True


def _wide(a: np.ndarray) -> np.ndarray:
    """In float64, so that the comparison itself rounds nothing (integers stay what they are)."""
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: Any = None,
    atol: Any = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Raise AssertionError where `a` and `b` do not agree, with the largest error and where it is.

    Parameters
    ----------
    a, b : NDArray, ndarray or number
    rtol, atol : float or dict by dtype, optional
        See `almost_equal`.
    names : (str, str)
        For the message.
    equal_nan : bool
        Whether NaNs are equal.
    use_broadcast : bool
        Whether shapes may differ where NumPy broadcasts them.
    mismatches : (int, int)
        How many errors the message lists at most; the second is MXNet's.
    """
    if almost_equal(a, b, rtol, atol, equal_nan, use_broadcast):
        return
    rtol, atol = get_tols(a, b, rtol, atol)
    if not _fit(to_numpy(a), to_numpy(b), use_broadcast):
        shapes = [to_numpy(v).shape for v in (a, b)]
        raise AssertionError(f"shapes differ: {names[0]} has {shapes[0]}, {names[1]} has {shapes[1]}")
    raise AssertionError(_report(to_numpy(a), to_numpy(b), rtol, atol, names, equal_nan, mismatches[0]))


def _report(
    a: np.ndarray, b: np.ndarray, rtol: float, atol: float, names: Sequence[str], equal_nan: bool, count: int
) -> str:
    a, b = np.broadcast_arrays(_wide(a), _wide(b))
    errors = _errors(a, b, rtol, atol, equal_nan)
    worst = [np.unravel_index(i, errors.shape) for i in np.argsort(-errors, axis=None)[:count] if errors.flat[i] > 1]
    lines = [f"\n*** Maximum errors for vector of size {a.size}:  rtol={rtol}, atol={atol}\n"]
    for number, at in enumerate(worst, 1):
        lines.append(f"{number:3d}: Error {errors[at]:f}  Location of error: {_text(at)}, x={a[at]:.8f}, y={b[at]:.8f}")
    top = worst[0]
    lines += [
        "\nItems are not equal:",
        f"Error {errors[top]:f} exceeds tolerance rtol={rtol:e}, atol={atol:e} (mismatch {100 * np.mean(errors > 1):f}%).",
        f"Location of maximum error: {_text(top)}, x={a[top]:.8f}, y={b[top]:.8f}",
        f" {names[0]}: {a!r}",
        f" {names[1]}: {b!r}",
    ]
    return "\n".join(lines)


def _text(at: tuple[Any, ...]) -> str:
    return str(tuple(int(i) for i in at))


def _errors(a: np.ndarray, b: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    """Differences in units of what is tolerated; infinite where one is NaN."""
    with np.errstate(all="ignore"):
        errors = np.abs(a - b) / (atol + rtol * np.abs(b) + np.finfo(np.float64).tiny)
    errors = np.where(a == b, 0.0, np.where(np.isnan(errors), np.inf, errors))
    return np.where(np.isnan(a) & np.isnan(b), 0.0, errors) if equal_nan else errors


def assert_almost_equal_with_err(
    a: Any,
    b: Any,
    rtol: Any = None,
    atol: Any = None,
    etol: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """As `assert_almost_equal`, but a part of the elements, `etol`, may differ."""
    rtol, atol = get_tols(a, b, rtol, atol)
    x, y = np.broadcast_arrays(_wide(to_numpy(a)), _wide(to_numpy(b)))
    errors = _errors(x, y, rtol, atol, equal_nan)
    if np.mean(errors > 1) > get_etol(etol):
        raise AssertionError(_report(x, y, rtol, atol, names, equal_nan, mismatches[0]))


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: Any = None, atol: Any = None, names: tuple[str, str] = ("a", "b")
) -> None:
    """As `assert_almost_equal`, without the places where either is NaN."""
    a, b = to_numpy(a).copy(), to_numpy(b).copy()
    missing = np.isnan(a) | np.isnan(b)
    a[missing] = b[missing] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """As `assert_almost_equal`, with NumPy's tolerances and treatment of NaN."""
    assert_almost_equal(a, b, rtol, atol, equal_nan=equal_nan)


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: Any = None, atol: Any = None) -> None:
    """Compare arrays, or tuples of them to any depth; None is equal to nothing but itself and is skipped."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, (tuple, list)):
        for one, two in zip(t1, t2, strict=True):
            compare_ndarray_tuple(one, two, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol, atol)


def assert_exception(f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Raise AssertionError unless ``f(*args, **kwargs)`` raises `exception_type`."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{getattr(f, '__name__', f)} did not raise {exception_type.__name__}")


def same_array(array1: NDArray, array2: NDArray) -> bool:
    """Whether two NDArrays are one memory: what is written to one is seen in the other."""
    if array1.shape != array2.shape or array1.dtype != array2.dtype:
        return False
    if not array1.size:
        return array1 is array2
    one, two = array1.__array__(copy=False), array2.__array__(copy=False)
    return one.ctypes.data == two.ctypes.data


def same_symbol_structure(sym1: Any, sym2: Any) -> bool:
    """Whether two symbols have the same operators, connected alike; names do not count."""

    def structure(symbol: Any) -> list[Any]:
        return [(n["op"], [i[:2] for i in n["inputs"]]) for n in json.loads(symbol.tojson())["nodes"]]

    return structure(sym1) == structure(sym2)
