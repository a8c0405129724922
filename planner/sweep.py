"""Large problems: one or several walks over time (`_sweep`), forwards and backwards.

A memory allocator that knows lifetimes: blocks that live long and blocks that do not are put at different ends of
holes, so that what ends together lies together. Backwards in time the same problem is another one for an allocator.

With two ends, blocks go to the bottom and to a ceiling in turns. A chain of steps, each of which reads what the one before
it has made, then needs no more than its largest step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import _sweep
from .blocks import Blocks, Int64

# Lifetimes (as shares of the median) from which on blocks take the high end of holes; None: all take the low end.
_POLICIES: tuple[tuple[bool, float | None], ...] = (
    (True, None),
    (False, None),
    (False, 4.0),
    (True, 4.0),
    (False, 32.0),
    (True, 32.0),
)


def possible(blocks: Blocks) -> bool:
    """Whether `blocks` have one lifetime each and no fixed offsets."""
    return not (blocks.fixed >= 0).any() and bool((np.diff(blocks.row_block) > 0).all())


def sweeps(blocks: Blocks, most: int, ceiling: int = 0) -> Iterator[tuple[str, Int64]]:
    """Yield up to `most` plans as pairs of method and offsets in bytes, and one with two ends where there is a `ceiling`."""
    alive, grain = blocks.row_block, blocks.grain
    size = -(-blocks.size // grain) * grain
    life = blocks.end - blocks.start
    median = float(np.median(life[alive])) if len(alive) else 0.0
    together = most_alive(blocks)

    def walk(backwards: bool, high_end: Int64 | None, ceiling: int = 0) -> Int64:
        start, end = (-blocks.end, -blocks.start) if backwards else (blocks.start, blocks.end)
        # Of what begins together the longest comes first: it finds the lowest place.
        by_start = alive[np.lexsort((-size[alive], -life[alive], start[alive]))]
        by_end = alive[np.argsort(end[alive], kind="stable")]
        if high_end is None:
            high_end = np.zeros(len(size), np.int64)
            high_end[by_start[1::2]] = 1
        offsets = np.zeros(len(size), np.int64)
        _sweep.sweep(by_start, by_end, start, end, size, blocks.align, high_end, grain, together, ceiling, offsets)
        return offsets

    if ceiling and len(alive):
        yield "sweep with two ends", walk(False, None, -(-ceiling // grain) * grain)
    for backwards, share in _POLICIES[:most]:
        high_end = np.zeros(len(size), np.int64) if share is None else (life > share * median).astype(np.int64)
        direction = "backwards" if backwards else "forwards"
        name = f"sweep {direction}" + (f", above {share:g} median lives at the high end" if share else "")
        yield name, walk(backwards, high_end)


def most_alive(blocks: Blocks) -> int:
    """Return the largest number of blocks alive together."""
    starts, ends = np.sort(blocks.row_start), np.sort(blocks.row_end)
    alive = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, "right")
    return int(alive.max()) if len(alive) else 0
