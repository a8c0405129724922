"""The front door: heuristics, local search, exact search; the best plan wins, the lower bound ends the work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from time import monotonic

import numpy as np
from numpy.typing import ArrayLike

from .blocks import Blocks, Int64, by_arena, from_arrays
from .bounds import bound_of_blocks
from .exact import MOST_ROWS, QUICK_WORK, Question, improve
from .greedy import ORDERS, order_by, place_in_order
from .local import improve_order
from .model import LIMIT, Plan, PlannerError, Problem
from .parts import Parts
from .split import place_above_fixed, place_by_size, place_by_time
from .sweep import possible, sweeps

Progress = Callable[[str, int, int], None]

# Placing one by one takes quadratic time in the worst case, a sweep n log n: the counts keep 10,000 buffers under 0.2 s
# and a million under 10 s. Greedy by size is left out only where it would take seconds.
_FEW, _SOME, _MANY = 1_500, 5_000, 30_000
_CLOSE = 0.01  # a large plan is not worth seconds more when it is this near to the bound
_MOMENT = 0.005  # seconds: less is not worth another round


def solve(problem: Problem, *, time_limit: float = 0.0, progress: Progress | None = None) -> Plan:
    """Choose an offset for every buffer, so that the arenas are as small as possible.

    The plan of an arena of up to 30,000 buffers is never larger than that of greedy by size with first fit
    (Pisarchyk and Lee, 2020).

    Parameters
    ----------
    problem : Problem
    time_limit : float, default 0
        Seconds after which to stop; the first plan, which for a million buffers takes some, is always made. With 0, all
        quick methods run, and the exact search does a fixed small amount of work (10 to 25 ms).
    progress : callable, optional
        Called as `progress(method, total, lower_bound)` with bytes, whenever an arena's plan or bound gets better.

    Returns
    -------
    Plan
        The same for the same problem, when `time_limit` is 0.

    Raises
    ------
    PlannerError
        Two fixed buffers overlap; `time_limit` is negative or no number.
    KeyboardInterrupt
        The search answers Ctrl-C within milliseconds.
    """
    if not time_limit >= 0:
        raise PlannerError(f"time_limit is {time_limit!r} seconds; expected at least 0")
    started = monotonic()
    offsets: dict[Hashable, int] = {}
    totals: dict[Hashable, int] = {}
    bounds: dict[Hashable, int] = {}
    methods = []
    arenas = by_arena(problem)
    for number, (arena, blocks) in enumerate(arenas.items()):
        # Arenas share the time there is; one that needs less leaves more to the next.
        left = (started + time_limit - monotonic()) / (len(arenas) - number)
        deadline = monotonic() + left if time_limit > 0 else None
        capacity = problem.capacity_of(arena)
        placed, totals[arena], bounds[arena], method = _solve_arena(blocks, capacity, deadline, progress)
        methods.append(method)
        for buffer, offset in zip(blocks.buffers, placed.tolist(), strict=True):
            offsets[buffer.id] = offset
    for buffer in problem.buffers:
        if buffer.alias is not None:
            root, inside = problem.root(buffer)
            offsets[buffer.id] = offsets[root.id] + inside
    return Plan(problem, offsets, totals, bounds, "; ".join(dict.fromkeys(methods)))


def plan_arrays(start: ArrayLike, end: ArrayLike, size: ArrayLike, align: int | ArrayLike = 64) -> Int64:
    """Choose offsets for buffers given as arrays: the quick way for large problems.

    Parameters
    ----------
    start, end, size : array_like of shape (n,), integers
        Lifetimes in steps (half-open) and sizes in bytes.
    align : int or array_like of shape (n,), default 64
        Offsets are multiples of this many bytes.

    Returns
    -------
    ndarray of shape (n,), int64
        Byte offsets.

    Raises
    ------
    PlannerError
        Arrays of different lengths or not of integers; a negative size, reversed lifetime or alignment below 1, with
        its position.
    """
    begins, ends, sizes = (_column(name, value) for name, value in (("start", start), ("end", end), ("size", size)))
    if not begins.ndim:
        raise PlannerError(f"start is the number {begins}; expected an array of one dimension")
    aligns = _column("align", align)
    if not aligns.ndim:
        aligns = np.full(sizes.shape, aligns)
    for name, column in (("end", ends), ("size", sizes), ("align", aligns)):
        if column.shape != begins.shape:
            raise PlannerError(f"{name} has shape {column.shape}, start has {begins.shape}")
    for wrong, what in (
        (begins > ends, "lifetime is reversed"),
        (sizes < 0, "size is negative"),
        (aligns < 1, "align is below 1"),
        ((begins <= -LIMIT) | (ends >= LIMIT), "lifetime is beyond +-2**62"),
    ):
        if wrong.any():
            i = int(np.argmax(wrong))
            raise PlannerError(
                f"buffer {i}: {what} (start {begins[i]}, end {ends[i]}, size {sizes[i]}, align {aligns[i]})"
            )
    if sizes.astype(np.float64).sum() + aligns.astype(np.float64).sum() >= LIMIT:
        raise PlannerError("the sizes add up to 2**62 bytes or more")
    blocks = from_arrays(begins, ends, sizes, aligns)
    return _best_of_portfolio(blocks, Parts(blocks), bound_of_blocks(blocks))[0]


def _column(name: str, value: ArrayLike) -> Int64:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise PlannerError(f"{name} is no array: {error}") from None
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or (array.dtype.kind == "u" and array.size and array.max() >= LIMIT):
        raise PlannerError(f"{name} has dtype {array.dtype}; expected integers below 2**62")
    if array.ndim > 1:
        raise PlannerError(f"{name} has shape {array.shape}; expected one dimension")
    return np.ascontiguousarray(array, np.int64) if array.ndim else array.astype(np.int64)


def _total(blocks: Blocks, offsets: Int64) -> int:
    return int((offsets + blocks.size).max()) if len(offsets) else 0


def _solve_arena(
    blocks: Blocks, capacity: int | None, deadline: float | None, progress: Progress | None
) -> tuple[Int64, int, int, str]:
    """Return offsets, total and lower bound in bytes, and how they were found."""
    bound = bound_of_blocks(blocks)
    parts = Parts(blocks)
    offsets, method = _best_of_portfolio(blocks, parts, bound, progress, deadline)
    total = _total(blocks, offsets)
    if total > bound and (capacity is None or bound <= capacity < total):
        search = _Search(blocks, parts, offsets, bound, method, progress)
        search.run(capacity, deadline)
        offsets, total, bound, method = search.offsets, search.total, search.bound, search.method
    return offsets, total, bound, method


class _Search:
    """The longer search in each part that is too high, the highest first."""

    def __init__(
        self, blocks: Blocks, parts: Parts, offsets: Int64, bound: int, method: str, progress: Progress | None
    ) -> None:
        self.blocks, self.parts, self.offsets, self.bound, self.method = blocks, parts, offsets, bound, method
        self.progress = progress
        self.tops = parts.tops(blocks, offsets)
        self.total = _total(blocks, offsets)

    def run(self, capacity: int | None, deadline: float | None) -> None:
        """Search once, or until `deadline` in rounds in which the parts share what time there is."""
        done: set[int] = set()
        while waiting := self._waiting(capacity, done):
            if deadline is None:
                rows = np.cumsum(self.parts.sizes()[waiting])
                waiting = waiting[: max(1, int(np.searchsorted(rows, MOST_ROWS, "right")))]
            for number, part in enumerate(waiting):
                until = None
                if deadline is not None:
                    until = monotonic() + (deadline - monotonic()) / (len(waiting) - number)
                self._improve(part, capacity, QUICK_WORK // len(waiting), until)
                if until is None or monotonic() < until:
                    done.add(part)
                if capacity is not None and self.bound > capacity:
                    return
            if deadline is None or monotonic() >= deadline - _MOMENT:
                return

    def _waiting(self, capacity: int | None, done: set[int]) -> list[int]:
        enough = self.bound if capacity is None else capacity
        order = np.argsort(-self.tops, kind="stable")
        return [part for part in order[self.tops[order] > enough].tolist() if part not in done]

    def _improve(self, part: int, capacity: int | None, work: int, deadline: float | None) -> None:
        chosen = self.parts.members(part)
        blocks, offsets = self.blocks.take(chosen), self.offsets[chosen]
        work = work if deadline is None else 4 * QUICK_WORK
        bound, method = 0, "exact search"

        def report(total: int, bound: int) -> None:
            self._better(part, total, bound, method)

        if Question.possible(blocks):
            enough = self.bound if capacity is None else capacity
            whole = blocks.without_gaps()
            if len(whole.row_block) < len(blocks.row_block) and bound_of_blocks(whole) <= enough:
                # Gaps make the search weaker: a plan that does without them is looked for first.
                half = None if deadline is None else (monotonic() + deadline) / 2
                offsets = improve(whole, offsets, enough, capacity=capacity, work=work, deadline=half).offsets
            found = improve(
                blocks, offsets, self.bound, capacity=capacity, work=work, deadline=deadline, progress=report
            )
            offsets, bound = found.offsets, found.bound
        else:
            method = "local search"
            enough = self.bound if capacity is None else max(self.bound, capacity)
            offsets = improve_order(blocks, offsets, enough, deadline=deadline, progress=lambda total: report(total, 0))
        self.offsets = self.offsets.copy()
        self.offsets[chosen] = offsets
        report(_total(blocks, offsets), bound)

    def _better(self, part: int, top: int, bound: int, method: str) -> None:
        """Book a part's total and bound, and tell of it if the arena's are better."""
        self.tops[part] = min(self.tops[part], top)
        idle = self.parts.idle
        total, bound = max(int(self.tops.max()), idle), max(self.bound, bound)
        if total < self.total:
            self.method = method
        if (total, bound) != (self.total, self.bound):
            self.total, self.bound = total, bound
            if self.progress is not None:
                self.progress(self.method, total, bound)


def _best_of_portfolio(
    blocks: Blocks, parts: Parts, bound: int, progress: Progress | None = None, deadline: float | None = None
) -> tuple[Int64, str]:
    """Return the best plan, put together from the best of each part, and the method that was the last to help."""
    best, least, best_method = np.zeros(len(blocks.size), np.int64), -1, "nothing to place"
    for plans, close in ((_portfolio(blocks, bound), 0.0), (_splits(blocks), _CLOSE)):
        if 0 <= least <= bound * (1 + close):
            break
        for method, offsets in plans:
            if least >= 0 and parts.count > 1:
                offsets = parts.best_of(blocks, best, offsets)
            total, lower = _total(blocks, offsets), False
            if least < 0 or total < least:
                least, best_method, lower = total, method, True
                if progress is not None:
                    progress(method, total, bound)
            if lower or parts.count > 1:
                best = offsets
            if least <= bound or (deadline is not None and monotonic() >= deadline):
                return best, best_method
    return best, best_method


def _portfolio(blocks: Blocks, bound: int) -> Iterator[tuple[str, Int64]]:
    """Yield plans by different methods, the most promising first."""
    n = len(blocks.size)
    simple = possible(blocks)
    greedy = [(name, best_fit) for best_fit in (False, True) for name in ORDERS] if n else []
    greedy = greedy[: 10 if n <= _FEW else 2 if n <= _SOME else 1 if n <= _MANY else 0]
    for name, best_fit in greedy:
        offsets = place_in_order(blocks, order_by(blocks, name), best_fit)
        yield f"greedy by {name}, {'best' if best_fit else 'first'} fit", offsets
    if simple and n:
        yield from sweeps(blocks, 6 if n <= 300_000 else 2, bound)
    elif n > _MANY and (blocks.fixed < 0).all():
        for method, offsets in sweeps(blocks.without_gaps(), 2, bound):
            yield f"{method}, gaps not used", offsets
    elif n > _MANY:
        yield "sweep above what is fixed", place_above_fixed(blocks)


def _splits(blocks: Blocks) -> Iterator[tuple[str, Int64]]:
    """Yield plans of many blocks by greedy in pieces, which takes longer than all else."""
    if len(blocks.size) > _MANY:
        if possible(blocks):
            yield "greedy by size below, sweep above", place_by_size(blocks)
        in_chunks = place_by_time(blocks)
        if in_chunks is not None:
            yield "greedy by size, in chunks of time", in_chunks
