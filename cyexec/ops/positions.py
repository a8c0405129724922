"""Numbers of positions: arange_like, ravel_multi_index, unravel_index."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64
from .infer import normalize_axis, product, unify, zero_gradient
from .params import Float, Int, Params, Shape, Str
from .registry import register
from .schema import Case, Op


class ArangeLikeParams(Params):
    start = Float(default=0.0, doc="Start of interval. The interval includes this value.")
    step = Float(default=1.0, doc="Spacing between values.")
    repeat = Int(
        default=1, min=1,
        doc="The repeating time of all elements. E.g repeat=3, the element a will be repeated three times --> a, a, a.",
    )  # fmt: skip
    ctx = Str(default="", doc="Context of output. Only used for imperative calls.")
    axis = Int(
        default=None,
        doc="Arange elements according to the size of a certain axis of input array. The negative numbers are interpreted "
        "counting from the backward. If not provided, will arange elements according to the input shape.",
    )


def _arange_like_shapes(p, ins, outs):
    if ins[0] is None:
        return ins, outs
    if p.axis is None:
        return ins, [unify(outs[0], ins[0])]
    return ins, [unify(outs[0], (ins[0][normalize_axis(p.axis, len(ins[0]))],))]


def _arange_like_lower(low, node):
    p, out = node.params, low.outs[0]
    if not out.size:
        return
    from ..lowering.lower import Instr  # not at import: lowering imports the registry

    # Positions 0, 1, 2, ... are the coordinates of an array of one dimension.
    low.step("rows.Positions", [], [position := low.workspace((out.size,), INT64)], dtype=INT64, repeat=p.repeat)
    number = low.cast(position, np.dtype(np.float64))
    low.elementwise([Instr("mul_s", (0,), p.step), Instr("add_s", (1,), p.start)], [number], [number])
    low.cast(number.reshape(*out.shape), out.dtype, out)


def _arange_like_numpy(p, x, is_train):
    shape = x.shape if p.axis is None else (x.shape[p.axis],)
    index = np.arange(product(shape)) // p.repeat
    return (p.start + p.step * index).astype(x.dtype).reshape(shape)


register(
    Op(
        name="_contrib_arange_like",
        doc="Return evenly spaced numbers, as many as the input, or one axis of it, has elements.",
        params=ArangeLikeParams,
        infer_shape=_arange_like_shapes,
        gradient=zero_gradient,
        lower=_arange_like_lower,
        reference=_arange_like_numpy,
        cases=(
            Case(shapes={"data": (2, 4)}),
            Case(shapes={"data": (2, 4)}, params={"axis": -1, "start": 2, "step": 0.5}),
            Case(shapes={"data": (2, 4)}, params={"repeat": 3}),
        ),
    )
)


class RavelParams(Params):
    shape = Shape(default=None, doc="Shape of the array into which the multi-indices apply.")


def _needed_shape(p):
    if p.shape is None:
        raise ShapeError("shape must be given")
    return p.shape


def _ravel_shapes(p, ins, outs):
    ndim = len(_needed_shape(p))
    data, out = ins[0], outs[0]
    if data is not None:
        data = unify(data, (ndim, *(-1,) * (len(data) - 1)), "the multi-indices and shape")
        out = unify(out, data[1:])
    if out is not None:
        data = unify(data, (ndim, *out))
    return [data], [out]


def _ravel_lower(low, node):
    out = low.outs[0]
    rows = low.workspace(out.shape, INT64)
    low.step(
        "rows.Ravel", [low.cast(low.ins[0], INT64)], [rows], dtype=INT64, dims=_needed_shape(node.params), clip=False
    )
    low.cast(rows, out.dtype, out)


def _ravel_numpy(p, x, is_train):
    out = np.zeros(x.shape[1:], np.int64)
    for extent, index in zip(p.shape, x.astype(np.int64)):
        out = out * extent + index
    return out.astype(x.dtype)


register(
    Op(
        name="_ravel_multi_index",
        aliases=("ravel_multi_index",),
        doc="Convert a batch of index arrays into an array of flat indices. Nothing checks that they are in range.",
        params=RavelParams,
        infer_shape=_ravel_shapes,
        gradient=zero_gradient,
        lower=_ravel_lower,
        reference=_ravel_numpy,
        cases=(
            Case(shapes={}, data={"data": np.array([[1, 2], [3, 0]], np.float32)}, params={"shape": (3, 4)}),
            Case(
                shapes={}, data={"data": np.array([[1, 2, -1], [3, 9, 1]], np.int32)}, params={"shape": (-1, 4)},
                dtypes=("float32",),
            ),
        ),
    )
)  # fmt: skip


def _unravel_shapes(p, ins, outs):
    ndim = len(_needed_shape(p))
    data, out = ins[0], outs[0]
    if data is not None:
        out = unify(out, (ndim, *data))
    if out is not None:
        data = unify(data, out[1:])
    return [data], [out]


def _unravel_lower(low, node):
    out = low.outs[0]
    index = low.workspace(out.shape, INT64)
    low.step("rows.Unravel", [low.cast(low.ins[0], INT64)], [index], dtype=INT64, dims=_needed_shape(node.params))
    low.cast(index, out.dtype, out)


def _unravel_numpy(p, x, is_train):
    rest, out = x.astype(np.int64), []
    for extent in p.shape[:0:-1]:
        out.append(rest - extent * np.trunc(rest / extent).astype(np.int64))
        rest = np.trunc(rest / extent).astype(np.int64)
    return np.stack([rest, *reversed(out)]).astype(x.dtype)


register(
    Op(
        name="_unravel_index",
        aliases=("unravel_index",),
        doc="Convert an array of flat indices into a batch of index arrays. The first extent is not looked at.",
        params=RavelParams,
        infer_shape=_unravel_shapes,
        gradient=zero_gradient,
        lower=_unravel_lower,
        reference=_unravel_numpy,
        cases=(
            Case(shapes={}, data={"data": np.array([7, 13, -1], np.float32)}, params={"shape": (3, 4)}),
            Case(
                shapes={}, data={"data": np.array([[7], [22]], np.int64)}, params={"shape": (-1, 2, 4)},
                dtypes=("float32",),
            ),
        ),
    )
)  # fmt: skip
