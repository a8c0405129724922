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

MOST_INCIDENCES = 3_000_000  # of blocks and sections: beyond, a step of the search costs milliseconds
QUICK_WORK = 16_000_000  # blocks looked at for the first question without a time limit: about 20 ms
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
    to the common alignment, so that the places of canonical plans (sums of sizes, aligned) are whole units.
    """

    def __init__(self, blocks: Blocks, **rules: bool) -> None:
        self.blocks = blocks
        self.alive = blocks.row_block
        start, end = blocks.row_start, blocks.row_end
        ends = np.unique(end)
        begun = np.searchsorted(np.sort(start), ends, "left")
        closing = ends[np.diff(begun, prepend=0) > 0]
        self.first = np.searchsorted(closing, start, "right")
        self.last = np.searchsorted(closing, end, "right")
        align = blocks.align[self.alive]
        grain = int(np.gcd.reduce(align))
        self.size = -(-blocks.size[self.alive] // grain) * grain
        self.unit = _unit(int(np.gcd.reduce(self.size)), set(align.tolist()))
        self.sections = len(closing)
        units = [value // self.unit if value % self.unit == 0 else 1 for value in align.tolist()]
        slack = self.size - blocks.size[self.alive]
        first, last, size = self.first.tolist(), self.last.tolist(), (self.size // self.unit).tolist()
        self.search = Search(first, last, size, units, slack.tolist(), self.sections, **rules)
        # Every canonical plan ends with some block: its total is a whole number of units less that block's slack.
        self.slacks = sorted(set(slack.tolist()), reverse=True)
        self.strategies = self._strategies()

    @staticmethod
    def possible(blocks: Blocks) -> bool:
        """Whether the search can state `blocks`: single lifetimes, no fixed offsets, not too many."""
        rows = blocks.row_block
        if not len(rows) or len(rows) > 20_000 or (blocks.fixed >= 0).any() or (np.diff(rows) == 0).any():
            return False
        moments = np.searchsorted(np.unique(blocks.row_end), np.concatenate([blocks.row_start, blocks.row_end]))
        return int(moments[len(rows) :].sum() - moments[: len(rows)].sum()) <= MOST_INCIDENCES

    def _strategies(self) -> list[tuple[list[int], int]]:
        """Orders of blocks and ways of counting branches that take turns; none is best for all problems."""
        width, size = self.last - self.first, self.size
        life = self.blocks.row_end - self.blocks.row_start
        sorted_by = {
            "width": np.lexsort((-size, -width)),
            "life": np.lexsort((-size, -life)),
            "area": np.argsort(-(life.astype(np.float64) * size), kind="stable"),
            "size": np.lexsort((-life, -size)),
        }
        ranks = {name: np.argsort(order, kind="stable").tolist() for name, order in sorted_by.items()}
        return [(rank, counting) for rank in ranks.values() for counting in (0, 1)]

    def ask(self, capacity: int, work: int, deadline: float | None) -> Int64 | bool | None:
        """Return offsets in bytes of a plan of at most `capacity` bytes, False (proved: none), or None (not known)."""
        units = -(-capacity // self.unit)
        answer = self.search.run(units, units * self.unit - capacity, self.strategies, work, deadline)
        if answer is None or answer is False:
            return answer
        offsets = np.zeros(len(self.blocks.size), np.int64)
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


def _unit(unit: int, aligns: set[int]) -> int:
    """Shrink `unit` until each alignment divides it or is a multiple of it."""
    for align in sorted(aligns) * 2:
        if unit % align and align % unit:
            unit = gcd(unit, align)
    return unit if all(unit % a == 0 or a % unit == 0 for a in aligns) else gcd(*aligns)


def improve(
    blocks: Blocks,
    offsets: Int64,
    bound: int,
    *,
    capacity: int | None = None,
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make a plan smaller, or prove that it cannot be.

    Parameters
    ----------
    blocks : Blocks
    offsets : ndarray of shape (n,), int64
        The plan so far, bytes.
    bound : int
        Lower bound in bytes.
    capacity : int, optional
        Bytes; stop as soon as the plan fits, or is proved not to.
    deadline : float, optional
        `time.monotonic()` at which to stop; without it a fixed amount of work is done.
    progress : callable, optional
        Called with total and bound (bytes) whenever one of them changes.
    """
    total = int((offsets + blocks.size).max())
    if total <= bound or not Question.possible(blocks):
        return Outcome(offsets, total, bound, False)
    question, improved, spent = Question(blocks), False, 0
    work = QUICK_WORK if deadline is None else 4 * QUICK_WORK
    low, high = question.level(bound), question.level(total)
    bound = max(bound, min(question.total(low), total))
    while low < high:
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
            if capacity is not None and (total <= capacity or bound > capacity):
                return Outcome(offsets, total, bound, improved)
            if capacity is not None or high - failed <= 1 + high // 512:
                break
            if deadline is None:
                if spent >= 2 * QUICK_WORK:
                    break
                work = QUICK_WORK // 4
            target = (failed + high) // 2
        if deadline is None:
            break
        work = min(2 * work, _UNLIMITED)
    return Outcome(offsets, total, bound, improved)
