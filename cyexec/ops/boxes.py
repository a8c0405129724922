"""Boxes: overlaps, non-maximum suppression, matching, encoding."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64
from .infer import product, unify, zero_gradient
from .order import sorted_rows
from .params import Bool, Enum, Float, Int, Params
from .registry import register
from .schema import Case, Op
from .windows import float_dtype

_FORMAT = (
    'The box encoding type. "corner" means boxes are encoded as [xmin, ymin, xmax, ymax], "center" means boxes are encoded '
    "as [x, y, width, height]."
)


def corners_numpy(boxes, encoding):
    """Boxes (..., 4) as (x1, y1, x2, y2), in float64."""
    boxes = boxes.astype(np.float64)
    if encoding == "corner":
        return boxes
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


def overlap_numpy(a, b):
    """Intersection over union of all pairs of boxes (n, 4) and (m, 4) given by corners."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.maximum(high - low, 0).prod(-1)
    area_a, area_b = (np.maximum(x[:, 2:] - x[:, :2], 0).prod(-1) for x in (a, b))
    union = area_a[:, None] + area_b - both
    return np.divide(both, union, out=np.zeros_like(both), where=(union > 0) & (both > 0))


# box_iou


class BoxIouParams(Params):
    format = Enum("center", "corner", default="corner", doc=_FORMAT)


def _four(shape, what):
    """Check that the last axis of `shape`, where known, holds boxes."""
    if shape is None:
        return None
    if not shape:
        raise ShapeError(f"{what} must have at least one dimension")
    return unify(shape, (*(-1,) * (len(shape) - 1), 4), f"{what} and (..., 4)")


def _iou_shape(p, ins, outs):
    lhs, rhs = _four(ins[0], "lhs"), _four(ins[1], "rhs")
    if lhs is None or rhs is None:
        return [lhs, rhs], outs
    return [lhs, rhs], [unify(outs[0], (*lhs[:-1], *rhs[:-1]), "output")]


def _iou_lower(low, node):
    if low.outs[0].size:
        low.step("boxes.BoxIou", low.ins, low.outs, center=node.params.format == "center")


def _iou_numpy(p, lhs, rhs, is_train):
    flat = (corners_numpy(x, p.format).reshape(-1, 4) for x in (lhs, rhs))
    return overlap_numpy(*flat).reshape(*lhs.shape[:-1], *rhs.shape[:-1])


register(
    Op(
        name="_contrib_box_iou",
        doc="Compute intersection over union of all pairs of boxes.",
        params=BoxIouParams,
        inputs=("lhs", "rhs"),
        infer_shape=_iou_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=_iou_lower,
        reference=_iou_numpy,
        cases=(
            Case({"lhs": (5, 4), "rhs": (3, 4)}, low=0.0),
            Case({"lhs": (2, 3, 4), "rhs": (2, 4)}, {"format": "center"}, low=0.0),
        ),
    )
)


# box_nms


class BoxNmsParams(Params):
    overlap_thresh = Float(default=0.5, doc="Overlapping(IoU) threshold to suppress object with smaller score.")
    valid_thresh = Float(default=0.0, doc="Filter input boxes to those whose scores greater than valid_thresh.")
    topk = Int(default=-1, doc="Apply nms to topk boxes with descending scores, -1 to no restriction.")
    coord_start = Int(default=2, doc="Start index of the consecutive 4 coordinates.")
    score_index = Int(default=1, doc="Index of the scores/confidence of boxes.")
    id_index = Int(default=-1, doc="Optional, index of the class categories, -1 to disable.")
    background_id = Int(default=-1, doc="Optional, id of the background class which will be ignored in nms.")
    force_suppress = Bool(
        default=False,
        doc="Optional, if set false and id_index is provided, nms will only apply to boxes belongs to the same category",
    )
    in_format = Enum("center", "corner", default="corner", doc=_FORMAT)
    out_format = Enum("center", "corner", default="corner", doc=_FORMAT)


def _nms_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    if data is None:
        return [None], outs
    if len(data) < 2:
        raise ShapeError(f"data must have at least two dimensions (..., boxes, numbers), found {data}")
    if data[-1] >= 0:
        for name in ("score_index", "id_index"):
            if not (-1 if name == "id_index" else 0) <= getattr(p, name) < data[-1]:
                raise ShapeError(f"{name}={getattr(p, name)} is none of the {data[-1]} numbers of a row of data {data}")
        if not 0 <= p.coord_start <= data[-1] - 4:
            raise ShapeError(f"coord_start={p.coord_start}: a row of data {data} has no four numbers from there on")
    return [data], [data, unify(outs[1], data[:-1], "rows")]


