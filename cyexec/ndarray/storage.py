"""Memory that NDArrays share, and how writes to it are noticed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._base import aligned_bytes

ALIGNMENT = 64  # a cache line, and the widest vector register


class Storage:
    """One piece of memory. Views of one array share its Storage.

    Attributes
    ----------
    array : ndarray
        What owns the memory: a 1-D uint8 array of ours, or a foreign array that we look into.
    version : int
        Goes up with every write that passes through an NDArray or an executor. Folded or prepacked copies of a
        parameter are remade when its version has changed.
    exposed : bool
        Whether someone else can write to this memory (DLPack, the buffer protocol, ``from_numpy``). Then `version`
        proves nothing, and the contents must be compared or copied anew.
    """

    __slots__ = ("array", "exposed", "version")

    def __init__(self, array: Any, exposed: bool = False):
        self.array = array
        self.version = 0
        self.exposed = exposed


def allocate(shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, Storage]:
    """Return an uninitialised C-contiguous array that starts at a multiple of `ALIGNMENT`, and its Storage."""
    raw = aligned_bytes(math.prod(shape) * dtype.itemsize, ALIGNMENT)
    return np.ndarray(shape, dtype, raw), Storage(raw)


def allocate_bytes(nbytes: int) -> np.ndarray:
    """Return `nbytes` uninitialised bytes that start at a multiple of `ALIGNMENT`."""
    return aligned_bytes(nbytes, ALIGNMENT)
