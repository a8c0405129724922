import numpy as np
from hypothesis import given, settings

from planner import Buffer, Problem, solve, validate
from planner.blocks import by_arena
from planner.generate import dissection
from planner.parts import Parts

from .strategies import problems


@given(problems(fancy=True))
@settings(max_examples=100, deadline=None)
def test_buffers_of_different_parts_never_meet_and_parts_are_linked(problem):
    for blocks in by_arena(problem).values():
        parts = Parts(blocks)
        alive = sorted(set(blocks.row_block.tolist()))
        assert sorted(i for part in range(parts.count) for i in parts.members(part).tolist()) == alive
        for i in alive:
            # A chain of blocks that overlap in time, one after the other, makes a part.
            meets = {parts.label[j] for j in alive if max(blocks.start[[i, j]]) < min(blocks.end[[i, j]])}
            assert meets == {parts.label[i]}
        for part in range(parts.count):
            members = parts.members(part)
            by_start = members[np.argsort(blocks.start[members])]
            reached = np.maximum.accumulate(blocks.end[by_start])
            assert (blocks.start[by_start][1:] < reached[:-1]).all()


@given(problems(fancy=True))
@settings(max_examples=100, deadline=None)
def test_blocks_taken_are_the_same(problem):
    for blocks in by_arena(problem).values():
        chosen = np.arange(len(blocks.size))[::-2]
        some = blocks.take(chosen)
        assert [b.id for b in some.buffers] == [blocks.buffers[i].id for i in chosen]
        for k, i in enumerate(chosen):
            rows, before = some.row_block == k, blocks.row_block == i
            assert some.row_start[rows].tolist() == blocks.row_start[before].tolist()
            assert some.row_end[rows].tolist() == blocks.row_end[before].tolist()


def test_the_best_of_each_part_makes_a_plan():
    problem = Problem([Buffer("a", 0, 2, 8, 1), Buffer("b", 1, 3, 4, 1), Buffer("c", 3, 5, 6, 1), Buffer("dead", 9, 9, 3)])
    (blocks,) = by_arena(problem).values()
    parts = Parts(blocks)
    assert (parts.count, parts.label.tolist(), parts.idle) == (2, [0, 0, 1, 2], 3)
    one, two = np.array([0, 8, 5, 0]), np.array([4, 12, 0, 0])
    assert parts.tops(blocks, one).tolist() == [12, 11]
    assert parts.best_of(blocks, one, two).tolist() == [0, 8, 0, 0]


def test_parts_are_searched_apart():
    """Three rectangles cut up, one after the other: a restart for one must not lose what was found for the others."""
    buffers = []
    for k in range(3):
        columns = dissection(60, k, capacity=128, steps=100, pinwheels=0.1)
        for start, end, size in zip(*columns, strict=True):
            buffers.append(Buffer(len(buffers), int(start) + 100 * k, int(end) + 100 * k, int(size), align=1))
    calls = []
    problem = Problem(buffers, 128)
    plan = solve(problem, time_limit=20, progress=lambda *call: calls.append(call))
    assert plan.fits and validate(problem, plan)
    totals = [total for _, total, _ in calls]
    assert totals == sorted(totals, reverse=True) and totals[-1] == plan.total


def test_a_part_that_needs_more_decides():
    """Three buffers of 2 that meet two by two in a ring of gaps need 6, though 4 are alive; beside them, 5 are."""
    ring = [Buffer("a", 0, 6, 2, 1, gaps=((2, 4),)), Buffer("b", 0, 4, 2, 1), Buffer("c", 2, 6, 2, 1)]
    beside = [Buffer("d", 8, 9, 5, 1)]
    plan = solve(Problem(ring + beside))
    assert (plan.total, plan.lower_bound) == (6, 6)
    assert solve(Problem(ring + beside, 5)).fits is False
