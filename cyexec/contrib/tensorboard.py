"""Metrics in TensorBoard: a callback for `fit`, which writes with mxboard, tensorboardX or torch, whichever is there."""

from __future__ import annotations

import importlib
from typing import Any

# Packages that have a SummaryWriter with `add_scalar`, MXNet's own choice first.
_WRITERS = ("mxboard", "tensorboardX", "torch.utils.tensorboard")


class LogMetricsCallback:
    """A batch or evaluation callback that writes every value of the metric.

    Parameters
    ----------
    logging_dir : str
        Folder of the event files.
    prefix : str, optional
        Written as ``PREFIX-NAME``, to tell curves in one plot apart.

    Raises
    ------
    ImportError
        No package with a writer is installed.
    """

    def __init__(self, logging_dir: str, prefix: str | None = None):
        self.prefix = prefix
        self.summary_writer: Any = _writer(logging_dir)

    def __call__(self, param: Any) -> None:
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            tag = name if self.prefix is None else f"{self.prefix}-{name}"
            self.summary_writer.add_scalar(tag, value, global_step=param.epoch)


def _writer(folder: str) -> Any:
    for package in _WRITERS:
        try:
            return importlib.import_module(package).SummaryWriter(folder)
        except ImportError:
            continue
    raise ImportError(f"LogMetricsCallback writes with one of {', '.join(_WRITERS)}; install one: `pip install mxboard`")
