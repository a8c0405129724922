"""Iterate over files of sparse rows, ``label index:value index:value ...``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base import MXNetError
from ..ops.infer import product
from .file_iter import Chunk, MXDataIter, expand_path


class LibSVMIter(MXDataIter):
    """Batches of the rows of files in LibSVM's format, as dense arrays (MXNet gives CSR arrays, with the same numbers).

    Parameters
    ----------
    data_libsvm : str
        A file, or a directory. Each row begins with its labels; indices count from 0.
    data_shape : tuple of int
        ``(n,)``: the length of a row.
    batch_size : int
    label_libsvm : str, optional
        Rows of labels as ``index:value``, instead of those in `data_libsvm`.
    label_shape : tuple of int
    num_parts, part_index : int
        Read only that part of so many.
    round_batch : bool
        Must be True, as in MXNet: an incomplete last batch is completed with the first rows.
    data_name, label_name : str
    prefetch_buffer, ctx, dtype
        As for `CSVIter`.
    """

    def __init__(
        self,
        data_libsvm: str,
        data_shape: Any,
        batch_size: int,
        label_libsvm: str | None = None,
        label_shape: Any = (1,),
        num_parts: int = 1,
        part_index: int = 0,
        round_batch: bool = True,
        prefetch_buffer: int = 4,
        ctx: str = "cpu",
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
    ):
        data_shape, label_shape = tuple(np.atleast_1d(data_shape).tolist()), tuple(np.atleast_1d(label_shape).tolist())
        if len(data_shape) != 1:
            raise MXNetError(f"LibSVMIter: dimension of data_shape is expected to be 1, it is {data_shape}")
        if not round_batch:
            raise MXNetError("LibSVMIter: round_batch=False is not supported")
        if not 0 <= part_index < num_parts:
            raise MXNetError(f"LibSVMIter: part_index={part_index} is not within num_parts={num_parts}")
        self._files = expand_path(data_libsvm, "LibSVMIter: data_libsvm")
        given = label_libsvm not in (None, "NULL")
        self._label_files = expand_path(label_libsvm, "LibSVMIter: label_libsvm") if given else None  # type: ignore[arg-type]
        self._size, self._label_size = data_shape[0], product(label_shape)
        self._part = slice(part_index, None, num_parts)
        shape = () if label_shape == (1,) else label_shape
        super().__init__(data_shape, shape, batch_size, dtype, "round", data_name, label_name)

    def chunks(self) -> Iterator[Chunk]:
        """The rows of all files, one by one."""
        labels = self._rows(self._label_files, self._label_size) if self._label_files is not None else None
        for number, (own, data) in enumerate(self._rows(self._files, self._size)):
            if labels is not None:
                row = next(labels, None)
                if row is None:
                    raise MXNetError(f"LibSVMIter: there are only {number} rows of labels, fewer than rows of data")
                own = row[1]
            elif len(own) != self._label_size:
                raise MXNetError(f"LibSVMIter: row {number} has {len(own)} labels, label_shape asks for {self._label_size}")
            if number % (self._part.step or 1) == self._part.start:
                yield Chunk(data[None], own[None], np.array([number], np.uint64))

    def _rows(self, files: list[str], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(labels at its beginning, dense values) of each row."""
        for path in files:
            with open(path, encoding="utf-8", errors="replace") as file:
                for number, line in enumerate(file, 1):
                    words = line.partition("#")[0].split()
                    if not words:
                        continue
                    try:
                        yield self._parse(words, size)
                    except ValueError as error:
                        raise MXNetError(f"{path}, line {number}: {error}") from None

    def _parse(self, words: list[str], size: int) -> tuple[np.ndarray, np.ndarray]:
        first = next((i for i, word in enumerate(words) if ":" in word), len(words))
        labels = np.array([float(word) for word in words[:first]], self.dtype)
        values = np.zeros(size, self.dtype)
        for word in words[first:]:
            index, _, value = word.partition(":")
            if not 0 <= int(index) < size:
                raise ValueError(f"index {index} is outside of a row of {size}")
            values[int(index)] = float(value)
        return labels, values
