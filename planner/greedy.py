"""Orders in which to place blocks one after another, and the placing (`_greedy`) itself.

Greedy by size is Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020); other orders
win on other problems, so `solve` tries several.
"""

from __future__ import annotations

import numpy as np

from . import _greedy
from .blocks import Blocks, Int64
from .model import PlannerError

ORDERS = ("size", "area", "start", "life", "end")


def order_by(blocks: Blocks, name: str) -> Int64:
    """Return the blocks in one of the `ORDERS`, fixed ones first; ties are broken so that the result is repeatable."""
    start, end, size = blocks.start, blocks.end, blocks.size
    life = end - start
    area = life.astype(np.float64) * size
    keys = {
        "size": (start, -life, -size),
        "area": (start, -size, -area),
        "start": (-size, start),
        "life": (start, -size, -life),
        "end": (-size, -end),
    }
    return np.lexsort((*keys[name], blocks.fixed < 0)).astype(np.int64)


def place_in_order(blocks: Blocks, order: Int64, best_fit: bool = False) -> Int64:
    """Return offsets in bytes, placing the blocks in `order`, which must begin with the fixed ones.

    Raises
    ------
    PlannerError
        Two fixed blocks overlap.
    """
    n = len(blocks.size)
    first_row = np.searchsorted(blocks.row_block, np.arange(n + 1)).astype(np.int64)
    offsets = np.zeros(n, np.int64)
    clash = _greedy.place_in_order(
        order,
        blocks.size,
        blocks.align,
        blocks.fixed,
        first_row,
        blocks.row_start,
        blocks.row_end,
        offsets,
        best_fit,
    )
    if clash is not None:
        one, two = (blocks.buffers[i] for i in clash)
        raise PlannerError(
            f"buffers {one.id!r} (fixed at {one.offset}, {one.size} bytes) and {two.id!r} (fixed at {two.offset}, "
            f"{two.size} bytes) overlap and are alive at the same time",
            two.id,
        )
    return offsets
