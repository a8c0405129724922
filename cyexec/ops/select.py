"""Elementwise operators with parameters or rules of their own: where, clip, add_n, smooth_l1, hard_sigmoid, BlockGrad."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import DTypeError, ShapeError
from .chain import elementwise, register_hidden
from .infer import same_dtype, same_shape, unify, unify_dtype, zero_gradient
from .params import Count, Float, Params
from .registry import register
from .schema import Case, Op, Shape

FLOATS = ("float32", "float64", "float16")
INTS = ("int32", "int64", "int8")


# where


def _where_shape(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    condition = ins[0]
    out = unify(unify(ins[1], ins[2], "x and y"), outs[0], "x and output")
    if condition is not None and out is not None and (len(condition) != 1 or len(out) == 1):
        condition = out = unify(condition, out, "condition and x")
    elif condition is not None and out is not None and -1 not in (condition[0], out[0]) and condition[0] != out[0]:
        raise ShapeError(f"condition has {condition[0]} elements but x has {out[0]} rows; x is {out}")
    return [condition, out, out], [out]


def _where_dtype(params: Any, ins: list, outs: list) -> tuple[list, list]:
    dtype = unify_dtype([*ins[1:], *outs], "dtypes of x, y and output")
    return [ins[0], dtype, dtype], [dtype]


def _mask(low: Any, condition: Any, out: Any) -> Any:
    """The condition as numbers of `out`'s dtype that are 0 where it is, seen with as many dimensions."""
    if condition.dtype != out.dtype:
        condition = low.cast(low.cast(condition, np.dtype(np.bool_)), out.dtype)
    if len(condition.shape) == len(out.shape):
        return condition
    return condition.reshape(*condition.shape, *(1,) * (len(out.shape) - 1))


def _where_lower(low: Any, node: Any) -> None:
    code = elementwise(lambda p, c, x, y: c.where(x, y))(None)
    low.elementwise(code, [_mask(low, low.ins[0], low.outs[0]), *low.ins[1:]], low.outs)


def _where_numpy(p: Any, condition: Any, x: Any, y: Any, is_train: bool) -> Any:
    return np.where(condition.reshape(condition.shape + (1,) * (x.ndim - condition.ndim)) != 0, x, y)


def _where_gradient(g: Any, node: Any, ograds: list) -> list:
    condition = node.inputs[0]
    zeros = g.zeros_like(ograds[0])
    return [None, g("where", condition, ograds[0], zeros), g("where", condition, zeros, ograds[0])]


_CONDITION = np.array([[1, 0, -2, 0], [0, 0.5, 1, 0], [0, 0, 3, 1]], np.float32)
register(
    Op(
        name="where",
        doc="Take x where the condition is not 0, else y. A condition of one dimension chooses rows.",
        inputs=("condition", "x", "y"),
        infer_shape=_where_shape,
        infer_dtype=_where_dtype,
        gradient=_where_gradient,
        lower=_where_lower,
        reference=_where_numpy,
        cases=(
            Case({"x": (3, 4), "y": (3, 4)}, data={"condition": _CONDITION}, dtypes=FLOATS),
            Case({"x": (3, 4), "y": (3, 4)}, data={"condition": _CONDITION.astype(np.int32)}, dtypes=(*FLOATS, *INTS), high=9),
            Case({"x": (3, 4, 2), "y": (3, 4, 2)}, data={"condition": np.array([0, 2, 0], np.int8)}),
            Case({"x": (3,), "y": (3,)}, data={"condition": np.array([0, 2, 0], np.int64)}),
            Case({"condition": (0, 3), "x": (0, 3), "y": (0, 3)}),
        ),
    )
)


# clip


class ClipParams(Params):
    a_min = Float(doc="Lower end.")
    a_max = Float(doc="Upper end.")


register_hidden(
    "_backward_clip",
    lambda p, g, x: g * x.greater(p.a_max).logical_or(x.lesser(p.a_min)).logical_not(),
    2,
    ClipParams,
)