def _nms_dtype(p, ins, outs):
    (data,), (out,) = float_dtype(p, ins, outs[:1])
    return [data], [out, INT64]


def _nms_lower(low, node):
    p, data, (out, rows) = node.params, low.ins[0], low.outs
    boxes = data.shape[-2]
    if not out.size:
        return
    if p.topk == 0:  # as in MXNet: nothing is suppressed, not even sorted
        low.copy(out, data)
        for n in range(rows.size // boxes if low.used(1) else 0):
            low.step("rows.Positions", [], [rows.part(n * boxes, (boxes,))], dtype=INT64)
        return
    scores = low.workspace((product(data.shape[:-2]), boxes), data.dtype)
    low.step(
        "boxes.ValidScores", [data], [scores], score=p.score_index, least=p.valid_thresh, class_=p.id_index,
        background=p.background_id,
    )  # fmt: skip
    values, order = sorted_rows(low, scores, min(p.topk, boxes) if p.topk > 0 else boxes)
    low.step(
        "boxes.Suppress", [data, values, order], [out, rows], box=p.coord_start,
        class_=-1 if p.force_suppress else p.id_index, most=p.overlap_thresh, from_center=p.in_format == "center",
        to_center=p.out_format == "center",
    )  # fmt: skip


def _nms_gradient(g, node, ograds):
    return [None if ograds[0] is None else g("_backward_box_nms", ograds[0], node[1], like=node.params)]


def _nms_numpy(p, data, is_train):
    flat = data.reshape(-1, *data.shape[-2:])
    out, rows = np.full_like(flat, -1), np.full(flat.shape[:-1], -1)
    box = slice(p.coord_start, p.coord_start + 4)
    if p.topk == 0:
        return data, np.broadcast_to(np.arange(data.shape[-2]), data.shape[:-1])
    for n, image in enumerate(flat):
        order = [
            i for i in np.argsort(-image[:, p.score_index], kind="stable") if image[i, p.score_index] > p.valid_thresh
        ]
        if p.background_id >= 0 and p.id_index >= 0:
            order = [i for i in order if image[i, p.id_index] != p.background_id]
        boxes = corners_numpy(image[:, box], p.in_format)
        taken = []
        for i in order[: p.topk if p.topk > 0 else None]:
            rivals = [
                k for k in taken if p.force_suppress or p.id_index < 0 or image[k, p.id_index] == image[i, p.id_index]
            ]
            if not (overlap_numpy(boxes[[i]], boxes[rivals]) > p.overlap_thresh).any():
                taken.append(i)
        for at, i in enumerate(taken):
            rows[n, at], out[n, at] = i, image[i]
            if p.out_format == "corner":
                out[n, at, box] = boxes[i]
            elif p.in_format == "corner":
                out[n, at, box] = [*(boxes[i, :2] + boxes[i, 2:]) / 2, *boxes[i, 2:] - boxes[i, :2]]
    return out.reshape(data.shape), rows.reshape(data.shape[:-1])


# Class, score, corners: two heaps of boxes, equal scores, one that is not valid.
_DETECTIONS = np.array(
    [
        [0, 0.5, 0.1, 0.1, 0.2, 0.2], [1, 0.4, 0.1, 0.1, 0.21, 0.2], [0, 0.3, 0.1, 0.1, 0.14, 0.14],
        [2, 0.6, 0.5, 0.5, 0.7, 0.8], [1, 0.4, 0.5, 0.52, 0.7, 0.8], [0, -0.1, 0.7, 0.7, 0.8, 0.8],
    ]
)  # fmt: skip


_UNEQUAL = _DETECTIONS + np.array([0, 0, 0, 0, 0.01, 0])[:, None] * np.array([0, 1, 0, 0, 0, 0])


def _nms(data=_DETECTIONS, **params):
    # Where scores or classes are equal, a small change changes what is taken.
    return Case({}, params, {"data": data}, grad=data is not _DETECTIONS)


register(
    Op(
        name="_contrib_box_nms",
        aliases=("_contrib_box_non_maximum_suppression",),
        doc="""Apply non-maximum suppression to rows of numbers that hold a box, its score and perhaps its class.

        Boxes that overlap with none of a higher score come first, in the order of their scores; the other rows are -1.
        """,
        params=BoxNmsParams,
        outputs=("output0", "output1"),
        visible=1,
        infer_shape=_nms_shape,
        infer_dtype=_nms_dtype,
        gradient=_nms_gradient,
        lower=_nms_lower,
        reference=_nms_numpy,
        cases=(
            _nms(),
            _nms(id_index=0, overlap_thresh=0.1),
            _nms(id_index=0, overlap_thresh=0.1, force_suppress=True),
            _nms(id_index=0, background_id=0, topk=2),
            _nms(topk=3, valid_thresh=0.35),
            _nms(topk=0),
            _nms(valid_thresh=2.0),
            _nms(np.stack([_UNEQUAL, _UNEQUAL[::-1]]), in_format="center", out_format="corner"),
            _nms(_UNEQUAL, topk=4),
            _nms(_UNEQUAL[None, :, 1:], score_index=0, coord_start=1, out_format="center"),
        ),
    )
)  # fmt: skip

register(
    Op(
        name="_backward_box_nms",
        hidden=True,
        doc="Gradient of box_nms: rows go back to where they were taken from.",
        params=BoxNmsParams,
        inputs=("ograd", "rows"),
        infer_shape=lambda p, ins, outs: (ins, [ins[0]]),
        infer_dtype=lambda p, ins, outs: (ins, [ins[0]]),
        lower=lambda low, node: low.step(
            "boxes.SuppressGradient", low.ins, low.outs, box=node.params.coord_start,
            from_center=node.params.in_format == "center", to_center=node.params.out_format == "center",
        ),
    )
)  # fmt: skip


# bipartite_matching


class BipartiteParams(Params):
    is_ascend = Bool(
        default=False, doc="Use ascend order for scores instead of descending. Please set threshold accordingly."
    )
    threshold = Float(
        doc="Ignore matching when score < thresh, if is_ascend=false, or ignore score > thresh, if is_ascend=true."
    )
    topk = Int(default=-1, doc="End after more than so many matches, set -1 for no limit")


def _bipartite_shape(p, ins, outs):
    data = ins[0]
    if data is None:
        return ins, outs
    if len(data) < 2:
        raise ShapeError(f"data must have at least two dimensions (..., rows, columns), found {data}")
    return ins, [unify(outs[0], data[:-1], "matches of rows"), unify(outs[1], (*data[:-2], data[-1]), "of columns")]


def _bipartite_lower(low, node):
    p, data = node.params, low.ins[0]
    if not data.size:
        for out in low.outs:
            low.fill(out, -1)
        return
    pairs = data.shape[-2] * data.shape[-1]
    values, order = sorted_rows(low, data.reshape(-1, pairs), pairs, ascend=p.is_ascend)
    low.step(
        "boxes.BipartiteMatching", [values, order], low.outs, threshold=p.threshold, ascend=p.is_ascend, limit=p.topk
    )


def _bipartite_numpy(p, data, is_train):
    flat = data.reshape(-1, *data.shape[-2:])
    rows, columns = np.full(flat.shape[:-1], -1.0), np.full((len(flat), flat.shape[-1]), -1.0)
    for n, scores in enumerate(flat):
        sign = 1 if p.is_ascend else -1
        for at in np.argsort(sign * scores, axis=None, kind="stable"):
            i, j = divmod(int(at), scores.shape[1])
            if rows[n, i] >= 0 or columns[n, j] >= 0:
                continue
            if sign * scores[i, j] >= sign * p.threshold or 0 < p.topk < (rows[n] >= 0).sum():
                break
            rows[n, i], columns[n, j] = j, i
    return rows.reshape(data.shape[:-1]), columns.reshape(*data.shape[:-2], -1)


register(
    Op(
        name="_contrib_bipartite_matching",
        doc="""Match rows with columns, the pairs of the best scores first.

        Returns the columns that rows are matched with and the rows that columns are matched with, -1 for none.
        """,
        params=BipartiteParams,
        outputs=("output0", "output1"),
        infer_shape=_bipartite_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=_bipartite_lower,
        reference=_bipartite_numpy,
        cases=(
            Case({"data": (3, 4)}, {"threshold": 1e-12}),
            Case({"data": (2, 4, 3)}, {"threshold": 0.3, "is_ascend": True}),
            Case({"data": (5, 5)}, {"threshold": -0.8, "topk": 2}),
        ),
    )
)


# box_encode, box_decode


def _encode_shape(p, ins, outs):
    samples, matches, anchors, refs, means, stds = ins
    pairs = unify(samples, matches, "samples and matches")
    if pairs is not None and len(pairs) != 2:
        raise ShapeError(f"samples must have two dimensions (batch, anchors), found {pairs}")
    batch, count = pairs or (-1, -1)
    wanted = (batch, count, 4)
    anchors = unify(unify(anchors, wanted, "anchors and (batch, anchors, 4)"), outs[0], "output")
    refs = unify(refs, (batch, -1, 4), "refs and (batch, boxes, 4)")
    means, stds = (unify(s, (4,), f"{name} and (4,)") for s, name in ((means, "means"), (stds, "stds")))
    made = unify(anchors, outs[1], "output")
    return [made[:2], made[:2], made, refs, means, stds], [made, made]


def _encode_numpy(p, samples, matches, anchors, refs, means, stds, is_train):
    matched = np.take_along_axis(refs, matches.astype(np.int64)[..., None], axis=1).astype(np.float64)
    size, wanted = (np.float64(x[..., 2:]) - x[..., :2] for x in (anchors, matched))
    middle = (matched[..., :2] + wanted / 2 - anchors[..., :2] - size / 2) / size
    made = (np.concatenate([middle, np.log(wanted / size)], axis=-1) - means) / stds
    mask = np.broadcast_to(samples[..., None] > 0.5, made.shape)
    return np.where(mask, made, 0), mask.astype(anchors.dtype)


def _some_boxes(seed, *shape):
    """Boxes by corners with an area."""
    low, size = np.random.default_rng(seed).uniform(0.1, 0.6, (2, *shape, 2))
    return np.concatenate([low, low + size], axis=-1)


register(
    Op(
        name="_contrib_box_encode",
        doc="""Encode boxes as training targets: offsets from anchors to the boxes they are matched with, normalised.

        `samples` is 1 for anchors with a match, -1 or 0 for others, whose targets and masks are 0; `matches` are the numbers
        of the boxes in `refs`.
        """,
        inputs=("samples", "matches", "anchors", "refs", "means", "stds"),
        outputs=("output0", "output1"),
        infer_shape=_encode_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=lambda low, node: low.step("boxes.BoxEncode", low.ins, low.outs),
        reference=_encode_numpy,
        cases=(
            Case(
                {},
                data={
                    "samples": np.array([[1.0, -1, 0, 1], [1, 1, 0, 0]]), "matches": np.array([[0.0, 1, 0, 2], [2, 1, 0, 0]]),
                    "anchors": _some_boxes(0, 2, 4), "refs": _some_boxes(1, 2, 3), "means": np.array([0.0, 0.1, 0.2, 0.3]),
                    "stds": np.array([0.1, 0.1, 0.2, 0.3]),
                },
            ),
        ),
    )
)  # fmt: skip


class BoxDecodeParams(Params):
    std0 = Float(default=1.0, doc="value to be divided from the 1st encoded values")
    std1 = Float(default=1.0, doc="value to be divided from the 2nd encoded values")
    std2 = Float(default=1.0, doc="value to be divided from the 3rd encoded values")
    std3 = Float(default=1.0, doc="value to be divided from the 4th encoded values")
    clip = Float(default=-1.0, doc="If larger than 0, bounding box target will be clipped to this value.")
    format = Enum("center", "corner", default="center", doc=_FORMAT)


def _decode_shape(p, ins, outs):
    data, anchors = unify(ins[0], outs[0], "data and output shapes"), ins[1]
    data = unify(data, (-1, -1, 4), "data and (batch, anchors, 4)")
    anchors = unify(anchors, (1, data[1], 4), "anchors and (1, anchors, 4)")
    data = (data[0], anchors[1], 4)
    return [data, anchors], [data]


def _decode_numpy(p, data, anchors, is_train):
    boxes = corners_numpy(anchors, p.format)
    size = boxes[..., 2:] - boxes[..., :2]
    offsets = data * np.array([p.std0, p.std1, p.std2, p.std3])
    wide = np.minimum(offsets[..., 2:], p.clip) if p.clip > 0 else offsets[..., 2:]
    middle, half = offsets[..., :2] * size + boxes[..., :2] + size / 2, np.exp(wide) * size / 2
    return np.concatenate([middle - half, middle + half], axis=-1)


register(
    Op(
        name="_contrib_box_decode",
        doc="Decode offsets from anchors into boxes given by their corners.",
        params=BoxDecodeParams,
        inputs=("data", "anchors"),
        infer_shape=_decode_shape,
        infer_dtype=float_dtype,
        gradient=zero_gradient,
        lower=lambda low, node: low.step(
            "boxes.BoxDecode", low.ins, low.outs, center=node.params.format == "center", clip=node.params.clip,
            stds=(node.params.std0, node.params.std1, node.params.std2, node.params.std3),
        ),
        reference=_decode_numpy,
        cases=(
            Case({"data": (2, 3, 4)}, data={"anchors": _some_boxes(2, 1, 3)}),
            Case(
                {"data": (2, 3, 4)}, {"format": "corner", "std0": 0.1, "std3": 0.5, "clip": 0.2},
                {"anchors": _some_boxes(2, 1, 3)},
            ),
        ),
    )
)  # fmt: skip
