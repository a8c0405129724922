"""L2Normalization and moments: composites of reductions and elementwise steps."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import product, unify
from .params import Bool, Enum, Float, Params
from .params import Shape as ShapeField
from .reducing import reduce_step, reduced_axes, reduced_shape
from .registry import register
from .schema import Case, Op


class L2Params(Params):
    eps = Float(default=1e-10, doc="Added to the sum of squares.")
    mode = Enum(
        "channel", "instance", "spatial", default="instance",
        doc="Over which elements norms are taken: all of an instance, those of one position (channel), or of one channel.",
    )  # fmt: skip


class MomentsParams(Params):
    axes = ShapeField(default=None, doc="Axes along which to compute mean and variance.")
    keepdims = Bool(default=False, doc="Leave the reduced axes in the results, with size one.")


class MomentsGradParams(Params):
    axes = ShapeField(default=None, doc="Axes of the moments.")


def _l2_axes(p, ndim):
    first = {"instance": 1, "channel": 1, "spatial": 2}[p.mode]
    return tuple(range(first, 2 if p.mode == "channel" else ndim))


def _keep(shape, axes):
    return tuple(1 if i in axes else d for i, d in enumerate(shape))


def _l2_shape(p, ins, outs):
    shape = unify(ins[0], outs[0], "data and output shapes")
    if shape is None:
        return [None], [None, outs[1]]
    if p.mode != "instance" and len(shape) < 3:
        raise ShapeError(f"mode={p.mode} needs at least 3 dimensions, data is {shape}")
    return [shape], [shape, _keep(shape, _l2_axes(p, len(shape)))]


def _l2_lower(low, node):
    p, x, (out, norm) = node.params, low.ins[0], low.outs
    squares = low.workspace(norm.shape, norm.dtype)
    reduce_step(low, "SumSquares", x, squares, _l2_axes(p, len(x.shape)))
    low.elementwise([Instr("add_s", (0,), p.eps), Instr("sqrt", (1,))], [squares], [norm])
    low.elementwise([Instr("div", (0, 1))], [x, norm], [out])


def _l2_grad_lower(low, node):
    """(head - out * sum(head * out)) / norm, sums over the elements that share a norm."""
    head, out, norm = low.ins
    axes = tuple(i for i, (a, b) in enumerate(zip(norm.shape, out.shape)) if a != b)
    both, total = low.workspace(out.shape, out.dtype), low.workspace(norm.shape, out.dtype)
    low.elementwise([Instr("mul", (0, 1))], [head, out], [both])
    reduce_step(low, "Sum", both, total, axes)
    code = [Instr("mul", (1, 3)), Instr("sub", (0, 4)), Instr("div", (5, 2))]
    low.elementwise(code, [head, out, norm, total], low.outs)


def _l2_numpy(p, x, is_train):
    z = x.astype(np.float64)
    norm = np.sqrt((z * z).sum(axis=_l2_axes(p, x.ndim), keepdims=True) + p.eps)
    return z / norm, norm


register(
    Op(
        name="_backward_L2Normalization",
        doc="Gradient of L2Normalization from its result and norms.",
        inputs=("ograd", "output", "norm"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        lower=_l2_grad_lower,
        hidden=True,
    )
)
_FLOATS = ("float32", "float64", "float16")
register(
    Op(
        name="L2Normalization",
        doc="Divide by the L2 norm of each instance, position or channel.",
        params=L2Params,
        outputs=("output", "norm"),
        visible=1,
        infer_shape=_l2_shape,
        gradient=lambda g, node, ograds: [g("_backward_L2Normalization", ograds[0], node[0], node[1])],
        lower=_l2_lower,
        reference=_l2_numpy,
        cases=(
            Case(shapes={"data": (3, 5)}, dtypes=_FLOATS),
            Case(shapes={"data": (2, 3, 4)}, params={"mode": "channel", "eps": 0.1}),
            Case(shapes={"data": (2, 3, 2, 2)}, params={"mode": "spatial"}),
            Case(shapes={"data": (2, 3, 2, 2)}, params={"mode": "instance"}),
            Case(shapes={"data": (4,)}),
        ),
    )
)


def _moments_axes(p, ndim):
    if not p.axes:
        raise ShapeError("axes must name the axes to reduce; give all of them for moments of the whole array")
    return reduced_axes(p.axes, ndim, name="axes")


def _moments_shape(p, ins, outs):
    shape = ins[0]
    if shape is None:
        return ins, outs
    return ins, [reduced_shape(shape, _moments_axes(p, len(shape)), p.keepdims)] * 2


def _moments_lower(low, node):
    x, (mean, variance) = low.ins[0], low.outs
    axes = _moments_axes(node.params, len(x.shape))
    reduce_step(low, "Mean", x, mean, axes)
    if low.used(1):
        # Two passes: squares of differences, not differences of squares.
        squares = low.workspace(x.shape, x.dtype)
        code = [Instr("sub", (0, 1)), Instr("square", (2,))]
        low.elementwise(code, [x, mean.reshape(*_keep(x.shape, axes))], [squares])
        reduce_step(low, "Mean", squares, variance, axes)


def _moments_gradient(g, node, ograds):
    x = node.inputs[0]
    axes = _moments_axes(node.params, len(x.shape))
    heads = [h if h is not None else g.zeros_like(node[i]) for i, h in enumerate(ograds)]
    return [g("_backward_moments", *heads, x, node[0], axes=axes)]


def _moments_grad_lower(low, node):
    """(head of mean + 2 (x - mean) * head of variance) / count"""
    (head_mean, head_variance, x, mean), axes = low.ins, node.params.axes
    keep = _keep(x.shape, axes)
    count = max(product(x.shape[a] for a in axes), 1)
    code = [
        Instr("sub", (2, 3)), Instr("mul", (1, 4)), Instr("mul_s", (5,), 2.0), Instr("add", (0, 6)),
        Instr("mul_s", (7,), 1.0 / count),
    ]  # fmt: skip
    reads = [head_mean.reshape(*keep), head_variance.reshape(*keep), x, mean.reshape(*keep)]
    low.elementwise(code, reads, low.outs)


def _moments_numpy(p, x, is_train):
    z, axes = x.astype(np.float64), _moments_axes(p, x.ndim)
    shape = reduced_shape(x.shape, axes, p.keepdims)
    return z.mean(axis=axes).reshape(shape), z.var(axis=axes).reshape(shape)


register(
    Op(
        name="_backward_moments",
        doc="Gradient of moments.",
        params=MomentsGradParams,
        inputs=("ograd_mean", "ograd_variance", "data", "mean"),
        infer_shape=lambda p, ins, outs: (ins, [ins[2]]),
        lower=_moments_grad_lower,
        hidden=True,
    )
)
register(
    Op(
        name="moments",
        doc="Compute mean and variance over given axes.",
        params=MomentsParams,
        outputs=("output0", "output1"),
        infer_shape=_moments_shape,
        gradient=_moments_gradient,
        lower=_moments_lower,
        reference=_moments_numpy,
        cases=(
            Case(shapes={"data": (3, 5)}, params={"axes": (0,)}, dtypes=_FLOATS),
            Case(shapes={"data": (3, 5, 2)}, params={"axes": (0, 2), "keepdims": True}),
            Case(shapes={"data": (3, 5)}, params={"axes": (0, -1)}),
        ),
    )
)