def _clip_lower(low: Any, node: Any) -> None:
    a_min, a_max = node.params.a_min, node.params.a_max
    dtype = low.outs[0].dtype
    if dtype.kind in "iu":
        a_min = max(math.ceil(max(a_min, -(2.0**63))), np.iinfo(dtype).min) if a_min > 0 else max(a_min, np.iinfo(dtype).min)
        a_max = min(a_max, np.iinfo(dtype).max)
    if a_min > a_max:  # MXNet's answer to the contradiction: what is too large is brought to a_max, all else to a_min
        code = elementwise(
            lambda p, x: x.greater(a_max).where(x.const(a_max), x.lesser(a_min).where(x.const(a_min), x))
        )
    else:
        code = elementwise(lambda p, x: x.minimum(a_max).maximum(a_min))
    low.elementwise(code(None), low.ins, low.outs)


def _clip_numpy(p: Any, x: Any, is_train: bool) -> Any:
    if x.dtype.kind in "iu":  # bounds of integers are truncated
        return np.clip(x.astype(np.int64), int(p.a_min), int(p.a_max)).astype(x.dtype)
    return np.where(x > p.a_max, p.a_max, np.where(x < p.a_min, p.a_min, x)).astype(x.dtype)


register(
    Op(
        name="clip",
        doc="Limit values to the interval [a_min, a_max].",
        params=ClipParams,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [g("_backward_clip", ograds[0], node.inputs[0], like=node.params)],
        lower=_clip_lower,
        reference=_clip_numpy,
        cases=(
            Case({"data": (3, 5)}, {"a_min": -0.5, "a_max": 0.25}, dtypes=FLOATS),
            Case({"data": (3, 5)}, {"a_min": -2.5, "a_max": 2.7}, low=-9, high=9, dtypes=INTS),
            Case({"data": (3, 5)}, {"a_min": -2.5, "a_max": 2.7}, low=0, high=9, dtypes=("uint8",)),
            Case({"data": (0,)}, {"a_min": 0, "a_max": 1}),
            Case({"data": (3, 7)}, {"a_min": 0.5, "a_max": -0.25}, dtypes=FLOATS),
        ),
    )
)


# add_n


class AddNParams(Params):
    num_args = Count(doc="Number of inputs.")


_GROUP = 48  # operands of one chain


def _add_n_lower(low: Any, node: Any) -> None:
    out = low.outs[0]
    if len(low.ins) == 1:
        low.copy(out, low.ins[0])
        return
    for start in range(0, len(low.ins), _GROUP):
        operands = ([out] if start else []) + low.ins[start : start + _GROUP]
        if len(operands) == 1:
            low.copy(out, operands[0])
            continue

        def total(p: Any, first: Any, *rest: Any) -> Any:
            for value in rest:
                first = first + value
            return first

        low.elementwise(elementwise(total, len(operands))(None), operands, [out])


register(
    Op(
        name="add_n",
        aliases=("ElementWiseSum",),
        doc="Add all inputs.",
        params=AddNParams,
        inputs=lambda p: [f"arg{i}" for i in range(p.num_args)],
        variadic="num_args",
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [ograds[0]] * len(node.inputs),
        lower=_add_n_lower,
        reference=lambda p, *arrays, is_train: sum(arrays[1:], start=arrays[0]),
        cases=(
            Case({"arg0": (2, 3)}, {"num_args": 1}),
            Case({f"arg{i}": (2, 3) for i in range(3)}, {"num_args": 3}, dtypes=(*FLOATS, *INTS), high=9),
            Case({f"arg{i}": (2,) for i in range(100)}, {"num_args": 100}),
        ),
    )
)


# smooth_l1, hard_sigmoid


class SmoothL1Params(Params):
    scalar = Float(default=1.0, doc="Sigma: the function is quadratic where abs(x) < 1 / sigma^2.")


def _edge(p: Any) -> tuple[float, float]:
    square = p.scalar * p.scalar
    return square, 1 / square if square else math.inf


def _smooth_l1(p: Any, x: Any) -> Any:
    square, edge = _edge(p)
    return x.abs().greater(edge).where(x.abs() - 0.5 * edge, x * x * (0.5 * square))


def _smooth_l1_lower(low: Any, node: Any) -> None:
    code = elementwise(_smooth_l1)(node.params)
    dtype = low.outs[0].dtype
    if dtype.kind == "f":
        low.elementwise(code, low.ins, low.outs)
        return
    # Integers are computed in float64 and truncated: the constants are no integers.
    wide = low.workspace(low.ins[0].shape, np.dtype(np.float64))
    low.elementwise(code, [low.cast(low.ins[0], wide.dtype)], [wide])
    low.cast(wide, dtype, low.outs[0])


