"""Taking rows by number, and their gradients: sums of rows by number. Indices may have any dtype."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import FLOAT32, normalize_axis, product, unify, unify_dtype
from .params import Bool, DType, Enum, Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op

INT64 = np.dtype(np.int64)
INDEX_DTYPES = ("float32", "float64", "float16", "int32", "int64")


def data_dtype(p, ins, outs):
    """The output has the first input's dtype; the index operand has any."""
    dtype = unify_dtype([ins[0], *outs])
    return [dtype, *ins[1:]], [dtype] * len(outs)


def around(shape, axis):
    """Products of the extents before and after `axis`."""
    return product(shape[:axis]), product(shape[axis + 1 :])


def brought_in_range(index, extent, mode):
    """Indices as MXNet brings them in range: clipped, or modulo the extent."""
    index = np.asarray(index).astype(np.int64)
    return index % extent if mode == "wrap" else np.clip(index, 0, extent - 1)


def check_bounds(low, index, lows, highs):
    """Make a run whose coordinates ``index[d, :]`` leave ``[lows[d], highs[d])`` raise an error."""
    found = low.workspace((1,), INT64)
    low.step("rows.Bounds", [index], [found], dtype=INT64, lows=lows, highs=highs, where=low.node.describe())


class RowSumsParams(Params):
    shape = Shape(doc="Shape of the output.")
    axis = Int(default=0, doc="Axis that the indices run along.")
    mode = Enum("clip", "wrap", "raise", default="clip", doc="What indices out of range mean.")


def _row_sums_lower(low, node):
    p, (data, indices) = node.params, low.ins
    outer, inner = around(p.shape, p.axis)
    rows = low.cast(indices, INT64)
    low.step(
        "scatter.ScatterAdd", [data, rows], [low.outs[0]], outer=outer, extent=p.shape[p.axis], inner=inner,
        wrap=p.mode == "wrap",
    )  # fmt: skip


def _row_sums_numpy(p, data, indices, is_train):
    outer, inner = around(p.shape, p.axis)
    out = np.zeros((outer, p.shape[p.axis], inner), np.float64)
    rows = brought_in_range(indices, p.shape[p.axis], p.mode).reshape(-1)
    data = data.reshape(outer, rows.size, inner)
    for i, row in enumerate(rows):
        out[:, row] += data[:, i]
    return out.reshape(p.shape).astype(data.dtype)


register(
    Op(
        name="_row_sums",
        hidden=True,
        doc="Add the input's rows up by index: the gradient of take and Embedding.",
        params=RowSumsParams,
        inputs=("data", "indices"),
        infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.shape)]),
        infer_dtype=data_dtype,
        lower=_row_sums_lower,
        reference=_row_sums_numpy,
        cases=(
            Case(
                shapes={"data": (4, 3)}, data={"indices": np.array([1, 0, 1, 9], np.float32)},
                params={"shape": (3, 3)}, dtypes=("float32", "float64", "float16", "int32"),
            ),
            Case(
                shapes={"data": (2, 4, 200)}, data={"indices": np.array([[1, 0], [-1, 9]])},
                params={"shape": (2, 3, 200), "axis": 1, "mode": "wrap"},
            ),
        ),
    )
)  # fmt: skip


class EmbeddingParams(Params):
    input_dim = Int(doc="Vocabulary size of the input indices.", min=1)
    output_dim = Int(doc="Dimension of the embedding vectors.", min=1)
    dtype = DType(default=FLOAT32, doc="Data type of weight.")
    sparse_grad = Bool(
        default=False,
        doc="Compute row sparse gradient in the backward calculation. Gradients here are dense, with the same numbers.",
    )


def _embedding_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is not None:
        out = unify(out, (*data, p.output_dim))
    if out is not None:
        if not out or out[-1] not in (-1, p.output_dim):
            raise ShapeError(f"the output's last extent is output_dim={p.output_dim}, found {out}")
        out = (*out[:-1], p.output_dim)
        data = out[:-1]
    return [data, unify(ins[1], (p.input_dim, p.output_dim), "the weight's shapes")], [out]


def _embedding_dtypes(p, ins, outs):
    weight = unify_dtype([ins[1], *outs]) or p.dtype
    return [ins[0], weight], [weight]


def _embedding_lower(low, node):
    data, weight = low.ins
    rows = low.cast(data, INT64)
    extent, inner = weight.shape
    low.step("index.Gather", [weight, rows], [low.outs[0]], outer=1, extent=extent, inner=inner)


