"""What all metrics share: running sums, names, the register of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from ..registry import registry_of


def to_numpy(value: Any) -> numpy.ndarray:
    """Copy an NDArray (or anything NumPy takes) into a NumPy array."""
    return value.asnumpy() if hasattr(value, "asnumpy") else numpy.asarray(value)


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Compare how many labels and predictions there are, or their shapes.

    Parameters
    ----------
    labels, preds : NDArray or list of NDArray
    wrap : bool
        Put single arrays into lists.
    shape : bool
        Compare shapes instead of lengths.

    Returns
    -------
    labels, preds

    Raises
    ------
    ValueError
        They differ.
    """
    found = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if found[0] != found[1]:
        raise ValueError(f"Shape of labels {found[0]} does not match shape of predictions {found[1]}")
    if wrap:
        labels = [labels] if hasattr(labels, "shape") else labels
        preds = [preds] if hasattr(preds, "shape") else preds
    return labels, preds


class EvalMetric:
    """Base of all metrics: a running mean. Derive from it and define `update`.

    Parameters
    ----------
    name : str
        Shown with the value.
    output_names, label_names : list of str, optional
        What `update_dict` takes from the outputs and labels of a network; by default all of them.
    **kwargs
        Parameters of the metric, for `get_config`. ``has_global_stats=True`` tells that the metric keeps
        `global_sum_metric` and `global_num_inst` too, which `reset_local` leaves alone.

    Attributes
    ----------
    sum_metric, num_inst : number
        The value is their quotient, NaN while nothing was counted.
    """

    def __init__(self, name: str, output_names: Any = None, label_names: Any = None, **kwargs: Any):
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._has_global_stats = kwargs.pop("has_global_stats", False)
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """What ``create(**config)`` makes this metric from."""
        return {
            **self._kwargs,
            "metric": type(self).__name__,
            "name": self.name,
            "output_names": self.output_names,
            "label_names": self.label_names,
        }

    def update_dict(self, label: Mapping[str, Any], pred: Mapping[str, Any]) -> None:
        """Count a batch given by names.

        Raises
        ------
        KeyError
            A name in `output_names` or `label_names` is not there.
        """
        preds = list(pred.values()) if self.output_names is None else [pred[n] for n in self.output_names]
        labels = list(label.values()) if self.label_names is None else [label[n] for n in self.label_names]
        self.update(labels, preds)

    def update(self, labels: Any, preds: Any) -> None:
        """Count a batch: lists of labels and of predictions."""
        raise NotImplementedError("a metric must define update")

    def add_up(self, value: float, count: int) -> None:
        """Add a batch's sum and count, to the local and to the global ones."""
        self.sum_metric += value
        self.num_inst += count
        self.global_sum_metric += value
        self.global_num_inst += count

    def reset(self) -> None:
        """Forget everything."""
        self.sum_metric: float = 0.0
        self.num_inst: float = 0
        self.global_sum_metric: float = 0.0
        self.global_num_inst: float = 0

    def reset_local(self) -> None:
        """Forget all but the global sums."""
        self.sum_metric = 0.0
        self.num_inst = 0

    def value_of(self, total: float, count: float) -> float:
        """The metric's value from its sums, NaN where nothing was counted."""
        return total / count if count else float("nan")

    def get(self) -> tuple[Any, Any]:
        """Name and value since the last reset of any kind."""
        return self.name, self.value_of(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[Any, Any]:
        """Name and value since the last `reset`; as `get` for metrics without global sums."""
        if not self._has_global_stats:
            return self.get()
        return self.name, self.value_of(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self) -> list[tuple[str, float]]:
        """Pairs of name and value."""
        return _pairs(*self.get())

    def get_global_name_value(self) -> list[tuple[str, float]]:
        """Pairs of name and global value; as `get_name_value`, which users override, for metrics without global sums."""
        return _pairs(*self.get_global()) if self._has_global_stats else self.get_name_value()


def _pairs(name: Any, value: Any) -> list[tuple[str, float]]:
    names = name if isinstance(name, list) else [name]
    values = value if isinstance(value, list) else [value]
    return list(zip(names, values))


def paired(labels: Any, preds: Any) -> Iterator[tuple[Any, Any]]:
    """Labels with their predictions, after a check that there are as many."""
    if hasattr(labels, "shape"):
        labels = [labels]
    if hasattr(preds, "shape"):
        preds = [preds]
    check_label_shapes(labels, preds)
    return zip(labels, preds)


_METRICS = registry_of(EvalMetric, "metric")
register, alias = _METRICS.add, _METRICS.alias


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """Make a metric.

    Parameters
    ----------
    metric : str, EvalMetric, callable, list or dict
        A registered name, JSON text of ``["name", {parameters}]`` or of a configuration, a metric (returned as it is),
        a function for `CustomMetric`, a list of these for `CompositeEvalMetric`, or a configuration.
    *args, **kwargs
        Parameters of the metric, or of all metrics of a list.

    Raises
    ------
    AssertionError
        Nothing is registered under that name, or `metric` is none of these.
    """
    from .combined import CompositeEvalMetric, CustomMetric

    if isinstance(metric, EvalMetric):
        return metric
    if isinstance(metric, list):
        composite = CompositeEvalMetric()
        for child in metric:
            composite.add(create(child, *args, **kwargs))
        return composite
    if isinstance(metric, Mapping):
        config = dict(metric)
        return create(config.pop("metric"), *args, **{**config, **kwargs})
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    return _METRICS.create(metric, *args, **kwargs)
