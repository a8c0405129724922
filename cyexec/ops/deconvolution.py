"""Deconvolution (transposed convolution): the steps of Convolution with the roles of data and output exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import ShapeError
from . import params as P
from .convolution import (
    ConvolutionParams,
    add_channel_sums,
    add_data_gradient,
    add_forward,
    add_weight_gradient,
    conv_arguments,
    geometry,
)
from .convolution import _backward_reference as conv_backward_reference
from .convolution import _reference as conv_reference
from .infer import unify
from .registry import register
from .schema import Case, Op
from .windows import LAYOUTS, float_dtype, spread


class DeconvolutionParams(P.Params):
    """Parameters of Deconvolution."""

    kernel = P.Shape(doc="Deconvolution kernel size: (w,), (h, w) or (d, h, w): that of the corresponding convolution.")
    stride = P.Shape(
        default=(), doc="The stride used for the corresponding convolution. Defaults to 1 for each dimension."
    )
    dilate = P.Shape(default=(), doc="Dilation factor for each dimension. Defaults to 1 for each dimension.")
    pad = P.Shape(
        default=(),
        doc="Zero padding of the corresponding convolution; ignored with `target_shape`. Defaults to no padding.",
    )
    adj = P.Shape(
        default=(), doc="Adjustment for output shape: (w,), (h, w) or (d, h, w); ignored with `target_shape`."
    )
    target_shape = P.Shape(default=(), doc="Spatial shape of the output; `pad` and `adj` are computed to give it.")
    num_filter = P.Int(min=1, doc="Number of output filters.")
    num_group = P.Int(default=1, min=1, doc="Number of group partitions.")
    workspace = P.Int(
        default=512, min=0, doc="Accepted and ignored: workspaces are planned at bind (MXNet: MB allowed)."
    )
    no_bias = P.Bool(default=True, doc="Whether to disable bias parameter.")
    cudnn_tune = ConvolutionParams.cudnn_tune
    cudnn_off = ConvolutionParams.cudnn_off
    layout = ConvolutionParams.layout


def _whole(n: int, kernel: int, stride: int, dilate: int) -> int:
    """Extent of the output before anything is cut away."""
    return (n - 1) * stride + dilate * (kernel - 1) + 1


def _cuts(p: Any, size: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return pad and adj for each axis: given, or what makes `target_shape` of input extents `size`."""
    kernel, stride, dilate, pad = geometry(p, "Deconvolution")
    rank = len(kernel)
    adj = spread(p.adj, rank, 0, "adj")
    if any(p.target_shape):
        target = spread(p.target_shape, rank, 0, "target_shape")
        excess = []
        for n, k, s, d, t in zip(size, kernel, stride, dilate, target):
            excess.append(_whole(n, k, s, d) - t if n >= 0 else 0)
            if t < 1 or excess[-1] < 0:
                raise ShapeError(
                    f"target_shape={target} is not within what kernel={kernel}, stride={stride} make of {size}"
                )
        pad, adj = tuple((e + 1) // 2 for e in excess), tuple(e % 2 for e in excess)
    if any(a >= s for a, s in zip(adj, stride)):
        raise ShapeError(f"adj={adj} must be smaller than stride={stride}")
    return pad, adj


def _infer_shape(p, ins, outs):
    kernel, stride, dilate, _ = geometry(p, "Deconvolution")
    rank = len(kernel)
    data, weight, out = ins[0], ins[1], outs[0]
    if data is None:  # MXNet claims nothing then
        return ins, outs
    if len(data) != rank + 2:
        raise ShapeError(f"data is {data}; kernel={kernel} needs {rank + 2} dimensions ({LAYOUTS[rank]})")
    pad, adj = _cuts(p, data[2:])
    channels = data[1]
    if channels < 0 and weight is not None and len(weight) == rank + 2:
        channels = weight[0]
    if channels >= 0 and channels % p.num_group:
        raise ShapeError(f"data has {channels} channels, not a multiple of num_group={p.num_group}")
    expected = (channels, p.num_filter // p.num_group, *kernel)
    try:
        weight = unify(weight, expected)
    except ShapeError:
        raise ShapeError(
            f"weight is {weight} but data has {channels} channels (num_group={p.num_group}); expected {expected}"
        ) from None
    extents = tuple(
        -1 if n < 0 else _whole(n, k, s, d) - 2 * c + a
        for n, k, s, d, c, a in zip(data[2:], kernel, stride, dilate, pad, adj)
    )
    if any(p.target_shape):
        extents = tuple(p.target_shape)
    if any(e == 0 or e < -1 for e in extents):
        raise ShapeError(f"pad={pad} leaves nothing of the output, data {data}")
    out = unify(out, (data[0], p.num_filter, *extents), "output")
    rest = [] if p.no_bias else [unify(ins[2], (p.num_filter,), "bias and (num_filter,)")]
    return [(out[0], channels, *data[2:]), weight, *rest], [out]


def convolution_of(p: Any, data: tuple[int, ...]) -> ConvolutionParams:
    """Parameters of the convolution that this undoes: from the output's shape to the data's."""
    return ConvolutionParams(
        kernel=p.kernel, stride=p.stride, dilate=p.dilate, pad=_cuts(p, data[2:])[0], num_filter=data[1],
        num_group=p.num_group, no_bias=True,
    )  # fmt: skip


def _lower(low, node):
    p, data, out = node.params, node.in_shapes[0], node.shapes[0]
    a = conv_arguments(convolution_of(p, data), out, data[1], data)
    add_data_gradient(low, low.ins[0], low.ins[1], None if p.no_bias else low.ins[2], low.outs[0], a)


def _gradient(g, node, ograds):
    made = g.node("_backward_Deconvolution", ograds[0], *node.inputs[:2], like=node.params)
    return [made[i] for i in range(len(node.inputs))]


def _reference(p, data, weight, bias=None, is_train=False):
    out = _infer_shape(p, [data.shape, weight.shape, None], [None])[1][0]
    like = np.zeros(out, data.dtype)
    result = conv_backward_reference(convolution_of(p, data.shape), data, like, weight)[0].astype(np.float64)
    if bias is not None:
        result += bias.reshape(-1, *(1,) * (data.ndim - 2))
    return result.astype(data.dtype)


def _inputs(p):
    return ("data", "weight") if p.no_bias else ("data", "weight", "bias")


def _case(data, weight, bias=False, params=None, **kw):
    params = {"kernel": weight[2:], **(params or {}), **({"no_bias": False} if bias else {})}
    params["num_filter"] = weight[1] * params.get("num_group", 1)
    return Case({"data": data, "weight": weight, **({"bias": (params["num_filter"],)} if bias else {})}, params, **kw)


register(
    Op(
        name="Deconvolution",
        doc="Compute N-D transposed convolution of (N+2)-D data: the gradient of a convolution by its data.\n\n"
        "MXNet's forward is wrong (not what its own gradient belongs to) where stride and dilate are both more than 1, and it\n"
        "has no 3-D; here both are computed as defined.",
        params=DeconvolutionParams,
        inputs=_inputs,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(
            _case((2, 3, 4, 5), (3, 2, 3, 3), True),
            _case((2, 3, 4, 5), (3, 2, 4, 3), params={"stride": (2, 3), "pad": (1, 1), "adj": (1, 2)}),
            _case((1, 4, 4, 3), (4, 2, 3, 3), True, {"num_group": 2, "stride": (2, 2), "dilate": (2, 1)}),
            _case((1, 3, 4, 3), (3, 1, 4, 4), params={"num_group": 3, "stride": (2, 2), "pad": (1, 1)}),
            _case((2, 3, 4), (3, 2, 3), True, {"stride": (2,), "target_shape": (8,)}),
            _case((1, 2, 2, 3, 2), (2, 3, 2, 2, 3), params={"stride": (1, 2, 2), "pad": (0, 1, 1)}),
            _case((2, 4, 5, 5), (4, 6, 1, 1), True),
            _case((3, 20, 7, 7), (20, 16, 4, 4), params={"stride": (2, 2), "pad": (1, 1)}, grad=False, atol=1e-5),
        ),
    )
)


def _backward_lower(low, node):
    p = node.params
    ograd, data, weight = low.ins
    a = conv_arguments(convolution_of(p, node.in_shapes[1]), node.in_shapes[0], node.in_shapes[1][1], node.in_shapes[1])
    if low.used(0):
        add_forward(low, ograd, weight, None, low.outs[0], a)
    if low.used(1):
        add_weight_gradient(low, ograd, data, low.outs[1], a)
    if not p.no_bias and low.used(2):
        add_channel_sums(low, ograd, low.outs[2])


def _backward_reference(p, ograd, data, weight, is_train=False):
    conv = convolution_of(p, data.shape)
    grads = [conv_reference(conv, ograd, weight), conv_backward_reference(conv, data, ograd, weight)[1]]
    if not p.no_bias:
        grads.append(ograd.astype(np.float64).sum(axis=(0, *range(2, ograd.ndim))).astype(data.dtype))
    return tuple(grads)


register(
    Op(
        name="_backward_Deconvolution",
        doc="Gradients of Deconvolution.",
        params=DeconvolutionParams,
        inputs=("ograd", "data", "weight"),
        outputs=_inputs,
        infer_shape=lambda p, ins, outs: (ins, [ins[1], ins[2]] + ([] if p.no_bias else [(p.num_filter,)])),
        lower=_backward_lower,
        reference=_backward_reference,
        hidden=True,
        cases=(
            Case(
                {"ograd": (2, 2, 6, 7), "data": (2, 3, 4, 5), "weight": (3, 2, 3, 3)},
                {"kernel": (3, 3), "num_filter": 2, "no_bias": False},
            ),
        ),
    )
)
