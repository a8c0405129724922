"""Time the planner: published hard instances, others of their kind, large programs, orders and recomputation.

    python -m benchmarks.bench_planner            one table; a minute or two
    python -m benchmarks.bench_planner --quick    without the million and the unpublished hard ones

Every plan is checked by the validator, which is not timed. MiniMalloc's seconds (Moffitt, ASPLOS 2023; C++, one core)
were measured on a two-core machine of the kind this project is developed on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

import planner
from planner import Buffer, Dag, Node, Problem
from planner.blocks import from_arrays
from planner.bounds import bound_of_blocks
from planner.generate import dissection, program

INSTANCES = Path(__file__).parent.parent / "tests" / "planner" / "instances"
MINIMALLOC_SECONDS = {"A": 12.8, "C": 1.9, "E": 9.7, "G": 2.8, "I": 10.7, "K": 1.6}
DISSECTIONS = [(150, seed) for seed in range(5)] + [(300, seed) for seed in range(5)]


def timed(work: Callable[[], object], repeat: int = 3) -> tuple[object, float, float]:
    """Return the result, and the median and spread of seconds of `repeat` runs."""
    seconds, result = [], None
    for _ in range(repeat):
        began = perf_counter()
        result = work()
        seconds.append(perf_counter() - began)
    return result, median(seconds), max(seconds) - min(seconds)


def hard_instances() -> None:
    """Solve the published instances at their capacity."""
    print(
        f"{'instance':>12} {'buffers':>8} {'capacity':>10} {'total':>10} {'seconds':>9} {'spread':>8} "
        f"{'MiniMalloc':>10}"
    )
    ours = 0.0
    for name, theirs in MINIMALLOC_SECONDS.items():
        problem = planner.read_problem((INSTANCES / f"{name}.1048576.csv").read_bytes(), capacity=1048576)
        plan, seconds, spread = timed(lambda problem=problem: planner.solve(problem, time_limit=60))
        assert planner.validate(problem, plan), name
        ours += seconds
        row = f"{len(problem.buffers):8} {problem.capacity:10} {plan.total:10} {seconds:9.3f} {spread:8.3f} {theirs:10}"
        print(f"{name:>12} {row}")
    print(f"{'sum':>12} {'':31}{ours:9.3f} {'':8} {sum(MINIMALLOC_SECONDS.values()):10.1f}")


def relatives(time_limit: float) -> None:
    """Solve others of the kind, made from the published ones and their solutions: all of them fit."""
    print(f"\n{'instance':>12} {'changed':>10}  seconds, five of each, at most {time_limit:g} s")
    for name in MINIMALLOC_SECONDS:
        problem = planner.read_problem((INSTANCES / f"{name}.1048576.csv").read_bytes(), capacity=1048576)
        plan = planner.solve(problem, time_limit=60)
        solved = [replace(b, offset=plan.offsets[b.id]) for b in problem.buffers]
        for change in RELATIVES:
            seconds = []
            for seed in range(5):
                rng = np.random.default_rng(seed)
                changed = change(solved, rng)
                buffers = [replace(changed[i], id=int(i)) for i in rng.permutation(len(changed))]
                related = Problem(buffers, 1048576)
                plan, took, _ = timed(lambda related=related: planner.solve(related, time_limit=time_limit), 1)
                assert planner.validate(Problem(buffers), plan)
                seconds.append(f"{took:.3f}" if plan.fits else "not found")
            print(f"{name:>12} {change.__name__:>10}  {'  '.join(seconds)}")


def free(b: Buffer, **changed: object) -> Buffer:
    """Return a buffer of a solution, changed, and no longer fixed where it was."""
    return replace(b, offset=None, **changed)


def mirrored(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Run time backwards."""
    return [free(b, start=-b.end, end=-b.start) for b in solved]


