"""The error of this package."""

from ..base import MXNetError


class CellError(MXNetError, AssertionError):
    """A cell used in a way it cannot be used. (MXNet asserts.)"""