def _smooth_l1_backward(p: Any, g: Any, x: Any) -> Any:
    square, edge = _edge(p)
    return g * x.abs().greater(edge).where(x.sign(), x * square)


register_hidden("_backward_smooth_l1", _smooth_l1_backward, 2, SmoothL1Params)


def _smooth_l1_numpy(p: Any, x: Any, is_train: bool) -> Any:
    square, edge = _edge(p)
    return np.where(np.abs(x) > edge, np.abs(x) - 0.5 * edge, 0.5 * square * x * x).astype(x.dtype)


register(
    Op(
        name="smooth_l1",
        aliases=("_smooth_l1",),
        doc="Compute the smooth L1 loss: quadratic near 0, linear elsewhere.",
        params=SmoothL1Params,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [g("_backward_smooth_l1", ograds[0], node.inputs[0], scalar=node.params.scalar)],
        lower=_smooth_l1_lower,
        reference=_smooth_l1_numpy,
        cases=(
            Case({"data": (3, 5)}, {"scalar": 1.0}, low=-3, high=3, dtypes=FLOATS),
            Case({"data": (3, 5)}, {"scalar": 2.0}),
            Case({"data": (3, 5)}, {"scalar": 1.0}, low=-9, high=9, dtypes=INTS),
        ),
    )
)


class HardSigmoidParams(Params):
    # MXNet's default is the float32 nearest to 0.2.
    alpha = Float(default=0.200000003, doc="Slope.")
    beta = Float(default=0.5, doc="Value at 0.")


def _floating(params: Any, ins: list, outs: list) -> tuple[list, list]:
    ins, outs = same_dtype(params, ins, outs)
    if ins[0] is not None and ins[0].kind != "f":
        raise DTypeError(f"data must be floating point, found {ins[0]}")
    return ins, outs


register_hidden(
    "_backward_hard_sigmoid",
    lambda p, g, y: g * (y.greater(0).logical_and(y.lesser(1)) * p.alpha),
    2,
    HardSigmoidParams,
)
register(
    Op(
        name="hard_sigmoid",
        doc="Compute max(0, min(1, alpha * x + beta)).",
        params=HardSigmoidParams,
        infer_shape=same_shape,
        infer_dtype=_floating,
        gradient=lambda g, node, ograds: [g("_backward_hard_sigmoid", ograds[0], node[0], like=node.params)],
        elementwise=elementwise(lambda p, x: (x * p.alpha + p.beta).minimum(1).maximum(0)),
        reference=lambda p, x, is_train: np.clip(p.alpha * x + p.beta, 0, 1),
        cases=(
            Case({"data": (3, 15)}, low=-4, high=4, dtypes=FLOATS),
            Case({"data": (3, 5)}, {"alpha": 1.0, "beta": 0.1}),
        ),
    )
)


# Copies with a gradient of their own


def _copy(low: Any, node: Any) -> None:
    low.copy(low.outs[0], low.ins[0])


register(
    Op(
        name="BlockGrad",
        aliases=("stop_gradient",),
        doc="Return the input; no gradient flows back.",
        infer_shape=same_shape,
        gradient=zero_gradient,
        lower=_copy,
        reference=lambda p, x, is_train: x,
        cases=(Case({"data": (2, 3)}, grad=False, dtypes=(*FLOATS, *INTS)),),
    )
)
register(
    Op(
        name="make_loss",
        doc="Return the input; its gradient is 1, whatever the head gradient is.",
        outputs=("loss",),
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [g("ones_like", node.inputs[0])],
        lower=_copy,
        reference=lambda p, x, is_train: x,
        cases=(Case({"data": (2, 3)}, grad=False, dtypes=FLOATS),),
    )
)
register(
    Op(
        name="_identity_with_attr_like_rhs",
        doc="Return the first input, which has the second one's shape and dtype.",
        inputs=("lhs", "rhs"),
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [ograds[0], None],
        lower=_copy,
        reference=lambda p, x, y, is_train: x,
        cases=(Case({"lhs": (2, 3), "rhs": (2, 3)}),),
    )
)
