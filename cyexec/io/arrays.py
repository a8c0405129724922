"""Data as users give it to an iterator: one array, a list of them, or a dict by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base import as_dtype
from ..context import cpu
from ..ndarray import NDArray, array


class LazyArray:
    """An array that is read in pieces, such as an ``h5py.Dataset``; it may be larger than memory.

    Parameters
    ----------
    source : object
        Has `shape`, `dtype`, and takes slices and increasing lists of numbers as indices.
    """

    def __init__(self, source: Any):
        self.source = source
        self.shape = tuple(source.shape)
        # As everywhere else, what is no NDArray becomes float32.
        self.dtype = np.float32

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, numbers: np.ndarray) -> NDArray:
        """The examples with these numbers, in that order."""
        # h5py wants each number once and in increasing order.
        distinct, places = np.unique(numbers, return_inverse=True)
        if len(distinct) and distinct[-1] - distinct[0] == len(distinct) - 1:
            read = self.source[int(distinct[0]) : int(distinct[-1]) + 1]
        else:
            read = self.source[distinct.tolist()]
        return array(np.asarray(read)[places.reshape(-1)])


class HeldArray:
    """An array in memory."""

    def __init__(self, source: NDArray | np.ndarray):
        # A copy: what the user does with theirs afterwards changes no batch.
        self.source = array(source)
        self.shape = self.source.shape
        self.dtype = self.source.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, numbers: np.ndarray) -> NDArray:
        """The examples with these numbers, in that order."""
        return NDArray._wrap(self.source._array.take(numbers, axis=0), cpu())


def _is_array(value: Any) -> bool:
    """Whether it has shape and dtype and can be indexed: an ``h5py.Dataset`` and its like."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__"))


def name_arrays(data: Any, default_name: str, allow_empty: bool) -> list[tuple[str, HeldArray | LazyArray]]:
    """Return (name, array) pairs.

    Parameters
    ----------
    data : array, list or tuple of arrays, dict of str to array, or None
    default_name : str
        Name of a single array; of several in a list, ``_0_NAME``, ``_1_NAME`` and so on. A dict is sorted by name.
    allow_empty : bool
        Whether there may be none.

    Raises
    ------
    TypeError
        Something is no array.
    AssertionError
        There is none, as in MXNet.
    """
    if data is None:
        data = []
    if _is_array(data):
        data = [data]
    if isinstance(data, (list, tuple)):
        if not allow_empty and not data:
            raise AssertionError(f"{default_name}: there must be at least one array")
        names = [default_name] if len(data) == 1 else [f"_{i}_{default_name}" for i in range(len(data))]
        pairs = list(zip(names, data))
    elif isinstance(data, Mapping):
        pairs = sorted(data.items())
    else:
        raise TypeError("Input must be NDArray, numpy.ndarray, h5py.Dataset a list of them or dict with them as values")
    return [(name, _hold(name, value)) for name, value in pairs]


def _hold(name: str, value: Any) -> HeldArray | LazyArray:
    if not isinstance(value, (NDArray, np.ndarray)):
        if _is_array(value):
            return LazyArray(value)
        try:
            value = array(value)
        except TypeError:
            raise TypeError(
                f"Invalid type '{type(value)}' for {name}, should be NDArray, numpy.ndarray or h5py.Dataset"
            ) from None
    if value.ndim == 0:
        raise IndexError(f"{name}: a number has no examples; expected an array with the batch as its first axis")
    as_dtype(value.dtype)
    return HeldArray(value)
