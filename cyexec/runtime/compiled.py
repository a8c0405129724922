"""One program of an executor: a graph lowered, planned, and made into a schedule over the executor's memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..base import MXNetError
from ..graph.graph import Entry, Graph
from ..lowering import recompute
from ..lowering.alias import share_memory
from ..lowering.lower import lower
from ..lowering.memory import MemoryPlan
from ..lowering.order import order_nodes
from ..lowering.program import Program
from ..ndarray import NDArray
from ..ndarray.storage import Storage, note_writes
from . import tracing
from .arena import Arena
from .check import GUARD, CheckedSchedule
from .constants import Constants
from .materialize import Memory, materialize
from .schedule import Schedule

WORTH_ORDERING = 1 << 18  # bytes
WORTH_PLACING = 1.01  # of what the order given needs at least: a plan that is not larger has not lost much to gaps
External = Mapping[str, "Sequence[NDArray] | Mapping[int, NDArray]"]


class _Least(int):
    """A limit that asks for as little as can be reached, and is then never missed."""


LEAST = _Least(0)


def plan_graph(
    graph: Graph,
    time_limit: float = 0.0,
    memory_limit: int | None = None,
    compute_all: bool = False,
    single: Callable[[], Graph] | None = None,
) -> MemoryPlan:
    """Lower `graph`, share memory and plan it, in the order of nodes that needs less. Allocates nothing.

    Parameters
    ----------
    time_limit : float
        Seconds that the planner may search for better offsets; any also lets it search longer for an order of steps.
    memory_limit : int, optional
        Bytes that the arenas may take: values are computed twice where that is needed to stay below. `LEAST`: as few as
        can be reached.
    compute_all : bool
        For a monitor: nodes keep their order, outputs that nobody reads are computed too, and `memory_limit` is not kept.
    single : callable, optional
        Gives `graph` before its nodes were joined. Recomputation starts from it: the values of a joined node cannot be
        dropped one by one.

    Raises
    ------
    MXNetError
        No choice found fits `memory_limit`; the message tells the least that can be reached.
    """
    guard = GUARD if os.environ.get("CYEXEC_CHECK") else 0

    def placed(program: Program) -> MemoryPlan:
        return MemoryPlan(share_memory(program.copy()), time_limit, guard)

    def planned(candidate: Graph) -> MemoryPlan:
        return placed(lower(candidate))

    program = lower(graph, compute_all)
    if compute_all:
        return placed(program)
    # An arena that fits the second-level cache is not worth the time of a search.
    worth = 0 if memory_limit is not None else WORTH_ORDERING
    ordered = order_nodes(program, quick=time_limit <= 0, worth=worth)
    plan = placed(ordered.program)
    if plan.total > ordered.before * WORTH_PLACING and ordered.program is not program:
        # Gaps between values may have eaten more than the order saves.
        plan = min(plan, placed(program), key=lambda p: p.total)
    if graph.targets:
        single = single or (lambda: graph)
        plan = _mirrored(single, plan, planned)
        # Where nobody set a limit, padding to whole blocks of channels must not cost memory: what it takes is given back.
        limit = plan.limit_without_padding() if memory_limit is None else memory_limit
        if plan.total > limit:
            plan = _within(single(), plan, planned, limit, quick=memory_limit is None)
    if memory_limit is not None and memory_limit is not LEAST and plan.total > memory_limit:
        raise MXNetError(
            f"memory_limit is {memory_limit} bytes, but the least peak that can be reached is {plan.total} bytes "
            f"(at step {plan.peak()[0]}: {', '.join(b.name for b in plan.peak()[1][:4])})"
        )
    return plan


def _mirrored(single: Callable[[], Graph], plan: MemoryPlan, planned: Callable[[Graph], MemoryPlan]) -> MemoryPlan:
    """MXNet's mirroring: recompute cheap nodes for the least peak where the environment or an attribute asks for it."""
    everywhere = os.environ.get("MXNET_BACKWARD_DO_MIRROR") == "1"
    if not everywhere and not any(recompute.forced(n) for n in plan.program.graph.nodes):
        return plan
    graph = single()
    changed, _ = recompute.Recompute(graph, recompute.mirrored if everywhere else recompute.forced).within(0)
    other = planned(changed)
    return other if other.total < plan.total else plan


