import copy
import pickle

import numpy as np
import pytest

from planner import Buffer, PlannerError, Problem, solve


def test_numpy_integers_become_ints():
    buffer = Buffer("a", np.int64(1), np.int32(2), np.uint8(3))
    assert [type(v) for v in (buffer.start, buffer.end, buffer.size)] == [int] * 3


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("x", 3, 2, 1), "'x': lifetime [3, 2) is reversed"),
        (("x", 0, 1, -1), "'x': size is -1 bytes"),
        (("x", 0, 1, 2**62), "'x': size"),
        (("x", 0, 2**63, 1), "'x': lifetime"),
        (("x", 0, 1, 1, 0), "'x': align is 0"),
        (("x", 0, 1, 1.5), "'x': size is 1.5; expected an integer"),
        (("x", 0, 1, "1"), "'x': size is '1'"),
        (("x", 0, 1, 8, 64, 3), "'x': fixed offset 3"),
        (("x", 0, 1, 8, 64, None, ((0, 2),)), "'x': gap [0, 2)"),
        (("x", 0, 1, 8, 64, None, (1, 2)), "'x': gap 1 is not a pair (start, end)"),
        (("x", 0, 1, 8, 64, None, None), "'x': gaps is None"),
        (("x", 0, 1, 8, 64, None, (), 0, 5), "'x': alias 5 is not a pair (id, byte offset)"),
        (("x", 0, 1, 8, 64, None, (), 0, ("y", -1)), "'x': byte offset -1"),
        (("x", 0, 1, 8, 64, 0, (), 0, ("y", 0)), "'x': has both"),
    ],
)
def test_buffer_errors_name_the_buffer(arguments, words):
    with pytest.raises(PlannerError) as error:
        Buffer(*arguments)
    assert words in str(error.value)


def window(name, parent, inside=0, size=4, **more):
    return Buffer(name, 0, 1, size, alias=(parent, inside), **more)


@pytest.mark.parametrize(
    "buffers, words",
    [
        ([Buffer("a", 0, 1, 1), Buffer("a", 1, 2, 1)], "'a': given twice"),
        ([window("v", "gone")], "'v': alias of 'gone', which is not in the problem"),
        ([Buffer("a", 0, 1, 6), window("v", "a", 4)], "'v': bytes [4, 8) do not fit into 'a' of 6 bytes"),
        ([Buffer("a", 0, 1, 6, arena=1), window("v", "a")], "'v': in arena 0 but alias of 'a' in arena 1"),
        ([window("v", "w"), window("w", "v")], "leads back to itself"),
        ([window("v", "v")], "'v': its chain of aliases leads back to itself"),
        ([Buffer([1], 0, 1, 1)], "[1]: its id is not hashable"),
        ([("a", 0, 1, 1)], "('a', 0, 1, 1) is not a Buffer"),
        ([Buffer("a", 0, 1, 2**61), Buffer("b", 0, 1, 2**61)], "add up to 2**62"),
    ],
)
def test_problem_errors_name_the_buffer(buffers, words):
    with pytest.raises(PlannerError) as error:
        Problem(buffers)
    assert words in str(error.value)


@pytest.mark.parametrize("capacity", [-1, 1.5, "64", {0: -1}, {0: None}])
def test_a_capacity_is_a_number_of_bytes(capacity):
    with pytest.raises(PlannerError, match="capacity"):
        Problem([Buffer("a", 0, 1, 1)], capacity)


def test_problems_and_plans_are_short_to_read_and_can_be_copied():
    problem = Problem([Buffer(i, 0, 2, 64) for i in range(1000)], {0: 10**6})
    plan = solve(problem)
    assert repr(problem) == "Problem(1,000 buffers, capacity={0: 1000000})"
    assert repr(plan) == f"Plan(1,000 buffers, total=64000, lower_bound=64000, optimal=True, method={plan.method!r})"
    for copied in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan)):
        assert copied.problem == problem and copied.offsets == plan.offsets and copied.optimal
    assert hash(problem) == hash(pickle.loads(pickle.dumps(problem)))


def test_root_follows_a_long_chain_of_windows():
    chain = [Buffer(0, 0, 1, 5000)] + [window(i, i - 1, 1, 5000 - i) for i in range(1, 5000)]
    problem = Problem(reversed(chain))
    assert problem.root(chain[-1]) == (chain[0], 4999)


def test_lifetimes_take_gaps_out():
    assert Buffer("a", 0, 10, 1, gaps=((6, 8), (2, 4), (3, 5))).lifetimes == ((0, 2), (5, 6), (8, 10))
    assert Buffer("a", 0, 10, 1, gaps=((0, 10),)).lifetimes == ()


def test_the_tour_runs():
    import doctest

    import planner

    assert doctest.testmod(planner).failed == 0 < doctest.testmod(planner).attempted
