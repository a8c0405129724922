"""Modules written in Python: most of it does nothing, so that a class has to define little."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..io import DataDesc
from ..ndarray import NDArray
from .base_module import DEFAULT_INITIALIZER, DEFAULT_OPTIMIZER, BaseModule, Params


class PythonModule(BaseModule):
    """A module without parameters. Derive from it and define `forward`, `backward` and `_compute_output_shapes`.

    Parameters
    ----------
    data_names, label_names, output_names : list of str
    logger : logging.Logger
    """

    def __init__(
        self,
        data_names: Sequence[str],
        label_names: Sequence[str] | None,
        output_names: Sequence[str],
        logger: Any = logging,
    ):
        super().__init__(logger=logger)
        self._data_names = list(data_names)
        self._label_names = list(label_names) if label_names is not None else None
        self._output_names = list(output_names)
        self._data_shapes: Any = None
        self._label_shapes: Any = None
        self._output_shapes: Any = None

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return self._output_shapes

    # Parameters: there are none.

    def get_params(self) -> tuple[Params, Params]:
        return {}, {}

    def init_params(
        self,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Do nothing."""

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        force_init: bool = False,
    ) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the outputs, if the module takes labels."""
        if self._label_shapes is None:
            return
        if pre_sliced:
            raise RuntimeError("PythonModule does not support presliced labels")
        eval_metric.update_dict(
            dict(zip(self._label_names or (), labels)), dict(zip(self._output_names, self.get_outputs()))
        )

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
        """Take in the shapes; `_compute_output_shapes` is called to tell those of the outputs."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            raise AssertionError("Python module only support write gradient")
        names = [d[0] for d in data_shapes]
        if names != self._data_names:
            raise AssertionError(f"data_shapes are of {names}, expected {self._data_names}")
        if label_shapes is not None and [d[0] for d in label_shapes] != self._label_names:
            raise AssertionError(f"label_shapes are of {[d[0] for d in label_shapes]}, expected {self._label_names}")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = data_shapes, label_shapes
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return (name, shape) of every output, from `_data_shapes` and `_label_shapes`."""
        raise NotImplementedError(f"{type(self).__name__} must define _compute_output_shapes")


class PythonLossModule(PythonModule):
    """A loss: its output is its data (scores), its gradient a function of scores and labels.

    Parameters
    ----------
    name : str
        Beginning of the output's name.
    data_names, label_names : list of one str
    logger : logging.Logger
    grad_func : callable, optional
        (scores, labels) -> gradient of the loss by the scores, an array. Without one, define `_backward_impl`.
    """

    def __init__(
        self,
        name: str = "pyloss",
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: Any = logging,
        grad_func: Callable[[NDArray, NDArray], Any] | None = None,
    ):
        super().__init__(data_names, label_names, [f"{name}_output"], logger=logger)
        if len(data_names) != 1 or len(label_names) != 1:
            raise AssertionError("a loss takes one array of scores and one of labels")
        if grad_func is not None and not callable(grad_func):
            raise AssertionError("grad_func must be callable")
        self._name = name
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: Any = None
        self._grad_func = grad_func

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(self._output_names[0], tuple(self._data_shapes[0][1]))]

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Take in scores and, in training, labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        if not merge_multi_context:
            raise AssertionError("PythonLossModule: outputs are of one context")
        return [self._scores]

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradient of the scores."""
        if out_grads is not None:
            raise AssertionError("For a loss module, out_grads should be None")
        if not self.for_training:
            raise AssertionError("re-bind with for_training=True to run backward")
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise NotImplementedError(f"{type(self).__name__} must define _backward_impl, or be given a grad_func")
        grad = self._grad_func(self._scores, self._labels)
        self._scores_grad = grad if isinstance(grad, NDArray) else nd.array(np.asarray(grad))

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        if not merge_multi_context:
            raise AssertionError("PythonLossModule: gradients are of one context")
        return [self._scores_grad]

    def install_monitor(self, mon: Any) -> None:
        """Raise NotImplementedError: there is no executor to watch."""
        raise NotImplementedError("PythonLossModule has no executor that a monitor could watch")
