"""Regions of interest (ROIs) brought to one size: ROIPooling, ROIAlign, PSROIPooling.

A ROI is a row (image, x1, y1, x2, y2) in the coordinates of the picture; ``spatial_scale`` leads to those of the feature map.
No gradient flows to ROIs. A ROI whose image does not exist, or whose corners are NaN, gives zeros.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import unify
from .params import Bool, Float, Int, Params, Shape
from .registry import register
from .schema import Case, Op
from .windows import float_dtype

INT32 = np.dtype(np.int32)


class ROIPoolingParams(Params):
    pooled_size = Shape(doc="ROI pooling output shape (h,w)")
    spatial_scale = Float(
        doc="Ratio of input feature map height (or w) to raw image height (or w). Equals the reciprocal of total stride in "
        "convolutional layers",
        min=0.0, max=1.0,
    )  # fmt: skip


class ROIAlignParams(Params):
    pooled_size = Shape(doc="ROI Align output roi feature map height and width: (h, w)")
    spatial_scale = Float(
        doc="Ratio of input feature map height (or w) to raw image height (or w). Equals the reciprocal of total stride in "
        "convolutional layers",
        min=0.0, max=1.0,
    )  # fmt: skip
    sample_ratio = Int(default=-1, doc="Optional sampling ratio of ROI align, using adaptive size by default.")
    position_sensitive = Bool(
        default=False,
        doc="Whether each bin is pooled from channels of its own, of which there are pooled height times width as many.",
    )
    aligned = Bool(default=False, doc="Whether pixels are at the centres of their squares, as in Detectron2.")


class PSROIPoolingParams(Params):
    spatial_scale = Float(
        doc="Ratio of input feature map height (or w) to raw image height (or w). Equals the reciprocal of total stride in "
        "convolutional layers",
        min=0.0, max=1.0,
    )  # fmt: skip
    output_dim = Int(doc="Channels of the output.", min=1)
    pooled_size = Int(doc="Height and width of the output.", min=1)
    group_size = Int(default=0, doc="Groups of channels down and across; 0: pooled_size.", min=0)


def check_rank(shape, ndim, what):
    """Raise ShapeError unless `shape`, where known, has `ndim` dimensions."""
    if shape is not None and len(shape) != ndim:
        raise ShapeError(f"{what} must have {ndim} dimensions, found {shape}")


def check_rois(data, rois):
    """Check the ranks of feature map and ROIs, and that a ROI has five numbers. Returns the shape of the ROIs."""
    check_rank(data, 4, "data")
    check_rank(rois, 2, "rois")
    return unify(rois, (-1, 5), "rois and (ROIs, 5)")


def _pooled(p):
    if len(p.pooled_size) != 2 or min(p.pooled_size) < 1:
        raise ShapeError(f"pooled_size must be two positive numbers (h, w), found {p.pooled_size}")
    return p.pooled_size


# ROIPooling


def _roi_pooling_shape(p, ins, outs):
    data, rois = ins[0], check_rois(*ins)
    out = None if outs[0] is None and data is None else (rois[0], -1 if data is None else data[1], *_pooled(p))
    out = unify(outs[0], out, "output")
    if out is not None:
        rois = (out[0], 5)
        data = unify(data, (-1, out[1], -1, -1), "data")
    return [data, rois], [out, unify(outs[1], out, "maxima")]


def _roi_pooling_dtype(p, ins, outs):
    (data, rois), (out,) = float_dtype(p, ins, outs[:1])
    return [data, rois], [out, INT32]


def _roi_pooling_lower(low, node):
    writes = low.outs if low.used(1) else low.outs[:1]
    low.step("roi.RoiMax", low.ins, writes, scale=node.params.spatial_scale)


def _roi_pooling_gradient(g, node, ograds):
    if ograds[0] is None:
        return [None, None]
    data, rois = node.inputs
    return [g("_backward_ROIPooling", ograds[0], rois, node[1], shape=data.shape), None]


def _bins(start, extent, count, size):
    """The pixels [first, last) of each bin along one axis of a ROI."""
    step = np.float64(extent) / count
    for i in range(count):
        first, last = int(np.floor(i * step)) + start, int(np.ceil((i + 1) * step)) + start
        yield min(max(first, 0), size), min(max(last, 0), size)


def _rounded(value):
    """Half away from zero, as C rounds."""
    return int(np.floor(abs(value) + 0.5) * np.sign(value))


def _roi_pooling_numpy(p, data, rois, is_train):
    out = np.zeros((len(rois), data.shape[1], *p.pooled_size), data.dtype)
    at = np.full(out.shape, -1, np.int32)
    for r, (image, *corners) in enumerate(rois):
        if not 0 <= image < len(data):
            continue
        left, top, right, bottom = (_rounded(v * p.spatial_scale) for v in corners)
        for i, (y0, y1) in enumerate(_bins(top, max(bottom - top + 1, 1), p.pooled_size[0], data.shape[2])):
            for j, (x0, x1) in enumerate(_bins(left, max(right - left + 1, 1), p.pooled_size[1], data.shape[3])):
                if y1 > y0 and x1 > x0:
                    part = data[int(image), :, y0:y1, x0:x1].reshape(data.shape[1], -1)
                    best = part.argmax(1)
                    out[r, :, i, j] = part.max(1)
                    at[r, :, i, j] = (y0 + best // (x1 - x0)) * data.shape[3] + x0 + best % (x1 - x0)
    return out, at


# Whole pixels, fractions, outside, reversed, images that are not there.
_ROIS = np.array(
    [
        [0, 0, 0, 5, 5], [1, 1.4, 2.6, 4.5, 5], [0, -3, -2, 2, 9], [1, 4, 4, 2, 1], [0, 20, 20, 30, 30],
        [1, 3, 3, 3, 3], [0, 0.5, 1.5, 2.5, 4.5], [2, 0, 0, 5, 5], [-1, 0, 0, 5, 5],
    ]
)  # fmt: skip


def _scaled(rois, factor):
    """The same ROIs in a picture `factor` times as large."""
    return np.concatenate([rois[:, :1], rois[:, 1:] * factor], axis=1)


register(
    Op(
        name="ROIPooling",
        doc="""Pool regions of interest to one size, taking maxima.

        Each ROI, its corners rounded to pixels, is divided into `pooled_size` bins; outputs are the maxima of the bins.
        """,
        params=ROIPoolingParams,
        inputs=("data", "rois"),
        outputs=("output", "maxidx"),
        visible=1,
        infer_shape=_roi_pooling_shape,
        infer_dtype=_roi_pooling_dtype,
        gradient=_roi_pooling_gradient,
        lower=_roi_pooling_lower,
        reference=_roi_pooling_numpy,
        cases=(
            Case(
                {"data": (2, 3, 6, 7)}, {"pooled_size": (2, 3), "spatial_scale": 1.0}, {"rois": _ROIS},
                dtypes=("float32", "float64"),
            ),
            Case({"data": (2, 2, 6, 5)}, {"pooled_size": (7, 7), "spatial_scale": 0.5}, {"rois": _scaled(_ROIS[:7], 2)}),
            Case({"data": (1, 2, 8, 8)}, {"pooled_size": (3, 3), "spatial_scale": 0.0625}, {"rois": _scaled(_ROIS[:1], 16.0)}),
        ),
    )
)  # fmt: skip


class ImageShapeParams(Params):
    shape = Shape(doc="Shape of the feature map.")


register(
    Op(
        name="_backward_ROIPooling",
        hidden=True,
        doc="Add gradients up where the maxima of ROIPooling were.",
        params=ImageShapeParams,
        inputs=("ograd", "rois", "maxidx"),
        infer_shape=lambda p, ins, outs: (ins, [p.shape]),
        infer_dtype=lambda p, ins, outs: (ins, [ins[0]]),
        lower=lambda low, node: low.step("roi.RoiMaxGradient", low.ins, low.outs),
    )
)


# ROIAlign


def _roi_align_channels(p, channels):
    """Channels of the output, for those of the data."""
    if not p.position_sensitive or channels < 0:
        return channels
    bins = p.pooled_size[0] * p.pooled_size[1]
    if channels % bins:
        raise ShapeError(
            f"position_sensitive: data has {channels} channels, which is no multiple of the {bins} bins of "
            f"pooled_size={p.pooled_size}"
        )
    return channels // bins


def _roi_align_shape(p, ins, outs):
    data, rois, pooled = ins[0], check_rois(*ins), _pooled(p)
    if data is None:
        return [data, rois], outs
    out = unify(outs[0], (rois[0], _roi_align_channels(p, data[1]), *pooled), "output")
    return [data, (out[0], 5)], [out]


def _roi_align_args(p):
    return {
        "scale": p.spatial_scale, "samples": p.sample_ratio, "by_position": p.position_sensitive, "aligned": p.aligned,
    }  # fmt: skip


def _transposed(name):
    """Gradient by the operator ``_backward_{name}``, which takes the same parameters and the shape of the data."""

    def gradient(g, node, ograds):
        data, rois = node.inputs
        return [g(f"_backward_{name}", ograds[0], rois, shape=data.shape, like=node.params), None]

    return gradient


def _samples(start, extent, bins, ratio):
    """Positions of the samples of each bin along one axis: (bins, samples)."""
    step = extent / bins
    count = ratio if ratio > 0 else int(np.ceil(step))
    return start + np.arange(bins)[:, None] * step + (np.arange(count) + 0.5) * step / max(count, 1)


def _interpolation(at, size):
    """Matrix (samples, pixels) of linear interpolation at positions `at`; zero more than a pixel outside."""
    matrix = np.zeros((len(at), size))
    for row, y in zip(matrix, at):
        if -1 <= y <= size:
            y = min(max(y, 0), size - 1)
            low = int(y)
            row[low] += 1 - (y - low)
            row[min(low + 1, size - 1)] += y - low
    return matrix


def _roi_align_numpy(p, data, rois, is_train):
    (high, wide), (images, channels, height, width) = p.pooled_size, data.shape
    out = np.zeros((len(rois), channels, high, wide))
    for r, (image, *corners) in enumerate(np.asarray(rois, np.float64)):
        left, top, right, bottom = (v * p.spatial_scale - 0.5 * p.aligned for v in corners)
        down, across = bottom - top, right - left
        if not p.aligned:
            down, across = max(down, 1.0), max(across, 1.0)
        if not 0 <= image < images or down <= 0 or across <= 0:
            continue
        rows = _interpolation(_samples(top, down, high, p.sample_ratio).ravel(), height)
        columns = _interpolation(_samples(left, across, wide, p.sample_ratio).ravel(), width)
        values = rows @ data[int(image)].astype(np.float64) @ columns.T
        out[r] = values.reshape(channels, high, len(rows) // high, wide, len(columns) // wide).mean((2, 4))
    if p.position_sensitive:
        bins = out.reshape(len(rois), -1, high, wide, high, wide)
        i, j = np.mgrid[:high, :wide]
        out = bins[:, :, i, j, i, j]
    return out.astype(data.dtype)


_ALIGNED_ROIS = _ROIS[[0, 1, 2, 5, 6]] + np.array([0, 0.1, 0.23, 0.31, 0.17])


def _align(shape, rois=_ALIGNED_ROIS, **params):
    return Case({"data": shape}, {"pooled_size": (2, 3), "spatial_scale": 1.0, **params}, {"rois": rois})


register(
    Op(
        name="_contrib_ROIAlign",
        doc="""Pool regions of interest to one size, taking means of bilinearly interpolated samples (He et al., 2017).

        Corners are not rounded. A ROI whose image number is negative gives zeros.
        """,
        params=ROIAlignParams,
        inputs=("data", "rois"),
        infer_shape=_roi_align_shape,
        infer_dtype=float_dtype,
        gradient=_transposed("ROIAlign"),
        lower=lambda low, node: low.step("roi.RoiAlign", low.ins, low.outs, **_roi_align_args(node.params)),
        reference=_roi_align_numpy,
        cases=(
            _align((2, 3, 6, 7)),
            _align((2, 2, 6, 5), rois=_scaled(_ALIGNED_ROIS, 2), spatial_scale=0.5, sample_ratio=2),
            _align((2, 12, 5, 6), position_sensitive=True, sample_ratio=3),
            _align((2, 2, 6, 7), rois=_ALIGNED_ROIS[[0, 1, 2, 4]], aligned=True),
            _align((1, 1, 9, 9), rois=np.array([[0, -300.0, -40, 500, 60]])),
            # MXNet leaves this output unwritten, but for one element that need not be this ROI's.
            _align((1, 1, 4, 5), rois=_ROIS[-1:]),
        ),
    )
)


class BackwardROIAlignParams(ROIAlignParams):
    shape = Shape(doc="Shape of the feature map.")


register(
    Op(
        name="_backward_ROIAlign",
        hidden=True,
        doc="Gradient of ROIAlign for the feature map.",
        params=BackwardROIAlignParams,
        inputs=("ograd", "rois"),
        infer_shape=lambda p, ins, outs: (ins, [p.shape]),
        lower=lambda low, node: low.step(
            "roi.RoiAlign", low.ins, low.outs, gradient=True, **_roi_align_args(node.params)
        ),
    )
)


# PSROIPooling


def _ps_channels(p):
    return p.output_dim * (p.group_size or p.pooled_size) ** 2


def _ps_shape(p, ins, outs):
    data, rois = ins[0], check_rois(*ins)
    if data is None:
        return [data, rois], outs
    data = unify(data, (-1, _ps_channels(p), -1, -1), "data and (images, output_dim * group_size ** 2, height, width)")
    out = unify(outs[0], (rois[0], p.output_dim, p.pooled_size, p.pooled_size), "output")
    return [data, (out[0], 5)], [out]


def _ps_numpy(p, data, rois, is_train):
    group, bins = p.group_size or p.pooled_size, p.pooled_size
    channels = data.reshape(len(data), p.output_dim, group, group, *data.shape[2:])
    out = np.zeros((len(rois), p.output_dim, bins, bins))
    for r, (image, *corners) in enumerate(rois):
        if not 0 <= image < len(data):
            continue
        left, top = (_rounded(v) * p.spatial_scale for v in corners[:2])
        right, bottom = ((_rounded(v) + 1) * p.spatial_scale for v in corners[2:])
        down, across = max(bottom - top, 0.1) / bins, max(right - left, 0.1) / bins
        for i, j in np.ndindex(bins, bins):
            y0, y1 = np.clip([np.floor(i * down + top), np.ceil((i + 1) * down + top)], 0, data.shape[2]).astype(int)
            x0, x1 = np.clip([np.floor(j * across + left), np.ceil((j + 1) * across + left)], 0, data.shape[3]).astype(
                int
            )
            if y1 > y0 and x1 > x0:
                part = channels[int(image), :, i * group // bins, j * group // bins, y0:y1, x0:x1]
                out[r, :, i, j] = part.mean((1, 2), dtype=np.float64)
    return out.astype(data.dtype)


def _ps_lower(low, node, **kind):
    p = node.params
    low.step(
        "roi.PositionSensitiveRoi",
        low.ins,
        low.outs,
        scale=p.spatial_scale,
        group=p.group_size or p.pooled_size,
        **kind,
    )


register(
    Op(
        name="_contrib_PSROIPooling",
        doc="Pool regions of interest to one size, taking means, each bin from channels of its own (Dai et al., 2016, R-FCN).",
        params=PSROIPoolingParams,
        inputs=("data", "rois"),
        infer_shape=_ps_shape,
        infer_dtype=float_dtype,
        gradient=_transposed("PSROIPooling"),
        lower=_ps_lower,
        reference=_ps_numpy,
        cases=(
            Case(
                {"data": (2, 18, 6, 7)}, {"spatial_scale": 1.0, "output_dim": 2, "pooled_size": 3}, {"rois": _ROIS[:7]}
            ),
            Case(
                {"data": (2, 8, 6, 7)},
                {"spatial_scale": 0.5, "output_dim": 2, "pooled_size": 4, "group_size": 2},
                {"rois": _scaled(_ROIS[:7], 2)},
            ),
        ),
    )
)


class BackwardPSROIPoolingParams(PSROIPoolingParams):
    shape = Shape(doc="Shape of the feature map.")


register(
    Op(
        name="_backward_PSROIPooling",
        hidden=True,
        doc="Gradient of PSROIPooling for the feature map.",
        params=BackwardPSROIPoolingParams,
        inputs=("ograd", "rois"),
        infer_shape=lambda p, ins, outs: (ins, [p.shape]),
        lower=lambda low, node: _ps_lower(low, node, gradient=True),
    )
)
