"""Local search over the order in which greedy places blocks, for problems that the exact search cannot finish.

A plan is the first-fit result of an order. The blocks that touch the top are what makes it high: a move puts them, and
blocks at random, earlier; a plan that is not higher replaces the last one (iterated greedy, Ruiz and Stützle 2007).
Offsets of a plan, read as an order, never give a higher plan, so every plan is a starting point.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np

from .blocks import Blocks, Int64
from .greedy import place_in_order

_QUICK_STEPS = 2.0e7  # of placing, without a time limit: about 20 ms
_MOST_ROUNDS = 300
_MOST_BLOCKS = 20_000  # one round takes a fifth of a second
_PATIENCE = 400  # rounds without a better plan before going back to the best and moving one block more
_WARMTH = 0.0005  # by how much of the best total, on average, a plan may be higher than the last and still replace it


def improve_order(
    blocks: Blocks,
    offsets: Int64,
    bound: int,
    *,
    deadline: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Int64:
    """Return offsets in bytes that need no more than `offsets` do.

    Parameters
    ----------
    blocks : Blocks
        Any; gaps and fixed blocks are kept.
    bound : int
        Bytes at which to stop.
    deadline : float, optional
        `time.monotonic()` at which to stop; without it a fixed number of rounds is done.
    progress : callable, optional
        Called with each better total in bytes.
    """
    n = len(blocks.size)
    rounds = int(min(_MOST_ROUNDS, _QUICK_STEPS / max(n, 1) ** 2)) if deadline is None else 1 << 60
    if n > _MOST_BLOCKS:
        rounds = 0
    rng = np.random.default_rng(n)
    best = current = offsets
    least = height = int((offsets + blocks.size).max()) if n else 0
    order = np.lexsort((offsets, blocks.fixed < 0)).astype(np.int64)
    fixed = int((blocks.fixed >= 0).sum())
    stale = 0
    took = 0.0  # seconds of a round: one that would end too late is not begun
    for _ in range(rounds):
        began = monotonic()
        if least <= bound or fixed == n or (deadline is not None and began + took >= deadline):
            break
        moved = _move(blocks, order, current, height, fixed, 1 + stale // _PATIENCE, rng)
        plan = place_in_order(blocks, moved)
        total = int((plan + blocks.size).max())
        took = monotonic() - began
        stale += 1
        if total <= height + rng.exponential(_WARMTH) * least:
            current, height, order = plan, total, moved
        if total < least:
            best, least, stale = plan, total, 0
            if progress is not None:
                progress(total)
        elif stale % _PATIENCE == 0:
            current, height = best, least
            order = np.lexsort((best, blocks.fixed < 0)).astype(np.int64)
    return best


def _move(
    blocks: Blocks, order: Int64, offsets: Int64, height: int, fixed: int, more: int, rng: np.random.Generator
) -> Int64:
    """Return the order with the blocks at the top, and `more` others, moved to earlier places behind the fixed ones."""
    n = len(order)
    position = np.arange(n, dtype=np.float64)
    top = np.flatnonzero((offsets + blocks.size)[order] == height)
    others = rng.integers(fixed, n, more)
    for at in np.concatenate([top, others]):
        if at >= fixed:
            position[at] = rng.uniform(fixed, at + 1) - 0.5
    position[:fixed] = -1
    return order[np.argsort(position, kind="stable")]
