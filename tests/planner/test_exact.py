import _thread
import signal
import threading
from dataclasses import replace
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import Buffer, Plan, Problem, read_problem, solve, validate
from planner.blocks import by_arena, from_arrays
from planner.exact import Question
from planner.generate import dissection

from .strategies import least_total, pinned_problems, problems

RULES = ("memo", "release", "twins", "hop", "spans", "weights", "clear")
ENOUGH = 10**12


def total_of(blocks, offsets):
    return int((offsets + blocks.size).max())


PROBLEMS = problems(most_buffers=6, steps=6, most=12, aligns=(1, 2, 3, 4)) | pinned_problems()


@given(PROBLEMS, st.sampled_from(RULES + ("none", "all")))
@settings(max_examples=400, deadline=None)
def test_least_capacity_is_the_brute_force_optimum_with_each_rule_off(problem, off):
    alive = [b for b in problem.buffers if b.size and b.start < b.end]
    blocks = by_arena(Problem(alive)).get(0)
    if blocks is None:
        return
    rules = {rule: off not in (rule, "all") for rule in RULES}
    question = Question(blocks, **rules)
    best = least_total(alive)
    assert question.level(best) == question.level(best + 1) - 1  # the optimum is one of the possible totals
    level = 0
    while (answer := question.ask(question.total(level), ENOUGH, None)) is False:
        level += 1
    assert isinstance(answer, np.ndarray)
    offsets = {b.id: int(o) for b, o in zip(blocks.buffers, answer, strict=True)}
    total = total_of(blocks, answer)
    assert validate(Problem(alive), Plan(Problem(alive), offsets, {0: total}, {0: 0}, ""))
    assert best == total == question.total(level)


@given(pinned_problems(most_buffers=5), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_capacity_is_decided_with_gaps_and_fixed_buffers(problem, capacity):
    best = least_total(problem.buffers)
    plan = solve(Problem(problem.buffers, capacity))
    assert plan.fits is (best <= capacity)
    assert solve(problem).total == best and solve(problem).optimal


@given(problems(most_buffers=5, steps=4, most=200, aligns=(64,)))
@settings(max_examples=100, deadline=None)
def test_sizes_that_are_no_multiple_of_the_alignment_are_solved_to_the_byte(problem):
    plan = solve(problem)
    assert plan.optimal and plan.total == least_total(problem.buffers)


@given(problems(most_buffers=6, steps=6, most=12, aligns=(1,)))
@settings(max_examples=100, deadline=None)
def test_solve_proves_the_optimum_of_small_problems(problem):
    plan = solve(problem)
    assert plan.optimal and plan.total == least_total(problem.buffers)


def test_gaps_below_a_higher_floor():
    """A floor in a buffer's gap may be lower than where it rests: wasting room must still get on."""
    buffers = [
        Buffer("b1", 2, 3, 1, 1),
        Buffer("b2", 0, 1, 1, 1, 0),
        Buffer("b3", 0, 4, 1, 3, gaps=((1, 3),)),
        Buffer("b4", 0, 1, 1, 3),
        Buffer("b5", 1, 2, 1, 1),
    ]
    plan = solve(Problem(buffers))
    assert plan.total == 7 and plan.optimal


@pytest.mark.parametrize("seed", range(5))
def test_perfect_packings_are_found(seed):
    start, end, size = dissection(40, seed, capacity=64, steps=64, pinwheels=0.2, shrink=0, remove=0)
    problem = Problem([Buffer(i, *row, align=1) for i, row in enumerate(zip(start, end, size, strict=True))])
    plan = solve(problem, time_limit=20)
    assert validate(problem, plan) and plan.total == 64 and plan.optimal


@given(problems(most_buffers=5, steps=6, most=90, aligns=(1, 64)), st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_capacity_is_decided(problem, capacity):
    best = least_total(problem.buffers)
    plan = solve(Problem(problem.buffers, capacity))
    assert plan.fits is (best <= capacity)


def test_a_buffer_that_is_never_alive_does_not_raise_the_bound():
    """Totals of the others are odd here; the arena must hold ten bytes for one that no step touches, and no more."""
    buffers = [Buffer("a", 0, 3, 3, 4), Buffer("b", 0, 3, 5, 2), Buffer("dead", 6, 6, 10, 1)]
    plan = solve(Problem(buffers))
    assert (plan.total, plan.lower_bound, plan.optimal) == (10, 10, True)


def instance(name, change):
    """A hard instance, its buffers changed by a function of buffer and solution."""
    path = Path(__file__).parent / "instances" / f"{name}.1048576.csv"
    problem = read_problem(path.read_bytes(), capacity=1048576)
    plan = solve(problem, time_limit=60)
    return Problem([change(b, plan.offsets[b.id]) for b in problem.buffers], problem.capacity)


@pytest.mark.parametrize("name", "CK")
def test_fixed_buffers_push_others_up(name):
    """A fifth of a hard instance is fixed where its solution has it: lowest places must be clear of them."""
    problem = instance(name, lambda b, offset: replace(b, offset=offset) if int(b.id) % 5 == 0 else b)
    plan = solve(problem, time_limit=20)
    assert plan.fits and validate(problem, plan)


@pytest.mark.parametrize("name", "CK")
def test_gaps_that_nobody_needs(name):
    def with_gap(b, offset):
        third = (b.end - b.start) // 3
        return replace(b, gaps=((b.start + third, b.end - third),))

    problem = instance(name, with_gap)
    plan = solve(problem, time_limit=20)
    assert plan.fits and validate(problem, plan)


def hard():
    start, end, size = dissection(450, 1, shrink=0.1, remove=0)
    return from_arrays(start, end, size, np.ones_like(size))


def test_work_limit_is_deterministic_and_deadline_stops():
    blocks = hard()
    counts = []
    for _ in range(2):
        question = Question(blocks)
        assert question.ask(1024, 10**6, None) is None
        counts.append((question.search.nodes, question.search.work))
    assert counts[0] == counts[1] and counts[0][1] < 2 * 10**6
    assert Question(blocks).ask(1024, ENOUGH, 0.0) is None


def test_twins_do_not_multiply_the_search():
    """Fifteen equal blocks, and one that leaves no room: proved in as many nodes, without the memo's help."""
    start, end, size = np.array([0] * 15 + [0, 2]), np.array([4] * 15 + [2, 4]), np.array([4] * 15 + [3, 2])
    question = Question(from_arrays(start, end, size, np.ones(17, np.int64)), memo=False)
    assert question.ask(63, ENOUGH, None) is not False
    assert question.ask(62, ENOUGH, None) is False and question.search.nodes < 100


def test_an_interrupt_is_raised():
    question = Question(hard())
    # A shell starts background jobs with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.2, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            question.ask(1024, ENOUGH, monotonic() + 60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert question.ask(1024, 1000, None) is None  # still usable


def test_bad_blocks_are_refused():
    from planner._exact import Search

    with pytest.raises(ValueError, match="block 0"):
        Search([[(0, 2)]], [1], [1], [0], [-1], 1)
    with pytest.raises(ValueError, match="block 1"):
        Search([[(0, 1)], [(1, 2), (0, 1)]], [1, 1], [1, 1], [0, 0], [-1, -1], 2)
