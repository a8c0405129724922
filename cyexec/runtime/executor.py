"""What the user holds: a bound symbol that runs forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import MXNetError
from ..context import Context
from ..graph.graph import Entry, Graph
from ..graph.mxnet_text import UnknownGradientError, bound_text
from ..graph.to_symbol import graph_symbol
from ..lowering.memory import MemoryPlan
from ..ndarray import NDArray
from ..ndarray.storage import note_writes
from .arena import Arena
from .compiled import Compiled
from .constants import Constants
from .fixed_gammas import FixedGammas
from .programs import mode_graph, planned_program
from .seeds import next_seed

if TYPE_CHECKING:
    from ..symbol import Symbol

MB = 1 << 20


def named(names: Sequence[str], arrays: Sequence[Any], what: str) -> dict[str, Any]:
    """Arrays by name. Raises ValueError where two have one name."""
    out = dict(zip(names, arrays))
    if len(out) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise ValueError(f"Duplicate names detected among {what}, {twice}")
    return out


def zeros(shape: tuple[int, ...], dtype: np.dtype, ctx: Context, what: str) -> NDArray:
    """A new array of zeros. `what` names it if there is no such memory; then raises MXNetError."""
    try:
        made = NDArray._empty(shape, dtype, ctx)
    except (MemoryError, OverflowError, ValueError) as error:
        raise MXNetError(f"{what}: cannot allocate {shape} of {dtype}: {error}") from None
    made._array[...] = 0
    return made


def numbered_contexts(ctx: Context, group2ctx: Mapping[str, Context] | None) -> list[Context]:
    """Contexts by the number that `Node.ctx` has for them; 0 is the executor's own."""
    return list(dict.fromkeys([ctx, *(group2ctx or {}).values()]))


