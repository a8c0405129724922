"""Dropout."""

from __future__ import annotations

import numpy as np

from .infer import normalize_axis, same_dtype, unify
from .params import Bool, Enum, Float, Params, Shape
from .registry import register
from .schema import Case, Op


class DropoutParams(Params):
    p = Float(default=0.5, min=0.0, max=1.0, doc="Fraction of the elements that are set to zero.")
    mode = Enum("always", "training", default="training", doc="Whether to drop in training only, or always.")
    axes = Shape(default=(), doc="Axes along which all elements share one decision (variational dropout).")
    cudnn_off = Bool(default=False, nullable=True, doc="Ignored: of MXNet's GPU build.")


def _mask_shape(p, shape):
    axes = {normalize_axis(a, len(shape), "axes") for a in p.axes}
    return tuple(1 if i in axes else d for i, d in enumerate(shape))


def dropout_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    mask = outs[1] if data is None else unify(_mask_shape(p, data), outs[1], "shapes of the mask")
    return [data], [data, mask]


def _is_active(p, is_train):
    return p.p > 0 and (is_train or p.mode == "always")


def dropout_lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    p, x, (y, mask) = node.params, low.ins[0], low.outs
    if not _is_active(p, low.is_train):
        low.copy(y, x)
        if low.used(1):
            low.fill(mask, 1)
        return
    stream = low.random_stream()
    if p.axes:
        low.step("dropout.Dropout", [], [mask], p=p.p, stream=stream)
        if low.used(0):
            low.elementwise([Instr("mul", (0, 1))], [x, mask], [y])
    else:
        writes = [y, mask] if low.used(1) else [y]
        low.step("dropout.Dropout", [x], writes, inplace=[(0, 0)], p=p.p, stream=stream)


def dropout_gradient(g, node, ograds):
    if ograds[0] is None or not _is_active(node.params, g.is_train):
        return [ograds[0]]
    return [g("broadcast_mul" if node.params.axes else "elemwise_mul", ograds[0], node[1])]


def dropout_numpy(p, data, is_train):
    # Only what does not depend on chance: identity, or everything dropped.
    return data if not _is_active(p, is_train) else np.zeros_like(data)


register(
    Op(
        name="Dropout",
        doc="""Set elements to zero at random and scale the others by 1 / (1 - p), so that the expectation stays.

        At inference (unless ``mode='always'``) it hands the data on. With p = 1 the result is all zeros; MXNet gives NaN.
        """,
        params=DropoutParams,
        outputs=("output", "mask"),
        visible=1,
        random=True,
        infer_shape=dropout_shape,
        infer_dtype=same_dtype,
        gradient=dropout_gradient,
        lower=dropout_lower,
        reference=dropout_numpy,
        cases=(
            Case({"data": (3, 4)}, {"p": 0.3}, is_train=False, dtypes=("float32", "float64", "float16")),
            Case({"data": (3, 4)}, {"p": 0.0}),
            Case({"data": (3, 70)}, {"p": 1.0}, grad=False),
            Case({"data": (3, 4)}, {"p": 1.0, "axes": (1,), "mode": "always"}, is_train=False, grad=False),
            Case({"data": (0, 4)}, {"p": 0.5}),
        ),
    )
)
