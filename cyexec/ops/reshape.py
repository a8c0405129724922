"""Operators that give the same elements, in the same order, another shape. All of them are free: one aliased copy."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import is_full, normalize_axis, product, same_dtype, unify
from .params import Bool, Int, NoParams, Params, Shape
from .registry import register
from .schema import Case, Op

ALL_DTYPES = ("float32", "float64", "float16", "int32", "int8", "uint8", "int64")


def lower_copy(low, node):
    """The output is the first input's bytes."""
    low.copy(low.outs[0], low.ins[0])


def reshape_gradient(g, node, ograds):
    """Give the gradient the first input's shape; nothing flows to other inputs."""
    return [g("_reshape_to", ograds[0], shape=node.in_shapes[0])] + [None] * (len(node.inputs) - 1)


class ReshapeToParams(Params):
    shape = Shape(doc="Shape of the output, literally.")


def _reshape_to_shapes(p, ins, outs):
    out = unify(outs[0], p.shape)
    if is_full(ins[0]) and product(ins[0]) != product(out):
        raise ShapeError(f"cannot reshape {ins[0]} to {out}: the sizes differ")
    return ins, [out]


register(
    Op(
        name="_reshape_to",
        hidden=True,
        doc="Reshape to a shape in which no extent has a special meaning (0 is 0).",
        params=ReshapeToParams,
        infer_shape=_reshape_to_shapes,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=lambda p, x, is_train: x.reshape(p.shape),
        cases=(
            Case(shapes={"data": (2, 3)}, params={"shape": (3, 2)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (0, 3)}, params={"shape": (3, 0, 1)}),
        ),
    )
)


class ReshapeParams(Params):
    shape = Shape(default=(), doc="The target shape.")
    reverse = Bool(default=False, doc="If true then the special values are inferred from right to left.")
    target_shape = Shape(
        default=(),
        doc="(Deprecated! Use ``shape`` instead.) Target new shape. One and only one dim can be 0, in which case it "
        "will be inferred from the rest of dims.",
    )
    keep_highest = Bool(
        default=False,
        doc="(Deprecated! Use ``shape`` instead.) Whether keep the highest dim unchanged. If set to true, then the "
        "first dim in target_shape is ignored, and always fixed as input.",
    )


def _times(*extents: int) -> int:
    """Product of extents of which some may be unknown."""
    if 0 in extents:
        return 0
    return -1 if -1 in extents else product(extents)


def reshape_shape(data: tuple[int, ...], codes: tuple[int, ...], reverse: bool = False) -> tuple[int, ...]:
    """Shape that MXNet's codes make of `data`, whose extents may be unknown (-1).

    n > 0: n; 0: keep; -1: infer; -2: keep all the rest; -3: merge two; -4, a, b: split one into a and b (one may be -1).
    """
    if reverse:
        data, codes = data[::-1], codes[::-1]
    out: list[int] = []
    infer = -1
    source = 0
    i = 0

    def take(count: int) -> tuple[int, ...]:
        nonlocal source
        if source + count > len(data):
            raise ShapeError(f"shape={codes} asks for more dimensions than {data} has")
        source += count
        return data[source - count : source]

    while i < len(codes):
        code = codes[i]
        if code == 0:
            out += take(1)
        elif code == -1:
            if infer >= 0:
                raise ShapeError(f"shape={codes}: one and only one dim can be inferred")
            infer = len(out)
            out.append(-1)
            source += 1
        elif code == -2:
            out += take(max(len(data) - source, 0))
        elif code == -3:
            out.append(_times(*take(2)))
        elif code == -4:
            if i + 2 >= len(codes):
                raise ShapeError(f"shape={codes}: -4 needs two extents after it")
            (whole,) = take(1)
            first, second = codes[i + 1], codes[i + 2]
            if first == -1 and second == -1:
                raise ShapeError(f"shape={codes}: the two extents after -4 cannot both be -1")
            if first == -1:
                first = whole // second if whole >= 0 and second else -1
            elif second == -1:
                second = whole // first if whole >= 0 and first else -1
            if whole >= 0 and first * second != whole:
                raise ShapeError(f"shape={codes}: cannot split {whole} into {first} and {second}")
            out += (first, second)
            i += 2
        elif code > 0:
            out.append(code)
            source += 1
        else:
            raise ShapeError(f"shape={codes}: {code} has no meaning")
        i += 1
    if infer >= 0:
        rest = _times(*out[:infer], *out[infer + 1 :])
        if is_full(data) and rest >= 0:
            if rest == 0 or product(data) % rest:
                raise ShapeError(f"cannot reshape {data[::-1] if reverse else data}: {rest} does not divide its size")
            out[infer] = product(data) // rest
    if reverse:
        out.reverse()
    return tuple(out)


def _legacy_shape(p: ReshapeParams, data: tuple[int, ...]) -> tuple[int, ...]:
    """``target_shape``, of which one extent may be 0 (infer), and the first may be the data's."""
    target = list(p.target_shape)
    if p.keep_highest and target:
        target[0] = data[0]
    start = 1 if p.keep_highest else 0
    zeros = [i for i in range(start, len(target)) if target[i] == 0]
    if len(zeros) > 1:
        raise ShapeError(f"target_shape={p.target_shape}: one and only one dim can be inferred")
    if zeros:
        rest = _times(*(d for i, d in enumerate(target) if i != zeros[0]))
        target[zeros[0]] = product(data) // rest if is_full(data) and rest > 0 else -1
    return tuple(target)


