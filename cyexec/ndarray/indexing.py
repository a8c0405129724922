"""What may stand in ``array[...]``, translated for NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._base import NDArrayBase

_SLICE_PARTS = (int, np.integer, type(None))


def translate_key(key: Any, shape: tuple[int, ...]) -> tuple[Any, bool]:
    """Return `key` for NumPy, and whether it is basic (integers, slices, None, Ellipsis: a view is possible).

    Index arrays may be floats (MXNet's default dtype), as they are there. Boolean arrays are masks; MXNet reads them as
    the numbers 0 and 1, or raises, which nobody can have wanted.

    Raises
    ------
    IndexError
        Out of bounds, or too many indices.
    ValueError
        A key of a type that cannot index.
    """
    kind = type(key)
    if kind is slice:
        return _check_slice(key), True
    if kind is int or isinstance(key, (int, np.integer)) or key is None or key is Ellipsis:
        return _integer(key), True
    if not isinstance(key, tuple):
        return _index_array(key), False
    basic = True
    out: list[Any] = []
    for part in key:
        if isinstance(part, slice):
            out.append(_check_slice(part))
        elif isinstance(part, (int, np.integer)) or part is None or part is Ellipsis:
            out.append(_integer(part))
        else:
            out.append(_index_array(part))
            basic = False
    return tuple(out), basic


def _integer(key: Any) -> Any:
    # bool is an int: True means row 1 to MXNet, but a new axis to NumPy.
    return int(key) if isinstance(key, (bool, np.bool_)) else key


def _check_slice(key: slice) -> slice:
    start, stop, step = key.start, key.stop, key.step
    if not (isinstance(start, _SLICE_PARTS) and isinstance(stop, _SLICE_PARTS) and isinstance(step, _SLICE_PARTS)):
        raise ValueError(f"slice bounds must be integers or None, found {key}")  # noqa: TRY004 - MXNet's type
    if step == 0:
        raise ValueError("slice step cannot be zero")
    return key


def _index_array(key: Any) -> np.ndarray:
    if isinstance(key, NDArrayBase):
        array = key._array
    elif isinstance(key, (list, range, np.ndarray)):
        try:
            array = np.array([np.asarray(k) for k in key]) if isinstance(key, list) else np.asarray(key)
        except ValueError:
            raise IndexError(f"index lists must be rectangular, found {key}") from None
        if array.size == 0 and array.dtype.kind == "f":
            array = array.astype(np.int64)
    else:
        raise ValueError(f"NDArray does not support slicing with key {key} of type {type(key)}.")  # noqa: TRY004
    if array.dtype.kind == "f":
        return array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise ValueError(f"NDArray does not support slicing with an index array of dtype {array.dtype}.")
    return array
