"""ImageDetRecordIter: batches of the images of a record file with their boxes, decoded and augmented by several threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import recordio
from ..base import MXNetError
from .det_record_augment import DET_OPTIONS, DetRecordAugmenter
from .record_iter import ImageRecordIter


class ImageDetRecordIter(ImageRecordIter):
    """Batches of images and labels; a label is a row of numbers of the greatest length, filled up.

    A row is channels, height and width of the image as it stands in the batch, the number of numbers in its label, and the
    label: how many come before the boxes (2 or more), how many make a box (5 or more), perhaps others, then the boxes: class,
    left, top, right, bottom, with places as fractions of width and height.

    Parameters
    ----------
    path_imgrec, data_shape, batch_size, path_imgidx, path_imglist, shuffle, seed, num_parts, part_index, preprocess_threads,
    round_batch, mean_img, mean_r, mean_g, mean_b, mean_a, scale, dtype, data_name, label_name
        See `ImageRecordIter`.
    label_pad_width : int
        Numbers of a label; by default those of the longest one, for which the file is looked through.
    label_pad_value : float
        What labels are filled up with.
    std_r, std_g, std_b, std_a : float
        0: as 1.
    **augmentation
        ``rand_crop_prob``, ``rand_pad_prob``, ``rand_mirror_prob``, ``resize_mode`` and the others that
        `det_record_augment.DET_OPTIONS` has.

    Raises
    ------
    MXNetError
        As `ImageRecordIter`; a label has another form, or is longer than `label_pad_width`.
    """

    _options = DET_OPTIONS
    _augmenter = DetRecordAugmenter

    def __init__(
        self,
        path_imgrec: str,
        data_shape: Any,
        batch_size: int,
        label_width: int = -1,
        label_pad_width: int = 0,
        label_pad_value: float = -1.0,
        **others: Any,
    ):
        self._pad_width, self._pad_value = label_pad_width, label_pad_value
        std = {name: value for name, value in others.items() if name.startswith("std_") and value == 0}
        super().__init__(path_imgrec, data_shape, batch_size, label_width=label_width, **{**others, **dict.fromkeys(std, 1.0)})

    def _label_shape(self) -> tuple[int, ...]:
        if self._pad_width <= 0:
            self._pad_width = max(map(len, self._all_labels()))
        return (4 + self._pad_width,)

    def _all_labels(self) -> list[np.ndarray]:
        reader = recordio.MXRecordIO(self._path, "r")
        try:
            records = [reader.read_at(position) for _, position in self._positions.tolist()]
        finally:
            reader.close()
        return [self._label_of(recordio.unpack(record)[0]) for record in records if record is not None]

    def _check_label(self, label: np.ndarray, what: str) -> None:
        ok = len(label) >= 2 and label[0] >= 2 and label[1] >= 5
        if not ok or len(label) < label[0] or (len(label) - int(label[0])) % int(label[1]):
            raise MXNetError(
                f"{what} has a label of {len(label)} numbers; expected header width (at least 2), box width (at least 5), "
                "the rest of the header, and boxes"
            )
        if 0 < self._pad_width < len(label):
            raise MXNetError(f"{what} has a label of {len(label)} numbers, label_pad_width: {self._pad_width} is smaller")

    def _example(
        self, pixels: np.ndarray, label: np.ndarray, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        header, width = int(label[0]), int(label[1])
        pixels, boxes = self._augment(pixels, label[header:].reshape(-1, width), chance)
        height, across = pixels.shape[:2]
        # What an image leaves free is black before it is normalised, as in MXNet.
        frame = np.zeros((*self._shape[1:], self._shape[0]), np.uint8)
        frame[:height, :across] = pixels
        row = np.full(4 + self._pad_width, self._pad_value, np.float32)
        kept = np.concatenate([label[:header], boxes.ravel()])
        row[:4] = self._shape[0], height, across, len(kept)
        row[4 : 4 + len(kept)] = kept
        return self._normalised(frame, chance), row
