"""Iterate over text files of numbers with commas between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from ..base import MXNetError, as_dtype
from ..ops.infer import product
from .file_iter import Chunk, MXDataIter, expand_path

LINES = 1024  # read at a time: large enough for NumPy's reader to be fast, small beside a batch of images


class CSVIter(MXDataIter):
    """Batches of the rows of CSV files.

    Parameters
    ----------
    data_csv, label_csv : str
        A file, or a directory whose files are read in the order of their names. Without labels they are 0.
    data_shape, label_shape : tuple of int
        Of one row.
    batch_size : int
    round_batch : bool
        Whether an incomplete last batch is completed with the first rows, which the next epoch then leaves out; else its
        end holds what the batch before had there. `pad` tells their number either way.
    dtype : dtype, optional
        float32 by default; int32 and int64 are read without loss.
    data_name, label_name : str
    prefetch_buffer, ctx
        Accepted for MXNet's sake.

    Raises
    ------
    MXNetError
        A file is not there; when a row is read that is no row of numbers, or has another length.
    """

    def __init__(
        self,
        data_csv: str,
        data_shape: Any,
        batch_size: int,
        label_csv: str | None = None,
        label_shape: Any = (1,),
        round_batch: bool = True,
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        prefetch_buffer: int = 4,
        ctx: str = "cpu",
    ):
        self._data_files = expand_path(data_csv, "CSVIter: data_csv")
        self._label_files = expand_path(label_csv, "CSVIter: label_csv") if label_csv not in (None, "NULL") else None
        data_shape, label_shape = tuple(np.atleast_1d(data_shape).tolist()), tuple(np.atleast_1d(label_shape).tolist())
        self._data_size, self._label_size = product(data_shape), product(label_shape)
        super().__init__(
            data_shape,
            () if label_shape == (1,) else label_shape,
            batch_size,
            dtype,
            "round" if round_batch else "stale",
            data_name,
            label_name,
        )

    def chunks(self) -> Iterator[Chunk]:
        """The rows of all files."""
        data = read_rows(self._data_files, self._data_size, self.dtype)
        labels = read_rows(self._label_files, self._label_size, self.dtype) if self._label_files else None
        start = 0
        kept = np.empty((0, self._label_size), self.dtype)
        for rows in data:
            while labels is not None and len(kept) < len(rows):
                more = next(labels, None)
                if more is None:
                    raise MXNetError(f"CSVIter: there are only {start + len(kept)} rows of labels, fewer than rows of data")
                kept = np.concatenate([kept, more])
            label = kept[: len(rows)] if labels is not None else np.zeros((len(rows), self._label_size), self.dtype)
            kept = kept[len(rows) :]
            yield Chunk(rows, label, np.arange(start, start + len(rows), dtype=np.uint64))
            start += len(rows)


def read_rows(files: list[str], size: int, dtype: Any) -> Iterator[np.ndarray]:
    """Arrays of shape (n, size) with the rows of `files`.

    Raises
    ------
    MXNetError
        Naming file and line, for a row that does not consist of `size` numbers.
    """
    dtype = as_dtype(dtype)
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as file:
            first = 1
            while lines := list(islice(file, LINES)):
                filled = [line for line in lines if line.strip()]
                if filled:
                    yield _parse(filled, lines, first, path, size, dtype)
                first += len(lines)


def _parse(filled: list[str], lines: list[str], first: int, path: str, size: int, dtype: np.dtype) -> np.ndarray:
    try:
        rows = np.loadtxt(filled, dtype, delimiter=",", ndmin=2, comments=None)
        if rows.shape[1] == size:
            return rows
    except ValueError:
        pass
    # One row at a time, to name the line at fault.
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            found = np.loadtxt([line], dtype, delimiter=",", ndmin=2, comments=None).shape[1]
        except ValueError as error:
            raise MXNetError(f"{path}, line {number}: {error}") from None
        if found != size:
            raise MXNetError(f"{path}, line {number}: has {found} numbers, the shape asks for {size}")
    raise MXNetError(f"{path}, line {first}: cannot be read as rows of {size} numbers")
