"""Published instances: larger totals than these are a step back."""

from pathlib import Path

import pytest

from planner import lower_bound, read_problem, solve, validate

FOLDER = Path(__file__).parent / "instances"
HARD = ("A", "C", "E", "G", "I", "K")


@pytest.mark.parametrize("name", HARD)
def test_hard_instances_are_solved_at_their_capacity(name):
    """MiniMalloc takes 1.6 to 12.8 s for each; here the slowest takes 0.1 s on an idle machine."""
    problem = read_problem((FOLDER / f"{name}.1048576.csv").read_bytes(), capacity=1048576)
    plan = solve(problem, time_limit=60)
    assert plan.fits and plan.total <= 1048576 and validate(problem, plan)


def test_one_of_them_is_proved_optimal_below_its_capacity():
    problem = read_problem((FOLDER / "C.1048576.csv").read_bytes())
    plan = solve(problem, time_limit=60)
    assert plan.optimal and plan.total == lower_bound(problem) == 1039360


def test_example_is_optimal_without_a_time_limit():
    plan = solve(read_problem((FOLDER / "example.12.csv").read_bytes()))
    assert plan.total == 12 and plan.optimal
