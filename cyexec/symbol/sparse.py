"""Operators named ``_sparse_X``; storage here is always dense."""

from .generate import lazy_namespace

__getattr__, __dir__ = lazy_namespace(__name__, "sparse", globals())
