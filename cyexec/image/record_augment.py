"""What `ImageRecordIter` does to an image between decoding and normalising: MXNet's augmenter ``aug_default``.

    resize --> turn, shear, scale, stretch (one affine map) --> margins --> crop --> colours

All random numbers come from one generator for each image, so that threads do not matter; they are not MXNet's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base import MXNetError
from .hls import shift_hls
from .resize import resize
from .transform import choose_method
from .warp import warp_affine

# Options, with the values that change nothing.
OPTIONS: dict[str, Any] = {
    "resize": -1, "rand_crop": False, "random_resized_crop": False, "max_rotate_angle": 0, "rotate": -1,
    "max_aspect_ratio": 0.0, "min_aspect_ratio": None, "max_shear_ratio": 0.0, "max_crop_size": -1, "min_crop_size": -1,
    "max_random_scale": 1.0, "min_random_scale": 1.0, "max_random_area": 1.0, "min_random_area": 1.0,
    "max_img_size": 1e10, "min_img_size": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "pca_noise": 0.0,
    "random_h": 0, "random_s": 0, "random_l": 0, "fill_value": 255, "inter_method": 1, "pad": 0,
}  # fmt: skip
_COLOURS = ("brightness", "contrast", "saturation", "pca_noise", "random_h", "random_s", "random_l")
# Weights of blue, green and red in brightness (ITU-R BT.601).
_BRIGHTNESS = np.array([0.114, 0.587, 0.299], np.float32)
# Principal components of ImageNet's colours, red first (Krizhevsky et al., 2012).
_EIGENVALUES = np.array([55.46, 4.794, 1.148])
_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


class RecordAugmenter:
    """A function from an image of any size to one of `shape`; uint8, blue first.

    Parameters
    ----------
    shape : (channels, height, width)
    options : mapping
        Some of `OPTIONS`, which MXNet documents at ``ImageRecordIter``.
    where : str
        Who asks, for messages.

    Raises
    ------
    MXNetError
        Options contradict each other.
    """

    def __init__(self, shape: tuple[int, ...], options: Mapping[str, Any], where: str):
        self.shape = shape
        self._o = {**OPTIONS, **options}
        o = self._o
        if shape[0] != 3 and any(o[name] for name in _COLOURS):
            raise MXNetError(f"{where}: {', '.join(n for n in _COLOURS if o[n])} are for images of 3 channels")
        if o["random_resized_crop"] and (o["rand_crop"] or self._crops_to_size):
            raise MXNetError(f"{where}: random_resized_crop excludes rand_crop, min_crop_size and max_crop_size")
        if self._crops_to_size and not 0 < o["min_crop_size"] <= o["max_crop_size"]:
            raise MXNetError(
                f"{where}: min_crop_size={o['min_crop_size']} and max_crop_size={o['max_crop_size']} must be positive and "
                "in this order"
            )
        for least, most in (("min_random_scale", "max_random_scale"), ("min_random_area", "max_random_area")):
            if not 0 < o[least] <= o[most]:
                raise MXNetError(f"{where}: {least}={o[least]} and {most}={o[most]} must be positive and in this order")

    @property
    def _crops_to_size(self) -> bool:
        return self._o["max_crop_size"] != -1 or self._o["min_crop_size"] != -1

    def __call__(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        o = self._o
        if o["resize"] > 0:
            pixels = self._scaled(pixels, o["resize"] / min(pixels.shape[:2]), chance)
        if self._is_mapped:
            pixels = self._mapped(pixels, chance)
        if o["pad"] > 0:
            margin = (o["pad"], o["pad"])
            pixels = np.pad(pixels, (margin, margin, (0, 0)), constant_values=o["fill_value"])
        pixels = self._cropped(pixels, chance)
        return self._coloured(pixels, chance) if any(o[name] for name in _COLOURS) else pixels

    # Size

    def _resized(self, pixels: np.ndarray, width: int, height: int, chance: np.random.Generator) -> np.ndarray:
        return resize(pixels, width, height, self._method(chance, (*pixels.shape[:2], height, width)))

    def _method(self, chance: np.random.Generator, sizes: tuple[int, ...] = ()) -> int:
        interp = self._o["inter_method"]
        return int(chance.integers(5)) if interp == 10 else choose_method(interp, sizes)

    def _scaled(self, pixels: np.ndarray, factor: float, chance: np.random.Generator) -> np.ndarray:
        height, width = (max(1, int(d * factor + 1e-9)) for d in pixels.shape[:2])
        return self._resized(pixels, width, height, chance)

    # The affine map

    @property
    def _is_mapped(self) -> bool:
        o = self._o
        stretched = not o["random_resized_crop"] and (o["max_aspect_ratio"] != 0 or o["min_aspect_ratio"] is not None)
        names = ("max_rotate_angle", "max_shear_ratio", "max_random_scale", "min_random_scale", "max_img_size", "min_img_size")
        return stretched or o["rotate"] > 0 or any(o[name] != OPTIONS[name] for name in names)

    def _aspect_ratio(self, chance: np.random.Generator) -> float:
        """Width to height, a random one within the limits."""
        most, least = self._o["max_aspect_ratio"], self._o["min_aspect_ratio"]
        return chance.uniform(1 - most, 1 + most) if least is None else chance.uniform(least, most)

    def _mapped(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        """Turn, shear, scale and stretch about the middle, which stays the middle."""
        o = self._o
        shear = chance.uniform(-o["max_shear_ratio"], o["max_shear_ratio"])
        degrees = int(chance.integers(-o["max_rotate_angle"], o["max_rotate_angle"] + 1))
        if o["rotate"] > 0:
            degrees = o["rotate"]
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        scale = chance.uniform(o["min_random_scale"], o["max_random_scale"])
        ratio = 1.0 if o["random_resized_crop"] else self._aspect_ratio(chance)
        down = 2 * scale / (1 + ratio)
        across = ratio * down
        height, width = pixels.shape[:2]
        new_width, new_height = (max(o["min_img_size"], min(o["max_img_size"], scale * d)) for d in (width, height))
        linear = np.array(
            [[down * cos - shear * sin * across, down * sin + shear * cos * across], [-sin * across, cos * across]]
        )
        middle = linear @ [width, height]
        offset = (np.array([new_width, new_height]) - middle) / 2
        return warp_affine(
            pixels, np.column_stack([linear, offset]), int(new_width), int(new_height), o["fill_value"], self._method(chance)
        )

    # The part that is taken

    def _cropped(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        _, height, width = self.shape
        if self._o["random_resized_crop"]:
            part = self._random_part(pixels, chance)
            if part is not None:
                return self._resized(part, width, height, chance)
        if self._crops_to_size:
            size = int(chance.integers(self._o["min_crop_size"], self._o["max_crop_size"] + 1))
            if min(pixels.shape[:2]) < size:
                raise MXNetError(f"an image of {pixels.shape[1]} x {pixels.shape[0]} pixels is smaller than crop size {size}")
            return self._resized(self._part(pixels, size, size, self._o["rand_crop"], chance), width, height, chance)
        if pixels.shape[0] < height or pixels.shape[1] < width:
            pixels = self._scaled(pixels, max(height / pixels.shape[0], width / pixels.shape[1]), chance)
        return self._part(pixels, width, height, self._o["rand_crop"], chance)

    @staticmethod
    def _part(pixels: np.ndarray, width: int, height: int, at_random: bool, chance: np.random.Generator) -> np.ndarray:
        down, across = pixels.shape[0] - height, pixels.shape[1] - width
        y = int(chance.integers(down + 1)) if at_random else down // 2
        x = int(chance.integers(across + 1)) if at_random else across // 2
        return pixels[y : y + height, x : x + width]

    def _random_part(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray | None:
        """A part of random area, proportions and place; None where ten attempts do not fit."""
        area = pixels.shape[0] * pixels.shape[1]
        for _ in range(10):
            target = area * chance.uniform(self._o["min_random_area"], self._o["max_random_area"])
            ratio = self._aspect_ratio(chance)
            width, height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
            if chance.random() > 0.5:
                width, height = height, width
            if 0 < width <= pixels.shape[1] and 0 < height <= pixels.shape[0]:
                return self._part(pixels, width, height, True, chance)
        return None

    # Colours

    def _coloured(self, pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
        o = self._o
        jitter = [self._brighter, self._contrasted, self._saturated]
        limits = [o["brightness"], o["contrast"], o["saturation"]]
        factors = [1 + chance.uniform(-limit, limit) for limit in limits]
        for i in chance.permutation(3):
            if limits[i]:
                pixels = _to_uint8(jitter[i](pixels.astype(np.float32), factors[i]))
        shifts = [int(chance.integers(-o[name], o[name] + 1)) for name in ("random_h", "random_l", "random_s")]
        if any(shifts):
            pixels = shift_hls(np.ascontiguousarray(pixels), *shifts)
        if o["pca_noise"]:
            noise = _EIGENVECTORS @ (chance.normal(0, o["pca_noise"], 3) * _EIGENVALUES)
            pixels = _to_uint8(pixels + noise[::-1].astype(np.float32))
        return pixels

    @staticmethod
    def _brighter(pixels: np.ndarray, factor: float) -> np.ndarray:
        return pixels * factor

    @staticmethod
    def _contrasted(pixels: np.ndarray, factor: float) -> np.ndarray:
        return pixels * factor + (1 - factor) * (pixels @ _BRIGHTNESS).mean()

    @staticmethod
    def _saturated(pixels: np.ndarray, factor: float) -> np.ndarray:
        return pixels * factor + (1 - factor) * (pixels @ _BRIGHTNESS)[..., None]


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
