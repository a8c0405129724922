"""Write elementwise chains as Python expressions.

``elementwise(lambda p, g, y: g * (1 - y * y), 2)`` is the `elementwise` of an operator with two inputs: the function is
called with symbolic values and what it computes is written down as the instructions of the elementwise kernel
(`cyexec/kernels/elementwise_list.h`). Equal expressions are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .infer import same_shape
from .params import REQUIRED, NoParams, Params
from .registry import register
from .schema import InferShape, Op


class _Chain:
    def __init__(self, num_inputs: int):
        self.num_inputs = num_inputs
        self.code: list[tuple[str, tuple[int, ...], float]] = []

    def add(self, name: str, args: tuple[int, ...], scalar: float = 0.0) -> Value:
        # An OperandScalar stays one.
        line = (name, args, scalar if isinstance(scalar, float) else float(scalar))
        if line not in self.code:
            self.code.append(line)
        return Value(self, self.num_inputs + self.code.index(line))


class Value:
    """A register of a chain. Methods are the kernel's instructions: ``x.exp()``, ``x.maximum(y)``, ``x.greater(0)``."""

    __slots__ = ("_chain", "register")

    def __init__(self, chain: _Chain, register: int):
        self._chain = chain
        self.register = register

    def _apply(self, name: str, other: Any) -> Value:
        if isinstance(other, Value):
            return self._chain.add(name, (self.register, other.register))
        return self._chain.add(f"{name}_s", (self.register,), other)

    def __getattr__(self, name: str) -> Callable[..., Value]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *other: self._apply(name, *other) if other else self._chain.add(name, (self.register,))

    def where(self, x: Value, y: Value) -> Value:
        """x where this is not zero, else y."""
        return self._chain.add("where", (self.register, x.register, y.register))

    def const(self, value: float) -> Value:
        """A constant."""
        return self._chain.add("const", (), value)

    def __add__(self, other: Any) -> Value:
        return self._apply("add", other)

    def __sub__(self, other: Any) -> Value:
        return self._apply("sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._apply("mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._apply("div", other)

    def __pow__(self, other: Any) -> Value:
        return self._apply("power", other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> Value:
        return self._apply("rsub", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._apply("rdiv", other)

    def __rpow__(self, other: float) -> Value:
        return self._apply("rpower", other)

    def __neg__(self) -> Value:
        return self._chain.add("negative", (self.register,))


Expression = Callable[..., Value]  # (params, one value for each input) -> result


def elementwise(expression: Expression, num_inputs: int | None = None) -> Callable[[Any], list]:
    """Return an `Op.elementwise` that computes `expression`; `num_inputs` if the function does not name its inputs."""
    count = num_inputs if num_inputs is not None else expression.__code__.co_argcount - 1

    def code(params: Params) -> list:
        from ..lowering.lower import Instr  # lowering imports the operators

        chain = _Chain(count)
        result = expression(params, *(Value(chain, i) for i in range(count)))
        if result.register != count + len(chain.code) - 1:
            chain.code.append(("copy", (result.register,), 0.0))
        return [Instr(*line) for line in chain.code]

    return code


def register_hidden(
    name: str,
    expression: Expression,
    num_inputs: int,
    params: type[Params] = NoParams,
    infer_shape: InferShape = same_shape,
) -> Callable[..., Any]:
    """Register an elementwise operator for gradients.

    Gradients are written for all inputs, but the product's, say, reads one of them: the operator takes only those that are
    read, so that no memory is kept for the others.

    Returns
    -------
    callable
        ``make(g, *entries, **params)`` makes a node that computes `expression` with the builder `g`.
    """
    used = _reads(expression, params, num_inputs)

    def narrow(p: Params, *values: Value) -> Value:
        # What is not read still needs a chain: constants are made with it.
        full = dict.fromkeys(range(num_inputs), values[0])
        full.update(zip(used, values))
        return expression(p, *full.values())

    register(
        Op(
            name=name,
            doc="Part of a gradient.",
            params=params,
            inputs=tuple("abcdefgh"[i] for i in used),
            infer_shape=infer_shape,
            elementwise=elementwise(narrow, len(used)),
            hidden=True,
        )
    )
    return lambda g, *entries, **given: g(name, *(entries[i] for i in used), **given)


def _reads(expression: Expression, params: type[Params], num_inputs: int) -> Sequence[int]:
    """Which inputs `expression` reads."""
    if any(field.default is REQUIRED for field in params.fields.values()):
        return range(num_inputs)
    chain = _Chain(num_inputs)
    expression(params(), *(Value(chain, i) for i in range(num_inputs)))
    return [i for i in range(num_inputs) if any(i in args for _, args, _ in chain.code)]
