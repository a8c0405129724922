"""Iterate over arrays in memory (or read in pieces)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ndarray import NDArray
from .arrays import HeldArray, LazyArray, name_arrays
from .batch import DataBatch, DataDesc
from .iterator import DataIter

Named = list[tuple[str, "HeldArray | LazyArray"]]


class NDArrayIter(DataIter):
    """Batches of arrays.

    Parameters
    ----------
    data, label : array, list of arrays or dict of str to array
        NDArrays, NumPy arrays, or objects that are read in pieces, such as an ``h5py.Dataset``. The first axis counts
        examples. NDArrays keep their dtype, everything else becomes float32.
    batch_size : int
    shuffle : bool
        Put the examples in a new order for every epoch; reproducible from ``numpy.random.seed``, in MXNet's order.
    last_batch_handle : {"pad", "discard", "roll_over"}
        What happens to the examples that do not fill a batch: the batch is completed with the first ones of the epoch; they
        are left out; or they begin the next epoch.
    data_name, label_name : str
        Names of the arrays where `data` and `label` are no dicts.
    layout : str
        Layout that the descriptions have.

    Attributes
    ----------
    num_data : int
        Number of examples.
    idx : ndarray of int
        The last permutation. Permutations add up: an epoch's order is the order before, taken by `idx`.
    cursor : int
        Position of the current batch; negative where a batch begins with examples of the epoch before.

    Raises
    ------
    TypeError
        Something given is no array.
    ValueError
        An array has fewer examples than the first one, whose number counts; or `last_batch_handle` is unknown.
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ):
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            raise ValueError(f"last_batch_handle is {last_batch_handle!r}; expected 'pad', 'discard' or 'roll_over'")
        self._data = name_arrays(data, data_name, allow_empty=False)
        self._label = name_arrays(label, label_name, allow_empty=True)
        self.num_data = len(self._data[0][1])
        for name, held in [*self._data, *self._label]:
            if len(held) < self.num_data:
                raise ValueError(
                    f"NDArrayIter: '{name}' has {len(held)} examples, but '{self._data[0][0]}' has {self.num_data}"
                )
        self.layout = layout
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.idx = np.arange(self.num_data)
        self._order = self.idx.copy()
        self._left_over = self._order[:0]  # examples that begin the next epoch
        self.cursor = -batch_size
        self.reset()

    @property
    def data(self) -> list[tuple[str, Any]]:
        """Pairs of name and array, as given (not shuffled)."""
        return [(name, held.source) for name, held in self._data]

    @property
    def label(self) -> list[tuple[str, Any]]:
        """Pairs of name and array, as given (not shuffled)."""
        return [(name, held.source) for name, held in self._label]

    @property
    def data_list(self) -> list[Any]:
        """Arrays of data and labels."""
        return [held.source for _, held in [*self._data, *self._label]]

    @property
    def num_source(self) -> int:
        """Number of arrays."""
        return len(self._data) + len(self._label)

    @property
    def provide_data(self) -> list[DataDesc]:
        """Name, shape and dtype of each data array of a batch."""
        return self._describe(self._data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Name, shape and dtype of each label array of a batch."""
        return self._describe(self._label)

    def _describe(self, arrays: Named) -> list[DataDesc]:
        return [DataDesc(n, (self.batch_size, *a.shape[1:]), a.dtype, self.layout) for n, a in arrays]

    def hard_reset(self) -> None:
        """Begin a new epoch; nothing rolls over into it."""
        self._left_over = self._order[:0]
        self._begin(-self.batch_size)

    def reset(self) -> None:
        """Begin a new epoch."""
        if self.last_batch_handle == "roll_over" and self.num_data - self.batch_size < self.cursor < self.num_data:
            # The epoch before ended with an incomplete batch.
            self._left_over = self._order[self.cursor :]
            self._begin(self.cursor - self.num_data - self.batch_size)
        else:
            self._left_over = self._order[:0]
            self._begin(-self.batch_size)

    def _begin(self, cursor: int) -> None:
        if self.shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002  (the order that MXNet has from numpy.random.seed)
            self._order = self._order[self.idx]
        self.cursor = cursor

    def iter_next(self) -> bool:
        """Move to the next batch; whether the epoch still has examples for it (perhaps too few)."""
        self.cursor += self.batch_size
        return self.cursor < self.num_data

    def next(self) -> DataBatch:
        """Return the next batch. Raises StopIteration at the end of the epoch."""
        if not self.iter_next():
            raise StopIteration
        if self.last_batch_handle != "pad" and self.cursor + self.batch_size > self.num_data:
            # Discarded, or kept for the next epoch: `reset` sees from the cursor what is left.
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), pad=self.getpad(), index=None)

    def _numbers(self) -> np.ndarray:
        """Numbers of the current batch's examples."""
        start, stop = self.cursor, self.cursor + self.batch_size
        if start < 0:
            numbers = np.concatenate([self._left_over, self._order[: max(stop, 0)]])
        else:
            numbers = self._order[start:stop]
        short = self.batch_size - len(numbers)
        return np.concatenate([numbers, np.resize(self._order, short)]) if short > 0 else numbers

    def getdata(self) -> list[NDArray]:
        """Data of the current batch."""
        return self._take(self._data)

    def getlabel(self) -> list[NDArray]:
        """Labels of the current batch."""
        return self._take(self._label)

    def _take(self, arrays: Named) -> list[NDArray]:
        if not -self.batch_size < self.cursor < self.num_data:
            raise AssertionError("NDArrayIter: there is no current batch; call iter_next() or reset() first")
        numbers = self._numbers()
        return [held.take(numbers) for _, held in arrays]

    def getpad(self) -> int:
        """Examples of the current batch that are not this epoch's own.

        At the end of an epoch those that fill the batch, at the beginning those that rolled over.
        """
        if self.last_batch_handle == "pad" and self.cursor + self.batch_size > self.num_data:
            return self.cursor + self.batch_size - self.num_data
        if self.last_batch_handle == "roll_over" and -self.batch_size < self.cursor < 0:
            return -self.cursor
        return 0
