"""Proposal and MultiProposal: regions that may hold an object (Ren et al., 2015, Faster R-CNN)."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64
from .infer import unify, zero_gradient
from .order import sorted_rows
from .params import Bool, Float, Floats, Int, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


class ProposalParams(Params):
    rpn_pre_nms_top_n = Int(
        default=6000,
        doc="Number of top scoring boxes to keep before applying NMS to RPN proposals; all if not positive",
    )
    rpn_post_nms_top_n = Int(
        default=300, min=1, doc="Number of top scoring boxes to keep after applying NMS to RPN proposals"
    )
    threshold = Float(default=0.7, doc="NMS value, below which to suppress.")
    rpn_min_size = Int(default=16, doc="Minimum height or width in proposal")
    scales = Floats(default=(4.0, 8.0, 16.0, 32.0), doc="Used to generate anchor windows by enumerating scales")
    ratios = Floats(default=(0.5, 1.0, 2.0), doc="Used to generate anchor windows by enumerating ratios")
    feature_stride = Int(
        default=16, min=1,
        doc="The size of the receptive field each unit in the convolution layer of the rpn,for example the product of all "
        "stride's prior to this layer.",
    )  # fmt: skip
    output_score = Bool(default=False, doc="Add score to outputs")
    iou_loss = Bool(default=False, doc="Whether offsets are of corners, as training with an IoU loss has them")


def anchors_of(p):
    """Anchors at the feature map's first pixel, by ratio, then by scale: corners, in pixels of the picture.

    Extents are rounded as in the first Faster R-CNN, whose networks depend on it.
    """
    side, middle = p.feature_stride, 0.5 * (p.feature_stride - 1)
    found = []
    for ratio in p.ratios:
        wide = np.floor(np.sqrt(np.floor(side * side / ratio)) + 0.5)
        high = np.floor(wide * ratio + 0.5)
        for scale in p.scales:
            half_wide, half_high = 0.5 * (wide * scale - 1), 0.5 * (high * scale - 1)
            found.append((middle - half_wide, middle - half_high, middle + half_wide, middle + half_high))
    return tuple(tuple(float(v) for v in anchor) for anchor in found)


def _proposal_shape(several):
    def infer(p, ins, outs):
        probs, offsets, info = ins
        count = len(p.scales) * len(p.ratios)
        if not count or min(p.ratios, default=1) <= 0:
            raise ShapeError(f"needs scales and positive ratios, found scales={p.scales} and ratios={p.ratios}")
        for shape, what, ndim in ((probs, "cls_prob", 4), (offsets, "bbox_pred", 4), (info, "im_info", 2)):
            check_rank(shape, ndim, what)
        probs = unify(probs, (-1, 2 * count, -1, -1), f"cls_prob and (batch, 2 * {count} anchors, height, width)")
        batch, _, height, width = probs
        offsets = unify(
            offsets, (batch, 4 * count, height, width), f"bbox_pred and (batch, 4 * {count} anchors, height, width)"
        )
        info = unify(info, (offsets[0], 3), "im_info and (batch, 3)")
        if not several and info[0] > 1:
            raise ShapeError(f"takes a batch of one image, found {info[0]}; MultiProposal takes several")
        rows = info[0] * p.rpn_post_nms_top_n if info[0] >= 0 else -1
        probs = (info[0], 2 * count, *offsets[2:])
        shapes = [unify(outs[0], (rows, 5), "output"), unify(outs[1], (rows, 1), "score")]
        return [probs, (info[0], *offsets[1:]), info], shapes

    return infer


def _tried(p, boxes):
    return min(p.rpn_pre_nms_top_n, boxes) if p.rpn_pre_nms_top_n > 0 else boxes


def _proposal_lower(low, node):
    p, (rois, score) = node.params, low.outs
    batch, _, height, width = node.in_shapes[0]
    anchors, dtype = anchors_of(p), rois.dtype
    boxes = height * width * len(anchors)
    if not batch * boxes:
        for out in (rois, score):
            low.fill(out, 0)
        return
    places, scores = low.workspace((batch, boxes, 4), dtype), low.workspace((batch, boxes), dtype)
    low.step(
        "proposal.MoveAnchors", low.ins, [places, scores], dtype=dtype, anchors=anchors, stride=p.feature_stride,
        least=p.rpn_min_size, corners=p.iou_loss,
    )  # fmt: skip
    tried = _tried(p, boxes)
    values, order = sorted_rows(low, scores, tried)
    kept = low.workspace((batch, min(p.rpn_post_nms_top_n, tried)), INT64)
    low.step("proposal.KeepProposals", [places, values, order], [rois, score, kept], dtype=dtype, most=p.threshold)


def _moved_numpy(p, offsets, info):
    """Boxes (height, width, anchors, 4) of one image, clipped to it."""
    anchors = np.array(anchors_of(p))
    height, width = offsets.shape[1:]
    offsets = offsets.reshape(len(anchors), 4, height, width).transpose(2, 3, 0, 1).astype(np.float64)
    y, x = np.mgrid[:height, :width] * p.feature_stride
    boxes = anchors + np.stack([x, y, x, y], axis=-1)[:, :, None]
    if p.iou_loss:
        boxes = boxes + offsets
    else:
        size = boxes[..., 2:] - boxes[..., :2] + 1
        middle = offsets[..., :2] * size + boxes[..., :2] + 0.5 * (size - 1)
        half = 0.5 * (np.exp(offsets[..., 2:]) * size - 1)
        boxes = np.concatenate([middle - half, middle + half], axis=-1)
    return np.clip(boxes, 0, np.array([info[1], info[0], info[1], info[0]]) - 1)


def _pixel_overlap(a, b):
    high, low = np.minimum(a[2:], b[:, 2:]), np.maximum(a[:2], b[:, :2])
    both = np.maximum(high - low + 1, 0).prod(-1)
    area_a, area_b = ((x[..., 2:] - x[..., :2] + 1).prod(-1) for x in (a, b))
    return both / (area_a + area_b - both)


def _proposal_numpy(p, probs, offsets, info, is_train):
    count = len(anchors_of(p))
    rois, scores = [], []
    for n in range(len(probs)):
        boxes = _moved_numpy(p, offsets[n], info[n])
        score = probs[n, count:].transpose(1, 2, 0).astype(np.float64)
        score[int(info[n, 0] / p.feature_stride) :] = -1
        score[:, int(info[n, 1] / p.feature_stride) :] = -1
        least = p.rpn_min_size * info[n, 2]
        small = (boxes[..., 2:] - boxes[..., :2] + 1 < least).any(-1)
        boxes[small] += np.array([-0.5, -0.5, 0.5, 0.5]) * least
        score[small] = -1
        boxes, score = boxes.reshape(-1, 4), score.reshape(-1)
        kept = []
        for i in np.argsort(-score, kind="stable")[: _tried(p, len(score))]:
            if len(kept) < p.rpn_post_nms_top_n and not (_pixel_overlap(boxes[i], boxes[kept]) > p.threshold).any():
                kept.append(int(i))
        kept = [kept[i % len(kept)] for i in range(p.rpn_post_nms_top_n)]
        rois.append(np.concatenate([np.full((len(kept), 1), n), boxes[kept]], axis=1))
        scores.append(score[kept, None])
    return np.concatenate(rois), np.concatenate(scores)


def _case(batch, height, width, seed, info, **params):
    params = {"scales": (2, 4), "ratios": (0.5, 1, 2), "rpn_min_size": 4, **params}
    count = len(params["scales"]) * len(params["ratios"])
    rng = np.random.default_rng(seed)
    return Case(
        {}, params,
        {
            "cls_prob": rng.uniform(0, 1, (batch, 2 * count, height, width)),
            "bbox_pred": rng.uniform(-0.4, 0.4, (batch, 4 * count, height, width)) * (8 if params.get("iou_loss") else 1),
            "im_info": np.array(info, np.float64),
        },
    )  # fmt: skip


for _several, _name, _images in ((False, "Proposal", "one image"), (True, "MultiProposal", "each image")):
    register(
        Op(
            name=f"_contrib_{_name}",
            aliases=(_name,),
            doc=f"""Generate proposals of regions from the scores and offsets of anchors, of {_images}.

            `cls_prob` (batch, 2 * anchors, height, width) has the scores of backgrounds, then of objects; `im_info` holds
            height, width and scale of each picture. Returns rows (image, x1, y1, x2, y2).
            """,
            params=ProposalParams,
            inputs=("cls_prob", "bbox_pred", "im_info"),
            outputs=("output", "score"),
            visible=lambda p: 2 if p.output_score else 1,
            infer_shape=_proposal_shape(_several),
            infer_dtype=float_dtype,
            gradient=zero_gradient,
            lower=_proposal_lower,
            reference=_proposal_numpy,
            cases=(
                _case(1, 5, 6, 0, [[80, 96, 1]], rpn_pre_nms_top_n=60, rpn_post_nms_top_n=12, output_score=True),
                # A picture smaller than its batch, boxes that are too small, fewer boxes than are asked for.
                _case(
                    1, 5, 6, 1, [[50, 70, 2]], rpn_min_size=30, threshold=0.3, rpn_post_nms_top_n=40, output_score=True
                ),
                _case(1, 3, 4, 2, [[24, 32, 1]], iou_loss=True, feature_stride=8, rpn_post_nms_top_n=20, threshold=0.5),
                _case(
                    1, 2, 2, 3, [[32, 32, 1]], rpn_pre_nms_top_n=5, rpn_post_nms_top_n=8, scales=(1,), ratios=(0.3, 1.7)
                ),
                *(
                    [_case(2, 4, 3, 4, [[60, 48, 1], [40, 44, 1.5]], rpn_post_nms_top_n=10, output_score=True)]
                    if _several
                    else []
                ),
            ),
        )
    )
