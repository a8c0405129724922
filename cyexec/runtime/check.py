"""CYEXEC_CHECK=1: run a schedule so that a wrong lifetime or a write out of bounds shows.

The arena starts poisoned; every buffer is poisoned again before the step behind the last that touches it (a monitor looks
between the two); and GUARD bytes behind every buffer are watched. Floating-point poison is NaN, so a value read too late
makes outputs NaN.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from ..base import MXNetError
from ..kernels.step import Step
from ..lowering.liveness import lifetimes
from ..lowering.memory import MemoryPlan
from .arena import Arena
from .schedule import SHARED_WITH_ITSELF, Schedule

GUARD = 64  # bytes behind each buffer: one vector register
_GUARD_BYTE = 0xA5
_NAN_BYTE = 0xFF  # all ones is NaN in float16, float32 and float64
_OTHER_BYTE = 0xCD

_holders: dict[int, int] = {}  # for each lock held here, by identity: the thread that holds it


class CheckedSchedule:
    """A Schedule that poisons and watches memory around every step."""

    def __init__(self, steps: list[Step], plan: MemoryPlan, arenas: Sequence[Arena]):
        self._schedule = Schedule(steps)
        self._lock = arenas[0].lock  # held for a whole run: executors of one arena take turns
        self._plan = plan
        self._bytes = [np.frombuffer(memoryview(a.block), np.uint8) for a in arenas]
        self._born: dict[int, list[int]] = {}
        self._dying: dict[int, list[int]] = {}
        self._dead: list[int] = []  # not poisoned yet
        for root, life in lifetimes(plan.program).items():
            if root in plan.plan.offsets:
                self._born.setdefault(life.first, []).append(root)
                self._dying.setdefault(life.last, []).append(root)

    def __len__(self) -> int:
        return len(self._schedule)

    def run(self, start: int, stop: int, seed: int = 0) -> None:
        """Run steps `start` to `stop`, each by itself."""
        if not self._lock.acquire(blocking=False):
            if _holders.get(id(self._lock)) == threading.get_ident():
                raise MXNetError(SHARED_WITH_ITSELF)
            self._lock.acquire()
        _holders[id(self._lock)] = threading.get_ident()
        try:
            self._run(start, stop, seed)
        finally:
            del _holders[id(self._lock)]
            self._lock.release()

    def _run(self, start: int, stop: int, seed: int) -> None:
        if start == 0:
            for block in self._bytes:
                block[:] = _NAN_BYTE
            self._dead = []
        for k in range(start, stop):
            for root in self._dead:
                is_float = self._plan.program.buffers[root].dtype.kind == "f"
                self._of(root)[:] = _NAN_BYTE if is_float else _OTHER_BYTE
            self._dead = self._dying.get(k, [])
            for root in self._born.get(k, ()):
                self._guard(root)[:] = _GUARD_BYTE
            self._schedule.run(k, k + 1, seed)
            for root in self._dead:
                spec = self._plan.program.buffers[root]
                if not (self._guard(root) == _GUARD_BYTE).all():
                    step = self._plan.program.steps[k]
                    where = step.node.describe() if step.node else "program"
                    raise MXNetError(
                        f"CYEXEC_CHECK: something wrote behind buffer {spec.name} ({spec.nbytes} bytes) before the end "
                        f"of step {k} ({step.kernel} of {where})"
                    )

    def _of(self, root: int) -> np.ndarray:
        spec = self._plan.program.buffers[root]
        offset = self._plan.offset(root)
        return self._bytes[spec.ctx][offset : offset + spec.nbytes]

    def _guard(self, root: int) -> np.ndarray:
        spec = self._plan.program.buffers[root]
        end = self._plan.offset(root) + spec.nbytes
        return self._bytes[spec.ctx][end : end + GUARD]
