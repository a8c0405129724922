"""UpSampling: images made larger, by repetition or by a transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import ShapeError
from . import params as P
from .convolution import ConvolutionParams, add_data_gradient, conv_arguments
from .infer import unify
from .registry import register
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype


class UpSamplingParams(P.Params):
    """Parameters of UpSampling."""

    scale = P.Int(min=1, doc="Up sampling scale.")
    num_filter = P.Int(default=0, min=0, doc="Accepted and ignored: bilinear sampling has a filter for each channel.")
    sample_type = P.Enum("bilinear", "nearest", doc="Upsampling method.")
    multi_input_mode = P.Enum(
        "concat", "sum", default="concat",
        doc="How to handle multiple input: concatenate the upsampled images along the channels, or add them (nearest only).",
    )  # fmt: skip
    num_args = P.Count(default=1, doc="Number of inputs to be upsampled.")
    workspace = P.Int(default=512, min=0, doc="Accepted and ignored: workspaces are planned at bind.")


def _inputs(p):
    if p.sample_type == "bilinear":
        return ("data", "weight")
    return tuple(f"arg{i}" for i in range(p.num_args))


def _deconvolution(p: Any, channels: int) -> dict[str, Any]:
    """Parameters of the Deconvolution that bilinear sampling is."""
    size, pad = 2 * p.scale - p.scale % 2, p.scale // 2
    return {
        "kernel": (size, size), "stride": (p.scale, p.scale), "pad": (pad, pad), "num_filter": channels,
        "num_group": channels,
    }  # fmt: skip


def _infer_shape(p, ins, outs):
    data = ins[0]
    if data is None:
        return ins, outs
    for shape in ins[: 1 if p.sample_type == "bilinear" else None]:
        if shape is not None and len(shape) != 4:
            raise ShapeError(f"inputs must have 4 dimensions, found {shape}")
    size = tuple(-1 if n < 0 else n * p.scale for n in data[2:])
    if p.sample_type == "bilinear":
        kernel = 2 * p.scale - p.scale % 2
        weight = unify(ins[1], (data[1], 1, kernel, kernel), "weight and (channels, 1, kernel, kernel)")
        out = unify(outs[0], (data[0], data[1], *size), "output")
        return [(out[0], *data[1:]), weight], [out]
    batch, channels = data[0], 0
    for i, shape in enumerate(ins):
        if shape is None:
            channels = -1
            continue
        batch = unify((batch,), shape[:1], "batches")[0]
        if p.multi_input_mode == "sum":
            channels = shape[1] if i == 0 else unify((channels,), shape[1:2], "channels of summed inputs")[0]
        else:
            channels = -1 if -1 in (channels, shape[1]) else channels + shape[1]
        for n, whole in zip(shape[2:], size):
            if n == 0 and whole or n > 0 and whole >= 0 and whole % n:
                raise ShapeError(f"input {i} is {shape}, whose extent {n} does not divide the output's {whole}")
    out = unify(outs[0], (batch, channels, *size), "output")
    return [None if s is None else (out[0], *s[1:]) for s in ins], [out]


def _repeat(low, dst: View, src) -> None:
    """Write each pixel of `src` to its block of `dst`, a view of shape (batch, channels, y, x)."""
    n, c, h, w = src.shape
    sy, sx = dst.shape[2] // max(h, 1), dst.shape[3] // max(w, 1)
    blocks = View(
        dst.ref, (n, c, h, sy, w, sx),
        (*dst.strides[:2], dst.strides[2] * sy, dst.strides[2], dst.strides[3] * sx, dst.strides[3]), dst.offset,
    )  # fmt: skip
    move(low, blocks, View.of(src).insert(3, sy).insert(5, sx))


def _lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    out = View.of(low.outs[0])
    if node.params.multi_input_mode == "sum" and len(low.ins) > 1:
        parts = []
        for ref in low.ins:
            part = low.workspace(out.shape, out.ref.dtype)
            _repeat(low, View.of(part), ref)
            parts.append(part)
        count = len(parts)
        code = [Instr("add", (0, 1))] + [Instr("add", (count + i - 2, i)) for i in range(2, count)]
        low.elementwise(code, parts, [low.outs[0]])
        return
    start = 0
    for ref in low.ins:
        _repeat(low, out.cut(1, start, ref.shape[1]), ref)
        start += ref.shape[1]


def _lower_any(low, node):
    if node.params.sample_type == "nearest":
        _lower(low, node)
        return
    data, out = node.in_shapes[0], node.shapes[0]
    p = ConvolutionParams(**_deconvolution(node.params, data[1]), no_bias=True)
    add_data_gradient(low, low.ins[0], low.ins[1], None, low.outs[0], conv_arguments(p, out, data[1], data))


def _gradient(g, node, ograds):
    p, (grad,) = node.params, ograds
    if p.sample_type == "bilinear":
        made = g.node(
            "_backward_Deconvolution", grad, *node.inputs, no_bias=True, **_deconvolution(p, node.in_shapes[0][1])
        )
        return [made[0], made[1]]
    grads, start = [], 0
    for entry in node.inputs:
        part, shape = grad, entry.shape
        if p.multi_input_mode == "concat" and len(node.inputs) > 1:
            part = g("slice_axis", grad, axis=1, begin=start, end=start + shape[1])
            start += shape[1]
        scale = tuple(whole // max(n, 1) for whole, n in zip(node.shapes[0][2:], shape[2:]))
        grads.append(g("Pooling", part, kernel=scale, stride=scale, pool_type="sum"))
    return grads


def _reference(p, *ins, is_train=False):
    if p.sample_type == "bilinear":
        from . import registry

        op = registry.get("Deconvolution")
        return op.reference(op.params(**_deconvolution(p, ins[0].shape[1])), *ins)
    size = [n * p.scale for n in ins[0].shape[2:]]
    parts = [x.repeat(size[0] // x.shape[2], axis=2).repeat(size[1] // x.shape[3], axis=3) for x in ins]
    return sum(parts[1:], parts[0]) if p.multi_input_mode == "sum" else np.concatenate(parts, axis=1)


def _several(shapes, **params):
    return Case(
        {f"arg{i}": s for i, s in enumerate(shapes)}, {"sample_type": "nearest", "num_args": len(shapes), **params}
    )


register(
    Op(
        name="UpSampling",
        doc="Upsample the images of the inputs by repetition (nearest) or by a transposed convolution (bilinear).",
        params=UpSamplingParams,
        inputs=_inputs,
        variadic="num_args",
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower_any,
        reference=_reference,
        cases=(
            Case(
                {"arg0": (2, 3, 4, 5)}, {"scale": 2, "sample_type": "nearest"}, dtypes=("float32", "float64", "float16")
            ),
            _several([(2, 3, 2, 3), (2, 1, 4, 6)], scale=4),
            _several([(2, 3, 2, 3), (2, 3, 4, 6)], scale=4, multi_input_mode="sum"),
            _several([(2, 3, 2, 3), (2, 1, 6, 3), (2, 2, 1, 9)], scale=3),
            _several([(2, 3, 2, 3), (2, 3, 4, 1), (2, 3, 1, 2)], scale=2, multi_input_mode="sum"),
            Case(
                {"data": (2, 3, 3, 4), "weight": (3, 1, 4, 4)}, {"scale": 2, "sample_type": "bilinear", "num_filter": 3}
            ),
            Case(
                {"data": (1, 1, 3, 2), "weight": (1, 1, 5, 5)}, {"scale": 3, "sample_type": "bilinear", "num_filter": 1}
            ),
        ),
    )
)
