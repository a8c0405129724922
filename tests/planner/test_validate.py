from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import Buffer, Problem, solve, validate, validate_arrays

from .strategies import meet, problems

PAIR = Problem([Buffer("a", 0, 4, 64), Buffer("b", 3, 6, 64), Buffer("c", 6, 8, 64)])


def moved(plan, **offsets):
    return replace(plan, offsets=plan.offsets | offsets)


def test_planted_overlap_names_both_buffers():
    plan = solve(PAIR)
    assert validate(PAIR, plan)
    verdict = validate(PAIR, moved(plan, a=0, b=0))
    assert (verdict.kind, verdict.first.id, verdict.second.id) == ("overlap", "a", "b")
    assert not verdict


@pytest.mark.parametrize(
    "change, kind",
    [
        (lambda p: replace(p, offsets={"a": 0, "b": 64}), "missing"),
        (lambda p: moved(p, z=0), "unknown"),
        (lambda p: moved(p, c=-64), "negative"),
        (lambda p: moved(p, c=1), "misaligned"),
        (lambda p: moved(p, c=640), "total"),
        (lambda p: replace(p, lower_bounds={0: 10**6}), "bound"),
    ],
)
def test_each_fault_has_its_name(change, kind):
    verdict = validate(PAIR, change(solve(PAIR)))
    assert verdict.kind == kind


def test_capacity_fixed_offsets_and_aliases_are_checked():
    plan = solve(PAIR)
    assert validate(replace_capacity(PAIR, 127), plan).kind == "capacity"
    pinned = Problem([Buffer("a", 0, 4, 64, offset=128), Buffer("v", 0, 9, 8, alias=("a", 8))])
    plan = solve(pinned)
    assert plan.offsets == {"a": 128, "v": 136} and validate(pinned, plan)
    assert validate(pinned, moved(plan, v=128)).kind == "moved"
    assert validate(pinned, moved(plan, a=0, v=8)).kind == "moved"


def replace_capacity(problem, capacity):
    return Problem(problem.buffers, capacity)


def test_a_living_window_reserves_the_whole_buffer_it_looks_into():
    problem = Problem(
        [Buffer("a", 0, 2, 128), Buffer("v", 2, 5, 8, alias=("a", 0)), Buffer("b", 3, 4, 64)],
    )
    plan = solve(problem)
    assert plan.total == plan.lower_bound == 192
    verdict = validate(problem, moved(plan, a=0, v=0, b=64))
    assert (verdict.kind, {verdict.first.id, verdict.second.id}) == ("overlap", {"v", "b"})


@given(problems(most_buffers=8, fancy=True), st.data())
def test_agrees_with_every_pair(problem, data):
    """Gaps, arenas, and windows, any of which keeps all of the buffer it finally looks into."""
    plan = solve(problem)
    offsets = dict(plan.offsets)
    for b in problem.buffers:
        if b.alias is None and b.offset is None and data.draw(st.booleans()):
            offsets[b.id] = data.draw(st.integers(0, 6)) * b.align
    for b in problem.buffers:
        root, inside = problem.root(b)
        offsets[b.id] = offsets[root.id] + inside
    totals = {a: max(offsets[b.id] + b.size for b in problem.buffers if b.arena == a) for a in plan.totals}
    roots = [(problem.root(b)[0], b) for b in problem.buffers]
    overlap = any(
        p.id != q.id and p.arena == q.arena and p.size and q.size and meet(b, c)
        and offsets[p.id] < offsets[q.id] + q.size and offsets[q.id] < offsets[p.id] + p.size
        for p, b in roots
        for q, c in roots
    )  # fmt: skip
    verdict = validate(problem, replace(plan, offsets=offsets, totals=totals, lower_bounds={}))
    assert verdict.kind == ("overlap" if overlap else "ok"), verdict
    if overlap:
        (p, _), (q, _) = problem.root(verdict.first), problem.root(verdict.second)
        assert p.id != q.id and meet(verdict.first, verdict.second)


def test_many_are_alive_together():
    """More than one shelf of the sorted keys, filled and emptied in random order."""
    rng = np.random.default_rng(0)
    offset = rng.permutation(5000)
    start, end = rng.integers(0, 1000, 5000), rng.integers(1000, 2000, 5000)
    assert validate_arrays(start, end, np.ones(5000, int), offset)
    offset[17] = offset[4000]
    verdict = validate_arrays(start, end, np.ones(5000, int), offset)
    assert (verdict.kind, {verdict.first.id, verdict.second.id}) == ("overlap", {17, 4000})


def test_capacities_of_arenas():
    problem = Problem([Buffer("a", 0, 2, 100, arena="x"), Buffer("b", 1, 3, 50, arena="y")], {"x": 100, "y": 49})
    plan = solve(problem)
    assert plan.fits is False and validate(problem, plan).kind == "capacity"
    problem = Problem(problem.buffers, {"x": 100})
    assert solve(problem).fits and validate(problem, solve(problem))


@given(problems(most_buffers=10), st.data())
def test_agrees_with_the_definition_bytes_by_bytes(problem, data):
    """Paint every (step, byte) of every buffer: a plan is right if no cell is painted twice."""
    plan = solve(problem)
    offsets = {b.id: data.draw(st.integers(0, 6)) * b.align for b in problem.buffers}
    top = max((offsets[b.id] + b.size for b in problem.buffers), default=0)
    plan = replace(plan, offsets=offsets, totals=dict.fromkeys(plan.totals, top), lower_bounds={})
    canvas = np.zeros((14, top + 1), int)
    for b in problem.buffers:
        canvas[b.start : b.end, offsets[b.id] : offsets[b.id] + b.size] += 1
    assert bool(validate(problem, plan)) == (canvas.max() <= 1)
    columns = [[getattr(b, k) for b in problem.buffers] for k in ("start", "end", "size")]
    assert bool(validate_arrays(*columns, [offsets[b.id] for b in problem.buffers])) == (canvas.max() <= 1)
