"""DeformablePSROIPooling: position-sensitive pooling whose bins move by offsets (Dai et al., 2017, Deformable ConvNets)."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import unify
from .params import Bool, Float, Int, Params, Shape
from .registry import register
from .roi import check_rank, check_rois
from .schema import Case, Op
from .windows import float_dtype


class DeformablePSROIParams(Params):
    spatial_scale = Float(
        doc="Ratio of input feature map height (or w) to raw image height (or w). Equals the reciprocal of total stride in "
        "convolutional layers",
        min=0.0, max=1.0,
    )  # fmt: skip
    output_dim = Int(doc="Channels of the output.", min=1)
    group_size = Int(doc="Groups of channels down and across.", min=1)
    pooled_size = Int(doc="Height and width of the output.", min=1)
    part_size = Int(default=0, doc="Parts down and across that have offsets of their own; 0: pooled_size.", min=0)
    sample_per_part = Int(default=1, doc="Samples of a bin down and across.", min=1)
    trans_std = Float(default=0.0, doc="Scale of the offsets, in extents of the ROI.", min=0.0, max=1.0)
    no_trans = Bool(default=False, doc="Whether there are no offsets.")


class BackwardParams(DeformablePSROIParams):
    shape = Shape(doc="Shape of the feature map.")


def _inputs(p):
    return ("data", "rois") if p.no_trans else ("data", "rois", "trans")


def _infer_shape(p, ins, outs):
    data, rois = ins[0], check_rois(*ins[:2])
    data = unify(
        data, (-1, p.output_dim * p.group_size**2, -1, -1), "data and (images, output_dim * group_size ** 2, h, w)"
    )
    out = unify(outs[0], (rois[0], p.output_dim, p.pooled_size, p.pooled_size), "output")
    found = [data, (out[0], 5)]
    if not p.no_trans:
        trans, parts = ins[2], p.part_size or p.pooled_size
        check_rank(trans, 4, "trans")
        trans = unify(trans, (out[0], -1, parts, parts), "trans and (ROIs, classes * 2, part_size, part_size)")
        if trans[1] >= 0 and (trans[1] < 2 or trans[1] % 2 or p.output_dim % (trans[1] // 2)):
            raise ShapeError(
                f"trans {trans} must have two offsets for each of classes that divide output_dim={p.output_dim}"
            )
        found.append(trans)
    return found, [out]


def _args(p, shape):
    return {
        "shape": shape, "channels": p.output_dim, "bins": p.pooled_size, "group": p.group_size,
        "parts": p.part_size or p.pooled_size, "samples": p.sample_per_part, "scale": p.spatial_scale,
        "spread": p.trans_std, "moved": not p.no_trans,
    }  # fmt: skip


def _lower(low, node):
    if low.outs[0].size:
        args = _args(node.params, low.ins[0].shape)
        low.step("deformable_roi.DeformableRoi", low.ins, low.outs, mode="forward", **args)


def _gradient(g, node, ograds):
    made = g.node(
        "_backward_DeformablePSROIPooling", ograds[0], *node.inputs, shape=node.in_shapes[0], **node.params.as_dict()
    )
    return [made[0], None, *([] if node.params.no_trans else [made[1]])]


def _backward_lower(low, node):
    p, (grad, data, rois, *trans) = node.params, low.ins
    args = _args(p, p.shape)
    if low.used(0):
        low.step("deformable_roi.DeformableRoi", [grad, rois, *trans], [low.outs[0]], mode="image", **args)
    if trans and low.used(1):
        low.step("deformable_roi.DeformableRoi", [grad, data, rois, *trans], [low.outs[1]], mode="offset", **args)


def _reference(p, data, rois, trans=None, is_train=False):
    group, bins, parts, samples = p.group_size, p.pooled_size, p.part_size or p.pooled_size, p.sample_per_part
    images, _, height, width = data.shape
    channels = data.reshape(images, p.output_dim, group, group, height, width).astype(np.float64)
    out = np.zeros((len(rois), p.output_dim, bins, bins))
    per_class = p.output_dim if trans is None else p.output_dim // (trans.shape[1] // 2)
    for r, (image, *corners) in enumerate(rois):
        if not 0 <= image < images:
            continue
        rounded = [np.floor(abs(v) + 0.5) * np.sign(v) for v in corners]
        left, top = (v * p.spatial_scale - 0.5 for v in rounded[:2])
        across, down = (max((v + 1) * p.spatial_scale - 0.5 - first, 0.1) for v, first in zip(rounded[2:], (left, top)))
        for c, i, j in np.ndindex(p.output_dim, bins, bins):
            x, y = j * across / bins + left, i * down / bins + top
            if trans is not None:
                move = trans[r, 2 * (c // per_class) :, i * parts // bins, j * parts // bins] * p.trans_std
                x, y = x + move[0] * across, y + move[1] * down
            plane = channels[int(image), c, i * group // bins, j * group // bins]
            values = []
            for u, v in np.ndindex(samples, samples):
                at_y, at_x = y + u * down / bins / samples, x + v * across / bins / samples
                if -0.5 <= at_x <= width - 0.5 and -0.5 <= at_y <= height - 0.5:
                    at_y, at_x = np.clip(at_y, 0, height - 1), np.clip(at_x, 0, width - 1)
                    y0, x0, y1, x1 = (int(f(n)) for f in (np.floor, np.ceil) for n in (at_y, at_x))
                    upper = plane[y0, x0] * (1 - at_x + x0) + plane[y0, x1] * (at_x - x0)
                    lower = plane[y1, x0] * (1 - at_x + x0) + plane[y1, x1] * (at_x - x0)
                    values.append(upper * (1 - at_y + y0) + lower * (at_y - y0))
            out[r, c, i, j] = np.mean(values) if values else 0
    return out


_ROIS = np.array([[0, 0, 0, 5, 5], [1, 1.4, 2.6, 4.5, 5], [0, -3, -2, 2, 9], [1, 3, 3, 3, 3], [0, 20, 20, 30, 30]])


def _case(rois, trans=None, **params):
    shapes = {"data": (2, params["output_dim"] * params["group_size"] ** 2, 6, 7)}
    if trans is not None:
        shapes["trans"] = trans
    return Case(shapes, {"spatial_scale": 1.0, "no_trans": trans is None, **params}, {"rois": rois})


register(
    Op(
        name="_contrib_DeformablePSROIPooling",
        doc="Pool regions of interest to one size, each bin from channels of its own, at places that move by offsets.",
        params=DeformablePSROIParams,
        inputs=_inputs,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            _case(_ROIS, output_dim=2, group_size=3, pooled_size=3, sample_per_part=2),
            _case(_ROIS[:4], (4, 2, 3, 3), output_dim=2, group_size=1, pooled_size=3, sample_per_part=3, trans_std=0.1),
            _case(
                _ROIS[:2], (2, 4, 2, 2), output_dim=4, group_size=2, pooled_size=4, part_size=2, sample_per_part=2,
                trans_std=0.2,
            ),
        ),
    )
)  # fmt: skip
register(
    Op(
        name="_backward_DeformablePSROIPooling",
        hidden=True,
        doc="Gradients of DeformablePSROIPooling for the feature map and the offsets.",
        params=BackwardParams,
        inputs=lambda p: ("ograd", *_inputs(p)),
        outputs=lambda p: ("data",) if p.no_trans else ("data", "trans"),
        infer_shape=lambda p, ins, outs: (ins, [p.shape, *ins[3:]]),
        infer_dtype=lambda p, ins, outs: (ins, [ins[0]] * len(outs)),
        lower=_backward_lower,
    )
)
