"""Arithmetic, comparison and logic: for each function its equal-shape, broadcasting and scalar operators, from one table.

The gradient of a broadcasting operator is one fused chain in the output's shape for each input, then `_reduce_to_shape`
where that input was repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import ShapeError
from ..lowering.lower import OperandScalar
from . import special
from .chain import Expression, elementwise, register_hidden
from .infer import product, same_shape, zero_gradient
from .params import Bool, Float, Params
from .params import Shape as ShapeField
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op, Shape


class ScalarParams(Params):
    scalar = Float(default=1.0, doc="Scalar input value.")
    is_int = Bool(default=True, doc="Whether the scalar is an integer; MXNet 1.9 writes it, nothing depends on it.")


class ShapeParams(Params):
    shape = ShapeField(doc="Shape to reduce to.")


INPUTS = ("lhs", "rhs")
DTYPES = ("float32", "float64", "float16")
INT_DTYPES = ("int32", "int64", "int8", "uint8")


def broadcast_shape(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    """Outputs have the shape that all inputs broadcast to; inputs are not inferred."""
    if any(s is None for s in ins):
        return ins, outs
    known: list[tuple[int, ...]] = [s for s in ins if s is not None]
    ndim = max(len(s) for s in known)
    shape = []
    for i in range(ndim):
        extents = {s[i - ndim + len(s)] for s in known if i - ndim + len(s) >= 0}
        large = [d for d in extents if d not in (1, -1)]
        if len(large) > 1:
            raise ShapeError(f"shapes {', '.join(map(str, known))} do not broadcast: dimension {i} has {sorted(large)}")
        shape.append(large[0] if large else -1 if -1 in extents else 1)
    out = tuple(shape)
    for given in outs:
        if given is not None and (len(given) != ndim or any(a != b and -1 not in (a, b) for a, b in zip(given, out))):
            raise ShapeError(f"inputs broadcast to {out} but the output is {given}")
    return ins, [out] * len(outs)


def _reduce_shape(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    return ins, [params.shape]


def _repeated_axes(params: Any, full: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of `full` along which an array of ``params.shape`` was repeated."""
    shape = (1,) * (len(full) - len(params.shape)) + params.shape
    return tuple(i for i in range(len(full)) if shape[i] == 1 != full[i])


def _reduce_numpy(params: Any, x: Any, is_train: bool) -> Any:
    axes = _repeated_axes(params, x.shape)
    wide = np.float64 if x.dtype.kind == "f" else np.int64
    return x.sum(axis=axes, keepdims=True, dtype=wide).reshape(params.shape).astype(x.dtype)


def _reduce_lower(low: Any, node: Any) -> None:
    reduce_step(low, "Sum", low.ins[0], low.outs[0], _repeated_axes(node.params, low.ins[0].shape))


register(
    Op(
        name="_reduce_to_shape",
        doc="Sum over the dimensions along which an array of `shape` was repeated.",
        params=ShapeParams,
        infer_shape=_reduce_shape,
        gradient=lambda g, node, ograds: [g("broadcast_add", ograds[0], g.zeros_like(node.inputs[0]))],
        lower=_reduce_lower,
        reference=_reduce_numpy,
        hidden=True,
        cases=tuple(
            # Finite differences of many thousand elements take minutes and say no more than those of a few.
            Case({"data": shape}, {"shape": to}, dtypes=("float32", "float64", "float16", "int32"), low=-9, high=9,
                 grad=product(shape) < 1000)
            for shape, to in [
                ((3, 4, 5), (4, 5)), ((3, 4, 5), (3, 1, 5)), ((3, 4, 5), (3, 4, 1)), ((3, 4, 5), (1, 4, 1)), ((3, 4, 5), (1,)),
                ((3, 4, 5), ()), ((2, 70, 3, 700), (70, 1, 1)), ((0, 4), (1, 4)), ((2, 0), (2, 0)), ((5,), (5,)),
                ((2, 1500), (1500,)),
            ]
        ),
    )
)  # fmt: skip


def unbroadcast(g: Any, entry: Any, shape: tuple[int, ...]) -> Any:
    """Return the gradient `entry` of a broadcast array, summed to that array's `shape`."""
    return entry if entry.shape == shape else g("_reduce_to_shape", entry, shape=shape)


