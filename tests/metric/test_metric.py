"""Metrics of users' own, as training loops use them."""

import numpy as np

import cyexec as mx


class Tasks(mx.metric.EvalMetric):
    """Several values by a `get_name_value` of its own; `get` gives what only that understands."""

    def __init__(self):
        super().__init__("tasks")

    def reset(self):
        self.values = [1.0, 2.0]

    def get(self):
        return zip("ab", self.values)

    def get_name_value(self):
        return list(self.get())


def test_global_values_of_a_metric_that_has_none_are_its_own():
    assert Tasks().get_global_name_value() == [("a", 1.0), ("b", 2.0)]


def test_values_of_functions_are_python_numbers():
    metric = mx.metric.CustomMetric(lambda label, pred: np.float32(0.5))
    metric.update([mx.nd.ones(1)], [mx.nd.ones(1)])
    assert type(metric.get()[1]) is float and metric.get()[1] == 0.5
    metric = mx.metric.CustomMetric(lambda label, pred: (np.float64(3), 4))
    metric.update([mx.nd.ones(1)], [mx.nd.ones(1)])
    assert metric.get()[1] == 0.75 and type(metric.get()[1]) is float
