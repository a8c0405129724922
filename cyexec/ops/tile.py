"""Operators that repeat, mirror and surround: tile, repeat, reverse, Pad."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, product, same_shape, unify
from .params import Enum, Float, Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op
from .strided import View, move


class TileParams(Params):
    reps = Shape(
        doc="The number of times for repeating the tensor a. If reps has length d, the result will have dimension of "
        "max(d, a.ndim); if a.ndim < d, a is promoted to be d-dimensional by prepending new axes. If a.ndim > d, reps "
        "is promoted to a.ndim by pre-pending 1's to it.",
    )


def _tile_dims(p, shape):
    """Shape and repetitions, both of the output's rank."""
    ndim = max(len(shape), len(p.reps))
    return (1,) * (ndim - len(shape)) + tuple(shape), (1,) * (ndim - len(p.reps)) + p.reps


def _tile_shapes(p, ins, outs):
    if min(p.reps, default=0) < 0:
        raise ShapeError(f"reps={p.reps} must not be negative")
    if ins[0] is None:
        return ins, outs
    dims, reps = _tile_dims(p, ins[0])
    return ins, [unify(outs[0], tuple(d * r if d >= 0 else -1 for d, r in zip(dims, reps)))]


def _tile_lower(low, node):
    dims, reps = _tile_dims(node.params, low.ins[0].shape)
    pairs = tuple(n for pair in zip(reps, dims) for n in pair)
    source = View.of(low.ins[0], dims)
    for axis, times in enumerate(reps):
        source = source.insert(2 * axis, times)
    move(low, View.of(low.outs[0], pairs), source)


def _tile_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    dims, reps = _tile_dims(node.params, shape)
    if product(reps) == 0:
        return [g.zeros_like(node.inputs[0])]
    return [_sum_repeats(g, ograds[0], reps, dims, 0, shape)]


def _sum_repeats(g, grad, reps, dims, place, shape):
    """Add up the repetitions of each axis; they stand before the axis (``place`` 0) or after it (1)."""
    split, axes = [], []
    for times, extent in zip(reps, dims):
        if times > 1:
            axes.append(len(split) + place)
            split += (times, extent) if place == 0 else (extent, times)
        else:
            split.append(extent)
    if axes:
        grad = g("sum", g("_reshape_to", grad, shape=tuple(split)), axis=tuple(axes))
    return grad if grad.shape == shape else g("_reshape_to", grad, shape=shape)


register(
    Op(
        name="tile",
        doc="Repeat the whole array multiple times.",
        params=TileParams,
        infer_shape=_tile_shapes,
        gradient=_tile_gradient,
        lower=_tile_lower,
        reference=lambda p, x, is_train: np.tile(x, p.reps),
        cases=(
            Case(shapes={"data": (2, 3)}, params={"reps": (2,)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (3,)}, params={"reps": (2, 2)}),
            Case(shapes={"data": (2, 3)}, params={"reps": (1, 2, 3)}),
            Case(shapes={"data": (2, 1, 3)}, params={"reps": (2, 1, 1)}),
            Case(shapes={"data": (2, 3)}, params={"reps": ()}),
        ),
    )
)


class RepeatParams(Params):
    repeats = Int(doc="The number of repetitions for each element.", min=0)
    axis = Int(
        default=None,
        doc="The axis along which to repeat values. The negative numbers are interpreted counting from the backward. By "
        "default, use the flattened input array, and return a flat output array.",
    )


def _repeat_shapes(p, ins, outs):
    data = ins[0]
    if p.axis is None:
        count = -1 if data is None or min(data, default=0) < 0 else product(data) * p.repeats
        return ins, [unify(outs[0], (count,))]
    if data is None:
        return ins, outs
    axis = normalize_axis(p.axis, len(data))
    extent = data[axis] * p.repeats if data[axis] >= 0 else -1
    return ins, [unify(outs[0], (*data[:axis], extent, *data[axis + 1 :]))]


def _repeat_dims(p, shape):
    dims = (product(shape),) if p.axis is None else tuple(shape)
    axis = 0 if p.axis is None else normalize_axis(p.axis, len(shape))
    return dims, axis