def define(
    name: str,
    doc: str,
    reference: Callable[[Any, Any], Any],
    gradients: tuple[Expression | None, Expression | None] | None = None,
    *,
    instruction: str = "",
    elemwise: tuple[str, ...],
    broadcast: tuple[str, ...],
    scalar: tuple[str, ...] = (),
    reversed_scalar: tuple[str, ...] = (),
    domain: tuple[float, float] = (0.2, 3.0),
    integers: bool = True,
) -> None:
    """Register all operators of one function of two numbers.

    Parameters
    ----------
    gradients : pair of expressions (params, g, x, y), optional
        Gradients of the left and the right input; None in it: the gradient of the output itself. None: zero.
    elemwise, broadcast, scalar, reversed_scalar : tuples of str
        Name and aliases of each kind of operator.
    """
    instruction = instruction or name
    hidden: list[Any] = [None, None]
    if gradients is not None:
        for side, expression in enumerate(gradients):
            if expression is not None:
                hidden[side] = register_hidden(f"_backward_{name}_{INPUTS[side]}", expression, 3, infer_shape=broadcast_shape)

    def gradient(g: Any, node: Any, ograds: list) -> list:
        lhs, rhs = node.inputs
        out = []
        for entry, made in zip((lhs, rhs), hidden):
            full = ograds[0] if made is None else made(g, ograds[0], lhs, rhs)
            out.append(unbroadcast(g, full, entry.shape))
        return out

    def numpy(p: Any, x: Any, y: Any, is_train: bool) -> Any:
        return np.asarray(reference(x, y)).astype(x.dtype)

    low, high = domain

    def cases(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[Case, ...]:
        made = [Case({"lhs": a, "rhs": b}, low=low, high=high, dtypes=DTYPES) for a, b in shapes]
        if integers:
            made.append(Case({"lhs": shapes[0][0], "rhs": shapes[0][1]}, low=1, high=9, dtypes=INT_DTYPES, grad=False))
            made.append(Case({"lhs": (40,), "rhs": (40,)}, low=-9, high=9, dtypes=INT_DTYPES[:3], grad=False))
        return tuple(made)

    common: dict[str, Any] = {
        "inputs": INPUTS,
        "gradient": gradient if gradients is not None else zero_gradient,
        "elementwise": elementwise(lambda p, x, y: getattr(x, instruction)(y)),
        "reference": numpy,
    }
    register(
        Op(
            name=elemwise[0], aliases=elemwise[1:], doc=f"{doc} Both inputs have one shape.", infer_shape=same_shape,
            cases=cases(((3, 5), (3, 5)), ((0, 2), (0, 2)), ((1, 17), (1, 17))), **common,
        )
    )  # fmt: skip
    register(
        Op(
            name=broadcast[0], aliases=broadcast[1:], doc=f"{doc} The inputs broadcast.", infer_shape=broadcast_shape,
            cases=cases(
                ((3, 5), (3, 5)), ((2, 3, 4), (1, 3, 1)), ((2, 1, 4), (1, 3, 4)), ((4, 1), (1, 5)), ((2, 3), (1, 1)),
                ((1, 3), (0, 3)),
            ), **common,
        )
    )  # fmt: skip
    if scalar:
        _define_scalar(scalar, doc, instruction, reference, gradients and gradients[0], False, domain, integers)
    if reversed_scalar:
        _define_scalar(reversed_scalar, doc, instruction, reference, gradients and gradients[1], True, domain, integers)


def _define_scalar(names, doc, instruction, reference, expression, swapped, domain, integers) -> None:
    """Register the operator of an array and a scalar, in this order or `swapped`."""
    gradient: Any = zero_gradient
    if expression is not None:
        hidden = register_hidden(
            f"_backward{names[0]}",
            # The scalar has the place of the other operand.
            lambda p, g, x: expression(p, g, x.const(OperandScalar(p.scalar)), x)
            if swapped
            else expression(p, g, x, x.const(OperandScalar(p.scalar))),
            2,
            params=ScalarParams,
        )

        def gradient(g: Any, node: Any, ograds: list) -> list:
            return [hidden(g, ograds[0], node.inputs[0], scalar=node.params.scalar)]

    elif instruction in ("add", "sub"):
        def gradient(g: Any, node: Any, ograds: list) -> list:
            return [ograds[0]]

    def numpy(p: Any, x: Any, is_train: bool) -> Any:
        s = np.asarray(p.scalar).astype(x.dtype) if x.dtype.kind == "f" else np.int64(p.scalar).astype(x.dtype)
        with np.errstate(over="ignore"):
            return np.asarray(reference(s, x) if swapped else reference(x, s)).astype(x.dtype)

    def code(p: Any) -> list:
        made = elementwise(lambda p, x: getattr(x, ("r" if swapped else "") + instruction)(OperandScalar(p.scalar)))
        return made(p)

    low, high = domain
    cases = [
        Case({"data": (3, 5)}, {"scalar": 2.0}, low=low, high=high, dtypes=DTYPES),
        Case({"data": (2, 0)}, {"scalar": 1.0}, low=low, high=high),
        Case({"data": (21,)}, {"scalar": 0.7}, low=low, high=high),
    ]
    if integers:
        cases.append(Case({"data": (4, 5)}, {"scalar": 3.0}, low=1, high=9, dtypes=INT_DTYPES, grad=False))
        cases.append(Case({"data": (4, 5)}, {"scalar": 2.7}, low=-9, high=9, dtypes=INT_DTYPES[:3], grad=False))
    register(
        Op(
            name=names[0], aliases=tuple(names[1:]), params=ScalarParams, infer_shape=same_shape, gradient=gradient,
            doc=f"{doc} The {'first' if swapped else 'second'} operand is a scalar.", elementwise=code, reference=numpy,
            cases=tuple(cases),
        )
    )  # fmt: skip


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


define(
    "add", "Add.", lambda x, y: x + y, (None, None),
    elemwise=("elemwise_add", "_add", "_plus", "_Plus"), broadcast=("broadcast_add", "broadcast_plus"),
    scalar=("_plus_scalar", "_PlusScalar"),
)  # fmt: skip
define(
    "sub", "Subtract.", lambda x, y: x - y, (None, lambda p, g, x, y: -g),
    elemwise=("elemwise_sub", "_sub", "_minus", "_Minus"), broadcast=("broadcast_sub", "broadcast_minus"),
    scalar=("_minus_scalar", "_MinusScalar"), reversed_scalar=("_rminus_scalar", "_RMinusScalar"),
)  # fmt: skip
define(
    "mul", "Multiply.", lambda x, y: x * y, (lambda p, g, x, y: g * y, lambda p, g, x, y: g * x),
    elemwise=("elemwise_mul", "_mul", "_Mul"), broadcast=("broadcast_mul",), scalar=("_mul_scalar", "_MulScalar"),
)  # fmt: skip
define(
    "div", "Divide; integers truncate.", special.divide,
    (lambda p, g, x, y: g / y, lambda p, g, x, y: -(g * x / (y * y))),
    elemwise=("elemwise_div", "_div", "_Div"), broadcast=("broadcast_div",),
    scalar=("_div_scalar", "_DivScalar"), reversed_scalar=("_rdiv_scalar", "_RDivScalar"),
)  # fmt: skip
define(
    "mod", "Compute the remainder, with the sign of the divisor; 0 for division by 0.", special.mod,
    (lambda p, g, x, y: g + 0.0, lambda p, g, x, y: -(g * (x / y).floor())),
    elemwise=("_mod", "_Mod"), broadcast=("broadcast_mod",),
    scalar=("_mod_scalar", "_ModScalar"), reversed_scalar=("_rmod_scalar", "_RModScalar"),
)  # fmt: skip
define(
    "power", "Raise to a power.", lambda x, y: np.power(x.astype(np.float64), y),
    (lambda p, g, x, y: g * (y * x ** (y - 1)), lambda p, g, x, y: g * (x**y * x.log())),
    elemwise=("_power", "_Power"), broadcast=("broadcast_power",),
    scalar=("_power_scalar", "_PowerScalar"), reversed_scalar=("_rpower_scalar", "_RPowerScalar"), integers=False,
)  # fmt: skip
define(
    "maximum", "Return the larger.", np.maximum,
    (lambda p, g, x, y: g * x.greater_equal(y), lambda p, g, x, y: g * x.lesser(y)),
    elemwise=("_maximum", "_Maximum"), broadcast=("broadcast_maximum",), scalar=("_maximum_scalar", "_MaximumScalar"),
)  # fmt: skip
define(
    "minimum", "Return the smaller.", np.minimum,
    (lambda p, g, x, y: g * x.lesser_equal(y), lambda p, g, x, y: g * x.greater(y)),
    elemwise=("_minimum", "_Minimum"), broadcast=("broadcast_minimum",), scalar=("_minimum_scalar", "_MinimumScalar"),
)  # fmt: skip
define(
    "hypot", "Return sqrt(x * x + y * y).", np.hypot,
    (lambda p, g, x, y: g * (x / x.hypot(y)), lambda p, g, x, y: g * (y / x.hypot(y))),
    elemwise=("_hypot", "_Hypot"), broadcast=("broadcast_hypot",), scalar=("_hypot_scalar", "_HypotScalar"),
    integers=False,
)  # fmt: skip
_COMPARISONS: list[tuple[str, str, Callable[[Any, Any], Any]]] = [
    ("equal", "Return 1 where x == y, else 0.", lambda x, y: x == y),
    ("not_equal", "Return 1 where x != y, else 0.", lambda x, y: x != y),
    ("greater", "Return 1 where x > y, else 0.", lambda x, y: x > y),
    ("greater_equal", "Return 1 where x >= y, else 0.", lambda x, y: x >= y),
    ("lesser", "Return 1 where x < y, else 0.", lambda x, y: x < y),
    ("lesser_equal", "Return 1 where x <= y, else 0.", lambda x, y: x <= y),
    ("logical_and", "Return 1 where both are not 0, else 0.", np.logical_and),
    ("logical_or", "Return 1 where one is not 0, else 0.", np.logical_or),
    ("logical_xor", "Return 1 where just one is not 0, else 0.", np.logical_xor),
]
for _name, _doc, _function in _COMPARISONS:
    define(
        _name, _doc, _function, elemwise=(f"_{_name}", "_" + _name.title()), broadcast=(f"broadcast_{_name}",),
        scalar=(f"_{_name}_scalar", f"_{_camel(_name)}Scalar"), domain=(-2.0, 2.0),
    )  # fmt: skip

register(
    Op(
        name="_grad_add",
        doc="Add two gradients of one shape.",
        inputs=INPUTS,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [ograds[0], ograds[0]],
        elementwise=elementwise(lambda p, x, y: x + y),
        reference=lambda p, x, y, is_train: x + y,
        cases=(Case({"lhs": (2, 3), "rhs": (2, 3)}),),
    )
)
