"""Convolution in one, two and three dimensions."""

from __future__ import annotations

from functools import partial
from itertools import product as indices
from typing import Any

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import UNPACKED, WIDEST_TILE, gemm_variants, no_workspace, unpacked
from ..lowering.program import Variant, Variants
from . import params as P
from .infer import product, unify
from .registry import register
from .schema import Case, Op
from .windows import LAYOUTS, check_layout, check_positive, float_dtype, spread, three

COLUMNS = 1 << 20  # elements of the matrix of patches that a data gradient holds at a time (4 MiB of float32)


class ConvolutionParams(P.Params):
    """Parameters of Convolution."""

    kernel = P.Shape(doc="Convolution kernel size: (w,), (h, w) or (d, h, w).")
    stride = P.Shape(default=(), doc="Convolution stride: (w,), (h, w) or (d, h, w). Defaults to 1 for each dimension.")
    dilate = P.Shape(default=(), doc="Convolution dilate: (w,), (h, w) or (d, h, w). Defaults to 1 for each dimension.")
    pad = P.Shape(default=(), doc="Zero pad for convolution: (w,), (h, w) or (d, h, w). Defaults to no padding.")
    num_filter = P.Int(min=1, doc="Convolution filter(channel) number.")
    num_group = P.Int(default=1, min=1, doc="Number of group partitions.")
    workspace = P.Int(
        default=1024, min=0, doc="Accepted and ignored: workspaces are planned at bind (MXNet: MB allowed)."
    )
    no_bias = P.Bool(default=False, doc="Whether to disable bias parameter.")
    cudnn_tune = P.Enum("fastest", "limited_workspace", "off", default=None, doc="Accepted and ignored (GPU only).")
    cudnn_off = P.Bool(default=False, doc="Accepted and ignored (GPU only).")
    layout = P.Enum(
        "NCDHW", "NCHW", "NCW", "NDHWC", "NHWC", default=None,
        doc="Layout of input, output and weight: NCW, NCHW or NCDHW; the others are an error on CPU.",
    )  # fmt: skip


