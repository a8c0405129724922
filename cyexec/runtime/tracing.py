"""How long steps take, for whoever wants to know (`cyexec.profiler`).

While a recorder is set, executors make their schedules as `TracedSchedule`, which runs step by step and reports each. While
none is, they look once a run whether there is one: nothing else is spent.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from ..lowering.program import Program

clock = time.perf_counter_ns


class Recorder(Protocol):
    """What is told of what ran. Times are nanoseconds of `clock`."""

    symbolic: bool
    imperative: bool

    def record(self, category: str, name: str, begin: int, end: int, args: dict[str, Any] | None = None) -> None: ...


current: Recorder | None = None


def set_recorder(recorder: Recorder | None) -> None:
    """Report to `recorder` from now on; None: to nobody."""
    global current
    current = recorder


def of_executors() -> Recorder | None:
    """The recorder, if it wants to know of executors."""
    return current if current is not None and current.symbolic else None


def of_calls() -> Recorder | None:
    """The recorder, if it wants to know of imperative calls."""
    return current if current is not None and current.imperative else None


class TracedSchedule:
    """Runs another schedule and reports every step."""

    def __init__(self, schedule: Any, program: Program, recorder: Recorder):
        self._schedule = schedule
        self._recorder = recorder
        self._labels: list[tuple[str, dict[str, Any]]] = []
        for number, spec in enumerate(program.steps):
            args: dict[str, Any] = {"step": number, "kernel": spec.kernel, "shape": str(spec.writes[0].shape)}
            if spec.node is None or spec.node.op is None:
                self._labels.append((spec.kernel, args))
            else:
                self._labels.append((spec.node.op.name, {"node": spec.node.name, **args}))

    def __len__(self) -> int:
        return len(self._schedule)

    def run(self, start: int, stop: int, seed: int = 0) -> None:
        """Run steps `start` to `stop`, each by itself."""
        run, record, labels = self._schedule.run, self._recorder.record, self._labels
        first = before = clock()
        for k in range(start, stop):
            run(k, k + 1, seed)
            after = clock()
            name, args = labels[k]
            record("operator", name, before, after, args)
            before = after
        if stop - start > 1:
            record("executor", "backward" if start else "forward", first, before)
