"""Memory that NDArrays share, and how writes to it are noticed. The work is in `_base.pyx`."""

from __future__ import annotations

import numpy as np

from ._base import Storage, Watch, allocate, note_writes

_BYTE = np.dtype(np.uint8)


def allocate_bytes(nbytes: int) -> np.ndarray:
    """Return `nbytes` uninitialised bytes that start at a multiple of 64."""
    return allocate((nbytes,), _BYTE)[0]


__all__ = ["Storage", "Watch", "allocate", "allocate_bytes", "note_writes"]
