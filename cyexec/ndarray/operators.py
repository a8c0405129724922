"""Python's operators on arrays."""

from __future__ import annotations

from typing import Any

from . import arithmetic


class Operators:
    """What ``+ - * / % ** == != < <= > >=`` and their in-place forms mean."""

    __slots__ = ()
    __array_priority__ = 1000.0  # older NumPy asks this before it takes an operand apart
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return arithmetic.negative(self)

    def __abs__(self) -> Any:
        return arithmetic.absolute(self)

    def __add__(self, other: Any) -> Any:
        return arithmetic.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return arithmetic.add(other, self)

    def __iadd__(self, other: Any) -> Any:
        return arithmetic.add(self, other, out=self)

    def __sub__(self, other: Any) -> Any:
        return arithmetic.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return arithmetic.subtract(other, self)

    def __isub__(self, other: Any) -> Any:
        return arithmetic.subtract(self, other, out=self)

    def __mul__(self, other: Any) -> Any:
        return arithmetic.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return arithmetic.multiply(other, self)

    def __imul__(self, other: Any) -> Any:
        return arithmetic.multiply(self, other, out=self)

    def __truediv__(self, other: Any) -> Any:
        return arithmetic.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return arithmetic.divide(other, self)

    def __itruediv__(self, other: Any) -> Any:
        return arithmetic.divide(self, other, out=self)

    def __mod__(self, other: Any) -> Any:
        return arithmetic.modulo(self, other)

    def __rmod__(self, other: Any) -> Any:
        return arithmetic.modulo(other, self)

    def __imod__(self, other: Any) -> Any:
        return arithmetic.modulo(self, other, out=self)

    def __pow__(self, other: Any) -> Any:
        return arithmetic.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return arithmetic.power(other, self)

    def __eq__(self, other: object) -> Any:
        return arithmetic.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return arithmetic.not_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return arithmetic.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return arithmetic.greater_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return arithmetic.lesser(self, other)

    def __le__(self, other: Any) -> Any:
        return arithmetic.lesser_equal(self, other)
