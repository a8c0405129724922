"""Crop, and diagonals."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, unify
from .params import Bool, Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op
from .strided import View, move


class CropParams(Params):
    num_args = Int(
        doc="Number of inputs for crop, if equals one, then we will use the h_w for crop height and width, else if equals "
        "two, then we will use the height and width of the second input symbol, we name crop_like here.",
        min=1, max=2,
    )  # fmt: skip
    offset = Shape(default=(0, 0), doc="Crop offset coordinate: (y, x).")
    h_w = Shape(default=(0, 0), doc="Crop height and width: (h, w).")
    center_crop = Bool(
        default=False,
        doc="If set to true, then it will use be the center_crop, or it will crop using the shape of crop_like.",
    )


def _crop_box(p, ins):
    """Starts and extents of the crop in (N, C, H, W)."""
    data = ins[0]
    if any(s is not None and len(s) != 4 for s in ins):
        raise ShapeError(f"needs four dimensions (N, C, H, W), found {ins}")
    if len(p.h_w) != 2 or len(p.offset) != 2:
        raise ShapeError(f"h_w={p.h_w} and offset={p.offset} must be two numbers each")
    height, width = p.h_w if p.num_args == 1 else ins[1][2:]
    if not 1 <= height <= data[2] or not 1 <= width <= data[3]:
        raise ShapeError(f"a crop of {height} x {width} does not fit in {data}")
    y, x = ((data[2] - height) // 2, (data[3] - width) // 2) if p.center_crop else p.offset
    if not 0 <= y <= data[2] - height or not 0 <= x <= data[3] - width:
        raise ShapeError(f"a crop of {height} x {width} at offset={p.offset} does not fit in {data}")
    return (0, 0, y, x), (*data[:2], height, width)


def _crop_shapes(p, ins, outs):
    # Batch and channels are those of the data; of the second array only height and width are needed.
    if any(s is None for s in ins):
        return ins, outs
    if all(len(s) == 4 for s in ins) and any(min(s[2:]) < 0 for s in ins):
        height, width = p.h_w if p.num_args == 1 else ins[1][2:]
        return ins, [unify(outs[0], (*ins[0][:2], height, width))]
    return ins, [unify(outs[0], _crop_box(p, ins)[1])]


def _crop_gradient(g, node, ograds):
    starts, _ = _crop_box(node.params, node.in_shapes)
    grad = g("_embed", ograds[0], shape=node.in_shapes[0], starts=starts)
    return [grad] + [None] * (len(node.inputs) - 1)


def _crop_numpy(p, x, like=None, is_train=True):
    shapes = [x.shape] if like is None else [x.shape, like.shape]
    starts, extents = _crop_box(p, shapes)
    return x[tuple(slice(s, s + n) for s, n in zip(starts, extents))]


register(
    Op(
        name="Crop",
        doc="Crop the height and width of an (N, C, H, W) array, to given extents or to those of a second array.",
        params=CropParams,
        inputs=lambda p: [f"arg{i}" for i in range(p.num_args)],
        variadic="num_args",
        infer_shape=_crop_shapes,
        gradient=_crop_gradient,
        lower=lambda low, node: move(
            low,
            View.of(low.outs[0]),
            View.of(low.ins[0]).box(*_crop_box(node.params, [r.shape for r in low.ins])),
        ),
        reference=_crop_numpy,
        cases=(
            Case(
                shapes={"arg0": (2, 1, 4, 5)},
                params={"num_args": 1, "h_w": (2, 3), "offset": (1, 2)},
                dtypes=ALL_DTYPES,
            ),
            Case(shapes={"arg0": (1, 2, 5, 4)}, params={"num_args": 1, "h_w": (2, 3), "center_crop": True}),
            Case(shapes={"arg0": (1, 2, 4, 4), "arg1": (1, 3, 2, 3)}, params={"num_args": 2, "offset": (1, 0)}),
        ),
    )
)


class DiagParams(Params):
    k = Int(
        default=0,
        doc="Diagonal in question. The default is 0. Use k>0 for diagonals above the main diagonal, and k<0 for diagonals "
        "below the main diagonal. If input has shape (S0 S1) k must be between -S0 and S1.",
    )
    axis1 = Int(default=0, doc="The first axis of the sub-arrays of interest. Ignored when the input is a 1-D array.")
    axis2 = Int(default=1, doc="The second axis of the sub-arrays of interest. Ignored when the input is a 1-D array.")


def _diagonal(p, shape):
    """(axis1, axis2, start row, start column, length) of the diagonal of an array of two dimensions or more."""
    first = normalize_axis(p.axis1, len(shape), "axis1")
    second = normalize_axis(p.axis2, len(shape), "axis2")
    if first == second:
        raise ShapeError(f"axis1 and axis2 must differ, both are {first}")
    row, column = max(-p.k, 0), max(p.k, 0)
    length = min(shape[first] - row, shape[second] - column)
    if length <= 0:
        raise ShapeError(f"k={p.k} lies outside an array of shape {shape}")
    return first, second, row, column, length


def _diag_shape(p, shape):
    if len(shape) == 1:
        return (shape[0] + abs(p.k),) * 2
    first, second, _, _, length = _diagonal(p, shape)
    return (*(d for i, d in enumerate(shape) if i not in (first, second)), length)


def _diag_shapes(p, ins, outs):
    if ins[0] is None or min(ins[0], default=0) < 0:
        return ins, outs
    return ins, [unify(outs[0], _diag_shape(p, ins[0]))]


def diagonal_view(p, whole):
    """View of the diagonal of a view, as its last axis."""
    first, second, row, column, length = _diagonal(p, whole.shape)
    rows = whole.cut(first, row, length)
    rows = rows.cut(second, column, 1)
    strides = list(rows.strides)
    step = whole.strides[first] + whole.strides[second]
    kept = [i for i in range(len(whole.shape)) if i not in (first, second)]
    return View(whole.ref, (*(whole.shape[i] for i in kept), length), (*(strides[i] for i in kept), step), rows.offset)


def _diag_lower(low, node):
    p, data, out = node.params, low.ins[0], low.outs[0]
    if len(data.shape) == 1:
        low.fill(out, 0)
        move(low, diagonal_view(DiagParams(k=p.k), View.of(out)), View.of(data))
    else:
        move(low, View.of(out), diagonal_view(p, View.of(data)))


class BackwardDiagParams(DiagParams):
    shape = Shape(doc="Shape of the output.")


def _diag_gradient(g, node, ograds):
    p = node.params
    if len(node.in_shapes[0]) == 1:
        return [g("diag", ograds[0], k=p.k)]
    return [g("_backward_diag", ograds[0], shape=node.in_shapes[0], like=p)]


def _backward_diag_lower(low, node):
    low.fill(low.outs[0], 0)
    move(low, diagonal_view(node.params, View.of(low.outs[0])), View.of(low.ins[0]))


def _backward_diag_numpy(p, grad, is_train):
    out = np.zeros(p.shape, grad.dtype)
    # np.diagonal is read-only; the same view by hand.
    view = np.moveaxis(out, (p.axis1, p.axis2), (-2, -1))
    for i in range(grad.shape[-1]):
        view[..., max(-p.k, 0) + i, max(p.k, 0) + i] = grad[..., i]
    return out


register(
    Op(
        name="diag",
        doc="Extract a diagonal, or construct a diagonal array from a vector.",
        params=DiagParams,
        infer_shape=_diag_shapes,
        gradient=_diag_gradient,
        lower=_diag_lower,
        reference=lambda p, x, is_train: np.diag(x, p.k) if x.ndim == 1 else np.diagonal(x, p.k, p.axis1, p.axis2),
        cases=(
            Case(shapes={"data": (3,)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2,)}, params={"k": -1}),
            Case(shapes={"data": (3, 2)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (3, 4)}, params={"k": 2}),
            Case(shapes={"data": (3, 2)}, params={"k": -1}),
            Case(shapes={"data": (2, 3, 4)}, params={"axis1": 0, "axis2": 2}),
            Case(shapes={"data": (2, 3, 4)}, params={"k": -1, "axis1": -1, "axis2": -2}),
        ),
    )
)

register(
    Op(
        name="_backward_diag",
        hidden=True,
        doc="Zeros with the input on a diagonal.",
        params=BackwardDiagParams,
        infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.shape)]),
        lower=_backward_diag_lower,
        reference=_backward_diag_numpy,
        cases=(
            Case(shapes={"data": (3, 2)}, params={"shape": (2, 3, 4), "axis1": 0, "axis2": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2,)}, params={"shape": (3, 3), "k": -1}),
        ),
    )
)
