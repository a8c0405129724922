"""Grids of sampling points, images sampled at them, and both in one: SpatialTransformer (Jaderberg et al., 2015).

Coordinates run from -1 to 1 over the centres of an image's pixels; what lies outside the image is zero.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from ..lowering.lower import Instr
from .indexing import INT64
from .infer import product, unify
from .params import Bool, Enum, Params, Shape
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype


class GridGeneratorParams(Params):
    transform_type = Enum(
        "affine", "warp",
        doc="The type of transformation. For `affine`, input data should be an affine matrix of size (batch, 6). For `warp`, "
        "input data should be an optical flow of size (batch, 2, h, w).",
    )  # fmt: skip
    target_shape = Shape(
        default=(0, 0),
        doc="Specifies the output shape (H, W). This is required if transformation type is `affine`. If transformation type "
        "is `warp`, this parameter is ignored.",
    )


class BilinearSamplerParams(Params):
    cudnn_off = Bool(default=None, doc="Accepted and ignored: there is no cuDNN.")


class SpatialTransformerParams(Params):
    target_shape = Shape(default=(0, 0), doc="output shape(h, w) of spatial transformer: (y, x)")
    transform_type = Enum("affine", doc="transformation type")
    sampler_type = Enum("bilinear", doc="sampling type")
    cudnn_off = Bool(default=None, doc="Accepted and ignored: there is no cuDNN.")


# Grids


def _target(p):
    if len(p.target_shape) != 2 or min(p.target_shape) < 1:
        raise ShapeError(f"target_shape must be two positive numbers (h, w), found {p.target_shape}")
    return p.target_shape


def _positions(low, extent, dtype, scale=1.0, shift=0.0):
    """0, 1, ..., extent - 1, times `scale`, plus `shift`."""
    low.step("rows.Positions", [], [count := low.workspace((extent,), INT64)], dtype=INT64, repeat=1)
    at = low.workspace((extent,), dtype)
    low.elementwise([Instr("mul_s", (0,), scale), Instr("add_s", (1,), shift)], [low.cast(count, dtype)], [at])
    return at


def _axes(low, height, width, dtype):
    """Coordinates of the target's rows, (height, 1), and of its columns, (1, width), from -1 to 1.

    An axis of a single pixel has no coordinate in -1 to 1: NaN, as in MXNet.
    """
    rows, columns = (_positions(low, n, dtype, 2.0 / (n - 1) if n > 1 else np.inf, -1.0) for n in (height, width))
    return rows.reshape(height, 1), columns.reshape(1, width)


def affine_grid(low, theta, out):
    """Write the grid (images, 2, height, width) that affine matrices (images, 6) make of the target's coordinates."""
    images, _, height, width = out.shape
    rows, columns = _axes(low, height, width, out.dtype)
    terms = []
    for i in range(3):
        term = low.workspace((images, 2, 1, 1), out.dtype)
        move(low, View.of(term, (images, 2)), View.of(theta, (images, 2, 3)).cut(2, i, 1).drop(2))
        terms.append(term)
    code = [Instr("mul", (0, 3)), Instr("mul", (1, 4)), Instr("add", (5, 6)), Instr("add", (7, 2))]
    low.elementwise(code, [*terms, columns, rows], [out])


def _warp_grid(low, flow, out):
    """Write the grid that points to where the optical flow leads from each pixel."""
    for i, extent in enumerate((flow.shape[3], flow.shape[2])):
        shape = [1, 1, 1]
        shape[2 - i] = extent
        at = _positions(low, extent, out.dtype).reshape(*shape)
        part, made = (low.workspace((out.shape[0], *out.shape[2:]), out.dtype) for _ in range(2))
        move(low, View.of(part), View.of(flow).cut(1, i, 1).drop(1))
        code = [Instr("add", (0, 1)), Instr("div_s", (2,), (extent - 1) / 2), Instr("add_s", (3,), -1.0)]
        low.elementwise(code, [part, at], [made])
        move(low, View.of(out).cut(1, i, 1).drop(1), View.of(made))


def _grid_shape(p, ins, outs):
    data, out = ins[0], outs[0]
    if p.transform_type == "warp":
        check_rank(data, 4, "data")
        data = unify(unify(data, out, "data and output shapes"), (-1, 2, -1, -1), "data and (images, 2, height, width)")
        return [data], [data]
    height, width = _target(p)
    check_rank(data, 2, "data")
    data = unify(data, (-1, 6), "data and (images, 6)")
    out = unify(out, (data[0], 2, height, width), "output")
    return [(out[0], 6)], [out]


