"""Run one operator on arrays, through the same lowering and kernels as a bound graph.

    operator, arrays, parameters --cache--> _Call: program, plan --> steps --> outputs

A call is compiled once for each operator, parameters, input shapes and dtypes, and mode. How it then runs depends on its
size. Making steps over fresh memory takes some ten microseconds, so a small call keeps its steps, over staging memory of its
own: inputs are copied in and results out. A large call makes its steps over the very arrays.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import _MODE
from ..base import DTypeError, MXNetError, ShapeError
from ..context import as_context, current_context
from ..graph.graph import Graph, Node, make_node
from ..kernels import levels
from ..lowering.alias import share_memory
from ..lowering.lower import lower
from ..lowering.memory import MemoryPlan
from ..ops import registry
from ..ops.infer import product
from ..ops.params import Params
from ..ops.schema import Op
from ..runtime import tracing
from ..runtime.materialize import materialize
from ..runtime.schedule import Schedule
from ..runtime.seeds import next_seed
from .ndarray import NDArray
from .storage import allocate, allocate_bytes

# Bytes of inputs and outputs together up to which a call is staged: copying 64 KB takes 5 to 10 microseconds.
STAGED_BYTES = 65536
_CALLS_KEPT = 1024


class _Call:
    """An operator with everything known but the arrays.

    Attributes
    ----------
    shapes, dtypes : of the visible outputs
    written : tuple of int
        Inputs that the operator changes (auxiliary states in training).
    """

    def __init__(self, op: Op, params: Params, shapes: list, dtypes: list, is_train: bool):
        names = op.input_names(params)
        num_args = len(op.arg_names(params))
        variables = [
            Node(
                None,
                None,
                (),
                n,
                (s,),
                (d,),
                "arg" if i < num_args else "aux",
                number=i if i < num_args else i - num_args,
            )
            for i, (n, s, d) in enumerate(zip(names, shapes, dtypes))
        ]
        node = make_node(op, params, [v[0] for v in variables], op.name.lower().strip("_"))
        outputs = [node[i] for i in range(op.num_visible(params))]
        program = share_memory(lower(Graph(outputs, (), is_train)))
        # Where each of the user's buffers is: an input number, or ~number of an output.
        self.external: dict[int, int] = {}
        for spec in program.buffers:
            if spec.kind == "output":
                self.external[spec.id] = ~spec.number
            elif spec.external:
                self.external[spec.id] = spec.number + (num_args if spec.kind == "aux" else 0)
        changed = {program.home[w.buffer][0] for step in program.steps for w in step.writes}
        self.written = tuple(sorted(i for b, i in self.external.items() if i >= 0 and b in changed))
        self.program = program
        self.plan = MemoryPlan(program)
        self.random = op.random
        self.inplace = self._inplace_inputs()
        self.numbered = [i for i, step in enumerate(program.steps) if "numbers" in step.args]
        self.staged_steps: list[Any] = []
        self.shapes = [e.shape for e in outputs]
        self.dtypes = [e.dtype for e in outputs]
        nbytes = sum(product(s) * d.itemsize for s, d in zip([*shapes, *self.shapes], [*dtypes, *self.dtypes]))
        self.lock = threading.Lock()
        self.staged_in: list[np.ndarray] = []
        self.staged_out: list[np.ndarray] = []
        self.schedule: Schedule | None = None
        if nbytes <= STAGED_BYTES and self.plan.total <= STAGED_BYTES:
            self.staged_in = [allocate(s, d)[0] for s, d in zip(shapes, dtypes)]
            self.staged_out = [allocate(s, d)[0] for s, d in zip(self.shapes, self.dtypes)]
            self.staged_steps = self._steps(self.staged_in, self.staged_out, allocate_bytes(self.plan.total))
            self.schedule = Schedule(self.staged_steps)

    def _steps(self, ins: Sequence[np.ndarray], outs: Sequence[np.ndarray], scratch: np.ndarray) -> list[Any]:
        def memory(root: int) -> tuple[Any, int]:
            place = self.external.get(root)
            if place is None:
                return scratch, self.plan.offset(root)
            return (ins[place], 0) if place >= 0 else (outs[~place], 0)

        return materialize(self.program, memory)

    def _set_numbers(self, steps: list[Any], numbers: list[tuple[float, ...]]) -> None:
        for i, values in zip(self.numbered, numbers):
            steps[i].set_numbers(values)

    def run_staged(self, ins: list[NDArray], outs: list[NDArray], numbers: list[tuple[float, ...]]) -> None:
        seed = next_seed() if self.random else 0
        schedule = self.schedule
        assert schedule is not None
        with self.lock:
            for stage, given in zip(self.staged_in, ins):
                stage[...] = given._array
            self._set_numbers(self.staged_steps, numbers)
            schedule.run(0, len(schedule), seed)
            # What an operator changes may also be given as `out`: the result then wins, as in a large call.
            for i in self.written:
                ins[i]._array[...] = self.staged_in[i]
            for stage, made in zip(self.staged_out, outs):
                made._array[...] = stage

    def _inplace_inputs(self) -> frozenset[int]:
        """Inputs whose array may be the result's too: the only step reads each element before it writes it."""
        if len(self.program.steps) != 1:
            return frozenset()
        step = self.program.steps[0]
        found = set()
        for buffer, place in self.external.items():
            reads = [i for i, r in enumerate(step.reads) if self.program.home[r.buffer][0] == buffer]
            if place >= 0 and reads and all((0, i) in step.inplace for i in reads):
                found.add(place)
        return frozenset(found)

    def _target(self, place: np.ndarray, arrays: list[np.ndarray]) -> np.ndarray:
        """Where to compute the result for `place`: there, unless an input is there that is still to be read."""
        for i, array in enumerate(arrays):
            if np.may_share_memory(place, array):
                same = array.ctypes.data == place.ctypes.data and array.nbytes == place.nbytes
                if not (same and i in self.inplace):
                    return allocate(place.shape, place.dtype)[0]
        return place

    def run_direct(self, ins: list[NDArray], outs: list[NDArray], numbers: list[tuple[float, ...]]) -> None:
        arrays = [i._array for i in ins]
        places = [o._array for o in outs]
        targets = [self._target(p, arrays) for p in places]
        steps = self._steps(arrays, targets, allocate_bytes(self.plan.total))
        self._set_numbers(steps, numbers)
        schedule = Schedule(steps)
        schedule.run(0, len(schedule), next_seed() if self.random else 0)
        for place, target in zip(places, targets):
            if place is not target:
                place[...] = target


