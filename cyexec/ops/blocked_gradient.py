"""Gradients of convolutions in blocked layout. Made by `passes/block_layout.py` only."""

from __future__ import annotations

from ..lowering import blocked_data, blocked_gradient
from .blocked import BlockedConvolutionParams, blocked_shape, geometry_of
from .infer import unify
from .registry import register
from .schema import Op


def _shapes(p, ins, outs):
    a = geometry_of(p)
    data = blocked_shape(p.data_shape)
    ograd = blocked_shape((a["batch"], a["filters"], *a["out_size"][3 - len(p.kernel) :]))
    weight = (p.num_filter, p.data_shape[1] // p.num_group, *p.kernel)
    bias = [] if p.no_bias else [(p.num_filter,)]
    given = [ograd, p.data_shape if p.plain else data, weight]
    return [unify(a, b) for a, b in zip(given, ins)], [data, weight, *bias]


def _lower(low, node):
    p, (ograd, data, weight) = node.params, low.ins
    a = geometry_of(p)
    if low.used(0):
        blocked_data.add_data_gradient(low, ograd, weight, low.outs[0], a)
    if low.used(1):
        blocked_gradient.add_weight_gradient(low, data, ograd, low.outs[1], a, "plain" if p.plain else "blocked")
    if not p.no_bias and low.used(2):
        blocked_gradient.add_channel_sums(low, ograd, low.outs[2])


register(
    Op(
        name="_BlockedConvolutionGradient",
        doc="Gradients of a convolution: of the data in blocked layout, of weight and bias plain.",
        params=BlockedConvolutionParams,
        inputs=("ograd", "data", "weight"),
        outputs=lambda p: ("data", "weight") if p.no_bias else ("data", "weight", "bias"),
        infer_shape=_shapes,
        lower=_lower,
        hidden=True,
    )
)