def geometry(
    p: Any, op: str = "Convolution"
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return kernel, stride, dilate and pad with a value for each spatial axis. Raises ShapeError for impossible ones."""
    rank = len(p.kernel)
    if rank not in LAYOUTS:
        raise ShapeError(f"kernel={p.kernel} must have 1, 2 or 3 values")
    check_layout(p.layout, rank, op)
    stride, dilate = spread(p.stride, rank, 1, "stride"), spread(p.dilate, rank, 1, "dilate")
    pad = spread(p.pad, rank, 0, "pad")
    for values, name in ((p.kernel, "kernel"), (stride, "stride"), (dilate, "dilate")):
        check_positive(values, name)
    if min(pad) < 0:
        raise ShapeError(f"pad must not be negative, found {pad}")
    if p.num_filter % p.num_group:
        raise ShapeError(f"num_filter={p.num_filter} is not a multiple of num_group={p.num_group}")
    return p.kernel, stride, dilate, pad


def _infer_shape(p, ins, outs):
    kernel, stride, dilate, pad = geometry(p)
    rank = len(kernel)
    data, weight, out = ins[0], ins[1], outs[0]
    if data is None:  # MXNet claims nothing then
        return ins, outs
    if len(data) != rank + 2:
        raise ShapeError(f"data is {data}; kernel={kernel} needs {rank + 2} dimensions ({LAYOUTS[rank]})")
    data = list(data)
    out = list(unify(out, (-1, p.num_filter) + (-1,) * rank, "output and (batch, num_filter, ...)"))
    data[0] = out[0] = unify(tuple(data[:1]), tuple(out[:1]), "batch of data and output")[0]
    if weight is not None and len(weight) == rank + 2 and data[1] < 0 and weight[1] >= 0:
        data[1] = weight[1] * p.num_group
    if data[1] >= 0:
        if data[1] % p.num_group:
            raise ShapeError(f"data has {data[1]} channels, not a multiple of num_group={p.num_group}")
        expected = (p.num_filter, data[1] // p.num_group, *kernel)
        try:
            weight = unify(weight, expected)
        except ShapeError:
            raise ShapeError(
                f"weight is {weight} but data has {data[1]} channels (num_group={p.num_group}); expected {expected}"
            ) from None
    else:
        weight = unify(weight, (p.num_filter, -1, *kernel), "weight and (num_filter, channels, *kernel)")
    for d in range(rank):
        reach = dilate[d] * (kernel[d] - 1) + 1
        if data[d + 2] >= 0:
            size = data[d + 2] + 2 * pad[d]
            if size < reach:
                raise ShapeError(
                    f"kernel={kernel} with dilate={dilate} exceeds the padded input, data {tuple(data)} and pad={pad}"
                )
            out[d + 2] = unify((out[d + 2],), ((size - reach) // stride[d] + 1,), "output")[0]
        elif out[d + 2] >= 0 and stride[d] == 1:
            data[d + 2] = out[d + 2] + reach - 1 - 2 * pad[d]
    rest = [] if p.no_bias else [unify(ins[2], (p.num_filter,), "bias and (num_filter,)")]
    return [tuple(data), weight, *rest], [tuple(out)]


def conv_arguments(p: Any, data: tuple[int, ...], filters: int, out: tuple[int, ...]) -> dict[str, Any]:
    """Geometry as the steps of ``kernels/conv.pxi`` take it, for the convolution from shape `data` to shape `out`."""
    kernel, stride, dilate, pad = geometry(p)
    return {
        "batch": data[0], "channels": data[1], "filters": filters, "groups": p.num_group,
        "in_size": three(data[2:], 1), "taps": three(kernel, 1), "stride": three(stride, 1),
        "dilate": three(dilate, 1), "pad": three(pad, 0), "out_size": three(out[2:], 1),
    }  # fmt: skip


def _is_depthwise(a: dict[str, Any]) -> bool:
    return a["groups"] > 1 and a["groups"] == a["channels"] and a["filters"] // a["groups"] <= 4


def _is_pointwise(a: dict[str, Any]) -> bool:
    return a["taps"] == a["stride"] == (1, 1, 1) and a["pad"] == (0, 0, 0) and a["in_size"] == a["out_size"]


def add_forward(low, x, w, bias, y, a) -> None:
    """Add the step y = convolution of x with w (+ bias)."""
    rows, positions = a["channels"] // a["groups"] * product(a["taps"]), product(a["out_size"])
    variants: Variants = no_workspace
    if not _is_depthwise(a):
        variants = gemm_variants(a["filters"] // a["groups"], positions, rows, a["batch"])
    low.scratch_step("conv.Forward", variants, [x, w] + ([] if bias is None else [bias]), [y], **a)


def _data_gradient_variants(a) -> Variants:
    """Ways to make the data gradient: by a matrix of patches, of as many channels, then images, as its room has space for."""
    taps, positions = product(a["taps"]), product(a["out_size"])
    channels, filters = a["channels"] // a["groups"], a["filters"] // a["groups"]
    product_of = partial(gemm_variants, channels * taps, positions, filters, a["batch"])
    if _is_depthwise(a):
        return no_workspace
    if _is_pointwise(a):
        return product_of()
    one, gemm = taps * positions, product_of()
    most = max(1, min(channels * a["batch"], COLUMNS // max(one, 1)))  # planes (`conv_data_chunk` divides the same way)
    # Products too small for the packed path add up in another order, and all ways must give the same bits.
    least = 1
    if not unpacked(min(most, channels) * taps, positions, filters, True, False):
        least = max(WIDEST_TILE // taps + 1, UNPACKED // (taps * positions * filters) + 1)

    def within(room: int | None) -> Variant:
        planes, size = most, gemm(None).size
        if room is not None and most * one + size > room:
            planes = max(min(most, least), min(most, room * 2 // 3 // one))
            size = gemm(max(0, room - planes * one)).size
        return Variant({"columns": planes * one}, planes * one + size)

    return within


def add_data_gradient(low, dy, w, bias, dx, a) -> None:
    """Add the step dx = transposed convolution of dy with w (+ bias)."""
    reads = [dy, w] + ([] if bias is None else [bias])
    low.scratch_step("conv.DataGradient", _data_gradient_variants(a), reads, [dx], **a)


def add_weight_gradient(low, x, dy, dw, a) -> None:
    """Add the step dw = gradient of a convolution's weights."""
    rows, positions = a["channels"] // a["groups"] * product(a["taps"]), product(a["out_size"])
    variants: Variants = no_workspace
    if not _is_depthwise(a):
        variants = gemm_variants(a["filters"] // a["groups"], rows, positions, k_batch=a["batch"])
    low.scratch_step("conv.WeightGradient", variants, [x, dy], [dw], **a)


def add_channel_sums(low, x, out) -> None:
    """Add the step out[c] = sum of x over batch and positions."""
    low.step("conv.ChannelSums", [x], [out], batch=x.shape[0], channels=x.shape[1], size=product(x.shape[2:]))


def _lower(low, node):
    p = node.params
    a = conv_arguments(p, node.in_shapes[0], p.num_filter, node.shapes[0])
    add_forward(low, low.ins[0], low.ins[1], None if p.no_bias else low.ins[2], low.outs[0], a)


def _gradient(g, node, ograds):
    made = g.node("_backward_Convolution", ograds[0], *node.inputs[:2], like=node.params)
    return [made[i] for i in range(len(node.inputs))]


def _taps(p, x, out_size):
    """For every kernel tap: its index and the input elements that the outputs multiply with it, from padded `x`."""
    kernel, stride, dilate, pad = geometry(p)
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0)] + [(d, d) for d in pad])
    for tap in indices(*map(range, kernel)):
        where = tuple(slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilate, out_size, stride))
        yield tap, padded[(..., *where)]


