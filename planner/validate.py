"""The truth about a plan, found without any solver's code.

`validate` compares every buffer with every other, straight from the definition in `model`; it is quadratic on purpose.
`validate_arrays` is for plans too large for that: one walk over time with the live byte ranges kept sorted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
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
    """Judge `plan` as an answer to `problem`; O(n^2) time, O(n) memory."""
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
    """Compare each interval of life with all later ones of the same arena and another alias family."""
    family: dict[Hashable, Hashable] = {}
    for buffer in problem.buffers:
        top = buffer
        while top.alias is not None:
            top = problem.by_id[top.alias[0]]
        family[buffer.id] = top.id
    for arena in dict.fromkeys(buffer.arena for buffer in problem.buffers):
        # A living window reserves all of the buffer it looks into, so it counts with that buffer's bytes.
        lives = [
            (low, high, offsets[family[b.id]], problem.by_id[family[b.id]].size, family[b.id], b)
            for b in problem.buffers
            if b.arena == arena
            for low, high in b.lifetimes
        ]
        number = {name: k for k, name in enumerate(dict.fromkeys(life[4] for life in lives))}
        start = np.array([life[0] for life in lives], np.int64)
        end = np.array([life[1] for life in lives], np.int64)
        low = np.array([life[2] for life in lives], np.int64)
        high = low + np.array([life[3] for life in lives], np.int64)
        kin = np.array([number[life[4]] for life in lives], np.int64)
        exists = (start < end) & (low < high)
        for i in np.flatnonzero(exists):
            rest = slice(i + 1, None)
            meets = (start[rest] < end[i]) & (start[i] < end[rest]) & (low[rest] < high[i]) & (low[i] < high[rest])
            meets &= exists[rest] & (kin[rest] != kin[i])
            if meets.any():
                j = i + 1 + int(np.argmax(meets))
                one, two = lives[i][5], lives[j][5]
                message = (
                    f"buffers {one.id!r} (steps [{start[i]}, {end[i]}), bytes [{low[i]}, {high[i]})) and {two.id!r} "
                    f"(steps [{start[j]}, {end[j]}), bytes [{low[j]}, {high[j]})) overlap"
                )
                return Verdict("overlap", message, one, two)
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
        if problem.capacity is not None and top > problem.capacity:
            return Verdict("capacity", f"arena {arena!r} has {top} bytes, the capacity is {problem.capacity}")
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
    # Ends sort before starts of the same step: lifetimes are half-open.
    events = [
        (t, kind, i)
        for i in range(len(sizes))
        if sizes[i] and begins[i] < ends[i]
        for t, kind in ((begins[i], 1), (ends[i], 0))
    ]
    events.sort()
    live: list[tuple[int, int]] = []
    for _, starts, i in events:
        key = (places[i], i)
        if not starts:
            del live[bisect_left(live, key)]
            continue
        at = bisect_left(live, key)
        for other in live[max(at - 1, 0) : at + 1]:
            low, j = other
            if low < places[i] + sizes[i] and places[i] < low + sizes[j]:
                message = f"buffers {i} at {places[i]} and {j} at {low} overlap"
                return Verdict("overlap", message, buffer(i), buffer(j))
        insort(live, key)
    return _OK
