"""The front door: heuristics, local search, exact search; the best plan wins, the lower bound ends the work."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from time import monotonic

import numpy as np
from numpy.typing import ArrayLike

from .blocks import Blocks, Int64, by_arena, from_arrays
from .bounds import bound_of_blocks
from .exact import Question, improve
from .greedy import ORDERS, order_by, place_in_order
from .local import improve_order
from .model import LIMIT, Plan, PlannerError, Problem
from .split import place_by_size, place_by_time
from .sweep import possible, sweeps

Progress = Callable[[str, int, int], None]

# Placing one by one takes quadratic time in the worst case, a sweep n log n: the counts keep 10,000 buffers under 0.2 s
# and a million under 10 s. Greedy by size is left out only where it would take seconds.
_FEW, _SOME, _MANY = 1_500, 5_000, 30_000


def solve(problem: Problem, *, time_limit: float = 0.0, progress: Progress | None = None) -> Plan:
    """Choose an offset for every buffer, so that the arenas are as small as possible.

    The plan of an arena of up to 30,000 buffers is never larger than that of greedy by size with first fit
    (Pisarchyk and Lee, 2020).

    Parameters
    ----------
    problem : Problem
    time_limit : float, default 0
        Seconds to search longer. With 0, the exact search does a fixed small amount of work (10 to 25 ms).
    progress : callable, optional
        Called as `progress(method, total, lower_bound)` with bytes, whenever an arena's plan or bound gets better.

    Returns
    -------
    Plan
        The same for the same problem, when `time_limit` is 0.

    Raises
    ------
    PlannerError
        Two fixed buffers overlap.
    KeyboardInterrupt
        The search answers Ctrl-C within milliseconds.
    """
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
        placed, totals[arena], bounds[arena], method = _solve_arena(blocks, problem.capacity, deadline, progress)
        methods.append(method)
        for buffer, offset in zip(blocks.buffers, placed.tolist(), strict=True):
            offsets[buffer.id] = offset
    for buffer in problem.buffers:
        if buffer.alias is not None:
            root, inside = problem.root(buffer)
            offsets[buffer.id] = offsets[root.id] + inside
    return Plan(problem, offsets, totals, bounds, "; ".join(methods))


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
    return _best_of_portfolio(blocks, bound_of_blocks(blocks), None)[0]


def _column(name: str, value: ArrayLike) -> Int64:
    array = np.asarray(value)
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
    offsets, method = _best_of_portfolio(blocks, bound, progress)
    total = _total(blocks, offsets)
    if total <= bound or (capacity is not None and (total <= capacity or bound > capacity)):
        return offsets, total, bound, method

    def report(total: int, bound: int) -> None:
        if progress is not None:
            progress(method, total, bound)

    exact = Question.possible(blocks)
    if not exact:
        before, method = method, "local search"
        moved = improve_order(blocks, offsets, bound, deadline=deadline, progress=lambda total: report(total, bound))
        if _total(blocks, moved) < total:
            offsets, total = moved, _total(blocks, moved)
        else:
            method = before
        return offsets, total, bound, method
    before, method = method, "exact search"
    found = improve(blocks, offsets, bound, capacity=capacity, deadline=deadline, progress=report)
    return found.offsets, found.total, found.bound, method if found.improved else before


def _best_of_portfolio(blocks: Blocks, bound: int, progress: Progress | None) -> tuple[Int64, str]:
    best, least, best_method = np.zeros(len(blocks.size), np.int64), -1, "nothing to place"
    for method, offsets in _portfolio(blocks, bound):
        total = _total(blocks, offsets)
        if least < 0 or total < least:
            best, least, best_method = offsets, total, method
            if progress is not None:
                progress(method, total, bound)
        if least <= bound:
            break
    return best, best_method


def _portfolio(blocks: Blocks, bound: int) -> Iterator[tuple[str, Int64]]:
    """Yield plans by different methods, the most promising first."""
    n = len(blocks.size)
    simple = possible(blocks)
    greedy = [(name, best_fit) for best_fit in (False, True) for name in ORDERS] if n else []
    greedy = greedy[: 10 if n <= _FEW else 2 if n <= _SOME else 1 if n <= _MANY or not simple else 0]
    for name, best_fit in greedy:
        offsets = place_in_order(blocks, order_by(blocks, name), best_fit)
        yield f"greedy by {name}, {'best' if best_fit else 'first'} fit", offsets
    if simple and n:
        yield from sweeps(blocks, 6 if n <= 300_000 else 2, bound)
    if simple and n > _MANY:
        yield "greedy by size below, sweep above", place_by_size(blocks)
        in_chunks = place_by_time(blocks)
        if in_chunks is not None:
            yield "greedy by size, in chunks of time", in_chunks
