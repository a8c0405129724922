"""A symbol, its parameters and an executor, held together: `Module`."""

from .module import Module

__all__ = ["Module"]
