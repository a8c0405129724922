"""LRN: local response normalisation across channels (Krizhevsky et al., 2012)."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import FLOAT32, product, same_dtype, unify_all
from .params import Float, Int, Params
from .registry import register
from .schema import Case, Op


class LRNParams(Params):
    alpha = Float(default=1e-4, doc="Scale of the sum of squares.")
    beta = Float(default=0.75, doc="Power that the normaliser is raised to.")
    knorm = Float(default=2.0, doc="What is added to the sum of squares.")
    nsize = Int(min=0, doc="Width of the window, in channels; odd.")


def lrn_shape(p, ins, outs):
    if p.nsize % 2 == 0:
        raise ShapeError(f"LRN only supports odd values for nsize, found {p.nsize}")
    data = unify_all([ins[0], *outs], "data and output shapes")
    if data is not None:
        if len(data) < 2:
            raise ShapeError(f"data must have a batch and a channel axis, found {data}")
        if 0 <= data[1] < p.nsize:
            raise ShapeError(f"nsize={p.nsize} is more than the {data[1]} channels of data {data}")
    return [data], [data] * len(outs)


def _split(low, ref, wide):
    """`ref` in dtype `wide` as (batch, channels, size)."""
    shape = ref.shape
    return low.cast(ref, wide).reshape(shape[0], shape[1], product(shape[2:]))


def _out(low, ref, wide):
    made = ref if ref.dtype == wide else low.workspace(ref.shape, wide)
    return made.reshape(ref.shape[0], ref.shape[1], product(ref.shape[2:]))


def _wide(dtype):
    return FLOAT32 if dtype.itemsize == 2 else dtype


def lrn_lower(low, node):
    p, x, (y, norm) = node.params, low.ins[0], low.outs
    if x.size == 0:
        return
    wide = _wide(x.dtype)
    outs = [_out(low, y, wide), _out(low, norm, wide)]
    low.step(
        "lrn.LRN", [_split(low, x, wide)], outs, nsize=p.nsize, alpha=p.alpha, knorm=p.knorm, beta=p.beta
    )  # fmt: skip
    if y.dtype != wide:
        low.cast(outs[0].reshape(*y.shape), y.dtype, y)
        if low.used(1):
            low.cast(outs[1].reshape(*y.shape), y.dtype, norm)


def lrn_gradient(g, node, ograds):
    if ograds[0] is None:
        return [None]
    return [g("_backward_LRN", ograds[0], node.inputs[0], node[1], like=node.params)]


def lrn_backward_lower(low, node):
    p, dx = node.params, low.outs[0]
    if dx.size == 0:
        return
    wide = _wide(dx.dtype)
    reads = [_split(low, ref, wide) for ref in low.ins]
    made = _out(low, dx, wide)
    ratio = low.workspace(made.shape, wide)
    low.step("lrn.LRNGradient", reads, [made, ratio], nsize=p.nsize, alpha=p.alpha, beta=p.beta)
    if dx.dtype != wide:
        low.cast(made.reshape(*dx.shape), dx.dtype, dx)


def lrn_numpy(p, data, is_train):
    wide = data.astype(np.float64)
    half = p.nsize // 2
    square = np.stack([(wide[:, max(c - half, 0) : c + half + 1] ** 2).sum(1) for c in range(data.shape[1])], axis=1)
    norm = p.knorm + p.alpha / p.nsize * square
    return wide * norm**-p.beta, norm


register(
    Op(
        name="LRN",
        doc="""Divide every element by a power of the sum of squares over the `nsize` channels around it.

        ``output = data * (knorm + alpha / nsize * sum of squares) ** -beta``. The channels are axis 1.
        """,
        params=LRNParams,
        outputs=("output", "tmp_norm"),
        visible=1,
        infer_shape=lrn_shape,
        infer_dtype=same_dtype,
        gradient=lrn_gradient,
        lower=lrn_lower,
        reference=lrn_numpy,
        cases=(
            Case({"data": (2, 5, 3, 4)}, {"nsize": 3, "alpha": 0.5}, dtypes=("float32", "float64", "float16")),
            Case({"data": (1, 6, 3, 20)}, {"nsize": 5, "alpha": 2.0, "beta": 0.6, "knorm": 1.0}),
            Case({"data": (2, 4, 3, 3)}, {"nsize": 1, "alpha": 0.7, "beta": 0.5, "knorm": 0.5}),
            Case({"data": (2, 4, 5)}, {"nsize": 3, "alpha": 0.7, "beta": 1.0}),
        ),
    )
)

register(
    Op(
        name="_backward_LRN",
        hidden=True,
        doc="Gradient of LRN.",
        params=LRNParams,
        inputs=("ograd", "data", "norm"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        infer_dtype=lambda p, ins, outs: (ins, [ins[1]]),
        lower=lrn_backward_lower,
    )
)