class Executor:
    """A symbol bound to arrays. Made by `Symbol.bind` and `Symbol.simple_bind`.

    Attributes
    ----------
    arg_arrays, grad_arrays, aux_arrays : list of NDArray
        In the order of ``list_arguments()`` and ``list_auxiliary_states()``; None for gradients not asked for.
    outputs : list of NDArray
        Overwritten by every `forward`.
    plan : MemoryPlan
        Where every intermediate value is: of the training program if there are gradients, else of the inference program.

    Notes
    -----
    Programs are chosen by what is asked for: `forward(is_train=True)` of an executor with gradients runs the forward part
    of its training program, every other `forward` a program without gradients in the mode asked for. `backward` gives the
    gradients of what the last `forward` computed, in its mode. All programs share one arena for each context.
    """

    def __init__(
        self,
        symbol: Symbol,
        graph: Graph,
        ctx: Context,
        args: Sequence[NDArray],
        grads: Sequence[NDArray | None],
        reqs: Sequence[str],
        aux: Sequence[NDArray],
        group2ctx: Mapping[str, Context] | None = None,
        arenas: list[Arena] | None = None,
        plan_time_limit: float = 0.0,
        memory_limit: int | None = None,
        outputs: Sequence[NDArray] | None = None,
    ):
        self._symbol = symbol
        self._graph = graph
        self._ctx = ctx
        self._group2ctx = dict(group2ctx) if group2ctx else None
        self._grad_req = list(reqs)
        self._plan_time_limit = plan_time_limit
        self._memory_limit = memory_limit
        self.arg_arrays = list(args)
        self.grad_arrays = list(grads)
        self.aux_arrays = list(aux)
        contexts = numbered_contexts(ctx, group2ctx)
        self._requests = [(i, r) for i, (r, g) in enumerate(zip(reqs, grads)) if r != "null" and g is not None]
        count = 1 + max((n.ctx for n in graph.nodes), default=0)
        self._arenas = arenas if arenas is not None else []
        while len(self._arenas) < count:
            self._arenas.append(Arena())
        self.outputs = (
            [zeros(e.shape, e.dtype, contexts[e.node.ctx], e.node.describe()) for e in graph.outputs]
            if outputs is None
            else list(outputs)
        )
        self._heads: dict[int, NDArray] = {}
        # Lists of our own: as in MXNet, what is bound stays bound when a list of the user's is changed.
        self._args = dict(zip(symbol.list_arguments(), self.arg_arrays))
        self._external: dict[str, Sequence[NDArray] | Mapping[int, NDArray]] = {
            "arg": list(args),
            "aux": list(aux),
            "output": list(self.outputs),
            "head_grad": self._heads,
            "grad": [grads[i] for i, _ in self._requests],  # type: ignore[misc]  # a request has an array
        }
        # None: nothing to look after in every forward.
        self._fixed_gammas = (FixedGammas(graph, self._requests, args) or None) if self._requests else None
        self._programs: dict[tuple[bool, bool, bool], Compiled] = {}
        self._monitor: Callable[[str, NDArray], Any] | None = None
        self._monitor_all = False
        self._shown: dict[Entry, NDArray] = {}  # what the monitor has seen in this pass
        self._last_mode: bool | None = None
        self._last_seed = 0
        # The program of the last pass, if that was one of inference without monitor and random numbers: what a plain
        # `forward()` does again at once.
        self._again: Compiled | None = None
        self._output_memory = list(dict.fromkeys(output._storage for output in self.outputs))
        # Everything is planned and allocated now for what the executor was bound for.
        self._program(bool(self._requests), bool(self._requests))

    # Programs

    def _program(self, is_train: bool, gradients: bool, monitored: bool = False) -> Compiled:
        """The program of a mode, compiled when first asked for."""
        found = self._programs.get((is_train, gradients, monitored))
        if found is None:
            requests = self._requests if gradients else ()
            whole, entries, plan = planned_program(
                self._graph, is_train, requests, monitored, self._plan_time_limit, self._memory_limit
            )
            constants = Constants(entries, self._external) if entries else None
            for i in plan.program.needed_heads:
                if i not in self._heads:
                    like = self._graph.outputs[i]
                    self._heads[i] = zeros(like.shape, like.dtype, self._ctx, f"head gradient {i}")
            found = Compiled(plan, self._arenas, self._external, constants, whole)
            self._programs[is_train, gradients, monitored] = found
        return found

    @property
    def plan(self) -> MemoryPlan:
        """The memory plan: every buffer with its lifetime and offset, totals, lower bound and peak."""
        has = bool(self._requests)
        return self._program(has, has).plan

    # Running

    def forward(self, is_train: bool = False, **kwargs: NDArray | np.ndarray) -> list[NDArray]:
        """Compute the outputs.

        Parameters
        ----------
        is_train : bool
            Mode of operators like Dropout and BatchNorm. Needed for a training-mode `backward`.
        **kwargs : NDArray or numpy.ndarray
            New values of arguments, copied into `arg_dict`.

        Returns
        -------
        list of NDArray
            `outputs`: the same arrays at every call.

        Raises
        ------
        TypeError
            Unknown argument name.
        ValueError
            Wrong shape or type of an argument. No argument is changed.
        """
        if not is_train and not kwargs and self._again is not None:
            self._again.run_forward(0)
            note_writes(self._output_memory)
            return self.outputs
        if kwargs:
            self._set_arguments(kwargs)
        is_train = bool(is_train)
        mode = (is_train, is_train and bool(self._requests), self._monitor is not None)
        compiled = self._programs.get(mode) or self._program(*mode)
        seed = next_seed() if compiled.is_random else 0
        self._again = None
        self._last_mode = is_train
        self._last_seed = seed
        if self._fixed_gammas is not None:
            self._fixed_gammas.set()
        if self._monitor is not None:
            self._run_monitored(compiled, 0, compiled.program.num_forward, seed)
        else:
            compiled.run_forward(seed)
        if not any(mode) and not compiled.is_random and self._fixed_gammas is None:
            self._again = compiled
        note_writes(self._output_memory)
        return self.outputs

    def backward(
        self,
        out_grads: NDArray | Sequence[NDArray] | Mapping[str, NDArray] | None = None,
        is_train: bool = True,
    ) -> None:
        """Compute the gradients of what the last `forward` computed, into `grad_arrays`.

        Parameters
        ----------
        out_grads : NDArray, list or dict, optional
            Head gradients: of the outputs in order, or by output name. Not needed for loss outputs.
        is_train : bool
            Mode to differentiate in if `forward` has not run yet; otherwise the mode of the last `forward` holds.

        Raises
        ------
        MXNetError
            A head gradient is missing or has the wrong shape.
        """
        if not self._requests:
            return
        mode = bool(is_train) if self._last_mode is None else self._last_mode
        compiled = self._program(mode, True, self._monitor is not None)
        self._set_heads(compiled, out_grads)
        if not compiled.forward_is_valid():
            # Another program used the arena since, or a backward consumed the values: compute them again.
            kept = [a._array.copy() for a in self.aux_arrays] if compiled.writes_aux else []
            compiled.run_forward(self._last_seed)
            for array, old in zip(self.aux_arrays, kept):
                array._array[...] = old
        program = compiled.program
        if self._monitor is not None:
            self._run_monitored(compiled, program.num_forward, len(program.steps), self._last_seed)
        else:
            compiled.run_backward(self._last_seed)
        for i, _ in self._requests:
            grad = self.grad_arrays[i]
            if grad is not None:
                grad._written()

    def train_step(self, values: Mapping[str, NDArray | np.ndarray], update: Any = None) -> bool:
        """Do ``forward(is_train=True, **values)``, ``backward()`` and an update as one schedule, where that can be.

        Parameters
        ----------
        values : dict of str to array
            New values of arguments.
        update : optional
            Has `prepare` (called before anything is run), `steps` (run last) and `written` (called afterwards).

        Returns
        -------
        bool
            False: it cannot be (a monitor watches, a head gradient is needed, a step may fail), and nothing was done.
        """
        if self._monitor is not None or not self._requests:
            return False
        compiled = self._program(True, True)
        joined = compiled.joined(update.steps if update is not None else ())
        if joined is None:
            return False
        self._set_arguments(values)
        if update is not None:
            update.prepare()
        if self._fixed_gammas is not None:
            self._fixed_gammas.set()
        self._last_mode = True
        self._again = None
        self._last_seed = next_seed() if compiled.is_random else 0
        compiled.run_joined(joined, self._last_seed)
        note_writes(self._output_memory)
        for i, _ in self._requests:
            self.grad_arrays[i]._storage.version += 1  # type: ignore[union-attr]  # a request has an array
        if update is not None:
            update.written()
        return True

    def _set_arguments(self, values: Mapping[str, NDArray | np.ndarray]) -> None:
        targets = self._args if len(self._args) == len(self.arg_arrays) else self.arg_dict
        todo = []
        for name, value in values.items():
            if name not in targets:
                raise TypeError(f"Unknown argument {name}; arguments are {', '.join(targets)}")
            if not isinstance(value, (NDArray, np.ndarray)):
                raise ValueError(f"only accept keyword argument of NDArrays and numpy.ndarray, {name} is {type(value)}")
            target, source = targets[name], value._array if isinstance(value, NDArray) else value
            if target._array.shape != source.shape:
                raise ValueError(f"Shape not match! Argument {name}, need: {target.shape}, received: {source.shape}")
            todo.append((target, source))
        for target, source in todo:
            target._array[...] = source  # converts dtypes, as MXNet's copy does
            target._storage.version += 1

    def _set_heads(self, compiled: Compiled, out_grads: Any) -> None:
        names = self._symbol.list_outputs()
        if out_grads is None:
            out_grads = []
        elif isinstance(out_grads, NDArray):
            out_grads = [out_grads]
        elif isinstance(out_grads, Mapping):
            for name in names:
                if name not in out_grads:
                    raise KeyError(f"no head gradient for output '{name}' among {', '.join(map(repr, out_grads))}")
            out_grads = [out_grads[name] for name in names]
        elif not isinstance(out_grads, Sequence):
            raise TypeError(f"head gradients must be an NDArray, or a list or dict of them, found {type(out_grads)}")
        for value in out_grads:
            if not isinstance(value, NDArray):
                raise TypeError(f"head gradients must be NDArrays, found {type(value)}")
        for i in compiled.program.needed_heads:
            if i >= len(out_grads):
                op = self._graph.outputs[i].node.op
                if op is not None and op.loss:
                    continue
                raise MXNetError(
                    f"head gradient of output {i} ('{names[i]}') is required when calling backward, because "
                    f"{self._graph.outputs[i].node.describe()} is not a loss function. To minimise the output itself, "
                    "pass it through make_loss."
                )
            if out_grads[i].shape != self._heads[i].shape:
                raise MXNetError(
                    f"head gradient of output {i} ('{names[i]}') has shape {out_grads[i].shape}, "
                    f"expected {self._heads[i].shape}"
                )
        for i in compiled.program.needed_heads:
            head = out_grads[i]._array if i < len(out_grads) else 1.0
            np.copyto(self._heads[i]._array, head, casting="unsafe")

    # Monitoring

    def set_monitor_callback(self, callback: Callable[[str, NDArray], Any] | None, monitor_all: bool = False) -> None:
        """Call ``callback(name, value)`` for every output of every node as it is computed.

        Parameters
        ----------
        callback : callable
            Gets the output's name (``fc1_output``) and a copy of its value. None removes it.
        monitor_all : bool
            Also for the inputs of every node (``fc1_weight``), before the node runs.
        """
        self._monitor = callback
        self._again = None
        self._monitor_all = bool(monitor_all)
        self._shown = {}

    def _run_monitored(self, compiled: Compiled, start: int, stop: int, seed: int) -> None:
        """Run node by node and show every value while it is there."""
        program = compiled.program
        done = start
        forward = start == 0
        if forward:
            self._shown = {}
        compiled.started()
        nodes = program.spans[: program.graph.num_forward] if forward else program.spans[program.graph.num_forward :]
        for node, _, last in nodes:
            if node.op is None:
                continue
            if self._monitor_all:
                names = node.op.input_names(node.params)
                for name, entry in zip(names, node.inputs):
                    if entry.node.is_variable:
                        self._show(compiled, entry.node.name, entry)
                    elif entry in self._shown:  # its memory may hold another value already
                        self._monitor(f"{node.name}_{name}", self._shown[entry].copy())  # type: ignore[misc]
                        continue
                    self._show(compiled, f"{node.name}_{name}", entry)
            compiled.run(done, last, seed)
            done = last
            outputs = node.op.output_names(node.params)
            for i, name in enumerate(outputs):
                self._show(compiled, f"{node.name}_{name}", node[i])
        compiled.run(done, stop, seed)
        compiled.finished(forward)

    def _show(self, compiled: Compiled, name: str, entry: Entry) -> None:
        value = compiled.value(entry)
        if value is None or self._monitor is None:
            return
        shown = NDArray._wrap(value.copy(), self._ctx)
        if self._monitor_all and not entry.node.is_variable:
            self._shown[entry] = shown.copy()  # the callback may change what it gets
        self._monitor(name, shown)

    # Arrays by name

    @property
    def arg_dict(self) -> dict[str, NDArray]:
        """Arguments by name. Raises ValueError where two have one name."""
        return named(self._symbol.list_arguments(), self.arg_arrays, "the arguments")

    @property
    def grad_dict(self) -> dict[str, NDArray | None]:
        """Gradients by argument name (None: not asked for). Raises ValueError where two have one name."""
        return named(self._symbol.list_arguments(), self.grad_arrays, "the arguments")

    @property
    def aux_dict(self) -> dict[str, NDArray]:
        """Auxiliary states by name. Raises ValueError where two have one name."""
        return named(self._symbol.list_auxiliary_states(), self.aux_arrays, "the auxiliary states")

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """Outputs by name. Raises ValueError where two have one name."""
        return named(self._symbol.list_outputs(), self.outputs, "the outputs")

    def copy_params_from(
        self,
        arg_params: Mapping[str, NDArray],
        aux_params: Mapping[str, NDArray] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copy parameters into the arguments and auxiliary states, converting dtypes.

        Raises
        ------
        ValueError
            A name is not among the arguments (unless `allow_extra_params`).
        MXNetError
            A shape differs. Nothing is changed in either case.
        """
        todo = []
        for params, targets, what in (
            (arg_params, self.arg_dict, "arguments"),
            (aux_params or {}, self.aux_dict, "auxiliary states"),
        ):
            for name, value in params.items():
                if name not in targets:
                    if not allow_extra_params:
                        raise ValueError(f'Find name "{name}" that is not in the {what}')
                    continue
                if not isinstance(value, (NDArray, np.ndarray)):
                    raise TypeError(f"parameter '{name}' must be an NDArray, found {type(value)}")
                if targets[name].shape != tuple(value.shape):
                    raise MXNetError(
                        f"parameter '{name}' has shape {tuple(value.shape)}, expected {targets[name].shape}"
                    )
                todo.append((targets[name], value))
        for target, value in todo:
            source = value._array if isinstance(value, NDArray) else np.asarray(value)
            np.copyto(target._array, source, casting="unsafe")
            target._written()

    # Reading the plan

    def get_optimized_symbol(self) -> Symbol:
        """The symbol of the inference program after all passes."""
        return graph_symbol(self._program(False, False).whole, with_targets=False)

    def debug_str(self) -> str:
        """MXNet's text of the bound graph, the memory plan as a table, and the totals as the last two lines."""
        plan = self.plan
        try:
            text = bound_text(self._symbol, [i for i, _ in self._requests], self._ctx, self._group2ctx)
        except UnknownGradientError:
            # MXNet could not have bound it: show the gradients we have.
            text = graph_symbol(mode_graph(self._graph, True, self._requests), with_targets=True).debug_str()
        return (
            f"{text.rstrip(chr(10))}\n{plan.to_text()}\n"
            f"Total {plan.total // MB} MB allocated\n"
            f"Total {plan.num_workspaces} TempSpace resource requested\n"
        )

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: tuple[int, ...]) -> Executor:
        """Return an executor for other input shapes that shares parameters, memory and arenas with this one.

        Its outputs lie in this one's, where they are not larger, so that a run of either overwrites the other's.

        Parameters
        ----------
        partial_shaping : bool
            Allow arguments that are not in `kwargs` to change shape.
        allow_up_sizing : bool
            Allow arrays to grow; a grown array is a new one.
        **kwargs : shapes by argument name

        Raises
        ------
        MXNetError
            A shape changed that may not.
        """
        from .binding import reshape_executor

        return reshape_executor(self, partial_shaping, allow_up_sizing, kwargs)

    def clone(self, own: Sequence[str] | None = None) -> Executor:
        """Return another executor of the same network, to run in another Python thread at the same time.

        Parameters and auxiliary states are shared: what is written to them is seen by both. Inputs, outputs, gradients and
        the arena are the clone's own. For as many threads as cores, let each executor use one (`mx.set_num_threads(1)`).

        Parameters
        ----------
        own : sequence of str, optional
            Arguments that the clone gets arrays of its own for, with a copy of the values. By default those that are not
            parameters: what is made of a parameter ends where an operator takes one (weight, bias, gamma, ...).

        Raises
        ------
        ValueError
            A name in `own` is not an argument.
        """
        from .binding import clone_executor

        return clone_executor(self, own)

    def __repr__(self) -> str:
        return f"<cyexec Executor of {self._symbol!r}, arena {self.plan.total} bytes>"


