"""CTCLoss: connectionist temporal classification."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..base import ShapeError
from . import params as P
from .infer import unify
from .registry import register
from .schema import Case, Op

FLOAT64 = np.dtype(np.float64)


class CTCLossParams(P.Params):
    """Parameters of CTCLoss."""

    use_data_lengths = P.Bool(
        default=False, doc="Whether `data_lengths` tells the length of each sequence. If not, all have the data's."
    )
    use_label_lengths = P.Bool(
        default=False, doc="Whether `label_lengths` tells the length of each label. If not, padding ends a label."
    )
    blank_label = P.Enum(
        "first", "last", default="first",
        doc="Which class is the blank: the first one (labels are padded with 0) or the last one (padded with -1).",
    )  # fmt: skip


def _inputs(p):
    lengths = (("data_lengths", p.use_data_lengths), ("label_lengths", p.use_label_lengths))
    return ("data", "label", *(name for name, used in lengths if used))


def _workspace(steps: int, width: int) -> int:
    """Doubles for one sequence; `ctc_workspace` of ``kernels/ctc.h``."""
    return steps * (2 * width + 4) + 5 * (2 * width + 3)


def _infer_shape(p, ins, outs):
    data = unify(unify(ins[0], outs[1]), (-1, -1, -1), "data and (steps, batch, classes)")
    label = unify(ins[1], (data[1], -1), "label and (batch, width)")
    (batch,) = unify((label[0],), outs[0], "losses and (batch,)")
    lengths = []
    for name, shape in zip(_inputs(p)[2:], ins[2:]):
        (batch,) = unify((batch,), shape, f"{name} and (batch,)")
        lengths.append(name)
    if min(data[0], label[1]) >= 0 and data[0] < label[1]:
        raise ShapeError(
            f"label is {label} but data has {data[0]} steps: the max number of labels cannot exceed the maximum sequence "
            "length of the data"
        )
    data, label = (data[0], batch, data[2]), (batch, label[1])
    return [data, label, *[(batch,)] * len(lengths)], [(batch,), data]


def _infer_dtype(p, ins, outs):
    data = ins[0] or outs[0] or outs[1]
    return [data, *(data if dtype is None else dtype for dtype in ins[1:])], [data, data]


def _lower(low, node):
    p, (loss, grad) = node.params, low.outs
    data = low.ins[0]
    steps, batch, classes = data.shape
    width = low.ins[1].shape[1]
    if classes == 0:
        raise ShapeError(f"{node.describe()}: data is {data.shape}: there is no class, not even the blank")
    writes = [loss, low.workspace((batch * _workspace(steps, width),), FLOAT64)]
    low.step(
        "ctc.CtcLoss", [data, *(low.cast(ref, FLOAT64) for ref in low.ins[1:])], [*writes, *([grad] if low.used(1) else [])],
        dtype=data.dtype, steps=steps, batch=batch, classes=classes, width=width,
        blank=0 if p.blank_label == "first" else classes - 1, padding=0 if p.blank_label == "first" else -1,
        has_data_lengths=p.use_data_lengths, has_label_lengths=p.use_label_lengths,
    )  # fmt: skip


def _gradient(g, node, ograds):
    others = [None] * (len(node.inputs) - 1)
    if ograds[0] is None:
        return [None, *others]
    head = g("_reshape_to", ograds[0], shape=(1, node.shapes[0][0], 1))
    return [g("broadcast_mul", node[1], head), *others]


def _paths_numpy(log_p: np.ndarray, spelled: list[int]) -> float:
    """Logarithm of the probability that a path through `spelled` is taken; log_p is (steps, classes)."""
    with np.errstate(divide="ignore"):
        at = np.full(len(spelled), -np.inf)
        for t, row in enumerate(log_p):
            before = at.copy()
            for s, k in enumerate(spelled):
                ways = [before[s]]
                if s >= 1:
                    ways.append(before[s - 1])
                if s >= 2 and k != spelled[s - 2] and s % 2:
                    ways.append(before[s - 2])
                start = 0.0 if t == 0 and s < 2 else -np.inf
                at[s] = row[k] + (start if t == 0 else np.logaddexp.reduce(ways))
        return float(np.logaddexp.reduce(at[-2:])) if len(log_p) else 0.0


def _numpy(p, data, label, *lengths, is_train):
    steps, batch, classes = data.shape
    lengths = dict(zip(_inputs(p)[2:], lengths))
    blank, padding = (0, 0) if p.blank_label == "first" else (classes - 1, -1)
    x = data.astype(np.float64)
    log_p = x - np.log(np.exp(x).sum(2, keepdims=True))
    out = np.zeros(batch)
    for n in range(batch):
        if p.use_label_lengths:
            row = label[n, : int(lengths["label_lengths"][n])]
        else:
            ends = np.flatnonzero((label[n] == padding) | (label[n] < 0))
            row = label[n, : ends[0]] if len(ends) else label[n]
        spelled = [blank] + [k for c in row for k in (int(c), blank)]
        used = int(lengths["data_lengths"][n]) if p.use_data_lengths else steps
        repeats = sum(a == b for a, b in pairwise(row))
        if len(row) + repeats <= used:
            out[n] = -_paths_numpy(log_p[:used, n], spelled)
    return out.astype(data.dtype)


def _case(data, label, params=None, **lengths):
    arrays = {name: np.array(value, np.float64) for name, value in {"label": label, **lengths}.items()}
    return Case({"data": data}, params or {}, data=arrays)


register(
    Op(
        name="CTCLoss",
        aliases=("ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"),
        doc="""Compute the connectionist temporal classification loss (Graves et al., 2006), one number for each sequence.

        `data` is (steps, batch, classes), scores without softmax; `label` (batch, width) the classes in the order in which
        they occur, padded at the end. A label that cannot be aligned (more classes and repetitions than steps, or a number
        that is no class) has the loss 0, as in MXNet, and no gradient (MXNet: what was in memory). An empty label has the
        loss of blanks alone (MXNet: what was in memory). Labels get no gradient.
        """,
        params=CTCLossParams,
        inputs=_inputs,
        outputs=("output0", "output1"),
        visible=1,
        infer_shape=_infer_shape,
        infer_dtype=_infer_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_numpy,
        cases=(
            _case((5, 2, 4), [[1, 2, 0], [3, 3, 1]]),
            _case((5, 2, 4), [[0, 1, -1], [2, 2, 0]], {"blank_label": "last"}),
            _case((5, 2, 4), [[1, 2, 0], [3, 3, 1]], {"use_data_lengths": True}, data_lengths=[4, 5]),
            _case((5, 2, 4), [[1, 2, 2], [3, 3, 1]], {"use_label_lengths": True}, label_lengths=[1, 2]),
            _case(
                (6, 2, 4), [[1, 2, 0], [3, 3, 1]], {"use_data_lengths": True, "use_label_lengths": True},
                data_lengths=[4, 6], label_lengths=[2, 1],
            ),
            _case((20, 3, 11), [[1, 2, 3, 4, 5, 6, 7, 8], [9, 9, 9, 0, 0, 0, 0, 0], [1, 0, 5, 5, 5, 5, 5, 5]]),
            _case((4, 2, 3), [[1], [2]]),
        ),
    )
)  # fmt: skip
