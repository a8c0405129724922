"""Module: bind once, set parameters, feed batches of any size."""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import MXNetError
from ..context import Context, cpu
from ..io import DataDesc
from ..model import load_checkpoint, save_checkpoint
from ..ndarray import NDArray
from ..runtime.executor import Executor

if TYPE_CHECKING:
    from ..symbol import Symbol


def _describe(shapes: Any) -> list[DataDesc]:
    """Descriptions from (name, shape) pairs or descriptions."""
    return [s if isinstance(s, DataDesc) else DataDesc(*s) for s in shapes]


class Module:
    """A symbol with parameters, bound for batches of data.

    Parameters
    ----------
    symbol : Symbol
    data_names, label_names : list of str
        Arguments that come with every batch. ``label_names=None``: there are no labels.
    logger : logging.Logger
    context : Context or list of Context
    work_load_list, fixed_param_names, state_names, group2ctxs, compression_params
        As MXNet; `fixed_param_names` get no gradient.

    Raises
    ------
    ValueError
        A name of data, label or fixed parameter is not an argument of the symbol.
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Any = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
    ):
        self.logger = logger
        self._symbol = symbol
        contexts = [context] if isinstance(context, Context) else list(context or [cpu()])
        self._context = contexts[0]
        self._group2ctx = group2ctxs[0] if isinstance(group2ctxs, (list, tuple)) else group2ctxs
        arguments = symbol.list_arguments()
        self._data_names = list(data_names or ())
        self._label_names = list(label_names or ())
        self._state_names = list(state_names or ())
        self._fixed = list(fixed_param_names or ())
        for names, what, strict in (
            (self._data_names, "data", True),
            (self._label_names, "label", False),
            (self._state_names, "state", True),
            (self._fixed, "fixed_param", True),
        ):
            self._check_names(names, what, arguments, strict)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [n for n in arguments if n not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._arg_params: dict[str, NDArray] | None = None
        self._aux_params: dict[str, NDArray] | None = None
        self._executor: Executor | None = None
        self._given: set[str] = set()  # parameters that have been set: their shapes are fixed
        self._data_shapes: list[DataDesc] = []
        self._label_shapes: list[DataDesc] | None = None
        self.binded = False
        self.params_initialized = False
        self.for_training = False
        self.inputs_need_grad = False

    @staticmethod
    def _check_names(names: Sequence[str], what: str, arguments: Sequence[str], strict: bool) -> None:
        for name in names:
            if name in arguments:
                continue
            near = difflib.get_close_matches(name, arguments, 3)
            candidates = near or [a for a in arguments if not a.endswith(("_weight", "_bias", "_gamma", "_beta"))]
            message = (
                f"You created Module with Module(..., {what}_names={list(names)}) but input with name '{name}' is not "
                f"found in symbol.list_arguments(). Did you mean one of:\n\t" + "\n\t".join(candidates)
            )
            if strict:
                raise ValueError(message)
            warnings.warn(message, stacklevel=3)

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """Make a module from a checkpoint; its parameters are set when it is bound."""
        if load_optimizer_states:
            raise MXNetError("Module.load: optimizer states cannot be loaded without an optimizer")
        symbol, args, auxs = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params, module._aux_params = args, auxs
        module.params_initialized = True
        return module

    # What it is

    @property
    def symbol(self) -> Symbol:
        return self._symbol

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        self._need_bound()
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need_bound()
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(n, o.shape) for n, o in zip(self._output_names, self._bound().outputs)]

    def _need_bound(self) -> None:
        if not self.binded:
            raise AssertionError("the module is not bound: call bind(data_shapes=...) first")

    def _need_params(self) -> None:
        self._need_bound()
        if not self.params_initialized:
            raise AssertionError("the module has no parameters: call set_params(...) first")

    def _bound(self) -> Executor:
        self._need_bound()
        assert self._executor is not None
        return self._executor

    # Binding

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Module | None = None,
        grad_req: Any = "write",
    ) -> None:
        """Allocate arrays for the given shapes and plan the executor. Does nothing if already bound.

        Parameters
        ----------
        data_shapes, label_shapes : list of (name, shape) or DataDesc
        for_training : bool
            Whether parameters get gradients.
        inputs_need_grad : bool
            Whether the data do too.
        force_rebind : bool
            Bind anew.
        shared_module : Module
            Take parameters and memory from it.
        grad_req : str, list or dict
            "write", "add" or "null".

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
        data = _describe(data_shapes)
        labels = _describe(label_shapes) if label_shapes else None
        if sorted(d.name for d in data) != sorted(self._data_names):
            raise ValueError(
                f"Data provided by data_shapes don't match names specified by data_names "
                f"({[tuple(d) for d in data]} vs. {self._data_names})"
            )
        shared = shared_module._bound() if shared_module is not None else None
        descriptions = [*data, *(d for d in labels or [] if d.name in self._symbol.list_arguments())]
        self._executor = self._symbol.simple_bind(
            self._context,
            grad_req=self._requests(for_training, inputs_need_grad, grad_req),
            type_dict={d.name: d.dtype for d in descriptions},
            group2ctx=self._group2ctx,
            shared_arg_names=self._param_names if shared is not None else None,
            shared_exec=shared,
            **{d.name: d.shape for d in descriptions},
        )
        self._data_shapes, self._label_shapes = data, labels
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.binded = True
        if shared_module is not None and shared_module.params_initialized:
            self.params_initialized = True
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
            self._given = set(shared_module._given)
        elif self.params_initialized:
            self.set_params(self._arg_params, self._aux_params, allow_missing=True, allow_extra=True)

    def _reset_bind(self) -> None:
        if self.binded and self.params_initialized:
            self._arg_params, self._aux_params = self.get_params()
        self.binded = False
        self._executor = None

    def _requests(self, for_training: bool, inputs_need_grad: bool, grad_req: Any) -> dict[str, str]:
        if isinstance(grad_req, Mapping):
            asked = dict(grad_req)
        else:
            names = self._symbol.list_arguments()
            asked = dict.fromkeys(names, grad_req) if isinstance(grad_req, str) else dict(zip(names, grad_req))
        out = {}
        for name in self._symbol.list_arguments():
            if name in self._data_names:
                wanted = inputs_need_grad
            else:
                wanted = for_training and name in self._param_names and name not in self._fixed
            out[name] = asked.get(name, "write") if wanted else "null"
        return out

    # Parameters

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Copy parameters in.

        Parameters
        ----------
        arg_params, aux_params : dict of str to NDArray
        allow_missing : bool
            Parameters that are not given keep their values.
        force_init : bool
            Overwrite parameters that were set before.
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

        Notes
        -----
        Without `allow_missing`, unknown names only draw a warning, because then they can stand for nothing that was
        meant: scripts that cut a network at an inner layer hand over the whole checkpoint, and MXNet takes it.
        """
        self._need_bound()
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2
            )
            return
        executor = self._bound()
        args, auxs = dict(arg_params or {}), dict(aux_params or {})
        missing = [n for n in self._param_names if n not in args] + [n for n in self._aux_names if n not in auxs]
        extra = [n for n in args if n not in executor.arg_dict] + [n for n in auxs if n not in executor.aux_dict]
        if missing and not allow_missing:
            hint = f"; unknown names given: {', '.join(extra[:5])}" if extra else ""
            raise RuntimeError(f"{missing[0]} is not presented (missing parameters: {', '.join(missing[:5])}{hint})")
        if extra and not allow_extra:
            if allow_missing:
                raise ValueError(f'Find name "{extra[0]}" that is not in the arguments')
            warnings.warn(f"set_params: the symbol has no parameters {', '.join(extra[:5])}; ignored", stacklevel=2)
        args = {n: v for n, v in args.items() if n in self._param_names}
        executor.copy_params_from(args, auxs, allow_extra_params=True)
        self._given.update(args)
        self.params_initialized = True

    def get_params(self) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
        """Copies of the parameters and auxiliary states."""
        self._need_params()
        executor = self._bound()
        args, auxs = executor.arg_dict, executor.aux_dict
        return {n: args[n].copy() for n in self._param_names}, {n: auxs[n].copy() for n in self._aux_names}

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = True) -> None:
        """Save symbol and parameters as a checkpoint."""
        args, auxs = self.get_params()
        save_checkpoint(prefix, epoch, self._symbol, args, auxs, remove_amp_cast)

    # Running

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute outputs for a batch.

        Parameters
        ----------
        data_batch : DataBatch or any object with ``.data`` (list of NDArray) and perhaps ``.label``
            Its shapes may differ from those bound: the executor is then reshaped.
        is_train : bool, optional
            By default as bound.
        """
        self._need_params()
        if is_train is None:
            is_train = self.for_training
        values = dict(zip((d.name for d in self._data_shapes), data_batch.data))
        if len(data_batch.data) != len(self._data_shapes):
            raise MXNetError(f"the batch has {len(data_batch.data)} data arrays, expected {len(self._data_shapes)}")
        labels = getattr(data_batch, "label", None)
        arguments = self._symbol.list_arguments()
        if labels:
            names = [d.name for d in self._label_shapes] if self._label_shapes else self._label_names
            values.update((n, v) for n, v in zip(names, labels) if n in arguments)
        self._fit_shapes({n: tuple(v.shape) for n, v in values.items()})
        self._bound().forward(is_train=is_train, **{n: _as_array(v) for n, v in values.items()})

    def _fit_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Reshape the executor if a batch has other shapes than it was bound for."""
        executor = self._bound()
        bound = executor.arg_dict
        if all(bound[n].shape == s for n, s in shapes.items()):
            return
        # Labels that do not come with the batch follow the data, under whatever names: only what has been set as a
        # parameter must keep its shape.
        reshaped = executor.reshape(partial_shaping=True, allow_up_sizing=True, **shapes)
        for name in self._given:
            if reshaped.arg_dict[name].shape != bound[name].shape:
                raise MXNetError(
                    f"batch with shapes {shapes}: parameter '{name}' would change from {bound[name].shape} "
                    f"to {reshaped.arg_dict[name].shape}"
                )
        self._executor = reshaped
        self._data_shapes = [DataDesc(d.name, shapes[d.name], d.dtype, d.layout) for d in self._data_shapes]
        if self._label_shapes:
            now = reshaped.arg_dict
            self._label_shapes = [
                DataDesc(d.name, now[d.name].shape if d.name in now else d.shape, d.dtype, d.layout)
                for d in self._label_shapes
            ]

    def reshape(self, data_shapes: Any, label_shapes: Any = None) -> None:
        """Bind for other shapes; parameters and memory are kept."""
        self._need_bound()
        names = self._symbol.list_arguments()
        new = [*_describe(data_shapes), *_describe(label_shapes or [])]
        self._fit_shapes({d.name: d.shape for d in new if d.name in names})

    def backward(self, out_grads: Any = None) -> None:
        """Compute gradients; see `Executor.backward`."""
        self._need_params()
        if not self.for_training and not self.inputs_need_grad:
            raise AssertionError("the module is not bound for training: bind(for_training=True)")
        self._bound().backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> list[NDArray]:
        """Outputs of the last forward."""
        self._need_params()
        return self._bound().outputs

    def get_input_grads(self, merge_multi_context: bool = True) -> list[NDArray | None]:
        """Gradients of the data; needs ``bind(inputs_need_grad=True)``."""
        self._need_params()
        if not self.inputs_need_grad:
            raise AssertionError("bind the module with inputs_need_grad=True to get them")
        grads = self._bound().grad_dict
        return [grads[d.name] for d in self._data_shapes]


def _as_array(value: Any) -> NDArray | np.ndarray:
    return value if isinstance(value, (NDArray, np.ndarray)) else np.asarray(value)
