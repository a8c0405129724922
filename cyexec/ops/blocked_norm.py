"""BatchNorm of blocked arrays while training, with the relu that often follows. Made by `passes/block_layout.py` only."""

from __future__ import annotations

import numpy as np

from ..lowering.blocked import BLOCK
from ..lowering.program import Ref
from . import batch_norm
from .blocked import from_blocked, to_blocked
from .infer import unify
from .params import Bool
from .registry import register
from .schema import Op


class BlockedBatchNormParams(batch_norm.BatchNormParams):
    relu = Bool(default=False, doc="Whether the result passes through a relu.")


def _shapes(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    vector = None
    for shape in (*ins[1:], *outs[1:]):
        vector = unify(vector, shape, "shapes of the parameters")
    return [data] + [vector] * 4, [data, vector, vector]


def _partial(low, x: Ref) -> Ref:
    """Workspace for what the passes over the planes of `x` leave."""
    return low.workspace((2, x.shape[0] * x.shape[1], BLOCK), np.float64)


def _lower(low, node):
    p, (x, gamma, beta, _, _), (y, mean, inverse) = node.params, low.ins, low.outs
    low.step("blocked_norm.Moments", [x], [mean, inverse, _partial(low, x)], dtype=x.dtype, eps=p.eps)
    if low.used(0):
        scale = [] if p.fix_gamma else [gamma]
        low.step("blocked_norm.Normalize", [x, mean, inverse, beta, *scale], [y], inplace=[(0, 0)], relu=p.relu)


def _numpy(p, data, gamma, beta, moving_mean, moving_var, is_train=True):
    channels = gamma.shape[0]
    out, mean, inverse = batch_norm.batch_norm_numpy(
        p, from_blocked(data, channels), gamma, beta, moving_mean, moving_var, is_train=True
    )
    return to_blocked(np.maximum(out, 0) if p.relu else out), mean, inverse


register(
    Op(
        name="_BlockedBatchNorm",
        doc="BatchNorm of a blocked array by the statistics of the batch.",
        params=BlockedBatchNormParams,
        inputs=("data", "gamma", "beta"),
        aux=("moving_mean", "moving_var"),
        outputs=("output", "mean", "var"),
        visible=1,
        infer_shape=_shapes,
        lower=_lower,
        reference=_numpy,
        hidden=True,
    )
)


def _gradient_inputs(p):
    return ("ograd", "data", "gamma", "mean", "inverse", *(("output",) if p.relu else ()))


def _gradient_shapes(p, ins, outs):
    data, vector = unify(ins[0], ins[1], "data and its gradient"), ins[2]
    rest = [data] if p.relu else []
    return [data, data, vector, vector, vector, *rest, vector, vector], [data, vector, vector]


def _gradient_lower(low, node):
    p, (dx, dgamma, dbeta) = node.params, low.outs
    dy, x, gamma, mean, inverse, *output = low.ins[: len(_gradient_inputs(p))]
    moving_mean, moving_var = low.ins[-2:]
    sums = low.workspace((2, mean.size), np.float64)
    low.step("blocked_norm.Sums", [dy, x, mean, *output], [sums, _partial(low, x)], dtype=x.dtype)
    if low.used(1) or low.used(2):
        low.step("blocked_norm.ParameterGradients", [sums, inverse], [dgamma, dbeta])
    if low.used(1) and p.fix_gamma:
        low.fill(dgamma, 0)
    if low.used(0):
        scale = [] if p.fix_gamma else [gamma]
        low.step(
            "blocked_norm.DataGradient", [dy, x, mean, inverse, sums, *scale, *output], [dx], inplace=[(0, 0), (0, 1)],
            has_gamma=not p.fix_gamma, has_relu=p.relu,
        )  # fmt: skip
    low.step(
        "norm.UpdateMoving", [mean, inverse, moving_mean, moving_var], [moving_mean, moving_var],
        momentum=p.momentum, eps=p.eps,
    )  # fmt: skip


register(
    Op(
        name="_BlockedBatchNormGradient",
        doc="Gradients of `_BlockedBatchNorm`; also updates the moving averages.",
        params=BlockedBatchNormParams,
        inputs=_gradient_inputs,
        aux=("moving_mean", "moving_var"),
        outputs=("data_grad", "gamma_grad", "beta_grad"),
        infer_shape=_gradient_shapes,
        lower=_gradient_lower,
        hidden=True,
    )
)