def complete_by_size(data, out):
    """Fill in the one unknown extent of `data` when the other shape is known, or the other way round."""
    if data is not None and is_full(out) and sum(d < 0 for d in data) == 1:
        known = product(d for d in data if d >= 0)
        if known and product(out) % known == 0:
            data = tuple(product(out) // known if d < 0 else d for d in data)
    return data


def _reshape_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is not None:
        made = reshape_shape(data, p.shape, p.reverse) if p.shape else _legacy_shape(p, data)
        out = unify(made, out)
    elif p.shape and min(p.shape) > 0:
        out = unify(p.shape, out)
    data, out = complete_by_size(data, out), complete_by_size(out, data)
    if is_full(data) and is_full(out) and product(data) != product(out):
        raise ShapeError(f"cannot reshape {data} to {out}: the sizes differ")
    return [data], [out]


def _reshape_numpy(p, x, is_train):
    return x.reshape(reshape_shape(x.shape, p.shape, p.reverse) if p.shape else _legacy_shape(p, x.shape))


def _reshape_case(data, dtypes=("float32", "float64"), **params):
    return Case(shapes={"data": data}, params=params, dtypes=dtypes)


register(
    Op(
        name="Reshape",
        aliases=("reshape",),
        doc="Reshape the input array. Extents 0, -1, -2, -3 and -4 have MXNet's special meanings.",
        params=ReshapeParams,
        infer_shape=_reshape_shapes,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=_reshape_numpy,
        cases=(
            _reshape_case((2, 3, 4), shape=(4, 0, 2), dtypes=ALL_DTYPES),
            _reshape_case((2, 3, 4), shape=(-4, 1, 2, -2)),
            _reshape_case((2, 3, 4), shape=(2, -4, -1, 3, -2)),
            _reshape_case((2, 3, 4, 5), shape=(-3, -3)),
            _reshape_case((2, 3, 4), shape=(-2, 1, 1)),
            _reshape_case((10, 5, 4), shape=(-1, 0), reverse=True),
            _reshape_case((2, 3, 4, 5), shape=(0, -3, 0), reverse=True),
            _reshape_case((2, 3, 4), target_shape=(2, 0)),
            _reshape_case((2, 3, 8), target_shape=(0, 4, 6), keep_highest=True),
            _reshape_case((1,), shape=(-1, 1, 1)),
        ),
    )
)


def _flatten_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is not None:
        if not data:
            raise ShapeError("a scalar cannot be flattened to two dimensions")
        out = unify(out, (data[0], _times(*data[1:])))
        data = (out[0], *data[1:])
        if out[1] >= 0:
            data = (data[0], *(complete_by_size(data[1:], (out[1],)) or ()))
    elif out is not None and len(out) != 2:
        raise ShapeError(f"the output has two dimensions, found {out}")
    return [data], [out]


register(
    Op(
        name="Flatten",
        aliases=("flatten",),
        doc="Flatten the input to two dimensions by merging all but the first.",
        infer_shape=_flatten_shapes,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=lambda p, x, is_train: x.reshape(x.shape[0], int(np.prod(x.shape[1:]))),
        cases=(
            Case(shapes={"data": (2, 3, 4)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (3,)}),
            Case(shapes={"data": (0, 3, 2)}),
        ),
    )
)


class ExpandDimsParams(Params):
    axis = Int(doc="Position where new axis is to be inserted, in [-ndim - 1, ndim] of the input.")


def _expand_dims_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is not None:
        axis = normalize_axis(p.axis, len(data) + 1)
        out = unify(out, (*data[:axis], 1, *data[axis:]))
    if out is not None:
        axis = normalize_axis(p.axis, len(out))
        out = unify(out, (*out[:axis], 1, *out[axis + 1 :]))
        data = unify(data, (*out[:axis], *out[axis + 1 :]))
    return [data], [out]


register(
    Op(
        name="expand_dims",
        doc="Insert a new axis of size 1.",
        params=ExpandDimsParams,
        infer_shape=_expand_dims_shapes,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=lambda p, x, is_train: np.expand_dims(x, p.axis),
        cases=(
            Case(shapes={"data": (2, 3)}, params={"axis": 1}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3)}, params={"axis": -3}),
            Case(shapes={"data": (2, 0)}, params={"axis": 2}),
        ),
    )
)


class SqueezeParams(Params):
    axis = Shape(
        default=None,
        doc="Selects a subset of the single-dimensional entries in the shape. If an axis is selected with shape entry "
        "greater than one, an error is raised.",
    )


