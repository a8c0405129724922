"""The truth about a plan, found without any solver's code.

One walk over time with the byte ranges of what is alive kept sorted: whatever begins is compared with its two neighbours
in memory, for until then no two overlap. The tests hold this against a comparison of every pair.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .model import Buffer, Plan, Problem


@dataclass(frozen=True)
class Verdict:
    """Say whether a plan is right; true if it is.

    Attributes
    ----------
    kind : str
        "ok", "missing", "unknown", "negative", "misaligned", "moved" (a fixed offset or alias not honoured),
        "overlap", "total", "bound" (it claims to be below its own lower bound) or "capacity".
    message : str
        One sentence with the numbers.
    first, second : Buffer, optional
        The buffers at fault.
    """

    kind: str
    message: str
    first: Buffer | None = None
    second: Buffer | None = None

    def __bool__(self) -> bool:
        return self.kind == "ok"


_OK = Verdict("ok", "every pair of buffers that meet in time is apart in memory")


def validate(problem: Problem, plan: Plan) -> Verdict:
    """Judge `plan` as an answer to `problem`; O(n log n) comparisons, O(n) memory."""
    offsets = plan.offsets
    for buffer in problem.buffers:
        if buffer.id not in offsets:
            return Verdict("missing", f"buffer {buffer.id!r} has no offset", buffer)
    for name in offsets:
        if name not in problem.by_id:
            return Verdict("unknown", f"the plan places {name!r}, which is not in the problem")
    for buffer in problem.buffers:
        verdict = _check_place(problem, buffer, offsets)
        if not verdict:
            return verdict
    verdict = _check_pairs(problem, offsets)
    return verdict and _check_totals(problem, plan)


def _check_place(problem: Problem, buffer: Buffer, offsets: dict[Hashable, int]) -> Verdict:
    offset = offsets[buffer.id]
    if offset < 0:
        return Verdict("negative", f"buffer {buffer.id!r} is at offset {offset}", buffer)
    if buffer.alias is not None:
        other, inside = buffer.alias
        if offset != offsets[other] + inside:
            message = f"buffer {buffer.id!r} is at {offset}; expected {other!r} + {inside} = {offsets[other] + inside}"
            return Verdict("moved", message, buffer, problem.by_id[other])
        return _OK
    if offset % buffer.align:
        return Verdict("misaligned", f"buffer {buffer.id!r} is at {offset}, no multiple of {buffer.align}", buffer)
    if buffer.offset is not None and buffer.offset != offset:
        return Verdict("moved", f"buffer {buffer.id!r} is at {offset}; fixed at {buffer.offset}", buffer)
    return _OK


def _check_pairs(problem: Problem, offsets: dict[Hashable, int]) -> Verdict:
    """Look for two buffers of one arena, not windows of one another, that are alive together and share bytes."""
    family: dict[Hashable, Buffer] = {}
    for buffer in problem.buffers:
        top = buffer
        while top.alias is not None:
            top = problem.by_id[top.alias[0]]
        family[buffer.id] = top
    for arena in dict.fromkeys(buffer.arena for buffer in problem.buffers):
        # A living window reserves all of the buffer it looks into, so it counts with that buffer's bytes.
        lives: dict[Hashable, list[tuple[int, int, Buffer]]] = {}
        for b in problem.buffers:
            if b.arena == arena:
                lives.setdefault(family[b.id].id, []).extend((low, high, b) for low, high in b.lifetimes)
        rows = []
        for name, life in lives.items():
            low, size = offsets[name], problem.by_id[name].size
            reached = None
            for start, end, b in sorted(life, key=lambda piece: piece[:2]):
                # What a relative already reserves is left out: of one family no two rows meet in time.
                start = start if reached is None else max(start, reached)
                if start < end and size:
                    rows.append((start, end, low, low + size, b))
                    reached = end
        clash = _find_overlap(
            [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows]
        )
        if clash is not None:
            i, j = sorted(clash)
            message = " and ".join(
                f"{b.id!r} (steps [{start}, {end}), bytes [{low}, {high}))"
                for start, end, low, high, b in (rows[i], rows[j])
            )
            return Verdict("overlap", f"buffers {message} overlap", rows[i][4], rows[j][4])
    return _OK


def _check_totals(problem: Problem, plan: Plan) -> Verdict:
    needed: dict[Hashable, int] = {}
    for buffer in problem.buffers:
        needed[buffer.arena] = max(needed.get(buffer.arena, 0), plan.offsets[buffer.id] + buffer.size)
    for arena, top in needed.items():
        if plan.totals.get(arena) != top:
            return Verdict("total", f"arena {arena!r} ends at byte {top}, the plan says {plan.totals.get(arena)}")
        if plan.lower_bounds.get(arena, 0) > top:
            return Verdict("bound", f"arena {arena!r} has {top} bytes, below its bound {plan.lower_bounds[arena]}")
        capacity = problem.capacity_of(arena)
        if capacity is not None and top > capacity:
            return Verdict("capacity", f"arena {arena!r} has {top} bytes, the capacity is {capacity}")
    return _OK


def validate_arrays(start: ArrayLike, end: ArrayLike, size: ArrayLike, offset: ArrayLike) -> Verdict:
    """Judge offsets given as arrays; O(n log n) comparisons, ids in the verdict are positions.

    Parameters
    ----------
    start, end, size, offset : array_like of shape (n,), integers
        Lifetimes in steps (half-open), sizes and offsets in bytes.
    """
    begins, ends, sizes, places = (np.asarray(a).tolist() for a in (start, end, size, offset))

    def buffer(i: int) -> Buffer:
        return Buffer(i, begins[i], ends[i], sizes[i])

    for i, place in enumerate(places):
        if place < 0:
            return Verdict("negative", f"buffer {i} is at offset {place}", buffer(i))
    tops = [place + size for place, size in zip(places, sizes, strict=True)]
    clash = _find_overlap(begins, ends, places, tops)
    if clash is None:
        return _OK
    i, j = clash
    return Verdict("overlap", f"buffers {i} at {places[i]} and {j} at {places[j]} overlap", buffer(i), buffer(j))


def _find_overlap(start: list[int], end: list[int], low: list[int], high: list[int]) -> tuple[int, int] | None:
    """Return two rectangles that overlap, or None; those without steps or bytes are nowhere."""
    # Ends sort before starts of the same step: lifetimes are half-open.
    events = [
        (step, begins, i)
        for i in range(len(start))
        if start[i] < end[i] and low[i] < high[i]
        for step, begins in ((start[i], True), (end[i], False))
    ]
    events.sort()
    living = _SortedKeys()
    for _, begins, i in events:
        key = (low[i], i)
        if not begins:
            living.remove(key)
            continue
        for other in living.add(key):
            if other is not None and low[other[1]] < high[i] and low[i] < high[other[1]]:
                return i, other[1]
    return None


_Key = tuple[int, int]
_SHELF = 512  # keys: a list this short is searched and shifted in a microsecond


class _SortedKeys:
    """Keys in order, on shelves of some hundreds, so that adding one to a million does not shift half of them."""

    def __init__(self) -> None:
        self.shelves: list[list[_Key]] = []
        self.last: list[_Key] = []  # the last key of each shelf

    def add(self, key: _Key) -> tuple[_Key | None, _Key | None]:
        """Insert `key` and return its neighbours."""
        if not self.shelves:
            self.shelves, self.last = [[key]], [key]
            return None, None
        at = min(bisect_left(self.last, key), len(self.last) - 1)
        shelf = self.shelves[at]
        place = bisect_left(shelf, key)
        before = shelf[place - 1] if place else self.last[at - 1] if at else None
        after = shelf[place] if place < len(shelf) else None
        shelf.insert(place, key)
        self.last[at] = shelf[-1]
        if len(shelf) > 2 * _SHELF:
            self.shelves[at : at + 1] = [shelf[:_SHELF], shelf[_SHELF:]]
            self.last.insert(at, shelf[_SHELF - 1])
        return before, after

    def remove(self, key: _Key) -> None:
        at = bisect_left(self.last, key)
        shelf = self.shelves[at]
        del shelf[bisect_left(shelf, key)]
        if shelf:
            self.last[at] = shelf[-1]
        else:
            del self.shelves[at], self.last[at]
