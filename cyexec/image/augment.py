"""Augmenters: functions from image to image, most of them random, that can say what they are (`dumps`)."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..context import cpu
from ..ndarray import NDArray
from .transform import (
    Size,
    as_image,
    center_crop,
    color_normalize,
    imresize,
    pixels_of,
    random_crop,
    random_size_crop,
    resize_short,
)

# Brightness of red, green and blue (ITU-R BT.601).
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
# From RGB to YIQ and back, as NTSC had them.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_FROM_YIQ = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])
# Mean, deviation, and principal components of ImageNet's pixels (Krizhevsky et al., 2012).
_MEAN = np.array([123.68, 116.28, 103.53])
_STD = np.array([58.395, 57.12, 57.375])
_EIGENVALUES = np.array([55.46, 4.794, 1.148])
_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def _floats(src: Any) -> np.ndarray:
    """Pixels of `src` in float32 (float64 stays): an array of our own, which may be changed."""
    pixels = pixels_of(src)
    return pixels.astype(pixels.dtype if pixels.dtype.kind == "f" else np.float32)


def _wrap(pixels: np.ndarray) -> NDArray:
    return NDArray._wrap(np.ascontiguousarray(pixels), cpu())


class Augmenter:
    """The base of all: keyword arguments are what `dumps` tells.

    `__call__` takes an image and returns one; here, where MXNet changes its argument, a new one.
    """

    def __init__(self, **kwargs: Any):
        self._kwargs = {k: plain(v) for k, v in kwargs.items()}

    def dumps(self) -> Any:
        """Return name and parameters as JSON text."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any) -> Any:
        raise NotImplementedError("Must override implementation.")


def plain(value: Any) -> Any:
    """A parameter as JSON can say it."""
    if isinstance(value, NDArray):
        value = value.asnumpy()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


class SequentialAug(Augmenter):
    """Apply several, in order."""

    def __init__(self, ts: Sequence[Any]):
        super().__init__()
        self.ts = ts

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [t.dumps() for t in self.ts]]

    def __call__(self, src: Any) -> Any:
        for t in self.ts:
            src = t(src)
        return src


class RandomOrderAug(SequentialAug):
    """Apply several, in random order."""

    def __init__(self, ts: Sequence[Any]):
        super().__init__(list(ts))

    def __call__(self, src: Any) -> Any:
        random.shuffle(self.ts)  # type: ignore[arg-type]
        return super().__call__(src)


class ResizeAug(Augmenter):
    """Resize the shorter edge to `size`."""

    def __init__(self, size: int, interp: int = 2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> NDArray:
        return resize_short(src, self.size, self.interp)


class ForceResizeAug(Augmenter):
    """Resize to `size` (width, height), whatever the proportions."""

    def __init__(self, size: Size, interp: int = 2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> NDArray:
        return imresize(src, *self.size, interp=self.interp)


class RandomCropAug(Augmenter):
    """Take a random part of size `size` (width, height)."""

    def __init__(self, size: Size, interp: int = 2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> NDArray:
        return random_crop(src, self.size, self.interp)[0]


class RandomSizedCropAug(Augmenter):
    """Take a random part of random area and proportions, and resize it to `size` (width, height)."""

    def __init__(self, size: Size, area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any):
        area = kwargs.pop("min_area", area)
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.area, self.ratio, self.interp = size, area, ratio, interp

    def __call__(self, src: Any) -> NDArray:
        return random_size_crop(src, self.size, self.area, self.ratio, self.interp)[0]


class CenterCropAug(Augmenter):
    """Take the middle, of size `size` (width, height)."""

    def __init__(self, size: Size, interp: int = 2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: Any) -> NDArray:
        return center_crop(src, self.size, self.interp)[0]


class BrightnessJitterAug(Augmenter):
    """Multiply by a random factor within 1 +- `brightness`."""

    def __init__(self, brightness: float):
        super().__init__(brightness=brightness)
        self.brightness = brightness

    def __call__(self, src: Any) -> NDArray:
        return _wrap(_floats(src) * np.float32(1.0 + random.uniform(-self.brightness, self.brightness)))


class ContrastJitterAug(Augmenter):
    """Blend with the image's mean brightness, by a random factor within 1 +- `contrast`."""

    def __init__(self, contrast: float):
        super().__init__(contrast=contrast)
        self.contrast = contrast

    def __call__(self, src: Any) -> NDArray:
        alpha = 1.0 + random.uniform(-self.contrast, self.contrast)
        pixels = _floats(src)
        mean = (pixels * _BRIGHTNESS).sum() * 3.0 / pixels.size
        return _wrap(pixels * np.float32(alpha) + np.float32((1.0 - alpha) * mean))


class SaturationJitterAug(Augmenter):
    """Blend with the grey image, by a random factor within 1 +- `saturation`."""

    def __init__(self, saturation: float):
        super().__init__(saturation=saturation)
        self.saturation = saturation

    def __call__(self, src: Any) -> NDArray:
        alpha = 1.0 + random.uniform(-self.saturation, self.saturation)
        pixels = _floats(src)
        grey = (pixels * _BRIGHTNESS).sum(2, keepdims=True)
        return _wrap(pixels * np.float32(alpha) + grey * np.float32(1.0 - alpha))


class HueJitterAug(Augmenter):
    """Turn the colours, in YIQ, by a random angle within +- `hue` times 180 degrees."""

    def __init__(self, hue: float):
        super().__init__(hue=hue)
        self.hue = hue

    def __call__(self, src: Any) -> NDArray:
        angle = random.uniform(-self.hue, self.hue) * np.pi
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
        pixels = _floats(src)
        return _wrap(pixels @ (_FROM_YIQ @ turn @ _TO_YIQ).T.astype(pixels.dtype))


class ColorJitterAug(RandomOrderAug):
    """Jitter brightness, contrast and saturation, in random order."""

    def __init__(self, brightness: float, contrast: float, saturation: float):
        ts: list[Augmenter] = []
        if brightness > 0:
            ts.append(BrightnessJitterAug(brightness))
        if contrast > 0:
            ts.append(ContrastJitterAug(contrast))
        if saturation > 0:
            ts.append(SaturationJitterAug(saturation))
        super().__init__(ts)


class LightingAug(Augmenter):
    """Add noise along the principal components of colours (Krizhevsky et al., 2012)."""

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any):
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd, self.eigval, self.eigvec = alphastd, np.asarray(eigval), np.asarray(eigvec)

    def __call__(self, src: Any) -> NDArray:
        alpha = np.random.normal(0, self.alphastd, size=(3,))  # noqa: NPY002  (MXNet's source of random numbers)
        pixels = _floats(src)
        return _wrap(pixels + ((self.eigvec * alpha) @ self.eigval).astype(pixels.dtype))


class ColorNormalizeAug(Augmenter):
    """Subtract `mean` and divide by `std`."""

    def __init__(self, mean: Any, std: Any):
        super().__init__(mean=mean, std=std)
        self.mean, self.std = mean, std

    def __call__(self, src: Any) -> NDArray:
        return color_normalize(src, self.mean, self.std)


class RandomGrayAug(Augmenter):
    """Make the image grey with probability `p`."""

    def __init__(self, p: float):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any) -> Any:
        if random.random() >= self.p:
            return src
        pixels = _floats(src)
        grey = pixels @ np.array([0.21, 0.72, 0.07], pixels.dtype)
        return _wrap(np.repeat(grey[..., None], 3, 2))


class HorizontalFlipAug(Augmenter):
    """Exchange left and right with probability `p`."""

    def __init__(self, p: float):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any) -> Any:
        return as_image(pixels_of(src)[:, ::-1]) if random.random() < self.p else src


