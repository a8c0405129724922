"""Images to and from bytes, with OpenCV or Pillow, whichever is installed: neither is needed by the rest of the library.

Arrays here have OpenCV's order of channels, blue, green, red, since MXNet's files and functions were made with it.
"""

from __future__ import annotations

import importlib
import io
from functools import cache
from typing import Any

import numpy as np

from .base import MXNetError

_JPEG = (".jpg", ".jpeg")


@cache
def _library() -> tuple[str, Any]:
    try:
        return "cv2", importlib.import_module("cv2")
    except ImportError:
        pass
    try:
        return "PIL", importlib.import_module("PIL.Image")
    except ImportError:
        raise ImportError(
            "reading and writing images needs Pillow or OpenCV, and neither is installed; "
            "install one with `pip install cyexec[image]` (Pillow) or `pip install opencv-python-headless`"
        ) from None


def decode(content: Any, flag: int = 1) -> np.ndarray:
    """Decode an image.

    Parameters
    ----------
    content : bytes or other buffer
    flag : int
        1: three channels; 0: one, the brightness; -1: as the image has them. Unless -1, the image is turned as its
        camera noted.

    Returns
    -------
    ndarray of shape (H, W, 3), (H, W, 4) or (H, W), uint8

    Raises
    ------
    MXNetError
        It is empty, or no image.
    ImportError
        There is no library.
    """
    buffer = memoryview(content).cast("B")
    if not len(buffer):
        raise MXNetError("Input cannot be an empty buffer: there is no image to decode")
    name, library = _library()
    if name == "cv2":
        found = library.imdecode(np.frombuffer(buffer, np.uint8), flag)
        if found is None:
            raise MXNetError("Decoding failed. Invalid image file.")
        return found
    turned = importlib.import_module("PIL.ImageOps").exif_transpose
    try:
        with library.open(io.BytesIO(buffer)) as image:
            if flag == -1:
                return _as_array(image)
            return _as_array(turned(image).convert("RGB" if flag else "L"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's errors of broken files
        raise MXNetError(f"Decoding failed. Invalid image file. {error}") from error


def _as_array(image: Any) -> np.ndarray:
    if image.mode in ("P", "CMYK", "YCbCr", "LA", "PA", "1"):
        image = image.convert({"LA": "RGBA", "PA": "RGBA", "1": "L"}.get(image.mode, "RGB"))
    array = np.array(image)
    return swap_channels(array) if array.ndim == 3 else array


def swap_channels(array: np.ndarray) -> np.ndarray:
    """Return a copy with red and blue exchanged."""
    order = [2, 1, 0, 3][: array.shape[-1]] if array.shape[-1] >= 3 else slice(None)
    return np.ascontiguousarray(array[..., order])


def encode(image: np.ndarray, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """Encode an image.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), (H, W, 1) or (H, W), uint8
    quality : int
        Of JPEG, 1 to 100; for PNG the compression level, 0 to 9.
    img_fmt : str
        Suffix of the format.

    Raises
    ------
    MXNetError
        The format is not known, or cannot hold the image.
    ImportError
        There is no library.
    """
    suffix = img_fmt.lower()
    image = np.asarray(image)
    name, library = _library()
    if name == "cv2":
        option = library.IMWRITE_JPEG_QUALITY if suffix in _JPEG else library.IMWRITE_PNG_COMPRESSION
        made, buffer = library.imencode(img_fmt, image, [option, quality] if suffix in (*_JPEG, ".png") else None)
        if not made:
            raise MXNetError(f"failed to encode an image of shape {image.shape} as {img_fmt}")
        return buffer.tobytes()
    if image.ndim == 3:
        image = image[..., 0] if image.shape[2] == 1 else swap_channels(image)
    options = {"quality": quality, "subsampling": "4:2:0"} if suffix in _JPEG else {}
    if suffix == ".png":
        options = {"compress_level": min(quality, 9)}
    out = io.BytesIO()
    try:
        library.fromarray(image).save(out, library.registered_extensions()[suffix], **options)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise MXNetError(f"failed to encode an image of shape {image.shape} as {img_fmt}: {error}") from error
    return out.getvalue()
