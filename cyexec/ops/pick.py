"""One element along an axis for each index, and the reverse: one_hot."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64, around, brought_in_range, data_dtype
from .infer import FLOAT32, normalize_axis, product, unify, unify_dtype, zero_gradient
from .params import Bool, DType, Enum, Float, Int, NoParams, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op


class PickParams(Params):
    axis = Int(
        default=-1, nullable=True,
        doc="The axis to picking the elements. Negative values means indexing from right to left. None, which MXNet "
        "documents and refuses, is refused.",
    )  # fmt: skip
    keepdims = Bool(default=False, doc="If true, the axis where we pick the elements is left with size one.")
    mode = Enum(
        "clip", "wrap", default="clip",
        doc='Specify how out-of-bound indices behave. "clip" means clip to the range; "wrap" means to wrap around.',
    )  # fmt: skip


def _pick_axis(p, ndim):
    if p.axis is None:
        raise ShapeError("axis=None is not supported: an axis must be given")
    return normalize_axis(p.axis, ndim)


def _pick_shapes(p, ins, outs):
    data, index = ins
    if data is None:
        return ins, outs
    axis = _pick_axis(p, len(data))
    reduced, kept = (*data[:axis], *data[axis + 1 :]), (*data[:axis], 1, *data[axis + 1 :])
    # The index may have the axis, with extent 1, or not, whatever keepdims says.
    # MXNet, having no arrays without dimensions, infers it for data of one dimension.
    wanted = kept if (len(index) == len(kept) if index is not None else not reduced) else reduced
    index = unify(index, wanted, "the index and the data without the axis")
    return [data, index], [unify(outs[0], kept if p.keepdims else reduced or (1,))]


def _pick_rows(low, index, shape, axis, mode):
    """Positions of the picked elements in an array of `shape`."""
    outer, inner = around(shape, axis)
    rows = low.workspace((outer * inner,), INT64)
    low.step(
        "rows.PickRows", [low.cast(index, INT64)], [rows], dtype=INT64, outer=outer, extent=shape[axis], inner=inner,
        wrap=mode == "wrap",
    )  # fmt: skip
    return rows


def _pick_lower(low, node):
    data, index = low.ins
    rows = _pick_rows(low, index, data.shape, _pick_axis(node.params, len(data.shape)), node.params.mode)
    low.step("index.Gather", [data, rows], [low.outs[0]], outer=1, extent=data.size, inner=1)


def _pick_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    axis = _pick_axis(node.params, len(shape))
    return [g("_backward_pick", ograds[0], node.inputs[1], shape=shape, axis=axis, mode=node.params.mode), None]


def _pick_numpy(p, data, index, is_train):
    index = brought_in_range(index, data.shape[p.axis], p.mode)
    if index.ndim < data.ndim:
        index = np.expand_dims(index, p.axis)
    out = np.take_along_axis(data, index, p.axis)
    return out if p.keepdims else np.atleast_1d(np.squeeze(out, p.axis))


register(
    Op(
        name="pick",
        aliases=("choose_element_0index",),
        doc="Pick one element along an axis for each index.",
        params=PickParams,
        inputs=("data", "index"),
        infer_shape=_pick_shapes,
        infer_dtype=data_dtype,
        gradient=_pick_gradient,
        lower=_pick_lower,
        reference=_pick_numpy,
        cases=(
            Case(shapes={"data": (3, 4)}, data={"index": np.array([0, 1, 9], np.float32)}, dtypes=ALL_DTYPES),
            Case(
                shapes={"data": (3, 4)}, data={"index": np.array([0, -1, 5], np.float32)},
                params={"mode": "wrap", "keepdims": True},
            ),
            Case(
                shapes={"data": (2, 3, 2)}, data={"index": np.array([[[0, 2]], [[1, 1]]], np.int32)},
                params={"axis": 1},
            ),
            Case(shapes={"data": (3, 2)}, data={"index": np.array([[0, 1]])}, params={"axis": 0, "keepdims": True}),
            Case(shapes={"data": (3,)}, data={"index": np.array([1], np.float32)}),
        ),
    )
)  # fmt: skip


class BackwardPickParams(Params):
    shape = Shape(doc="Shape of the output.")
    axis = Int(doc="Axis that the indices run along.")
    mode = Enum("clip", "wrap", default="clip", doc="What indices out of range mean.")


def _backward_pick_lower(low, node):
    p, (grad, index) = node.params, low.ins
    out = low.outs[0]
    rows = _pick_rows(low, index, p.shape, p.axis, p.mode)
    low.fill(out, 0)
    low.step("index.Scatter", [grad, rows, out], [out], extent=out.size, inner=1)


def _backward_pick_numpy(p, grad, index, is_train):
    out = np.zeros(p.shape, grad.dtype)
    kept = tuple(1 if i == p.axis else d for i, d in enumerate(p.shape))
    index = brought_in_range(index, p.shape[p.axis], p.mode).reshape(kept)
    np.put_along_axis(out, index, grad.reshape(kept), p.axis)
    return out


register(
    Op(
        name="_backward_pick",
        hidden=True,
        doc="Zeros with one element along an axis for each index.",
        params=BackwardPickParams,
        inputs=("ograd", "index"),
        infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.shape)]),
        infer_dtype=data_dtype,
        lower=_backward_pick_lower,
        reference=_backward_pick_numpy,
        cases=(
            Case(
                shapes={"ograd": (3,)}, data={"index": np.array([0, 1, 9], np.float32)},
                params={"shape": (3, 4), "axis": 1}, dtypes=ALL_DTYPES,
            ),
        ),
    )
)  # fmt: skip


def _batch_take_shapes(p, ins, outs):
    data, indices = ins
    if data is not None:
        if len(data) < 1:
            raise ShapeError(f"needs data with at least one dimension, found {data}")
        rows = (product(data[:-1]) if min(data[:-1], default=0) >= 0 else -1,)
        if indices is None or len(indices) == 1:
            indices = unify(indices, rows)
        elif product(indices) != rows[0] and -1 not in (*indices, *rows):
            raise ShapeError(f"needs one index for each row of {data}, found {indices}")
    shape = unify(indices, outs[0])
    return [data, shape], [shape]


def _batch_take_dtypes(p, ins, outs):
    dtype = unify_dtype([ins[0], *outs])
    return [dtype, unify_dtype([ins[1], np.dtype(np.int32)], "the index dtype")], [dtype]


def _batch_take_lower(low, node):
    data, indices = low.ins
    rows = _pick_rows(low, indices, data.shape, len(data.shape) - 1, "clip")
    low.step("index.Gather", [data, rows], [low.outs[0]], outer=1, extent=data.size, inner=1)


register(
    Op(
        name="batch_take",
        doc="Take one element of each row of a matrix. Deprecated: use pick. Not differentiable, as in MXNet.",
        inputs=("a", "indices"),
        infer_shape=_batch_take_shapes,
        infer_dtype=_batch_take_dtypes,
        lower=_batch_take_lower,
        reference=lambda p, a, indices, is_train: a[
            np.arange(len(a)), brought_in_range(indices, a.shape[1], "clip")
        ],
        cases=(Case(shapes={"a": (3, 4)}, data={"indices": np.array([0, 3, 9], np.int32)}, dtypes=ALL_DTYPES),),
    )
)  # fmt: skip


class OneHotParams(Params):
    depth = Int(doc="Depth of the one hot dimension.", min=0)
    on_value = Float(default=1.0, doc="The value assigned to the locations represented by indices.")
    off_value = Float(default=0.0, doc="The value assigned to the locations not represented by indices.")
    dtype = DType(default=FLOAT32, doc="DType of the output.")


def _one_hot_shapes(p, ins, outs):
    indices, out = ins[0], outs[0]
    if indices is not None:
        out = unify(out, (*indices, p.depth))
    if out is not None:
        indices = out[:-1]
    return [indices], [out]


def _one_hot_lower(low, node):
    p, out = node.params, low.outs[0]
    bits = np.array([p.on_value, p.off_value]).astype(out.dtype).view(f"u{out.dtype.itemsize}")
    low.step("index.OneHot", [low.cast(low.ins[0], INT64)], [out], on=int(bits[0]), off=int(bits[1]))


def _one_hot_numpy(p, indices, is_train):
    hit = indices.astype(np.int64)[..., None] == np.arange(p.depth)
    return np.where(hit, p.on_value, p.off_value).astype(p.dtype)


register(
    Op(
        name="one_hot",
        doc="Return a one-hot array: `on_value` at the locations that indices give (none, where one is out of range).",
        params=OneHotParams,
        inputs=("indices",),
        infer_shape=_one_hot_shapes,
        infer_dtype=lambda p, ins, outs: (ins, [p.dtype]),
        gradient=zero_gradient,
        lower=_one_hot_lower,
        reference=_one_hot_numpy,
        cases=(
            Case(shapes={}, data={"indices": np.array([0, 2, 3, -1], np.float32)}, params={"depth": 3}),
            Case(
                shapes={}, data={"indices": np.array([[1]])},
                params={"depth": 3, "on_value": 5, "off_value": -1, "dtype": "int32"}, dtypes=("float32",),
            ),
            Case(
                shapes={}, data={"indices": np.array([[1, 0]], np.int32)}, params={"depth": 2, "dtype": "float16"},
                dtypes=("float32",),
            ),
        ),
    )
)  # fmt: skip


def _fill_element_shapes(p, ins, outs):
    lhs = unify(ins[0], outs[0])
    row = None if lhs is None else (lhs[0],)
    return [lhs, unify(ins[1], row), unify(ins[2], row)], [lhs]


def _fill_element_lower(low, node):
    lhs, values, index = low.ins
    out = low.outs[0]
    low.copy(out, lhs)
    rows = _pick_rows(low, index, lhs.shape, 1, "clip")
    low.step("index.Scatter", [values, rows, out], [out], extent=out.size, inner=1)


def _fill_element_numpy(p, lhs, mhs, rhs, is_train):
    out = lhs.copy()
    out[np.arange(len(out)), brought_in_range(rhs, out.shape[1], "clip")] = mhs
    return out


register(
    Op(
        name="fill_element_0index",
        doc="Return the matrix `lhs` with element ``rhs[i]`` of each row i set to ``mhs[i]``.",
        params=NoParams,
        inputs=("lhs", "mhs", "rhs"),
        infer_shape=_fill_element_shapes,
        infer_dtype=lambda p, ins, outs: (
            [*[unify_dtype([*ins[:2], *outs])] * 2, ins[2]],
            [unify_dtype([*ins[:2], *outs])],
        ),
        lower=_fill_element_lower,
        reference=_fill_element_numpy,
        cases=(Case(shapes={"lhs": (3, 4), "mhs": (3,)}, data={"rhs": np.array([1, 0, 3], np.float32)}),),
    )
)