register(
    Op(
        name="Embedding",
        aliases=("_sparse_Embedding", "_contrib_SparseEmbedding"),
        doc="Map integer indices to vector representations. Indices out of range are clipped.",
        params=EmbeddingParams,
        inputs=("data", "weight"),
        infer_shape=_embedding_shapes,
        infer_dtype=_embedding_dtypes,
        gradient=lambda g, node, ograds: [
            None,
            g("_row_sums", ograds[0], node.inputs[0], shape=node.in_shapes[1]),
        ],
        lower=_embedding_lower,
        reference=lambda p, data, weight, is_train: weight[brought_in_range(data, p.input_dim, "clip")],
        cases=(
            *(
                Case(
                    shapes={"weight": (5, 3)}, data={"data": np.array([[0, 4], [2, 2]], np.float32)},
                    params={"input_dim": 5, "output_dim": 3, "dtype": dtype}, dtypes=(dtype,),
                )
                for dtype in ("float32", "float64", "float16")
            ),
            Case(
                shapes={"weight": (4, 70)}, data={"data": np.array([0, 3, -2, 9, 3], np.int32)},
                params={"input_dim": 4, "output_dim": 70}, dtypes=("float32",),
            ),
        ),
    )
)  # fmt: skip


class TakeParams(Params):
    axis = Int(
        default=0,
        doc="The axis of input array to be taken. For input tensor of rank r, it could be in the range of [-r, r-1].",
    )
    mode = Enum(
        "clip", "wrap", "raise", default="clip",
        doc='Specify how out-of-bound indices behave. "clip" means clip to the range. So, if all indices mentioned are '
        'too large, they are replaced by the index that addresses the last element along an axis. "wrap" means to '
        'wrap around. "raise" means to raise an error when index out of range.',
    )  # fmt: skip


def _take_shapes(p, ins, outs):
    data, indices = ins
    if data is None or indices is None:
        return ins, outs
    axis = normalize_axis(p.axis, len(data))
    return ins, [unify(outs[0], (*data[:axis], *indices, *data[axis + 1 :]))]


def _take_lower(low, node):
    data, indices = low.ins
    axis = normalize_axis(node.params.axis, len(data.shape))
    outer, inner = around(data.shape, axis)
    rows = low.cast(indices, INT64)
    if node.params.mode == "raise":
        check_bounds(low, rows, [0], [data.shape[axis]])
    low.step(
        "index.Gather", [data, rows], [low.outs[0]], outer=outer, extent=data.shape[axis], inner=inner,
        wrap=node.params.mode == "wrap",
    )  # fmt: skip


def _take_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    axis = normalize_axis(node.params.axis, len(shape))
    return [g("_row_sums", ograds[0], node.inputs[1], shape=shape, axis=axis, mode=node.params.mode), None]


register(
    Op(
        name="take",
        doc="Take elements from an input array along the given axis.",
        params=TakeParams,
        inputs=("a", "indices"),
        infer_shape=_take_shapes,
        infer_dtype=data_dtype,
        gradient=_take_gradient,
        lower=_take_lower,
        reference=lambda p, a, indices, is_train: np.take(a, brought_in_range(indices, a.shape[p.axis], p.mode), p.axis),
        cases=(
            Case(
                shapes={"a": (3, 2)}, data={"indices": np.array([[0, 2], [-1, 5]])}, dtypes=ALL_DTYPES,
            ),
            Case(
                shapes={"a": (2, 3, 4)}, data={"indices": np.array([[-3, 7, 1]], np.int32)},
                params={"axis": 1, "mode": "wrap"},
            ),
            Case(shapes={"a": (2, 3)}, data={"indices": np.array([1, 1, 0])}, params={"axis": -1}),
        ),
    )
)  # fmt: skip


def _gather_nd_shapes(p, ins, outs):
    data, indices = ins
    if data is None or indices is None or indices[0] < 0:
        return ins, outs
    if indices[0] > len(data):
        raise ShapeError(f"indices {indices} name {indices[0]} coordinates of data with shape {data}")
    return ins, [unify(outs[0], (*indices[1:], *data[indices[0] :]))]


def _flat_rows(low, indices, dims):
    """Positions that the points of `indices` have among the leading extents `dims`."""
    rows = low.workspace((product(indices.shape[1:]),), INT64)
    low.step("rows.Ravel", [low.cast(indices, INT64)], [rows], dtype=INT64, dims=dims)
    return rows


def _gather_nd_lower(low, node):
    data, indices = low.ins
    ndim = indices.shape[0]
    indices = low.cast(indices, INT64)
    dims = data.shape[:ndim]
    check_bounds(low, indices, [-d for d in dims], dims)
    rows = _flat_rows(low, indices, dims)
    low.step(
        "index.Gather", [data, rows], [low.outs[0]], outer=1, extent=product(data.shape[:ndim]),
        inner=product(data.shape[ndim:]),
    )  # fmt: skip


def _points(indices):
    return tuple(indices.astype(np.int64))


_POINTS = np.array([[0, 2, 1], [1, 1, 0]])

register(
    Op(
        name="gather_nd",
        doc="Gather elements or slices from `data` into the shape that `indices` gives.",
        inputs=("data", "indices"),
        infer_shape=_gather_nd_shapes,
        infer_dtype=data_dtype,
        gradient=lambda g, node, ograds: [
            g("_backward_gather_nd", ograds[0], node.inputs[1], shape=node.in_shapes[0]),
            None,
        ],
        lower=_gather_nd_lower,
        reference=lambda p, data, indices, is_train: data[_points(indices)],
        cases=(
            Case(shapes={"data": (3, 2)}, data={"indices": _POINTS}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (3, 2, 4)}, data={"indices": np.array([[[1, 1], [0, 2]]], np.int32)}),
        ),
    )
)