_calls: dict[tuple, _Call] = {}
# By what the caller gave, unparsed; the same _Call may stand under several keys.
_seen: dict[tuple, _Call] = {}


def _find(op: Op, given: dict[str, Any], arrays: list[np.ndarray], is_train: bool) -> _Call:
    """The compiled call, by parsed parameters."""
    if op.variadic and op.variadic not in given:
        given = {**given, op.variadic: len(arrays)}
    params = op.params.parse(given, op.name)
    names = op.input_names(params)
    if len(names) != len(arrays):
        raise MXNetError(
            f"Operator {op.name} expects {len(names)} inputs ({', '.join(names)}), but got {len(arrays)} instead."
        )
    key = (op, params, is_train, levels.level, *[a.shape for a in arrays], *[a.dtype for a in arrays])
    call = _calls.get(key)
    if call is None:
        call = _Call(op, params, [a.shape for a in arrays], [a.dtype for a in arrays], is_train)
        if not op.opaque:
            _keep(_calls, key, call)
    return call


def _keep(cache: dict[tuple, _Call], key: tuple, call: _Call) -> None:
    """Remember `call`; the oldest one is forgotten when there are too many."""
    if len(cache) >= _CALLS_KEPT:
        try:
            cache.pop(next(iter(cache)), None)
        except (StopIteration, RuntimeError):  # another thread changes it at this moment
            pass
    cache[key] = call


