"""The functions of `mx.nd.contrib`."""

from ..ndarray.contrib import __dir__, __getattr__

__all__ = ["__dir__", "__getattr__"]
