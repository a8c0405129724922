"""Functions that make arrays from nothing, from numbers, or from other libraries' arrays."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from ..base import MXNetError, as_dtype
from ..context import as_context
from .ndarray import NDArray, empty
from .storage import Storage

_FLOAT32 = np.dtype(np.float32)


def array(source_array: Any, ctx: Any = None, dtype: Any = None) -> NDArray:
    """Make an array from anything array-like.

    Parameters
    ----------
    source_array : NDArray, numpy.ndarray, number, or nested sequence of numbers
    ctx : Context, optional
    dtype : dtype, optional
        By default that of an NDArray, and float32 for everything else, float64 NumPy arrays included (as in MXNet).

    Returns
    -------
    NDArray
        Always a copy.
    """
    if isinstance(source_array, NDArray):
        made_dtype = source_array._array.dtype if dtype is None else as_dtype(dtype)
        return NDArray._from(source_array._array, made_dtype, as_context(ctx))
    made_dtype = _FLOAT32 if dtype is None else as_dtype(dtype)
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            if isinstance(source_array, np.ndarray):
                values = source_array
            elif made_dtype.kind == "f":
                values = np.array(source_array, dtype=made_dtype)
            else:
                values = np.array(source_array)
        if values.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise TypeError("source_array must be array like object") from None
    return NDArray._from(values, made_dtype, as_context(ctx))


def zeros(shape: Any, ctx: Any = None, dtype: Any = None, stype: str | None = None, **kwargs: Any) -> NDArray:
    """Return an array of zeros.

    Parameters
    ----------
    shape : int or tuple of int
    ctx : Context, optional
        The current context by default.
    dtype : dtype, default float32
    stype : str, optional
        Only "default".
    out : NDArray, optional
        Where to write instead of making an array.
    """
    return _filled(shape, 0, ctx, dtype, stype, kwargs)


def ones(shape: Any, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """Return an array of ones. See `zeros`."""
    return _filled(shape, 1, ctx, dtype, None, kwargs)


def full(shape: Any, val: Any, ctx: Any = None, dtype: Any = np.float32, out: NDArray | None = None) -> NDArray:
    """Return an array filled with `val` (a number, or an array that broadcasts). See `zeros`."""
    made = empty(shape, ctx, dtype) if out is None else out
    made[:] = val
    return made


def _filled(shape: Any, value: int, ctx: Any, dtype: Any, stype: str | None, kwargs: dict[str, Any]) -> NDArray:
    out = kwargs.pop("out", None)
    kwargs.pop("name", None)
    if kwargs:
        raise MXNetError(f"Cannot find argument '{next(iter(kwargs))}', Possible Arguments: shape, ctx, dtype, out")
    made = empty(shape, ctx, dtype, stype) if out is None else out
    made._array.fill(value)
    made._written()
    return made


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Any = None,
    dtype: Any = np.float32,
) -> NDArray:
    """Return evenly spaced numbers of ``[start, stop)``, or ``[0, start)`` without a `stop`.

    Parameters
    ----------
    start, stop, step : numbers
    repeat : int, default 1
        How often each number stands in the result.
    infer_range : bool, optional
        Not supported: there is no shape to infer the range from.
    ctx : Context, optional
    dtype : dtype, default float32

    Raises
    ------
    MXNetError
        When the range is empty or endless.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0 or (start >= stop if step > 0 else start <= stop):
        raise MXNetError(f"arange: Invalid range (start, stop, step) = ({start},{stop},{step})")
    if repeat < 1:
        raise MXNetError(f"arange: repeat must be positive, found {repeat}")
    count = math.ceil((stop - start) / step)
    made_dtype = _FLOAT32 if dtype is None else as_dtype(dtype)
    # In the result's own precision, as MXNet's kernel does it.
    wide = np.dtype(np.float32) if made_dtype == np.float16 else made_dtype
    values = np.arange(count).astype(wide) * np.asarray(step).astype(wide) + np.asarray(start).astype(wide)
    return NDArray._from(np.repeat(values, repeat) if repeat > 1 else values, made_dtype, as_context(ctx))


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, ctx: Any = None, dtype: Any = np.float32
) -> NDArray:
    """Return `num` evenly spaced numbers from `start` to `stop`, which is the last one unless ``endpoint=False``."""
    values = np.linspace(start, stop, num, endpoint=endpoint)
    return NDArray._from(values, _FLOAT32 if dtype is None else as_dtype(dtype), as_context(ctx))


