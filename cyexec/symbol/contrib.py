"""Operators named ``_contrib_X``, and control flow."""

from .control_flow import cond, foreach, while_loop
from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "contrib", globals())

__all__ = ["cond", "foreach", "while_loop"]
