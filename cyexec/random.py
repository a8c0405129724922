"""Random numbers: ``mx.random``."""

from __future__ import annotations

from typing import Any

from .ndarray.random import (
    exponential,
    gamma,
    generalized_negative_binomial,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    randint,
    randn,
    shuffle,
    uniform,
)
from .runtime import seeds


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Restart all random numbers (imperative calls and executors alike) at `seed_state`.

    `ctx` is accepted for MXNet's sake; all contexts draw from one stream.
    """
    if isinstance(seed_state, bool) or not hasattr(seed_state, "__index__"):
        raise ValueError("seed_state must be int")
    seeds.seed(seed_state.__index__())


__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "seed", "shuffle", "uniform",
]  # fmt: skip
