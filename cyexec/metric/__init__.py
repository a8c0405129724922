"""How well a network does: ``mx.metric``.

    labels, outputs of a batch --update--> sums and counts --get--> (name, value)

`base.py` has what all metrics share and `create`, `combined.py` several metrics as one and metrics made from functions,
`classification.py` metrics of chosen classes, `probability.py` logarithms of probabilities, `regression.py` distances,
correlation and plain losses. Metrics work on NumPy copies of what they are given; nothing here touches an executor.
"""

from __future__ import annotations

from .base import EvalMetric, alias, check_label_shapes, create, register
from .classification import F1, MCC, PCC, Accuracy, TopKAccuracy
from .combined import CompositeEvalMetric, CustomMetric, np
from .probability import CrossEntropy, NegativeLogLikelihood, Perplexity
from .regression import MAE, MSE, RMSE, Caffe, Loss, PearsonCorrelation, Torch

__all__ = [
    "F1", "MAE", "MCC", "MSE", "PCC", "RMSE", "Accuracy", "Caffe", "CompositeEvalMetric", "CrossEntropy", "CustomMetric",
    "EvalMetric", "Loss", "NegativeLogLikelihood", "PearsonCorrelation", "Perplexity", "TopKAccuracy", "Torch", "alias",
    "check_label_shapes", "create", "np", "register",
]  # fmt: skip
