"""Iterate over images in a record file, a list file, or a list."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import recordio
from ..base import MXNetError, as_dtype
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray, array
from .augment import CreateAugmenter
from .transform import imdecode, pixels_of

Sample = tuple[Any, bytes]  # label, encoded image


def read_list(path: str) -> dict[int, tuple[np.ndarray, str]]:
    """Labels and file names by number, of a list file: lines of number, labels and name, with tabs between."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.strip().split("\t")
            try:
                found[int(words[0])] = (np.array([float(w) for w in words[1:-1]], np.float32), words[-1])
            except ValueError as error:
                raise MXNetError(f"{path}, line {number}: is no number, labels and name: {error}") from None
    return found


class ImageIter(DataIter):
    """Batches of images, augmented, of shape (batch_size, channels, height, width).

    Parameters
    ----------
    batch_size : int
    data_shape : (channels, height, width)
    label_width : int
        Labels of an image.
    path_imgrec, path_imgidx : str, optional
        Record file, and its index, which shuffling and parts need.
    path_imglist : str, optional
        List file: lines of number, labels and file name. With a record file it gives the labels.
    path_root : str, optional
        Folder of the files that a list names.
    imglist : list, optional
        Of [label, file name], instead of a list file.
    shuffle : bool
        Put the images in a new order for every epoch.
    num_parts, part_index : int
        Take only that part of so many.
    aug_list : list of callables, optional
        Made by `CreateAugmenter` of `data_shape` and further keyword arguments by default.
    data_name, label_name : str
    dtype : str
        Of the labels.
    last_batch_handle : {"pad", "discard", "roll_over"}
        As for `NDArrayIter`.

    Raises
    ------
    AssertionError
        There is no source, or shuffling or parts without what they need.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
        label_width: int = 1,
        path_imgrec: str | None = None,
        path_imglist: str | None = None,
        path_root: str | None = None,
        path_imgidx: str | None = None,
        shuffle: bool = False,
        part_index: int = 0,
        num_parts: int = 1,
        aug_list: Sequence[Any] | None = None,
        imglist: Sequence[Any] | None = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: str = "float32",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ):
        super().__init__(batch_size)
        if not (path_imgrec or path_imglist or isinstance(imglist, list)):
            raise AssertionError("ImageIter needs path_imgrec, path_imglist or imglist")
        self.check_data_shape(data_shape)
        self.data_shape = tuple(data_shape)
        self.label_width = label_width
        self.path_root = path_root
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.dtype = dtype
        self.imglist: dict[Any, tuple[Any, str]] | None = None
        if path_imglist:
            self.imglist = read_list(path_imglist)
        elif isinstance(imglist, list):
            self.imglist = {i: (self._label(line[:-1]), line[-1]) for i, line in enumerate(imglist)}
        self.imgrec: Any = None
        if path_imgrec and path_imgidx:
            self.imgrec = recordio.MXIndexedRecordIO(path_imgidx, path_imgrec, "r")
        elif path_imgrec:
            self.imgrec = recordio.MXRecordIO(path_imgrec, "r")
        # Without an index, records are read in the order of the file.
        self.seq: list[Any] | None = list(self.imglist) if self.imglist is not None else getattr(self.imgrec, "keys", None)
        if path_imgrec and not path_imgidx:
            self.seq = None
        if self.seq is None and (shuffle or num_parts > 1):
            raise AssertionError("ImageIter: shuffle and num_parts need path_imgidx beside path_imgrec")
        if not 0 <= part_index < num_parts:
            raise AssertionError(f"ImageIter: part_index={part_index} is not within num_parts={num_parts}")
        if self.seq is not None and num_parts > 1:
            count = len(self.seq) // num_parts
            self.seq = self.seq[part_index * count : (part_index + 1) * count]
        self.auglist: list[Any] = (
            CreateAugmenter(self.data_shape, **kwargs) if aug_list is None else list(aug_list)  # type: ignore[arg-type]
        )
        self.provide_data = [DataDesc(data_name, (batch_size, *self.data_shape))]
        shape = (batch_size, label_width) if label_width > 1 else (batch_size,)
        self.provide_label = [DataDesc(label_name, shape, as_dtype(dtype).type)]
        self._left_over: list[tuple[Any, np.ndarray]] = []
        self._ended = False
        self.cur = 0
        self.reset()

    @staticmethod
    def _label(values: Any) -> np.ndarray:
        if len(values) == 1 and isinstance(values[0], (list, tuple, np.ndarray)):
            values = values[0]
        return np.array(values, np.float32).reshape(-1)

    def check_data_shape(self, data_shape: Sequence[int]) -> None:
        """Raise ValueError for a shape that no batch of colour images has."""
        if len(data_shape) != 3:
            raise ValueError("data_shape should have length 3, with dimensions CxHxW")
        if data_shape[0] != 3:
            raise ValueError("This iterator expects inputs to have 3 channels.")

    def check_valid_image(self, data: Any) -> None:
        """Raise RuntimeError for an image that is empty."""
        if len(data[0].shape) == 0:
            raise RuntimeError("Data shape is wrong")

    def reset(self) -> None:
        """Begin a new epoch."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        if self.last_batch_handle != "roll_over":
            self._left_over = []
        self._rewind()
        self._ended = False

    def hard_reset(self) -> None:
        """Begin a new epoch; nothing rolls over into it."""
        self._left_over = []
        self.reset()

    def _rewind(self) -> None:
        if self.imgrec is not None:
            self.imgrec.reset()
        self.cur = 0

    def next_sample(self) -> Sample:
        """Return label and encoded image of the next example. Raises StopIteration at the end."""
        if self.seq is None:
            record = self.imgrec.read()
            if record is None:
                raise StopIteration
            header, content = recordio.unpack(record)
            return header.label, content
        if self.cur >= len(self.seq):
            raise StopIteration
        key = self.seq[self.cur]
        self.cur += 1
        if self.imgrec is not None:
            header, content = recordio.unpack(self.imgrec.read_idx(key))
            return (header.label if self.imglist is None else self.imglist[key][0]), content
        assert self.imglist is not None
        label, name = self.imglist[key]
        return label, self.read_image(name)

    def read_image(self, fname: str) -> bytes:
        """Return the content of an image file."""
        with open(os.path.join(self.path_root, fname) if self.path_root else fname, "rb") as file:
            return file.read()

    def imdecode(self, s: bytes) -> NDArray:
        """Decode an image; the error names where it stands."""
        try:
            return imdecode(s)
        except MXNetError as error:
            key = self.seq[self.cur - 1] if self.seq is not None else "of the record file"
            raise MXNetError(f"Broken image {key}: {error}") from error

    def augmentation_transform(self, data: Any) -> Any:
        """Apply the augmenters."""
        for augment in self.auglist:
            data = augment(data)
        return data

    def postprocess_data(self, datum: Any) -> np.ndarray:
        """Put channels first."""
        return np.transpose(pixels_of(datum), (2, 0, 1))

    def _examples(self) -> Iterator[tuple[Any, np.ndarray]]:
        while True:
            try:
                label, content = self.next_sample()
            except StopIteration:
                return
            data = self.imdecode(content)
            self.check_valid_image([data])
            yield label, self._shaped(self.augmentation_transform(data))

    def _shaped(self, data: Any) -> np.ndarray:
        """An image as it stands in a batch. Raises MXNetError when the augmenters made another shape."""
        made = self.postprocess_data(data)
        if made.shape != self.data_shape:
            name = type(self).__name__
            raise MXNetError(f"{name}: an image of shape {made.shape} after augmentation, expected {self.data_shape}")
        return made

    def next(self) -> DataBatch:
        """Return the next batch. Raises StopIteration at the end of the epoch."""
        if self._ended:
            raise StopIteration
        examples = self._left_over
        rolled = len(examples)
        self._left_over = []
        for example in self._examples():
            examples.append(example)
            if len(examples) == self.batch_size:
                # MXNet's count: the examples of this epoch in a batch that begins with those of the one before.
                return self._batch(examples, self.batch_size - rolled if rolled else 0)
        self._ended = True
        if not examples or self.last_batch_handle == "discard":
            raise StopIteration
        if self.last_batch_handle == "roll_over":
            self._left_over = examples
            raise StopIteration
        own = len(examples)
        while len(examples) < self.batch_size:
            self._rewind()
            for example in self._examples():
                examples.append(example)
                if len(examples) == self.batch_size:
                    break
        return self._batch(examples, self.batch_size - own)

    def _batch(self, examples: list[tuple[Any, np.ndarray]], pad: int) -> DataBatch:
        data = np.stack([pixels for _, pixels in examples]).astype(np.float32)
        shape = self.provide_label[0].shape
        labels = np.zeros((self.batch_size, self.label_width), np.float32)
        for i, (label, _) in enumerate(examples):
            found = np.atleast_1d(np.asarray(label, np.float32))
            if len(found) != self.label_width:
                raise MXNetError(f"ImageIter: an image has {len(found)} labels, label_width is {self.label_width}")
            labels[i] = found
        return DataBatch([array(data)], [array(labels.reshape(shape), dtype=self.dtype)], pad)
