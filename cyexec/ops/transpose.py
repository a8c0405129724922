"""Operators that permute axes."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, unify
from .params import Int, Params, Shape
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op
from .strided import View, move


def permute(shape, axes):
    """`shape` with axis i taken from ``axes[i]``, or None."""
    return None if shape is None else tuple(shape[a] for a in axes)


def inverse(axes):
    """The permutation that undoes `axes`."""
    return tuple(int(i) for i in np.argsort(axes))


class TransposeParams(Params):
    axes = Shape(default=(), doc="Target axis order. By default the axes will be inverted.")


def _order(p, ndim):
    if not p.axes:
        return tuple(reversed(range(ndim)))
    if sorted(p.axes) != list(range(ndim)):
        raise ShapeError(f"axes={p.axes} is not a permutation of the {ndim} axes")
    return p.axes


def _transpose_shapes(p, ins, outs):
    known = ins[0] if ins[0] is not None else outs[0]
    if known is None:
        if p.axes:
            return [(-1,) * len(p.axes)], [(-1,) * len(p.axes)]
        return ins, outs
    axes = _order(p, len(known))
    out = unify(outs[0], permute(ins[0], axes))
    return [unify(ins[0], permute(out, inverse(axes)))], [out]


register(
    Op(
        name="transpose",
        doc="Permute the axes of an array.",
        params=TransposeParams,
        infer_shape=_transpose_shapes,
        gradient=lambda g, node, ograds: [
            g("transpose", ograds[0], axes=inverse(_order(node.params, len(node.in_shapes[0]))))
        ],
        lower=lambda low, node: move(
            low, View.of(low.outs[0]), View.of(low.ins[0]).transpose(_order(node.params, len(low.ins[0].shape)))
        ),
        reference=lambda p, x, is_train: np.transpose(x, p.axes or None),
        cases=(
            Case(shapes={"data": (5, 7)}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3, 4)}, params={"axes": (2, 0, 1)}),
            Case(shapes={"data": (2, 3, 1, 4, 2)}, params={"axes": (0, 3, 2, 1, 4)}),
            Case(shapes={"data": (4,)}),
            Case(shapes={"data": (3, 0)}),
        ),
    )
)


class SwapAxisParams(Params):
    dim1 = Int(default=0, doc="The first axis to be swapped.")
    dim2 = Int(default=0, doc="The second axis to be swapped.")


def _swapped(p, ndim):
    axes = list(range(ndim))
    a, b = normalize_axis(p.dim1, ndim, "dim1"), normalize_axis(p.dim2, ndim, "dim2")
    axes[a], axes[b] = axes[b], axes[a]
    return tuple(axes)


def _swap_shapes(p, ins, outs):
    known = ins[0] if ins[0] is not None else outs[0]
    if known is None:
        return ins, outs
    axes = _swapped(p, len(known))
    shape = unify(ins[0], permute(outs[0], axes))
    return [shape], [permute(shape, axes)]


register(
    Op(
        name="SwapAxis",
        aliases=("swapaxes",),
        doc="Interchange two axes of an array.",
        params=SwapAxisParams,
        infer_shape=_swap_shapes,
        gradient=lambda g, node, ograds: [g("SwapAxis", ograds[0], dim1=node.params.dim1, dim2=node.params.dim2)],
        lower=lambda low, node: move(
            low, View.of(low.outs[0]), View.of(low.ins[0]).transpose(_swapped(node.params, len(low.ins[0].shape)))
        ),
        reference=lambda p, x, is_train: np.swapaxes(x, p.dim1, p.dim2),
        cases=(
            Case(shapes={"data": (2, 3, 4)}, params={"dim1": 0, "dim2": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (2, 3, 4)}, params={"dim1": 1, "dim2": -1}),
            Case(shapes={"data": (2, 3)}),
        ),
    )
)


class BlockParams(Params):
    block_size = Int(doc="Blocks of [block_size. block_size] are moved", min=1)


def _depth_to_space_shape(p, shape):
    n, c, h, w = shape
    b = p.block_size
    if c >= 0 and c % (b * b):
        raise ShapeError(f"channels={c} must be a multiple of block_size^2={b * b}")
    return n, c // (b * b) if c >= 0 else -1, h * b if h >= 0 else -1, w * b if w >= 0 else -1


def _space_to_depth_shape(p, shape):
    n, c, h, w = shape
    b = p.block_size
    if h >= 0 and h % b or w >= 0 and w % b:
        raise ShapeError(f"height and width of {shape} must be multiples of block_size={b}")
    return n, c * b * b if c >= 0 else -1, h // b if h >= 0 else -1, w // b if w >= 0 else -1


def _block_shapes(forward, backward):
    def infer(p, ins, outs):
        for shape in (*ins, *outs):
            if shape is not None and len(shape) != 4:
                raise ShapeError(f"needs four dimensions (N, C, H, W), found {shape}")
        data, out = ins[0], outs[0]
        if data is not None:
            out = unify(out, forward(p, data))
        if out is not None:
            data = unify(data, backward(p, out))
        return [data], [out]

    return infer


def _depth_to_space_views(p, small, big):
    """Views of (N, b*b*C, H, W) and (N, C, H*b, W*b) with the same six axes (N, C, H, b, W, b)."""
    n, c, h, w = small.shape
    b = p.block_size
    depth = View.of(small, (n, b, b, c // (b * b), h, w)).transpose((0, 3, 4, 1, 5, 2))
    return depth, View.of(big, (n, c // (b * b), h, b, w, b))


def _depth_to_space_lower(low, node):
    depth, space = _depth_to_space_views(node.params, low.ins[0], low.outs[0])
    move(low, space, depth)


def _space_to_depth_lower(low, node):
    depth, space = _depth_to_space_views(node.params, low.outs[0], low.ins[0])
    move(low, depth, space)


def _depth_to_space_numpy(p, x, is_train):
    n, c, h, w = x.shape
    b = p.block_size
    y = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    return y.reshape(n, c // (b * b), h * b, w * b)


def _space_to_depth_numpy(p, x, is_train):
    n, c, h, w = x.shape
    b = p.block_size
    y = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
    return y.reshape(n, c * b * b, h // b, w // b)


register(
    Op(
        name="depth_to_space",
        doc="Rearrange data from depth into blocks of spatial data.",
        params=BlockParams,
        infer_shape=_block_shapes(_depth_to_space_shape, _space_to_depth_shape),
        gradient=lambda g, node, ograds: [g("space_to_depth", ograds[0], block_size=node.params.block_size)],
        lower=_depth_to_space_lower,
        reference=_depth_to_space_numpy,
        cases=(
            Case(shapes={"data": (2, 12, 2, 3)}, params={"block_size": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (1, 9, 1, 2)}, params={"block_size": 3}),
        ),
    )
)

register(
    Op(
        name="space_to_depth",
        doc="Rearrange blocks of spatial data into depth.",
        params=BlockParams,
        infer_shape=_block_shapes(_space_to_depth_shape, _depth_to_space_shape),
        gradient=lambda g, node, ograds: [g("depth_to_space", ograds[0], block_size=node.params.block_size)],
        lower=_space_to_depth_lower,
        reference=_space_to_depth_numpy,
        cases=(
            Case(shapes={"data": (2, 3, 4, 6)}, params={"block_size": 2}, dtypes=ALL_DTYPES),
            Case(shapes={"data": (1, 1, 3, 6)}, params={"block_size": 3}),
        ),
    )
)