def _repeat_lower(low, node):
    times = node.params.repeats
    dims, axis = _repeat_dims(node.params, low.ins[0].shape)
    wide = (*dims[: axis + 1], times, *dims[axis + 1 :])
    move(low, View.of(low.outs[0], wide), View.of(low.ins[0], dims).insert(axis + 1, times))


def _repeat_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    if node.params.repeats == 0:
        return [g.zeros_like(node.inputs[0])]
    dims, axis = _repeat_dims(node.params, shape)
    reps = tuple(node.params.repeats if i == axis else 1 for i in range(len(dims)))
    return [_sum_repeats(g, ograds[0], reps, dims, 1, shape)]


register(
    Op(
        name="repeat",
        doc="Repeat elements of an array.",
        params=RepeatParams,
        infer_shape=_repeat_shapes,
        gradient=_repeat_gradient,
        lower=_repeat_lower,
        reference=lambda p, x, is_train: np.repeat(x, p.repeats, p.axis),
        cases=(
            Case(shapes={"data": (2, 3)}, params={"repeats": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3)}, params={"repeats": 2, "axis": 1}),
            Case(shapes={"data": (2, 3, 2)}, params={"repeats": 3, "axis": -2}),
            Case(shapes={"data": (2, 3)}, params={"repeats": 1, "axis": 0}),
        ),
    )
)


class ReverseParams(Params):
    axis = Shape(doc="The axis which to reverse elements.")


def _reverse_axes(p, ndim):
    """Axes that are read backwards: named twice, an axis is reversed twice."""
    axes = [normalize_axis(a, ndim) for a in p.axis]
    return [a for a in range(ndim) if axes.count(a) % 2]


def _reverse_shapes(p, ins, outs):
    ins, outs = same_shape(p, ins, outs)
    if ins[0] is not None:
        _reverse_axes(p, len(ins[0]))
    return ins, outs


def _reverse_lower(low, node):
    source = View.of(low.ins[0])
    for axis in _reverse_axes(node.params, len(source.shape)):
        source = source.flip(axis)
    move(low, View.of(low.outs[0]), source)


register(
    Op(
        name="reverse",
        aliases=("flip",),
        doc="Reverse the order of elements along given axes.",
        params=ReverseParams,
        infer_shape=_reverse_shapes,
        gradient=lambda g, node, ograds: [g("reverse", ograds[0], axis=node.params.axis)],
        lower=_reverse_lower,
        reference=lambda p, x, is_train: np.flip(x, _reverse_axes(p, x.ndim)),
        cases=(
            Case(shapes={"data": (2, 3)}, params={"axis": (0,)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3, 4)}, params={"axis": (0, 2)}),
            Case(shapes={"data": (2, 3)}, params={"axis": 1}),
        ),
    )
)


class PadParams(Params):
    mode = Enum(
        "constant", "edge", "reflect",
        doc='Padding type to use. "constant" pads with `constant_value`, "edge" pads using the edge values of the input '
        'array, "reflect" pads by reflecting values with respect to the edges.',
    )  # fmt: skip
    pad_width = Shape(
        doc="Widths of the padding regions applied to the edges of each axis: ``(before_1, after_1, ... , before_N, "
        "after_N)``, where ``N`` is the number of dimensions of the array.",
    )
    constant_value = Float(default=0.0, doc='The value used for padding when `mode` is "constant".')


def _pads(p, shape):
    if len(shape) not in (4, 5):
        raise ShapeError(f"only 4-D or 5-D input is supported, found {shape}")
    if len(p.pad_width) != 2 * len(shape):
        raise ShapeError(f"pad_width={p.pad_width} must have two numbers for each axis of {shape}")
    pads = list(zip(p.pad_width[::2], p.pad_width[1::2]))
    if pads[0] != (0, 0) or pads[1] != (0, 0):
        raise ShapeError(f"pad_width={p.pad_width}: padding of the first two axes must be zero")
    if min(p.pad_width) < 0:
        raise ShapeError(f"pad_width={p.pad_width} must not be negative")
    if p.mode == "reflect" and any(0 <= d <= max(pad) for d, pad in zip(shape[2:], pads[2:])):
        raise ShapeError(f"reflection needs pad_width={p.pad_width} smaller than the input's extents {shape}")
    return pads