def _grid_lower(low, node):
    if low.outs[0].size:
        (affine_grid if node.params.transform_type == "affine" else _warp_grid)(low, low.ins[0], low.outs[0])


def _grid_gradient(g, node, ograds):
    return [g("_backward_GridGenerator", ograds[0], transform_type=node.params.transform_type)]


def _backward_grid_shape(p, ins, outs):
    return ins, [(ins[0][0], 6) if p.transform_type == "affine" else ins[0]]


def _backward_grid_lower(low, node):
    grad, out = low.ins[0], low.outs[0]
    images, _, height, width = grad.shape
    if not out.size:
        return
    if node.params.transform_type == "warp":
        # The slopes are 2 / (width - 1) for x and 2 / (height - 1) for y.
        slopes = low.workspace((2,), grad.dtype)
        for i, extent in enumerate((width, height)):
            low.fill(slopes.part(i, (1,)), 2.0 / (extent - 1) if extent > 1 else np.inf)
        low.elementwise([Instr("mul", (0, 1))], [grad, slopes.reshape(2, 1, 1)], [out])
        return
    points = height * width
    rows, columns = _axes(low, height, width, grad.dtype)
    target = low.workspace((3, height, width), grad.dtype)
    for i, axis in enumerate((columns, rows)):
        low.elementwise([Instr("copy", (0,))], [axis], [target.part(i * points, (height, width))])
    low.fill(target.part(2 * points, (height, width)), 1.0)
    add_gemm(low, grad, target, out, 2 * images, 3, points, 1, False, True)


def _target_coordinates(height, width):
    with np.errstate(all="ignore"):
        y, x = (np.arange(n) * (np.float64(2.0) / (n - 1)) - 1 for n in (height, width))
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def _affine_numpy(theta, height, width):
    target = np.stack([*_target_coordinates(height, width), np.ones((height, width))]).reshape(3, -1)
    return (theta.reshape(-1, 2, 3).astype(np.float64) @ target).reshape(len(theta), 2, height, width)


def _grid_numpy(p, data, is_train):
    if p.transform_type == "affine":
        return _affine_numpy(data, *p.target_shape)
    height, width = data.shape[2:]
    y, x = np.mgrid[:height, :width]
    return (data + np.stack([x, y])) / (np.array([width - 1, height - 1]).reshape(2, 1, 1) / 2) - 1


register(
    Op(
        name="GridGenerator",
        doc="Generate the points at which BilinearSampler samples, from affine matrices or from optical flow.",
        params=GridGeneratorParams,
        infer_shape=_grid_shape,
        infer_dtype=float_dtype,
        gradient=_grid_gradient,
        lower=_grid_lower,
        reference=_grid_numpy,
        cases=(
            Case({"data": (2, 6)}, {"transform_type": "affine", "target_shape": (3, 5)}),
            Case({"data": (1, 6)}, {"transform_type": "affine", "target_shape": (2, 2)}),
            Case({"data": (2, 2, 4, 3)}, {"transform_type": "warp"}, low=-3, high=3),
        ),
    )
)

register(
    Op(
        name="_backward_GridGenerator",
        hidden=True,
        doc="Gradient of GridGenerator from that of the grid.",
        params=GridGeneratorParams,
        infer_shape=_backward_grid_shape,
        lower=_backward_grid_lower,
    )
)


# Sampling


def _sampler_shape(p, ins, outs):
    (data, grid), out = ins, outs[0]
    for shape, what in ((data, "data"), (grid, "grid"), (out, "output")):
        check_rank(shape, 4, what)
    images, channels = unify(None if data is None else data[:2], None if out is None else out[:2]) or (-1, -1)
    size = unify(None if grid is None else grid[2:], None if out is None else out[2:]) or (-1, -1)
    if grid is not None:
        images = unify((images,), (grid[0],), "images of data and grid")[0]
        unify(grid, (-1, 2, -1, -1), "grid and (images, 2, height, width)")
    if images < 0 and data is None and grid is None and out is None:
        return ins, outs
    data = None if data is None else (images, channels, *data[2:])
    return [data, (images, 2, *size)], [(images, channels, *size)]


def _sample(low, image, grid, out):
    if out.size:
        if image.size:
            low.step("sampling.BilinearSample", [image, grid], [out])
        else:
            low.fill(out, 0)


def _sampler_gradient(g, node, ograds):
    return list(g("_backward_BilinearSampler", ograds[0], *node.inputs))


