"""Place blocks one after another, each into a hole among the blocks already placed that it meets in time.

Greedy by size with best fit is Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020);
other orders win on other problems, so `solve` tries several.
"""

from __future__ import annotations

import numpy as np

from .blocks import Blocks, Int64
from .model import LIMIT, PlannerError


def orders(blocks: Blocks) -> dict[str, Int64]:
    """Return the orders of placement, by name, the most successful first. Fixed blocks come first in each."""
    start, end, size = blocks.start, blocks.end, blocks.size
    life = end - start
    area = life.astype(np.float64) * size
    placed_by = {
        "size": (start, -life, -size),
        "area": (start, -size, -area),
        "start": (-size, start),
        "life": (start, -size, -life),
        "end": (-size, -end),
    }
    free = blocks.fixed < 0
    return {name: np.lexsort((*keys, free)) for name, keys in placed_by.items()}


class Shelf:
    """Keep the placed intervals sorted by offset, and find holes among those that meet a block in time."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.first_row = np.searchsorted(blocks.row_block, np.arange(len(blocks.size) + 1))
        rows = len(blocks.row_block)
        self.low, self.high, self.start, self.end, self.owner = (np.empty(rows, np.int64) for _ in range(5))
        self.count = 0

    def meeting(self, block: int) -> Int64:
        """Return the positions of placed intervals that meet `block` in time, by offset."""
        n, meets = self.count, None
        for row in range(self.first_row[block], self.first_row[block + 1]):
            start, end = self.blocks.row_start[row], self.blocks.row_end[row]
            now = (self.start[:n] < end) & (self.end[:n] > start)
            meets = now if meets is None else meets | now
        return np.flatnonzero(meets) if meets is not None else np.zeros(0, np.int64)

    def hole(self, block: int, best_fit: bool) -> int:
        """Return the offset of the lowest hole that takes `block`, or of the tightest one."""
        met = self.meeting(block)
        size, align = self.blocks.size[block], self.blocks.align[block]
        floor = np.zeros(len(met) + 1, np.int64)
        np.maximum.accumulate(self.high[met], out=floor[1:])
        floor += -floor % align
        room = np.append(self.low[met], LIMIT) - floor
        if best_fit:
            room[room < size] = LIMIT
            return int(floor[np.argmin(room)]) if room.min() < LIMIT // 2 else int(floor[-1])
        return int(floor[np.argmax(room >= size)])

    def place(self, block: int, offset: int) -> None:
        """Put `block` at `offset`."""
        for row in range(self.first_row[block], self.first_row[block + 1]):
            n = self.count
            at = int(np.searchsorted(self.low[:n], offset))
            values = (offset, offset + self.blocks.size[block], self.blocks.row_start[row], self.blocks.row_end[row])
            columns = (self.low, self.high, self.start, self.end)
            for column, value in zip((*columns, self.owner), (*values, block), strict=True):
                column[at + 1 : n + 1] = column[at:n]
                column[at] = value
            self.count += 1

    def check_fixed(self, block: int, offset: int) -> None:
        """Raise PlannerError if `block` at its fixed `offset` overlaps a placed one."""
        met = self.meeting(block)
        clash = met[(self.low[met] < offset + self.blocks.size[block]) & (self.high[met] > offset)]
        if len(clash):
            one, two = self.blocks.buffers[self.owner[clash[0]]], self.blocks.buffers[block]
            raise PlannerError(
                f"buffers {one.id!r} (fixed at {one.offset}, {one.size} bytes) and {two.id!r} (fixed at {two.offset}, "
                f"{two.size} bytes) overlap and are alive at the same time"
            )


def place_in_order(blocks: Blocks, order: Int64, best_fit: bool = False) -> Int64:
    """Return offsets in bytes, placing the blocks in `order`, which must begin with the fixed ones.

    Raises
    ------
    PlannerError
        Two fixed blocks overlap.
    """
    shelf = Shelf(blocks)
    offsets = np.zeros(len(blocks.size), np.int64)
    for block in order.tolist():
        if blocks.fixed[block] >= 0:
            offsets[block] = blocks.fixed[block]
            shelf.check_fixed(block, int(offsets[block]))
        elif shelf.first_row[block] == shelf.first_row[block + 1]:
            continue  # never alive or no bytes: offset 0 will do
        else:
            offsets[block] = shelf.hole(block, best_fit)
        shelf.place(block, int(offsets[block]))
    return offsets
