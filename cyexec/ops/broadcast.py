"""Broadcasting to a shape: broadcast_to, broadcast_axis, broadcast_like. One elementwise copy; backward is a sum."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import normalize_axis
from .params import Params, Shape
from .registry import register
from .schema import Case, Op


class ToParams(Params):
    shape = Shape(default=(), doc="Shape of the result; 0 keeps the extent of the input.")


class AxisParams(Params):
    axis = Shape(default=(), doc="The axes to broadcast; they have size one.")
    size = Shape(default=(), doc="Their new sizes.")


class LikeParams(Params):
    lhs_axes = Shape(default=None, doc="Axes of the first input to broadcast.")
    rhs_axes = Shape(default=None, doc="Axes of the second input whose sizes they get.")


def _checked(shape, wanted):
    """`wanted`, if `shape` broadcasts to it with as many dimensions."""
    if len(shape) != len(wanted) or any(a not in (-1, 1) and b != -1 and a != b for a, b in zip(shape, wanted)):
        raise ShapeError(f"{shape} cannot be broadcast to {tuple(wanted)}")
    return tuple(wanted)


def _to_shape(p, ins, outs):
    shape = ins[0]
    if shape is None:
        return ins, [p.shape if p.shape and 0 not in p.shape else outs[0]]
    if not p.shape:
        return ins, [shape]
    if len(shape) != len(p.shape):
        raise ShapeError(f"{shape} cannot be broadcast to {p.shape}: as many dimensions are needed")
    return ins, [_checked(shape, [a if b == 0 else b for a, b in zip(shape, p.shape)])]


def _axis_shape(p, ins, outs):
    if len(p.axis) != len(p.size):
        raise ShapeError(f"as many axes as sizes are needed, found axis={p.axis} and size={p.size}")
    shape = ins[0]
    if shape is None:
        return ins, outs
    wanted = list(shape)
    for axis, size in zip(p.axis, p.size):
        wanted[normalize_axis(axis, len(shape))] = size
    return ins, [_checked(shape, wanted)]


def _like_shape(p, ins, outs):
    lhs, rhs = ins
    if (p.lhs_axes is None) != (p.rhs_axes is None) or p.lhs_axes is not None and len(p.lhs_axes) != len(p.rhs_axes):
        raise ShapeError(f"lhs_axes={p.lhs_axes} and rhs_axes={p.rhs_axes} must name as many axes")
    if lhs is None or rhs is None:
        return ins, outs
    if p.lhs_axes is None:
        # An extent of more than 1 stays, so it tells the output's where rhs is unknown.
        if len(lhs) == len(rhs):
            rhs = tuple(a if b == -1 and a > 1 else b for a, b in zip(lhs, rhs))
        return ins, [_checked(lhs, rhs)]
    wanted = list(lhs)
    for a, b in zip(p.lhs_axes, p.rhs_axes):
        wanted[normalize_axis(a, len(lhs), "lhs_axes")] = rhs[normalize_axis(b, len(rhs), "rhs_axes")]
    return ins, [_checked(lhs, wanted)]


def _lower(low, node):
    x, out = low.ins[0], low.outs[0]
    if x.shape == out.shape:
        low.copy(out, x)
    else:
        low.elementwise([Instr("copy", (0,))], [x], [out])


def _gradient(g, node, ograds):
    small, large = node.in_shapes[0], node.shapes[0]
    axes = tuple(i for i, (a, b) in enumerate(zip(small, large)) if a != b)
    head = g("sum", ograds[0], axis=axes, keepdims=True) if axes else ograds[0]
    return [head] + [None] * (len(node.inputs) - 1)


def _reference(p, x, *like, is_train):
    shapes = [x.shape, *(y.shape for y in like)]
    infer = _to_shape if isinstance(p, ToParams) else _axis_shape if isinstance(p, AxisParams) else _like_shape
    return np.broadcast_to(x, infer(p, shapes, [None])[1][0])


_DTYPES = ("float32", "float64", "float16")
register(
    Op(
        name="broadcast_to",
        doc="Broadcast the input to a shape with as many dimensions.",
        params=ToParams,
        infer_shape=_to_shape,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            Case(shapes={"data": (1, 2, 1)}, params={"shape": (2, 0, 3)}, dtypes=_DTYPES),
            Case(shapes={"data": (2, 3)}, params={"shape": (2, 3)}),
            Case(shapes={}, data={"data": np.array([[1], [5]])}, params={"shape": (2, 3)}, dtypes=("int32",)),
        ),
    )
)
register(
    Op(
        name="broadcast_axis",
        aliases=("broadcast_axes",),
        doc="Broadcast the input along given axes of size one.",
        params=AxisParams,
        infer_shape=_axis_shape,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            Case(shapes={"data": (1, 2, 1)}, params={"axis": (2, 0), "size": (3, 2)}, dtypes=_DTYPES),
            Case(shapes={"data": (2, 1)}, params={"axis": 1, "size": 4}),
            Case(shapes={"data": (2, 1)}, params={"axis": 1, "size": 0}),
        ),
    )
)
register(
    Op(
        name="broadcast_like",
        doc="Broadcast the first input to the shape of the second one, or to its extents on some axes.",
        params=LikeParams,
        inputs=("lhs", "rhs"),
        infer_shape=_like_shape,
        infer_dtype=lambda p, ins, outs: ([ins[0] or outs[0], ins[1]], [ins[0] or outs[0]]),
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            Case(shapes={"lhs": (1, 2), "rhs": (3, 2)}, dtypes=_DTYPES),
            Case(shapes={"lhs": (1, 2), "rhs": (3, 4, 5)}, params={"lhs_axes": (0,), "rhs_axes": (-1,)}),
        ),
    )
)
