"""Lower bounds: bytes below which no plan of a problem can be.

The bound is the largest sum of bytes alive at one step. When all offsets are multiples of a grain g, every buffer but
the topmost one costs its size rounded up to g, so a step costs at least the rounded sum less the largest single
rounding among its buffers.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from .blocks import Blocks, Int64, by_arena
from .model import Problem

_PEAKS_LOOKED_AT = 64  # each peak gives a valid bound of its own; many equal peaks rarely differ


def live_profile(blocks: Blocks, weight: Int64) -> tuple[Int64, Int64]:
    """Sum `weight` over the blocks alive, as a step function.

    Returns
    -------
    times : ndarray of shape (k,)
        Steps at which the sum may change, increasing.
    live : ndarray of shape (k,)
        The sum during `[times[i], times[i + 1])`; the last one is 0.
    """
    of_row = weight[blocks.row_block]
    times = np.concatenate([blocks.row_start, blocks.row_end])
    change = np.concatenate([of_row, -of_row])
    order = np.argsort(times, kind="stable")
    times, level = times[order], np.cumsum(change[order])
    last = np.flatnonzero(np.append(times[1:] != times[:-1], True)) if len(times) else np.zeros(0, np.int64)
    return times[last], level[last]


def bound_of_blocks(blocks: Blocks) -> int:
    """Return the lower bound in bytes of one arena."""
    if not len(blocks.size):
        return 0
    pinned = np.where(blocks.fixed >= 0, blocks.fixed + blocks.size, 0)
    single = max(int(blocks.size.max()), int(pinned.max()))
    if not len(blocks.row_block):
        return single
    grain = blocks.grain
    rounded = -(-blocks.size // grain) * grain
    times, live = live_profile(blocks, rounded)
    peak = int(live.max())
    slack = rounded - blocks.size
    if grain == 1 or not slack.any():
        return max(single, peak)
    # Steps below the peak are below it by a whole grain, more than any rounding: only peaks matter.
    least = grain
    for time in times[np.flatnonzero(live == peak)[:_PEAKS_LOOKED_AT]]:
        alive = blocks.row_block[(blocks.row_start <= time) & (blocks.row_end > time)]
        least = min(least, int(slack[alive].max()))
    return max(single, peak - least)


def lower_bounds(problem: Problem) -> dict[Hashable, int]:
    """Return the lower bound in bytes of every arena."""
    return {arena: bound_of_blocks(blocks) for arena, blocks in by_arena(problem).items()}


def lower_bound(problem: Problem) -> int:
    """Return bytes that every plan of `problem` needs at least, all arenas together."""
    return sum(lower_bounds(problem).values())


def peak_step(problem: Problem, arena: Hashable) -> int:
    """Return the first step at which most bytes of `arena` are alive (0 if none ever are)."""
    blocks = by_arena(problem).get(arena)
    if blocks is None or not len(blocks.row_block):
        return 0
    times, live = live_profile(blocks, blocks.size)
    return int(times[int(np.argmax(live))])
