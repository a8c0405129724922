"""One module for each kind of batch (a length of sentence, say), all with the same parameters and memory."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from .. import symbol as sym
from ..base import MXNetError
from ..checkpoint import load_params, save_checkpoint
from ..io import DataDesc
from ..name import NameManager
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, DEFAULT_OPTIMIZER, BaseModule, Params, check_input_names
from .module import Module


class BucketingModule(BaseModule):
    """Modules made for each bucket key that a batch has.

    Parameters
    ----------
    sym_gen : callable
        From a bucket key to (symbol, data_names, label_names).
    default_bucket_key : hashable
        The largest bucket: its module is bound first, and the others take their memory from it.
    logger, context, work_load_list, fixed_param_names, state_names, group2ctxs, compression_params, memory_limit
        See `Module`.
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Any, Any, Any]],
        default_bucket_key: Any = None,
        logger: Any = logging,
        context: Any = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Mapping[str, Any] | None = None,
        *,
        memory_limit: int | str | None = None,
    ):
        super().__init__(logger=logger)
        if default_bucket_key is None:
            raise AssertionError("BucketingModule: default_bucket_key must be given")
        self._default_bucket_key = default_bucket_key
        self._sym_gen = sym_gen
        symbol, data_names, label_names = self._generate(default_bucket_key)
        for names, what, strict in (
            (data_names, "data", True), (label_names, "label", False), (state_names, "state", True),
            (fixed_param_names, "fixed_param", True),
        ):  # fmt: skip
            check_input_names(symbol, list(names or ()), what, strict)
        self._options = {
            "context": context, "work_load_list": work_load_list, "fixed_param_names": fixed_param_names,
            "state_names": state_names, "group2ctxs": group2ctxs, "compression_params": compression_params,
            "memory_limit": memory_limit,
        }  # fmt: skip
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Module | None = None
        self._curr_bucket_key: Any = None
        self._grad_req: Any = None
        self._monitor: Any = None
        self._loaded: tuple[Params, Params] | None = None  # from a checkpoint, until bound

    # Checkpoints

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Save the parameters, and the symbols of all buckets as ``PREFIX-KEY-symbol.json``; keys must be integers."""
        self._need("binded", "params_initialized")
        keys = list(self._buckets)
        if not all(isinstance(key, (int, np.integer)) for key in keys):
            raise TypeError(f"save_checkpoint: bucket keys must be integers to be saved, found {keys}")
        nd.save(f"{prefix}.buckets", nd.array(keys, dtype=np.int32))
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        args, auxs = self.get_params()
        save_checkpoint(prefix, epoch, None, args, auxs)

    @staticmethod
    def load(
        prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any
    ) -> BucketingModule:
        """Make a module from a checkpoint.

        Parameters
        ----------
        prefix, epoch
            As given to `save_checkpoint`.
        sym_gen : callable, optional
            See `BucketingModule`; by default the saved symbols are used, for the saved buckets alone.
        default_bucket_key
        **kwargs
            See `BucketingModule`.
        """
        if sym_gen is None:
            keys = nd.load(f"{prefix}.buckets")
            assert isinstance(keys, list)
            symbols = {int(k): sym.load(f"{prefix}-{int(k)}-symbol.json") for k in keys[0].asnumpy()}
        else:
            symbols = None
        args, auxs = load_params(prefix, epoch)
        return BucketingModule.load_dict(symbols, sym_gen, default_bucket_key, args, auxs, **kwargs)

    @staticmethod
    def load_dict(
        sym_dict: Mapping[Any, Any] | None = None,
        sym_gen: Any = None,
        default_bucket_key: Any = None,
        arg_params: Params | None = None,
        aux_params: Params | None = None,
        **kwargs: Any,
    ) -> BucketingModule:
        """Make a module from symbols by bucket key (or from `sym_gen`) and parameters."""
        if sym_gen is None:
            if not sym_dict:
                raise AssertionError("load_dict: either sym_dict or sym_gen must be given")
            symbols, params = dict(sym_dict), {*(arg_params or {})}
            names = ("data", "softmax_label")

            def sym_gen(key: Any) -> tuple[Any, list[str], list[str]]:
                if key not in symbols:
                    raise MXNetError(f"bucket {key!r} is not among those saved: {sorted(symbols)}")
                inputs = [n for n in symbols[key].list_arguments() if n not in params]
                labels = [n for n in inputs if n.endswith("label") or n == names[1]]
                return symbols[key], [n for n in inputs if n not in labels], labels

        made = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        made._loaded = dict(arg_params or {}), dict(aux_params or {})
        made.params_initialized = True
        return made

    # What it is

    def _current(self) -> Module:
        self._need("binded")
        assert self._curr_module is not None
        return self._curr_module

    @property
    def data_names(self) -> list[str]:
        return self._current().data_names if self.binded else self._generate(self._default_bucket_key)[1]

    @property
    def output_names(self) -> list[str]:
        if self.binded:
            return self._current().output_names
        return self._generate(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> list[DataDesc]:
        return self._current().data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        return self._current().label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return self._current().output_shapes

    @property
    def symbol(self) -> Any:
        return self._current().symbol

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
        """Bind the module of the default bucket; see `Module.bind`. `shared_module` must be None."""
        if shared_module is not None:
            raise AssertionError("shared_module for BucketingModule is not supported")
        kept = None
        if force_rebind:
            if self.binded and self.params_initialized:
                kept = self.get_params()
            self.binded = False
            self._buckets = {}
            self._curr_module = None
            self._curr_bucket_key = None
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        module = self._make(self._default_bucket_key)
        module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, grad_req=grad_req)
        self._buckets[self._default_bucket_key] = self._curr_module = module
        self._curr_bucket_key = self._default_bucket_key
        self.binded = True
        kept = kept or self._loaded
        if kept is not None:
            module.set_params(*kept)
            self._loaded = None

    def _generate(self, key: Any) -> tuple[Any, Any, Any]:
        """What `sym_gen` gives. Automatic names count from 0 each time: layers that have no name share parameters too."""
        with NameManager():
            return self._sym_gen(key)

    def _make(self, key: Any) -> Module:
        symbol, data_names, label_names = self._generate(key)
        return Module(symbol, data_names, label_names, logger=self.logger, **self._options)

    def switch_bucket(self, bucket_key: Any, data_shapes: Any, label_shapes: Any = None) -> None:
        """Go on with the module of `bucket_key`, which is made and bound for these shapes if it is new.

        Raises
        ------
        MXNetError
            The new bucket has a parameter that the default one has not.
        """
        self._need("binded")
        if bucket_key not in self._buckets:
            default = self._buckets[self._default_bucket_key]
            module = self._make(bucket_key)
            new = sorted({*module._param_names} - {*default._param_names})
            if new:
                raise MXNetError(
                    f"bucket {bucket_key!r} has parameters {', '.join(new)} that the default bucket "
                    f"{self._default_bucket_key!r} has not: all buckets share the parameters of the default one"
                )
            module.bind(
                data_shapes, label_shapes, default.for_training, default.inputs_need_grad, shared_module=default,
                grad_req=self._grad_req,
            )  # fmt: skip
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._curr_module = self._buckets[bucket_key]
        self._curr_bucket_key = bucket_key

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Make and bind the module that a batch will need; the current one stays current."""
        self._need("binded", "params_initialized")
        current = self._curr_bucket_key
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._current().prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        self.switch_bucket(current, None, None)

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor watch all buckets, also those to come."""
        self._need("binded")
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)

    # Parameters: all buckets have the same arrays.

    def get_params(self) -> tuple[Params, Params]:
        self._need("binded", "params_initialized")
        return self._buckets[self._default_bucket_key].get_params()

    def init_params(
        self,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters; see `Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        if not self.binded:
            raise AssertionError("call bind before initializing the parameters")
        default = self._buckets[self._default_bucket_key]
        default.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._have_params(default)

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters to given ones; see `Module.set_params`."""
        self._need("binded")
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2
            )
            return
        default = self._buckets[self._default_bucket_key]
        default.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._have_params(default)

    def _have_params(self, default: Module) -> None:
        self.params_initialized = True
        for module in self._buckets.values():
            module.params_initialized = True
            module._given.update(n for n in module._param_names if n in default._given)

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        force_init: bool = False,
    ) -> None:
        """Set the optimizer of all buckets; see `Module.init_optimizer`."""
        self._need("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        default = self._buckets[self._default_bucket_key]
        default.init_optimizer(kvstore, optimizer, optimizer_params, force_init=force_init)
        for module in self._buckets.values():
            if module is not default:
                module.borrow_optimizer(default)
        self.optimizer_initialized = True

    # Running: the current bucket's module does it.

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute outputs, by the module of the batch's bucket key."""
        self._need("binded", "params_initialized")
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._current().forward(data_batch, is_train=is_train)

    def forward_backward(self, data_batch: Any) -> None:
        self._need("binded", "params_initialized")
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._current().forward_backward(data_batch)

    def _train_on(self, data_batch: Any) -> None:
        kind = type(self)
        if kind.forward_backward is not BucketingModule.forward_backward or kind.update is not BucketingModule.update:
            super()._train_on(data_batch)
            return
        self._need("binded", "params_initialized", "optimizer_initialized")
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._current()._train_on(data_batch)

    def backward(self, out_grads: Any = None) -> None:
        self._need("binded", "params_initialized")
        self._current().backward(out_grads)

    def update(self) -> None:
        self._need("binded", "params_initialized", "optimizer_initialized")
        self._current().update()

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        self._need("binded", "params_initialized")
        return self._current().get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        self._need("binded", "params_initialized")
        return self._current().get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> list:
        self._need("binded", "params_initialized")
        return self._current().get_states(merge_multi_context)

    def set_states(self, states: Sequence[Any] | None = None, value: float | None = None) -> None:
        self._need("binded", "params_initialized")
        self._current().set_states(states, value)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        self._need("binded", "params_initialized")
        self._current().update_metric(eval_metric, labels, pre_sliced)
