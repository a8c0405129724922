"""What a training loop calls after batches and epochs: log lines, progress, checkpoints.

Batch callbacks get one argument with `epoch`, `nbatch`, `eval_metric` and `locals` (`cyexec.model.BatchEndParam`); epoch
callbacks get ``(epoch, symbol, arg_params, aux_params)``. Log lines are MXNet's to the letter: scripts parse them.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from .checkpoint import save_checkpoint


def _every(period: float, save: Callable[..., Any]) -> Callable[..., None]:
    """An epoch callback that saves after every `period` epochs (at least 1), numbered from 1."""
    period = int(max(1, period))

    def after_epoch(epoch: int, symbol: Any = None, arg_params: Any = None, aux_params: Any = None) -> None:
        if (epoch + 1) % period == 0:
            save(epoch + 1, symbol, arg_params, aux_params)

    return after_epoch


def module_checkpoint(
    mod: Any, prefix: str, period: float = 1, save_optimizer_states: bool = False
) -> Callable[..., None]:
    """Return an epoch callback that saves a module, optionally with its optimizer's states.

    Parameters
    ----------
    mod : Module
    prefix : str
        Path and beginning of the file names.
    period : int
        Epochs between checkpoints.
    save_optimizer_states : bool
    """
    return _every(period, lambda epoch, *_: mod.save_checkpoint(prefix, epoch, save_optimizer_states))


def do_checkpoint(prefix: str, period: float = 1) -> Callable[..., None]:
    """Return an epoch callback that saves symbol and parameters: ``PREFIX-symbol.json``, ``PREFIX-0001.params`` etc."""
    return _every(period, lambda epoch, *parts: save_checkpoint(prefix, epoch, *parts))


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """Return a batch callback that logs the metric every `period` batches, and then resets it if asked to."""

    def after_batch(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return after_batch


class Speedometer:
    """Log speed and metrics every `frequent` batches.

    Parameters
    ----------
    batch_size : int
        Examples of a batch.
    frequent : int
        Batches between two lines.
    auto_reset : bool
        Whether the metrics of a line are those of the batches since the line before, or since the epoch began.
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True):
        self.batch_size = batch_size
        self.frequent = frequent
        self.init = False
        self.tic = 0.0
        self.last_count = 0
        self.auto_reset = auto_reset

    def __call__(self, param: Any) -> None:
        count = param.nbatch
        if self.last_count > count:  # a new epoch
            self.init = False
        self.last_count = count
        if not self.init:
            self.init = True
            self.tic = time.time()
            return
        if count % self.frequent:
            return
        seconds = time.time() - self.tic
        speed = self.frequent * self.batch_size / seconds if seconds else float("inf")
        if param.eval_metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, count, speed)
        else:
            pairs = param.eval_metric.get_name_value()
            first = 0
            if self.auto_reset:
                param.eval_metric.reset_local()
                first = count - self.frequent
            line = "Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(pairs)
            logging.info(line, param.epoch, first, count, speed, *(part for pair in pairs for part in pair))
        self.tic = time.time()


class ProgressBar:
    """Log a bar of text that shows how much of an epoch is done.

    Parameters
    ----------
    total : int
        Batches of an epoch.
    length : int
        Characters of the bar.
    """

    def __init__(self, total: int, length: int = 80):
        self.total = total
        self.bar_len = length

    def __call__(self, param: Any) -> None:
        done = param.nbatch / float(self.total)
        filled = round(self.bar_len * done)
        bar = "=" * filled + "-" * (self.bar_len - filled)
        logging.info("[%s] %s%s\r", bar, math.ceil(100.0 * done), "%")


class LogValidationMetricsCallback:
    """Log the metrics of a validation pass; an `eval_end_callback`."""

    def __call__(self, param: Any) -> None:
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
