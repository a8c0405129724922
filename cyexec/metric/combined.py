"""Several metrics as one, and metrics made from functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .base import EvalMetric, alias, check_label_shapes, create, register, to_numpy


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics fed together.

    Parameters
    ----------
    metrics : list of EvalMetric or str
    name : str
    output_names, label_names : list of str, optional
        See `EvalMetric`; applied before those of the metrics.
    """

    def __init__(
        self, metrics: Any = None, name: str = "composite", output_names: Any = None, label_names: Any = None
    ):
        self.metrics: list[EvalMetric] = [create(m) for m in metrics or []]
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def add(self, metric: Any) -> None:
        """Add a metric, or what `create` makes one from."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric | ValueError:
        """The metric at `index`; a ValueError is returned, not raised, when there is none (as MXNet)."""
        try:
            return self.metrics[index]
        except IndexError:
            return ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")

    def update_dict(self, label: Mapping[str, Any], pred: Mapping[str, Any]) -> None:
        if self.label_names is not None:
            label = {n: v for n, v in label.items() if n in self.label_names}
        if self.output_names is not None:
            pred = {n: v for n, v in pred.items() if n in self.output_names}
        for metric in self.metrics:
            metric.update_dict(label, pred)

    def update(self, labels: Any, preds: Any) -> None:
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> tuple[list[str], list[float]]:
        """Names and values of all metrics."""
        return _unzip([pair for metric in self.metrics for pair in metric.get_name_value()])

    def get_global(self) -> tuple[list[str], list[float]]:
        """Names and global values of all metrics."""
        return _unzip([pair for metric in self.metrics for pair in metric.get_global_name_value()])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}


def _unzip(pairs: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [name for name, _ in pairs], [value for _, value in pairs]


@register
class CustomMetric(EvalMetric):
    """A metric made from a function.

    Parameters
    ----------
    feval : callable(label, pred)
        Gets NumPy arrays; returns the value of a batch, or a sum and how many examples it counts.
    name : str, optional
        By default the function's name, in ``custom(...)`` when it is no identifier.
    allow_extra_outputs : bool
        Whether there may be more predictions than labels; the rest is left out.
    output_names, label_names : list of str, optional
        See `EvalMetric`.
    """

    def __init__(
        self,
        feval: Callable[[Any, Any], Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: Any = None,
        label_names: Any = None,
    ):
        if name is None:
            name = getattr(feval, "__name__", type(feval).__name__)
            name = f"custom({name})" if "<" in name else name
        super().__init__(name, output_names, label_names, has_global_stats=True)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: Any, preds: Any) -> None:
        labels = [labels] if hasattr(labels, "shape") else labels
        preds = [preds] if hasattr(preds, "shape") else preds
        if not self._allow_extra_outputs:
            check_label_shapes(labels, preds)
        for pred, label in zip(preds, labels):
            found = self._feval(to_numpy(label), to_numpy(pred))
            value, count = found if isinstance(found, tuple) else (found, 1)
            # A Python number: NumPy 2 shows its own as "np.float64(0.5)", which scripts print.
            self.add_up(value.item() if hasattr(value, "item") else value, count)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("CustomMetric cannot be serialized: it holds a function")


def np(
    numpy_feval: Callable[[Any, Any], Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """Make a `CustomMetric` from a function of NumPy arrays; see there."""

    def feval(label: Any, pred: Any) -> Any:
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)
