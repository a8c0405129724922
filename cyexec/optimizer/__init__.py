"""Optimisers: ``mx.optimizer``, ``mx.opt``.

    gradients --Updater: a state for each weight--> Optimizer.update: rates of this weight --> update operator --> weight

`optimizer.py` has what all share: rates, multipliers, counts, the register. Optimisers that one operator of
`cyexec/ops/optimizer_update.py` computes say which (`operator.py`): `sgd.py`, `adaptive.py`; others compute with arrays
(`composed.py`) or need norms of whole layers (`layerwise.py`). `updater.py` keeps the states, `statefile.py` reads and
writes them as MXNet does.
"""

from __future__ import annotations

from . import contrib
from .adaptive import FTML, Adam, Ftrl, RMSProp
from .composed import DCASGD, SGLD, AdaDelta, AdaGrad, Adamax, Nadam, Test
from .layerwise import LAMB, LARS, LBSGD
from .optimizer import Optimizer, create, register
from .sgd import NAG, SGD, Signum, ccSGD
from .updater import Updater, get_updater

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "LBSGD", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "Adamax", "Ftrl",
    "Nadam", "Optimizer", "RMSProp", "Signum", "Test", "Updater", "ccSGD", "contrib", "create", "get_updater", "register",
]  # fmt: skip
