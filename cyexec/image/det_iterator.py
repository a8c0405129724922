"""Iterate over images with boxes, for detection: `ImageDetIter`."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..io import DataBatch, DataDesc
from ..ndarray import NDArray, array
from .augment import imagenet_values
from .det_augment import CreateDetAugmenter
from .iterator import ImageIter
from .transform import pixels_of


class ImageDetIter(ImageIter):
    """Batches of images and of their boxes, of shape (batch_size, boxes, values of a box); what is not used is -1.

    The label of an image is a list of numbers: how many come before the boxes (2 or more), how many make a box (5 or more),
    perhaps others, then the boxes: class, left, top, right, bottom, with places as fractions of width and height.

    Parameters
    ----------
    batch_size, data_shape, path_imgrec, path_imglist, path_root, path_imgidx, shuffle, part_index, num_parts, imglist,
    data_name, last_batch_handle
        See `ImageIter`.
    aug_list : list of DetAugmenter, optional
        Made by `CreateDetAugmenter` of `data_shape` and further keyword arguments by default.
    label_name : str

    Attributes
    ----------
    label_shape : (int, int)
        Most boxes of an image, and values of a box.

    Raises
    ------
    RuntimeError
        A label has another form, or no box.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: Sequence[int],
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
        label_name: str = "label",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ):
        super().__init__(
            batch_size, data_shape, path_imgrec=path_imgrec, path_imglist=path_imglist, path_root=path_root,
            path_imgidx=path_imgidx, shuffle=shuffle, part_index=part_index, num_parts=num_parts, aug_list=[],
            imglist=imglist, data_name=data_name, label_name=label_name, last_batch_handle=last_batch_handle,
        )  # fmt: skip
        self.auglist = CreateDetAugmenter(data_shape, **kwargs) if aug_list is None else list(aug_list)
        self.label_shape = self._estimate_label_shape()
        self._describe_label(self.label_shape)

    def _describe_label(self, shape: tuple[int, int]) -> None:
        self.label_shape = shape
        self.provide_label = [DataDesc(self.provide_label[0].name, (self.batch_size, *shape))]

    def _estimate_label_shape(self) -> tuple[int, int]:
        """Look through all labels for the most boxes."""
        most, width = 0, 0
        self.reset()
        while True:
            try:
                label, _ = self.next_sample()
            except StopIteration:
                break
            boxes = self._parse_label(label)
            most, width = max(most, len(boxes)), boxes.shape[1]
        self.reset()
        return most, width

    @staticmethod
    def _parse_label(label: Any) -> np.ndarray:
        """The boxes of a label, without those that are empty. Raises RuntimeError if there is none."""
        raw = np.asarray(label.asnumpy() if isinstance(label, NDArray) else label, np.float32).ravel()
        if raw.size < 7:
            raise RuntimeError(f"Label shape is invalid: {raw.shape}; expected header width, box width and boxes")
        header, width = int(raw[0]), int(raw[1])
        if width < 5 or (raw.size - header) % width:
            raise RuntimeError(f"Label shape {raw.shape} inconsistent with annotation width {width}.")
        boxes = raw[header:].reshape(-1, width)
        boxes = boxes[(boxes[:, 3] > boxes[:, 1]) & (boxes[:, 4] > boxes[:, 2])]
        if not len(boxes):
            raise RuntimeError("Encounter sample with no valid label.")
        return boxes

    @staticmethod
    def _check_valid_label(label: np.ndarray) -> None:
        if label.ndim != 2 or label.shape[1] < 5:
            raise RuntimeError(f"Label with shape (1+, 5+) required, {label} received.")
        if not ((label[:, 0] >= 0) & (label[:, 3] > label[:, 1]) & (label[:, 4] > label[:, 2])).any():
            raise RuntimeError("Invalid label occurs.")

    def augmentation_transform(self, data: Any, label: Any = None) -> Any:
        """Apply the augmenters; return image and boxes."""
        for augment in self.auglist:
            data, label = augment(data, label)
        return data, label

    def _augmented(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Images and boxes after augmentation; an image without valid boxes is left out, and logged."""
        while True:
            try:
                label, content = self.next_sample()
            except StopIteration:
                return
            data = self.imdecode(content)
            try:
                self.check_valid_image([data])
                data, boxes = self.augmentation_transform(data, self._parse_label(label))
                self._check_valid_label(boxes)
            except RuntimeError as error:
                logging.debug("Invalid image, skipping:  %s", str(error))
                continue
            yield data, boxes

    def _examples(self) -> Iterator[tuple[Any, np.ndarray]]:
        for data, boxes in self._augmented():
            yield boxes, self._shaped(data)

    def _batch(self, examples: list[tuple[Any, np.ndarray]], pad: int) -> DataBatch:
        labels = np.full(self.provide_label[0].shape, -1, np.float32)
        for row, (boxes, _) in zip(labels, examples):
            row[: len(boxes)] = boxes
        data = np.stack([pixels for _, pixels in examples]).astype(np.float32)
        return DataBatch([array(data)], [array(labels)], pad)

    def reshape(
        self, data_shape: Sequence[int] | None = None, label_shape: tuple[int, int] | None = None
    ) -> None:
        """Give batches another shape of images (the augmenters must make them so) or of boxes."""
        if data_shape is not None:
            self.check_data_shape(data_shape)
            self.data_shape = tuple(data_shape)
            self.provide_data = [DataDesc(self.provide_data[0].name, (self.batch_size, *self.data_shape))]
        if label_shape is not None:
            self.check_label_shape(label_shape)
            self._describe_label((label_shape[0], label_shape[1]))

    def check_label_shape(self, label_shape: Sequence[int]) -> None:
        """Raise ValueError for a shape that is too small for the boxes, or of another width."""
        if len(label_shape) != 2:
            raise ValueError("label_shape should have length 2")
        if label_shape[0] < self.label_shape[0]:
            raise ValueError(
                f"Attempts to reduce label count from {self.label_shape[0]} to {label_shape[0]}, not allowed."
            )
        if label_shape[1] != self.label_shape[1]:
            raise ValueError(f"label_shape object width inconsistent: {self.label_shape[1]} vs {label_shape[1]}.")

    def sync_label_shape(self, it: ImageDetIter, verbose: bool = False) -> ImageDetIter:
        """Give this iterator and another the larger shape of boxes of both; return the other."""
        if not isinstance(it, ImageDetIter):
            raise AssertionError(f"sync_label_shape: expected an ImageDetIter, found {type(it).__name__}")
        if self.label_shape[1] != it.label_shape[1]:
            raise AssertionError(f"object width mismatch: {self.label_shape[1]} and {it.label_shape[1]}")
        most = max(self.label_shape[0], it.label_shape[0])
        if verbose and most > min(self.label_shape[0], it.label_shape[0]):
            logging.info("Resized label_shape to (%d, %d).", most, self.label_shape[1])
        for one in (self, it):
            one.reshape(label_shape=(most, one.label_shape[1]))
        return it

    def draw_next(
        self,
        color: Any = None,
        thickness: int = 2,
        mean: Any = None,
        std: Any = None,
        clip: bool = True,
        waitKey: int | None = None,  # noqa: N803  (MXNet's name)
        window_name: str = "draw_next",
        id2labels: Any = None,
    ) -> Iterator[np.ndarray]:
        """Yield the images of the epoch, after augmentation, with their boxes drawn; blue first. Needs OpenCV.

        Parameters
        ----------
        color : (red, green, blue), optional
            Of the lines; random by default.
        thickness : int
        mean, std : array, or True for ImageNet's
            What `ColorNormalizeAug` did, to be undone.
        clip : bool
            Whether to clip to 0 to 255.
        waitKey : int, optional
            Show every image in a window for so many milliseconds.
        window_name : str
        id2labels : dict of int to str, optional
            Names of classes, written beside the boxes.
        """
        cv2 = importlib.import_module("cv2")
        mean, std = imagenet_values(mean, std)
        for data, boxes in self._augmented():
            image = pixels_of(data) * (1 if std is None else np.asarray(std)) + (0 if mean is None else np.asarray(mean))
            image = np.ascontiguousarray((np.clip(image, 0, 255) if clip else image).astype(np.uint8)[:, :, ::-1])
            height, width = image.shape[:2]
            for row in boxes[boxes[:, 1] >= 0]:
                left, top, right, bottom = (row[1:5] * [width, height, width, height]).astype(int).tolist()
                line = (np.random.rand(3) * 255).tolist() if color is None else tuple(color)[::-1]  # noqa: NPY002
                cv2.rectangle(image, (left, top), (right, bottom), line, thickness)
                if id2labels is not None and int(row[0]) in id2labels:
                    place = (left + 5, top + 16)
                    cv2.putText(image, str(id2labels[int(row[0])]), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 2)
            if waitKey is not None:
                cv2.imshow(window_name, image)
                cv2.waitKey(waitKey)
            yield image
