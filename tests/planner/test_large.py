from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings

from planner import Buffer, Plan, Problem, plan_arrays, solve, split, validate, validate_arrays
from planner.blocks import by_arena, from_arrays
from planner.bounds import bound_of_blocks
from planner.generate import program
from planner.greedy import ORDERS, order_by, place_in_order
from planner.sweep import possible, sweeps

from .strategies import lowest_place, pinned_problems, problems


def plan_of(problem, offsets):
    total = max((offsets[b.id] + b.size for b in problem.buffers), default=0)
    return Plan(problem, offsets, dict.fromkeys({b.arena for b in problem.buffers}, total), {}, "")


@given(problems(most_buffers=30))
@settings(deadline=None)
def test_every_sweep_is_valid_and_aligned(problem):
    for blocks in by_arena(problem).values():
        assert possible(blocks)
        plans = dict(sweeps(blocks, 99, bound_of_blocks(blocks)))
        assert len(plans) == 6 + any(blocks.size[blocks.row_block])
        for method, offsets in plans.items():
            assert validate_arrays(blocks.start, blocks.end, blocks.size, offsets), method
            assert not (offsets % blocks.align).any(), method


@given(problems(most_buffers=15))
@settings(deadline=None)
def test_first_fit_takes_the_lowest_place_in_every_order(problem):
    for blocks in by_arena(problem).values():
        for name in ORDERS:
            placed = []
            for b in order_by(blocks, name).tolist():
                placed.append((blocks.buffers[b], lowest_place(blocks.buffers[b], placed)))
            offsets = place_in_order(blocks, order_by(blocks, name))
            assert {b.id: o for b, o in placed} == dict(zip((b.id for b in blocks.buffers), offsets, strict=True))


@given(problems(most_buffers=12, fancy=True))
@settings(deadline=None)
def test_best_fit_is_valid_with_gaps_and_fixed_blocks(problem):
    for blocks in by_arena(problem).values():
        offsets = place_in_order(blocks, order_by(blocks, "size"), best_fit=True)
        rows = blocks.row_block
        for i in range(len(rows)):
            for j in range(i):
                a, b = rows[i], rows[j]
                meets = blocks.row_start[i] < blocks.row_end[j] and blocks.row_start[j] < blocks.row_end[i]
                apart = offsets[a] + blocks.size[a] <= offsets[b] or offsets[b] + blocks.size[b] <= offsets[a]
                assert a == b or not meets or apart


@pytest.mark.parametrize("count, most", [(10_000, 1.05), (100_000, 1.06)])
def test_large_programs_are_planned_near_the_bound(count, most):
    start, end, size = program(count, 5)
    began = process_time()
    offsets = plan_arrays(start, end, size)
    # A tenth of this is usual; the limit only catches a change of complexity.
    assert process_time() - began < 3
    bound = bound_of_blocks(from_arrays(start, end, size, np.full(count, 64)))
    assert bound <= (offsets + size).max() <= most * bound
    assert validate_arrays(start, end, size, offsets)


@pytest.mark.parametrize("count", [3_000, 50_000])
def test_a_chain_needs_its_largest_step(count):
    """Each buffer is alive with the one before and the one after it, as in a network without branches."""
    start = np.arange(count)
    size = np.random.default_rng(0).integers(1, 200, count) * 64
    offsets = plan_arrays(start, start + 2, size)
    assert validate_arrays(start, start + 2, size, offsets)
    assert (offsets + size).max() == (size[1:] + size[:-1]).max()


@pytest.mark.parametrize("seed", range(3))
def test_splits_are_valid(seed, monkeypatch):
    start, end, size = program(4000, seed)
    size[::50] = 0  # never in the way
    blocks = from_arrays(start, end, size, np.where(np.arange(4000) % 7, 64, 256))
    monkeypatch.setattr(split, "_LARGEST", 500)
    in_time, in_size = split.place_by_time(blocks), split.place_by_size(blocks)
    bound = bound_of_blocks(blocks)
    for offsets in (in_time, in_size):
        assert validate_arrays(start, end, size, offsets)
        assert not (offsets % blocks.align).any()
        assert (offsets + size).max() < 1.6 * bound


@pytest.mark.parametrize("seed", range(3))
def test_alignments_without_a_common_multiple_that_fits(seed, monkeypatch):
    start, end, size = program(3000, seed)
    primes = np.array([p for p in range(3, 400) if all(p % q for q in range(2, p))])  # their product has 500 bits
    blocks = from_arrays(start, end, size, primes[np.arange(3000) % len(primes)])
    monkeypatch.setattr(split, "_LARGEST", 500)
    offsets = split.place_by_size(blocks)
    assert validate_arrays(start, end, size, offsets) and not (offsets % blocks.align).any()


@given(problems(most_buffers=15, fancy=True) | pinned_problems())
@settings(deadline=None)
def test_splits_keep_gaps_and_fixed_offsets(problem):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "_LEAST_CHUNK", 2)
        for blocks in by_arena(problem).values():
            for offsets in (split.place_by_time(blocks), split.place_above_fixed(blocks)):
                if offsets is None:
                    continue
                named = {b.id: int(o) for b, o in zip(blocks.buffers, offsets, strict=True)}
                arena = Problem(blocks.buffers)
                assert not (offsets % blocks.align)[blocks.fixed < 0].any()
                assert validate(arena, plan_of(arena, named))


def test_large_problems_with_gaps_and_fixed_offsets():
    start, end, size = program(40_000, 0)
    third = (end - start) // 3
    rows = zip(*(a.tolist() for a in (start, end, size, start + third, end - third)), strict=True)
    buffers = [Buffer(i, s, e, z, gaps=((low, high),) if i % 5 == 0 else ()) for i, (s, e, z, low, high) in enumerate(rows)]
    for pinned in ((), range(500, 40_000, 4000)):
        for k, i in enumerate(pinned):
            buffers[i] = replace(buffers[i], offset=k << 20)
        problem = Problem(buffers)
        began = process_time()
        plan = solve(problem)
        assert process_time() - began < 3  # a fifth of this is usual; greedy takes longer
        assert validate(problem, plan) and plan.total < 1.1 * plan.lower_bound


def test_splits_give_up_when_chunks_would_take_too_long(monkeypatch):
    start, end, size = program(4000, 0)
    monkeypatch.setattr(split, "_MOST_STEPS", 1e5)
    assert split.place_by_time(from_arrays(start, end, size, np.full(4000, 64))) is None
