"""Images brought to another size by linear maps along each axis: BilinearResize2D and AdaptiveAvgPooling2D.

Both are a small matrix of weights for the rows and one for the columns; the gradient is their transposes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..base import ShapeError
from .infer import product, unify
from .params import Bool, Enum, Float, Int, Params, Shape
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


class Taps(NamedTuple):
    """A matrix with few, neighbouring, nonzero elements in each row: row i has ``weights[:used[i], i]`` from ``first[i]``."""

    first: tuple[int, ...]
    used: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]


def _taps(matrix: np.ndarray) -> Taps:
    used = matrix != 0
    first = np.where(used.any(1), used.argmax(1), 0)
    last = np.where(used.any(1), matrix.shape[1] - used[:, ::-1].argmax(1), 0)
    width = max(int((last - first).max(initial=0)), 1)
    at = first[:, None] + np.arange(width)
    weights = np.where(at < last[:, None], np.take_along_axis(matrix, np.minimum(at, matrix.shape[1] - 1), 1), 0)
    return Taps(tuple(first.tolist()), tuple((last - first).tolist()), tuple(map(tuple, weights.T.tolist())))


def bilinear_matrix(size: int, new: int, align_corners: bool, centred: bool = False) -> np.ndarray:
    """Weights (new, size) of linear interpolation from `size` pixels to `new` ones.

    With `align_corners` the centres of the first and last pixels stay where they are, else the borders of the image do.
    A single new pixel is the first one either way, as in MXNet, or with `centred` the middle of the image.
    """
    index = np.arange(new, dtype=np.float64)
    at: np.ndarray
    if align_corners or new == 1 and not centred:
        at = index * ((size - 1) / max(new - 1, 1))
    else:
        at = np.maximum((index + 0.5) * (size / new) - 0.5, 0)
    low = np.minimum(at.astype(np.int64), size - 1)
    fraction = at - low
    matrix = np.zeros((new, size))
    np.add.at(matrix, (np.arange(new), low), 1 - fraction)
    np.add.at(matrix, (np.arange(new), np.minimum(low + 1, size - 1)), fraction)
    return matrix


def mean_matrix(size: int, new: int) -> np.ndarray:
    """Weights (new, size) of means over windows that cover the axis: from floor(i size / new) to ceil((i + 1) size / new)."""
    matrix = np.zeros((new, size))
    for i in range(new):
        first, last = i * size // new, -(-(i + 1) * size // new)
        matrix[i, first:last] = 1 / (last - first)
    return matrix


def resample_steps(low, rows: np.ndarray, columns: np.ndarray, src, dst, outer: int, inner: int):
    """Add the steps ``dst = rows @ image @ columns.T`` for images (outer, height, width, inner)."""
    wide = src.size // max(outer * rows.shape[1] * inner, 1)
    between = low.workspace((outer, rows.shape[0], wide, inner), dst.dtype)
    low.step("resample.Resample", [src], [between], outer=outer, inner=wide * inner, **_taps(rows)._asdict())
    kept = {"outer": outer * rows.shape[0], "inner": inner}
    low.step("resample.Resample", [between], [dst], **kept, **_taps(columns)._asdict())


def _resample(low, rows: np.ndarray, columns: np.ndarray, src, dst):
    """The same for images (batch, channels, height, width)."""
    if dst.size and src.size:
        resample_steps(low, rows, columns, src, dst, product(src.shape[:2]), 1)
    elif dst.size:
        low.fill(dst, 0)


def _planes(rows, columns, image):
    return rows @ image.astype(np.float64) @ columns.T


class BackwardParams(Params):
    shape = Shape(doc="Shape of the data.")
    align_corners = Bool(default=True, doc="As of the resizing.")


def _register_backward(name, matrix):
    def lower(low, node):
        p, (src,), (dst,) = node.params, low.ins, low.outs
        rows, columns = (matrix(dst.shape[i], src.shape[i], p).T for i in (2, 3))
        _resample(low, rows, columns, src, dst)

    register(
        Op(
            name=f"_backward_{name}",
            hidden=True,
            doc=f"Gradient of {name}.",
            params=BackwardParams,
            infer_shape=lambda p, ins, outs: (ins, [p.shape]),
            lower=lower,
        )
    )


# BilinearResize2D


class BilinearResizeParams(Params):
    height = Int(
        default=1, min=1, max=10000,
        doc='output height (required, but ignored if scale_height is defined or mode is not "size")',
    )  # fmt: skip
    width = Int(
        default=1, min=1, max=10000,
        doc='output width (required, but ignored if scale_width is defined or mode is not "size")',
    )  # fmt: skip
    scale_height = Float(default=None, doc='sampling scale of the height (used in modes "size" and "odd_scale")')
    scale_width = Float(default=None, doc='sampling scale of the width (used in modes "size" and "odd_scale")')
    mode = Enum(
        "size", "odd_scale", "like", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up", default="size",
        doc='resizing mode. "size": to height and width, or by the scales if they are given. "odd_scale": by the scales, '
        'odd extents staying odd. "like": to the extents of a second input. "to_even_down" and so on: to the next extent '
        "that is even, or odd.",
    )  # fmt: skip
    align_corners = Bool(
        default=True,
        doc="Whether the centres of the corner pixels stay where they are, rather than the image's borders.",
    )


def _new_extent(p, size, fixed, scale):
    """Extent that one axis of `size` is brought to."""
    if p.mode == "size":
        return fixed if scale is None else int(size * scale)
    if p.mode == "odd_scale":
        return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1
    direction = 1 if p.mode.endswith("up") else -1
    return size if size % 2 == (1 if "odd" in p.mode else 0) else size + direction


def _resize_shape(p, ins, outs):
    data = ins[0]
    for shape in ins:
        check_rank(shape, 4, "inputs")
    if data is None:
        if p.mode == "like" and outs[0] is not None:
            return [None, unify(ins[1], (-1, -1, *outs[0][2:]), "like")], outs
        return ins, outs
    if (p.scale_height is None) != (p.scale_width is None) or p.mode == "odd_scale" and p.scale_height is None:
        raise ShapeError(f"mode {p.mode} needs both scale_height and scale_width")
    if p.mode == "like":
        size = (-1, -1) if ins[1] is None else ins[1][2:]
    else:
        wanted = ((data[2], p.height, p.scale_height), (data[3], p.width, p.scale_width))
        size = tuple(
            -1 if n < 0 and (p.mode != "size" or scale is not None) else _new_extent(p, n, fixed, scale)
            for n, fixed, scale in wanted
        )
        if 0 in size and 0 not in data[2:]:
            raise ShapeError(f"data {data} would be resized to {size}: no pixel would be left")
    out = unify(outs[0], (*data[:2], *size), "output")
    return [(*out[:2], *data[2:]), *ins[1:]], [out]


def _resize_matrix(size, new, p):
    return bilinear_matrix(size, new, p.align_corners)


def _resize_lower(low, node):
    src, dst = low.ins[0], low.outs[0]
    rows, columns = (_resize_matrix(src.shape[i], dst.shape[i], node.params) for i in (2, 3))
    _resample(low, rows, columns, src, dst)


def _resize_gradient(g, node, ograds):
    data = node.inputs[0]
    corners = node.params.align_corners
    grad = g("_backward_BilinearResize2D", ograds[0], shape=data.shape, align_corners=corners)
    return [grad, *[None] * (len(node.inputs) - 1)]


def _resize_numpy(p, data, like=None, is_train=False):
    fixed, scales = (p.height, p.width), (p.scale_height, p.scale_width)
    size = (
        like.shape[2:] if like is not None else [_new_extent(p, data.shape[2 + i], fixed[i], scales[i]) for i in (0, 1)]
    )
    return _planes(*(_resize_matrix(data.shape[2 + i], size[i], p) for i in (0, 1)), data)


def _resize(shape, **params):
    return Case({"data": shape}, params)


register(
    Op(
        name="_contrib_BilinearResize2D",
        doc="Resize images by bilinear interpolation.",
        params=BilinearResizeParams,
        inputs=lambda p: ("data", "like") if p.mode == "like" else ("data",),
        infer_shape=_resize_shape,
        infer_dtype=float_dtype,
        gradient=_resize_gradient,
        lower=_resize_lower,
        reference=_resize_numpy,
        cases=(
            _resize((2, 3, 4, 5), height=7, width=3),
            _resize((2, 3, 4, 5), height=7, width=13, align_corners=False),
            _resize((1, 2, 9, 8), height=4, width=1, align_corners=False),
            _resize((1, 2, 5, 4), scale_height=2.0, scale_width=0.5),
            _resize((1, 2, 5, 4), scale_height=1.6, scale_width=2.0, mode="odd_scale"),
            *(_resize((1, 1, 5, 4), mode=f"to_{kind}_{way}") for kind in ("even", "odd") for way in ("up", "down")),
            Case({"data": (1, 2, 3, 3), "like": (1, 1, 6, 5)}, {"mode": "like"}),
        ),
    )
)
_register_backward("BilinearResize2D", _resize_matrix)


# AdaptiveAvgPooling2D


class AdaptiveParams(Params):
    output_size = Shape(default=(), doc="int (output size) or a tuple of int for output (height, width).")


def _adaptive_size(p):
    size = p.output_size or (1,)
    if len(size) > 2 or min(size) < 1:
        raise ShapeError(f"output_size must be one or two positive numbers, found {p.output_size}")
    return size[0], size[-1]


def _adaptive_shape(p, ins, outs):
    data = ins[0]
    check_rank(data, 4, "data")
    out = (*((-1, -1) if data is None else data[:2]), *_adaptive_size(p))
    if data is None and outs[0] is None:
        return ins, outs
    out = unify(outs[0], out, "output")
    return [unify(data, (*out[:2], -1, -1), "data")], [out]


def _mean_matrix(size, new, p=None):
    return mean_matrix(size, new)


def _adaptive_lower(low, node):
    src, dst = low.ins[0], low.outs[0]
    _resample(low, mean_matrix(src.shape[2], dst.shape[2]), mean_matrix(src.shape[3], dst.shape[3]), src, dst)


def _adaptive_numpy(p, data, is_train):
    high, wide = _adaptive_size(p)
    return _planes(mean_matrix(data.shape[2], high), mean_matrix(data.shape[3], wide), data)


register(
    Op(
        name="_contrib_AdaptiveAvgPooling2D",
        doc="Pool images to a given size, taking means over windows that cover them evenly.",
        params=AdaptiveParams,
        infer_shape=_adaptive_shape,
        infer_dtype=float_dtype,
        gradient=lambda g, node, ograds: [g("_backward_AdaptiveAvgPooling2D", ograds[0], shape=node.in_shapes[0])],
        lower=_adaptive_lower,
        reference=_adaptive_numpy,
        cases=(
            Case({"data": (2, 3, 5, 7)}),
            Case({"data": (2, 3, 5, 7)}, {"output_size": (3,)}),
            Case({"data": (1, 2, 5, 6)}, {"output_size": (2, 8)}),
        ),
    )
)
_register_backward("AdaptiveAvgPooling2D", _mean_matrix)
