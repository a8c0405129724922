"""What solvers see of one arena: arrays of blocks, with aliases already merged into the buffers they live in.

A block is a buffer that is not an alias. It is reserved whenever it or one of its aliases is alive, so its lifetime
is a union of half-open intervals, stored as rows (`row_block`, `row_start`, `row_end`); almost always one row a block.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .model import Buffer, Problem

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Hold the blocks of one arena; all arrays int64, sizes and offsets in bytes, times in steps.

    Attributes
    ----------
    buffers : list of Buffer
        The buffer of each block (empty when the blocks came as arrays).
    start, end, size, align, fixed : ndarray of shape (n,)
        Hull of the lifetime, size, alignment, and fixed offset or -1.
    row_block, row_start, row_end : ndarray of shape (m,), m >= 0
        The intervals, grouped by block; blocks of size 0 and empty intervals have no rows.
    """

    buffers: list[Buffer]
    start: Int64
    end: Int64
    size: Int64
    align: Int64
    fixed: Int64
    row_block: Int64
    row_start: Int64
    row_end: Int64

    @property
    def grain(self) -> int:
        """The largest number of bytes of which every offset is a multiple."""
        if not len(self.align):
            return 1
        grain = int(np.gcd.reduce(self.align))
        pinned = self.fixed[self.fixed > 0]
        return int(np.gcd(grain, np.gcd.reduce(pinned))) if len(pinned) else grain

    def take(self, chosen: Int64) -> Blocks:
        """Return some of the blocks, in the order given."""
        first = np.searchsorted(self.row_block, chosen)
        count = np.searchsorted(self.row_block, chosen, "right") - first
        rows = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        return Blocks(
            [self.buffers[i] for i in chosen] if self.buffers else [],
            self.start[chosen],
            self.end[chosen],
            self.size[chosen],
            self.align[chosen],
            self.fixed[chosen],
            np.repeat(np.arange(len(chosen)), count),
            self.row_start[rows],
            self.row_end[rows],
        )

    def without_gaps(self) -> Blocks:
        """Return the blocks alive from their first to their last step: their plans are plans of these too."""
        alive = np.unique(self.row_block)
        return replace(self, row_block=alive, row_start=self.start[alive], row_end=self.end[alive])


def from_arrays(start: Int64, end: Int64, size: Int64, align: Int64) -> Blocks:
    """Make blocks of single lifetimes without aliases and fixed offsets."""
    alive = np.flatnonzero((size > 0) & (start < end))
    fixed = np.full(len(size), -1, np.int64)
    return Blocks([], start, end, size, align, fixed, alive, start[alive], end[alive])


def by_arena(problem: Problem) -> dict[Hashable, Blocks]:
    """Split a problem into one `Blocks` per arena, in order of first appearance."""
    members: dict[Hashable, list[Buffer]] = {}
    lives: dict[Hashable, list[tuple[int, int]]] = {}  # of blocks with gaps or aliases only
    for buffer in problem.buffers:
        if buffer.alias is None:
            members.setdefault(buffer.arena, []).append(buffer)
            if buffer.gaps:
                lives.setdefault(buffer.id, []).extend(buffer.lifetimes)
        else:
            root = problem.root(buffer)[0]
            if root.id not in lives:
                lives[root.id] = list(root.lifetimes)
            lives[root.id].extend(buffer.lifetimes)
    return {arena: _blocks(buffers, lives) for arena, buffers in members.items()}


def _blocks(buffers: list[Buffer], lives: dict[Hashable, list[tuple[int, int]]]) -> Blocks:
    def column(values: list[int]) -> Int64:
        return np.array(values, np.int64)

    start, end = [b.start for b in buffers], [b.end for b in buffers]
    row_block: list[int] = []
    row_start: list[int] = []
    row_end: list[int] = []
    for i, buffer in enumerate(buffers):
        pieces = lives.get(buffer.id) if lives else None
        if pieces is None:
            if buffer.size and buffer.start < buffer.end:
                row_block.append(i)
                row_start.append(buffer.start)
                row_end.append(buffer.end)
            continue
        merged = _union(pieces)
        if not merged:
            continue
        start[i], end[i] = merged[0][0], merged[-1][1]
        if buffer.size:
            row_block.extend([i] * len(merged))
            row_start.extend(low for low, _ in merged)
            row_end.extend(high for _, high in merged)
    return Blocks(
        buffers,
        column(start),
        column(end),
        column([b.size for b in buffers]),
        column([b.align for b in buffers]),
        column([-1 if b.offset is None else b.offset for b in buffers]),
        column(row_block),
        column(row_start),
        column(row_end),
    )


def _union(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pieces):
        if low >= high:
            continue
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
