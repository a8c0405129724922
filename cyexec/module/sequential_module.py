"""Modules in a row: the outputs of each are the data of the next."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

from ..io import DataBatch, DataDesc
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, DEFAULT_OPTIMIZER, BaseModule, Params


class SequentialModule(BaseModule):
    """A container of modules, added by `add`.

    Parameters
    ----------
    logger : logging.Logger
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging):
        super().__init__(logger=logger)
        self._modules: list[BaseModule] = []
        self._metas: list[dict[str, Any]] = []
        self._label_shapes: Any = None
        self._data_shapes: Any = None

    def add(self, module: BaseModule, **kwargs: Any) -> SequentialModule:
        """Add a module after those that are there.

        Parameters
        ----------
        module : BaseModule
        take_labels : bool
            Whether it gets the labels.
        auto_wiring : bool
            Whether the outputs before it are its data whatever their names.

        Returns
        -------
        SequentialModule
            This one, for chains of `add`.
        """
        for key in kwargs:
            if key not in (self.META_TAKE_LABELS, self.META_AUTO_WIRING):
                raise AssertionError(f'Unknown meta "{key}", a typo?')
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    # What it is

    @property
    def data_names(self) -> list[str]:
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> list[DataDesc]:
        self._need("binded")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        self._need("binded")
        return self._modules[-1].output_shapes

    # Parameters

    def get_params(self) -> tuple[Params, Params]:
        self._need("binded", "params_initialized")
        args: Params = {}
        auxs: Params = {}
        for module in self._modules:
            own_args, own_auxs = module.get_params()
            args.update(own_args)
            auxs.update(own_auxs)
        return args, auxs

    def init_params(
        self,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters of all modules; see `Module.init_params`.

        Raises
        ------
        AssertionError
            Two modules have a parameter of one name.
        """
        if self.params_initialized and not force_init:
            return
        self._need("binded")
        for module in self._modules:
            # What is given is for all modules together: for each one, the others' parameters are no mistakes.
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra=True)
        owners: dict[str, int] = {}
        for i, module in enumerate(self._modules):
            for params in module.get_params():
                for name in params:
                    if name in owners:
                        raise AssertionError(
                            f'Duplicated parameter names: name "{name}" in layer {i} ({type(module)}) is already used '
                            f"in layer {owners[name]} ({type(self._modules[owners[name]])})."
                        )
                    owners[name] = i
        self.params_initialized = True

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
        """Bind all modules, each for the output shapes of the one before; see `Module.bind`."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise AssertionError("bind: inputs_need_grad needs for_training")
        if shared_module is not None:
            raise AssertionError("Shared module is not supported")
        if not self._modules:
            raise AssertionError("Attempting to bind an empty SequentialModule")
        shapes = data_shapes
        labels_taken = False
        for i, (module, meta) in enumerate(zip(self._modules, self._metas)):
            takes = bool(meta.get(self.META_TAKE_LABELS))
            labels_taken = labels_taken or takes
            if meta.get(self.META_AUTO_WIRING):
                names = module.data_names
                if len(names) != len(shapes):
                    raise AssertionError(f"layer {i} has data {names}, but gets {len(shapes)} outputs")
                shapes = [(name, tuple(shape)) for name, (_, shape) in zip(names, shapes)]
            module.bind(
                data_shapes=shapes, label_shapes=label_shapes if takes else None, for_training=for_training,
                inputs_need_grad=inputs_need_grad if i == 0 else for_training, force_rebind=force_rebind,
                grad_req=grad_req,
            )  # fmt: skip
            shapes = module.output_shapes
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._label_shapes = label_shapes if labels_taken else None
        self.binded = True

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        force_init: bool = False,
    ) -> None:
        """Give every module an optimizer; see `Module.init_optimizer`."""
        self._need("binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True

    def install_monitor(self, mon: Any) -> None:
        self._need("binded")
        for module in self._modules:
            module.install_monitor(mon)

    # Running

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs of all modules."""
        self._need("binded", "params_initialized")
        # Each module gets the same object, with other data: subclasses of DataBatch keep what they carry.
        batch = copy.copy(data_batch)
        for i, module in enumerate(self._modules):
            module.forward(batch, is_train=is_train)
            if i + 1 == len(self._modules):
                break
            outputs = module.get_outputs()
            following = self._modules[i + 1]
            batch = _with_data(batch, outputs)
            if getattr(batch, "provide_data", None) is not None:
                names = following.data_names if self._metas[i + 1].get(self.META_AUTO_WIRING) else module.output_names
                batch.provide_data = [(name, out.shape) for name, out in zip(names, outputs)]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients, from the last module to the first."""
        self._need("binded", "params_initialized")
        for i, module in reversed(list(enumerate(self._modules))):
            module.backward(out_grads=out_grads)
            if i:
                out_grads = module.get_input_grads()

    def update(self) -> None:
        self._need("binded", "params_initialized", "optimizer_initialized")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        self._need("binded", "params_initialized")
        return self._modules[-1].get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        self._need("binded", "params_initialized")
        if not self.inputs_need_grad:
            raise AssertionError("bind the module with inputs_need_grad=True to get them")
        return self._modules[0].get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs of the modules that take labels."""
        self._need("binded", "params_initialized")
        for module, meta in zip(self._modules, self._metas):
            if meta.get(self.META_TAKE_LABELS):
                module.update_metric(eval_metric, labels, pre_sliced)


def _with_data(batch: Any, data: list) -> Any:
    """`batch` with other data; a new DataBatch where the object's cannot be changed (a namedtuple)."""
    try:
        batch.data = data
    except AttributeError:
        return DataBatch(data, getattr(batch, "label", None), getattr(batch, "pad", None))
    return batch
