"""Metrics of the classes that a network chose."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .base import EvalMetric, alias, check_label_shapes, paired, register, to_numpy


@register
@alias("acc")
class Accuracy(EvalMetric):
    """Share of examples whose class was chosen.

    Parameters
    ----------
    axis : int
        Axis of the classes in predictions. Predictions of the labels' shape are classes themselves.
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    """

    def __init__(self, axis: int = 1, name: str = "accuracy", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names, axis=axis, has_global_stats=True)
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            wanted, found = to_numpy(label), to_numpy(pred)
            if found.shape != wanted.shape:
                found = found.argmax(axis=self.axis)
            wanted, found = wanted.astype(numpy.int32).ravel(), found.astype(numpy.int32).ravel()
            check_label_shapes(wanted, found)
            self.add_up(int((wanted == found).sum()), found.size)


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """Share of examples whose class is among the `top_k` most likely.

    Parameters
    ----------
    top_k : int
        At least 2. The name gets it as suffix: ``top_k_accuracy_5``.
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.

    Notes
    -----
    Predictions of shape (N,) are classes. Which of equally likely classes counts is not defined.
    """

    def __init__(
        self, top_k: int = 1, name: str = "top_k_accuracy", output_names: Any = None, label_names: Any = None
    ):
        super().__init__(f"{name}_{top_k}", output_names, label_names, top_k=top_k, has_global_stats=True)
        if top_k <= 1:
            raise AssertionError("Please use Accuracy if top_k is no more than 1")
        self.top_k = top_k

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            wanted, found = to_numpy(label).astype(numpy.int32).ravel(), to_numpy(pred)
            if found.ndim > 2:
                raise AssertionError(f"predictions must have at most 2 dimensions, not shape {found.shape}")
            check_label_shapes(wanted, found)
            if found.ndim == 1:
                hits = found.astype(numpy.int32) == wanted
            else:
                k = min(self.top_k, found.shape[1])
                best = numpy.argpartition(found.astype(numpy.float32), -k, axis=1)[:, -k:]
                hits = (best == wanted[:, None]).any(axis=1)
            self.add_up(int(hits.sum()), wanted.size)


class _Counts:
    """True and false, positive and negative: sums over batches."""

    def __init__(self) -> None:
        self.tp = self.fp = self.tn = self.fn = 0

    def add(self, label: Any, pred: Any) -> None:
        wanted = to_numpy(label).astype(numpy.int32).ravel()
        chosen = to_numpy(pred).argmax(axis=1).ravel()
        check_label_shapes(wanted, chosen)
        if len(numpy.unique(wanted)) > 2:
            raise ValueError("F1 and MCC are for two classes; the labels have more")
        self.tp += int(((chosen == 1) & (wanted == 1)).sum())
        self.fp += int(((chosen == 1) & (wanted != 1)).sum())
        self.fn += int(((chosen != 1) & (wanted == 1)).sum())
        self.tn += int(((chosen != 1) & (wanted != 1)).sum())

    def merge(self, other: _Counts) -> None:
        self.tp, self.fp = self.tp + other.tp, self.fp + other.fp
        self.tn, self.fn = self.tn + other.tn, self.fn + other.fn

    @property
    def total(self) -> int:
        return self.tp + self.fp + self.tn + self.fn


class _Binary(EvalMetric):
    """A score of two classes: averaged over batches ("macro"), or of all examples ("micro")."""

    def __init__(self, name: str, output_names: Any, label_names: Any, average: str):
        self.average = average
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def _score(self, counts: _Counts) -> float:
        raise NotImplementedError

    def reset(self) -> None:
        super().reset()
        self._local, self._global = _Counts(), _Counts()

    def reset_local(self) -> None:
        super().reset_local()
        self._local = _Counts()

    def update(self, labels: Any, preds: Any) -> None:
        batch = _Counts()
        for label, pred in paired(labels, preds):
            batch.add(label, pred)
        if self.average == "macro":
            self.add_up(self._score(batch), 1)
            return
        self._local.merge(batch)
        self._global.merge(batch)
        self.num_inst, self.global_num_inst = self._local.total, self._global.total
        self.sum_metric = self._score(self._local) * self.num_inst
        self.global_sum_metric = self._score(self._global) * self.global_num_inst


@register
class F1(_Binary):
    """Harmonic mean of precision and recall of class 1.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    average : {"macro", "micro"}
        Average the scores of batches, or take that of all examples.

    Raises
    ------
    ValueError
        By `update`: labels of more than two classes.
    """

    def __init__(self, name: str = "f1", output_names: Any = None, label_names: Any = None, average: str = "macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, counts: _Counts) -> float:
        # 2 p r / (p + r), written without p and r, which may be 0 / 0.
        return 2 * counts.tp / (2 * counts.tp + counts.fp + counts.fn) if counts.tp else 0.0


@register
class MCC(_Binary):
    """Matthews' correlation of chosen and true class, for two classes. Parameters as `F1`.

    References
    ----------
    B. W. Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme", 1975.
    """

    def __init__(self, name: str = "mcc", output_names: Any = None, label_names: Any = None, average: str = "macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, counts: _Counts) -> float:
        tp, fp, tn, fn = counts.tp, counts.fp, counts.tn, counts.fn
        product = 1
        for factor in (tp + fp, tp + fn, tn + fp, tn + fn):
            product *= factor or 1
        return (tp * tn - fp * fn) / math.sqrt(product)


@register
class PCC(EvalMetric):
    """`MCC` for any number of classes: correlation from the confusion matrix of all examples.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    has_global_stats : bool
        Whether `get_global` has values of its own.

    References
    ----------
    J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004, equation 8.
    """

    def __init__(
        self, name: str = "pcc", output_names: Any = None, label_names: Any = None, has_global_stats: bool = True
    ):
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def reset(self) -> None:
        super().reset()
        self._local = self._global = numpy.zeros((2, 2))

    def reset_local(self) -> None:
        super().reset_local()
        self._local = numpy.zeros((2, 2))

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            wanted = to_numpy(label).astype(numpy.int64).ravel()
            chosen = to_numpy(pred).argmax(axis=1).ravel()
            check_label_shapes(wanted, chosen)
            size = int(max(wanted.max(initial=0), chosen.max(initial=0))) + 1
            batch = numpy.zeros((size, size))
            numpy.add.at(batch, (chosen, wanted), 1)
            self._local = _added(self._local, batch)
            self._global = _added(self._global, batch)
        self.num_inst += 1
        self.global_num_inst += 1
        self.sum_metric = _correlation(self._local) * self.num_inst
        self.global_sum_metric = _correlation(self._global) * self.global_num_inst


def _added(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """Sum of two square matrices, the smaller one filled up with zeros."""
    size = max(len(a), len(b))
    out = numpy.zeros((size, size))
    out[: len(a), : len(a)] += a
    out[: len(b), : len(b)] += b
    return out


def _correlation(confusion: numpy.ndarray) -> float:
    n, chosen, wanted = confusion.sum(), confusion.sum(axis=1), confusion.sum(axis=0)
    scale = numpy.sqrt((n * n - chosen @ chosen) * (n * n - wanted @ wanted))
    return float((n * numpy.trace(confusion) - chosen @ wanted) / scale) if scale else float("nan")
