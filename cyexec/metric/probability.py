"""Metrics of the logarithm of the probability that a network gave to what was true."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .base import EvalMetric, alias, paired, register, to_numpy


def _probability_of_truth(label: Any, pred: Any) -> numpy.ndarray:
    """Probabilities, shape (N,), in `pred` of shape (N, classes) for the classes in `label`."""
    classes, probabilities = to_numpy(label).ravel(), to_numpy(pred)
    if classes.shape[0] != probabilities.shape[0]:
        raise AssertionError(f"{classes.shape[0]} labels for predictions of shape {probabilities.shape}")
    return probabilities[numpy.arange(classes.shape[0]), classes.astype(numpy.int64)]


@register
@alias("ce")
class CrossEntropy(EvalMetric):
    """Mean of ``-log(p + eps)``, where p is the probability of the true class.

    Parameters
    ----------
    eps : float
        Keeps the logarithm finite.
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    """

    def __init__(
        self, eps: float = 1e-12, name: str = "cross-entropy", output_names: Any = None, label_names: Any = None
    ):
        super().__init__(name, output_names, label_names, eps=eps, has_global_stats=True)
        self.eps = eps

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            p = _probability_of_truth(label, pred)
            self.add_up(float(-numpy.log(p + self.eps).sum()), p.shape[0])


@register
@alias("nll_loss")
class NegativeLogLikelihood(CrossEntropy):
    """The same as `CrossEntropy` under another name."""

    def __init__(self, eps: float = 1e-12, name: str = "nll-loss", output_names: Any = None, label_names: Any = None):
        super().__init__(eps, name, output_names, label_names)


@register
class Perplexity(EvalMetric):
    """Exponential of the mean of ``-log(max(p, 1e-10))``, where p is the probability of the true class.

    Parameters
    ----------
    ignore_label : int or None
        Examples of this class are not counted.
    axis : int
        Axis of the classes.
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    """

    def __init__(
        self,
        ignore_label: int | None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: Any = None,
        label_names: Any = None,
    ):
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, has_global_stats=True)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            classes, p = to_numpy(label), to_numpy(pred)
            if classes.size * p.shape[-1] != p.size:
                raise AssertionError(f"shape mismatch: labels {classes.shape}, predictions {p.shape}")
            p = numpy.moveaxis(p, self.axis, -1)
            rows = p.reshape(-1, p.shape[-1])
            chosen = classes.ravel().astype(numpy.int64)
            # As `pick`, classes outside of the range are moved to its end: padding is often marked by -1.
            inside = numpy.clip(chosen, 0, rows.shape[1] - 1)
            logs = numpy.log(numpy.maximum(rows[numpy.arange(len(rows)), inside], 1e-10))
            counted = numpy.ones(len(rows), bool) if self.ignore_label is None else chosen != self.ignore_label
            self.add_up(float(-logs[counted].sum()), int(counted.sum()))

    def value_of(self, total: float, count: float) -> float:
        return math.exp(total / count) if count else float("nan")
