"""Cumulative sums."""

from __future__ import annotations

import numpy as np

from .indexing import around
from .infer import normalize_axis, product, unify
from .params import Bool, DType, Int, Params
from .registry import register
from .schema import Case, Op


class CumsumParams(Params):
    axis = Int(default=None, doc="Axis along which the cumulative sum is computed. None: of the flattened array.")
    dtype = DType(default=None, doc="Type of the returned array and of the sums. None: that of the input.")


class ScanParams(Params):
    axis = Int(default=None, doc="Axis of the sums.")
    backwards = Bool(default=True, doc="Whether sums run from the end.")


def _shape(p, ins, outs):
    data, out = ins[0], outs[0]
    if p.axis is None:
        size = None if data is None else (-1 if -1 in data else product(data),)
        return ins, [unify(out, size if size is not None else (-1,), "output")]
    data = unify(data, out, "data and output shapes")
    if data is not None:
        normalize_axis(p.axis, len(data))
    return [data], [data]


def _dtype(p, ins, outs):
    if p.dtype is not None:
        return ins, [p.dtype]
    dtype = ins[0] if ins[0] is not None else outs[0]
    return [dtype], [dtype]


def _scan(low, axis, src, dst, backwards):
    if not dst.size:
        return
    outer, inner = (1, 1) if axis is None else around(src.shape, normalize_axis(axis, len(src.shape)))
    low.step(
        "scan.CumulativeSum", [low.cast(src, dst.dtype)], [dst], inplace=[(0, 0)], outer=outer, inner=inner,
        extent=dst.size // (outer * inner), backwards=backwards,
    )  # fmt: skip


def _gradient(g, node, ograds):
    data = node.inputs[0]
    grad = ograds[0] if ograds[0].dtype == data.dtype else g("Cast", ograds[0], dtype=data.dtype)
    made = g("_backward_cumsum", grad, axis=node.params.axis)
    return [g("_reshape_to", made, shape=data.shape)]


register(
    Op(
        name="cumsum",
        aliases=("_np_cumsum",),
        doc="Return the cumulative sum of the elements along an axis.",
        params=CumsumParams,
        inputs=("a",),
        infer_shape=_shape,
        infer_dtype=_dtype,
        gradient=_gradient,
        lower=lambda low, node: _scan(low, node.params.axis, low.ins[0], low.outs[0], False),
        reference=lambda p, a, is_train: np.cumsum(
            a, p.axis, dtype=p.dtype or (np.float64 if a.dtype.kind == "f" else a.dtype)
        ),
        cases=(
            Case({"a": (2, 3)}, dtypes=("float32", "float64", "float16")),
            Case({"a": (2, 3, 4)}, {"axis": 1}),
            Case({}, {"axis": 0, "dtype": "float64"}, {"a": np.arange(6).reshape(3, 2)}, dtypes=("int32",)),
            Case({"a": (5,)}, {"axis": 0, "dtype": "float64"}, dtypes=("float32",)),
        ),
    )
)
register(
    Op(
        name="_backward_cumsum",
        hidden=True,
        doc="Gradient of cumsum: sums from the end.",
        params=ScanParams,
        inputs=("ograd",),
        infer_shape=lambda p, ins, outs: (ins, ins),
        lower=lambda low, node: _scan(low, node.params.axis, low.ins[0], low.outs[0], True),
    )
)
