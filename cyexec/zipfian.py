"""Candidates for sampled losses, alike for arrays and symbols: ``mx.nd.contrib.rand_zipfian`` and ``mx.sym.contrib``'s."""

from __future__ import annotations

import math
from typing import Any


def rand_zipfian(uniform: Any, true_classes: Any, num_sampled: int, range_max: int) -> tuple[Any, Any, Any]:
    """Draw classes of an approximately log-uniform distribution: P(c) = (log(c + 2) - log(c + 1)) / log(range_max + 1).

    Classes must be numbered by descending frequency.

    Parameters
    ----------
    uniform : callable
        The ``random.uniform`` of arrays or of symbols.
    true_classes : NDArray or Symbol of shape (n,)
        Classes whose expected counts are wanted too.
    num_sampled : int
        How many to draw, with replacement.
    range_max : int
        Classes are 0 to ``range_max - 1``.

    Returns
    -------
    samples : of shape (num_sampled,), int64
    expected_count_true : of shape (n,), float64
    expected_count_sample : of shape (num_sampled,), float64
        How often each class is expected among the samples.
    """
    log_range = math.log(range_max + 1)
    samples = (uniform(0, log_range, shape=(num_sampled,), dtype="float64").exp() - 1).astype("int64") % range_max

    def expected(classes: Any) -> Any:
        classes = classes.astype("float64")
        return ((classes + 2.0) / (classes + 1.0)).log() / log_range * num_sampled

    return samples, expected(true_classes), expected(samples)
