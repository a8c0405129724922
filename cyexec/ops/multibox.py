"""MultiBoxPrior, MultiBoxTarget and MultiBoxDetection: the operators of a single-shot detector (Liu et al., 2016, SSD).

Boxes are corners in fractions of the picture. Class 0 of the predictions is the background; labels and detections count
the others from 0.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .boxes import overlap_numpy
from .indexing import INT64
from .infer import product, unify, zero_gradient
from .order import sorted_rows
from .params import Bool, Float, Floats, Int, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


def _pair(p, name):
    values = getattr(p, name)
    if len(values) != 2:
        raise ShapeError(f"{name} must be two numbers (y, x), found {values}")
    return values


def _variances(p):
    if len(p.variances) != 4:
        raise ShapeError(f"variances must be four numbers, found {p.variances}")
    return p.variances


# MultiBoxPrior


class MultiBoxPriorParams(Params):
    sizes = Floats(default=(1.0,), doc="List of sizes of generated MultiBoxPriores.")
    ratios = Floats(default=(1.0,), doc="List of aspect ratios of generated MultiBoxPriores.")
    clip = Bool(default=False, doc="Whether to clip out-of-boundary boxes.")
    steps = Floats(default=(-1.0, -1.0), doc="Priorbox step across y and x, -1 for auto calculation.")
    offsets = Floats(default=(0.5, 0.5), doc="Priorbox center offsets, y and x respectively")


def _halves(p, height, width):
    """Half width and half height of each prior: all sizes with the first ratio, then the first size with other ratios."""
    shapes = [(size, p.ratios[0]) for size in p.sizes] + [(p.sizes[0], ratio) for ratio in p.ratios[1:]]
    return tuple((size * height / width * ratio**0.5 / 2, size / ratio**0.5 / 2) for size, ratio in shapes)


def _steps(p, height, width):
    """Distances of the centres, y and x; (-1, -1) means those of the pixels."""
    steps = _pair(p, "steps")
    return (1 / height, 1 / width) if min(steps) <= 0 else steps


def _prior_shape(p, ins, outs):
    data = ins[0]
    if not p.sizes or not p.ratios:
        raise ShapeError(f"needs at least one size and one ratio, found sizes={p.sizes} and ratios={p.ratios}")
    if min(p.ratios) <= 0:
        raise ShapeError(f"ratios must be positive, found {p.ratios}")
    _pair(p, "steps"), _pair(p, "offsets")
    if data is None:
        return ins, [unify(outs[0], (1, -1, 4), "output")]
    check_rank(data, 4, "data")
    pixels = -1 if min(data[2:]) < 0 else product(data[2:])
    count = len(p.sizes) + len(p.ratios) - 1
    return ins, [unify(outs[0], (1, -1 if pixels < 0 else pixels * count, 4), "output")]


def _prior_lower(low, node):
    p, (height, width) = node.params, node.in_shapes[0][2:]
    if not low.outs[0].size:
        return
    low.step(
        "multibox.Priors", [], low.outs, height=height, width=width, halves=_halves(p, height, width),
        steps=_steps(p, height, width), offsets=p.offsets, clip=p.clip,
    )  # fmt: skip


def _prior_numpy(p, data, is_train):
    height, width = data.shape[2:]
    halves = np.array(_halves(p, height, width))
    y, x = (
        (np.arange(n) + shift) * step for n, shift, step in zip((height, width), p.offsets, _steps(p, height, width))
    )
    middle = np.stack([*np.broadcast_arrays(x, y[:, None])], axis=-1)[:, :, None]
    boxes = np.concatenate([middle - halves, middle + halves], axis=-1).reshape(1, -1, 4)
    return np.clip(boxes, 0, 1) if p.clip else boxes


register(
    Op(
        name="_contrib_MultiBoxPrior",
        aliases=("MultiBoxPrior",),
        doc="""Generate prior boxes around every pixel of a feature map.

        There is one for each size, with the first ratio, and one for each other ratio, with the first size.
        """,
        params=MultiBoxPriorParams,
        infer_shape=_prior_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=_prior_lower,
        reference=_prior_numpy,
        cases=(
            Case({"data": (2, 1, 2, 3)}),
            Case({"data": (1, 1, 2, 3)}, {"sizes": (0.5, 0.3), "ratios": (1, 2, 0.5)}),
            Case({"data": (1, 1, 3, 3)}, {"sizes": (0.5, 0.3), "ratios": (2, 0.5), "clip": True}),
            Case({"data": (1, 1, 2, 3)}, {"sizes": (0.4,), "steps": (0.25, 0.125), "offsets": (0, 1)}),
        ),
    )
)


# MultiBoxTarget


class MultiBoxTargetParams(Params):
    overlap_threshold = Float(default=0.5, doc="Anchor-GT overlap threshold to be regarded as a positive match.")
    ignore_label = Float(default=-1.0, doc="Label for ignored anchors.")
    negative_mining_ratio = Float(default=-1.0, doc="Max negative to positive samples ratio, use -1 to disable mining")
    negative_mining_thresh = Float(default=0.5, doc="Threshold used for negative mining.")
    minimum_negative_samples = Int(default=0, doc="Accepted and ignored, as MXNet does.")
    variances = Floats(default=(0.1, 0.1, 0.2, 0.2), doc="Variances to be encoded in box regression target.")


def _target_shape(p, ins, outs):
    _variances(p)
    anchor, label, scores = ins
    for shape, what in ((anchor, "anchor"), (label, "label"), (scores, "cls_pred")):
        check_rank(shape, 3, what)
    if label is not None and 0 <= label[2] < 5:
        raise ShapeError(f"label must hold at least a class and four corners for each object, found {label}")
    count = unify(None if scores is None else scores[2:], None if anchor is None else anchor[1:2], "anchors") or (-1,)
    batch = unify(None if label is None else label[:1], None if scores is None else scores[:1], "batches") or (-1,)
    anchor = unify(anchor, (1, *count, 4), "anchor and (1, anchors, 4)")
    label = None if label is None else (*batch, *label[1:])
    scores = None if scores is None else (*batch, scores[1], *count)
    flat = -1 if count[0] < 0 else 4 * count[0]
    made = [(*batch, flat), (*batch, flat), (*batch, *count)]
    return [anchor, label, scores], [unify(out, shape, "output") for out, shape in zip(outs, made)]


def _target_lower(low, node):
    p, (anchor, label, scores) = node.params, low.ins
    batch, _, count = scores.shape
    if not batch * count:
        return
    dtype = low.outs[0].dtype
    match, nearest = (low.workspace((batch, count), INT64) for _ in range(2))
    wanted, taken = low.workspace((batch,), INT64), low.workspace((batch, label.shape[1]), INT64)
    hardness, best = (low.workspace((batch, count), dtype) for _ in range(2))
    low.step(
        "multibox.MatchAnchors", [anchor, label, scores], [match, wanted, hardness, best, nearest, taken], dtype=dtype,
        least=p.overlap_threshold, ratio=p.negative_mining_ratio, easy=p.negative_mining_thresh,
    )  # fmt: skip
    reads = [anchor, label, match, wanted]
    if p.negative_mining_ratio > 0:
        reads.append(sorted_rows(low, hardness, count, ascend=True)[1])
    low.step("multibox.AssignTargets", reads, low.outs, variances=_variances(p), ignore=p.ignore_label)


def _matches_numpy(p, anchors, boxes):
    """The object of each anchor, or -1, and the most that each anchor overlaps."""
    overlaps = overlap_numpy(anchors, boxes)
    match = np.full(len(anchors), -1)
    free = overlaps.copy()
    while free.size and free.max() > 1e-6:
        i, k = np.unravel_index(free.argmax(), free.shape)
        match[i] = k
        free[i, :] = free[:, k] = -1
    best = overlaps.max(1)
    if p.overlap_threshold > 0:
        match = np.where((match < 0) & (best > p.overlap_threshold), overlaps.argmax(1), match)
    return match, best


def _target_numpy(p, anchor, label, scores, is_train):
    anchors = anchor[0].astype(np.float64)
    batch, count = len(label), len(anchors)
    offsets, mask, classes = (
        np.zeros((batch, count, 4)),
        np.zeros((batch, count, 4)),
        np.full((batch, count), p.ignore_label),
    )
    size = anchors[:, 2:] - anchors[:, :2]
    for n in range(batch):
        ends = np.flatnonzero(label[n, :, 0] == -1)
        objects = label[n, : ends[0] if len(ends) else None, :5].astype(np.float64)
        if not len(objects):
            continue
        match, best = _matches_numpy(p, anchors, objects[:, 1:])
        has = match >= 0
        if p.negative_mining_ratio > 0:
            shifted = np.exp(scores[n] - scores[n].max(0)).astype(np.float64)
            background = shifted[0] / shifted.sum(0)
            candidates = np.flatnonzero(~has & (best < p.negative_mining_thresh))
            wanted = min(int(has.sum() * p.negative_mining_ratio), len(candidates))
            classes[n, candidates[np.argsort(background[candidates], kind="stable")[:wanted]]] = 0
        else:
            classes[n] = 0
        boxes = objects[match[has]]
        classes[n, has] = boxes[:, 0] + 1
        mask[n, has] = 1
        low, high, mine = boxes[:, 1:3], boxes[:, 3:], size[has]
        middle = ((low + high) / 2 - (anchors[has, :2] + anchors[has, 2:]) / 2) / mine
        offsets[n, has] = np.concatenate([middle, np.log((high - low) / mine)], axis=1) / np.array(p.variances)
    return offsets.reshape(batch, -1), mask.reshape(batch, -1), classes


_ANCHORS = np.array(
    [[[0.1, 0.1, 0.4, 0.4], [0.15, 0.1, 0.45, 0.42], [0.5, 0.5, 0.9, 0.9], [0.5, 0.55, 0.9, 0.9], [0, 0, 1, 1]]]
)
# Two objects and the end of the list; none; two that want the same anchor, and one that needs none of the list's end.
_LABELS = np.array(
    [
        [[1, 0.1, 0.1, 0.42, 0.4], [0, 0.5, 0.5, 0.9, 0.88], [-1, -1, -1, -1, -1]],
        [[-1] * 5] * 3,
        [[2, 0.9, 0.9, 0.95, 0.95], [2, 0.9, 0.9, 0.95, 0.95], [1, 0, 0, 1, 1]],
    ]
)
_SCORES = np.random.default_rng(0).normal(size=(3, 4, 5))


def _target(**params):
    return Case({}, params, {"anchor": _ANCHORS, "label": _LABELS, "cls_pred": _SCORES})


register(
    Op(
        name="_contrib_MultiBoxTarget",
        aliases=("MultiBoxTarget",),
        doc="""Compute what each prior box should learn from an image's objects.

        Labels are (batch, objects, 5 or more): class and corners; a class of -1 ends the list. Returns box offsets
        (batch, 4 * anchors), which of them count, and classes (batch, anchors): 0 for the background.
        """,
        params=MultiBoxTargetParams,
        inputs=("anchor", "label", "cls_pred"),
        outputs=("loc_target", "loc_mask", "cls_target"),
        infer_shape=_target_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=_target_lower,
        reference=_target_numpy,
        cases=(
            _target(),
            _target(negative_mining_ratio=1.0),
            _target(negative_mining_ratio=3.0, negative_mining_thresh=0.9, minimum_negative_samples=2),
            _target(overlap_threshold=0.0, variances=(0.2, 0.2, 0.1, 0.1)),
            _target(overlap_threshold=0.9, ignore_label=7.0, negative_mining_ratio=0.5),
        ),
    )
)


# MultiBoxDetection


class MultiBoxDetectionParams(Params):
    clip = Bool(default=True, doc="Clip out-of-boundary boxes.")
    threshold = Float(default=0.01, doc="Threshold to be a positive prediction.")
    background_id = Int(default=0, doc="Accepted and ignored, as MXNet does: the background is class 0.")
    nms_threshold = Float(default=0.5, doc="Non-maximum suppression threshold.")
    force_suppress = Bool(default=False, doc="Suppress all detections regardless of class_id.")
    variances = Floats(default=(0.1, 0.1, 0.2, 0.2), doc="Variances to be decoded from box regression output.")
    nms_topk = Int(default=-1, doc="Keep maximum top k detections before nms, -1 for no limit.")


def _detection_shape(p, ins, outs):
    _variances(p)
    probs, offsets, anchor = ins
    for shape, what, ndim in ((probs, "cls_prob", 3), (offsets, "loc_pred", 2), (anchor, "anchor", 3)):
        check_rank(shape, ndim, what)
    counts = [None if probs is None else probs[2:], None if anchor is None else anchor[1:2]]
    if offsets is not None and offsets[1] >= 0:
        if offsets[1] % 4:
            raise ShapeError(f"loc_pred must hold four numbers for each anchor, found {offsets}")
        counts.append((offsets[1] // 4,))
    count = None
    for more in counts:
        count = unify(count, more, "anchors of cls_prob, loc_pred and anchor")
    (count,) = count or (-1,)
    (batch,) = unify(None if probs is None else probs[:1], None if offsets is None else offsets[:1], "batches") or (-1,)
    probs = None if probs is None else (batch, probs[1], count)
    offsets = unify(offsets, (batch, -1 if count < 0 else 4 * count), "loc_pred")
    anchor = unify(anchor, (1, count, 4), "anchor and (1, anchors, 4)")
    return [probs, offsets, anchor], [unify(outs[0], (batch, count, 6), "output")]


def _detection_lower(low, node):
    p, out = node.params, low.outs[0]
    if not out.size:
        return
    batch, count, _ = out.shape
    suppress = 0 < p.nms_threshold <= 1
    rows = low.workspace(out.shape, out.dtype) if suppress else out
    scores = low.workspace((batch, count), out.dtype)
    low.step(
        "multibox.DecodeDetections", low.ins, [rows, scores], least=p.threshold, clip=p.clip, variances=_variances(p)
    )
    if suppress:
        values, order = sorted_rows(low, scores, count)
        taken = low.workspace((batch, count), INT64)
        low.step(
            "multibox.SelectDetections", [rows, values, order], [out, taken], most=p.nms_threshold,
            force=p.force_suppress, limit=p.nms_topk,
        )  # fmt: skip


def _detection_numpy(p, probs, offsets, anchor, is_train):
    batch, classes, count = probs.shape
    anchors, out = anchor[0].astype(np.float64), np.full((batch, count, 6), -1.0)
    size, middle = anchors[:, 2:] - anchors[:, :2], (anchors[:, 2:] + anchors[:, :2]) / 2
    for n in range(batch):
        scaled = offsets[n].reshape(-1, 4) * np.array(p.variances)
        centre, half = scaled[:, :2] * size + middle, np.exp(scaled[:, 2:]) * size / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        boxes = np.clip(boxes, 0, 1) if p.clip else boxes
        best = probs[n, 1:].argmax(0)
        score = probs[n, 1:].max(0)
        seen = score >= p.threshold
        rows = np.concatenate([best[seen, None], score[seen, None], boxes[seen]], axis=1)
        if 0 < p.nms_threshold <= 1:
            kept = min(p.nms_topk, len(rows)) if p.nms_topk > 0 else len(rows)
            rows[:kept] = rows[np.argsort(-rows[:, 1], kind="stable")[:kept]]
            rows[kept:, 0] = -1
            overlaps = overlap_numpy(rows[:, 2:], rows[:, 2:])
            for i in range(kept):
                if rows[i, 0] >= 0:
                    rival = (np.arange(len(rows)) > i) & ((rows[:, 0] == rows[i, 0]) | p.force_suppress)
                    rows[rival & (overlaps[i] >= p.nms_threshold), 0] = -1
        out[n, : len(rows)] = rows
    return out


_PROBS = np.random.default_rng(1).dirichlet([0.5, 1, 1], size=(2, 5)).transpose(0, 2, 1)


def _detection(**params):
    return Case({"loc_pred": (2, 20)}, params, {"cls_prob": _PROBS, "anchor": _ANCHORS})


register(
    Op(
        name="_contrib_MultiBoxDetection",
        aliases=("MultiBoxDetection",),
        doc="""Convert predictions for prior boxes into detections: rows (class, score, corners), best scores first.

        Suppressed rows have class -1; rows of -1 fill the rest.
        """,
        params=MultiBoxDetectionParams,
        inputs=("cls_prob", "loc_pred", "anchor"),
        infer_shape=_detection_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=_detection_lower,
        reference=_detection_numpy,
        cases=(
            _detection(),
            _detection(force_suppress=True, nms_threshold=0.3, clip=False),
            _detection(nms_topk=2, nms_threshold=0.4),
            _detection(threshold=0.5, nms_threshold=0.45, variances=(0.2, 0.2, 0.1, 0.1)),
            _detection(nms_threshold=0.0),
        ),
    )
)
