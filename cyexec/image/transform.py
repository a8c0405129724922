"""Functions from images to images."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from .. import codec
from ..base import MXNetError
from ..context import cpu
from ..ndarray import NDArray
from .resize import AREA, CUBIC, LINEAR, resize

Size = tuple[int, int]


def pixels_of(image: Any) -> np.ndarray:
    """The array behind an image (an NDArray, or something like a NumPy array), which must have three axes."""
    array = image._array if isinstance(image, NDArray) else np.asarray(image)
    if array.ndim != 3:
        raise MXNetError(f"an image has shape (height, width, channels), found {array.shape}")
    return array


def as_image(pixels: np.ndarray) -> NDArray:
    """An NDArray with a copy of `pixels`."""
    return NDArray._from(pixels, pixels.dtype, cpu())


def imdecode(buf: Any, flag: int = 1, to_rgb: bool = True, out: NDArray | None = None) -> NDArray:
    """Decode an image.

    Parameters
    ----------
    buf : bytes, or ndarray of uint8
    flag : int
        1: three channels; 0: one.
    to_rgb : bool
        Red first; else blue.
    out : NDArray, optional
        Where to write.

    Returns
    -------
    NDArray of shape (H, W, C), uint8

    Raises
    ------
    MXNetError
        It is empty, or no image.
    ImportError
        Neither Pillow nor OpenCV is installed.
    """
    content = buf._array if isinstance(buf, NDArray) else buf
    if isinstance(content, str):
        content = content.encode("latin-1")
    pixels = codec.decode(content, flag)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    elif to_rgb:
        pixels = codec.swap_channels(pixels)
    if out is not None:
        out[:] = pixels
        return out
    return as_image(pixels)


def imread(filename: str, flag: int = 1, to_rgb: bool = True, out: NDArray | None = None) -> NDArray:
    """Read and decode an image file. See `imdecode`.

    Raises
    ------
    MXNetError
        It is not there, or no image.
    """
    try:
        with open(filename, "rb") as file:
            content = file.read()
    except OSError as error:
        raise MXNetError(f"Imread: '{filename}' couldn't open file: {error.strerror}") from error
    return imdecode(content, flag, to_rgb, out)


def imresize(src: Any, w: int, h: int, interp: int = 1, out: NDArray | None = None) -> NDArray:
    """Return an image with width `w` and height `h`.

    Parameters
    ----------
    interp : int
        0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos, 9 what suits the change of size, 10 a random one.
    """
    pixels = pixels_of(src)
    made = resize(pixels, int(w), int(h), choose_method(interp, (*pixels.shape[:2], int(h), int(w))))
    if out is not None:
        out[:] = made
        return out
    return as_image(made)


def choose_method(interp: int, sizes: tuple[int, ...] = ()) -> int:
    """The method that 9 or 10 stand for; `sizes` are height and width before and after."""
    if interp == 10:
        return random.randint(0, 4)
    if interp != 9:
        return interp
    if not sizes:
        return CUBIC
    height, width, new_height, new_width = sizes
    if new_height > height and new_width > width:
        return CUBIC
    return AREA if new_height < height and new_width < width else LINEAR


def copyMakeBorder(  # noqa: N802  (MXNet's name)
    src: Any, top: int, bot: int, left: int, right: int, type: int = 0, value: float = 0.0, values: Any = ()
) -> NDArray:
    """Return an image with margins.

    Parameters
    ----------
    type : int
        0 constant `value` (or `values`, one for each channel), 1 the border repeated, 2 mirrored with it, 3 wrapped around,
        4 mirrored without it. OpenCV's flag 16, "isolated", may be added and means nothing here.
    """
    type &= ~16
    pixels = pixels_of(src)
    margins = ((top, bot), (left, right), (0, 0))
    modes: dict[int, Any] = {1: "edge", 2: "symmetric", 3: "wrap", 4: "reflect"}
    if type in modes:
        return as_image(np.pad(pixels, margins, modes[type]))
    if type != 0:
        raise MXNetError(f"copyMakeBorder: unknown type {type}; expected 0 to 4")
    made = np.empty((pixels.shape[0] + top + bot, pixels.shape[1] + left + right, pixels.shape[2]), pixels.dtype)
    made[...] = np.asarray(values if len(values) else value)[..., : pixels.shape[2]] if len(values) else value
    made[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return as_image(made)


def scale_down(src_size: Size, size: Size) -> Size:
    """Return `size` scaled down, in its proportions, to fit into `src_size`; all (width, height)."""
    width, height = size
    src_width, src_height = src_size
    if src_height < height:
        width, height = width * src_height / height, src_height  # type: ignore[assignment]
    if src_width < width:
        width, height = src_width, height * src_width / width  # type: ignore[assignment]
    return int(width), int(height)


def resize_short(src: Any, size: int, interp: int = 2) -> NDArray:
    """Return an image whose shorter edge has length `size`, in the proportions it had."""
    height, width = pixels_of(src).shape[:2]
    if height > width:
        new_width, new_height = size, size * height // width
    else:
        new_width, new_height = size * width // height, size
    return imresize(src, new_width, new_height, interp)


def fixed_crop(src: Any, x0: int, y0: int, w: int, h: int, size: Size | None = None, interp: int = 2) -> NDArray:
    """Return the part of width `w` and height `h` at (`x0`, `y0`), resized to `size` (width, height) if that is given."""
    part = pixels_of(src)[y0 : y0 + h, x0 : x0 + w]
    if size is not None and (w, h) != tuple(size):
        return imresize(part, *size, interp)
    return as_image(part)


def random_crop(src: Any, size: Size, interp: int = 2) -> tuple[NDArray, tuple[int, int, int, int]]:
    """Return a random part of size `size` (width, height), and where it was: (x0, y0, width, height).

    Where the image is smaller, the part is as large as fits, and resized.
    """
    height, width = pixels_of(src).shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0 = random.randint(0, width - new_width)
    y0 = random.randint(0, height - new_height)
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def center_crop(src: Any, size: Size, interp: int = 2) -> tuple[NDArray, tuple[int, int, int, int]]:
    """Return the middle of an image, and where it was. See `random_crop`."""
    height, width = pixels_of(src).shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0, y0 = (width - new_width) // 2, (height - new_height) // 2
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def random_size_crop(
    src: Any, size: Size, area: float | tuple[float, float], ratio: tuple[float, float], interp: int = 2, **kwargs: Any
) -> tuple[NDArray, tuple[int, int, int, int]]:
    """Return a random part of random area and proportions, resized to `size`, and where it was.

    Parameters
    ----------
    area : float or (float, float)
        Least and most of the image's area; most is 1 if one number is given. The keyword ``min_area`` is an older name.
    ratio : (float, float)
        Least and most of width / height.
    """
    area = kwargs.pop("min_area", area)
    if kwargs:
        raise TypeError(f"random_size_crop() got unexpected keyword arguments {', '.join(kwargs)}")
    least, most = (area, 1.0) if isinstance(area, (int, float)) else area
    height, width = pixels_of(src).shape[:2]
    for _ in range(10):
        target = random.uniform(least, most) * (height * width)
        proportion = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        new_width = round(math.sqrt(target * proportion))
        new_height = round(math.sqrt(target / proportion))
        if new_width <= width and new_height <= height:
            x0 = random.randint(0, width - new_width)
            y0 = random.randint(0, height - new_height)
            return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)
    return center_crop(src, size, interp)


def color_normalize(src: Any, mean: Any, std: Any = None) -> NDArray:
    """Return ``(src - mean) / std``, in float32 unless `src` is of another float type."""
    pixels = pixels_of(src)
    made = pixels.astype(pixels.dtype if pixels.dtype.kind == "f" else np.float32)
    if mean is not None:
        made -= _values(mean, made.dtype)
    if std is not None:
        made /= _values(std, made.dtype)
    return NDArray._wrap(made, cpu())


def _values(value: Any, dtype: np.dtype) -> np.ndarray:
    return np.asarray(value._array if isinstance(value, NDArray) else value, dtype)
