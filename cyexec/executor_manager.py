"""``mx.executor_manager``: what scripts still import of MXNet's first trainer."""

from __future__ import annotations

from .base import MXNetError
from .module.executor_group import split_slices as _split_input_slice
from .symbol import Symbol


def _check_arguments(symbol: Symbol) -> None:
    """Raise MXNetError where two arguments or two auxiliary states of a symbol have one name."""
    for names, what in ((symbol.list_arguments(), "argument"), (symbol.list_auxiliary_states(), "auxiliary state")):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise MXNetError(f"Find duplicated {what} name '{twice[0]}': give every weight a name of its own")


__all__ = ["_check_arguments", "_split_input_slice"]
