"""Greedy by size for problems too large for it: split them in time, or in size.

in time ───┆───────────────┆──────────────▶
     ▓▓▓▓▓▓┆▓▓▓▓▓▓▓▓▓▓▓    ┆                 first the blocks that cross a cut, by size, all together;
      ▒▒ ▒▒┆ ▒▒▒ ▒ ▒▒  ▒▒▒ ┆ ▒▒▒▒  ▒▒        then, chunk by chunk, those inside it around them

in size: the few largest blocks by greedy at the bottom, all others by sweeps on top of them; where many blocks are
alive together, the peaks of both parts come to hardly more than the peak of all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .blocks import Blocks, Int64, from_arrays
from .greedy import order_by, place_in_order
from .sweep import most_alive, sweeps

# Steps of placing (each up to a nanosecond) that a plan in chunks may take, and the smallest chunk worth its overhead.
_MOST_STEPS, _LEAST_CHUNK = 2.0e9, 1_000
_LARGEST = 30_000  # blocks placed by greedy when split in size: half a second


def place_by_time(blocks: Blocks) -> Int64 | None:
    """Return offsets in bytes, or None if that would take too long.

    Parameters
    ----------
    blocks : Blocks
        With single lifetimes and without fixed offsets.
    """
    alive, start, end = blocks.row_block, blocks.row_start, blocks.row_end
    cuts = np.unique(np.sort(start)[:: _chunk(len(alive), most_alive(blocks))][1:])
    first = np.searchsorted(cuts, start, "right")
    last = np.searchsorted(cuts, end, "left")
    crossing = np.flatnonzero(last > first)
    inside = np.flatnonzero(last == first)
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

    offsets = np.full(len(blocks.size), -1, np.int64)
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
    """Return offsets in bytes; `blocks` as for `place_by_time`."""
    alive = blocks.row_block
    ranked = alive[np.argsort(-blocks.size[alive], kind="stable")]
    offsets = np.zeros(len(blocks.size), np.int64)
    large, small = ranked[:_LARGEST], ranked[_LARGEST:]
    if len(large):
        offsets[large] = _place(blocks, large, offsets - 1)
    if len(small):
        part = _part(blocks, small)
        plans = [plan for _, plan in sweeps(part, 2)]
        above = int((offsets[large] + blocks.size[large]).max())
        above += -above % int(np.lcm.reduce(np.unique(part.align)))
        offsets[small] = above + min(plans, key=lambda plan: int((plan + part.size).max()))
    return offsets


def _place(blocks: Blocks, chosen: Int64, offsets: Int64) -> Int64:
    """Place some blocks by size around those of them that already have an offset, which is not negative."""
    part = replace(_part(blocks, chosen), fixed=offsets[chosen])
    return place_in_order(part, order_by(part, "size"))


def _part(blocks: Blocks, chosen: Int64) -> Blocks:
    return from_arrays(blocks.start[chosen], blocks.end[chosen], blocks.size[chosen], blocks.align[chosen])
