"""Split an arena into parts: blocks whose lifetimes are linked, apart in time from all others.

    ▓▓▓▓▓▓  ▓▓▓  ┆ ▓▓▓▓▓▓
      ▓▓▓▓▓▓▓    ┆    ▓▓▓▓▓▓▓▓        A total is the highest of all parts, so the best plan of each part, whichever
    ▓▓▓▓   ▓▓▓▓▓ ┆ ▓▓▓▓▓▓▓▓▓          method it is from, makes the best plan, and only parts that are too high need work.
    ─────────────┴────────────▶ t
"""

from __future__ import annotations

import numpy as np

from .blocks import Blocks, Int64


class Parts:
    """Hold the parts of an arena, in order of time.

    Attributes
    ----------
    count : int
    label : ndarray of shape (n,), int64
        The part of each block; that of a block that is never alive is `count`.
    idle : int
        Where those that are never alive end: the arena holds them too.
    """

    def __init__(self, blocks: Blocks) -> None:
        n = len(blocks.size)
        alive = np.zeros(n, bool)
        alive[blocks.row_block] = True
        chosen = np.flatnonzero(alive)
        by_start = chosen[np.argsort(blocks.start[chosen], kind="stable")]
        reached = np.maximum.accumulate(blocks.end[by_start])
        begins = np.append(True, blocks.start[by_start][1:] >= reached[:-1]) if len(chosen) else np.zeros(0, bool)
        self.count = int(begins.sum())
        self.label = np.full(n, self.count, np.int64)
        self.label[by_start] = np.cumsum(begins) - 1
        self.idle = int((blocks.size + np.maximum(blocks.fixed, 0))[~alive].max(initial=0))
        self._by_label = np.argsort(self.label, kind="stable")
        self._first = np.searchsorted(self.label[self._by_label], np.arange(self.count + 1))

    def members(self, part: int) -> Int64:
        """Return the blocks of a part."""
        return self._by_label[self._first[part] : self._first[part + 1]]

    def sizes(self) -> Int64:
        """Return the number of blocks of each part."""
        return np.diff(self._first)

    def tops(self, blocks: Blocks, offsets: Int64) -> Int64:
        """Return the total of each part, bytes."""
        ends = (offsets + blocks.size)[self._by_label[: self._first[-1]]]
        return np.maximum.reduceat(ends, self._first[:-1]) if self.count else np.zeros(0, np.int64)

    def best_of(self, blocks: Blocks, one: Int64, two: Int64) -> Int64:
        """Return offsets of a plan that takes from two plans whichever is lower, part by part."""
        better = self.tops(blocks, two) < self.tops(blocks, one)
        return np.where(np.append(better, False)[self.label], two, one)
