"""Operators that take part of an array, and their gradients: part of a zero array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, unify
from .params import Float, Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op
from .strided import View, move


class EmbedParams(Params):
    shape = Shape(doc="Shape of the output.")
    starts = Shape(doc="Where the input's first element goes, for each axis.")
    steps = Shape(default=(), doc="Distance of the input's elements in the output, of any sign; 1 by default.")


def _embed_lower(low, node):
    p, data, out = node.params, low.ins[0], low.outs[0]
    whole = View.of(out)
    box = whole.box(p.starts, data.shape, p.steps or None)
    if box.is_contiguous and data.size:
        # Part of the leading axis: only what lies around it needs zeros, and the part may be born there.
        end = box.offset + data.size
        if box.offset:
            low.fill(out.part(0, (box.offset,)), 0)
        if end < out.size:
            low.fill(out.part(end, (out.size - end,)), 0)
    else:
        low.fill(out, 0)
    move(low, box, View.of(data))


def _embed_numpy(p, x, is_train):
    out = np.zeros(p.shape, x.dtype)
    steps = p.steps or (1,) * x.ndim
    for index in np.ndindex(x.shape):
        out[tuple(s + i * t for s, i, t in zip(p.starts, index, steps))] = x[index]
    return out


register(
    Op(
        name="_embed",
        hidden=True,
        doc="Zeros with the input placed among them: the gradient of a slice.",
        params=EmbedParams,
        infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.shape)]),
        lower=_embed_lower,
        reference=_embed_numpy,
        cases=(
            Case(shapes={"data": (2, 3)}, params={"shape": (5, 3), "starts": (1, 0)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3)}, params={"shape": (4, 6), "starts": (3, 1), "steps": (-2, 2)}),
            Case(shapes={"data": (0, 3)}, params={"shape": (2, 3), "starts": (1, 0)}),
        ),
    )
)


class SliceParams(Params):
    begin = Shape(none_items=True, doc="Starting indices for the slice operation, supports negative indices.")
    end = Shape(none_items=True, doc="Ending indices for the slice operation, supports negative indices.")
    step = Shape(default=(), none_items=True, doc="Step for the slice operation, supports negative values.")


def slice_box(p, shape):
    """Starts, steps and extents (-1 where the axis is unknown) of a slice; axes after the last given one are whole."""
    if len(p.begin) != len(p.end) or p.step and len(p.step) != len(p.begin):
        raise ShapeError(f"begin={p.begin}, end={p.end} and step={p.step} must have one length")
    if len(p.begin) > len(shape):
        raise ShapeError(f"begin={p.begin} has more axes than the data, which has shape {shape}")
    starts, steps, extents = [0] * len(shape), [1] * len(shape), list(shape)
    for axis, (begin, end) in enumerate(zip(p.begin, p.end)):
        step = p.step[axis] if p.step else None
        if step == 0:
            raise ShapeError(f"step={p.step}: a step cannot be 0")
        steps[axis] = 1 if step is None else step
        if shape[axis] >= 0:
            start, stop, step = slice(begin, end, step).indices(shape[axis])
            starts[axis], extents[axis] = start, len(range(start, stop, step))
        elif begin is None and end is None and steps[axis] in (1, -1):
            pass
        else:
            extents[axis] = -1
    return tuple(starts), tuple(steps), tuple(extents)


def _slice_shapes(p, ins, outs):
    if ins[0] is None:
        return ins, outs
    return ins, [unify(outs[0], slice_box(p, ins[0])[2])]


def _slice_lower(low, node):
    starts, steps, extents = slice_box(node.params, low.ins[0].shape)
    move(low, View.of(low.outs[0]), View.of(low.ins[0]).box(starts, extents, steps))


def _slice_gradient(g, node, ograds):
    starts, steps, _ = slice_box(node.params, node.in_shapes[0])
    return [g("_embed", ograds[0], shape=node.in_shapes[0], starts=starts, steps=steps)]


def _slices(p):
    steps = p.step or (None,) * len(p.begin)
    return tuple(slice(b, e, s) for b, e, s in zip(p.begin, p.end, steps))


_SLICES: tuple[dict[str, Any], ...] = (
    {"begin": (1,), "end": (3,)},
    {"begin": (0, 1), "end": (None, 3)},
    {"begin": (None, None), "end": (None, 3), "step": (-1, 2)},
    {"begin": (-2,), "end": (None,)},
    {"begin": (4, 1), "end": (-9, 2), "step": (-2, 1)},
    {"begin": (3,), "end": (1,)},
    {"begin": (1, 0), "end": (9, 4), "step": (None, 3)},
)

register(
    Op(
        name="slice",
        aliases=("crop", "_sparse_slice"),
        doc="Slice a region of the array.",
        params=SliceParams,
        infer_shape=_slice_shapes,
        gradient=_slice_gradient,
        lower=_slice_lower,
        reference=lambda p, x, is_train: x[_slices(p)],
        cases=tuple(
            Case(shapes={"data": (5, 4)}, params=params, dtypes=ALL_DTYPES if i < 3 else ("float32", "float64"))
            for i, params in enumerate(_SLICES)
        ),
    )
)


def _slice_assign_shapes(p, ins, outs):
    lhs = unify(ins[0], outs[0])
    rhs = ins[1] if lhs is None else unify(ins[1], slice_box(p, lhs)[2], "the value and the slice")
    return [lhs, rhs], [lhs]


def _slice_assign_lower(low, node):
    (lhs, rhs), (out,) = low.ins, low.outs
    low.copy(out, lhs)
    starts, steps, extents = slice_box(node.params, lhs.shape)
    move(low, View.of(out).box(starts, extents, steps), View.of(rhs))


def _slice_assign_numpy(p, lhs, rhs, is_train):
    out = lhs.copy()
    out[_slices(p)] = rhs
    return out


def _slice_assign_gradient(g, node, ograds):
    p = node.params
    bounds = {"begin": p.begin, "end": p.end, "step": p.step}
    return [g("_slice_assign_scalar", ograds[0], scalar=0.0, **bounds), g("slice", ograds[0], **bounds)]


register(
    Op(
        name="_slice_assign",
        aliases=("_crop_assign",),
        doc="Return `lhs` with a region replaced by `rhs`.",
        params=SliceParams,
        inputs=("lhs", "rhs"),
        infer_shape=_slice_assign_shapes,
        gradient=_slice_assign_gradient,
        lower=_slice_assign_lower,
        reference=_slice_assign_numpy,
        cases=(
            Case(shapes={"lhs": (5, 4), "rhs": (2, 4)}, params=_SLICES[0], dtypes=ALL_DTYPES),
            Case(shapes={"lhs": (5, 4), "rhs": (5, 2)}, params=_SLICES[2]),
        ),
    )
)


class SliceAssignScalarParams(SliceParams):
    scalar = Float(default=0.0, doc="The scalar value for assignment.")
    begin = SliceParams.begin
    end = SliceParams.end
    step = SliceParams.step


def _slice_assign_scalar_shapes(p, ins, outs):
    data = unify(ins[0], outs[0])
    if data is not None:
        slice_box(p, data)  # refuses what is no region
    return [data], [data]


def _slice_assign_scalar_lower(low, node):
    data, out = low.ins[0], low.outs[0]
    low.copy(out, data)
    starts, steps, extents = slice_box(node.params, data.shape)
    value = low.workspace((1,), out.dtype)
    low.fill(value, node.params.scalar)
    box = View.of(out).box(starts, extents, steps)
    move(low, box, View.of(value).broadcast(extents))


def _slice_assign_scalar_numpy(p, x, is_train):
    out = x.copy()
    out[_slices(p)] = p.scalar
    return out


def _slice_assign_scalar_gradient(g, node, ograds):
    return [g("_slice_assign_scalar", ograds[0], like=node.params, scalar=0.0)]


register(
    Op(
        name="_slice_assign_scalar",
        aliases=("_crop_assign_scalar",),
        doc="Return the input with a region replaced by a number.",
        params=SliceAssignScalarParams,
        infer_shape=_slice_assign_scalar_shapes,
        gradient=_slice_assign_scalar_gradient,
        lower=_slice_assign_scalar_lower,
        reference=_slice_assign_scalar_numpy,
        cases=(
            Case(shapes={"data": (5, 4)}, params={**_SLICES[0], "scalar": 2.5}),
            Case(shapes={"data": (5, 4)}, params={**_SLICES[2], "scalar": 3}, dtypes=ALL_DTYPES),
        ),
    )
)


class SliceAxisParams(Params):
    axis = Int(doc="Axis along which to be sliced, supports negative indexes.")
    begin = Int(doc="The beginning index along the axis to be sliced, supports negative indexes.")
    end = Int(nullable=True, doc="The ending index along the axis to be sliced, supports negative indexes.")


def _axis_span(p, shape):
    """Axis, begin and end of slice_axis; begin and end only for a known extent."""
    axis = normalize_axis(p.axis, len(shape))
    extent = shape[axis]
    if extent < 0:
        return axis, None, None
    begin = p.begin + extent if p.begin < 0 else p.begin
    end = extent if p.end is None else p.end + extent if p.end < 0 else p.end
    if not 0 <= begin < end <= extent:
        raise ShapeError(f"begin={p.begin}, end={p.end} is no part of axis {axis}, which has extent {extent}")
    return axis, begin, end


def _slice_axis_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is None:
        return ins, outs
    axis, begin, end = _axis_span(p, data)
    extent = -1 if begin is None else end - begin
    out = unify(out, (*data[:axis], extent, *data[axis + 1 :]))
    return [(*out[:axis], data[axis], *out[axis + 1 :])], [out]


def _slice_axis_lower(low, node):
    axis, begin, end = _axis_span(node.params, low.ins[0].shape)
    move(low, View.of(low.outs[0]), View.of(low.ins[0]).cut(axis, begin, end - begin))


def _slice_axis_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    axis, begin, _ = _axis_span(node.params, shape)
    starts = tuple(begin if i == axis else 0 for i in range(len(shape)))
    return [g("_embed", ograds[0], shape=shape, starts=starts)]


def _slice_axis_numpy(p, x, is_train):
    index = [slice(None)] * x.ndim
    index[p.axis] = slice(p.begin, p.end)
    return x[tuple(index)]


register(
    Op(
        name="slice_axis",
        doc="Slice along a given axis.",
        params=SliceAxisParams,
        infer_shape=_slice_axis_shapes,
        gradient=_slice_axis_gradient,
        lower=_slice_axis_lower,
        reference=_slice_axis_numpy,
        cases=(
            Case(shapes={"data": (5, 4)}, params={"axis": 0, "begin": 1, "end": 3}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (5, 4)}, params={"axis": -1, "begin": 1, "end": None}),
            Case(shapes={"data": (2, 5, 4)}, params={"axis": 1, "begin": -3, "end": -1}),
        ),
    )
)


class SliceLikeParams(Params):
    axes = Shape(
        default=(),
        doc="List of axes on which input data will be sliced according to the corresponding size of the second input. "
        "By default will slice on all axes. Negative axes are supported.",
    )


def _slice_like_shapes(p, ins, outs):
    data, like = ins
    if data is None or like is None:
        return ins, outs
    if not p.axes and len(data) != len(like):
        raise ShapeError(f"slicing on all axes needs equal ranks, found {data} and {like}")
    out = list(data)
    for axis in p.axes or range(len(data)):
        axis = normalize_axis(axis, len(data), "axes")
        if axis >= len(like):
            raise ShapeError(f"axis {axis} exceeds the second input, which has shape {like}")
        if like[axis] > data[axis] >= 0:
            raise ShapeError(f"axis {axis}: {like[axis]} exceeds the data's {data[axis]}")
        out[axis] = like[axis]
    return ins, [unify(outs[0], tuple(out))]


def _slice_like_lower(low, node):
    out = low.outs[0]
    move(low, View.of(out), View.of(low.ins[0]).box((0,) * len(out.shape), out.shape))


def _any_like_dtype(p, ins, outs):
    data = ins[0] or outs[0]
    return [data, ins[1] or data], [data]


register(
    Op(
        name="slice_like",
        doc="Slice a region of the array like the shape of another array.",
        params=SliceLikeParams,
        inputs=("data", "shape_like"),
        infer_shape=_slice_like_shapes,
        infer_dtype=_any_like_dtype,
        gradient=lambda g, node, ograds: [
            g("_embed", ograds[0], shape=node.in_shapes[0], starts=(0,) * len(node.in_shapes[0])),
            None,
        ],
        lower=_slice_like_lower,
        reference=lambda p, x, like, is_train: x[
            tuple(
                slice(like.shape[i] if not p.axes or i in [a % x.ndim for a in p.axes] else None) for i in range(x.ndim)
            )
        ],
        cases=(
            Case(shapes={"data": (5, 4), "shape_like": (3, 2)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (5, 4), "shape_like": (3, 2)}, params={"axes": (0,)}),
            Case(shapes={"data": (5, 4), "shape_like": (9, 2)}, params={"axes": (-1,)}),
        ),
    )
)
