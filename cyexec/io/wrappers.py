"""Iterators over other iterators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from ..ndarray import NDArray
from .batch import DataBatch, DataDesc
from .iterator import DataIter


class ResizeIter(DataIter):
    """Epochs of another number of batches: the iterator below is started anew as often as needed.

    Parameters
    ----------
    data_iter : DataIter
    size : int
        Batches of an epoch.
    reset_internal : bool
        Whether `reset` starts `data_iter` from its beginning too; else the next epoch goes on where this one stopped.
    """

    def __init__(self, data_iter: Any, size: int, reset_internal: bool = True):
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.current_batch: DataBatch | None = None
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self) -> None:
        """Begin a new epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Move to the next batch; whether the epoch has one."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True

    def next(self) -> DataBatch:
        """Return the next batch. Raises StopIteration at the end of the epoch."""
        if not self.iter_next():
            raise StopIteration
        return self._current()

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            raise AssertionError("ResizeIter: there is no current batch; call iter_next() first")
        return self.current_batch

    def getdata(self) -> Any:
        return self._current().data

    def getlabel(self) -> Any:
        return self._current().label

    def getindex(self) -> Any:
        return self._current().index

    def getpad(self) -> int | None:
        return self._current().pad


def _fetch(source: Any) -> DataBatch | None:
    """The next batch; None at the end (a StopIteration does not travel through futures)."""
    try:
        return source.next()
    except StopIteration:
        return None


class PrefetchingIter(DataIter):
    """Read the next batch on other threads while this one is used, and join the batches of several iterators.

    Parameters
    ----------
    iters : DataIter or list of DataIter
        Each is read by a thread of its own. Their batches are joined: data with data, labels with labels.
    rename_data, rename_label : list of dict, optional
        For each iterator, new names of its arrays.

    Notes
    -----
    An exception of an iterator is raised by `next` here, as itself and with its traceback, in place of its batch. The
    threads end with the object.
    """

    def __init__(
        self,
        iters: Any,
        rename_data: Sequence[Mapping[str, str]] | None = None,
        rename_label: Sequence[Mapping[str, str]] | None = None,
    ):
        self.iters = list(iters) if isinstance(iters, (list, tuple)) else [iters]
        if not self.iters:
            raise AssertionError("PrefetchingIter: there must be at least one iterator")
        self.n_iter = len(self.iters)
        self.rename_data = rename_data
        self.rename_label = rename_label
        super().__init__(self.provide_data[0][1][0])
        self.current_batch: DataBatch | None = None
        self._threads = ThreadPoolExecutor(self.n_iter, thread_name_prefix="PrefetchingIter")
        self._coming: list[Future[DataBatch | None]] = []
        self._request()

    def _request(self) -> None:
        self._coming = [self._threads.submit(_fetch, source) for source in self.iters]

    @property
    def provide_data(self) -> list[Any]:
        """Descriptions of the data of all iterators, renamed."""
        return self._describe([i.provide_data for i in self.iters], self.rename_data)

    @property
    def provide_label(self) -> list[Any]:
        """Descriptions of the labels of all iterators, renamed."""
        return self._describe([i.provide_label for i in self.iters], self.rename_label)

    @staticmethod
    def _describe(descriptions: list[Any], names: Sequence[Mapping[str, str]] | None) -> list[Any]:
        renames: Sequence[Mapping[str, str]] = names if names is not None else [{}] * len(descriptions)
        out: list[Any] = []
        for of_one, rename in zip(descriptions, renames):
            for desc in of_one or ():
                name, shape = desc[0], desc[1]
                if isinstance(desc, DataDesc):
                    out.append(DataDesc(rename.get(name, name), shape, desc.dtype, desc.layout))
                else:
                    out.append(DataDesc(rename.get(name, name), shape))
        return out

    def _of_batches(self, batches: list[DataBatch], name: str, names: Sequence[Mapping[str, str]] | None) -> list[Any]:
        """Descriptions that the batches carry themselves (their shapes may differ from batch to batch), if they do."""
        return self._describe([getattr(batch, name, None) for batch in batches], names)

    def reset(self) -> None:
        """Begin a new epoch: what has been read ahead is dropped."""
        wait(self._coming)
        for source in self.iters:
            source.reset()
        self._request()

    def iter_next(self) -> bool:
        """Move to the next batch; whether there is one.

        Raises
        ------
        AssertionError
            The iterators have different numbers of batches or of padding examples.
        """
        wait(self._coming)
        error = next((e for e in (future.exception() for future in self._coming) if e is not None), None)
        if error is not None:
            self._request()
            raise error
        found = [future.result() for future in self._coming]
        batches = [batch for batch in found if batch is not None]
        if not batches:
            return False  # nothing is requested: the end stays the end until `reset`
        if len(batches) != self.n_iter:
            raise AssertionError("Number of entry mismatches between iterators")
        first = batches[0]
        if any(batch.pad != first.pad for batch in batches):
            raise AssertionError("Different pad size in the input batches")
        self.current_batch = DataBatch(
            [array for batch in batches for array in batch.data],
            [array for batch in batches for array in batch.label or ()],
            first.pad,
            getattr(first, "index", None),
            bucket_key=getattr(first, "bucket_key", None),
            provide_data=self._of_batches(batches, "provide_data", self.rename_data) or self.provide_data,
            provide_label=self._of_batches(batches, "provide_label", self.rename_label) or self.provide_label,
        )
        self._request()
        return True

    def next(self) -> DataBatch:
        """Return the next batch. Raises StopIteration at the end of the epoch."""
        if not self.iter_next():
            raise StopIteration
        return self._current()

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            raise AssertionError("PrefetchingIter: there is no current batch; call iter_next() first")
        return self.current_batch

    def getdata(self) -> list[NDArray] | tuple[NDArray, ...]:
        return self._current().data

    def getlabel(self) -> list[NDArray] | tuple[NDArray, ...] | None:
        return self._current().label

    def getindex(self) -> Any:
        return self._current().index

    def getpad(self) -> int | None:
        return self._current().pad
