"""Operators named ``_linalg_X``."""

from ..codegen import lazy_namespace
from .generate import make_function

__getattr__, __dir__ = lazy_namespace(__name__, "linalg", globals(), make_function)
