"""FullyConnected: a matrix product with the weights, plus a bias."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from . import params as P
from .infer import is_full, product, unify
from .registry import register
from .schema import Case, Op
from .windows import float_dtype


class FullyConnectedParams(P.Params):
    """Parameters of FullyConnected."""

    num_hidden = P.Int(min=1, doc="Number of hidden nodes of the output.")
    no_bias = P.Bool(default=False, doc="Whether to disable bias parameter.")
    flatten = P.Bool(default=True, doc="Whether to collapse all but the first axis of the input data tensor.")


def _rows_and_columns(p, shape):
    """Extents of the data as a matrix."""
    if p.flatten:
        return shape[0], product(shape[1:])
    return product(shape[:-1]), shape[-1]


def _infer_shape(p, ins, outs):
    data, weight = ins[0], ins[1]
    out = outs[0]
    if data is None:  # MXNet claims nothing then
        return ins, outs
    if len(data) == 0:
        raise ShapeError("data must have at least one dimension")
    weight = unify(weight, (p.num_hidden, -1), f"weight and (num_hidden={p.num_hidden}, inputs)")
    inner = data[1:] if p.flatten else data[-1:]
    columns = product(inner) if is_full(inner) else -1
    if columns >= 0 and weight[1] not in (-1, columns):
        raise ShapeError(
            f"weight is {weight} but data is {data} with {columns} inputs (flatten={p.flatten}); "
            f"expected {(p.num_hidden, columns)}"
        )
    weight = unify(weight, (-1, columns), "weight")
    if p.flatten:
        out = unify(out, (-1, p.num_hidden), "output and (batch, num_hidden)")
        out = unify(out, (data[0], -1), "output and data's first axis")
        if len(data) == 2:
            data = unify(data, (-1, weight[1]), "data")
        data = (out[0], *data[1:])
    else:
        lead = unify(data[:-1], None if out is None else out[:-1], "leading axes")
        data = (*lead, weight[1])
        out = unify(out, (*lead, p.num_hidden), "output")
    rest = [] if p.no_bias else [unify(ins[2], (p.num_hidden,), "bias and (num_hidden,)")]
    return [data, weight, *rest], [out]


def _lower(low, node):
    p = node.params
    rows, columns = _rows_and_columns(p, node.in_shapes[0])
    bias = None if p.no_bias else low.ins[2]
    add_gemm(low, low.ins[0], low.ins[1], low.outs[0], rows, p.num_hidden, columns, transpose_b=True, bias=bias)


def _gradient(g, node, ograds):
    inputs = node.inputs[:2]
    made = g.node("_backward_FullyConnected", ograds[0], *inputs, like=node.params)
    return [made[i] for i in range(len(node.inputs))]


def _reference(p, data, weight, bias=None, is_train=False):
    x = data.reshape(_rows_and_columns(p, data.shape)) if p.flatten else data
    out = x.astype(np.float64) @ weight.astype(np.float64).T
    return (out if bias is None else out + bias).astype(data.dtype)


def _inputs(p):
    return ("data", "weight") if p.no_bias else ("data", "weight", "bias")


register(
    Op(
        name="FullyConnected",
        doc="Apply a linear transformation: :math:`Y = XW^T + b`.",
        params=FullyConnectedParams,
        inputs=_inputs,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            Case({"data": (5, 7), "weight": (3, 7), "bias": (3,)}, {"num_hidden": 3}, dtypes=("float32", "float64", "float16")),
            Case({"data": (1, 33), "weight": (9, 33), "bias": (9,)}, {"num_hidden": 9}),
            Case({"data": (2, 3, 4), "weight": (5, 12)}, {"num_hidden": 5, "no_bias": True}),
            Case({"data": (2, 3, 4), "weight": (5, 4), "bias": (5,)}, {"num_hidden": 5, "flatten": False}),
            Case({"data": (6, 2), "weight": (1, 2), "bias": (1,)}, {"num_hidden": 1}),
            Case({"data": (0, 4), "weight": (2, 4), "bias": (2,)}, {"num_hidden": 2}),
            Case({"data": (40, 50), "weight": (60, 50), "bias": (60,)}, {"num_hidden": 60}, grad=False),
        ),
    )
)  # fmt: skip


def _backward_infer(p, ins, outs):
    weight = ins[2]
    return ins, [unify(outs[0], ins[1]), unify(outs[1], weight)] + ([] if p.no_bias else [(p.num_hidden,)])


def _backward_lower(low, node):
    p = node.params
    ograd, data, weight = low.ins
    rows, columns = _rows_and_columns(p, node.in_shapes[1])
    if low.used(0):  # dX = dY W
        add_gemm(low, ograd, weight, low.outs[0], rows, columns, p.num_hidden)
    if low.used(1):  # dW = dY^T X
        add_gemm(low, ograd, data, low.outs[1], p.num_hidden, columns, rows, transpose_a=True)
    if not p.no_bias and low.used(2):
        low.step("conv.ChannelSums", [ograd], [low.outs[2]], batch=rows, channels=p.num_hidden, size=1)


def _backward_reference(p, ograd, data, weight, is_train=False):
    rows, columns = _rows_and_columns(p, data.shape)
    dy, x = ograd.reshape(rows, p.num_hidden).astype(np.float64), data.reshape(rows, columns).astype(np.float64)
    grads = ((dy @ weight).reshape(data.shape), dy.T @ x) + (() if p.no_bias else (dy.sum(0),))
    return tuple(a.astype(data.dtype) for a in grads)


register(
    Op(
        name="_backward_FullyConnected",
        doc="Gradients of FullyConnected.",
        params=FullyConnectedParams,
        inputs=("ograd", "data", "weight"),
        outputs=_inputs,
        infer_shape=_backward_infer,
        lower=_backward_lower,
        reference=_backward_reference,
        hidden=True,
        cases=(
            Case({"ograd": (5, 3), "data": (5, 7), "weight": (3, 7)}, {"num_hidden": 3}),
            Case({"ograd": (5, 3), "data": (5, 2, 2), "weight": (3, 4)}, {"num_hidden": 3, "no_bias": True}),
        ),
    )
)
