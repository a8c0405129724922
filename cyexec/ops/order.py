"""Sorting and selecting along an axis. Equal elements keep their order, as MXNet's stable sort has it; NaN comes last."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64, around
from .infer import FLOAT32, normalize_axis, product, same_shape, unify, unify_dtype, zero_gradient
from .params import Bool, DType, Enum, Int, Params, Shape
from .registry import register
from .schema import Case, Op

ORDERED = ("float32", "float64", "float16", "int32", "int8", "uint8", "int64")


class TopKParams(Params):
    axis = Int(
        default=-1, nullable=True,
        doc="Axis along which to choose the top k indices. If None, the flattened array is used. Default is -1.",
    )  # fmt: skip
    k = Int(
        default=1,
        doc="Number of top elements to select, should be always smaller than or equal to the element number in the given "
        "axis. A global sort is performed if set k < 1.",
    )
    ret_typ = Enum(
        "both", "indices", "mask", "value", default="indices",
        doc='The return type. "value" means to return the top k values, "indices" means to return the indices of the top '
        'k values, "mask" means to return a mask array containing 0 and 1. 1 means the top k values. "both" means to '
        "return a list of both values and indices of top k elements.",
    )  # fmt: skip
    is_ascend = Bool(
        default=False,
        doc="Whether to choose k largest or k smallest elements. Top K largest elements will be chosen if set to false.",
    )
    dtype = DType(
        default=FLOAT32, doc='DType of the output indices when ret_typ is "indices" or "both".',
    )  # fmt: skip


class SortParams(Params):
    axis = Int(
        default=-1, nullable=True,
        doc="Axis along which to choose sort the input tensor. If None, the flattened array is used. Default is -1.",
    )  # fmt: skip
    is_ascend = Bool(default=True, doc="Whether to sort in ascending or descending order.")


class ArgsortParams(SortParams):
    dtype = DType(default=FLOAT32, doc="DType of the output indices.")


def _axis_and_count(p, shape):
    """(shape, axis, k): the shape is flat where there is no axis."""
    if p.axis is None:
        shape = (product(shape) if min(shape, default=0) >= 0 else -1,)
    axis = 0 if p.axis is None else normalize_axis(p.axis, len(shape))
    k = getattr(p, "k", 0)
    if k < 1:
        k = shape[axis]
    elif k > shape[axis] >= 0:
        raise ShapeError(f"k={k} is more than the {shape[axis]} elements of axis {axis} of {shape}")
    return tuple(shape), axis, k


def _selected_shape(p, shape):
    shape, axis, k = _axis_and_count(p, shape)
    return (*shape[:axis], k, *shape[axis + 1 :])


def _select_shapes(p, ins, outs):
    if ins[0] is None:
        return ins, outs
    if getattr(p, "ret_typ", "") == "mask":
        _axis_and_count(p, ins[0])
        return same_shape(p, ins, outs)
    made = _selected_shape(p, ins[0])
    return ins, [unify(out, made) for out in outs]


def _items(low, data):
    """The workspaces of ``sort.TopK``: two of an item for each element. float16 is sorted as float32."""
    words = 2 if data.dtype.itemsize == 8 else 1
    return [low.workspace((data.size * words,), INT64) for _ in range(2)]


def sorted_rows(low, data, k, ascend=False):
    """Add the step that finds the first `k` of each row of `data` (rows, n); returns (values, positions), both (rows, k).

    Equal values keep their order and NaN comes last.
    """
    rows, extent = data.shape
    values, positions = low.workspace((rows, k), data.dtype), low.workspace((rows, k), INT64)
    low.step(
        "sort.TopK", [data], [values, positions, *_items(low, data)], dtype=data.dtype, outer=rows, extent=extent, inner=1, k=k,
        ascend=ascend,
    )  # fmt: skip
    return values, positions


def _select(low, p, data, values=None, positions=None):
    """Write the first k in order; returns (values, positions), workspaces where not given."""
    shape, axis, k = _axis_and_count(p, data.shape)
    outer, inner = around(shape, axis)
    values = values or low.workspace((outer, k, inner), data.dtype)
    positions = positions or low.workspace((outer, k, inner), INT64)
    low.step(
        "sort.TopK", [data], [values, positions, *_items(low, data)], dtype=data.dtype, outer=outer, extent=shape[axis],
        inner=inner, k=k, ascend=p.is_ascend,
    )  # fmt: skip
    return values, positions


def _rows_of(low, positions, shape, axis, k):
    """Flat positions, in an array of `shape`, of elements given by their position along `axis`."""
    outer, inner = around(shape, axis)
    rows = low.workspace((outer * k * inner,), INT64)
    low.step("rows.PickRows", [positions], [rows], dtype=INT64, outer=outer, extent=shape[axis], inner=inner, count=k)
    return rows


def _topk_lower(low, node):
    p, data = node.params, low.ins[0]
    if _outputs_of(p) == ("mask",):
        shape, axis, k = _axis_and_count(p, data.shape)
        _, positions = _select(low, p, data)
        rows = _rows_of(low, positions, shape, axis, k)
        ones = low.workspace((rows.size,), data.dtype)
        low.fill(ones, 1)
        low.fill(low.outs[0], 0)
        low.step("index.Scatter", [ones, rows, low.outs[0]], [low.outs[0]], extent=data.size, inner=1)
        return
    by_kind = dict(zip(_outputs_of(p), low.outs))
    index = by_kind.get("index")
    wanted = index if index is not None and index.dtype == INT64 else None
    _, positions = _select(low, p, data, by_kind.get("value"), wanted)
    if index is not None and wanted is None:
        low.cast(positions, index.dtype, index)


def _outputs_of(p):
    """What the outputs hold, the hidden one included."""
    if isinstance(p, ArgsortParams) or getattr(p, "ret_typ", "") == "indices":
        return ("index",)
    return ("mask",) if getattr(p, "ret_typ", "") == "mask" else ("value", "index")


def _select_dtypes(p, ins, outs):
    kinds = _outputs_of(p)
    # The index is not seen beside a lone value: it is int64 there, exact for any extent.
    index = p.dtype if kinds == ("index",) or getattr(p, "ret_typ", "") == "both" else INT64
    data = unify_dtype([ins[0], *(o for o, kind in zip(outs, kinds) if kind != "index")])
    return [data], [index if kind == "index" else data for kind in kinds]


def _select_gradient(g, node, ograds):
    """The gradient of the values goes back to where they came from; none flows through indices and masks."""
    if _outputs_of(node.params) != ("value", "index") or ograds[0] is None:
        return [None]
    shape, axis, _ = _axis_and_count(node.params, node.in_shapes[0])
    grad = g("_backward_topk", ograds[0], node[1], shape=shape, axis=axis)
    return [grad if grad.shape == node.in_shapes[0] else g("_reshape_to", grad, shape=node.in_shapes[0])]


class BackwardTopKParams(Params):
    shape = Shape(doc="Shape of the output.")
    axis = Int(doc="Axis that the indices run along.")


def _backward_topk_lower(low, node):
    p, (grad, index) = node.params, low.ins
    out = low.outs[0]
    rows = _rows_of(low, low.cast(index, INT64), p.shape, p.axis, index.shape[p.axis])
    low.fill(out, 0)
    low.step("index.Scatter", [grad, rows, out], [out], extent=out.size, inner=1)


def _backward_topk_numpy(p, grad, index, is_train):
    out = np.zeros(p.shape, grad.dtype)
    np.put_along_axis(out, index.astype(np.int64), grad, p.axis)
    return out


register(
    Op(
        name="_backward_topk",
        hidden=True,
        doc="Zeros with the input's elements at their positions along an axis.",
        params=BackwardTopKParams,
        inputs=("ograd", "index"),
        infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.shape)]),
        infer_dtype=lambda p, ins, outs: ([unify_dtype([ins[0], *outs]), ins[1]], [unify_dtype([ins[0], *outs])]),
        lower=_backward_topk_lower,
        reference=_backward_topk_numpy,
        cases=(
            Case(
                shapes={"ograd": (2, 2)}, data={"index": np.array([[3, 0], [1, 2]], np.float32)},
                params={"shape": (2, 4), "axis": 1},
            ),
        ),
    )
)  # fmt: skip


def _order_numpy(x, ascend, axis):
    """Positions in order; a stable sort of the negated ranks gives the descending order of equal elements too."""
    ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape)
    return np.argsort(ranks if ascend else -ranks, axis, kind="stable")


def _topk_numpy(p, x, is_train):
    shape, axis, k = _axis_and_count(p, x.shape)
    flat = x.reshape(shape)
    index = np.take(_order_numpy(flat, p.is_ascend, axis), range(k), axis)
    if _outputs_of(p) == ("mask",):
        mask = np.zeros(shape, x.dtype)
        np.put_along_axis(mask, index, 1, axis)
        return mask.reshape(x.shape)
    found = {"value": np.take_along_axis(flat, index, axis), "index": index}
    return tuple(found[kind] for kind in _outputs_of(p))


_X = np.array([[3, 1, 2, 9], [5, 7, 6, 0]], np.float32)
_Y = np.array([[[5, 1, 1], [2, 8, 1]], [[0, 1, 3], [4, 2, 9]]], np.float32) / 4


def _topk_case(dtypes=("float32", "float64"), **params):
    return Case(shapes={}, data={"data": _X}, params=params, dtypes=dtypes)


register(
    Op(
        name="topk",
        doc="Return the indices or values of the top k elements along an axis.",
        params=TopKParams,
        outputs=lambda p: ("output",) if len(_outputs_of(p)) == 1 else ("output0", "output1"),
        visible=lambda p: 2 if p.ret_typ == "both" else 1,
        infer_shape=_select_shapes,
        infer_dtype=_select_dtypes,
        gradient=_select_gradient,
        lower=_topk_lower,
        reference=_topk_numpy,
        cases=(
            _topk_case(),
            _topk_case(k=2, ret_typ="value", dtypes=ORDERED),
            _topk_case(k=2, ret_typ="both", dtype="int32"),
            _topk_case(k=2, ret_typ="mask", dtypes=ORDERED),
            _topk_case(k=2, axis=0, ret_typ="both", is_ascend=True),
            _topk_case(k=3, axis=None, ret_typ="both", dtype="int64"),
            _topk_case(k=3, axis=None, ret_typ="mask"),
            _topk_case(k=0, ret_typ="both", dtype="float64"),
            Case(shapes={"data": (3, 40, 2)}, params={"axis": 1, "k": 17, "ret_typ": "both"}),
        ),
    )
)

register(
    Op(
        name="sort",
        doc="Return a sorted copy of an input array along the given axis.",
        params=SortParams,
        outputs=("output0", "output1"),
        visible=1,
        infer_shape=_select_shapes,
        infer_dtype=_select_dtypes,
        gradient=_select_gradient,
        lower=_topk_lower,
        reference=_topk_numpy,
        cases=(
            Case(shapes={}, data={"data": _X}, dtypes=ORDERED),
            Case(shapes={}, data={"data": _X}, params={"is_ascend": False, "axis": 0}),
            Case(shapes={}, data={"data": _X}, params={"axis": None}),
            Case(shapes={"data": (2, 100, 3)}, params={"axis": 1}),
        ),
    )
)

register(
    Op(
        name="argsort",
        doc="Return the indices that would sort an input array along the given axis.",
        params=ArgsortParams,
        infer_shape=_select_shapes,
        infer_dtype=_select_dtypes,
        gradient=zero_gradient,
        lower=_topk_lower,
        reference=_topk_numpy,
        cases=(
            Case(shapes={}, data={"data": _X}, dtypes=ORDERED),
            Case(shapes={}, data={"data": _Y}, params={"axis": 1, "is_ascend": False}),
            Case(shapes={}, data={"data": _X}, params={"axis": None, "dtype": "int32"}),
            Case(shapes={"data": (100,)}, params={"dtype": "int64"}),
        ),
    )
)