def _squeeze_shapes(p, ins, outs):
    data, out = ins[0], outs[0]
    if data is None:
        return ins, outs
    if p.axis is None:
        if not is_full(data):
            return ins, outs
        drop = {i for i, d in enumerate(data) if d == 1}
    else:
        drop = {normalize_axis(a, len(data)) for a in p.axis}
        if len(drop) != len(p.axis):
            raise ShapeError(f"duplicate value in axis={p.axis}")
        for axis in drop:
            if data[axis] not in (1, -1):
                raise ShapeError(f"cannot squeeze axis {axis} of {data}: its extent is not 1")
    # MXNet 1.x has no scalars: the last remaining 1 stays.
    kept = [i for i in range(len(data)) if i not in drop]
    out = unify(out, tuple(data[i] for i in kept) or (1,))
    data = list(data)
    for i, extent in zip(kept, out):
        data[i] = extent
    for i in drop:
        data[i] = 1
    return [tuple(data)], [out]


def _squeeze_numpy(p, x, is_train):
    out = np.squeeze(x, p.axis)
    return out.reshape(1) if out.ndim == 0 else out


register(
    Op(
        name="squeeze",
        doc="Remove single-dimensional entries from the shape.",
        params=SqueezeParams,
        infer_shape=_squeeze_shapes,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=_squeeze_numpy,
        cases=(
            Case(shapes={"data": (1, 2, 1)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (1, 2, 1)}, params={"axis": 0}),
            Case(shapes={"data": (1, 2, 1)}, params={"axis": (0, -1)}),
            Case(shapes={"data": (1, 1)}),
        ),
    )
)


class ReshapeLikeParams(Params):
    lhs_begin = Int(default=None, doc="Beginning index of the lhs dimensions to be reshaped (0). May be negative.")
    lhs_end = Int(default=None, doc="Ending index of the lhs dimensions to be reshaped (ndim). May be negative.")
    rhs_begin = Int(default=None, doc="Beginning index of the rhs dimensions to reshape to (0). May be negative.")
    rhs_end = Int(default=None, doc="Ending index of the rhs dimensions to reshape to (ndim). May be negative.")


def _span(begin, end, ndim, name):
    begin = 0 if begin is None else begin + ndim if begin < 0 else begin
    end = ndim if end is None else end + ndim if end < 0 else end
    if not 0 <= begin <= end <= ndim:
        raise ShapeError(f"{name}_begin and {name}_end give dimensions {begin} to {end} of {ndim}")
    return begin, end


def _reshape_like_shapes(p, ins, outs):
    lhs, rhs = ins
    if lhs is None or rhs is None:
        return ins, outs
    a, b = _span(p.lhs_begin, p.lhs_end, len(lhs), "lhs")
    c, d = _span(p.rhs_begin, p.rhs_end, len(rhs), "rhs")
    out = unify(outs[0], (*lhs[:a], *rhs[c:d], *lhs[b:]))
    lhs, out = complete_by_size(lhs, out), complete_by_size(out, lhs)
    if is_full(lhs) and is_full(out) and product(lhs) != product(out):
        raise ShapeError(f"cannot reshape {lhs} to {out}: the sizes differ")
    return [lhs, rhs], [out]


def _reshape_like_numpy(p, lhs, rhs, is_train):
    a, b, _ = slice(p.lhs_begin, p.lhs_end).indices(lhs.ndim)
    c, d, _ = slice(p.rhs_begin, p.rhs_end).indices(rhs.ndim)
    return lhs.reshape(lhs.shape[:a] + rhs.shape[c:d] + lhs.shape[b:])


def _any_second_dtype(p, ins, outs):
    (lhs,), outs = same_dtype(p, ins[:1], outs)
    return [lhs, ins[1] or lhs], outs


register(
    Op(
        name="reshape_like",
        doc="Reshape some or all dimensions of `lhs` to have the same shape as some or all dimensions of `rhs`.",
        params=ReshapeLikeParams,
        inputs=("lhs", "rhs"),
        infer_shape=_reshape_like_shapes,
        infer_dtype=_any_second_dtype,
        gradient=reshape_gradient,
        lower=lower_copy,
        reference=_reshape_like_numpy,
        cases=(
            Case(shapes={"lhs": (2, 6), "rhs": (3, 4)}, dtypes=ALL_DTYPES),
            Case(
                shapes={"lhs": (30, 7), "rhs": (15, 2, 4)},
                params={"lhs_begin": 0, "lhs_end": 1, "rhs_begin": 0, "rhs_end": 2},
            ),
            Case(
                shapes={"lhs": (3, 5, 2), "rhs": (15, 4)},
                params={"lhs_begin": 0, "lhs_end": -1, "rhs_begin": -2, "rhs_end": -1},
            ),
        ),
    )
)


def _copy_back(g, node, ograds):
    g.ctx = node.inputs[0].node.ctx
    return [g("_CrossDeviceCopy", ograds[0])]


register(
    Op(
        name="_CrossDeviceCopy",
        doc="Copy between contexts.",
        params=NoParams,
        infer_shape=lambda p, ins, outs: ([unify(ins[0], outs[0])], [unify(ins[0], outs[0])]),
        gradient=_copy_back,
        lower=lower_copy,
        reference=lambda p, x, is_train: x,
        cases=(Case(shapes={"data": (2, 3)}, dtypes=ALL_DTYPES),),
    )
)
