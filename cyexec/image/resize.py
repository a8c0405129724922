"""Resize arrays of pixels as OpenCV does, with OpenCV where it is installed, else with NumPy.

Every method weighs, along each axis by itself, a few pixels for each new one. A table of their numbers and weights is made for
each axis. For uint8, OpenCV weighs with integers of 11 bits; the linear method, the default, does so here too and gives its
numbers, the others may differ by 1.
"""

from __future__ import annotations

import importlib
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..base import MXNetError

NEAREST, LINEAR, CUBIC, AREA, LANCZOS = range(5)
Table = tuple[np.ndarray, np.ndarray]  # numbers and weights of old pixels, of shape (new pixels, taps)


@cache
def opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError:
        return None


def resize(pixels: np.ndarray, width: int, height: int, interp: int) -> np.ndarray:
    """Return `pixels` with another width and height.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, C)
    width, height : int
    interp : int
        0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos.

    Raises
    ------
    MXNetError
        An extent is not positive, or `interp` is unknown.
    """
    if width < 1 or height < 1 or 0 in pixels.shape:
        raise MXNetError(f"cannot resize an image of shape {pixels.shape} to width {width} and height {height}")
    if interp not in range(5):
        raise MXNetError(f"unknown interpolation method {interp}; expected 0 to 4")
    cv2 = opencv()
    if cv2 is not None and pixels.dtype in (np.uint8, np.float32):
        return cv2.resize(pixels, (width, height), interpolation=interp).reshape(height, width, pixels.shape[2])
    old_height, old_width = pixels.shape[:2]
    # Averaging over areas is for shrinking; an image that grows in a direction is interpolated in both.
    shrinks = width <= old_width and height <= old_height
    across, down = _table(old_width, width, interp, shrinks), _table(old_height, height, interp, shrinks)
    if pixels.dtype == np.uint8 and down[1].shape[1] == 2 and (interp == LINEAR or not shrinks):
        return _linear_uint8(pixels, across, down)
    made = _along(_along(pixels, 1, *across), 0, *down)
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    return made.astype(pixels.dtype)


def _along(pixels: np.ndarray, axis: int, numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weigh pixels along one axis: result[i] = sum over k of weights[i, k] * pixels[numbers[i, k]]."""
    shape = [1, 1, 1]
    shape[axis] = -1
    out: Any = 0
    for k in range(numbers.shape[1]):
        out = out + pixels.take(numbers[:, k], axis) * weights[:, k].reshape(shape)
    return out


def _linear_uint8(pixels: np.ndarray, across: Table, down: Table) -> np.ndarray:
    """Weigh two by two pixels in OpenCV's integers: 11 bits of weight an axis, 4 bits dropped between the axes."""
    rows = _along(pixels.astype(np.int32), 1, across[0], np.rint(across[1] * 2048).astype(np.int32)) >> 4
    weights = np.rint(down[1] * 2048).astype(np.int32)[..., None, None]
    parts = [(rows.take(down[0][:, k], 0) * weights[:, k]) >> 16 for k in range(2)]
    return ((parts[0] + parts[1] + 2) >> 2).astype(np.uint8)


@lru_cache(64)
def _table(old: int, new: int, interp: int, shrinks: bool) -> Table:
    """Numbers and weights of the old pixels that each new one is made of; arrays of shape (new, taps)."""
    scale = old / new
    at = np.arange(new)
    if interp == NEAREST:
        return np.minimum(np.floor(at * scale).astype(int), old - 1)[:, None], np.ones((new, 1), np.float32)
    if interp == AREA and shrinks:
        # Each new pixel covers [begin, end) of the old ones, the outer two perhaps in part.
        begin, end = at * scale, np.minimum((at + 1) * scale, old)
        first = np.floor(begin).astype(int)
        numbers = first[:, None] + np.arange(int(np.ceil(scale)) + 1)
        covered = np.minimum(numbers + 1, end[:, None]) - np.maximum(numbers, begin[:, None])
        weights = np.maximum(covered, 0)
        return np.minimum(numbers, old - 1), (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    if interp == AREA:
        start = np.floor(at * scale)
        fraction = (at + 1) - (start + 1) / scale
        fraction = np.where(fraction <= 0, 0, fraction - np.floor(fraction))
    else:
        place = (at + 0.5) * scale - 0.5
        start = np.floor(place)
        fraction = place - start
    taps = {LINEAR: _linear, AREA: _linear, CUBIC: _cubic, LANCZOS: _lanczos}[interp](fraction)
    numbers = start.astype(int)[:, None] + np.arange(taps.shape[1]) - (taps.shape[1] // 2 - 1)
    return np.clip(numbers, 0, old - 1), taps.astype(np.float32)


def _linear(t: np.ndarray) -> np.ndarray:
    return np.stack([1 - t, t], 1)


def _cubic(t: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution (1981) with a = -0.75, as in OpenCV."""
    a = -0.75

    def near(x: np.ndarray) -> np.ndarray:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: np.ndarray) -> np.ndarray:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return np.stack([far(t + 1), near(t), near(1 - t), far(2 - t)], 1)


def _lanczos(t: np.ndarray) -> np.ndarray:
    """Lanczos' window over 8 pixels, its weights scaled to a sum of 1."""
    x = t[:, None] - (np.arange(8) - 3)
    weights = np.sinc(x) * np.sinc(x / 4)
    return weights / weights.sum(1, keepdims=True)
