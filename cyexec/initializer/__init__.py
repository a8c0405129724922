"""First values of parameters: ``mx.init``, ``mx.initializer``.

    name and attributes of a variable (InitDesc) --rules of names, ``__init__`` attribute--> one of ``_init_*`` --> array

`base.py` has the rules that choose by name, and the register; `fill.py` constants, random values and filters; `recurrent.py`
what LSTMs need; `combined.py` initialisers made of others and of loaded parameters. All random values come from
`mx.random`, so `mx.random.seed` makes them repeatable.
"""

from __future__ import annotations

from .base import InitDesc, Initializer, alias, create, register
from .combined import Load, Mixed
from .fill import Bilinear, Constant, MSRAPrelu, Normal, One, Orthogonal, Uniform, Xavier, Zero
from .recurrent import FusedRNN, LSTMBias

__all__ = [
    "Bilinear", "Constant", "FusedRNN", "InitDesc", "Initializer", "LSTMBias", "Load", "MSRAPrelu", "Mixed", "Normal",
    "One", "Orthogonal", "Uniform", "Xavier", "Zero", "alias", "create", "register",
]  # fmt: skip
