"""One executor for each context; batches are cut along their batch axis, results put together.

    batch --slices--> executor of cpu(0) --+--> outputs (merged), gradients (one array for each context)
                      executor of cpu(1) --+
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import ndarray as nd
from ..base import MXNetError
from ..context import Context
from ..io import DataDesc
from ..ndarray import NDArray
from ..runtime.executor import Executor

if TYPE_CHECKING:
    from ..symbol import Symbol

# Executors kept for shapes that come again: the last batch of an epoch is often a smaller one.
_KEPT = 8


def split_slices(batch_size: int, workload: Sequence[float]) -> list[slice]:
    """Cut a batch in proportion to the contexts' work loads.

    Raises
    ------
    ValueError
        A context would get nothing.
    """
    total = sum(workload)
    counts = [round(load * batch_size / total) for load in workload]
    counts[-1] += batch_size - sum(counts)
    slices = []
    start = 0
    for count in counts:
        stop = min(start + count, batch_size)
        if stop <= start:
            raise ValueError(f"Too many slices: {batch_size} examples for {len(workload)} contexts, some would get none")
        slices.append(slice(start, stop))
        start = stop
    return slices


def cut(array: Any, axis: int, part: slice) -> Any:
    """A part of an array along `axis`; the array itself where there is no axis of examples."""
    if axis < 0 or part == slice(0, array.shape[axis]):
        return array
    return array[(slice(None),) * axis + (part,)]


def merge(arrays: Sequence[NDArray], axis: int) -> NDArray:
    """Join arrays of the contexts along `axis`; where there is none, they are taken to be the same."""
    if len(arrays) == 1 or axis < 0:
        return arrays[0]
    return nd.concatenate([a.as_in_context(arrays[0].context) for a in arrays], axis=axis)


class ExecutorGroup:
    """Executors of one symbol, one for each context.

    Parameters
    ----------
    symbol : Symbol
    contexts : list of Context
    workload : list of float
        How much of a batch each context gets, relative to the others.
    data_shapes, label_shapes : list of DataDesc
        For the whole batch.
    param_names : list of str
        Arguments that are neither data nor labels nor states.
    requests : dict of str to str
        ``grad_req`` of each argument.
    shared_group : ExecutorGroup, optional
        Parameters, their gradients, auxiliary states and memory are taken from it.
    state_names : list of str
    group2ctxs : list of dict
        ``group2ctx`` of each context.
    memory_limit : int or str, optional
        Of each executor.

    Attributes
    ----------
    execs : list of Executor
    param_arrays, grad_arrays, aux_arrays : list of list of NDArray
        For each parameter, one array for each context. Gradients that were not asked for are None.
    slices : list of slice
        The part of a batch that each context gets.
    """

    def __init__(
        self,
        symbol: Symbol,
        contexts: Sequence[Context],
        workload: Sequence[float],
        data_shapes: Sequence[DataDesc],
        label_shapes: Sequence[DataDesc] | None,
        param_names: Sequence[str],
        requests: Mapping[str, str],
        shared_group: ExecutorGroup | None = None,
        state_names: Sequence[str] = (),
        group2ctxs: Sequence[Mapping[str, Context] | None] | None = None,
        memory_limit: int | str | None = None,
    ):
        self.symbol = symbol
        self.contexts = list(contexts)
        self._memory_limit = memory_limit
        self.workload = list(workload)
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.output_names = symbol.list_outputs()
        self.param_names = list(param_names)
        self.state_names = list(state_names)
        self.grad_req = dict(requests)
        self.group2ctxs = list(group2ctxs) if group2ctxs else [None] * len(self.contexts)
        self.output_axes = [DataDesc.get_batch_axis(self._layout(i)) for i in range(len(self.output_names))]
        self._arguments = frozenset(self.arg_names)
        # Data of all groups that share memory live in the same arrays.
        self._pools: list[dict[str, NDArray]] = (
            shared_group._pools if shared_group is not None else [{} for _ in self.contexts]
        )
        self._kept: dict[tuple, list[Executor]] = {}
        self._monitors: list[Any] = []
        self._describe(data_shapes, label_shapes)
        others = shared_group.execs if shared_group is not None else [None] * len(self.contexts)
        if len(others) < len(self.contexts):
            raise MXNetError(f"the shared module has {len(others)} contexts, this one {len(self.contexts)}")
        self._take([self._bind(i, other) for i, other in enumerate(others[: len(self.contexts)])])

    def _layout(self, output: int) -> str | None:
        return self.symbol[output].attr("__layout__")

    # Shapes

    def _describe(self, data_shapes: Sequence[DataDesc], label_shapes: Sequence[DataDesc] | None) -> None:
        self.data_shapes = list(data_shapes)
        self.label_shapes = list(label_shapes) if label_shapes else None
        self.data_names = [d.name for d in self.data_shapes]
        self.label_names = [d.name for d in self.label_shapes or ()]
        self.data_axes = [DataDesc.get_batch_axis(d.layout) for d in self.data_shapes]
        self.label_axes = [DataDesc.get_batch_axis(d.layout) for d in self.label_shapes or ()]
        sizes = {d.shape[a] for d, a in zip(self.data_shapes, self.data_axes) if a >= 0 and len(d.shape) > a}
        if len(self.contexts) > 1 and len(sizes) != 1:
            raise AssertionError(f"all data must have the same batch size, but have {self.data_shapes}")
        self.batch_size = max(sizes, default=0)
        if len(self.contexts) > 1:
            self.slices = split_slices(self.batch_size, self.workload)
        else:
            self.slices = [slice(0, self.batch_size)]

    def _shapes(self, i: int) -> dict[str, tuple[int, ...]]:
        """Shapes of one context's data and labels, by name."""
        part = self.slices[i]
        found = {}
        for descs, axes in ((self.data_shapes, self.data_axes), (self.label_shapes or (), self.label_axes)):
            for desc, axis in zip(descs, axes):
                shape = tuple(desc.shape)
                if len(self.contexts) > 1 and axis >= 0:
                    shape = (*shape[:axis], part.stop - part.start, *shape[axis + 1 :])
                if desc.name in self._arguments:
                    found[desc.name] = shape
        return found

    def _bind(self, i: int, shared: Executor | None) -> Executor:
        descs = [*self.data_shapes, *(self.label_shapes or ())]
        return self.symbol.simple_bind(
            self.contexts[i], grad_req=self.grad_req,
            type_dict={d.name: d.dtype for d in descs if d.name in self._arguments}, group2ctx=self.group2ctxs[i],
            shared_arg_names=self.param_names, shared_exec=shared, shared_buffer=self._pools[i],
            memory_limit=self._memory_limit, **self._shapes(i),
        )  # fmt: skip

    def _take(self, execs: list[Executor]) -> None:
        """Work with these executors from now on."""
        self.execs = execs
        args = [dict(zip(self.arg_names, e.arg_arrays)) for e in execs]
        grads = [dict(zip(self.arg_names, e.grad_arrays)) for e in execs]
        self.arg_arrays = args
        self.param_arrays = [[a[n] for a in args] for n in self.param_names]
        self.grad_arrays = [[g[n] for g in grads] for n in self.param_names]
        self.aux_arrays = [list(arrays) for arrays in zip(*(e.aux_arrays for e in execs))]
        # With the part of a batch that each context gets, as scripts know them.
        self.data_arrays, self.label_arrays = (
            [list(zip(self.slices, (a[n] for a in args))) for n in names if n in self._arguments]
            for names in (self.data_names, self.label_names)
        )
        self.state_arrays = [[a[n] for a in args] for n in self.state_names]
        self.input_grad_arrays = [[g[n] for g in grads] for n in self.data_names]
        # For an updater that updates one context: indices, gradients and weights of what has a gradient.
        trained = [i for i, grads in enumerate(self.grad_arrays) if grads[0] is not None]
        self.trained = trained, [self.grad_arrays[i][0] for i in trained], [self.param_arrays[i][0] for i in trained]
        self._kept[self._key()] = execs

    def _key(self) -> tuple:
        return (*(tuple(d.shape) for d in self.data_shapes), None, *(tuple(d.shape) for d in self.label_shapes or ()))

    def reshape(
        self, data_shapes: Sequence[DataDesc], label_shapes: Sequence[DataDesc] | None, fixed: Sequence[str]
    ) -> None:
        """Work with other shapes from now on.

        Parameters
        ----------
        data_shapes, label_shapes : list of DataDesc
        fixed : names of parameters that must keep their shapes

        Raises
        ------
        MXNetError
            The symbol cannot take these shapes, or a parameter would have another one. Nothing is changed.
        """
        before = self.data_shapes, self.label_shapes
        try:
            self._describe(data_shapes, label_shapes)
            execs = self._kept.get(self._key())
            if execs is None:
                execs = [self._reshaped(i, executor, fixed) for i, executor in enumerate(self.execs)]
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
        except Exception:
            self._describe(*before)
            raise
        self._take(execs)

    def _reshaped(self, i: int, executor: Executor, fixed: Sequence[str]) -> Executor:
        shapes = self._shapes(i)
        # Labels that do not come with the batch follow the data, under whatever names: only what has been set as a
        # parameter must keep its shape.
        made = executor.reshape(partial_shaping=True, allow_up_sizing=True, **shapes)
        old, new = executor.arg_dict, made.arg_dict
        for name in fixed:
            if new[name].shape != old[name].shape:
                raise MXNetError(
                    f"batch with shapes {shapes}: parameter '{name}' would change from {old[name].shape} "
                    f"to {new[name].shape}"
                )
        for monitor in self._monitors:
            monitor.install(made)
        return made

    # Running

    def forward(self, data: Sequence[Any], labels: Sequence[Any], is_train: bool) -> None:
        """Compute outputs; `data` and `labels` are in the order of the descriptions."""
        if len(self.execs) == 1:
            values = dict(zip(self.data_names, data))
            for name, value in zip(self.label_names, labels):
                if name in self._arguments:
                    values[name] = value
            self.execs[0].forward(is_train=is_train, **values)
            return
        for executor, part in zip(self.execs, self.slices):
            values = {n: cut(v, a, part) for n, v, a in zip(self.data_names, data, self.data_axes)}
            for name, value, axis in zip(self.label_names, labels, self.label_axes):
                if name in self._arguments:
                    values[name] = cut(value, axis, part)
            executor.forward(is_train=is_train, **values)

    def train_step(self, data: Sequence[Any], labels: Sequence[Any], update: Any = None) -> bool:
        """See `Executor.train_step`; False also for several contexts."""
        if len(self.execs) != 1:
            return False
        values = dict(zip(self.data_names, data))
        for name, value in zip(self.label_names, labels):
            if name in self._arguments:
                values[name] = value
        return self.execs[0].train_step(values, update)

    def backward(self, out_grads: Any = None) -> None:
        """Compute gradients; `out_grads` are those of the merged outputs."""
        if len(self.execs) == 1 or out_grads is None:
            for executor in self.execs:
                executor.backward(out_grads)
            return
        grads = [out_grads] if isinstance(out_grads, NDArray) else list(out_grads)
        for i, (executor, part) in enumerate(zip(self.execs, self.slices)):
            own = []
            for grad, axis, output in zip(grads, self.output_axes, executor.outputs):
                own.append(cut(grad, axis, self._output_part(axis, i, part)) if grad.shape != output.shape else grad)
            executor.backward(own)

    def _output_part(self, axis: int, i: int, part: slice) -> slice:
        """The part of a merged output that context `i` made: outputs may have more rows than there are examples."""
        if axis < 0:
            return part
        sizes = [e.outputs[self.output_axes.index(axis)].shape[axis] for e in self.execs]
        return slice(sum(sizes[:i]), sum(sizes[: i + 1]))

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        """Outputs, or for each output a list of those of the contexts."""
        if len(self.execs) == 1:
            outputs = self.execs[0].outputs
            return list(outputs) if merge_multi_context else [[o] for o in outputs]
        by_output = [list(arrays) for arrays in zip(*(e.outputs for e in self.execs))]
        return [merge(o, a) for o, a in zip(by_output, self.output_axes)] if merge_multi_context else by_output

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        """Gradients of the data, or for each a list of those of the contexts."""
        if not merge_multi_context:
            return [list(g) for g in self.input_grad_arrays]
        return [merge([g for g in grads if g is not None], a) for grads, a in zip(self.input_grad_arrays, self.data_axes)]

    def get_states(self, merge_multi_context: bool = True) -> list:
        """States; the batch is their first axis."""
        if not merge_multi_context:
            return [list(s) for s in self.state_arrays]
        return [merge(s, 0) for s in self.state_arrays]

    def set_states(self, states: Sequence[Any] | None, value: float | None) -> None:
        """Copy states (lists of one for each context, or whole ones) in, or fill them with a number."""
        if (states is None) == (value is None):
            raise AssertionError("set_states: give either states or a value")
        if states is None:
            for arrays in self.state_arrays:
                for array in arrays:
                    array[:] = value
            return
        if len(states) != len(self.state_arrays):
            raise AssertionError(f"set_states: {len(states)} states given, the module has {self.state_names}")
        for arrays, given in zip(self.state_arrays, states):
            parts = given if isinstance(given, (list, tuple)) else [cut(given, 0, part) for part in self.slices]
            for array, part in zip(arrays, parts):
                array[:] = part

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool) -> None:
        """Count the outputs of each context into a metric."""
        for i, (executor, part) in enumerate(zip(self.execs, self.slices)):
            if pre_sliced:
                own = labels[i]
            elif len(self.execs) == 1:
                own = labels
            else:
                own = [cut(v, a, part) for v, a in zip(labels, self.label_axes)]
            eval_metric.update_dict(dict(zip(self.label_names, own or ())), dict(zip(self.output_names, executor.outputs)))

    def install_monitor(self, monitor: Any) -> None:
        """Let a monitor watch all executors, and those for other shapes too."""
        self._monitors.append(monitor)
        for execs in self._kept.values():
            for executor in execs:
                monitor.install(executor)

    # Parameters

    def set_params(self, args: Mapping[str, NDArray], auxs: Mapping[str, NDArray]) -> None:
        """Copy parameters to all contexts. Raises MXNetError for a wrong shape; then nothing is changed."""
        for i, executor in enumerate(self.execs):
            if i == 0:
                executor.copy_params_from(args, auxs, allow_extra_params=True)  # checks all before it copies any
                continue
            for values, arrays in ((args, executor.arg_dict), (auxs, executor.aux_dict)):
                for name, value in values.items():
                    if name in arrays:
                        arrays[name][:] = value

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Copies of the parameters and auxiliary states; means over the contexts."""
        args = {n: _mean(arrays) for n, arrays in zip(self.param_names, self.param_arrays)}
        return args, {n: _mean(arrays) for n, arrays in zip(self.aux_names, self.aux_arrays)}


def _mean(arrays: Sequence[NDArray]) -> NDArray:
    if len(arrays) == 1:
        return arrays[0].copy()
    total = np.zeros(arrays[0].shape, np.promote_types(arrays[0].dtype, np.float32))
    for array in arrays:
        total += array._array
    made = arrays[0].copy()
    made[:] = total / len(arrays)
    return made
