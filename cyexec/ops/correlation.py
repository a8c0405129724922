"""Correlation: how patches of two feature maps match (Fischer et al., 2015, FlowNet)."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import unify
from .params import Bool, Int, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype


class CorrelationParams(Params):
    kernel_size = Int(default=1, min=0, doc="kernel size for Correlation must be an odd number")
    max_displacement = Int(default=1, min=0, doc="Max displacement of Correlation")
    stride1 = Int(default=1, min=0, doc="stride1 quantize data1 globally")
    stride2 = Int(default=1, min=0, doc="stride2 quantize data2 within the neighborhood centered around data1")
    pad_size = Int(default=0, min=0, doc="pad for Correlation")
    is_multiply = Bool(default=True, doc="operation type is either multiplication or subduction")


def _sizes(p, extent):
    """Outputs along one axis: patches whose shifted partners fit into the padded feature map."""
    border = p.max_displacement + p.kernel_size // 2
    return max(-(-(extent + 2 * p.pad_size - 2 * border) // p.stride1), 0)


def _shape(p, ins, outs):
    if p.kernel_size % 2 == 0:
        raise ShapeError(f"kernel_size must be odd, found {p.kernel_size}")
    if not p.stride1 or not p.stride2:
        raise ShapeError(f"strides must be positive, found stride1={p.stride1} and stride2={p.stride2}")
    data = unify(ins[0], ins[1], "data1 and data2")
    check_rank(data, 4, "data1")
    shifts = (2 * (p.max_displacement // p.stride2) + 1) ** 2
    if data is None:
        return [data, data], [outs[0] and unify(outs[0], (-1, shifts, -1, -1), "output")]
    size = [-1 if n < 0 else _sizes(p, n) for n in data[2:]]
    if 0 in size:
        raise ShapeError(
            f"data {data} with pad_size={p.pad_size} is too small for kernel_size={p.kernel_size} and "
            f"max_displacement={p.max_displacement}"
        )
    out = unify(outs[0], (data[0], shifts, *size), "output")
    return [(out[0], *data[1:])] * 2, [out]


def _args(p):
    return {
        "patch": p.kernel_size, "shift": p.max_displacement, "stride": p.stride1, "shift_stride": p.stride2,
        "multiply": p.is_multiply,
    }  # fmt: skip


def _inner(p, view, shape):
    """View of what is not padding."""
    return view.box((0, 0, p.pad_size, p.pad_size), shape)


def _padded(low, p, ref):
    if not p.pad_size:
        return ref
    shape = (*ref.shape[:2], *(n + 2 * p.pad_size for n in ref.shape[2:]))
    made = low.workspace(shape, ref.dtype)
    low.fill(made, 0)
    move(low, _inner(p, View.of(made), ref.shape), View.of(ref))
    return made


def _lower(low, node):
    p = node.params
    low.step("correlation.Correlation", [_padded(low, p, ref) for ref in low.ins], low.outs, **_args(p))


def _backward_lower(low, node):
    p, (grad, a, b) = node.params, low.ins
    reads = [grad, _padded(low, p, a), _padded(low, p, b)]
    if not p.pad_size:
        low.step("correlation.CorrelationGradient", reads, low.outs, **_args(p))
        return
    made = [low.workspace(reads[1].shape, a.dtype) for _ in range(2)]
    low.step("correlation.CorrelationGradient", reads, made, **_args(p))
    for out, whole in zip(low.outs, made):
        move(low, View.of(out), _inner(p, View.of(whole), out.shape))


def _reference(p, a, b, is_train):
    pad = [(0, 0), (0, 0), *[(p.pad_size, p.pad_size)] * 2]
    a, b = np.pad(a.astype(np.float64), pad), np.pad(b.astype(np.float64), pad)
    height, width = (_sizes(p, n - 2 * p.pad_size) for n in a.shape[2:])
    around = p.max_displacement // p.stride2
    shifts = [(y * p.stride2, x * p.stride2) for y in range(-around, around + 1) for x in range(-around, around + 1)]
    out = np.zeros((len(a), len(shifts), height, width))
    for i, j in np.ndindex(height, width):
        y, x = i * p.stride1 + p.max_displacement, j * p.stride1 + p.max_displacement
        patch = a[:, :, y : y + p.kernel_size, x : x + p.kernel_size]
        for s, (down, across) in enumerate(shifts):
            other = b[:, :, y + down : y + down + p.kernel_size, x + across : x + across + p.kernel_size]
            out[:, s, i, j] = (patch * other if p.is_multiply else abs(patch - other)).mean((1, 2, 3))
    return out


def _case(shape, **params):
    return Case({"data1": shape, "data2": shape}, params)


register(
    Op(
        name="Correlation",
        doc="""Compare patches of one feature map with patches around the same place of another.

        Channels of the output are the displacements, row by row; each element is the mean of products, or of absolute
        differences, over the patch and the channels.
        """,
        params=CorrelationParams,
        inputs=("data1", "data2"),
        infer_shape=_shape,
        infer_dtype=float_dtype,
        gradient=lambda g, node, ograds: list(
            g("_backward_Correlation", ograds[0], *node.inputs, like=node.params)
        ),
        lower=_lower,
        reference=_reference,
        cases=(
            _case((2, 3, 6, 5), max_displacement=1, pad_size=1),
            _case((1, 2, 7, 8), kernel_size=3, max_displacement=2, stride2=2, pad_size=3),
            _case((1, 2, 8, 9), kernel_size=3, max_displacement=2, stride1=2, pad_size=2),
            _case((1, 3, 5, 6), max_displacement=2, stride1=2, stride2=1, pad_size=2, is_multiply=False),
            _case((2, 2, 5, 5), max_displacement=1),
            _case((1, 2, 4, 5), max_displacement=0),
        ),
    )
)
register(
    Op(
        name="_backward_Correlation",
        hidden=True,
        doc="Gradients of Correlation.",
        params=CorrelationParams,
        inputs=("ograd", "data1", "data2"),
        outputs=("data1", "data2"),
        infer_shape=lambda p, ins, outs: (ins, ins[1:]),
        lower=_backward_lower,
    )
)