class ScatterNDParams(Params):
    shape = Shape(doc="Shape of output.")


def _scatter_nd_shapes(p, ins, outs):
    *lhs, data, indices = ins
    if indices is not None and indices[0] >= 0:
        if indices[0] > len(p.shape):
            raise ShapeError(f"indices {indices} name {indices[0]} coordinates of shape={p.shape}")
        data = unify(data, (*indices[1:], *p.shape[indices[0] :]), "the data's shapes")
    if lhs:
        lhs = [unify(lhs[0], p.shape, "lhs and shape")]
    return [*lhs, data, indices], [unify(outs[0], p.shape)]


def _scatter_nd_lower(low, node):
    *lhs, data, indices = low.ins
    out = low.outs[0]
    if lhs:
        low.copy(out, lhs[0])
    else:
        low.fill(out, 0)
    ndim = indices.shape[0]
    rows = _flat_rows(low, indices, out.shape[:ndim])
    extent, inner = product(out.shape[:ndim]), product(out.shape[ndim:])
    low.step("index.Scatter", [data, rows, out], [out], extent=extent, inner=inner)


def _scatter_nd_numpy(p, data, indices, is_train):
    return _scatter_set_numpy(p, np.zeros(p.shape, data.dtype), data, indices, is_train)


def _scatter_set_numpy(p, lhs, data, indices, is_train):
    out = lhs.copy()
    for at in np.ndindex(indices.shape[1:]):
        out[tuple(indices[(slice(None), *at)].astype(np.int64))] = data[at]
    return out


register(
    Op(
        name="scatter_nd",
        doc="Scatter data into zeros, at the points that `indices` gives; of equal points the last one counts.",
        params=ScatterNDParams,
        inputs=("data", "indices"),
        infer_shape=_scatter_nd_shapes,
        infer_dtype=data_dtype,
        gradient=lambda g, node, ograds: [g("gather_nd", ograds[0], node.inputs[1]), None],
        lower=_scatter_nd_lower,
        reference=_scatter_nd_numpy,
        cases=(
            Case(shapes={"data": (3,)}, data={"indices": _POINTS}, params={"shape": (3, 2)}, dtypes=ALL_DTYPES),
            Case(
                shapes={"data": (2, 4)}, data={"indices": np.array([[2, 0]], np.int32)}, params={"shape": (3, 4)}
            ),
            Case(
                shapes={"data": (3,)}, data={"indices": np.array([[0, 2, 2], [1, 1, 1]])}, params={"shape": (3, 2)},
                grad=False,  # two values for one point: MXNet's gradient reaches both
            ),
        ),
    )
)  # fmt: skip

register(
    Op(
        name="_scatter_set_nd",
        doc="Return `lhs` with the points that `indices` gives set to `rhs`.",
        params=ScatterNDParams,
        inputs=("lhs", "rhs", "indices"),
        infer_shape=_scatter_nd_shapes,
        infer_dtype=lambda p, ins, outs: (
            [unify_dtype([*ins[:2], *outs])] * 2 + [ins[2]],
            [unify_dtype([*ins[:2], *outs])],
        ),
        lower=_scatter_nd_lower,
        reference=_scatter_set_numpy,
        cases=(
            Case(
                shapes={"lhs": (3, 2), "rhs": (3,)}, data={"indices": _POINTS}, params={"shape": (3, 2)},
                dtypes=ALL_DTYPES,
            ),
        ),
    )
)  # fmt: skip


def _backward_gather_nd_lower(low, node):
    data, indices = low.ins
    out = low.outs[0]
    ndim = indices.shape[0]
    rows = _flat_rows(low, indices, out.shape[:ndim])
    low.step(
        "scatter.ScatterAdd", [data, rows], [out], outer=1, extent=product(out.shape[:ndim]),
        inner=product(out.shape[ndim:]),
    )  # fmt: skip


def _backward_gather_nd_numpy(p, data, indices, is_train):
    out = np.zeros(p.shape, np.float64)
    np.add.at(out, _points(indices), data)
    return out.astype(data.dtype)


register(
    Op(
        name="_backward_gather_nd",
        hidden=True,
        doc="Add data up at the points that `indices` gives.",
        params=ScatterNDParams,
        inputs=("data", "indices"),
        infer_shape=_scatter_nd_shapes,
        infer_dtype=data_dtype,
        gradient=lambda g, node, ograds: [g("gather_nd", ograds[0], node.inputs[1]), None],
        lower=_backward_gather_nd_lower,
        reference=_backward_gather_nd_numpy,
        cases=(
            Case(
                shapes={"data": (3,)}, data={"indices": np.array([[0, 2, 2], [1, 1, 1]], np.float32)},
                params={"shape": (3, 2)},
            ),
            Case(shapes={"data": (3, 4)}, data={"indices": np.array([[0, 1, 0]])}, params={"shape": (2, 4)}),
        ),
    )
)  # fmt: skip
