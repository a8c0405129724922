"""Operators named ``_sparse_X``."""

from ..codegen import lazy_namespace
from .generate import make_function

__getattr__, __dir__ = lazy_namespace(__name__, "sparse", globals(), make_function)
