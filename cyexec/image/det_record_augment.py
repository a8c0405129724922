"""What `ImageDetRecordIter` does to an image and its boxes: MXNet's augmenter ``det_aug_default``.

    resize --> colours --> mirror --> margins --> crop --> the size of a batch

All random numbers come from one generator for each image, so that threads do not matter; they are not MXNet's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base import MXNetError
from .hls import shift_hls
from .resize import resize
from .transform import choose_method

# Options, with the values that change nothing.
DET_OPTIONS: dict[str, Any] = {
    "resize": -1, "rand_crop_prob": 0.0, "min_crop_scales": 0.0, "max_crop_scales": 1.0, "min_crop_aspect_ratios": 1.0,
    "max_crop_aspect_ratios": 1.0, "min_crop_overlaps": 0.0, "max_crop_overlaps": 1.0, "min_crop_sample_coverages": 0.0,
    "max_crop_sample_coverages": 1.0, "min_crop_object_coverages": 0.0, "max_crop_object_coverages": 1.0,
    "num_crop_sampler": 1, "crop_emit_mode": "center", "emit_overlap_thresh": 0.3, "max_crop_trials": 25,
    "rand_pad_prob": 0.0, "max_pad_scale": 1.0, "max_random_hue": 0, "random_hue_prob": 0.0, "max_random_saturation": 0,
    "random_saturation_prob": 0.0, "max_random_illumination": 0, "random_illumination_prob": 0.0,
    "max_random_contrast": 0.0, "random_contrast_prob": 0.0, "rand_mirror_prob": 0.0, "fill_value": 127,
    "inter_method": 1, "resize_mode": "force",
}  # fmt: skip
# Those that have a value for each crop sampler.
_BY_SAMPLER = (
    "min_crop_scales", "max_crop_scales", "min_crop_aspect_ratios", "max_crop_aspect_ratios", "min_crop_overlaps",
    "max_crop_overlaps", "min_crop_sample_coverages", "max_crop_sample_coverages", "min_crop_object_coverages",
    "max_crop_object_coverages", "max_crop_trials",
)  # fmt: skip
_CHOICES = {"crop_emit_mode": ("center", "overlap"), "resize_mode": ("force", "fit", "shrink")}


class DetRecordAugmenter:
    """A function from an image and its boxes to an image that fits into a batch, and the boxes that are left.

    Images are uint8, blue first; boxes are rows of class, left, top, right, bottom, in fractions of width and height.

    Parameters
    ----------
    shape : (channels, height, width)
    options : mapping
        Some of `DET_OPTIONS`, which MXNet documents at ``ImageDetRecordIter``.
    where : str
        Who asks, for messages.

    Raises
    ------
    MXNetError
        A list has another length than there are samplers, or a choice is unknown.
    """

    def __init__(self, shape: tuple[int, ...], options: Mapping[str, Any], where: str):
        self.shape = shape
        self._o = {**DET_OPTIONS, **options}
        for name, choices in _CHOICES.items():
            if self._o[name] not in choices:
                raise MXNetError(f"{where}: {name}={self._o[name]!r}; expected one of {', '.join(choices)}")
        count = int(self._o["num_crop_sampler"])
        columns = {}
        for name in _BY_SAMPLER:
            values = np.atleast_1d(np.asarray(self._o[name], np.float64))
            if len(values) not in (1, count):
                raise MXNetError(f"{where}: {name} has {len(values)} values, but num_crop_sampler={count}")
            columns[name] = np.broadcast_to(values, count)
        self._samplers = [{name: float(columns[name][i]) for name in _BY_SAMPLER} for i in range(count)]

    def __call__(
        self, pixels: np.ndarray, boxes: np.ndarray, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        o = self._o
        if o["resize"] > 0:
            factor = o["resize"] / min(pixels.shape[:2])
            height, width = (max(1, int(d * factor + 1e-9)) for d in pixels.shape[:2])
            pixels = self._resized(pixels, width, height, chance)
        pixels = self._coloured(pixels, chance)
        boxes = boxes.copy()
        if chance.random() < o["rand_mirror_prob"]:
            pixels = pixels[:, ::-1]
            boxes[:, [1, 3]] = 1 - boxes[:, [3, 1]]
        if chance.random() < o["rand_pad_prob"] and o["max_pad_scale"] > 1:
            pixels, boxes = self._padded(pixels, boxes, chance)
        if chance.random() < o["rand_crop_prob"]:
            pixels, boxes = self._cropped(pixels, boxes, chance)
        return self._fitted(pixels, chance), boxes

    def _resized(self, pixels: np.ndarray, width: int, height: int, chance: np.random.Generator) -> np.ndarray:
        interp = self._o["inter_method"]
        sizes = (*pixels.shape[:2], height, width)
        method = int(chance.integers(5)) if interp == 10 else choose_method(interp, sizes)
        return resize(np.ascontiguousarray(pixels), width, height, method)

    def _fitted(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """The size of a batch, or within it, in the proportions it has: as large as fits, or only made smaller."""
        _, height, width = self.shape
        if self._o["resize_mode"] != "force":
            factor = min(height / pixels.shape[0], width / pixels.shape[1])
            if self._o["resize_mode"] == "shrink":
                factor = min(factor, 1.0)
            height, width = (max(1, int(d * factor + 1e-9)) for d in pixels.shape[:2])
        return self._resized(pixels, width, height, chance)

    def _coloured(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        o = self._o
        shifts = [
            int(chance.integers(-o[f"max_random_{part}"], o[f"max_random_{part}"] + 1))
            if chance.random() < o[f"random_{part}_prob"] else 0
            for part in ("hue", "illumination", "saturation")
        ]  # fmt: skip
        if any(shifts) and pixels.shape[2] == 3:
            pixels = shift_hls(np.ascontiguousarray(pixels), *shifts)
        if chance.random() < o["random_contrast_prob"]:
            factor = 1 + chance.uniform(-o["max_random_contrast"], o["max_random_contrast"])
            pixels = np.clip(np.rint(pixels * np.float32(factor)), 0, 255).astype(np.uint8)
        return pixels

    def _padded(
        self, pixels: np.ndarray, boxes: np.ndarray, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Put the image at a random place of a larger one of the same proportions."""
        height, width, channels = pixels.shape
        scale = chance.uniform(1, self._o["max_pad_scale"])
        new_height, new_width = int(height * scale), int(width * scale)
        top, left = int(chance.integers(new_height - height + 1)), int(chance.integers(new_width - width + 1))
        made = np.full((new_height, new_width, channels), self._o["fill_value"], np.uint8)
        made[top : top + height, left : left + width] = pixels
        return made, _seen_from(boxes, -left / width, -top / height, new_width / width, new_height / height)

    # Crops; places are fractions of the image.

    def _cropped(
        self, pixels: np.ndarray, boxes: np.ndarray, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first part that a sampler, in random order, accepts; else the image as it is."""
        height, width = pixels.shape[:2]
        for number in chance.permutation(len(self._samplers)):
            sampler = self._samplers[number]
            for _ in range(int(sampler["max_crop_trials"])):
                left, top, w, h = self._place(sampler, width / height, chance)
                if not _accepts(sampler, boxes, left, top, w, h):
                    continue
                kept = boxes[self._stays(boxes, left, top, w, h)]
                x, y = int(left * width), int(top * height)
                columns, rows = max(1, int(w * width)), max(1, int(h * height))
                if len(kept):
                    return pixels[y : y + rows, x : x + columns], _seen_from(kept, left, top, w, h)
        return pixels, boxes

    @staticmethod
    def _place(sampler: Mapping[str, float], proportions: float, chance: np.random.Generator) -> tuple[float, ...]:
        """Left, top, width and height of a random part within the sampler's scales and proportions."""
        scale = chance.uniform(sampler["min_crop_scales"], sampler["max_crop_scales"]) + 1e-12
        least = max(sampler["min_crop_aspect_ratios"] / proportions, scale * scale)
        most = min(sampler["max_crop_aspect_ratios"] / proportions, 1 / (scale * scale))
        ratio = np.sqrt(chance.uniform(least, max(least, most)))
        w, h = min(1.0, scale * ratio), min(1.0, scale / ratio)
        return chance.uniform(0, 1 - w), chance.uniform(0, 1 - h), w, h

    def _stays(self, boxes: np.ndarray, left: float, top: float, w: float, h: float) -> np.ndarray:
        """Which objects are still there in a part."""
        if self._o["crop_emit_mode"] == "overlap":
            return _common(boxes, left, top, w, h) > self._o["emit_overlap_thresh"] * _areas(boxes)
        x, y = (boxes[:, 1] + boxes[:, 3]) / 2, (boxes[:, 2] + boxes[:, 4]) / 2
        return (left <= x) & (x < left + w) & (top <= y) & (y < top + h)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.maximum(0, boxes[:, 3] - boxes[:, 1]) * np.maximum(0, boxes[:, 4] - boxes[:, 2])


def _common(boxes: np.ndarray, left: float, top: float, w: float, h: float) -> np.ndarray:
    """Areas that boxes share with a part."""
    wide = np.minimum(boxes[:, 3], left + w) - np.maximum(boxes[:, 1], left)
    high = np.minimum(boxes[:, 4], top + h) - np.maximum(boxes[:, 2], top)
    return np.maximum(0, wide) * np.maximum(0, high)


def _accepts(sampler: Mapping[str, float], boxes: np.ndarray, left: float, top: float, w: float, h: float) -> bool:
    """Whether some object is within all limits of the sampler; one without limits accepts every part."""
    limits = [(sampler[f"min_crop_{name}"], sampler[f"max_crop_{name}"]) for name in _LIMITS]
    if all(least <= 0 and most >= 1 for least, most in limits):
        return True
    areas, common = _areas(boxes), _common(boxes, left, top, w, h)
    values = (common / (areas + w * h - common), common / (w * h), common / np.maximum(areas, 1e-12))
    return bool(np.all([(least <= v) & (v <= most) for (least, most), v in zip(limits, values)], axis=0).any())


_LIMITS = ("overlaps", "sample_coverages", "object_coverages")


def _seen_from(boxes: np.ndarray, left: float, top: float, w: float, h: float) -> np.ndarray:
    """Boxes in fractions of a rectangle, clipped to it."""
    made = boxes.copy()
    made[:, 1:5] = np.clip((boxes[:, 1:5] - [left, top, left, top]) / [w, h, w, h], 0, 1)
    return made
