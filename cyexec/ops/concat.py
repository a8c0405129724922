"""Joining and splitting arrays along an axis."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, unify, unify_all
from .params import Bool, Count, Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op
from .strided import View, move


class ConcatParams(Params):
    num_args = Count(doc="Number of inputs to be concated.")
    dim = Int(default=1, doc="The dimension to be concated.")


def _arg_names(p):
    return [f"arg{i}" for i in range(p.num_args)]


def _with(shape, axis, extent):
    return (*shape[:axis], extent, *shape[axis + 1 :])


def _concat_shapes(p, ins, outs):
    known = [s for s in (*ins, *outs) if s is not None]
    if not known:
        return ins, outs
    axis = normalize_axis(p.dim, len(known[0]), "dim")
    # All agree but for the axis, where the output is the sum of the inputs.
    common = unify_all([_with(s, axis, -1) if len(s) == len(known[0]) else s for s in known], "shapes but for the axis")
    extents = [-1 if s is None else s[axis] for s in ins]
    total = outs[0][axis] if outs[0] is not None else -1
    unknown = extents.count(-1)
    if unknown == 0:
        if total not in (-1, sum(extents)):
            raise ShapeError(f"inputs have {extents} along dim={axis}, which is not the output's {total}")
        total = sum(extents)
    elif unknown == 1 and total >= 0:
        rest = total - sum(e for e in extents if e >= 0)
        if rest < 0:
            raise ShapeError(f"inputs have {extents} along dim={axis}, more than the output's {total}")
        extents[extents.index(-1)] = rest
    return [_with(common, axis, e) for e in extents], [_with(common, axis, total)]


def _rnn_param_shapes(p, ins, outs):
    """As of Concat; and several unknown parts of a known total are equal, as those of a network's two directions are."""
    ins, outs = _concat_shapes(p, ins, outs)
    total = outs[0]
    if p.dim != 0 or total is None or len(total) != 1 or total[0] < 0:
        return ins, outs
    known = [s[0] for s in ins if s is not None and s[0] >= 0]
    unknown = len(ins) - len(known)
    if unknown > 1 and (total[0] - sum(known)) % unknown == 0:
        each = (total[0] - sum(known)) // unknown
        ins = [s if s is not None and s[0] >= 0 else (each,) for s in ins]
    return ins, outs


def _concat_lower(low, node):
    out = View.of(low.outs[0])
    axis = normalize_axis(node.params.dim, len(out.shape))
    start = 0
    for part in low.ins:
        extent = part.shape[axis]
        move(low, out.cut(axis, start, extent), View.of(part))
        start += extent


def _concat_gradient(g, node, ograds):
    axis = normalize_axis(node.params.dim, len(node.shapes[0]))
    grads, start = [], 0
    for entry in node.inputs:
        extent = entry.shape[axis]
        if extent:
            grads.append(g("slice_axis", ograds[0], axis=axis, begin=start, end=start + extent))
        else:
            grads.append(g.zeros_like(entry))
        start += extent
    return grads


def _concat_op(name, aliases, infer_shape):
    return Op(
        name=name,
        aliases=aliases,
        doc="Join input arrays along a given axis.",
        params=ConcatParams,
        inputs=_arg_names,
        variadic="num_args",
        infer_shape=infer_shape,
        gradient=_concat_gradient,
        lower=_concat_lower,
        reference=lambda p, *xs, is_train: np.concatenate(xs, p.dim),
        cases=(
            Case(shapes={"arg0": (2, 3), "arg1": (2, 4)}, params={"num_args": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"arg0": (2, 3), "arg1": (1, 3), "arg2": (3, 3)}, params={"num_args": 3, "dim": 0}),
            Case(shapes={"arg0": (2, 3, 1), "arg1": (2, 3, 5)}, params={"num_args": 2, "dim": -1}),
            Case(shapes={"arg0": (1, 3, 2), "arg1": (1, 2, 2)}, params={"num_args": 2, "dim": 1}),
            Case(shapes={"arg0": (4,)}, params={"num_args": 1, "dim": 0}),
        ),
    )


register(_concat_op("Concat", ("concat", "_sparse_concat"), _concat_shapes))
register(_concat_op("_rnn_param_concat", (), _rnn_param_shapes))