def invoke(op: str | Op, inputs: Sequence[NDArray], params: dict[str, Any], out: Any = None, ctx: Any = None) -> Any:
    """Run an operator.

    Parameters
    ----------
    op : str or Op
    inputs : sequence of NDArray
        Arguments, then auxiliary states.
    params : dict
        Parameters as the user gave them: strings or Python values.
    out : NDArray, or list or tuple of them, optional
        Where to write results; may be one of the inputs.
    ctx : Context, optional
        Of the results, for operators without inputs.

    Returns
    -------
    NDArray, or a list of them for an operator with several outputs; `out` itself if it was given.

    Raises
    ------
    MXNetError
        For inputs, parameters or `out` that the operator cannot take.
    """
    if type(op) is str:
        op = registry.get(op)
    arrays = [x._array for x in inputs]
    is_train = _MODE.training
    given = params
    numbers: list[tuple[float, ...]] = []
    if op.numbers is not None:  # type: ignore[union-attr]
        parsed = op.params.parse(params, op.name)  # type: ignore[union-attr]
        numbers = op.numbers(parsed)  # type: ignore[union-attr]
        # How many inputs there are is no number of the update's.
        count = op.variadic  # type: ignore[union-attr]
        params = {count: getattr(parsed, count)} if count else {}
    # Types belong to the key: 1, 1.0 and True are equal but may mean different things.
    key = (
        op, is_train, levels.level, *params, *params.values(), *map(type, params.values()), *[a.shape for a in arrays],
        *[a.dtype.num for a in arrays],
    )  # fmt: skip
    try:
        # 0.0 and -0.0 are equal, but not to arithmetic; `Params` tells them apart.
        signed = 0 in params.values() and any(type(v) is float and v == 0 for v in params.values())
        call = None if signed else _seen.get(key)
    except (TypeError, ValueError):  # lists have no hash, arrays no truth value
        call, key = None, ()
    if call is None:
        call = _find(op, given, arrays, is_train)  # type: ignore[arg-type]
        if key and not op.opaque:  # type: ignore[union-attr]
            _keep(_seen, key, call)
    if out is None:
        where = as_context(ctx) if ctx is not None else inputs[0]._ctx if inputs else current_context()
        outs = [NDArray._empty(s, d, where) for s, d in zip(call.shapes, call.dtypes)]
    else:
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        _check_out(op, call, outs)  # type: ignore[arg-type]
    recorder = tracing.of_calls()
    begin = tracing.clock() if recorder is not None else 0
    if call.schedule is not None:
        call.run_staged(inputs, outs, numbers)  # type: ignore[arg-type]
    else:
        call.run_direct(inputs, outs, numbers)  # type: ignore[arg-type]
    if recorder is not None:
        recorder.record("imperative", op.name, begin, tracing.clock())  # type: ignore[union-attr]
    for i in call.written:
        inputs[i]._storage.version += 1
    if out is not None:
        for made in outs:
            made._storage.version += 1
        return out
    return outs[0] if len(outs) == 1 else outs


def steps_in_place(
    calls: Sequence[tuple[Op, dict[str, Any], list[np.ndarray], list[np.ndarray]]],
) -> list[tuple[list[Any], list[Any]]]:
    """Return steps over the very arrays of calls that will be made many times.

    Parameters
    ----------
    calls : sequence of (operator, parameters, inputs, results)
        A result may be one of the inputs: the caller knows that the operator reads it before it is written.

    Returns
    -------
    list of (steps, those of them that have numbers)
        To be run one call after the other: they share scratch memory.
    """
    found = [_find(op, params, inputs, False) for op, params, inputs, _ in calls]
    scratch = allocate_bytes(max((call.plan.total for call in found), default=0))
    made = []
    for call, (_, _, inputs, results) in zip(found, calls):
        steps = call._steps(inputs, results, scratch)
        made.append((steps, [steps[i] for i in call.numbered]))
    return made


def _check_out(op: Op, call: _Call, outs: list[Any]) -> None:
    if len(outs) != len(call.shapes):
        raise MXNetError(f"{op.name}: out has {len(outs)} arrays, but there are {len(call.shapes)} results")
    for made, shape, dtype in zip(outs, call.shapes, call.dtypes):
        if not isinstance(made, NDArray):
            raise TypeError(f"{op.name}: out must be an NDArray, found {type(made).__name__}")
        if made._array.shape != shape:
            raise ShapeError(f"{op.name}: out has shape {made._array.shape}, but the result has shape {shape}")
        if made._array.dtype != dtype:
            raise DTypeError(f"{op.name}: out is {made._array.dtype}, but the result is {dtype}")


def clear_cache() -> None:
    """Forget all compiled calls."""
    _calls.clear()
    _seen.clear()


# Another thread may have held a call's lock at the moment of the fork; in the child nobody would ever release it.
os.register_at_fork(after_in_child=clear_cache)
