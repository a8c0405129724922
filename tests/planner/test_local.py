from time import monotonic

import numpy as np
from hypothesis import given, settings

from planner import Buffer, Problem, solve, validate
from planner.blocks import by_arena, from_arrays
from planner.generate import dissection
from planner.greedy import order_by, place_in_order
from planner.local import improve_order

from .strategies import problems


@given(problems(most_buffers=12, fancy=True))
@settings(deadline=None, max_examples=50)
def test_never_worse_and_valid_with_gaps_and_fixed_blocks(problem):
    plan = solve(problem, time_limit=0.05)
    assert validate(problem, plan), validate(problem, plan).message
    for arena, blocks in by_arena(problem).items():
        before = place_in_order(blocks, order_by(blocks, "start"))
        after = improve_order(blocks, before, 0)
        total = int((after + blocks.size).max())
        assert plan.lower_bounds[arena] <= total <= int((before + blocks.size).max())
        fixed = blocks.fixed >= 0
        assert (after[fixed] == blocks.fixed[fixed]).all()


def test_improves_repeatably_and_ends_in_time():
    start, end, size = dissection(150, 0)
    blocks = from_arrays(start, end, size, np.ones_like(size))
    before = place_in_order(blocks, order_by(blocks, "size"))
    totals = []
    once = improve_order(blocks, before, 1024, progress=totals.append)
    assert (once == improve_order(blocks, before, 1024)).all()
    assert totals == sorted(totals, reverse=True) and totals[-1] < (before + size).max()
    began = monotonic()
    improve_order(blocks, before, 1024, deadline=began + 0.2)
    assert monotonic() - began < 2


def test_is_what_solves_problems_too_large_for_the_exact_search(monkeypatch):
    monkeypatch.setattr("planner.exact.MOST_ROWS", 10)
    buffers = [Buffer(i, *row, align=1) for i, row in enumerate(zip(*dissection(60, 4), strict=True))]
    problem = Problem(buffers)
    quick, longer = solve(Problem(problem.buffers)), solve(problem, time_limit=0.5)
    assert validate(problem, longer) and longer.total <= quick.total
    assert "exact" not in longer.method