def _grouped(x, groups, axis):
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])


def _reference(p, data, weight, bias=None, is_train=False):
    out_size = _infer_shape(p, [data.shape, weight.shape, None], [None])[1][0][2:]
    w = _grouped(weight.astype(np.float64), p.num_group, 0)
    out = 0
    for tap, x in _taps(p, data, out_size):
        out = out + np.einsum("gfc,ngc...->ngf...", w[(..., *tap)], _grouped(x, p.num_group, 1))
    out = out.reshape(len(data), p.num_filter, *out_size)
    if bias is not None:
        out += bias.reshape(-1, *(1,) * len(out_size))
    return out.astype(data.dtype)


def _inputs(p):
    return ("data", "weight") if p.no_bias else ("data", "weight", "bias")


def _case(data, weight, bias=True, params=None, **kw):
    shapes = {"data": data, "weight": weight, **({"bias": (weight[0],)} if bias else {})}
    params = {"num_filter": weight[0], "kernel": weight[2:], **({} if bias else {"no_bias": True}), **(params or {})}
    return Case(shapes, params, **kw)


CASES = (
    _case((2, 3, 7, 6), (4, 3, 3, 3), dtypes=("float32", "float64", "float16")),
    _case((2, 3, 7, 6), (4, 3, 3, 2), params={"stride": (2, 1), "pad": (1, 2)}),
    _case((1, 2, 9, 8), (3, 2, 2, 3), bias=False, params={"dilate": (2, 3), "stride": (1, 2), "pad": (2, 1)}),
    _case((3, 4, 5, 5), (6, 2, 3, 3), params={"num_group": 2, "pad": (1, 1)}),
    _case((2, 4, 6, 6), (4, 1, 3, 3), params={"num_group": 4, "pad": (1, 1), "stride": (2, 2)}),
    _case((2, 3, 5, 20), (6, 1, 3, 3), params={"num_group": 3, "pad": (1, 1), "layout": "NCHW"}),
    _case((3, 5, 4, 3), (4, 5, 1, 1)),
    _case((2, 4, 5, 5), (4, 2, 1, 1), params={"num_group": 2, "stride": (2, 2)}),
    _case((2, 3, 11), (4, 3, 4), params={"stride": (3,), "pad": (2,), "dilate": (2,)}),
    _case((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), params={"pad": (1, 0, 1), "stride": (1, 2, 1)}),
    _case((2, 6, 14, 15), (8, 6, 5, 5), params={"pad": (2, 2)}, grad=False),
    _case((4, 20, 9, 9), (40, 20, 3, 3), params={"pad": (1, 1)}, grad=False, atol=1e-5),
)