class StackParams(Params):
    axis = Int(default=0, doc="The axis in the result array along which the input arrays are stacked.")
    num_args = Count(doc="Number of inputs to be stacked.")


def _stack_shapes(p, ins, outs):
    part = unify_all(ins, "all inputs")
    out = outs[0]
    if out is not None:
        axis = normalize_axis(p.axis, len(out))
        if out[axis] not in (-1, p.num_args):
            raise ShapeError(f"stacks {p.num_args} inputs along axis {axis}, found output {out}")
        part = unify(part, (*out[:axis], *out[axis + 1 :]))
    if part is not None:
        axis = normalize_axis(p.axis, len(part) + 1)
        out = (*part[:axis], p.num_args, *part[axis:])
    return [part] * len(ins), [out]


def _stack_lower(low, node):
    out = View.of(low.outs[0])
    axis = normalize_axis(node.params.axis, len(out.shape))
    for i, part in enumerate(low.ins):
        move(low, out.cut(axis, i, 1).drop(axis), View.of(part))


def _stack_gradient(g, node, ograds):
    axis = normalize_axis(node.params.axis, len(node.shapes[0]))
    parts = [g("slice_axis", ograds[0], axis=axis, begin=i, end=i + 1) for i in range(len(node.inputs))]
    return [g("_reshape_to", part, shape=shape) for part, shape in zip(parts, node.in_shapes)]


register(
    Op(
        name="stack",
        doc="Join a sequence of arrays along a new axis.",
        params=StackParams,
        inputs=_arg_names,
        variadic="num_args",
        infer_shape=_stack_shapes,
        gradient=_stack_gradient,
        lower=_stack_lower,
        reference=lambda p, *xs, is_train: np.stack(xs, p.axis),
        cases=(
            Case(shapes={"arg0": (2, 3), "arg1": (2, 3)}, params={"num_args": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"arg0": (2, 3), "arg1": (2, 3), "arg2": (2, 3)}, params={"num_args": 3, "axis": 1}),
            Case(shapes={"arg0": (2, 3), "arg1": (2, 3)}, params={"num_args": 2, "axis": -1}),
            Case(shapes={"arg0": (4,)}, params={"num_args": 1}),
        ),
    )
)


class SplitParams(Params):
    num_outputs = Count(doc="Number of splits. Note that this should evenly divide the length of the `axis`.")
    axis = Int(default=1, doc="Axis along which to split.")
    squeeze_axis = Bool(
        default=False,
        doc="If true, removes the axis with length 1 from the shapes of the output arrays, but only the axis which is "
        "split; then the input's extent must equal `num_outputs`.",
    )


class SplitV2Params(Params):
    indices = Shape(doc="The first index of each part along the axis.")
    axis = Int(default=1, doc="Axis along which to split.")
    squeeze_axis = Bool(default=False, doc="If true, removes the axis, along which each part must have length 1.")
    sections = Count(default=0, min=0, doc="Number of sections if equally splitted. Default to 0 which means split by indices.")


def _num_parts(p):
    if isinstance(p, SplitParams):
        return p.num_outputs
    return p.sections or len(p.indices)


