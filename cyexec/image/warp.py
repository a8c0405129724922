"""Affine maps of images: turned, sheared, scaled; with OpenCV where it is installed, else with NumPy."""

from __future__ import annotations

import numpy as np

from .resize import AREA, LINEAR, NEAREST, opencv


def warp_affine(
    pixels: np.ndarray, matrix: np.ndarray, width: int, height: int, fill: int, interp: int = LINEAR
) -> np.ndarray:
    """Return an image whose pixel ``matrix @ (x, y, 1)`` is the pixel (x, y) of `pixels`.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, C), uint8
    matrix : ndarray of shape (2, 3)
    width, height : int
        Of the result.
    fill : int
        Value of what lies outside of `pixels`.
    interp : int
        0 nearest, 1 linear, 2 cubic, 4 Lanczos. Without OpenCV all but 0 are linear.
    """
    cv2 = opencv()
    if cv2 is not None:
        method = LINEAR if interp == AREA else interp
        border = (float(fill),) * 4
        made = cv2.warpAffine(
            pixels, matrix.astype(np.float64), (width, height), flags=method, borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )  # fmt: skip
        return made.reshape(height, width, pixels.shape[2])
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    x, y = (row[0] * columns + row[1] * rows + row[2] for row in back)
    return _nearest(pixels, x, y, fill) if interp == NEAREST else _linear(pixels, x, y, fill)


def _bordered(pixels: np.ndarray, fill: int) -> np.ndarray:
    return np.pad(pixels, ((1, 1), (1, 1), (0, 0)), constant_values=fill)


def _nearest(pixels: np.ndarray, x: np.ndarray, y: np.ndarray, fill: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    rows = np.clip(np.rint(y), -1, height).astype(int) + 1
    columns = np.clip(np.rint(x), -1, width).astype(int) + 1
    return _bordered(pixels, fill)[rows, columns]


def _linear(pixels: np.ndarray, x: np.ndarray, y: np.ndarray, fill: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    # One pixel further out all is border, so that clipping changes no value.
    x, y = np.clip(x, -1, width), np.clip(y, -1, height)
    left, top = np.minimum(np.floor(x), width - 1), np.minimum(np.floor(y), height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    columns, rows = left.astype(int) + 1, top.astype(int) + 1
    image = _bordered(pixels, fill).astype(np.float32)
    upper = image[rows, columns] * (1 - across) + image[rows, columns + 1] * across
    lower = image[rows + 1, columns] * (1 - across) + image[rows + 1, columns + 1] * across
    return np.clip(np.rint(upper * (1 - down) + lower * down), 0, 255).astype(np.uint8)