def _backward_sampler_lower(low, node):
    grad, data, grid = low.ins
    if low.used(0):
        low.step("sampling.BilinearSampleImageGradient", [grad, grid], [low.outs[0]])
    if low.used(1):
        if product(data.shape[1:]):
            low.step("sampling.BilinearSampleGridGradient", [grad, data, grid], [low.outs[1]])
        else:
            low.fill(low.outs[1], 0)


def _sample_numpy(data, grid):
    images, _, height, width = data.shape
    padded = np.pad(data.astype(np.float64), [(0, 0), (0, 0), (2, 2), (2, 2)])
    x = np.clip((grid[:, 0] + 1) * (width - 1) / 2, -2, width) + 2
    y = np.clip((grid[:, 1] + 1) * (height - 1) / 2, -2, height) + 2
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    x, y = (x - x0)[:, None], (y - y0)[:, None]
    n = np.arange(images).reshape(-1, 1, 1)
    top, bottom = (
        np.moveaxis(padded[n, :, row, x0], -1, 1) * (1 - x)
        + np.moveaxis(padded[n, :, row, np.minimum(x0 + 1, width + 3)], -1, 1) * x
        for row in (y0, np.minimum(y0 + 1, height + 3))
    )
    return top * (1 - y) + bottom * y


register(
    Op(
        name="BilinearSampler",
        doc="""Sample an image at the points of a grid, with bilinear interpolation.

        ``grid[:, 0]`` holds x, ``grid[:, 1]`` y, from -1 to 1 over the image; points outside read zeros.
        """,
        params=BilinearSamplerParams,
        inputs=("data", "grid"),
        infer_shape=_sampler_shape,
        infer_dtype=float_dtype,
        gradient=_sampler_gradient,
        lower=lambda low, node: _sample(low, low.ins[0], low.ins[1], low.outs[0]),
        reference=lambda p, data, grid, is_train: _sample_numpy(data, grid),
        cases=(
            Case({"data": (2, 3, 4, 5), "grid": (2, 2, 3, 2)}),
            Case({"data": (1, 2, 4, 3), "grid": (1, 2, 6, 6)}, low=-1.8, high=1.8),
        ),
    )
)

register(
    Op(
        name="_backward_BilinearSampler",
        hidden=True,
        doc="Gradients of BilinearSampler.",
        inputs=("ograd", "data", "grid"),
        outputs=("data", "grid"),
        infer_shape=lambda p, ins, outs: (ins, ins[1:]),
        lower=_backward_sampler_lower,
    )
)


# Both


def _transformer_shape(p, ins, outs):
    data, loc = ins
    check_rank(data, 4, "data")
    if data is None:
        return ins, outs
    images = unify(data[:1], None if loc is None else loc[:1], "images of data and loc")[0]
    out = unify(outs[0], (images, data[1], *_target(p)), "output")
    loc = unify(loc, (out[0], 6), "loc and (images, 6)")
    return [(out[0], *data[1:]), loc], [out, unify(outs[1], (out[0], 2, *out[2:]), "grid")]


def _transformer_lower(low, node):
    data, loc = low.ins
    out, grid = low.outs
    if grid.size:
        affine_grid(low, loc, grid)
    _sample(low, data, grid, out)


def _transformer_gradient(g, node, ograds):
    if ograds[0] is None:
        return [None, None]
    made = g.node("_backward_BilinearSampler", ograds[0], node.inputs[0], node[1])
    return [made[0], g("_backward_GridGenerator", made[1], transform_type="affine")]


def _transformer_numpy(p, data, loc, is_train):
    grid = _affine_numpy(loc, *p.target_shape)
    return _sample_numpy(data, grid), grid


register(
    Op(
        name="SpatialTransformer",
        doc="Sample images at grids that affine matrices make: GridGenerator and BilinearSampler in one.",
        params=SpatialTransformerParams,
        inputs=("data", "loc"),
        outputs=("output", "grid_src"),
        visible=1,
        infer_shape=_transformer_shape,
        infer_dtype=float_dtype,
        gradient=_transformer_gradient,
        lower=_transformer_lower,
        reference=_transformer_numpy,
        cases=(
            Case(
                {"data": (2, 3, 4, 5), "loc": (2, 6)},
                {"target_shape": (3, 6), "transform_type": "affine", "sampler_type": "bilinear"},
            ),
            Case(
                {"data": (1, 2, 4, 3), "loc": (1, 6)},
                {"target_shape": (5, 2), "transform_type": "affine", "sampler_type": "bilinear"},
                low=-2.0,
                high=2.0,
            ),
        ),
    )
)