def _within(
    graph: Graph, plan: MemoryPlan, planned: Callable[[Graph], MemoryPlan], limit: int, quick: bool
) -> MemoryPlan:
    """Recompute until the arenas fit `limit`; the smallest plan found if they do not.

    The choice is made on an estimate (bytes alive, not offsets), so its limit is moved by what the plan shows.
    """
    best, asked = plan, limit
    choices = recompute.Recompute(graph)
    for _ in range(3 if quick else 8):
        changed, choice = choices.within(max(asked, 0), quick=quick)
        other = planned(changed)
        if other.total < best.total:
            best = other
        if best.total <= limit or asked <= 0 or choice.least_peak > asked:
            break
        asked -= max(other.total - limit, limit // 64, 1)
    return best


class Compiled:
    """A planned program and, once it has run, its schedule.

    Parameters
    ----------
    plan : MemoryPlan
    arenas : sequence of Arena
        One for each context; each is made large enough at once.
    external : mapping of kind to arrays by number
        The user's arrays: arguments, auxiliary states, outputs, head gradients, and gradients by target.
    constants : Constants, optional
        What the program reads that follows from parameters alone.
    whole : Graph, optional
        The program's graph and that of the constants in one.
    """

    def __init__(
        self,
        plan: MemoryPlan,
        arenas: Sequence[Arena],
        external: External,
        constants: Constants | None = None,
        whole: Graph | None = None,
    ):
        self.plan = plan
        self.whole = whole if whole is not None else plan.program.graph
        self._constants = constants
        self.program: Program = plan.program
        self._num_forward = plan.program.num_forward
        self._arenas = arenas
        self._external = external if constants is None else {**external, "const": constants.arrays}
        self._token = object()  # marks the arena as holding this program's values; not self, which would be a cycle
        self._schedule: Schedule | CheckedSchedule | tracing.TracedSchedule | None = None
        self._recorder: tracing.Recorder | None = None  # what the schedule reports to
        self._generations: list[int] = []
        self._growths = -1  # Arena.growths when the schedule was last found right
        self._steps: list[Any] = []
        self._joined: tuple[Any, Sequence[Any], Schedule | None] = (None, (), None)
        self.is_random = any(n.op is not None and n.op.random for n in self.program.graph.nodes)
        for ctx, nbytes in plan.arena_bytes.items():
            arenas[ctx].reserve(nbytes)

    def schedule(self) -> Schedule | CheckedSchedule | tracing.TracedSchedule:
        """The steps over the arenas as they are now: made when first needed, and again after an arena has grown."""
        recorder = tracing.of_executors()
        growths = Arena.growths
        if growths == self._growths and recorder is self._recorder and self._schedule is not None:
            return self._schedule
        generations = [a.generation for a in self._arenas]
        if self._schedule is None or generations != self._generations or recorder is not self._recorder:
            steps = self._steps = materialize(self.program, self._memory)
            if os.environ.get("CYEXEC_CHECK"):
                self._schedule = CheckedSchedule(steps, self.plan, self._arenas)
            else:
                self._schedule = Schedule(steps, self._arenas[0].lock)
            if recorder is not None:
                self._schedule = tracing.TracedSchedule(self._schedule, self.program, recorder)
            self._generations, self._recorder = generations, recorder
        self._growths = growths
        return self._schedule

    def run(self, start: int, stop: int, seed: int) -> None:
        """Run some steps. When all of a part have run, say so with `finished`."""
        self._arenas[0].owner = None
        self._note_all_writes()
        self.schedule().run(start, stop, seed)

    def run_forward(self, seed: int) -> None:
        """Run the forward part."""
        if self._constants is not None:
            self._constants.refresh()
        schedule = self._schedule
        if schedule is None or Arena.growths != self._growths or tracing.current is not self._recorder:
            schedule = self.schedule()
        arena = self._arenas[0]
        arena.owner = None  # as `started` says
        note_writes(self._written[0])
        schedule.run(0, self._num_forward, seed)
        arena.owner = self._token

    def run_backward(self, seed: int) -> None:
        """Run the backward part. It may overwrite what the forward part left, so that runs once."""
        self.started()
        note_writes(self._written[1])
        self.schedule().run(self.program.num_forward, len(self.program.steps), seed)

    def joined(self, after: Sequence[Any]) -> Schedule | None:
        """Forward part, backward part and then the steps `after`, as one schedule.

        None where the parts must stay apart: something watches the steps, or one of them may fail, and then the backward
        part must not run.
        """
        schedule = self.schedule()
        of, steps, joined = self._joined
        if of is not schedule or steps is not after:
            joined = None
            watched = type(schedule) is not Schedule or bool(self.program.needed_heads)
            if not watched and not any(hasattr(s, "take_failure") or hasattr(s, "python_call") for s in self._steps):
                joined = Schedule([*self._steps, *after], self._arenas[0].lock)
            self._joined = schedule, after, joined
        return joined

    def run_joined(self, joined: Schedule, seed: int) -> None:
        """Run what `joined` gave."""
        self.started()
        self._note_all_writes()
        joined.run(0, len(joined), seed)

    def started(self) -> None:
        """Say that steps will run: if they are cut short (Ctrl-C, a failing monitor), the arena holds nobody's values."""
        self._arenas[0].owner = None

    def finished(self, forward: bool) -> None:
        """Say that all steps of the forward (or backward) part were run one by one."""
        self._arenas[0].owner = self._token if forward else None

    def forward_is_valid(self) -> bool:
        """Whether the arena holds what this program's forward part left there."""
        return self._arenas[0].owner is self._token

    @cached_property
    def _written(self) -> tuple[list[Storage], list[Storage]]:
        """Memory of arguments and auxiliary states that the forward part, and the backward part, write.

        Constants that other programs made of them are stale then. Their versions go up before the steps run: a run that is
        cut short has written too.
        """
        parts: tuple[dict[Storage, None], dict[Storage, None]] = ({}, {})
        for k, step in enumerate(self.program.steps):
            for ref in step.writes:
                spec = self.program.buffers[self.program.resolve(ref).buffer]
                if spec.kind in ("arg", "aux"):
                    parts[k >= self.program.num_forward][self._external[spec.kind][spec.number]._storage] = None
        return list(parts[0]), list(parts[1])

    def _note_all_writes(self) -> None:
        for part in self._written:
            note_writes(part)

    @cached_property
    def writes_aux(self) -> bool:
        """Whether the forward part updates auxiliary states."""
        buffers, forward = self.program.buffers, self.program.steps[: self.program.num_forward]
        return any(buffers[ref.buffer].kind == "aux" for step in forward for ref in step.writes)

    def value(self, entry: Entry) -> np.ndarray | None:
        """View of a value's memory; right only between the step that writes it and the last that reads it.

        None where no step computes it.
        """
        ref = self.program.resolve(self.program.entries[entry])
        if not self.program.buffers[ref.buffer].external and not self.plan.is_placed(ref.buffer) and ref.nbytes:
            return None
        base, start = self._memory(ref.buffer)
        return np.ndarray(ref.shape, ref.dtype, buffer=base, offset=start + ref.offset)

    def _memory(self, root: int) -> Memory:
        spec = self.program.buffers[root]
        if spec.external:
            return self._external[spec.kind][spec.number]._array, 0
        return self._arenas[spec.ctx].block, self.plan.offset(root)