register(
    Op(
        name="Convolution",
        aliases=("Convolution_v1",),
        doc="Compute N-D convolution of (N+2)-D data with a bank of filters.",
        params=ConvolutionParams,
        inputs=_inputs,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=CASES,
    )
)


def _backward_infer(p, ins, outs):
    geometry(p)
    return ins, [unify(outs[0], ins[1]), unify(outs[1], ins[2])] + ([] if p.no_bias else [(p.num_filter,)])


def _backward_lower(low, node):
    p = node.params
    ograd, data, weight = low.ins
    a = conv_arguments(p, node.in_shapes[1], p.num_filter, node.in_shapes[0])
    if low.used(0):
        add_data_gradient(low, ograd, weight, None, low.outs[0], a)
    if low.used(1):
        add_weight_gradient(low, data, ograd, low.outs[1], a)
    if not p.no_bias and low.used(2):
        add_channel_sums(low, ograd, low.outs[2])


def _backward_reference(p, ograd, data, weight, is_train=False):
    kernel, stride, dilate, pad = geometry(p)
    dy, w = _grouped(ograd.astype(np.float64), p.num_group, 1), _grouped(weight.astype(np.float64), p.num_group, 0)
    padded_grad = np.pad(np.zeros(data.shape), [(0, 0), (0, 0)] + [(d, d) for d in pad])
    dw = np.zeros(w.shape)
    for tap, x in _taps(p, data, ograd.shape[2:]):
        dw[(..., *tap)] = np.einsum(
            "ngfs,ngcs->gfc",
            dy.reshape(*dy.shape[:3], -1),
            _grouped(x, p.num_group, 1).reshape(len(x), p.num_group, w.shape[2], -1),
        )
    for tap in indices(*map(range, kernel)):
        where = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilate, ograd.shape[2:], stride)
        )
        part = np.einsum("gfc,ngf...->ngc...", w[(..., *tap)], dy)
        padded_grad[(..., *where)] += part.reshape(len(data), -1, *ograd.shape[2:])
    inner = tuple(slice(d, d + n) for d, n in zip(pad, data.shape[2:]))
    grads = [padded_grad[(..., *inner)], dw.reshape(weight.shape)]
    if not p.no_bias:
        grads.append(ograd.astype(np.float64).sum(axis=(0, *range(2, ograd.ndim))))
    return tuple(a.astype(data.dtype) for a in grads)


register(
    Op(
        name="_backward_Convolution",
        doc="Gradients of Convolution.",
        params=ConvolutionParams,
        inputs=("ograd", "data", "weight"),
        outputs=_inputs,
        infer_shape=_backward_infer,
        lower=_backward_lower,
        reference=_backward_reference,
        hidden=True,
        cases=(
            Case({"ograd": (2, 4, 5, 4), "data": (2, 3, 7, 6), "weight": (4, 3, 3, 3)}, {"kernel": (3, 3), "num_filter": 4}),
            Case({"ograd": (40, 24, 6, 6), "data": (40, 20, 6, 6), "weight": (24, 20, 3, 3)},
                 {"kernel": (3, 3), "pad": (1, 1), "num_filter": 24}, atol=1e-4),
            Case({"ograd": (5, 24, 6, 6), "data": (5, 20, 6, 6), "weight": (24, 20, 1, 1)},
                 {"kernel": (1, 1), "num_filter": 24, "no_bias": True}, atol=1e-5),
        ),
    )
)  # fmt: skip