def split_bounds(p, extent):
    """First index of each part of an axis of known extent, and its end."""
    count = _num_parts(p)
    if isinstance(p, SplitV2Params) and not p.sections:
        bounds = [*p.indices, extent]
        if any(a > b for a, b in pairwise(bounds)):
            raise ShapeError(f"indices={p.indices} must rise and stay within the extent {extent}")
        if bounds[0] != 0:
            raise ShapeError(f"indices={p.indices} must start with 0: the parts cover the axis")
        return bounds
    if extent % count:
        raise ShapeError(f"an extent of {extent} cannot be split into {count} equal parts")
    return [i * (extent // count) for i in range(count + 1)]


def _split_shapes(p, ins, outs):
    data = ins[0]
    count = _num_parts(p)
    equal = isinstance(p, SplitParams) or p.sections > 0
    if data is None:
        parts = [s for s in outs if s is not None]
        if not parts:
            return ins, outs
        axis = normalize_axis(p.axis, len(parts[0]) + p.squeeze_axis)
        data = (*parts[0][:axis], -1, *parts[0][axis if p.squeeze_axis else axis + 1 :])
    axis = normalize_axis(p.axis, len(data))
    shapes = []
    for out in outs:
        if out is not None and p.squeeze_axis:
            out = (*out[:axis], 1, *out[axis:])
        shapes.append(out)
    common = unify_all([_with(s, axis, -1) for s in shapes if s is not None], "outputs but for the axis")
    data = unify(data, common)
    if data[axis] < 0:
        extents = [-1 if s is None else s[axis] for s in shapes]
        known = max(extents)
        if p.squeeze_axis:
            data = _with(data, axis, count)
        elif equal and known >= 0:
            data = _with(data, axis, known * count)
        elif not equal and extents[-1] >= 0:
            data = _with(data, axis, p.indices[-1] + extents[-1])
    if data[axis] >= 0:
        bounds = split_bounds(p, data[axis])
        widths = [b - a for a, b in pairwise(bounds)]
    else:
        widths = [-1] * count
    if p.squeeze_axis and any(w not in (1, -1) for w in widths):
        raise ShapeError(f"squeeze_axis needs parts of extent 1, but axis {axis} of {data} gives {widths}")
    made = [unify(s, _with(data, axis, w)) for s, w in zip(shapes, widths)]
    if p.squeeze_axis:
        made = [(*s[:axis], *s[axis + 1 :]) for s in made]
    return [data], made


def _split_lower(low, node):
    p = node.params
    data = View.of(low.ins[0])
    axis = normalize_axis(p.axis, len(data.shape))
    bounds = split_bounds(p, data.shape[axis])
    for i, out in enumerate(low.outs):
        if low.used(i):
            part = data.cut(axis, bounds[i], bounds[i + 1] - bounds[i])
            move(low, View.of(out, part.shape), part)


def _split_gradient(g, node, ograds):
    p = node.params
    shape = node.in_shapes[0]
    axis = normalize_axis(p.axis, len(shape))
    bounds = split_bounds(p, shape[axis])
    parts = []
    for i, grad in enumerate(ograds):
        part = _with(shape, axis, bounds[i + 1] - bounds[i])
        if grad is None:
            grad = g("_zeros", shape=part, dtype=node.dtypes[0])
        elif grad.shape != part:
            grad = g("_reshape_to", grad, shape=part)
        parts.append(grad)
    return [g("Concat", *parts, num_args=len(parts), dim=axis)]


def _split_outputs(p):
    count = _num_parts(p)
    # SliceChannel numbers even a single output.
    if count == 1 and isinstance(p, SplitV2Params):
        return ["output"]
    return [f"output{i}" for i in range(count)]


def _split_numpy(p, x, is_train):
    bounds = split_bounds(p, x.shape[p.axis])
    parts = [np.take(x, range(a, b), p.axis) for a, b in pairwise(bounds)]
    return tuple(np.squeeze(y, p.axis) for y in parts) if p.squeeze_axis else tuple(parts)


def _split_op(name, aliases, params, cases):
    return Op(
        name=name,
        aliases=aliases,
        doc="Split an array along a particular axis into multiple sub-arrays.",
        params=params,
        outputs=_split_outputs,
        infer_shape=_split_shapes,
        gradient=_split_gradient,
        lower=_split_lower,
        reference=_split_numpy,
        cases=cases,
    )


register(
    _split_op(
        "SliceChannel",
        ("split",),
        SplitParams,
        (
            Case(shapes={"data": (2, 6)}, params={"num_outputs": 3}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (4, 3)}, params={"num_outputs": 2, "axis": 0}),
            Case(shapes={"data": (2, 3, 4)}, params={"num_outputs": 2, "axis": -1}),
            Case(shapes={"data": (2, 3, 4)}, params={"num_outputs": 3, "squeeze_axis": True}),
            Case(shapes={"data": (2, 3)}, params={"num_outputs": 1}),
        ),
    )
)
register(
    _split_op(
        "_split_v2",
        (),
        SplitV2Params,
        (
            Case(shapes={"data": (5, 4)}, params={"indices": (0, 1, 3), "axis": 0}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 4)}, params={"indices": (0, 2)}),
            Case(shapes={"data": (4, 4)}, params={"indices": (), "sections": 2, "axis": 0}),
            Case(shapes={"data": (2, 4)}, params={"indices": (0,), "sections": 4, "squeeze_axis": True}),
        ),
    )
)
