"""Hue, lightness and saturation of images as OpenCV has them in uint8: hue is half of its degrees, the others go to 255."""

from __future__ import annotations

import numpy as np

from .resize import opencv

LIMITS = (180, 255, 255)


def shift_hls(bgr: np.ndarray, hue: int, lightness: int, saturation: int) -> np.ndarray:
    """Add to hue, lightness and saturation, each clipped to its range.

    Parameters
    ----------
    bgr : ndarray of shape (H, W, 3), uint8
        Blue first.
    """
    cv2 = opencv()
    hls = cv2.cvtColor(bgr, cv2.COLOR_BGR2HLS) if cv2 is not None else to_hls(bgr)
    moved = np.clip(hls.astype(np.int16) + np.array([hue, lightness, saturation], np.int16), 0, LIMITS).astype(np.uint8)
    return cv2.cvtColor(moved, cv2.COLOR_HLS2BGR) if cv2 is not None else to_bgr(moved)


def to_hls(bgr: np.ndarray) -> np.ndarray:
    """Return hue, lightness and saturation of an image with blue first; uint8."""
    blue, green, red = np.moveaxis(bgr.astype(np.float32) / 255, -1, 0)
    most, least = bgr.max(-1).astype(np.float32) / 255, bgr.min(-1).astype(np.float32) / 255
    spread = most - least
    lightness = (most + least) / 2
    room = np.where(lightness < 0.5, most + least, 2 - most - least)
    safe = np.where(spread > 0, spread, 1)
    saturation = np.where(spread > 0, spread / np.where(room > 0, room, 1), 0)
    degrees = np.select(
        [most == red, most == green],
        [60 * (green - blue) / safe, 120 + 60 * (blue - red) / safe],
        240 + 60 * (red - green) / safe,
    )
    degrees = np.where(spread > 0, degrees % 360, 0)
    return np.rint(np.stack([degrees / 2, lightness * 255, saturation * 255], -1)).astype(np.uint8)


def to_bgr(hls: np.ndarray) -> np.ndarray:
    """Return the image, blue first, of hue, lightness and saturation; the inverse of `to_hls` up to rounding."""
    hue, lightness, saturation = np.moveaxis(hls.astype(np.float32), -1, 0)
    hue, lightness, saturation = hue * 2 / 30, lightness / 255, saturation / 255
    reach = saturation * np.minimum(lightness, 1 - lightness)

    def channel(start: int) -> np.ndarray:
        # The hexagonal hue wheel, unrolled: a channel rises, stays, falls and stays over 12 parts of 30 degrees.
        place = (start + hue) % 12
        return lightness - reach * np.clip(np.minimum(place - 3, 9 - place), -1, 1)

    return np.rint(np.stack([channel(4), channel(8), channel(0)], -1) * 255).astype(np.uint8)