def _pad_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is None:
        return ins, outs
    pads = _pads(p, data)
    out = unify(out, tuple(d + a + b if d >= 0 else -1 for d, (a, b) in zip(data, pads)))
    data = unify(data, tuple(d - a - b if d >= 0 else -1 for d, (a, b) in zip(out, pads)))
    return [data], [out]


def _pad_lower(low, node):
    """The input in the middle; then, axis by axis, the rims are copied from what the output already holds."""
    p, data, out = node.params, low.ins[0], low.outs[0]
    pads = _pads(p, data.shape)
    if p.mode == "constant":
        low.fill(out, p.constant_value)
    move(low, View.of(out).box([a for a, _ in pads], data.shape), View.of(data))
    if p.mode == "constant":
        return
    # Axes before `axis` are complete; later ones still have only their middle.
    ready = View.of(out).box([a for a, _ in pads], data.shape)
    for axis, (before, after) in enumerate(pads):
        extent = data.shape[axis]
        for start, count, mirror in ((-before, before, before), (extent, after, extent - 2)):
            if count:
                rim = ready.cut(axis, start, count)
                if p.mode == "edge":
                    edge = ready.cut(axis, 0 if start < 0 else extent - 1, 1)
                    move(low, rim, edge.drop(axis).insert(axis, count))
                else:
                    move(low, rim, ready.cut(axis, mirror, count, -1))
        ready = ready.cut(axis, -before, extent + before + after)


def _pad_numpy(p, x, is_train):
    widths = list(zip(p.pad_width[::2], p.pad_width[1::2]))
    if p.mode == "constant":
        return np.pad(x, widths, constant_values=p.constant_value)
    return np.pad(x, widths, mode=p.mode)


def _pad_gradient(g, node, ograds):
    p, grad = node.params, ograds[0]
    shape = node.in_shapes[0]
    for axis, (before, after) in enumerate(_pads(p, shape)):
        if before or after:
            grad = _unpad(g, grad, axis, before, after, shape[axis], p.mode)
    return [grad]


def _unpad(g, grad, axis, before, after, extent, mode):
    """Gradient without the padding of one axis: what the rims were copied from gets their gradients too."""

    def part(begin, end):
        return g("slice_axis", grad, axis=axis, begin=begin, end=end)

    middle = part(before, before + extent)
    if mode == "constant":
        return middle
    full = middle.shape
    for rim, count in ((part(0, before) if before else None, before),
                       (part(before + extent, before + extent + after) if after else None, after)):  # fmt: skip
        if rim is None:
            continue
        first = rim.node.params.begin == 0
        starts = [0] * len(full)
        if mode == "edge":
            if count > 1:
                rim = g("sum", rim, axis=(axis,), keepdims=True)
            starts[axis] = 0 if first else extent - 1
        else:
            if count > 1:
                rim = g("reverse", rim, axis=(axis,))
            starts[axis] = 1 if first else extent - 1 - count
        middle = g("elemwise_add", middle, g("_embed", rim, shape=full, starts=tuple(starts)))
    return middle


register(
    Op(
        name="Pad",
        aliases=("pad",),
        doc="Pad an input array of four or five dimensions with a constant or values of the array.",
        params=PadParams,
        infer_shape=_pad_shapes,
        gradient=_pad_gradient,
        lower=_pad_lower,
        reference=_pad_numpy,
        cases=(
            *(
                Case(
                    shapes={"data": (2, 1, 4, 3)}, dtypes=ALL_DTYPES,
                    params={"mode": mode, "pad_width": (0, 0, 0, 0, 1, 2, 2, 1), "constant_value": 5},
                )
                for mode in ("constant", "edge", "reflect")
            ),
            *(
                Case(
                    shapes={"data": (1, 2, 2, 3, 3)},
                    params={"mode": mode, "pad_width": (0, 0, 0, 0, 1, 0, 0, 2, 1, 1)},
                )
                for mode in ("constant", "edge", "reflect")
            ),
        ),
    )
)  # fmt: skip
