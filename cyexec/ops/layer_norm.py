"""LayerNorm: normalisation along one axis of every example by itself."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import FLOAT32, normalize_axis, product, same_dtype, unify, unify_dtype
from .params import Bool, Float, Int, Params
from .registry import register
from .schema import Case, Op
from .strided import View, move

# MXNet's default is the float32 number nearest to 1e-5, also in double precision.
DEFAULT_EPS = float(np.float32(1e-5))
BLOCK_ROWS, BLOCK_ELEMENTS = 64, 32768  # rows summed as one block: 64, or as many as have 32768 elements


class LayerNormParams(Params):
    axis = Int(default=-1, doc="Axis to normalise along; gamma and beta have its extent.")
    eps = Float(default=DEFAULT_EPS, doc="Added to the variance, against division by zero.")
    output_mean_var = Bool(default=False, doc="Show the mean and the standard deviation as outputs.")


def layer_norm_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    vector = (-1,)
    if data is not None:
        if not -len(data) <= p.axis < len(data):
            raise ShapeError(f"Channel axis out of range: axis={p.axis} but data is {data}")
        vector = (data[p.axis],)
    for shape in ins[1:3]:
        vector = unify(vector, shape, "extents of the normalised axis of data, and of gamma and beta,")
    stat = None
    if data is not None:
        axis = normalize_axis(p.axis, len(data))
        data = data[:axis] + vector + data[axis + 1 :]
        stat = data[:axis] + (1,) + data[axis + 1 :]
    stat = unify(stat, unify(outs[1], outs[2], "shapes of mean and std"), "shapes of mean and std")
    return [data, vector, vector], [data, stat, stat]


def _as_rows(low, p, ref, wide):
    """`ref` in dtype `wide` as a matrix whose rows run along the normalised axis."""
    ref = low.cast(ref, wide)
    axis = p.axis % len(ref.shape)
    width = ref.shape[axis]
    if axis < len(ref.shape) - 1:
        outer, inner = product(ref.shape[:axis]), product(ref.shape[axis + 1 :])
        turned = low.workspace((outer, inner, width), wide)
        move(low, View.of(turned), View.of(ref, (outer, width, inner)).transpose((0, 2, 1)))
        ref = turned
    return ref.reshape(product(ref.shape) // width, width)


def _out_rows(low, p, ref, wide):
    """(matrix for a step to write, function that brings it to `ref`)."""
    axis, width = p.axis % len(ref.shape), ref.shape[p.axis]
    straight = axis == len(ref.shape) - 1
    if straight and ref.dtype == wide:
        return ref.reshape(product(ref.shape) // width, width), lambda: None
    outer, inner = product(ref.shape[:axis]), product(ref.shape[axis + 1 :])
    matrix = low.workspace((outer * inner, width), wide)

    def finish():
        done = matrix
        if not straight:
            done = ref if ref.dtype == wide else low.workspace(ref.shape, wide)
            move(low, View.of(done, (outer, width, inner)), View.of(matrix, (outer, inner, width)).transpose((0, 2, 1)))
        if done is not ref:
            low.cast(done.reshape(*ref.shape), ref.dtype, ref)

    return matrix, finish


def _wide(dtype):
    return FLOAT32 if dtype.itemsize == 2 else dtype


def layer_norm_lower(low, node):
    p, (x, gamma, beta), (y, mean, std) = node.params, low.ins, low.outs
    if product(x.shape) == 0:
        low.fill(mean, 0)
        low.fill(std, 0)
        return
    wide = _wide(x.dtype)
    matrix = _as_rows(low, p, x, wide)
    rows = matrix.shape[0]
    out, finish = _out_rows(low, p, y, wide)
    stats = [s.reshape(rows) if s.dtype == wide else low.workspace((rows,), wide) for s in (mean, std)]
    low.step(
        "norm_rows.RowNormalize", [matrix, low.cast(gamma, wide), low.cast(beta, wide)], [out, *stats],
        inplace=[(0, 0)], eps=p.eps,
    )  # fmt: skip
    finish()
    for made, wanted in zip(stats, (mean, std)):
        if wanted.dtype != wide:
            low.cast(made.reshape(*wanted.shape), wanted.dtype, wanted)


def layer_norm_gradient(g, node, ograds):
    if ograds[0] is None:
        return [None] * 3
    data, gamma, _ = node.inputs
    made = g.node(
        "_backward_LayerNorm", ograds[0], data, gamma, node[1], node[2], axis=node.params.axis, eps=node.params.eps
    )
    return [made[0], made[1], made[2]]


def layer_norm_backward_lower(low, node):
    p, (dy, x, gamma, mean, std), (dx, dgamma, dbeta) = node.params, low.ins, low.outs
    if product(x.shape) == 0:
        low.fill(dgamma, 0)
        low.fill(dbeta, 0)
        return
    wide = _wide(x.dtype)
    dy, x = _as_rows(low, p, dy, wide), _as_rows(low, p, x, wide)
    rows, width = x.shape
    mean, std = low.cast(mean, wide).reshape(rows), low.cast(std, wide).reshape(rows)
    if low.used(1) or low.used(2):
        block = max(BLOCK_ROWS, BLOCK_ELEMENTS // width)
        partial = low.workspace((-(-rows // block), 2, width), np.float64)
        low.step(
            "norm_rows.RowScaleShiftGradient", [dy, x, mean, std], [dgamma, dbeta, partial], block=block
        )  # fmt: skip
    if low.used(0):
        out, finish = _out_rows(low, p, dx, wide)
        low.step("norm_rows.RowGradient", [dy, x, low.cast(gamma, wide), mean, std], [out], inplace=[(0, 0), (0, 1)])
        finish()


def layer_norm_numpy(p, data, gamma, beta, is_train):
    shape = [-1 if i == p.axis % data.ndim else 1 for i in range(data.ndim)]
    wide = data.astype(np.float64)
    mean = wide.mean(p.axis, keepdims=True)
    std = np.sqrt(wide.var(p.axis, keepdims=True) + p.eps)
    return (wide - mean) / std * gamma.reshape(shape) + beta.reshape(shape), mean, std


def _backward_shape(p, ins, outs):
    return ins, [ins[1], ins[2], ins[2]]


def _backward_dtype(p, ins, outs):
    dtype = unify_dtype(ins)
    return [dtype] * 5, [dtype] * 3


def _case(data, axis=-1, **kw):
    c = (data[axis],)
    params = {"axis": axis, **kw.pop("params", {})}
    # Head gradients of mean and std are ignored: with them shown, the gradient is not the derivative.
    kw.setdefault("grad", not params.get("output_mean_var", False))
    return Case({"data": data, "gamma": c, "beta": c}, params, **kw)


_ALL = ("float32", "float64", "float16")

register(
    Op(
        name="LayerNorm",
        doc="""Normalise along `axis` to zero mean and unit variance, then scale by gamma and shift by beta.

        The second and third outputs are the mean and sqrt(variance + eps), of data's shape with extent 1 along `axis`.
        Gradients that arrive at them are ignored, as in MXNet.
        """,
        params=LayerNormParams,
        inputs=("data", "gamma", "beta"),
        outputs=("output", "mean", "std"),
        visible=lambda p: 3 if p.output_mean_var else 1,
        infer_shape=layer_norm_shape,
        infer_dtype=same_dtype,
        gradient=layer_norm_gradient,
        lower=layer_norm_lower,
        reference=layer_norm_numpy,
        cases=(
            _case((4, 70), dtypes=_ALL),
            _case((2, 3, 5), params={"output_mean_var": True}, dtypes=_ALL),
            _case((2, 3, 5), axis=1, params={"eps": 0.1}, dtypes=_ALL),
            _case((3, 4, 5), axis=0),
            _case((3, 4, 5), axis=-2, params={"output_mean_var": True}),
            _case((7,)),
        ),
    )
)

register(
    Op(
        name="_backward_LayerNorm",
        hidden=True,
        doc="Gradients of LayerNorm.",
        params=LayerNormParams,
        inputs=("ograd", "data", "gamma", "mean", "std"),
        outputs=("data_grad", "gamma_grad", "beta_grad"),
        infer_shape=_backward_shape,
        infer_dtype=_backward_dtype,
        lower=layer_norm_backward_lower,
    )
)
