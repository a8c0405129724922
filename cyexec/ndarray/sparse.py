"""Operators named ``_sparse_X``. Arrays themselves are dense here; what would make a sparse one says so."""

from typing import Any, NoReturn

from ..base import MXNetError
from ..codegen import lazy_namespace
from .generate import make_function


def _absent(name: str) -> NoReturn:
    raise MXNetError(f"nd.sparse.{name}: sparse storage is not supported; arrays are dense ('default')")


def csr_matrix(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError: there are no sparse arrays."""
    _absent("csr_matrix")


def row_sparse_array(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError: there are no sparse arrays."""
    _absent("row_sparse_array")


def array(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError: there are no sparse arrays."""
    _absent("array")


def zeros(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError: there are no sparse arrays."""
    _absent("zeros")


def empty(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise MXNetError: there are no sparse arrays."""
    _absent("empty")


__getattr__, __dir__ = lazy_namespace(__name__, "sparse", globals(), make_function)
