"""What all modules share: the training loop, scoring, prediction."""

from __future__ import annotations

import difflib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import metric as metrics
from .. import ndarray as nd
from ..base import MXNetError
from ..checkpoint import BatchEndParam
from ..initializer import Uniform
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray

if TYPE_CHECKING:
    from ..symbol import Symbol

Params = dict[str, NDArray]
DEFAULT_INITIALIZER = Uniform(0.01)
DEFAULT_OPTIMIZER = (("learning_rate", 0.01),)


def as_list(value: Any) -> list:
    """A list or tuple as a list, None as an empty one, anything else as a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def descriptions(shapes: Any) -> list[DataDesc]:
    """Descriptions from (name, shape) pairs or descriptions."""
    return [s if isinstance(s, DataDesc) else DataDesc(*s) for s in shapes or ()]


def metric_of(given: Any) -> metrics.EvalMetric:
    """A metric from whatever `mx.metric.create` takes."""
    return given if isinstance(given, metrics.EvalMetric) else metrics.create(given)


def check_input_names(symbol: Symbol, names: Sequence[str], what: str, strict: bool) -> None:
    """Raise ValueError (or warn) where `names` has some that are no arguments of the symbol."""
    arguments = symbol.list_arguments()
    for name in names:
        if name in arguments:
            continue
        near = difflib.get_close_matches(name, arguments, 3)
        candidates = near or [a for a in arguments if not a.endswith(("_weight", "_bias", "_gamma", "_beta"))]
        message = (
            f"You created Module with Module(..., {what}_names={list(names)}) but input with name '{name}' is not "
            "found in symbol.list_arguments(). Did you mean one of:\n\t" + "\n\t".join(candidates)
        )
        if strict:
            raise ValueError(message)
        warnings.warn(message, stacklevel=4)


def parse_shapes(
    data_names: Sequence[str], label_names: Sequence[str], data_shapes: Any, label_shapes: Any
) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """Descriptions of data and labels. Raises ValueError where names of data do not match, warns for labels."""
    data = descriptions(data_shapes)
    labels = descriptions(label_shapes) or None
    for given, names, what in ((data, data_names, "data"), (labels or [], label_names, "label")):
        if sorted(d.name for d in given) != sorted(names):
            message = (
                f"Data provided by {what}_shapes don't match names specified by {what}_names ({given} vs. {list(names)})"
            )
            if what == "data":
                raise ValueError(message)
            warnings.warn(message, stacklevel=4)
    return data, labels


# Under these names scripts with modules of their own import them from MXNet.
_as_list, _check_input_names, _parse_data_desc = as_list, check_input_names, parse_shapes


class BaseModule:
    """A computation with parameters that can be trained. Derive from it and define what raises NotImplementedError here.

    A module goes through states: `bind` (shapes are known, memory is there), `init_params`, `init_optimizer`; then
    `forward`, `backward` and `update`, for each batch. `fit` does all of it.

    Attributes
    ----------
    binded, params_initialized, optimizer_initialized : bool
        How far it has come.
    for_training, inputs_need_grad : bool
        As bound.
    """

    def __init__(self, logger: Any = logging):
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Symbol | None = None

    # What it is

    @property
    def data_names(self) -> list[str]:
        """Names of the data."""
        raise NotImplementedError

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        raise NotImplementedError

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Descriptions of the data, as bound."""
        raise NotImplementedError

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Descriptions of the labels, as bound."""
        raise NotImplementedError

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the outputs, as bound."""
        raise NotImplementedError

    @property
    def symbol(self) -> Any:
        """The symbol that is computed."""
        return self._symbol

    def _need(self, *states: str) -> None:
        """Raise AssertionError, as MXNet does, where the module has not come as far as `states`."""
        calls = {
            "binded": "it is not bound: call bind(data_shapes=...) first",
            "params_initialized": "it has no parameters: call init_params() or set_params(...) first",
            "optimizer_initialized": "it has no optimizer: call init_optimizer() first",
        }
        for state in states:
            if not getattr(self, state):
                raise AssertionError(f"{type(self).__name__}: {calls[state]}")

    # One batch

    def forward_backward(self, data_batch: Any) -> None:
        """Compute outputs and gradients for a batch."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _train_on(self, data_batch: Any) -> None:
        """One step of training. A module that can do it faster than this does."""
        self.forward_backward(data_batch)
        self.update()

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Compute the outputs for a batch; `is_train` is by default as bound."""
        raise NotImplementedError

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients."""
        raise NotImplementedError

    def get_outputs(self, merge_multi_context: bool = True) -> list:
        """Outputs of the last `forward`."""
        raise NotImplementedError

    def get_input_grads(self, merge_multi_context: bool = True) -> list:
        """Gradients of the data from the last `backward`."""
        raise NotImplementedError

    def update(self) -> None:
        """Update the parameters by the gradients."""
        raise NotImplementedError

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Count the last outputs into a metric."""
        raise NotImplementedError

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Get ready for a batch to come. `sparse_row_id_fn` is about sparse parameters, which there are none of."""
        if sparse_row_id_fn is not None:
            warnings.warn("sparse_row_id_fn is ignored: parameters are dense", stacklevel=2)

    # Many batches

    def score(
        self,
        eval_data: DataIter,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        score_end_callback: Any = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> list[tuple[str, float]]:
        """Run over data and return a metric.

        Parameters
        ----------
        eval_data : DataIter
        eval_metric : EvalMetric, str, function or list
        num_batch : int, optional
            Stop after so many batches.
        batch_end_callback, score_end_callback : callable or list
            Called after each batch, and at the end, with a `BatchEndParam`.
        reset : bool
            Whether `eval_data` begins anew.
        epoch : int
            For callbacks.

        Returns
        -------
        list of (name, value)
        """
        self._need("binded", "params_initialized")
        if reset:
            eval_data.reset()
        eval_metric = metric_of(eval_metric)
        eval_metric.reset()
        actual_num_batch = 0
        for nbatch, eval_batch in enumerate(eval_data):
            if num_batch is not None and nbatch == num_batch:
                break
            self.prepare(eval_batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(eval_batch, is_train=False)
            self._count(eval_metric, eval_batch)
            for callback in as_list(batch_end_callback):
                callback(BatchEndParam(epoch=epoch, nbatch=nbatch, eval_metric=eval_metric, locals=locals()))
            actual_num_batch += 1
        for callback in as_list(score_end_callback):
            callback(BatchEndParam(epoch=epoch, nbatch=actual_num_batch, eval_metric=eval_metric, locals=locals()))
        return eval_metric.get_global_name_value()

    def _count(self, eval_metric: Any, batch: Any) -> None:
        """`update_metric` for a batch, or for a list of batches: one for each context."""
        if isinstance(batch, list):
            self.update_metric(eval_metric, [one.label for one in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def iter_predict(
        self,
        eval_data: DataIter,
        num_batch: int | None = None,
        reset: bool = True,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[list[NDArray], int, Any]]:
        """Yield (outputs without the batch's padding, number, batch) for each batch of `eval_data`.

        The outputs are views: the next batch overwrites them.
        """
        self._need("binded", "params_initialized")
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(eval_data):
            if num_batch is not None and nbatch == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(batch, is_train=False)
            pad = batch.pad or 0
            yield [out[0 : out.shape[0] - pad] for out in self.get_outputs()], nbatch, batch

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Run over data and return the outputs.

        Parameters
        ----------
        eval_data : DataIter, NDArray or numpy.ndarray
            An array is one batch.
        num_batch : int, optional
            Stop after so many batches.
        merge_batches : bool
            Join the batches' outputs along the first axis; otherwise a list of lists is returned, one for each batch.
        reset : bool
            Whether `eval_data` begins anew.
        always_output_list : bool
            Return a list for a single output too.

        Raises
        ------
        ValueError
            `eval_data` is none of these.
        """
        self._need("binded", "params_initialized")
        if isinstance(eval_data, (NDArray, np.ndarray)):
            array = eval_data if isinstance(eval_data, NDArray) else nd.array(eval_data)
            self.forward(DataBatch([array]), is_train=False)
            return self.get_outputs()[0]
        if not isinstance(eval_data, DataIter) and not (hasattr(eval_data, "reset") and hasattr(eval_data, "__iter__")):
            raise ValueError("eval_data must be of type NDArray or DataIter")
        batches = [
            [out.copy() for out in outputs]
            for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn)
        ]
        if not batches or not merge_batches:
            return batches
        counts = {len(outputs) for outputs in batches}
        if len(counts) > 1:
            raise AssertionError(
                f"Cannot merge batches, as num of outputs is not the same in mini-batches: {sorted(counts)}. Maybe "
                "bucketing is used?"
            )
        merged = [nd.concatenate(list(parts)) for parts in zip(*batches)]
        return merged[0] if len(merged) == 1 and not always_output_list else merged

    def fit(
        self,
        train_data: DataIter,
        eval_data: DataIter | None = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        """Train.

        Parameters
        ----------
        train_data, eval_data : DataIter
            For training, and for scoring after each epoch.
        eval_metric, validation_metric : EvalMetric, str, function or list
            Of the training data, and of `eval_data` (by default the same one).
        epoch_end_callback : callable or list
            Called after each epoch with (epoch, symbol, arg_params, aux_params).
        batch_end_callback, eval_batch_end_callback : callable or list
            Called after each batch with a `BatchEndParam`.
        eval_end_callback : callable or list
            Called after each scoring with a `BatchEndParam`.
        kvstore, optimizer, optimizer_params
            See `init_optimizer`.
        initializer, arg_params, aux_params, allow_missing, force_init
            See `init_params`.
        force_rebind : bool
            Bind anew if the module is bound already.
        begin_epoch, num_epoch : int
            Number of the first epoch, and of the one after the last.
        monitor : Monitor, optional
            Installed first; its lines are logged.

        Raises
        ------
        AssertionError
            `num_epoch` is missing.
        """
        if num_epoch is None:
            raise AssertionError("please specify number of epochs: num_epoch")
        self.bind(
            data_shapes=train_data.provide_data, label_shapes=train_data.provide_label, for_training=True,
            force_rebind=force_rebind,
        )  # fmt: skip
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(
            initializer=initializer, arg_params=arg_params, aux_params=aux_params, allow_missing=allow_missing,
            force_init=force_init,
        )  # fmt: skip
        self.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params)
        if validation_metric is None:
            validation_metric = eval_metric
        eval_metric = metric_of(eval_metric)

        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            eval_metric.reset()
            nbatch = 0
            data_iter = iter(train_data)
            end_of_batch = False
            next_data_batch = next(data_iter)
            eval_name_vals: list[tuple[str, float]] = []
            while not end_of_batch:
                data_batch = next_data_batch
                if monitor is not None:
                    monitor.tic()
                self._train_on(data_batch)
                self._count(eval_metric, data_batch)
                try:
                    next_data_batch = next(data_iter)
                    self.prepare(next_data_batch, sparse_row_id_fn=sparse_row_id_fn)
                except StopIteration:
                    end_of_batch = True
                if monitor is not None:
                    monitor.toc_print()
                if end_of_batch:  # before a callback may reset it
                    eval_name_vals = eval_metric.get_global_name_value()
                for callback in as_list(batch_end_callback):
                    callback(BatchEndParam(epoch=epoch, nbatch=nbatch, eval_metric=eval_metric, locals=locals()))
                nbatch += 1

            for name, value in eval_name_vals:
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            # Several contexts have auxiliary states of their own: they all go on from the mean.
            arg_params, aux_params = self.get_params()
            self.set_params(arg_params, aux_params)
            for callback in as_list(epoch_end_callback):
                callback(epoch, self.symbol, arg_params, aux_params)
            if eval_data is not None:
                found = self.score(
                    eval_data, validation_metric, score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback, epoch=epoch,
                )  # fmt: skip
                for name, value in found:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    # Getting ready

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
        """Allocate memory for the given shapes."""
        raise NotImplementedError

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = DEFAULT_OPTIMIZER,
        force_init: bool = False,
    ) -> None:
        """Set the optimizer."""
        raise NotImplementedError

    def install_monitor(self, mon: Any) -> None:
        """Let a monitor watch the executors."""
        raise NotImplementedError

    # Parameters

    def get_params(self) -> tuple[Params, Params]:
        """Copies of the parameters and auxiliary states."""
        raise NotImplementedError

    def init_params(
        self,
        initializer: Any = DEFAULT_INITIALIZER,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters, given ones or by an initialiser."""
        raise NotImplementedError

    def set_params(
        self,
        arg_params: Mapping[str, NDArray] | None,
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters to given ones; see `init_params`."""
        # Users' modules from before MXNet 0.12 have an `init_params` that does not know `allow_extra`.
        extra = {"allow_extra": True} if allow_extra else {}
        self.init_params(
            initializer=None, arg_params=arg_params, aux_params=aux_params, allow_missing=allow_missing,
            force_init=force_init, **extra,
        )  # fmt: skip

    def save_params(self, fname: str) -> None:
        """Save the parameters to a file: all of it, or nothing."""
        args, auxs = self.get_params()
        nd.save(fname, {**{f"arg:{n}": v for n, v in args.items()}, **{f"aux:{n}": v for n, v in auxs.items()}})

    def load_params(self, fname: str) -> None:
        """Set the parameters from a file. Raises MXNetError when it is broken or none of parameters."""
        loaded = nd.load(fname)
        parts: dict[str, Params] = {"arg": {}, "aux": {}}
        for name, value in (loaded if isinstance(loaded, dict) else {"": None}).items():
            kind, _, rest = name.partition(":")
            if kind not in parts or value is None:
                raise MXNetError(f"Invalid param file {fname}: entry '{name}' is neither 'arg:NAME' nor 'aux:NAME'")
            parts[kind][rest] = value
        self.set_params(parts["arg"], parts["aux"])

    def get_states(self, merge_multi_context: bool = True) -> list:
        """States of a module that has some (`state_names`)."""
        self._need("binded", "params_initialized")
        if merge_multi_context:
            raise AssertionError(f"{type(self).__name__} has no states to merge")
        return []

    def set_states(self, states: Sequence[Any] | None = None, value: float | None = None) -> None:
        """Set the states; a module without any takes none."""
        self._need("binded", "params_initialized")
        if states or value is not None:
            raise AssertionError(f"{type(self).__name__} has no states")
