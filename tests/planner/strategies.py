"""Hypothesis strategies for planner problems, and an oracle that tries every plan."""

from __future__ import annotations

from itertools import permutations

from hypothesis import strategies as st

from planner import Buffer, Problem


@st.composite
def buffers(draw, name, steps=12, most=40, aligns=(1, 2, 8, 64), fancy=False):
    start = draw(st.integers(0, steps))
    end = draw(st.integers(start, steps + 1))
    size = draw(st.integers(0, most))
    align = draw(st.sampled_from(aligns))
    gaps = ()
    if fancy and end - start >= 2 and draw(st.booleans()):
        low = draw(st.integers(start, end))
        gaps = ((low, draw(st.integers(low, end))),)
    arena = draw(st.sampled_from(("cpu0", "cpu1"))) if fancy else 0
    return Buffer(name, start, end, size, align, gaps=gaps, arena=arena)


@st.composite
def problems(draw, most_buffers=12, fancy=False, **options):
    """Draw a problem; `fancy` adds gaps, arenas, windows into other buffers and fixed offsets that do not clash."""
    count = draw(st.integers(0, most_buffers))
    made = [draw(buffers(f"b{i}", fancy=fancy, **options)) for i in range(count)]
    if not fancy:
        return Problem(made)
    for i in range(count // 3):
        parent = draw(st.sampled_from(made))
        inside = draw(st.integers(0, parent.size))
        size = draw(st.integers(0, parent.size - inside))
        start = draw(st.integers(0, 12))
        window = Buffer(f"w{i}", start, start + 2, size, arena=parent.arena, alias=(parent.id, inside))
        made.append(window)
    pinned, floor = [], 0
    for b in made:
        if b.alias is None and draw(st.integers(0, 4)) == 0:
            floor += -floor % b.align
            b = Buffer(b.id, b.start, b.end, b.size, b.align, floor, b.gaps, b.arena)
            floor += b.size
        pinned.append(b)
    return Problem(draw(st.permutations(pinned)))


@st.composite
def pinned_problems(draw, most_buffers=6, steps=6, most=12, aligns=(1, 2, 3, 4)):
    """Draw a problem of one arena in which some buffers have gaps and some are fixed, low, without clashing."""
    made = []
    for i in range(draw(st.integers(0, most_buffers))):
        b = draw(buffers(f"b{i}", steps=steps, most=most, aligns=aligns))
        gaps = ()
        if b.end - b.start >= 3 and draw(st.booleans()):
            low = draw(st.integers(b.start + 1, b.end - 2))
            gaps = ((low, draw(st.integers(low + 1, b.end - 1))),)
        b = Buffer(b.id, b.start, b.end, b.size, b.align, gaps=gaps)
        if draw(st.integers(0, 3)) == 0:
            pinned = Buffer(b.id, b.start, b.end, b.size, b.align, b.align * draw(st.integers(0, 6)), gaps)
            if not any(c.offset is not None and clash(pinned, pinned.offset, c, c.offset) for c in made):
                b = pinned
        made.append(b)
    return Problem(made)


def meet(b, c):
    """Say whether two buffers are alive at the same step."""
    return any(max(low, low2) < min(high, high2) for low, high in b.lifetimes for low2, high2 in c.lifetimes)


def clash(b, at_b, c, at_c):
    """Say whether two buffers at these offsets overlap in time and place."""
    return meet(b, c) and at_b < at_c + c.size and at_c < at_b + b.size


def lowest_place(b, placed):
    """Return the lowest aligned offset of `b` among `placed`, pairs of buffer and offset."""
    if b.offset is not None:
        return b.offset
    if b.size == 0 or b.start == b.end:
        return 0
    met = [(o, o + c.size) for c, o in placed if c.size and meet(b, c)]
    places = sorted({0} | {high + -high % b.align for _, high in met})
    return next(o for o in places if all(o + b.size <= low or high <= o for low, high in met))


def greedy_total(buffers):
    """Return the total of greedy by size with first fit, written as plainly as possible."""
    placed = []
    for b in sorted(buffers, key=lambda b: (-b.size, -(b.end - b.start), b.start)):
        placed.append((b, lowest_place(b, placed)))
    return max((o + b.size for b, o in placed), default=0)


def least_total(buffers):
    """Return the true optimum by placing in every order at the lowest free place (Moffitt 2023: one order is best).

    Fixed buffers come first: all others can be pushed down until they rest on one of them, on each other or on 0.
    """
    best = None
    fixed = [(b, b.offset) for b in buffers if b.offset is not None]
    for order in permutations([b for b in buffers if b.offset is None]):
        placed = list(fixed)
        for b in order:
            placed.append((b, lowest_place(b, placed)))
        total = max((o + b.size for b, o in placed), default=0)
        best = total if best is None else min(best, total)
    return best
