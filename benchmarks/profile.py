"""Where a network's time goes: ``python -m benchmarks.profile NETWORK [--threads N] [--steps N]``.

Runs the steps of cyexec's program (inference; forward and backward of a network named ``*_training``) one by one, many times,
and shows the sum of their median times by kind of step, then the slowest steps. Alone, a step pays for waking the threads: the
sum is a little more than the whole takes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import median
from time import perf_counter

import cyexec as mx

from . import networks
from .cases.common import mx_bound


def step_times(executor: mx.Executor, repeats: int) -> list[tuple[str, str, tuple[int, ...], float]]:
    """(kind, node, shape of the first result, median seconds) of every step."""
    training = any(grad is not None for grad in executor.grad_arrays)
    compiled = executor._program(training, training)
    schedule, program = compiled.schedule(), compiled.program
    times: list[list[float]] = [[] for _ in program.steps]
    for _ in range(repeats):
        for i, seconds in enumerate(times):
            start = perf_counter()
            schedule.run(i, i + 1, 0)
            seconds.append(perf_counter() - start)
    rows = []
    for step, seconds in zip(program.steps, times):
        name = step.node.name if step.node else ""
        rows.append((step.kernel, name, step.writes[0].shape if step.writes else (), median(seconds)))
    return rows


def main() -> None:
    """Print the profile of one network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=12, help="how many of the slowest to show")
    options = parser.parse_args()
    networks.write(mx)
    mx.set_num_threads(options.threads)
    training = options.network.endswith("_training")
    executor = mx_bound(networks.load(options.network), mx, "write" if training else "null")
    whole = []
    for _ in range(options.repeats):
        start = perf_counter()
        executor.forward(is_train=training)
        if training:
            executor.backward()
        whole.append(perf_counter() - start)
    rows = step_times(executor, options.repeats)
    kinds: dict[str, list[float]] = defaultdict(list)
    for kind, _, _, seconds in rows:
        kinds[kind].append(seconds)
    print(f"{options.network}: {median(whole) * 1e3:.2f} ms, sum of steps {sum(r[3] for r in rows) * 1e3:.2f} ms")
    for kind, seconds in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(seconds) * 1e3:9.2f} ms {len(seconds):5} {kind}")
    for kind, name, shape, seconds in sorted(rows, key=lambda row: -row[3])[: options.steps]:
        print(f"{seconds * 1e3:9.3f} ms {kind:20} {name} {shape}")


if __name__ == "__main__":
    main()
