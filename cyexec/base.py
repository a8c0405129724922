"""Errors and dtypes that every folder uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")


class classproperty(Generic[T]):  # noqa: N801  (MXNet's name)
    """A property of a class: ``Class.name`` calls the function with the class."""

    def __init__(self, get: Callable[[Any], T]):
        self._get = get
        self.__doc__ = get.__doc__

    def __get__(self, instance: object, owner: type) -> T:
        return self._get(owner)


# Names that scripts import for isinstance and the like.
string_types = (str,)
numeric_types = (float, int, np.generic)
integer_types = (int, np.int32, np.int64)
mx_real_t = np.float32


class MXNetError(RuntimeError):
    """What MXNet raises for a bad graph, shape, file or call. The message names the node or position at fault."""


class ShapeError(MXNetError):
    """Shapes that an operator cannot take."""


class DTypeError(MXNetError):
    """Dtypes that an operator cannot take."""


class NotImplementedForSymbol(MXNetError):
    """Raised by what only NDArrays can do."""

    def __init__(self, function: str, alias: str | None = None):
        named = f' (namely operator "{alias}")' if alias else ""
        super().__init__(f"Function {function}{named} is not implemented for Symbol and only available in NDArray.")


class IndexOutOfRange(MXNetError, IndexError):
    """An index operand that points outside of the array, where the operator was asked to refuse that."""


# MXNet's type flags, as they stand in .params files and in `__dtype__` attributes.
DTYPES: dict[int, np.dtype] = {
    0: np.dtype(np.float32),
    1: np.dtype(np.float64),
    2: np.dtype(np.float16),
    3: np.dtype(np.uint8),
    4: np.dtype(np.int32),
    5: np.dtype(np.int8),
    6: np.dtype(np.int64),
    7: np.dtype(np.bool_),
}
DTYPE_FLAGS: dict[np.dtype, int] = {dtype: flag for flag, dtype in DTYPES.items()}


def as_dtype(value: object) -> np.dtype:
    """Return the supported dtype that `value` names (a NumPy dtype, type or name, or an MXNet type flag).

    Raises
    ------
    TypeError
        For a dtype that NDArrays cannot hold.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value in DTYPES:
        return DTYPES[value]
    try:
        dtype = np.dtype(value)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"data type {value!r} not understood") from None
    if dtype not in DTYPE_FLAGS:
        names = ", ".join(str(d) for d in DTYPES.values())
        raise TypeError(f"data type {dtype} is not supported; expected one of {names}")
    return dtype
