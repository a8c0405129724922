"""Deformable convolutions: the kernel's places move by offsets that the network computed (Dai et al., 2017; Zhu et al., 2019).

Each image is gathered into columns, bilinearly interpolated, and multiplied with the weights.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from ..lowering.lower import Instr
from . import params as P
from .convolution import ConvolutionParams, geometry
from .infer import product, unify
from .reducing import reduce_step
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


class DeformableParams(P.Params):
    """Parameters of DeformableConvolution."""

    kernel = P.Shape(doc="Convolution kernel size: (h, w).")
    stride = P.Shape(default=(), doc="Convolution stride: (h, w). Defaults to 1 for each dimension.")
    dilate = P.Shape(default=(), doc="Convolution dilate: (h, w). Defaults to 1 for each dimension.")
    pad = P.Shape(default=(), doc="Zero pad for convolution: (h, w). Defaults to no padding.")
    num_filter = P.Int(min=1, doc="Convolution filter(channel) number.")
    num_group = P.Int(default=1, min=1, doc="Number of group partitions.")
    num_deformable_group = P.Int(default=1, min=1, doc="Number of deformable group partitions.")
    workspace = P.Int(default=1024, min=0, doc="Accepted and ignored: workspaces are planned at bind.")
    no_bias = P.Bool(default=False, doc="Whether to disable bias parameter.")
    layout = ConvolutionParams.layout


class ModulatedParams(DeformableParams):
    """Parameters of ModulatedDeformableConvolution."""

    im2col_step = P.Int(default=64, min=1, doc="Accepted and ignored: images are gathered one by one.")
    layout = ConvolutionParams.layout


def _masked(p):
    return isinstance(p, ModulatedParams)


def _inputs(p):
    names = ("data", "offset", *(("mask",) if _masked(p) else ()), "weight", "bias")
    return names[:-1] if p.no_bias else names


def _split(p, values):
    """(data, offset, mask or None, weight, bias or None) from a list in the order of `_inputs`."""
    named = dict(zip(_inputs(p), values))
    return tuple(named.get(name) for name in ("data", "offset", "mask", "weight", "bias"))


def _infer_shape(p, ins, outs):
    kernel, stride, dilate, pad = geometry(p)
    if len(kernel) != 2:
        raise ShapeError(f"kernel={kernel} must have two values (h, w)")
    data, offset, mask, weight, bias = _split(p, ins)
    check_rank(data, 4, "data")
    if data is None:
        return ins, outs
    for name in ("num_group", "num_deformable_group"):
        if data[1] >= 0 and data[1] % getattr(p, name):
            raise ShapeError(f"data {data}: channels must be a multiple of {name}={getattr(p, name)}")
    size = tuple(
        -1 if n < 0 else (n + 2 * q - d * (k - 1) - 1) // s + 1
        for n, k, s, d, q in zip(data[2:], kernel, stride, dilate, pad)
    )
    if any(n == 0 or n < -1 for n in size) and all(n >= 0 for n in data[2:]):
        raise ShapeError(f"kernel={kernel} with dilate={dilate} is larger than data {data} with pad={pad}")
    places = p.num_deformable_group * product(kernel)
    out = unify(outs[0], (data[0], p.num_filter, *size), "output")
    batch = out[0]
    offset = unify(
        offset, (batch, 2 * places, *out[2:]), "offset and (batch, 2 * deformable groups * kernel places, h, w)"
    )
    found = [(offset[0], *data[1:]), offset]
    if _masked(p):
        found.append(
            unify(mask, (batch, places, *out[2:]), "mask and (batch, deformable groups * kernel places, h, w)")
        )
    channels = data[1] // p.num_group if data[1] >= 0 else -1
    found.append(unify(weight, (p.num_filter, channels, *kernel), "weight"))
    if not p.no_bias:
        found.append(unify(bias, (p.num_filter,), "bias"))
    return found, [out]


class _Image:
    """Steps of one image after another: operands of image `n`, workspaces shared by all of them."""

    def __init__(self, low, p, data, offset, mask, weight, out_shape):
        self.low, self.p, self.data, self.offset, self.mask, self.weight = low, p, data, offset, mask, weight
        self.positions = product(out_shape[2:])
        self.rows = data.shape[1] * product(p.kernel)
        self.columns = low.workspace((self.rows, self.positions), data.dtype)
        kernel, stride, dilate, pad = geometry(p)
        self.args = {
            "groups": p.num_deformable_group, "window": kernel, "stride": stride, "dilate": dilate, "pad": pad,
            "clamped": not _masked(p),
        }  # fmt: skip

    def of(self, ref, n):
        """Image `n` of an operand, without the batch axis."""
        return ref.part(n * product(ref.shape[1:]), ref.shape[1:])

    def moved(self, n):
        """Offset and mask of image `n`."""
        return [self.of(ref, n) for ref in (self.offset, self.mask) if ref is not None]

    def gather(self, n):
        self.low.step(
            "deformable.DeformableColumns", [self.of(self.data, n), *self.moved(n)], [self.columns], **self.args
        )

    def product(self, a, b, out, m, n, k, **kinds):
        """A product for each group."""
        add_gemm(self.low, a, b, out, m, n, k, self.p.num_group, **kinds)


def _lower(low, node):
    p, out = node.params, low.outs[0]
    data, offset, mask, weight, bias = _split(p, low.ins)
    if not out.size:
        return
    if bias is None:
        low.fill(out, 0)
    else:
        low.elementwise([Instr("copy", (0,))], [bias.reshape(1, p.num_filter, 1, 1)], [out])
    image = _Image(low, p, data, offset, mask, weight, out.shape)
    filters, depth = p.num_filter // p.num_group, image.rows // p.num_group
    for n in range(out.shape[0]):
        image.gather(n)
        image.product(weight, image.columns, image.of(out, n), filters, image.positions, depth, accumulate=True)


def _gradient(g, node, ograds):
    name = "_backward_DeformableConvolution" if not _masked(node.params) else "_backward_ModulatedDeformableConvolution"
    made = g.node(name, ograds[0], *node.inputs, like=node.params)
    return [made[i] for i in range(len(node.inputs))]


def _backward_lower(low, node):
    p, (grad, *refs) = node.params, low.ins
    data, offset, mask, weight, bias = _split(p, refs)
    names = _inputs(p)
    used = {name: low.used(i) for i, name in enumerate(names)}
    outs = dict(zip(names, low.outs))
    if not grad.size:
        for out in low.outs:
            low.fill(out, 0)
        return
    if bias is not None:
        reduce_step(low, "Sum", grad, outs["bias"].reshape(1, p.num_filter, 1, 1), (0, 2, 3))
    image = _Image(low, p, data, offset, mask, weight, grad.shape)
    filters, depth = p.num_filter // p.num_group, image.rows // p.num_group
    dcolumns = low.workspace(image.columns.shape, data.dtype)
    for n in range(grad.shape[0]):
        dy = image.of(grad, n)
        if used["weight"]:
            image.gather(n)
            image.product(
                dy, image.columns, outs["weight"], filters, depth, image.positions, transpose_b=True, accumulate=n > 0
            )
        if not (used["data"] or used["offset"] or used.get("mask")):
            continue
        image.product(weight, dy, dcolumns, depth, image.positions, filters, transpose_a=True)
        if used["data"]:
            low.step(
                "deformable.DeformableImageGradient",
                [dcolumns, *image.moved(n)],
                [image.of(outs["data"], n)],
                **image.args,
            )
        if used["offset"] or used.get("mask"):
            low.step(
                "deformable.DeformableOffsetGradient", [dcolumns, image.of(data, n), *image.moved(n)],
                [image.of(outs[name], n) for name in ("offset", "mask") if name in outs], **image.args,
            )  # fmt: skip


def _sampled(plane, y, x, clamped):
    """The value of one image, (channels, height, width), at a point."""
    height, width = plane.shape[1:]
    if y >= height or x >= width or (min(y, x) < 0 if clamped else min(y, x) <= -1):
        return np.zeros(len(plane))
    if clamped:
        y, x = min(y, height - 1), min(x, width - 1)
    padded = np.pad(plane, [(0, 0), (1, 2), (1, 2)])
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    top, bottom = (padded[:, i, x0 + 1] * (1 - x + x0) + padded[:, i, x0 + 2] * (x - x0) for i in (y0 + 1, y0 + 2))
    return top * (1 - y + y0) + bottom * (y - y0)


def _reference(p, *ins, is_train):
    data, offset, mask, weight, bias = (None if x is None else x.astype(np.float64) for x in _split(p, ins))
    (_, kernel_x), stride, dilate, pad = geometry(p)
    batch, channels = data.shape[:2]
    groups, places = p.num_deformable_group, product(p.kernel)
    out = np.zeros((batch, p.num_filter, *offset.shape[2:]))
    moves = offset.reshape(batch, groups, places, 2, *offset.shape[2:])
    for n, i, j in np.ndindex(batch, *offset.shape[2:]):
        columns = np.zeros((channels, places))
        for group, k in np.ndindex(groups, places):
            own = slice(group * channels // groups, (group + 1) * channels // groups)
            y = i * stride[0] - pad[0] + k // kernel_x * dilate[0] + moves[n, group, k, 0, i, j]
            x = j * stride[1] - pad[1] + k % kernel_x * dilate[1] + moves[n, group, k, 1, i, j]
            columns[own, k] = _sampled(data[n, own], y, x, not _masked(p))
            if mask is not None:
                columns[own, k] *= mask[n, group * places + k, i, j]
        parts = columns.reshape(p.num_group, -1), weight.reshape(p.num_group, p.num_filter // p.num_group, -1)
        out[n, :, i, j] = np.einsum("gk,gfk->gf", *parts).reshape(-1)
    return out if bias is None else out + bias.reshape(-1, 1, 1)


def _case(data, size, masked, kernel=(3, 3), num_filter=4, **params):
    groups = params.get("num_deformable_group", 1)
    places = groups * product(kernel)
    shapes = {
        "data": data, "offset": (data[0], 2 * places, *size), "bias": (num_filter,),
        "weight": (num_filter, data[1] // params.get("num_group", 1), *kernel),
    }  # fmt: skip
    if masked:
        shapes["mask"] = (data[0], places, *size)
    # Sums of dozens of products.
    return Case(shapes, {"kernel": kernel, "num_filter": num_filter, **params}, atol=1e-5)


for _name, _params, _is_masked, _more in (
    ("DeformableConvolution", DeformableParams, False, ""),
    ("ModulatedDeformableConvolution", ModulatedParams, True, ", weighted by a mask"),
):
    register(
        Op(
            name=f"_contrib_{_name}",
            doc=f"Compute a convolution whose kernel's places move by offsets{_more}.",
            params=_params,
            inputs=_inputs,
            infer_shape=_infer_shape,
            infer_dtype=float_dtype,
            gradient=_gradient,
            lower=_lower,
            reference=_reference,
            cases=(
                _case((2, 2, 4, 5), (2, 3), _is_masked),
                _case((1, 4, 5, 4), (3, 2), _is_masked, pad=(1, 1), stride=(2, 2), num_group=2, num_deformable_group=2),
                _case(
                    (1, 2, 5, 5),
                    (5, 5),
                    _is_masked,
                    kernel=(2, 3),
                    dilate=(2, 1),
                    pad=(1, 1),
                    no_bias=True,
                    num_filter=2,
                ),
            ),
        )
    )
    register(
        Op(
            name=f"_backward_{_name}",
            hidden=True,
            doc=f"Gradients of {_name}.",
            params=_params,
            inputs=lambda p: ("ograd", *_inputs(p)),
            outputs=_inputs,
            infer_shape=lambda p, ins, outs: (ins, ins[1:]),
            lower=_backward_lower,
        )
    )
