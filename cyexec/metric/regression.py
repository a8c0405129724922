"""Distances between numbers, their correlation, and losses that a network computes itself."""

from __future__ import annotations

from typing import Any

import numpy

from .base import EvalMetric, alias, check_label_shapes, paired, register, to_numpy


class _Distance(EvalMetric):
    """Mean over batches of a distance of each batch."""

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            wanted, found = to_numpy(label), to_numpy(pred)
            # Vectors are columns, so that (N,) and (N, 1) do not broadcast to (N, N).
            wanted = wanted.reshape(-1, 1) if wanted.ndim == 1 else wanted
            found = found.reshape(-1, 1) if found.ndim == 1 else found
            self.add_up(self._distance(wanted - found), 1)

    def _distance(self, difference: numpy.ndarray) -> float:
        raise NotImplementedError


@register
class MAE(_Distance):
    """Mean absolute error of each batch, averaged over batches."""

    def __init__(self, name: str = "mae", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def _distance(self, difference: numpy.ndarray) -> float:
        return float(numpy.abs(difference).mean())


@register
class MSE(_Distance):
    """Mean squared error of each batch, averaged over batches."""

    def __init__(self, name: str = "mse", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def _distance(self, difference: numpy.ndarray) -> float:
        return float(numpy.square(difference).mean())


@register
class RMSE(_Distance):
    """Root of the mean squared error of each batch, averaged over batches."""

    def __init__(self, name: str = "rmse", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def _distance(self, difference: numpy.ndarray) -> float:
        return float(numpy.sqrt(numpy.square(difference).mean()))


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Correlation of labels and predictions.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    average : {"macro", "micro"}
        Average the correlations of batches, or take that of all examples.
    """

    def __init__(
        self, name: str = "pearsonr", output_names: Any = None, label_names: Any = None, average: str = "macro"
    ):
        self.average = average
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def reset(self) -> None:
        super().reset()
        self._all = _Moments()
        self._global = _Moments()

    def reset_local(self) -> None:
        super().reset_local()
        self._all = _Moments()

    def update(self, labels: Any, preds: Any) -> None:
        for label, pred in paired(labels, preds):
            check_label_shapes(label, pred, shape=True)
            x = to_numpy(label).ravel().astype(numpy.float64)
            y = to_numpy(pred).ravel().astype(numpy.float64)
            batch = _Moments()
            batch.add(x, y)
            if self.average == "macro":
                self.add_up(batch.correlation(), 1)
            else:
                self.num_inst += 1
                self.global_num_inst += 1
                self._all.add(x, y)
                self._global.add(x, y)

    def get(self) -> tuple[str, float]:
        if self.average == "macro" or not self.num_inst:
            return self.name, self.value_of(self.sum_metric, self.num_inst)
        return self.name, self._all.correlation()

    def get_global(self) -> tuple[str, float]:
        if self.average == "macro" or not self.global_num_inst:
            return self.name, self.value_of(self.global_sum_metric, self.global_num_inst)
        return self.name, self._global.correlation()


class _Moments:
    """Means and centred second moments of pairs, merged batch by batch.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", 1979, equation 2.1, for both variances and the covariance.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = numpy.zeros(2)
        self.second = numpy.zeros((2, 2))

    def add(self, x: numpy.ndarray, y: numpy.ndarray) -> None:
        pairs = numpy.stack([x, y])
        if not pairs.size:
            return
        mean = pairs.mean(axis=1)
        centred = pairs - mean[:, None]
        count = self.count + x.size
        step = mean - self.mean
        self.second += centred @ centred.T + numpy.outer(step, step) * (self.count * x.size / count)
        self.mean += step * (x.size / count)
        self.count = count

    def correlation(self) -> float:
        scale = numpy.sqrt(self.second[0, 0] * self.second[1, 1])
        return float(self.second[0, 1] / scale) if scale else float("nan")


@register
class Loss(EvalMetric):
    """Mean of all numbers in the outputs; labels do not matter."""

    def __init__(self, name: str = "loss", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, _: Any, preds: Any) -> None:
        for pred in [preds] if hasattr(preds, "shape") else preds:
            values = to_numpy(pred)
            self.add_up(float(values.sum()), values.size)


@register
class Torch(Loss):
    """`Loss` by another name."""

    def __init__(self, name: str = "torch", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """`Loss` by another name."""

    def __init__(self, name: str = "caffe", output_names: Any = None, label_names: Any = None):
        super().__init__(name, output_names, label_names)
