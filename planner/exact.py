"""Ask the exact search (`_exact`) for smaller and smaller arenas: what to ask, in which units, in which order.

The search answers one question: do these blocks fit into so many units? `improve` asks it first for the lower bound,
then halves the distance between what failed and what is known to fit; every "no" raises the lower bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from time import monotonic

import numpy as np

from ._exact import Search
from .blocks import Blocks, Int64
from .bounds import bound_of_blocks

MOST_ROWS = 20_000
MOST_INCIDENCES = 3_000_000  # of blocks and sections: beyond, a step of the search costs milliseconds
QUICK_WORK = 8_000_000  # blocks looked at for the first question without a time limit: about 10 ms
_UNLIMITED = 2**62


@dataclass(frozen=True, eq=False)
class Outcome:
    """Offsets in bytes, their total, the raised lower bound, and whether something better was found."""

    offsets: Int64
    total: int
    bound: int
    improved: bool


class Question:
    """State one arena in the search's terms: sections instead of steps, units instead of bytes.

    Sections are the maximal sets of blocks alive together, in order of time; the unit divides every size, rounded up
    to the common alignment, and every fixed offset, so that the places of canonical plans (sums of sizes from 0 or from a
    fixed offset, aligned) are whole units.
    """

    def __init__(self, blocks: Blocks, **rules: bool) -> None:
        self.blocks = blocks
        self.alive, first_row = np.unique(blocks.row_block, return_index=True)
        first, last, self.sections = _sections(blocks)
        self.width = np.add.reduceat(last - first, first_row)
        pieces = np.split(np.column_stack([first, last]), first_row[1:])
        align = blocks.align[self.alive]
        grain = int(np.gcd.reduce(align))
        self.size = -(-blocks.size[self.alive] // grain) * grain
        fixed = blocks.fixed[self.alive]
        self.unit = _unit(int(np.gcd.reduce([*self.size, *fixed[fixed > 0]])), set(align.tolist()))
        slack = self.size - blocks.size[self.alive]
        self.search = Search(
            [_ranges(piece.tolist()) for piece in pieces],
            (self.size // self.unit).tolist(),
            [value // self.unit if value % self.unit == 0 else 1 for value in align.tolist()],
            slack.tolist(),
            np.where(fixed < 0, -1, fixed // self.unit).tolist(),
            self.sections,
            **rules,
        )
        # Every canonical plan ends with some block: its total is a whole number of units less that block's slack.
        self.slacks = sorted(set(slack.tolist()), reverse=True)
        self.strategies = self._strategies()

    @staticmethod
    def possible(blocks: Blocks) -> bool:
        """Whether there are not too many blocks for the search."""
        if not len(blocks.row_block) or len(blocks.row_block) > MOST_ROWS:
            return False
        first, last, _ = _sections(blocks)
        return int((last - first).sum()) <= MOST_INCIDENCES

    def _strategies(self) -> list[tuple[list[int], bool, bool]]:
        """Orders of blocks, ways of counting branches and of trying them that take turns; none is best for all problems."""
        width, size = self.width, self.size
        life = (self.blocks.end - self.blocks.start)[self.alive]
        sorted_by = {
            "width": np.lexsort((-size, -width)),
            "life": np.lexsort((-size, -life)),
            "area": np.argsort(-(life.astype(np.float64) * size), kind="stable"),
            "size": np.lexsort((-life, -size)),
        }
        ranks = {name: np.argsort(order, kind="stable").tolist() for name, order in sorted_by.items()}
        return [
            (rank, counting, flush) for flush in (False, True) for rank in ranks.values() for counting in (False, True)
        ]

    def ask(self, capacity: int, work: int, deadline: float | None) -> Int64 | bool | None:
        """Return offsets in bytes of a plan of at most `capacity` bytes, False (proved: none), or None (not known)."""
        units = -(-capacity // self.unit)
        answer = self.search.run(units, units * self.unit - capacity, self.strategies, work, deadline)
        if answer is None or answer is False:
            return answer
        offsets = np.maximum(self.blocks.fixed, 0)
        offsets[self.alive] = np.array(answer, np.int64) * self.unit
        return offsets

    def level(self, total: int) -> int:
        """Return the number of the least possible total of at least `total` bytes, counted in increasing order."""
        units = -(-total // self.unit)
        above = units * self.unit - total
        return units * len(self.slacks) + sum(slack > above for slack in self.slacks)

    def total(self, level: int) -> int:
        """Return the possible total of that number, in bytes."""
        units, k = divmod(level, len(self.slacks))
        return units * self.unit - self.slacks[k]


def _sections(blocks: Blocks) -> tuple[Int64, Int64, int]:
    """Return the sections of each row, half-open, and how many sections there are.

    One ends with each end before which something began since the last one.
    """
    ends = np.unique(blocks.row_end)
    begun = np.searchsorted(np.sort(blocks.row_start), ends, "left")
    closing = ends[np.diff(begun, prepend=0) > 0]
    first, last = (np.searchsorted(closing, times, "right") for times in (blocks.row_start, blocks.row_end))
    return first, last, len(closing)


def _ranges(piece: list[list[int]]) -> list[tuple[int, int]]:
    """Join ranges of sections that touch."""
    joined: list[tuple[int, int]] = []
    for low, high in piece:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined


def _unit(unit: int, aligns: set[int]) -> int:
    """Shrink `unit` until each alignment divides it or is a multiple of it."""
    for align in sorted(aligns) * 2:
        if unit % align and align % unit:
            unit = gcd(unit, align)
    return unit if all(unit % a == 0 or a % unit == 0 for a in aligns) else gcd(*aligns)


def improve(
    blocks: Blocks,
    offsets: Int64,
    enough: int,
    *,
    capacity: int | None = None,
    work: int = QUICK_WORK,
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make a plan smaller, or prove that it cannot be.

    Parameters
    ----------
    blocks : Blocks
        All of them alive at some time.
    offsets : ndarray of shape (n,), int64
        The plan so far, bytes.
    enough : int
        Bytes at which to stop: more than the lower bound of these blocks where others need as much.
    capacity : int, optional
        Bytes; stop as soon as the plan fits, or is proved not to.
    work : int
        Blocks to look at for the first question; without a deadline, for all of them three times as many.
    deadline : float, optional
        `time.monotonic()` at which to stop.
    progress : callable, optional
        Called with total and bound (bytes) whenever one of them changes.
    """
    total, bound = int((offsets + blocks.size).max()), bound_of_blocks(blocks)
    if total <= max(bound, enough):
        return Outcome(offsets, total, bound, False)
    question, improved, spent, quick = Question(blocks), False, 0, work
    low = question.level(bound) if bound >= enough else question.level(enough + 1) - 1
    high = question.level(total)
    if bound >= enough:
        bound = min(question.total(low), total)
    while low < high and total > max(bound, enough):
        failed, target = low - 1, low
        if capacity is not None:
            if total <= capacity or bound > capacity:
                break
            # The greatest possible total within the capacity.
            target = max(low, min(question.level(capacity + 1) - 1, high - 1))
        while target < high:
            answer = question.ask(question.total(target), work, deadline)
            spent += question.search.work
            if answer is False:
                low, failed = target + 1, target
                bound = max(bound, min(question.total(low), total))
            elif answer is None or isinstance(answer, bool):
                failed = max(failed, target)
            else:
                offsets, total, improved = answer, int((answer + blocks.size).max()), True
                high = question.level(total)
            if progress is not None and answer is not None:
                progress(total, bound)
            if deadline is not None and monotonic() >= deadline:
                return Outcome(offsets, total, bound, improved)
            if total <= max(bound, enough) or (capacity is not None and (total <= capacity or bound > capacity)):
                return Outcome(offsets, total, bound, improved)
            if capacity is not None or high - failed <= 1 + high // 512:
                break
            if deadline is None:
                if spent >= 2 * quick:
                    break
                work = quick // 4
            target = (failed + high) // 2
        if deadline is None:
            break
        work = min(2 * work, _UNLIMITED)
    return Outcome(offsets, total, bound, improved)
