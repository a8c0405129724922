"""Augmenters for detection: functions from image and boxes to image and boxes.

Boxes are the rows of an array: class, left, top, right, bottom, and perhaps more, with places as fractions of width and height.
Random choices come from Python's `random`, in MXNet's order.
"""

from __future__ import annotations

import json
import logging
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .augment import (
    Augmenter,
    ForceResizeAug,
    ResizeAug,
    color_augmenters,
    plain,
)
from .transform import as_image, copyMakeBorder, fixed_crop, pixels_of

Pair = tuple[float, float]
Place = tuple[int, int, int, int]  # left, top, width, height in pixels


class DetAugmenter:
    """The base of all: keyword arguments are what `dumps` tells."""

    def __init__(self, **kwargs: Any):
        self._kwargs = {k: plain(v) for k, v in kwargs.items()}

    def dumps(self) -> Any:
        """Return name and parameters as JSON text."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        raise NotImplementedError("Must override implementation.")


class DetBorrowAug(DetAugmenter):
    """Apply an augmenter of images that moves no box."""

    def __init__(self, augmenter: Augmenter):
        if not isinstance(augmenter, Augmenter):
            raise TypeError(f"DetBorrowAug needs an Augmenter, found {type(augmenter).__name__}")
        super().__init__(augmenter=augmenter.dumps())
        self.augmenter = augmenter

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """Apply a random one of several, or with probability `skip_prob` none."""

    def __init__(self, aug_list: Any, skip_prob: float = 0):
        super().__init__(skip_prob=skip_prob)
        self.aug_list = list(aug_list) if isinstance(aug_list, (list, tuple)) else [aug_list]
        for augmenter in self.aug_list:
            if not isinstance(augmenter, DetAugmenter):
                raise ValueError(f"DetRandomSelectAug chooses among DetAugmenters, found {type(augmenter).__name__}")
        self.skip_prob = skip_prob if self.aug_list else 1

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [a.dumps() for a in self.aug_list]]

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        if random.random() < self.skip_prob:
            return src, label
        random.shuffle(self.aug_list)
        return self.aug_list[0](src, label)


class DetHorizontalFlipAug(DetAugmenter):
    """Exchange left and right with probability `p`."""

    def __init__(self, p: float):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        if random.random() >= self.p:
            return src, label
        label = label.copy()
        label[:, [1, 3]] = 1.0 - label[:, [3, 1]]
        return as_image(pixels_of(src)[:, ::-1]), label


class _RandomPlace(DetAugmenter):
    """What random cropping and padding share: a rectangle of random area and proportions, some attempts to find one."""

    _LEAST_AREA = 0.0  # what the greater limit of the area must exceed

    def __init__(self, **kwargs: Any):
        self.aspect_ratio_range = self._pair(kwargs["aspect_ratio_range"], "aspect ratio")
        self.area_range = self._pair(kwargs["area_range"], "area range")
        self.max_attempts: int = kwargs["max_attempts"]
        super().__init__(**{**kwargs, "aspect_ratio_range": self.aspect_ratio_range, "area_range": self.area_range})
        self.enabled = True
        for values, wrong in (
            (self.area_range, self.area_range[1] <= self._LEAST_AREA),
            (self.aspect_ratio_range, self.aspect_ratio_range[0] <= 0),
        ):
            if wrong or values[0] > values[1]:
                warnings.warn(f"Skip {type(self).__name__} due to invalid range {values}", stacklevel=3)
                self.enabled = False

    def _pair(self, values: Any, what: str) -> Pair:
        if isinstance(values, (tuple, list)):
            return values[0], values[1]
        logging.info("Using fixed %s: %s in %s", what, values, type(self).__name__)
        return values, values

    def _ratios(self) -> Iterator[float]:
        """Proportions to attempt, width to height."""
        for _ in range(self.max_attempts if self.enabled else 0):
            ratio = random.uniform(*self.aspect_ratio_range)
            if ratio > 0:
                yield ratio

    def _heights(self, ratio: float, height: int, width: int) -> tuple[int, int]:
        """Heights of rectangles of the least and most area."""
        least, most = (math.sqrt(a * height * width / ratio) for a in self.area_range)
        return round(least), round(most)


class DetRandomCropAug(_RandomPlace):
    """Take a random part that has enough of the objects.

    Parameters
    ----------
    min_object_covered : float
        Every object that the part touches must be in it by more than this fraction.
    aspect_ratio_range : float or (float, float)
        Width to height.
    area_range : float or (float, float)
        Fraction of the image.
    min_eject_coverage : float
        Objects that are in the part by less than this fraction are dropped.
    max_attempts : int
        After so many the image stays as it is.
    """

    def __init__(
        self,
        min_object_covered: float = 0.1,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (0.05, 1.0),
        min_eject_coverage: float = 0.3,
        max_attempts: int = 50,
    ):
        super().__init__(
            min_object_covered=min_object_covered, aspect_ratio_range=aspect_ratio_range, area_range=area_range,
            min_eject_coverage=min_eject_coverage, max_attempts=max_attempts,
        )  # fmt: skip
        self.min_object_covered = min_object_covered
        self.min_eject_coverage = min_eject_coverage

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        height, width = src.shape[:2]
        for ratio in self._ratios():
            place = self._place(ratio, height, width)
            if place is not None and self._covers(label, place, height, width):
                inside = self._inside(label, place, height, width)
                if len(inside):
                    return fixed_crop(src, *place), inside
        return src, label

    def _place(self, ratio: float, height: int, width: int) -> Place | None:
        least, most = (a * height * width for a in self.area_range)
        low, high = self._heights(ratio, height, width)
        if round(high * ratio) > width:
            high = int((width + 0.4999999) / ratio)
        high = min(high, height)
        h = random.randint(low, high) if low < high else high
        w = round(h * ratio)
        # Rounding may have left the range of areas by a row.
        if w * h < least:
            h += 1
            w = round(h * ratio)
        if w * h > most:
            h -= 1
            w = round(h * ratio)
        if not (least <= w * h <= most and 0 <= w <= width and 0 <= h <= height):
            return None
        top = random.randint(0, max(0, height - h))
        left = random.randint(0, max(0, width - w))
        return left, top, w, h

    def _covers(self, label: np.ndarray, place: Place, height: int, width: int) -> bool:
        """Whether every object that the part touches is in it far enough, and there is one."""
        left, top, w, h = place
        if w * h < 2:
            return False
        boxes = label[:, 1:5]
        areas = _areas(boxes)
        seen = areas * width * height > 2
        # In the dtype of the boxes: an edge at 0.3 of the image and a box's at float32(0.3) are one place.
        corners = np.array([left / width, top / height, (left + w) / width, (top + h) / height], boxes.dtype)
        common = np.concatenate([np.maximum(boxes[:, :2], corners[:2]), np.minimum(boxes[:, 2:], corners[2:])], 1)
        coverage = _areas(common)[seen] / areas[seen]
        coverage = coverage[coverage > 0]
        return coverage.size > 0 and coverage.min() > self.min_object_covered

    def _inside(self, label: np.ndarray, place: Place, height: int, width: int) -> np.ndarray:
        """The objects that stay, in fractions of the part."""
        left, top, w, h = place[0] / width, place[1] / height, place[2] / width, place[3] / height
        out = label.copy()
        origin, extent = np.array([left, top, left, top], out.dtype), np.array([w, h, w, h], out.dtype)
        out[:, 1:5] = np.clip((out[:, 1:5] - origin) / extent, 0, 1)
        coverage = _areas(out[:, 1:5]) * w * h / _areas(label[:, 1:5])
        return out[(out[:, 3] > out[:, 1]) & (out[:, 4] > out[:, 2]) & (coverage > self.min_eject_coverage)]


class DetRandomPadAug(_RandomPlace):
    """Put the image at a random place of a larger one.

    Parameters
    ----------
    aspect_ratio_range : float or (float, float)
        Width to height.
    area_range : float or (float, float)
        Area of the larger image in areas of the image.
    max_attempts : int
        After so many the image stays as it is.
    pad_val : float, or one for each channel
    """

    _LEAST_AREA = 1.0

    def __init__(
        self,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (1.0, 3.0),
        max_attempts: int = 50,
        pad_val: Any = (128, 128, 128),
    ):
        self.pad_val = pad_val if isinstance(pad_val, (list, tuple)) else (pad_val,) * 3
        super().__init__(
            aspect_ratio_range=aspect_ratio_range, area_range=area_range, max_attempts=max_attempts, pad_val=pad_val
        )

    def __call__(self, src: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        height, width = src.shape[:2]
        for ratio in self._ratios():
            low, high = self._heights(ratio, height, width)
            if round(low * ratio) < width:
                low = int((width + 0.499999) / ratio)
            low = min(max(low, height), high)
            h = random.randint(low, high) if low < high else low
            w = round(h * ratio)
            if h - height < 2 or w - width < 2:
                continue  # hardly any padding
            top = random.randint(0, h - height)
            left = random.randint(0, w - width)
            out = label.copy()
            out[:, 1:5] = (out[:, 1:5] * [width, height, width, height] + [left, top, left, top]) / [w, h, w, h]
            margins = top, h - top - height, left, w - left - width
            return copyMakeBorder(src, *margins, values=self.pad_val), out
        return src, label


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(0, boxes[:, 2] - boxes[:, 0]) * np.maximum(0, boxes[:, 3] - boxes[:, 1])


def CreateMultiRandCropAugmenter(  # noqa: N802  (MXNet's name)
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 1.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    skip_prob: float = 0,
) -> DetRandomSelectAug:
    """Return an augmenter that crops by a random one of several `DetRandomCropAug`.

    Each parameter but `skip_prob` may be a list, with a value for each; those that are not are the same for all.
    """
    values = [min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts]
    lists = [v if isinstance(v, list) else [v] for v in values]
    count = max(map(len, lists))
    if any(len(v) not in (1, count) for v in lists):
        raise AssertionError(f"CreateMultiRandCropAugmenter: lists of {sorted({len(v) for v in lists})} values")
    rows = zip(*(v * count if len(v) == 1 else v for v in lists))
    return DetRandomSelectAug([DetRandomCropAug(*row) for row in rows], skip_prob=skip_prob)


def CreateDetAugmenter(  # noqa: N802  (MXNet's name)
    data_shape: Sequence[int],
    resize: int = 0,
    rand_crop: float = 0,
    rand_pad: float = 0,
    rand_gray: float = 0,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    pca_noise: float = 0,
    hue: float = 0,
    inter_method: int = 2,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 3.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    pad_val: Any = (127, 127, 127),
) -> list[DetAugmenter]:
    """Return the usual list of augmenters for detection.

    Parameters
    ----------
    data_shape : (channels, height, width)
        Of the result, to which images are resized whatever their proportions.
    resize : int
        Length of the shorter edge before all else; 0: as it is.
    rand_crop, rand_pad, rand_gray : float
        Probabilities.
    rand_mirror : bool
        Exchange left and right half of the time.
    mean, std : array, or True for ImageNet's
    brightness, contrast, saturation, pca_noise, hue : float
        See `CreateAugmenter`.
    inter_method : int
        See `imresize`.
    min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts
        See `CreateMultiRandCropAugmenter`; padding takes the greatest area of `area_range`.
    pad_val : float, or one for each channel
    """
    augs: list[DetAugmenter] = []
    if resize > 0:
        augs.append(DetBorrowAug(ResizeAug(resize, inter_method)))
    if rand_crop > 0:
        augs.append(
            CreateMultiRandCropAugmenter(
                min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts, 1 - rand_crop
            )
        )
    if rand_mirror:
        augs.append(DetHorizontalFlipAug(0.5))
    # Padding makes images larger: as late as it can be.
    if rand_pad > 0:
        pad = DetRandomPadAug(aspect_ratio_range, (1.0, area_range[1]), max_attempts, pad_val)
        augs.append(DetRandomSelectAug([pad], 1 - rand_pad))
    borrowed: list[Augmenter] = [
        ForceResizeAug((data_shape[2], data_shape[1]), inter_method),
        *color_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std),
    ]
    return [*augs, *map(DetBorrowAug, borrowed)]
