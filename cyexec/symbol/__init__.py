"""Symbols: what the user composes, before shapes are known.

    Variable, functions of operators, arithmetic --> Symbol --bind--> executor

`node.py` has the nodes, `symbol.py` the user's class on top of them, `compose.py` makes nodes from operators and puts
symbols in place of arguments, `generate.py` makes the functions of `mx.sym` from the registry, `creation.py` variables
and constants, `jsonio.py` and `upgrade.py` read and write symbol files. `control_flow.py` composes loops and branches,
whose graphs (`subgraph.py`) stay inside a node until `unroll.py` puts them in its place at bind. Nothing here knows of
memory or numbers.
"""

from __future__ import annotations

from typing import Any

from .. import ops as _ops  # noqa: F401  (registers the operators)
from ..base import NotImplementedForSymbol
from . import _internal, contrib, generate, image, linalg, op, random, sparse
from .creation import Group, Variable, arange, eye, full, linspace, ones, split_v2, var, zeros
from .jsonio import load, load_json
from .operators import hypot, maximum, minimum, power
from .symbol import Symbol

pow = power
fromjson = load_json


def __getattr__(name: str) -> Any:
    # A function of an operator is the same object here and in `mx.sym.op`.
    try:
        return getattr(op, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *generate.names_of("op")})


__all__ = [
    "Group",
    "NotImplementedForSymbol",
    "Symbol",
    "Variable",
    "_internal",
    "arange",
    "contrib",
    "eye",
    "fromjson",
    "full",
    "hypot",
    "image",
    "linalg",
    "linspace",
    "load",
    "load_json",
    "maximum",
    "minimum",
    "ones",
    "op",
    "pow",
    "power",
    "random",
    "sparse",
    "split_v2",
    "var",
    "zeros",
]