def eye(N: int, M: int = 0, k: int = 0, ctx: Any = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """Return an array of `N` rows and `M` columns (0: as many) with ones on diagonal number `k`."""
    return array(np.eye(N, M or N, k), ctx, dtype)


def concatenate(arrays: list[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Join arrays along an axis. Other extents and dtypes must agree.

    With ``always_copy=False`` a single array is returned itself.
    """
    if not arrays or not all(isinstance(a, NDArray) for a in arrays):
        raise TypeError("concatenate needs a list of one or more NDArrays")
    if len(arrays) == 1 and not always_copy:
        return arrays[0]
    first = arrays[0]
    for other in arrays[1:]:
        if other._array.dtype != first._array.dtype:
            raise MXNetError(f"concatenate: dtypes differ: {first._array.dtype} and {other._array.dtype}")
    try:
        joined = np.concatenate([a._array for a in arrays], axis)
    except ValueError as error:
        raise MXNetError(f"concatenate: shapes {[a.shape for a in arrays]} along axis {axis}: {error}") from None
    return NDArray._from(joined, joined.dtype, first._ctx)


def moveaxis(tensor: NDArray, source: int | list[int], destination: int | list[int]) -> NDArray:
    """Return a copy with axes `source` moved to the places `destination`; the others keep their order."""
    moved = np.moveaxis(tensor._array, source, destination)
    return NDArray._from(moved, moved.dtype, tensor._ctx)


def from_numpy(ndarray: np.ndarray, zero_copy: bool = True) -> NDArray:
    """Make an array from a NumPy array, by default over the same memory.

    With `zero_copy` the NumPy array must be C-contiguous and writable; it is made read-only, so that no write goes
    unnoticed (as in MXNet).
    """
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    dtype = as_dtype(ndarray.dtype)
    if not ndarray.flags.c_contiguous:
        raise ValueError("Only c-contiguous arrays are supported for zero-copy")
    shared = ndarray.view(dtype)
    if shared.flags.writeable:
        ndarray.flags.writeable = False
    else:
        raise ValueError("Only writable arrays are supported for zero-copy")
    # Views of it that someone made before can still write.
    return NDArray._wrap(shared, storage=Storage(ndarray, exposed=True))


class _Capsule:
    """Gives NumPy the one DLPack capsule that a caller handed over."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(dlpack: Any) -> NDArray:
    """Make an array over the memory of another library's tensor.

    Parameters
    ----------
    dlpack : DLPack capsule, or an object with ``__dlpack__``
        On CPU. Memory that is not contiguous is copied.
    """
    source = dlpack if hasattr(dlpack, "__dlpack__") else _Capsule(dlpack)
    try:
        found = np.from_dlpack(source)
    except (TypeError, BufferError, RuntimeError, ValueError, AttributeError) as error:
        raise MXNetError(f"from_dlpack: {error}") from None
    dtype = as_dtype(found.dtype)
    if not found.flags.c_contiguous:
        return array(found, dtype=dtype)
    owner = found
    if not found.flags.writeable and found.size:
        # A capsule of the first DLPack version cannot say whether it may be written, and NumPy then assumes not.
        memory: Any = (ctypes.c_char * found.nbytes).from_address(found.__array_interface__["data"][0])
        found = np.ndarray(found.shape, dtype, memory)
    return NDArray._wrap(found, storage=Storage(owner, exposed=True))


def to_dlpack_for_read(data: NDArray) -> Any:
    """Return a DLPack capsule over the array's memory."""
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data: NDArray) -> Any:
    """Return a DLPack capsule over the array's memory, for writing."""
    return data.to_dlpack_for_write()


def waitall() -> None:
    """Do nothing: results are there when a call returns."""


def split_v2(
    ary: NDArray, indices_or_sections: int | tuple[int, ...], axis: int = 0, squeeze_axis: bool = False
) -> NDArray | list[NDArray]:
    """Split an array along an axis.

    Parameters
    ----------
    ary : NDArray
    indices_or_sections : int, or tuple of int
        Number of equal parts, or where the parts after the first begin.
    axis : int, default 0
    squeeze_axis : bool, default False
        Whether to drop the axis, where all parts have extent 1 there.

    Returns
    -------
    list of NDArray, or the one NDArray
    """
    if not -ary.ndim <= axis < ary.ndim:
        raise MXNetError(f"split_v2: axis={axis} is out of range for shape {ary.shape}")
    extent = ary.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        parts = int(indices_or_sections)
        if parts < 1 or extent % parts:
            raise ValueError(f"array split does not result in an equal division: {extent} into {parts}")
        bounds = [i * (extent // parts) for i in range(1, parts)]
    elif isinstance(indices_or_sections, (tuple, list)):
        bounds = [int(i) for i in indices_or_sections]
    else:
        raise TypeError("indices_or_sections must be either int, or tuple / list / set of ints")
    found = []
    for part in np.split(ary._array, bounds, axis):
        if squeeze_axis:
            if part.shape[axis] != 1:
                raise MXNetError(
                    f"split_v2: squeeze_axis needs parts of extent 1 along axis {axis}, found {part.shape}"
                )
            part = part.squeeze(axis)
        found.append(NDArray._from(part, part.dtype, ary._ctx))
    return found if len(found) > 1 else found[0]


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Write into row i of `out` zeros and a one at column ``indices[i]`` (deprecated in MXNet: use `one_hot`)."""
    columns = indices._array.reshape(-1).astype(np.int64)
    if out.ndim != 2 or columns.size != out.shape[0] or np.any((columns < 0) | (columns >= out.shape[1])):
        raise MXNetError(f"onehot_encode: indices {indices.shape} do not fit rows and columns of out {out.shape}")
    out._array[...] = 0
    out._array[np.arange(columns.size), columns] = 1
    out._written()
    return out


def histogram(
    a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None
) -> tuple[NDArray, NDArray]:
    """Count how many elements fall into each bin.

    Parameters
    ----------
    a : NDArray
    bins : int or NDArray
        Number of bins of equal width, or their edges.
    range : (float, float), optional
        Lower and upper end of the bins; by default the least and greatest element.

    Returns
    -------
    counts, edges
    """
    edges_in = bins._array if isinstance(bins, NDArray) else bins
    counts, edges = np.histogram(a._array, edges_in, range)
    return array(counts, a._ctx, np.float32), array(edges, a._ctx, np.float32)


def reset_arrays(*arrays: NDArray, num_arrays: int | None = None) -> list[NDArray]:
    """Set every element of all arrays to zero, in place. Returns an empty list, as MXNet."""
    if num_arrays is not None and num_arrays != len(arrays):
        raise MXNetError(f"reset_arrays: num_arrays={num_arrays}, but got {len(arrays)} arrays")
    for array_ in arrays:
        array_[:] = 0
    return []
