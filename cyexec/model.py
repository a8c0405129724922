"""Checkpoints, and `FeedForward`, MXNet's trainer before there were modules: ``mx.model``."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import MXNetError
from .callback import LogValidationMetricsCallback
from .checkpoint import BatchEndParam, load_checkpoint, load_params, save_checkpoint
from .context import Context, current_context
from .initializer import Uniform
from .io import DataIter, NDArrayIter
from .kvstore import create_for as _create_kvstore
from .module import BucketingModule, Module
from .module.base_module import as_list, metric_of
from .module.training import update_by_updater as _update_params
from .module.training import update_on_store as _update_params_on_kvstore
from .ndarray import NDArray
from .symbol import Symbol

if TYPE_CHECKING:
    from collections.abc import Iterator

Params = dict[str, NDArray]
DEFAULT_INITIALIZER = Uniform(0.01)


def _initialize_kvstore(
    kvstore: Any, param_arrays: Any, arg_params: Mapping[str, NDArray], param_names: Any, update_on_kvstore: bool
) -> None:
    """Give a store the first values of all parameters; the contexts pull them if the store is to update them."""
    for name, arrays in zip(param_names, param_arrays):
        kvstore.init(name, arg_params[name])
        if update_on_kvstore:
            kvstore.pull(name, arrays)


class FeedForward:
    """A network with its training: the interface before `Module`, which scripts should use now.

    Parameters
    ----------
    symbol : Symbol or callable
        A callable makes one from a bucket key, for iterators with a ``default_bucket_key`` whose batches have a
        ``bucket_key``.
    ctx : Context or list of Context
    num_epoch : int
        Epochs that `fit` trains.
    epoch_size : int, optional
        Batches that count as an epoch; by default all that the iterator gives.
    optimizer : str or Optimizer
    initializer : Initializer
    numpy_batch_size : int
        Batch size where data are arrays.
    arg_params, aux_params : dict of str to NDArray, optional
        Parameters to begin with.
    allow_extra_params : bool
        Whether these may have some that the symbol has not.
    begin_epoch : int
        Number of the first epoch.
    **kwargs
        Parameters of the optimizer.
    """

    def __init__(
        self,
        symbol: Symbol | Callable[[Any], Symbol],
        ctx: Context | Sequence[Context] | None = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = DEFAULT_INITIALIZER,
        numpy_batch_size: int = 128,
        arg_params: Params | None = None,
        aux_params: Params | None = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ):
        warnings.warn(
            "mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        if not isinstance(symbol, Symbol) and not callable(symbol):
            raise TypeError(f"FeedForward: expected a Symbol, or a function that makes one, found {type(symbol)}")
        self.sym_gen = None if isinstance(symbol, Symbol) else symbol
        # Where it is generated: the default bucket's, once an iterator has told which that is.
        self.symbol: Any = symbol
        self.ctx = [ctx] if isinstance(ctx, Context) else list(ctx or [current_context()])
        self.num_epoch = num_epoch
        self.epoch_size = epoch_size
        self.kwargs = dict(kwargs)
        self.optimizer = optimizer
        self.initializer = initializer
        self.numpy_batch_size = numpy_batch_size
        self.arg_params = arg_params
        self.aux_params = aux_params
        self.allow_extra_params = allow_extra_params
        self.begin_epoch = begin_epoch
        if self.sym_gen is None:
            self._drop_extra_params()
        # What the module for prediction was made of, and the module.
        self._predictor: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the module for prediction, which is made anew when it is needed."""
        return {**self.__dict__, "_predictor": None}

    def _drop_extra_params(self) -> None:
        if self.allow_extra_params:
            return
        known = {*self.symbol.list_arguments(), *self.symbol.list_auxiliary_states()}
        self.arg_params, self.aux_params = (
            None if given is None else {n: v for n, v in given.items() if n in known}
            for given in (self.arg_params, self.aux_params)
        )

    # Data

    def _iterator(self, data: Any, labels: Any, is_train: bool) -> Any:
        """An iterator over whatever the user gave."""
        if isinstance(data, (np.ndarray, NDArray)):
            if labels is None:
                if is_train:
                    raise ValueError("y must be specified when X is numpy.ndarray")
                labels = np.zeros(data.shape[0])
            labels = labels if isinstance(labels, NDArray) else np.asarray(labels)
            if labels.ndim == 2 and labels.shape[1] == 1:
                labels = labels.reshape((-1,))
            if labels.ndim != 1:
                raise ValueError("Label must be 1D or 2D (with 2nd dimension being 1)")
            if data.shape[0] != labels.shape[0]:
                raise ValueError("The numbers of data points and labels not equal")
            size = min(data.shape[0], self.numpy_batch_size)
            # In prediction the padding is dropped; MXNet trains on what an epoch leaves over in the next one.
            handling = "roll_over" if is_train else "pad"
            return NDArrayIter(data, labels, size, shuffle=is_train, last_batch_handle=handling)
        if not isinstance(data, DataIter) and not hasattr(data, "provide_data"):
            raise TypeError(f"X must be DataIter, NDArray or numpy.ndarray, found {type(data)}")
        return data

    def _evaluation(self, eval_data: Any) -> Any:
        if eval_data is None:
            return None
        if isinstance(eval_data, (tuple, list)) and len(eval_data) == 2:
            if eval_data[0] is None:
                raise ValueError("Eval data is NONE")
            data, labels = (np.asarray(v) if isinstance(v, list) else v for v in eval_data)
            return self._iterator(data, labels, is_train=isinstance(data, np.ndarray))
        if not hasattr(eval_data, "provide_data"):
            raise TypeError(f"Eval data must be DataIter, or NDArray/numpy.ndarray/list pair, found {type(eval_data)}")
        return eval_data

    def _module(self, data: Any, for_training: bool, logger: Any = logging, work_load_list: Any = None) -> Any:
        """A module bound for the iterator's shapes, with the parameters."""
        generate = self.sym_gen
        if generate is not None:
            self.symbol = generate(data.default_bucket_key)
            self._drop_extra_params()
        arguments = self.symbol.list_arguments()
        labels = [d for d in data.provide_label or () if d[0] in arguments]
        names = [d[0] for d in data.provide_data], [d[0] for d in labels] or None
        options = {"context": self.ctx, "logger": logger, "work_load_list": work_load_list}
        module: Any
        if generate is None:
            module = Module(self.symbol, *names, **options)
        else:
            module = BucketingModule(lambda key: (generate(key), *names), data.default_bucket_key, **options)
        module.bind(data.provide_data, labels or None, for_training=for_training)
        if for_training:
            module.init_params(
                self.initializer, self.arg_params, self.aux_params, allow_missing=True,
                allow_extra=self.allow_extra_params,
            )  # fmt: skip
            return module
        if self.arg_params is None:
            raise MXNetError("the model has no parameters: call fit, or give arg_params")
        inputs = {*names[0], *(names[1] or ())}
        missing = [n for n in arguments if n not in self.arg_params and n not in inputs and not n.endswith("label")]
        if missing:
            raise RuntimeError(f"{missing[0]} is not presented (missing parameters: {', '.join(missing[:5])})")
        module.set_params(self.arg_params, self.aux_params, allow_missing=True, allow_extra=True)
        return module

    def _module_for_prediction(self, data: Any) -> Any:
        """The module of the last prediction, where shapes and parameters are still the same; else a new one."""
        held = [a._storage for params in (self.arg_params, self.aux_params) for a in (params or {}).values()]
        shapes = [[(d[0], tuple(d[1])) for d in descs or ()] for descs in (data.provide_data, data.provide_label)]
        network = self.symbol if self.sym_gen is None else self.sym_gen  # the module keeps it: its id stays its own
        made_of = id(network), shapes, held, [storage.version for storage in held]
        if self._predictor is None or self._predictor[0] != made_of:
            self._predictor = made_of, self._module(data, False)
        return self._predictor[1]

    # Training

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        monitor: Any = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),  # noqa: B008  # it has no state
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Train for `num_epoch` epochs.

        Parameters
        ----------
        X : DataIter, NDArray or numpy.ndarray
        y : array, optional
            Labels, where `X` is an array.
        eval_data : DataIter, or pair of arrays, optional
        eval_metric, epoch_end_callback, batch_end_callback, kvstore, monitor, eval_end_callback, eval_batch_end_callback
            See `BaseModule.fit`.
        logger : logging.Logger, optional
        work_load_list : list of number, optional
            See `Module`.
        """
        if self.num_epoch is None:
            raise TypeError("fit: the model was made without num_epoch")
        logger = logger or logging
        data, eval_data = self._iterator(X, y, is_train=True), self._evaluation(eval_data)
        module = self._module(data, True, logger, work_load_list)
        module.init_optimizer(kvstore=kvstore, optimizer=self.optimizer, optimizer_params=self.kwargs)
        if monitor is not None:
            module.install_monitor(monitor)
        eval_metric = metric_of(eval_metric)
        logger.info("Start training with %s", str(self.ctx))
        data.reset()
        for epoch in range(self.begin_epoch, self.num_epoch):
            tic = time.time()
            eval_metric.reset()
            for nbatch, data_batch in enumerate(self._epoch(data, epoch, logger), 1):
                if monitor is not None:
                    monitor.tic()
                module.forward_backward(data_batch)
                module.update()
                if monitor is not None:
                    monitor.toc_print()
                module.update_metric(eval_metric, data_batch.label)
                for callback in as_list(batch_end_callback):
                    callback(BatchEndParam(epoch=epoch, nbatch=nbatch, eval_metric=eval_metric, locals=locals()))
            logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            self.arg_params, self.aux_params = module.get_params()
            for callback in as_list(epoch_end_callback):
                callback(epoch, self.symbol, self.arg_params, self.aux_params)
            if eval_data is not None:
                module.score(
                    eval_data, eval_metric, batch_end_callback=eval_batch_end_callback,
                    score_end_callback=eval_end_callback, epoch=epoch,
                )  # fmt: skip

    def _epoch(self, data: Any, epoch: int, logger: Any) -> Iterator[Any]:
        """The batches of one epoch: all of the iterator, or `epoch_size`, for which it may begin anew."""
        count = 0
        while True:
            for batch in data:
                yield batch
                count += 1
                if count == self.epoch_size:
                    return
            logger.info("Epoch[%d] Resetting Data Iterator", epoch)
            data.reset()
            if self.epoch_size is None or count >= self.epoch_size:
                return

    # Using it

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """Return the outputs as NumPy arrays: one, or a list of several.

        Parameters
        ----------
        X : DataIter, NDArray or numpy.ndarray
        num_batch : int, optional
            Stop after so many batches.
        return_data : bool
            Return (outputs, data, labels).
        reset : bool
            Whether an iterator begins anew.
        """
        data = self._iterator(X, None, is_train=False)
        module = self._module_for_prediction(data)
        found: list[list[list[np.ndarray]]] = []
        for outputs, _, batch in module.iter_predict(data, num_batch, reset):
            pad = batch.pad or 0
            kept = [[a[0 : a.shape[0] - pad] for a in arrays] for arrays in (batch.data, batch.label or ())]
            wanted = (outputs, *kept) if return_data else (outputs,)
            found.append([[a.asnumpy() for a in arrays] for arrays in wanted])
        joined = [[np.concatenate(parts) for parts in zip(*kind)] for kind in zip(*found)]
        results = [arrays[0] if len(arrays) == 1 else arrays for arrays in joined]
        return tuple(results) if return_data else results[0]

    def score(
        self, X: Any, eval_metric: Any = "acc", num_batch: int | None = None, batch_end_callback: Any = None,
        reset: bool = True,
    ) -> Any:  # fmt: skip
        """Return the value of a metric over a DataIter (or an array, with labels of zero)."""
        data = self._iterator(X, None, is_train=False)
        eval_metric = metric_of(eval_metric)
        self._module_for_prediction(data).score(data, eval_metric, num_batch, batch_end_callback, reset=reset)
        return eval_metric.get()[1]

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Save a checkpoint; by default under the number of the last epoch."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None:
            raise AssertionError("save: epoch must be given where the model has no num_epoch")
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params or {}, self.aux_params or {}, remove_amp_cast)

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """Make a model from a checkpoint."""
        symbol, args, auxs = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx=ctx, arg_params=args, aux_params=auxs, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(
        symbol: Symbol,
        X: Any,
        y: Any = None,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = DEFAULT_INITIALIZER,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),  # noqa: B008
        eval_batch_end_callback: Any = None,
        **kwargs: Any,
    ) -> FeedForward:
        """Make a model and train it; see `FeedForward` and `fit`."""
        model = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        model.fit(
            X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, logger, work_load_list,
            eval_end_callback=eval_end_callback, eval_batch_end_callback=eval_batch_end_callback,
        )  # fmt: skip
        return model


__all__ = [
    "BatchEndParam", "FeedForward", "_create_kvstore", "_initialize_kvstore", "_update_params",
    "_update_params_on_kvstore", "load_checkpoint", "load_params", "save_checkpoint",
]  # fmt: skip
