"""Iterators over files: examples come in chunks and are cut into batches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..base import MXNetError, as_dtype
from ..ndarray import NDArray, array
from .batch import DataDesc
from .iterator import DataIter


class Chunk(NamedTuple):
    """Some examples in a row.

    Attributes
    ----------
    data : ndarray of shape (n, ...)
    label : ndarray of shape (n, ...)
    numbers : ndarray of n int
        Their numbers in the file.
    """

    data: np.ndarray
    label: np.ndarray
    numbers: np.ndarray


class MXDataIter(DataIter):
    """The base of iterators that MXNet has in C++: over files, with one data and one label array.

    A subclass gives `chunks`, the examples of one epoch.

    Parameters
    ----------
    data_shape, label_shape : tuple of int
        Of one example.
    batch_size : int
    dtype, label_dtype : dtype, optional
        Of the data and labels of a batch; float32 by default, and the same.
    last_batch : {"round", "stale", "discard"}
        An incomplete last batch is completed with the first examples of the next epoch, which then begins after them
        ("round"); keeps what the batch before had in its place ("stale": MXNet's ``round_batch=False``); or is left out.
    data_name, label_name : str
    """

    def __init__(
        self,
        data_shape: tuple[int, ...],
        label_shape: tuple[int, ...],
        batch_size: int,
        dtype: Any = None,
        last_batch: str = "round",
        data_name: str = "data",
        label_name: str = "softmax_label",
        label_dtype: Any = None,
    ):
        if batch_size < 1:
            raise MXNetError(f"{type(self).__name__}: batch_size is {batch_size}, it must be positive")
        super().__init__(batch_size)
        self.dtype = as_dtype(np.float32 if dtype is None else dtype)
        self.provide_data = [DataDesc(data_name, (batch_size, *data_shape), self.dtype.type)]
        self._label_dtype = self.dtype if label_dtype is None else as_dtype(label_dtype)
        self.provide_label = [DataDesc(label_name, (batch_size, *label_shape), self._label_dtype.type)]
        self._last_batch = last_batch
        self._chunk: Chunk | None = None  # what is left of the chunk read last
        self._stream: Iterator[Chunk] | None = None
        self._ended = False
        self._rounded = False
        self._pad = 0
        self._batch = Chunk(
            np.zeros((batch_size, *data_shape), self.dtype),
            np.zeros((batch_size, *label_shape), self._label_dtype),
            np.zeros(batch_size, np.uint64),
        )

    def chunks(self) -> Iterator[Chunk]:
        """The examples of one epoch."""
        raise NotImplementedError

    def reset(self) -> None:
        """Begin a new epoch; after a completed last batch ("round") that is one that has begun already."""
        if not self._rounded:
            self._stream = self._chunk = None
        self._ended = self._rounded = False

    def _take(self, start: int) -> int:
        """Copy examples of one chunk into the batch from place `start` on; how many (0 at the end of the epoch)."""
        if self._stream is None:
            self._stream = self.chunks()
        chunk = self._chunk
        while chunk is None or len(chunk.numbers) == 0:
            chunk = next(self._stream, None)
            if chunk is None:
                return 0
        n = min(self.batch_size - start, len(chunk.numbers))
        for into, values in zip(self._batch, chunk):
            into[start : start + n] = values[:n].reshape(into[start : start + n].shape)
        self._chunk = Chunk(*(values[n:] for values in chunk))
        return n

    def iter_next(self) -> bool:
        """Move to the next batch; whether there is one."""
        if self._ended:
            return False
        filled = self._fill(0)
        own = filled
        if filled < self.batch_size:
            self._ended = True
            if filled == 0 or self._last_batch == "discard":
                return False
            while self._last_batch == "round" and filled < self.batch_size:
                self._stream = self._chunk = None
                self._rounded = True
                filled = self._fill(filled)
        self._pad = self.batch_size - own
        return True

    def _fill(self, filled: int) -> int:
        """Fill the batch from place `filled` on with what the epoch still has; how much of it is filled then."""
        while filled < self.batch_size:
            taken = self._take(filled)
            if taken == 0:
                break
            filled += taken
        return filled

    def getdata(self) -> list[NDArray]:
        return [array(self._batch.data, dtype=self.dtype)]

    def getlabel(self) -> list[NDArray]:
        return [array(self._batch.label, dtype=self._label_dtype)]

    def getindex(self) -> np.ndarray:
        return self._batch.numbers.copy()

    def getpad(self) -> int:
        return self._pad


def expand_path(uri: str, what: str) -> list[str]:
    """Files that `uri` names: a file, all files of a directory, or several of both with ";" between.

    Raises
    ------
    MXNetError
        One is not there.
    """
    files = []
    for path in uri.removeprefix("file://").split(";"):
        if os.path.isdir(path):
            files += [e.path for e in sorted(os.scandir(path), key=lambda e: e.name) if e.is_file()]
        elif os.path.isfile(path):
            files.append(path)
        else:
            raise MXNetError(f"{what}: {path!r} is no file: No such file or directory")
    return files
