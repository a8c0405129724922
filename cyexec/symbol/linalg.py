"""Operators named ``_linalg_X``."""

from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "linalg", globals())
