"""Functions of two arrays or numbers behind Python's operators. The work is done by the registered operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import MXNetError
from ._base import NDArrayBase

_NUMBERS = (int, float, np.number, np.bool_)
_BOOL = np.dtype(np.bool_)


def _import_and_invoke(name: str, inputs: list[Any], params: dict[str, Any], out: Any) -> Any:
    global _invoke
    from .imperative import invoke  # imports NDArray, which imports this module

    _invoke = invoke
    return invoke(name, inputs, params, out)


_invoke: Callable[..., Any] = _import_and_invoke


def _counted(x: Any) -> Any:
    """An array with booleans as int64: that is how MXNet counts with them."""
    return x.astype(np.int64) if x._array.dtype == _BOOL else x


def _binary(
    name: str, array_op: str, scalar_op: str, reversed_op: str | None, numbers: Callable[[Any, Any], Any], doc: str
) -> Callable[..., Any]:
    reversed_op = reversed_op or scalar_op

    def function(lhs: Any, rhs: Any, out: Any = None) -> Any:
        if isinstance(lhs, np.ndarray):
            lhs, rhs = _meet(lhs, rhs)
        elif isinstance(rhs, np.ndarray):
            rhs, lhs = _meet(rhs, lhs)
        if isinstance(lhs, NDArrayBase):
            if isinstance(rhs, NDArrayBase):
                return _invoke(array_op, [_counted(lhs), _counted(rhs)], {}, out)
            if isinstance(rhs, _NUMBERS):
                return _invoke(scalar_op, [_counted(lhs)], {"scalar": rhs}, out)
            raise TypeError(f"type {type(rhs)} not supported")
        if isinstance(lhs, _NUMBERS):
            if isinstance(rhs, NDArrayBase):
                return _invoke(reversed_op, [_counted(rhs)], {"scalar": lhs}, out)
            if isinstance(rhs, _NUMBERS):
                return numbers(lhs, rhs)
            raise TypeError(f"type {type(rhs)} not supported")
        raise TypeError(f"type {type(lhs)} not supported")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{doc}, element by element, with broadcasting.

    Parameters
    ----------
    lhs, rhs : NDArray, numpy.ndarray or number
        NumPy arrays are converted to the dtype of the NDArray they meet.
    out : NDArray, optional
        Where to write the result.
    """
    return function


def _meet(array: np.ndarray, other: Any) -> tuple[Any, Any]:
    """`array` as an NDArray that can be combined with `other`, and `other`.

    The NDArray's dtype wins, unless that would turn floats into integers: then both become what NumPy promotes them to.
    """
    from .ndarray import NDArray

    if not isinstance(other, NDArray):
        if array.ndim == 0:
            return array[()], other
        raise TypeError(f"type {type(array)} not supported")
    dtype = other._array.dtype
    if not np.can_cast(array.dtype, dtype, "same_kind") and array.dtype.kind != "b":
        dtype = np.result_type(array.dtype, dtype)
        other = other.astype(dtype, copy=False)
    return NDArray._from(array, dtype, other._ctx), other


def _unary(name: str, op: str, doc: str) -> Callable[..., Any]:
    def function(data: Any, out: Any = None) -> Any:
        return _invoke(op, [_counted(data)], {}, out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


negative = _unary("negative", "negative", "Negate an array.")
absolute = _unary("absolute", "abs", "Take absolute values.")


def _rounded_number(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: 1 if function(a, b) else 0


def _power_number(a: Any, b: Any) -> Any:
    try:
        return a**b
    except ZeroDivisionError:
        raise MXNetError("power: 0 cannot be raised to a negative power") from None


add = _binary("add", "broadcast_add", "_plus_scalar", None, lambda a, b: a + b, "Add")
subtract = _binary("subtract", "broadcast_sub", "_minus_scalar", "_rminus_scalar", lambda a, b: a - b, "Subtract")
multiply = _binary("multiply", "broadcast_mul", "_mul_scalar", None, lambda a, b: a * b, "Multiply")
divide = _binary("divide", "broadcast_div", "_div_scalar", "_rdiv_scalar", lambda a, b: a / b, "Divide")
true_divide = _binary("true_divide", "broadcast_div", "_div_scalar", "_rdiv_scalar", lambda a, b: a / b, "Divide")
modulo = _binary(
    "modulo", "broadcast_mod", "_mod_scalar", "_rmod_scalar", lambda a, b: a % b, "Take remainders (signed as divisors)"
)
power = _binary("power", "broadcast_power", "_power_scalar", "_rpower_scalar", _power_number, "Raise to a power")
maximum = _binary("maximum", "broadcast_maximum", "_maximum_scalar", None, lambda a, b: max(a, b), "Take the larger")
minimum = _binary("minimum", "broadcast_minimum", "_minimum_scalar", None, lambda a, b: min(a, b), "Take the smaller")
hypot = _binary("hypot", "broadcast_hypot", "_hypot_scalar", None, lambda a, b: float(np.hypot(a, b)), "Hypotenuse")
equal = _binary(
    "equal", "broadcast_equal", "_equal_scalar", None, _rounded_number(lambda a, b: a == b), "Tell where equal (1 or 0)"
)
not_equal = _binary(
    "not_equal", "broadcast_not_equal", "_not_equal_scalar", None, _rounded_number(lambda a, b: a != b),
    "Tell where different (1 or 0)",
)  # fmt: skip
greater = _binary(
    "greater", "broadcast_greater", "_greater_scalar", "_lesser_scalar", _rounded_number(lambda a, b: a > b),
    "Tell where lhs > rhs (1 or 0)",
)  # fmt: skip
greater_equal = _binary(
    "greater_equal", "broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar",
    _rounded_number(lambda a, b: a >= b), "Tell where lhs >= rhs (1 or 0)",
)  # fmt: skip
lesser = _binary(
    "lesser", "broadcast_lesser", "_lesser_scalar", "_greater_scalar", _rounded_number(lambda a, b: a < b),
    "Tell where lhs < rhs (1 or 0)",
)  # fmt: skip
lesser_equal = _binary(
    "lesser_equal", "broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar",
    _rounded_number(lambda a, b: a <= b), "Tell where lhs <= rhs (1 or 0)",
)  # fmt: skip
logical_and = _binary(
    "logical_and", "broadcast_logical_and", "_logical_and_scalar", None, _rounded_number(lambda a, b: a and b),
    "Tell where both are not zero (1 or 0)",
)  # fmt: skip
logical_or = _binary(
    "logical_or", "broadcast_logical_or", "_logical_or_scalar", None, _rounded_number(lambda a, b: a or b),
    "Tell where one is not zero (1 or 0)",
)  # fmt: skip
logical_xor = _binary(
    "logical_xor", "broadcast_logical_xor", "_logical_xor_scalar", None,
    _rounded_number(lambda a, b: bool(a) != bool(b)), "Tell where exactly one is not zero (1 or 0)",
)  # fmt: skip

FUNCTIONS = (
    add, subtract, multiply, divide, true_divide, modulo, power, maximum, minimum, equal, not_equal, greater,
    greater_equal, lesser, lesser_equal, logical_and, logical_or, logical_xor,
)  # fmt: skip

# NumPy's functions behind its operators: ``np_array + nd`` arrives here through ``NDArray.__array_ufunc__``.
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: add, np.subtract: subtract, np.multiply: multiply, np.true_divide: divide, np.remainder: modulo,
    np.power: power, np.equal: equal, np.not_equal: not_equal, np.greater: greater, np.greater_equal: greater_equal,
    np.less: lesser, np.less_equal: lesser_equal,
}  # fmt: skip
