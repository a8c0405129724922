"""The part of a Module that trains: optimizer, store, updates, states on disk."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import optimizer as opt
from ..kvstore import KVStore, create_for, read_states
from ..ndarray import paramsio
from ..optimizer.fused import FusedUpdate
from .base_module import DEFAULT_OPTIMIZER, BaseModule

if TYPE_CHECKING:
    from .executor_group import ExecutorGroup


class Trainer(BaseModule):
    """What `Module` inherits: an optimizer for the parameters of an executor group.

    Weights are updated in one of three ways: by an updater of the module's own (one context); by a store that the
    contexts push gradients to and pull weights from; or by an updater for each context's copy, from gradients that a
    store has summed.
    """

    _context: list
    _exec_group: ExecutorGroup | None
    _compression_params: Mapping[str, Any] | None

    def _begin_training(self) -> None:
        self._optimizer: opt.Optimizer | None = None
        self._kvstore: KVStore | None = None
        self._update_on_kvstore: bool | None = None
        self._updater: opt.Updater | None = None
        self._preload_opt_states: str | None = None

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        force_init: bool = False,
    ) -> None:
        """Set the optimizer and, for several contexts, the store that they share.

        Parameters
        ----------
        kvstore : str or KVStore
            See `mx.kv.create`. One context needs none, unless it is given as an object.
        optimizer : str or Optimizer
            By name, it gets ``rescale_grad`` of 1 / batch size, the symbol's multipliers and the parameters' names.
        optimizer_params : dict, or tuple of pairs
        force_init : bool
            Set it even if there is one.
        """
        self._need("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        group = self._exec_group
        assert group is not None
        first = {n: arrays[0] for n, arrays in zip(group.param_names, group.param_arrays)}
        store, on_store = create_for(kvstore, len(self._context), first)
        rescale_grad = 1.0 / group.batch_size if group.batch_size else 1.0
        copies = 1 if on_store else len(self._context)
        names = {i * copies + k: n for i, n in enumerate(group.param_names) for k in range(copies)}
        if isinstance(optimizer, str):
            params = dict(optimizer_params)
            params.setdefault("rescale_grad", rescale_grad)
            optimizer = opt.create(optimizer, sym=self.symbol, param_idx2name=names, **params)
        else:
            if not isinstance(optimizer, opt.Optimizer):
                raise AssertionError(f"optimizer must be a name or an Optimizer, found {optimizer!r}")
            if optimizer.rescale_grad != rescale_grad:
                warnings.warn(
                    "Optimizer created manually outside Module but rescale_grad is not normalized to "
                    f"1.0/batch_size/num_workers ({optimizer.rescale_grad} vs. {rescale_grad}). Is this intended?",
                    stacklevel=2,
                )
            if not optimizer.idx2name:
                optimizer.idx2name = names
        self._optimizer = optimizer
        self._kvstore, self._update_on_kvstore, self._updater = store, on_store, None
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(optimizer)
            for name, arrays in zip(group.param_names, group.param_arrays):
                store.init(name, arrays[0])
        if not on_store:
            self._updater = opt.get_updater(optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Update with the optimizer, the store and the states of another module, whose parameters are shared."""
        if not shared_module.optimizer_initialized:
            raise AssertionError("borrow_optimizer: the other module has no optimizer")
        self._optimizer = shared_module._optimizer
        self._kvstore = shared_module._kvstore
        self._update_on_kvstore = shared_module._update_on_kvstore
        self._updater = shared_module._updater
        self.optimizer_initialized = True

    def update(self) -> None:
        """Update the parameters by the gradients of the last backward."""
        self._need("binded", "params_initialized", "optimizer_initialized")
        group = self._exec_group
        assert group is not None
        if self._kvstore is None and len(self._context) == 1:
            assert self._updater is not None
            indices, grads, weights = group.trained
            self._updater(indices, grads, weights)
        elif self._update_on_kvstore:
            update_on_store(group.param_arrays, group.grad_arrays, self._kvstore, group.param_names)
        else:
            update_by_updater(
                group.param_arrays, group.grad_arrays, self._updater, len(self._context), self._kvstore, group.param_names
            )

    def _joint_update(self) -> FusedUpdate | None:
        """The update as steps that can follow those of backward; None where it cannot be so."""
        self._need("binded", "params_initialized", "optimizer_initialized")
        group = self._exec_group
        if self._kvstore is not None or len(self._context) > 1 or type(self._updater) is not opt.Updater or not group:
            return None
        return self._updater.joint(*group.trained)

    # States on disk

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimizer's states to a file that MXNet reads too: all of it, or nothing."""
        self._need("optimizer_initialized")
        if self._update_on_kvstore:
            assert self._kvstore is not None
            self._kvstore.save_optimizer_states(fname)
        else:
            assert self._updater is not None
            paramsio.write_atomically(fname, [self._updater.get_states()])

    def load_optimizer_states(self, fname: str) -> None:
        """Read the optimizer's states from a file. Raises MXNetError when it is missing or broken."""
        self._need("optimizer_initialized")
        if self._update_on_kvstore:
            assert self._kvstore is not None
            self._kvstore.load_optimizer_states(fname)
        else:
            assert self._updater is not None
            self._updater.set_states(read_states(fname))


def update_on_store(param_arrays: Any, grad_arrays: Any, kvstore: Any, param_names: Any) -> None:
    """Push every parameter's gradients to a store that updates it, and pull the new values."""
    for i, (arrays, grads) in enumerate(zip(param_arrays, grad_arrays)):
        if grads[0] is not None:
            kvstore.push(param_names[i], grads, priority=-i)
            kvstore.pull(param_names[i], arrays, priority=-i)


def update_by_updater(
    param_arrays: Any, grad_arrays: Any, updater: Any, num_device: int, kvstore: Any = None, param_names: Any = None
) -> None:
    """Update every context's copy of the parameters, from gradients that `kvstore` sums first if there is one.

    Parameter i of context k is number ``i * num_device + k`` to the updater.
    """
    updates: list[list[tuple]] = [[] for _ in range(num_device)]
    for i, (arrays, grads) in enumerate(zip(param_arrays, grad_arrays)):
        if grads[0] is None:
            continue
        if kvstore is not None:
            kvstore.push(param_names[i], grads, priority=-i)
            kvstore.pull(param_names[i], grads, priority=-i)
        for k, (weight, grad) in enumerate(zip(arrays, grads)):
            updates[k].append((i * num_device + k, grad, weight))
    for device in updates:
        if device:
            index, grads, weights = (list(part) for part in zip(*device))
            updater(index, grads, weights)