def split(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Split a tenth of the buffers, half of them in time and half in size."""
    made = []
    for b in solved:
        chance = rng.random()
        if chance < 0.05 and b.end - b.start > 1:
            at = int(rng.integers(b.start + 1, b.end))
            made += [free(b, end=at), free(b, start=at)]
        elif chance < 0.1 and b.size >= 2048:
            lower = 1024 * int(rng.integers(1, b.size // 1024))
            made += [free(b, size=lower), free(b, size=b.size - lower)]
        else:
            made.append(free(b))
    return made


def shortened(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Take up to a quarter from the end of a fifth of the lifetimes."""
    return [
        free(b, end=b.end - (int(rng.integers(0, (b.end - b.start) // 4 + 1)) if rng.random() < 0.2 else 0))
        for b in solved
    ]


def stretched(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Stretch some offsets and press others together: all sizes change, what lay on what still does."""
    steps = rng.exponential(1, 1024) + 0.05
    scale = np.round(np.append(0, np.cumsum(steps)) / steps.sum() * (1048576 - 1024)).astype(int) + np.arange(1025)
    scale[-1] = 1048576
    return [free(b, size=int(scale[(b.offset + b.size) // 1024] - scale[b.offset // 1024])) for b in solved]


def pinned(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Fix a tenth of the buffers where the solution has them."""
    return [b if rng.random() < 0.1 else free(b) for b in solved]


def with_gaps(solved: list[Buffer], rng: np.random.Generator) -> list[Buffer]:
    """Let a third of the buffers be dead in the middle third of their lives."""
    made = []
    for b in solved:
        third = (b.end - b.start) // 3
        made.append(free(b, gaps=((b.start + third, b.end - third),) if rng.random() < 0.3 else ()))
    return made


RELATIVES = (mirrored, split, shortened, stretched, pinned, with_gaps)


def dissections(time_limit: float) -> None:
    """Solve rectangles cut into buffers, harder than the published ones: known to fit 1,024 bytes."""
    print(f"\n{'cut pieces':>12} {'seed':>5} {'total':>7} {'bound':>6} {'seconds':>9}   at most {time_limit:g} s each")
    for count, seed in DISSECTIONS:
        rows = zip(*(column.tolist() for column in dissection(count, seed)), strict=True)
        problem = Problem([Buffer(i, *row, align=1) for i, row in enumerate(rows)], 1024)
        plan, seconds, _ = timed(lambda problem=problem: planner.solve(problem, time_limit=time_limit), 1)
        print(
            f"{count:12} {seed:5} {plan.total:7} {plan.lower_bound:6} {seconds:9.3f}   "
            f"{'' if plan.fits else 'not found'}"
        )


def large_programs(counts: list[int]) -> None:
    """Plan arrays of program-like lifetimes."""
    print(f"\n{'buffers':>12} {'seed':>5} {'above live':>11} {'seconds':>9} {'processor':>10}")
    for count in counts:
        for seed in (0, 1):
            start, end, size = program(count, seed)
            bound = bound_of_blocks(from_arrays(start, end, size, np.full(count, 64)))
            wall, cpu = perf_counter(), process_time()
            offsets = planner.plan_arrays(start, end, size)
            wall, cpu = perf_counter() - wall, process_time() - cpu
            verdict = planner.validate_arrays(start, end, size, offsets)
            assert verdict, verdict.message
            print(f"{count:12} {seed:5} {100 * ((offsets + size).max() / bound - 1):9.2f} % {wall:9.3f} {cpu:10.3f}")


def random_dag(count: int, seed: int) -> Dag:
    """Make a graph whose steps read one to three of the last thirty values."""
    rng = np.random.default_rng(seed)
    nodes = []
    for i in range(count):
        reads = {int(i - 1 - rng.integers(0, min(i, 30))) for _ in range(rng.integers(1, 4))} if i else set()
        nodes.append(Node(i, tuple(sorted(reads)), int(rng.integers(1, 1000))))
    return Dag(nodes)


def training_chain(layers: int) -> Dag:
    """Make a chain of layers and its gradients."""
    nodes = [Node(("f", k), (("f", k - 1),) if k else (), 10) for k in range(layers)]
    nodes.append(Node(("b", layers), (("f", layers - 1),), 10, recompute=False))
    for k in range(layers - 1, 0, -1):
        nodes.append(Node(("b", k), (("b", k + 1), ("f", k - 1), ("f", k)), 10, recompute=False))
    return Dag(nodes)


def graphs() -> None:
    """Order random graphs; recompute in training chains."""
    print(f"\n{'order':>12} {'given':>9} {'found':>9} {'seconds':>9}")
    for count in (100, 1_000, 10_000):
        dag = random_dag(count, 0)
        found, seconds, _ = timed(lambda dag=dag: planner.order(dag), 1)
        print(f"{count:12} {dag.peak():9} {found.peak:9} {seconds:9.3f}")
    print(f"\n{'layers':>12} {'peak':>9} {'limit':>9} {'found':>9} {'work again':>11} {'seconds':>9}")
    for layers in (50, 500):
        dag = training_chain(layers)
        for share in (0.75, 0.5, 0.25):
            limit = int(dag.peak() * share)
            found, seconds, _ = timed(lambda dag=dag, limit=limit: planner.rematerialize(dag, limit), 1)
            print(f"{layers:12} {dag.peak():9} {limit:9} {found.peak:9} {found.work / layers:10.0%} {seconds:9.3f}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--time-limit", type=float, default=5.0, help="seconds for each unpublished hard instance")
    options = parser.parse_args()
    hard_instances()
    if not options.quick:
        relatives(options.time_limit)
        dissections(options.time_limit)
    large_programs([1_000, 10_000, 100_000] + ([] if options.quick else [1_000_000]))
    graphs()


if __name__ == "__main__":
    main()
