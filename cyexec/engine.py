"""MXNet's execution engine runs operators in bulk; a schedule here is one bulk anyway: these only keep scripts running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_size = 15  # MXNet's default


def set_bulk_size(size: int) -> int:
    """Note how many operators MXNet would run in bulk, and return the number before. Nothing depends on it."""
    global _size
    before, _size = _size, int(size)
    return before


@contextmanager
def bulk(size: int) -> Iterator[None]:
    """Set the bulk size within a ``with`` block."""
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)
