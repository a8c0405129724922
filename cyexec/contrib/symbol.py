"""The functions of `mx.sym.contrib`."""

from ..symbol.contrib import __dir__, __getattr__

__all__ = ["__dir__", "__getattr__"]
