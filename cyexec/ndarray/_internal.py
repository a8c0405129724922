"""Operators whose names begin with an underscore."""

from ..codegen import lazy_namespace
from .generate import make_function

__getattr__, __dir__ = lazy_namespace(__name__, "_internal", globals(), make_function)
