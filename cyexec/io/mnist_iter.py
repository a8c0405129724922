"""Iterate over the MNIST files and others of their format (idx)."""

from __future__ import annotations

import gzip
import logging
import os
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base import MXNetError
from .file_iter import Chunk, MXDataIter

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str) -> np.ndarray:
    """Return the array in an idx file, which may be compressed with gzip.

    Raises
    ------
    MXNetError
        The file is missing, is none of these, or is cut off.
    """
    if not os.path.isfile(path):
        raise MXNetError(f"MNISTIter: {path!r} is no file: No such file or directory")
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise MXNetError(f"{path}: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise MXNetError(f"{path}: is no idx file: it begins with {content[:4]!r}")
    dtype, ndim = np.dtype(_TYPES[content[2]]), content[3]
    begin = 4 + 4 * ndim
    if len(content) < begin:
        raise MXNetError(f"{path}: is cut off: {len(content)} bytes")
    shape = struct.unpack(f">{ndim}I", content[4:begin])
    count = 1
    for extent in shape:
        count *= extent
    if len(content) - begin < count * dtype.itemsize:
        raise MXNetError(
            f"{path}: is cut off: an array of shape {shape} has {count * dtype.itemsize} bytes, "
            f"there are {len(content) - begin}"
        )
    return np.frombuffer(content, dtype, count, begin).reshape(shape)


class MNISTIter(MXDataIter):
    """Batches of MNIST's images, as numbers in [0, 1), and labels. Examples that do not fill a last batch are left out.

    Parameters
    ----------
    image, label : str
        Files, possibly compressed with gzip.
    batch_size : int
    shuffle : bool
        Put the examples in one random order, the same in every epoch. It comes from `seed`; MXNet has another.
    flat : bool
        Images are rows, of shape (784,), instead of (1, 28, 28).
    seed : int
    silent : bool
        Log nothing.
    num_parts, part_index : int
        Read only that part of so many.
    data_name, label_name : str
    input_shape, prefetch_buffer, ctx, dtype
        `dtype` as for `CSVIter`; the others are accepted for MXNet's sake.
    """

    def __init__(
        self,
        image: str = "./train-images-idx3-ubyte",
        label: str = "./train-labels-idx1-ubyte",
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int = 0,
        silent: bool = False,
        num_parts: int = 1,
        part_index: int = 0,
        prefetch_buffer: int = 4,
        ctx: str = "cpu",
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        input_shape: Any = None,
    ):
        images, labels = read_idx(image), read_idx(label)
        if images.ndim != 3:
            raise MXNetError(f"{image}: has {images.ndim} dimensions, images have 3")
        if labels.shape != images.shape[:1]:
            raise MXNetError(f"{label}: has labels of shape {labels.shape} for {len(images)} images of {image}")
        if not 0 <= part_index < num_parts:
            raise MXNetError(f"MNISTIter: part_index={part_index} is not within num_parts={num_parts}")
        start, stop = (len(images) * part // num_parts for part in (part_index, part_index + 1))
        self._numbers = np.arange(start, stop)
        if shuffle:
            np.random.default_rng(seed).shuffle(self._numbers)
        self._images, self._labels = images, labels
        rows, columns = images.shape[1:]
        shape = (rows * columns,) if flat else (1, rows, columns)
        super().__init__(shape, (), batch_size, dtype, "discard", data_name, label_name)
        if not silent:
            found = self.provide_data[0].shape
            logging.info("MNISTIter: load %d images, shuffle=%d, shape=%s", len(self._numbers), bool(shuffle), found)

    def chunks(self) -> Iterator[Chunk]:
        """Whole batches."""
        for start in range(0, len(self._numbers), self.batch_size):
            numbers = self._numbers[start : start + self.batch_size]
            # By 256, as MXNet does, so 255 is not quite 1.
            images = self._images[numbers].astype(np.float32) * np.float32(1 / 256)
            yield Chunk(images, self._labels[numbers], numbers.astype(np.uint64))
