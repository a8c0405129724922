"""Operators whose names start with an underscore."""

from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "_internal", globals())
