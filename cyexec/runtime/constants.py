"""Constants: values that follow from parameters alone, kept until a parameter is written.

    parameters --one small program for each operator--> arrays that the executor's program reads

Which they are, `passes/hoist_constants.py` decides. Executors that share parameters (`reshape`, `clone`, buckets) share
the constants too: a constant is found by what is computed and by the memory it is computed from.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ..context import cpu
from ..graph.graph import Entry, Graph, Node, topological
from ..kernels import levels
from ..kernels.step import Step
from ..lowering.alias import share_memory
from ..lowering.lower import lower
from ..lowering.memory import MemoryPlan
from ..lowering.program import Program
from ..ndarray import NDArray
from ..ndarray.storage import Storage, Watch, allocate_bytes
from .materialize import Memory, materialize
from .schedule import Schedule

_LOCK = threading.RLock()


def _new_lock() -> None:
    # Another thread may have held the lock at the moment of the fork; in the child nobody would ever release it.
    global _LOCK
    _LOCK = threading.RLock()


os.register_at_fork(after_in_child=_new_lock)
_known: weakref.WeakValueDictionary[Hashable, Constant] = weakref.WeakValueDictionary()

Sources = Mapping[str, Any]  # sequences or mappings of NDArrays: the user's arrays by kind and number


_programs: dict[Hashable, tuple[Program, MemoryPlan | None]] = {}
_PROGRAMS_KEPT = 1024


def _compiled(node: Node) -> tuple[Program, MemoryPlan | None]:
    """Program of `node` alone, and a plan if it works in memory of its own.

    A network has many layers of few sizes: equal ones share theirs.
    """
    key = (node.op, node.params, levels.level, *node.in_shapes, *node.in_dtypes)
    if key not in _programs:
        variables = [
            Node(None, None, (), e.node.name, (e.shape,), (e.dtype,), "arg", number=i)
            for i, e in enumerate(node.inputs)
        ]
        alone = node.with_inputs(tuple(v[0] for v in variables), 0)
        program = lower(Graph([alone[i] for i in range(len(alone.shapes))]))
        plan = None
        if not all(b.external for b in program.buffers):
            plan = MemoryPlan(share_memory(program))
        if len(_programs) >= _PROGRAMS_KEPT:
            _programs.clear()
        _programs[key] = program, plan
    return _programs[key]


class Constant:
    """The outputs of one operator on parameters and other constants.

    Attributes
    ----------
    arrays : list of NDArray
        Every output of the node.
    storages : tuple of Storage
        Memory of the parameters that it follows from.
    """

    def __init__(self, node: Node, inputs: Sequence[NDArray], before: Sequence[Constant]):
        self._before = tuple(before)  # kept alive
        self._inputs = tuple(inputs)
        self._program, self._plan = _compiled(node)
        ctx = inputs[0]._ctx if inputs else cpu()
        self.arrays = [NDArray._empty(s, d, ctx) for s, d in zip(node.shapes, node.dtypes)]
        own = [x._storage for x in inputs if not any(x is y for b in before for y in b.arrays)]
        self.storages: tuple[Storage, ...] = tuple(dict.fromkeys([*own, *(s for b in before for s in b.storages)]))
        self._watch = Watch(list(self.storages))
        self._steps: list[Step] | None = None

    def is_stale(self) -> bool:
        """Whether a parameter has been written since the arrays were last computed."""
        return self._watch.changed()

    def mark(self) -> None:
        """Count as computed. Before the steps run: a write while they do is noticed next time."""
        self._watch.mark()

    def forget(self) -> None:
        """Count as stale."""
        self._watch.forget()

    @property
    def scratch_bytes(self) -> int:
        """Bytes that `steps` work in beside the arrays."""
        return self._plan.total if self._plan is not None else 0

    def steps(self, scratch: np.ndarray) -> list[Step]:
        """Steps that compute the arrays from the inputs.

        They are kept, unless they work in `scratch`, which is not worth keeping.
        """
        if self._steps is not None:
            return self._steps
        arrays = {"arg": self._inputs, "output": self.arrays}

        def memory(root: int) -> Memory:
            spec = self._program.buffers[root]
            if spec.external:
                return arrays[spec.kind][spec.number]._array, 0
            return scratch, self._plan.offset(root) if self._plan is not None else 0

        steps = materialize(self._program, memory)
        if self.scratch_bytes == 0:
            self._steps = steps
        return steps


class Constants:
    """The constants of one program, in the order of their numbers.

    Parameters
    ----------
    entries : sequence of Entry
    sources : mapping of kind ("arg", "aux") to arrays by number
    """

    def __init__(self, entries: Sequence[Entry], sources: Sources):
        made: dict[Node, Constant] = {}
        keys: dict[Entry, Hashable] = {}
        for node in topological(entries):
            if node.op is None:
                array = sources[node.kind][node.number]
                keys[node[0]] = (id(array._storage), array._array.ctypes.data, node.shapes[0], node.dtypes[0])
                continue
            key = (node.op.name, node.params, levels.level, *(keys[e] for e in node.inputs))
            before = list(dict.fromkeys(made[e.node] for e in node.inputs if e.node in made))
            inputs = [
                made[e.node].arrays[e.index] if e.node in made else sources[e.node.kind][e.node.number]
                for e in node.inputs
            ]
            with _LOCK:
                constant = _known.get(key)
                if constant is None:
                    constant = _known[key] = Constant(node, inputs, before)
            made[node] = constant
            for i in range(len(node.shapes)):
                keys[node[i]] = (key, i)
        self._all = list(made.values())
        self.arrays = [made[e.node].arrays[e.index] for e in entries]
        self._watch = Watch(list(dict.fromkeys(s for c in self._all for s in c.storages)))

    def refresh(self) -> None:
        """Make constants anew whose parameters have been written. Costs nanoseconds a parameter when none has."""
        if not self._watch.changed():
            return
        with _LOCK:
            self._watch.mark()
            stale = [c for c in self._all if c.is_stale()]  # in an order in which each comes after those it reads
            scratch = allocate_bytes(max((c.scratch_bytes for c in stale), default=0))
            try:
                for constant in stale:
                    constant.mark()
                schedule = Schedule([step for c in stale for step in c.steps(scratch)])
                schedule.run(0, len(schedule), 0)
            except BaseException:  # Ctrl-C
                self._watch.forget()
                for constant in stale:
                    constant.forget()
                raise

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that the program reads."""
        return sum(a._array.nbytes for a in self.arrays)


