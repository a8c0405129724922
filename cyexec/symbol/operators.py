"""Arithmetic and comparison on symbols, and the functions that take symbols and numbers alike."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import NotImplementedForSymbol
from ..ops import registry

Number = (numbers.Number, np.generic)


def apply(op_name: str, hint: str, *inputs: Any, **params: Any) -> Any:
    """Apply an operator to symbols of one output each; `hint` starts its automatic name."""
    from .compose import create
    from .symbol import Symbol, single

    op = registry.get(op_name)
    entries = [single(s, f"Argument {i}") for i, s in enumerate(inputs)]
    node = create(op, hint, entries, {}, params, params.pop("name", None))
    return Symbol([(node, i) for i in range(node.num_visible)])


def _binary(op: str, hint: str, scalar_op: str, scalar_hint: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, type(self)):
            return apply(op, hint, self, other)
        if isinstance(other, Number):
            return apply(scalar_op, scalar_hint, self, scalar=other)
        raise TypeError(f"type {type(other)} not supported")

    return method


def _reversed(scalar_op: str, scalar_hint: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Number):
            return apply(scalar_op, scalar_hint, self, scalar=other)
        raise TypeError(f"type {type(other)} not supported")

    return method


def _refuse(function: str, alias: str | None = None) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedForSymbol(function, alias)

    method.__name__ = function
    method.__doc__ = "Only NDArrays can do this. Raises NotImplementedForSymbol."
    return method


class OperatorMixin:
    """Python's operators. Symbols of one output each are combined; a number becomes an attribute of the operator.

    ``==`` and the other comparisons make symbols, so symbols cannot be dictionary keys, and have no truth value.
    """

    __slots__ = ()
    __array_priority__ = 1000.0
    __array_ufunc__ = None  # NumPy numbers on the left leave the operation to us

    __add__ = __radd__ = _binary("elemwise_add", "_plus", "_plus_scalar", "_plusscalar")
    __sub__ = _binary("elemwise_sub", "_minus", "_minus_scalar", "_minusscalar")
    __mul__ = __rmul__ = _binary("elemwise_mul", "_mul", "_mul_scalar", "_mulscalar")
    __truediv__ = __div__ = _binary("elemwise_div", "_div", "_div_scalar", "_divscalar")
    __mod__ = _binary("_mod", "_mod", "_mod_scalar", "_modscalar")
    __pow__ = _binary("_power", "_power", "_power_scalar", "_powerscalar")
    __rsub__ = _reversed("_rminus_scalar", "_rminusscalar")
    __rtruediv__ = __rdiv__ = _reversed("_rdiv_scalar", "_rdivscalar")
    __rmod__ = _reversed("_rmod_scalar", "_rmodscalar")
    __rpow__ = _reversed("_rpower_scalar", "_rpower_scalar")
    __eq__ = _binary("_equal", "_equal", "_equal_scalar", "_equal_scalar")
    __ne__ = _binary("_not_equal", "_not_equal", "_not_equal_scalar", "_not_equal_scalar")
    __gt__ = _binary("_greater", "_greater", "_greater_scalar", "_greater_scalar")
    __ge__ = _binary("_greater_equal", "_greater_equal", "_greater_equal_scalar", "_greater_equal_scalar")
    __lt__ = _binary("_lesser", "_lesser", "_lesser_scalar", "_lesser_scalar")
    __le__ = _binary("_lesser_equal", "_lesser_equal", "_lesser_equal_scalar", "_lesser_equal_scalar")
    __hash__ = None  # type: ignore[assignment]

    __iadd__ = _refuse("__iadd__", "+=")
    __isub__ = _refuse("__isub__", "-=")
    __imul__ = _refuse("__imul__", "*=")
    __idiv__ = _refuse("__idiv__", "/=")
    __itruediv__ = _refuse("__itruediv__", "/=")
    __imod__ = _refuse("__imod__", "%=")
    __bool__ = _refuse("__bool__", "bool")
    asnumpy = _refuse("asnumpy")
    asscalar = _refuse("asscalar")
    wait_to_read = _refuse("wait_to_read")
    copy = _refuse("copy")
    as_in_context = _refuse("as_in_context")
    detach = _refuse("detach")
    backward = _refuse("backward")

    def __neg__(self) -> Any:
        return self.__mul__(-1.0)

    def __abs__(self) -> Any:
        return apply("abs", "abs", self)


def _mixed(
    name: str, both: tuple[str, str], left_op: tuple[str, str], right_op: tuple[str, str], plain: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    """Function of two symbols, a symbol and a number, or two numbers."""

    def function(left: Any, right: Any) -> Any:
        from .symbol import Symbol

        symbols = isinstance(left, Symbol), isinstance(right, Symbol)
        if symbols == (True, True):
            return apply(*both, left, right)
        if symbols == (True, False) and isinstance(right, Number):
            return apply(*left_op, left, scalar=right)
        if symbols == (False, True) and isinstance(left, Number):
            return apply(*right_op, right, scalar=left)
        if isinstance(left, Number) and isinstance(right, Number):
            return plain(left, right)
        raise TypeError(f"types ({type(left)}, {type(right)}) not supported")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Return the element-wise {name} of symbols or numbers.

    Parameters
    ----------
    left, right : Symbol or number
        Symbols must have the same shape.

    Returns
    -------
    Symbol or number
        A number when both are numbers.
    """
    return function


maximum = _mixed(
    "maximum",
    ("_maximum", "_maximum"),
    ("_maximum_scalar", "_maximumscalar"),
    ("_maximum_scalar", "_maximumscalar"),
    lambda a, b: a if a > b else b,
)
minimum = _mixed(
    "minimum",
    ("_minimum", "_minimum"),
    ("_minimum_scalar", "_minimumscalar"),
    ("_minimum_scalar", "_minimumscalar"),
    lambda a, b: a if a < b else b,
)
hypot = _mixed(
    "hypot",
    ("_hypot", "_hypot"),
    ("_hypot_scalar", "_hypotscalar"),
    ("_hypot_scalar", "_hypotscalar"),
    lambda a, b: float(np.hypot(a, b)),
)
_power = _mixed(
    "power",
    ("_power", "_power"),
    ("_power_scalar", "_powerscalar"),
    ("_rpower_scalar", "_rpowerscalar"),
    lambda a, b: a**b,
)


def power(base: Any, exp: Any) -> Any:
    """Return `base` to the power of `exp`: symbols of one shape, or numbers."""
    return _power(base, exp)
