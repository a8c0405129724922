"""Module: a symbol with parameters, bound for batches, and trained."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import MXNetError
from ..checkpoint import load_checkpoint, save_checkpoint
from ..context import Context, current_context
from ..initializer import InitDesc
from ..io import DataBatch, DataDesc
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, BaseModule, Params, check_input_names, descriptions, parse_shapes
from .executor_group import ExecutorGroup, merge
from .training import Trainer

if TYPE_CHECKING:
    from ..symbol import Symbol


def contexts_of_groups(group2ctxs: Any, count: int) -> list[dict[str, Context] | None]:
    """``group2ctx`` for each of `count` contexts, from a list of them, or from one whose values may be lists."""
    if not group2ctxs:
        return [None] * count
    if isinstance(group2ctxs, Mapping):
        made: list[dict[str, Context] | None] = []
        for i in range(count):
            one = {}
            for group, contexts in group2ctxs.items():
                several = [contexts] * count if isinstance(contexts, Context) else list(contexts)
                if len(several) == 1:
                    several *= count
                if len(several) != count:
                    raise AssertionError(f"group2ctxs['{group}'] has {len(several)} contexts, expected {count}")
                one[group] = several[i]
            made.append(one)
        return made
    if len(group2ctxs) != count:
        raise AssertionError(f"length of group2ctxs should be {count}, found {len(group2ctxs)}")
    return list(group2ctxs)


class Module(Trainer, BaseModule):
    """A symbol with parameters, bound for batches of data.

    Parameters
    ----------
    symbol : Symbol
    data_names, label_names : list of str
        Arguments that come with every batch. ``label_names=None``: there are no labels.
    logger : logging.Logger
    context : Context or list of Context
        Of several contexts, each gets a part of every batch, and all have the parameters.
    work_load_list : list of number
        How much of a batch each context gets, relative to the others.
    fixed_param_names : list of str
        Parameters that are not trained: they get no gradient.
    state_names : list of str
        Arguments that are neither parameters nor data: `set_states` sets them.
    group2ctxs : dict or list of dict
        Where the groups of the symbol's ``ctx_group`` attributes are, for each context.
    compression_params : dict
        Refused by `init_optimizer`: there is nothing to compress.
    memory_limit : int or str, optional
        Bytes that each context's intermediate values may take (``"512MB"``); see `Symbol.simple_bind`. Not in MXNet.

    Raises
    ------
    ValueError
        A name of data, state or fixed parameter is not an argument of the symbol. Labels only draw a warning.
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
        *,
        memory_limit: int | str | None = None,
    ):
        super().__init__(logger=logger)
        self._memory_limit = memory_limit
        contexts = [context] if isinstance(context, Context) else list(context or [current_context()])
        self._context = contexts
        self._work_load_list = list(work_load_list) if work_load_list is not None else [1] * len(contexts)
        if len(self._work_load_list) != len(contexts):
            raise AssertionError(f"work_load_list {self._work_load_list} is not one number for each of {contexts}")
        self._group2ctxs = contexts_of_groups(group2ctxs, len(contexts))
        self._symbol: Symbol = symbol
        self._data_names = list(data_names or ())
        self._label_names = list(label_names or ())
        self._state_names = list(state_names or ())
        self._fixed_param_names = list(fixed_param_names or ())
        check_input_names(symbol, self._data_names, "data", True)
        check_input_names(symbol, self._label_names, "label", False)
        check_input_names(symbol, self._state_names, "state", True)
        check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [n for n in symbol.list_arguments() if n not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        # Arguments and auxiliary states while the module is not bound; then they are in its executors.
        self._unbound: list[Params | None] = [None, None]
        self._given: set[str] = set()  # parameters that have been set: their shapes are fixed
        self._exec_group: ExecutorGroup | None = None
        self._data_shapes: list[DataDesc] | None = None
        self._label_shapes: list[DataDesc] | None = None
        self._compression_params = compression_params
        self._begin_training()

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """Make a module from a checkpoint.

        Parameters
        ----------
        prefix, epoch
            See `mx.model.load_checkpoint`.
        load_optimizer_states : bool
            Also load ``PREFIX-0001.states`` when the optimizer is initialised.
        **kwargs
            See `Module`.
        """
        symbol, args, auxs = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params, module._aux_params = args, auxs
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(
        self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True
    ) -> None:
        """Save symbol, parameters and, if asked to, the optimizer's states: each file whole, or not at all."""
        args, auxs = self.get_params()
        save_checkpoint(prefix, epoch, self._symbol, args, auxs, remove_amp_cast)
        if save_optimizer_states:
            name = f"{prefix}-{epoch:04d}.states"
            self.save_optimizer_states(name)
            logging.info('Saved optimizer state to "%s"', name)

    # What it is

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """Names of the labels."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        return self._group().data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(n, o.shape) for n, o in zip(self._output_names, self._group().get_outputs())]

    def _group(self) -> ExecutorGroup:
        self._need("binded")
        assert self._exec_group is not None
        return self._exec_group

    # Binding

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Allocate arrays for the given shapes and plan the executors. Does nothing if already bound.

        Parameters
        ----------
        data_shapes, label_shapes : list of (name, shape) or DataDesc
        for_training : bool
            Whether parameters get gradients.
        inputs_need_grad : bool
            Whether the data do too.
        force_rebind : bool
            Bind anew; parameters are kept.
        shared_module : Module
            Take parameters and memory from it.
        grad_req : str, list or dict
            "write", "add" or "null"; a dict decides alone about the arguments that it names.

        Raises
        ------
        ValueError
            Names in `data_shapes` are not `data_names`.
        MXNetError
            Shapes do not fit the symbol.
        """
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        data, labels = parse_shapes(self._data_names, self._label_names, data_shapes, label_shapes)
        shared: ExecutorGroup | None = None
        if shared_module is not None:
            if not (isinstance(shared_module, Module) and shared_module.binded):
                raise AssertionError("shared_module must be a Module that is bound")
            shared = shared_module._group()
        self._exec_group = ExecutorGroup(
            self._symbol, self._context, self._work_load_list, data, labels, self._param_names,
            self._requests(for_training, inputs_need_grad, grad_req), shared, self._state_names, self._group2ctxs,
            self._memory_limit,
        )  # fmt: skip
        self._data_shapes, self._label_shapes = data, labels
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.binded = True
        if shared_module is not None and shared_module.params_initialized:
            self.params_initialized = True
            self._given = {n for n in self._param_names if n in shared_module._given}
        elif self.params_initialized:
            self.set_params(self._unbound[0], self._unbound[1], allow_missing=True, allow_extra=True)
        if shared_module is not None and shared_module.optimizer_initialized:
            self.borrow_optimizer(shared_module)

    def _held(self, kind: int) -> Params | None:
        return self.get_params()[kind] if self.binded and self.params_initialized else self._unbound[kind]

    # Scripts read these, and set them on a module that is yet to be bound, as `load` does.

    @property
    def _arg_params(self) -> Params | None:
        return self._held(0)

    @_arg_params.setter
    def _arg_params(self, params: Params | None) -> None:
        self._unbound[0] = params

    @property
    def _aux_params(self) -> Params | None:
        return self._held(1)

    @_aux_params.setter
    def _aux_params(self, params: Params | None) -> None:
        self._unbound[1] = params

    def _reset_bind(self) -> None:
        if self.binded and self.params_initialized:
            self._unbound = [*self.get_params()]
        self.binded = False
        self._exec_group = self._data_shapes = self._label_shapes = None

    def _requests(self, for_training: bool, inputs_need_grad: bool, grad_req: Any) -> dict[str, str]:
        arguments = self._symbol.list_arguments()
        every = grad_req if isinstance(grad_req, str) else "write"
        asked = dict.fromkeys(arguments, "null")
        if for_training:
            asked.update((n, every) for n in self._param_names if n not in self._fixed_param_names)
        if inputs_need_grad:
            asked.update((n, every) for n in self._data_names)
        if isinstance(grad_req, Mapping):
            asked.update(grad_req)
        elif not isinstance(grad_req, str):
            if len(grad_req) != len(arguments):
                raise AssertionError(f"grad_req has {len(grad_req)} entries, expected one for each of {arguments}")
            asked.update(zip(arguments, grad_req))
        return asked

    def reshape(self, data_shapes: Any, label_shapes: Any = None) -> None:
        """Bind for other shapes; parameters and memory are kept."""
        data, labels = parse_shapes(self._data_names, self._label_names, data_shapes, label_shapes)
        self._reshape(data, labels)

    def _reshape(self, data: list[DataDesc], labels: list[DataDesc] | None) -> None:
        self._group().reshape(data, labels, sorted(self._given))
        self._data_shapes, self._label_shapes = data, labels

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor watch the executors."""
        self._group().install_monitor(mon)

    # Parameters

    def init_params(
        self,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters.

        Parameters
        ----------
        initializer : Initializer or callable
            For parameters that are not given. It sees names in alphabetical order.
        arg_params, aux_params : dict of str to NDArray, optional
            Given ones. None: all come from the initialiser.
        allow_missing : bool
            Whether parameters may be missing in these; then the initialiser sets them, or they keep their values.
        force_init : bool
            Set them even if they were set before.
        allow_extra : bool
            Say nothing of parameters that the symbol does not have.

        Raises
        ------
        RuntimeError
            A parameter is missing (unless `allow_missing`).
        ValueError
            There is an unknown name while some may be missing: it could be a misspelt one (unless `allow_extra`).
        MXNetError
            A shape is wrong. Nothing is changed in any of these cases.
        """
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. init_params call ignored.", stacklevel=2
            )
            return
        if not self.binded:
            raise AssertionError("call bind before initializing the parameters")
        executor = self._group().execs[0]
        attributes = self._symbol.attr_dict()
        chosen = []
        for given, arrays, names in (
            (arg_params, executor.arg_dict, self._param_names),
            (aux_params, executor.aux_dict, self._aux_names),
        ):
            values = {} if given is None else self._checked(given, names, allow_missing, allow_extra)
            for name in sorted(names):
                if name not in values and initializer is not None:
                    values[name] = arrays[name].copy()
                    initializer(InitDesc(name, attributes.get(name)), values[name])
            chosen.append(values)
        self._set(*chosen)

    def _checked(
        self, given: Mapping[str, NDArray], names: Sequence[str], allow_missing: bool, allow_extra: bool
    ) -> Params:
        """The given parameters that the symbol has, after the checks that `init_params` promises."""
        missing = [n for n in names if n not in given]
        known = {*names, *self._symbol.list_arguments()}
        extra = [n for n in given if n not in known]
        if missing and not allow_missing:
            hint = f"; unknown names given: {', '.join(extra[:5])}" if extra else ""
            raise RuntimeError(f"{missing[0]} is not presented (missing parameters: {', '.join(missing[:5])}{hint})")
        if extra and not allow_extra:
            if allow_missing:
                raise ValueError(f'Find name "{extra[0]}" that is not in the arguments')
            warnings.warn(f"set_params: the symbol has no parameters {', '.join(extra[:5])}; ignored", stacklevel=4)
        return {n: v for n, v in given.items() if n in names}

    def _set(self, args: Params, auxs: Params) -> None:
        self._group().set_params(args, auxs)
        self._given.update(args)
        self.params_initialized = True

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Copy given parameters in; see `init_params`.

        Notes
        -----
        Without `allow_missing`, unknown names only draw a warning, because then they can stand for nothing that was
        meant: scripts that cut a network at an inner layer hand over the whole checkpoint, and MXNet takes it.
        """
        self._need("binded")
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2
            )
            return
        args = self._checked(arg_params or {}, self._param_names, allow_missing, allow_extra)
        auxs = self._checked(aux_params or {}, self._aux_names, allow_missing, allow_extra)
        self._set(args, auxs)

    def get_params(self) -> tuple[Params, Params]:
        """Copies of the parameters and auxiliary states; means over several contexts."""
        self._need("binded", "params_initialized")
        return self._group().get_params()

    # Running

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute outputs for a batch.

        Parameters
        ----------
        data_batch : DataBatch, or any object with ``.data`` (list of arrays) and perhaps ``.label``; or a list of them
            A list has one batch for each context. Shapes may differ from those bound: the executors are then reshaped.
        is_train : bool, optional
            By default as bound.
        """
        self._need("binded", "params_initialized")
        group = self._group()
        data, labels = self._arrays_of(data_batch, group)
        group.forward(data, labels, self.for_training if is_train is None else is_train)

    def forward_backward(self, data_batch: Any) -> None:
        if not self._in_one(data_batch, None):
            super().forward_backward(data_batch)

    def _train_on(self, data_batch: Any) -> None:
        kind = type(self)
        own = kind.forward_backward is Module.forward_backward and kind.update is Trainer.update
        update = self._joint_update() if own else None
        if update is None or not self._in_one(data_batch, update):
            super()._train_on(data_batch)

    def _in_one(self, data_batch: Any, update: Any) -> bool:
        """Run forward, backward and perhaps an update as one schedule; False where that cannot be."""
        kind = type(self)
        if kind.forward is not Module.forward or kind.backward is not Module.backward or not self.for_training:
            return False
        self._need("binded", "params_initialized")
        group = self._group()
        return group.train_step(*self._arrays_of(data_batch, group), update)

    def _arrays_of(self, data_batch: Any, group: ExecutorGroup) -> tuple[list, list]:
        """Data and labels of a batch in the order of the descriptions, the executors being bound for their shapes."""
        if isinstance(data_batch, list):
            data_batch = _joined(data_batch)
        data = data_batch.data
        if len(data) != len(group.data_shapes):
            raise MXNetError(f"the batch has {len(data)} data arrays, expected {len(group.data_shapes)}")
        labels = getattr(data_batch, "label", None) or ()
        data = [v if isinstance(v, (NDArray, np.ndarray)) else np.asarray(v) for v in data]
        labels = [v if isinstance(v, (NDArray, np.ndarray)) else np.asarray(v) for v in labels]
        same = all(v.shape == d.shape for v, d in zip(data, group.data_shapes))
        if group.label_shapes is None:
            labels = []
        elif same and labels:
            same = all(v.shape == d.shape for v, d in zip(labels, group.label_shapes))
        if not same:
            self._fit_shapes(data_batch, data, labels)
        return data, labels

    def _fit_shapes(self, data_batch: Any, data: list, labels: list) -> None:
        group = self._group()
        descs = getattr(data_batch, "provide_data", None) or [
            DataDesc(d.name, v.shape, d.dtype, d.layout) for d, v in zip(group.data_shapes, data)
        ]
        label_descs = getattr(data_batch, "provide_label", None)
        if not label_descs and labels:
            label_descs = [DataDesc(d.name, v.shape, d.dtype, d.layout) for d, v in zip(group.label_shapes or (), labels)]
        if not label_descs and group.label_shapes:
            label_descs = self._labels_without_values(group, data)
        self._reshape(descriptions(descs), descriptions(label_descs) or None)

    @staticmethod
    def _labels_without_values(group: ExecutorGroup, data: list) -> list[DataDesc]:
        """Descriptions of labels for a batch that has none: as many examples as its data."""
        axis = group.data_axes[0]
        count = data[0].shape[axis] if axis >= 0 else group.batch_size
        found = []
        for desc, axis in zip(group.label_shapes or (), group.label_axes):
            shape = desc.shape if axis < 0 else (*desc.shape[:axis], count, *desc.shape[axis + 1 :])
            found.append(DataDesc(desc.name, shape, desc.dtype, desc.layout))
        return found

    def backward(self, out_grads: Any = None) -> None:
        """Compute gradients; see `Executor.backward`."""
        self._need("binded", "params_initialized")
        if not self.for_training and not self.inputs_need_grad:
            raise AssertionError("re-bind with for_training=True to run backward")
        self._group().backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        """Outputs of the last forward; without merging a list for each output, of each context's array."""
        self._need("binded", "params_initialized")
        return self._group().get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        """Gradients of the data; needs ``bind(inputs_need_grad=True)``."""
        self._need("binded", "params_initialized")
        if not self.inputs_need_grad:
            raise AssertionError("bind the module with inputs_need_grad=True to get them")
        return self._group().get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list:
        """The states named by `state_names`."""
        self._need("binded", "params_initialized")
        return self._group().get_states(merge_multi_context)

    def set_states(self, states: Sequence[Any] | None = None, value: float | None = None) -> None:
        """Set the states: arrays (or lists of one for each context), or one number for all elements."""
        self._need("binded", "params_initialized")
        self._group().set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last outputs into a metric."""
        self._group().update_metric(eval_metric, labels, pre_sliced)


def _joined(batches: list) -> Any:
    """Batches of the contexts as one. They must be as large as the contexts' parts, or the split would differ."""
    data = [merge(list(parts), 0) for parts in zip(*(b.data for b in batches))]
    labels = [merge(list(parts), 0) for parts in zip(*(b.label or () for b in batches))]
    return DataBatch(data, labels)
