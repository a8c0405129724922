"""Deconvolution in blocked layout: the steps of a blocked convolution with the roles of data and output exchanged.

Made by `passes/block_layout.py` only. The parameters are those of the convolution that a Deconvolution undoes: its data are
the Deconvolution's output, its output is the Deconvolution's data.
"""

from __future__ import annotations

from functools import lru_cache

from ..lowering import blocked, blocked_data, blocked_gradient
from .blocked import BlockedConvolutionParams, blocked_shape, geometry_of
from .infer import unify
from .registry import register
from .schema import Op


def _data_shape(p) -> tuple[int, ...]:
    """Blocked shape of the Deconvolution's data."""
    a = geometry_of(p)
    return blocked_shape((a["batch"], a["filters"], *a["out_size"][3 - len(p.kernel) :]))


def _weight_shape(p) -> tuple[int, ...]:
    return (p.num_filter, p.data_shape[1] // p.num_group, *p.kernel)


def _bias_shapes(p) -> list[tuple[int, ...]]:
    return [] if p.no_bias else [(p.data_shape[1],)]


def _with_bias(p, *names: str) -> tuple[str, ...]:
    return names if p.no_bias else (*names, "bias")


@lru_cache(maxsize=1024)
def _packed_shapes(p) -> tuple[tuple[int], ...]:
    """Of the packed weights of each part (`blocked_data.parts`)."""
    return tuple((size,) for size in blocked_data.packed_sizes(geometry_of(p)))


def _packed_names(p) -> tuple[str, ...]:
    return tuple(f"packed{i}" for i in range(len(_packed_shapes(p))))


register(
    Op(
        name="_PackDeconvolution",
        doc="Lay out the weights of a Deconvolution as its kernels read them.",
        params=BlockedConvolutionParams,
        inputs=("weight",),
        outputs=_packed_names,
        infer_shape=lambda p, ins, outs: ([unify(ins[0], _weight_shape(p))], list(_packed_shapes(p))),
        lower=lambda low, node: blocked_data.add_packing(low, low.ins[0], low.outs, geometry_of(node.params)),
        hidden=True,
    )
)


def _inputs(p):
    """Weights that change from run to run are packed by the steps that use them."""
    return _with_bias(p, "data", *(("weight",) if p.repacked else _packed_names(p)))


def _shapes(p, ins, outs):
    weights = [_weight_shape(p)] if p.repacked else _packed_shapes(p)
    given = [_data_shape(p), *weights, *_bias_shapes(p)]
    return [unify(a, b) for a, b in zip(given, ins)], [blocked_shape(p.data_shape)]


def _lower(low, node):
    p, out, geometry = node.params, low.outs[0], geometry_of(node.params)
    data, *weights = low.ins if p.no_bias else low.ins[:-1]
    if p.repacked:
        blocked_data.add_data_gradient(low, data, *weights, out, geometry)
    else:
        blocked_data.add_packed_data_gradient(low, data, weights, out, geometry)
    if not p.no_bias:
        blocked.add_scale_shift(low, out, out, p.data_shape[1], shift=low.ins[-1])


register(
    Op(
        name="_BlockedDeconvolution",
        doc="Deconvolution of data in blocked layout.",
        params=BlockedConvolutionParams,
        inputs=_inputs,
        infer_shape=_shapes,
        lower=_lower,
        hidden=True,
    )
)


def _gradient_shapes(p, ins, outs):
    given = [blocked_shape(p.data_shape), _data_shape(p), _weight_shape(p)]
    return [unify(a, b) for a, b in zip(given, ins)], [_data_shape(p), _weight_shape(p), *_bias_shapes(p)]


def _gradient_lower(low, node):
    ograd, data, weight = low.ins
    a = geometry_of(node.params)
    if low.used(0):
        blocked.add_conv(low, ograd, weight, low.outs[0], a, blocked.choose(a, repacked=True), packs=True)
    if low.used(1):
        blocked_gradient.add_weight_gradient(low, ograd, data, low.outs[1], a, "blocked")
    if not node.params.no_bias and low.used(2):
        blocked_gradient.add_channel_sums(low, ograd, low.outs[2])


register(
    Op(
        name="_BlockedDeconvolutionGradient",
        doc="Gradients of a Deconvolution: of the data in blocked layout, of weight and bias plain.",
        params=BlockedConvolutionParams,
        inputs=("ograd", "data", "weight"),
        outputs=lambda p: _with_bias(p, "data", "weight"),
        infer_shape=_gradient_shapes,
        lower=_gradient_lower,
        hidden=True,
    )
)
