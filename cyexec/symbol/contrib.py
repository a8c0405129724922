"""Operators named ``_contrib_X``, and control flow."""

from __future__ import annotations

from typing import Any

from ..zipfian import rand_zipfian as _rand_zipfian
from . import random
from .control_flow import cond, foreach, while_loop
from .generate import lazy_namespace
from .symbol import Symbol


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> Any:
    """Draw classes log-uniformly; see `cyexec.zipfian.rand_zipfian`."""
    return _rand_zipfian(random.uniform, true_classes, num_sampled, range_max)


__getattr__, __dir__ = lazy_namespace(__name__, "contrib", globals())

__all__ = ["cond", "foreach", "rand_zipfian", "while_loop"]