class CastAug(Augmenter):
    """Convert to another dtype."""

    def __init__(self, typ: str = "float32"):
        super().__init__(type=typ)
        self.typ = typ

    def __call__(self, src: Any) -> NDArray:
        return src.astype(self.typ)


def imagenet_lighting() -> tuple[np.ndarray, np.ndarray]:
    """Strengths and directions of the principal components of ImageNet's colours, as `LightingAug` takes them."""
    return _EIGENVALUES, _EIGENVECTORS


def imagenet_values(mean: Any, std: Any) -> tuple[Any, Any]:
    """Mean and deviation, with ImageNet's for True."""
    return (_MEAN if mean is True else mean), (_STD if std is True else std)


def color_augmenters(
    brightness: float, contrast: float, saturation: float, hue: float, pca_noise: float, rand_gray: float, mean: Any, std: Any
) -> list[Augmenter]:
    """What comes after the geometry in the usual lists: conversion to float32, then changes of color. See `CreateAugmenter`."""
    auglist: list[Augmenter] = [CastAug()]
    if brightness or contrast or saturation:
        auglist.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        auglist.append(HueJitterAug(hue))
    if pca_noise > 0:
        auglist.append(LightingAug(pca_noise, *imagenet_lighting()))
    if rand_gray > 0:
        auglist.append(RandomGrayAug(rand_gray))
    mean, std = imagenet_values(mean, std)
    if mean is not None or std is not None:
        auglist.append(ColorNormalizeAug(mean, std))
    return auglist


def CreateAugmenter(  # noqa: N802  (MXNet's name)
    data_shape: tuple[int, int, int],
    resize: int = 0,
    rand_crop: bool = False,
    rand_resize: bool = False,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    hue: float = 0,
    pca_noise: float = 0,
    rand_gray: float = 0,
    inter_method: int = 2,
) -> list[Augmenter]:
    """Return the usual list of augmenters.

    Parameters
    ----------
    data_shape : (channels, height, width)
        Of the result.
    resize : int
        Length of the shorter edge before cropping; 0: as it is.
    rand_crop, rand_resize, rand_mirror : bool
        Take a random part (of random size) rather than the middle; exchange left and right half of the time.
    mean, std : array, or True for ImageNet's
    brightness, contrast, saturation, hue, pca_noise, rand_gray : float
        See the augmenters; 0: none.
    inter_method : int
        See `imresize`.
    """
    auglist: list[Augmenter] = []
    if resize > 0:
        auglist.append(ResizeAug(resize, inter_method))
    size = (data_shape[2], data_shape[1])
    if rand_resize:
        if not rand_crop:
            raise AssertionError("rand_resize needs rand_crop")
        auglist.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    elif rand_crop:
        auglist.append(RandomCropAug(size, inter_method))
    else:
        auglist.append(CenterCropAug(size, inter_method))
    if rand_mirror:
        auglist.append(HorizontalFlipAug(0.5))
    return auglist + color_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std)
