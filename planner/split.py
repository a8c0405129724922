"""Greedy by size for problems too large for it: split them in time, or in size.

in time ───┆───────────────┆──────────────▶
     ▓▓▓▓▓▓┆▓▓▓▓▓▓▓▓▓▓▓    ┆                 first the blocks that cross a cut, by size, all together;
      ▒▒ ▒▒┆ ▒▒▒ ▒ ▒▒  ▒▒▒ ┆ ▒▒▒▒  ▒▒        then, chunk by chunk, those inside it around them

    Gaps and fixed offsets are kept.

in size: the few largest blocks by greedy at the bottom, all others by sweeps on top of them; where many blocks are
alive together, the peaks of both parts come to hardly more than the peak of all.

fixed blocks at the bottom: all others by sweeps on top of them, where nothing else is quick enough.
"""

from __future__ import annotations

from dataclasses import replace
from math import lcm

import numpy as np

from .blocks import Blocks, Int64
from .greedy import order_by, place_in_order
from .sweep import most_alive, sweeps

# Steps of placing (each up to a nanosecond) that a plan in chunks may take, and the smallest chunk worth its overhead.
_MOST_STEPS, _LEAST_CHUNK = 2.0e9, 1_000
_COARSE = 1 << 20  # bytes that a common alignment may waste
_LARGEST = 30_000  # blocks placed by greedy when split in size: half a second


def place_by_time(blocks: Blocks) -> Int64 | None:
    """Return offsets in bytes, or None if that would take too long.

    Raises
    ------
    PlannerError
        Two fixed blocks overlap.
    """
    alive = np.unique(blocks.row_block)
    start, end, fixed = blocks.start[alive], blocks.end[alive], blocks.fixed[alive] >= 0
    cuts = np.unique(np.sort(start)[:: _chunk(len(alive), most_alive(blocks))][1:])
    first = np.searchsorted(cuts, start, "right")
    last = np.searchsorted(cuts, end, "left")
    early = (last > first) | fixed
    crossing, inside = np.flatnonzero(early), np.flatnonzero(~early)
    # A block that crosses cuts takes part in every chunk it touches.
    times = last[crossing] - first[crossing] + 1
    if times.sum() > 4 * len(alive):
        return None
    guest = np.repeat(crossing, times)
    guest_chunk = np.repeat(first[crossing], times) + np.arange(len(guest)) - np.repeat(np.cumsum(times) - times, times)
    member = np.concatenate([guest, inside])
    chunk = np.concatenate([guest_chunk, first[inside]])
    sizes = np.bincount(chunk, minlength=len(cuts) + 1).astype(np.float64)
    if (sizes**2).sum() / 2 + float(len(crossing)) ** 2 / 2 > _MOST_STEPS:
        return None

    offsets = blocks.fixed.copy()
    offsets[alive[crossing]] = _place(blocks, alive[crossing], offsets)
    by_chunk = member[np.argsort(chunk, kind="stable")]
    for part in np.split(by_chunk, np.cumsum(sizes.astype(np.int64))[:-1]):
        if len(part):
            offsets[alive[part]] = _place(blocks, alive[part], offsets)
    offsets[offsets < 0] = 0  # never alive
    return offsets


def _chunk(count: int, together: int) -> int:
    """Return how many starts a chunk should hold, so that crossing blocks and chunks cost least together."""
    chunks = _LEAST_CHUNK * 2.0 ** np.arange(11)
    steps = np.minimum(count / chunks * together, count) ** 2 / 2 + count / chunks * (chunks + together) ** 2 / 2
    return int(chunks[np.argmin(steps)])


def place_by_size(blocks: Blocks) -> Int64:
    """Return offsets in bytes of blocks with single lifetimes and without fixed offsets."""
    alive = blocks.row_block
    ranked = alive[np.argsort(-blocks.size[alive], kind="stable")]
    offsets = np.zeros(len(blocks.size), np.int64)
    large, small = ranked[:_LARGEST], ranked[_LARGEST:]
    if len(large):
        offsets[large] = _place(blocks, large, offsets - 1)
    if len(small):
        _put_on_top(blocks.take(small), small, large, offsets, blocks)
    return offsets


def place_above_fixed(blocks: Blocks) -> Int64:
    """Return offsets in bytes with everything that is not fixed above all that is; gaps are not used.

    Raises
    ------
    PlannerError
        Two fixed blocks overlap.
    """
    offsets = blocks.fixed.copy()
    fixed, free = (np.flatnonzero(mask) for mask in (offsets >= 0, offsets < 0))
    if len(fixed):
        pinned = blocks.take(fixed)
        place_in_order(pinned, order_by(pinned, "size"))
    _put_on_top(blocks.take(free).without_gaps(), free, fixed, offsets, blocks)
    return offsets


def _put_on_top(part: Blocks, chosen: Int64, below: Int64, offsets: Int64, blocks: Blocks) -> None:
    """Sweep `part`, the blocks `chosen`, on top of the blocks `below`, whose offsets are known."""
    base = int((offsets[below] + blocks.size[below]).max(initial=0))
    common = lcm(*np.unique(part.align).tolist())
    if common > _COARSE:
        # Room for any alignment with each block: a base that suits all of them would waste too much.
        loose = replace(part, size=part.size + part.align - 1, align=np.ones_like(part.align))
        offsets[chosen] = -(-(base + _lowest_sweep(loose)) // part.align) * part.align
    else:
        offsets[chosen] = base + -base % common + _lowest_sweep(part)


def _lowest_sweep(blocks: Blocks) -> Int64:
    return min((plan for _, plan in sweeps(blocks, 2)), key=lambda plan: int((plan + blocks.size).max(initial=0)))


def _place(blocks: Blocks, chosen: Int64, offsets: Int64) -> Int64:
    """Place some blocks by size around those of them that already have an offset, which is not negative."""
    part = replace(blocks.take(chosen), fixed=offsets[chosen])
    return place_in_order(part, order_by(part, "size"))
