"""Pooling in one, two and three dimensions."""

from __future__ import annotations

from itertools import product as indices
from typing import Any

import numpy as np

from ..base import ShapeError
from . import params as P
from .infer import unify
from .registry import register
from .schema import Case, Op
from .windows import LAYOUTS, check_positive, float_dtype, spread, three

CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


class PoolingParams(P.Params):
    """Parameters of Pooling."""

    kernel = P.Shape(default=(), doc="Pooling kernel size: (x,), (y, x) or (d, y, x).")
    pool_type = P.Enum("avg", "lp", "max", "sum", default="max", doc="Pooling type to be applied.")
    global_pool = P.Bool(default=False, doc="Ignore kernel size, do global pooling based on current input feature map.")
    cudnn_off = P.Bool(default=False, doc="Accepted and ignored (GPU only).")
    pooling_convention = P.Enum(
        "full", "same", "valid", default="valid",
        doc="How the output's extent is rounded: down (valid), up (full); same: input over stride, up, without pad (1-D only).",
    )  # fmt: skip
    stride = P.Shape(default=(), doc="Stride: for pooling (x,), (y, x) or (d, y, x). Defaults to 1 for each dimension.")
    pad = P.Shape(default=(), doc="Pad for pooling: (x,), (y, x) or (d, y, x). Defaults to no padding.")
    p_value = P.Int(default=None, doc="Value of p for Lp pooling, can be 1, 2 or 3; required for Lp Pooling.")
    count_include_pad = P.Bool(
        default=None, doc="Whether an average's divisor counts the padding elements of its window. Defaults to true."
    )
    layout = P.Enum(
        "NCDHW", "NCHW", "NCW", "NDHWC", "NHWC", "NWC", default=None,
        doc="Layout of input and output; by default NCW, NCHW or NCDHW.",
    )  # fmt: skip


class PoolingV1Params(P.Params):
    """Parameters of Pooling_v1."""

    kernel = PoolingParams.kernel
    pool_type = P.Enum("avg", "max", "sum", default="max", doc="Pooling type to be applied.")
    global_pool = PoolingParams.global_pool
    pooling_convention = P.Enum("full", "valid", default="valid", doc="How the output's extent is rounded: down or up.")
    stride = PoolingParams.stride
    pad = PoolingParams.pad


def _extents(p, data):
    """Split a shape into batch, channels and spatial extents; check it against layout and kernel."""
    rank = len(data) - 2
    if rank not in LAYOUTS:
        raise ShapeError(f"data must have 3, 4 or 5 dimensions, found {data}")
    layout = getattr(p, "layout", None) or LAYOUTS[rank]
    if len(layout) != len(data):
        raise ShapeError(f"layout {layout} does not fit data {data}")
    if layout == CHANNELS_LAST[rank]:
        return data[0], data[-1], data[1:-1], True
    return data[0], data[1], data[2:], False


def _geometry(p, size):
    """Return kernel, stride and pad, a value for each axis; the kernel of a global pool is the whole plane."""
    rank = len(size)
    if p.kernel and len(p.kernel) != rank:
        raise ShapeError(f"kernel={p.kernel} has {len(p.kernel)} values for {rank} spatial axes")
    if p.global_pool:
        return size, (1,) * rank, (0,) * rank
    if not p.kernel:
        raise ShapeError("kernel is required unless global_pool is set")
    stride = spread(p.stride, rank, 1, "stride")
    if p.pooling_convention == "same":
        if rank != 1 or any(p.pad):
            raise ShapeError(f"pooling_convention 'same' is for data of 3 dimensions without pad, found pad={p.pad}")
        pad = (0,)
    else:
        pad = spread(p.pad, rank, 0, "pad")
    check_positive(p.kernel, "kernel")
    check_positive(stride, "stride")
    if min(pad) < 0:
        raise ShapeError(f"pad must not be negative, found {pad}")
    return p.kernel, stride, pad


def _out_extent(p, n, k, s, pad, data):
    if n < 0:
        return 1 if p.global_pool else -1
    if p.global_pool:
        return 1
    if p.pooling_convention == "same":
        return -(-n // s)
    if n + 2 * pad < k:
        raise ShapeError(f"kernel={p.kernel} exceeds the padded input, data {data} and pad={p.pad}")
    whole = n + 2 * pad - k
    return 1 + (whole // s if p.pooling_convention == "valid" else -(-whole // s))


def _infer_shape(p, ins, outs):
    data, out = ins[0], outs[0]
    if p.pool_type == "lp" and p.p_value not in (1, 2, 3):
        raise ShapeError(f"p_value must be 1, 2 or 3 for pool_type 'lp', found {p.p_value}")
    if data is None:
        return ins, outs
    batch, channels, size, last = _extents(p, data)
    kernel, stride, pad = _geometry(p, size)
    extents = tuple(_out_extent(p, n, k, s, d, data) for n, k, s, d in zip(size, kernel, stride, pad))
    out = unify(out, (batch, *extents, channels) if last else (batch, channels, *extents), "output")
    filled = list(data)
    filled[0], filled[-1 if last else 1] = out[0], out[-1 if last else 1]
    return [tuple(filled)], [out]


def pool_arguments(p, data, out) -> dict[str, Any]:
    """Geometry as the steps of ``kernels/pool.pxi`` take it."""
    batch, channels, size, last = _extents(p, data)
    kernel, stride, pad = _geometry(p, size)
    v1 = isinstance(p, PoolingV1Params)
    return {
        "batch": batch, "channels": channels, "channels_last": last, "mode": p.pool_type,
        "power": p.p_value if p.pool_type == "lp" else 1, "fixed": v1,
        "count_pad": v1 or p.count_include_pad is not False,
        "in_size": three(size, 1), "taps": three(kernel, 1), "stride": three(stride, 1), "pad": three(pad, 0),
        "limit": three(tuple(n + d for n, d in zip(size, pad)), 1), "out_size": three(_extents(p, out)[2], 1),
    }  # fmt: skip


def _lower(low, node):
    low.step("pool.Pool", [low.ins[0]], [low.outs[0]], **pool_arguments(node.params, node.in_shapes[0], node.shapes[0]))


_NEEDS = {"max": ("ograd", "data"), "lp": ("ograd", "data", "output")}


def _gradient(name):
    def gradient(g, node, ograds):
        entries = {"ograd": ograds[0], "data": node.inputs[0], "output": node[0]}
        p = node.params
        reads = [entries[n] for n in _NEEDS.get(p.pool_type, ("ograd",))]
        return [g(name, *reads, like=p, data_shape=node.in_shapes[0])]

    return gradient


def _windows(p, data_shape, out_shape):
    """For every output position: its index, the slices of the input it reads, and an average's divisor."""
    _, _, size, last = _extents(p, data_shape)
    kernel, stride, pad = _geometry(p, size)
    v1 = isinstance(p, PoolingV1Params)
    for at in indices(*map(range, _extents(p, out_shape)[2])):
        start = [o * s - d for o, s, d in zip(at, stride, pad)]
        stop = [min(a + k, n + d) for a, k, n, d in zip(start, kernel, size, pad)]
        inside = [slice(max(a, 0), max(min(b, n), max(a, 0))) for a, b, n in zip(start, stop, size)]
        padded = np.prod(kernel) if v1 else np.prod([b - a for a, b in zip(start, stop)])
        count = padded if v1 or p.count_include_pad is not False else np.prod([i.stop - i.start for i in inside])
        where = (slice(None), *inside) if last else (slice(None), slice(None), *inside)
        index = (slice(None), *at) if last else (slice(None), slice(None), *at)
        yield index, where, tuple(range(1, len(size) + 1)) if last else tuple(range(2, len(size) + 2)), count


def _reference(p, data, is_train=False):
    out = np.zeros(_infer_shape(p, [data.shape], [None])[1][0])
    x = data.astype(np.float64)
    for index, where, axes, count in _windows(p, data.shape, out.shape):
        part = x[where]
        if p.pool_type == "max":
            lowest = float(np.finfo(data.dtype).min)
            out[index] = np.fmax.reduce(part, axis=axes, initial=lowest)
        elif p.pool_type == "lp":
            total = (part**p.p_value).sum(axis=axes)
            out[index] = np.sign(total) * np.abs(total) ** (1 / p.p_value)
        else:
            out[index] = part.sum(axis=axes) / (max(count, 1) if p.pool_type == "avg" else 1)
    return out.astype(data.dtype)


def _case(shape, **params):
    return Case({"data": shape}, params, low=-1.0)


CASES = (
    Case({"data": (2, 3, 6, 7)}, {"kernel": (2, 2), "stride": (2, 2)}, dtypes=("float32", "float64", "float16")),
    *(
        _case((2, 2, 6, 7), kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type=kind, pooling_convention=convention)
        for kind in ("max", "avg", "sum")
        for convention in ("valid", "full")
    ),
    _case((2, 2, 5, 20), kernel=(3, 3), pad=(1, 1)),
    _case((1, 2, 6, 5), kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False),
    _case((1, 2, 8, 8), kernel=(3, 3), stride=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False,
          pooling_convention="full"),
    _case((1, 2, 8, 8), kernel=(2, 2), stride=(3, 3), pad=(1, 1), pool_type="avg", pooling_convention="full"),
    _case((2, 3, 5, 7), global_pool=True, pool_type="avg"),
    _case((2, 3, 5, 7), global_pool=True, kernel=(2, 2), stride=(2, 2), pad=(1, 1)),
    _case((2, 2, 9, 8), global_pool=True, pool_type="sum"),
    Case({"data": (2, 2, 5, 6)}, {"kernel": (2, 3), "pool_type": "lp", "p_value": 2}, low=0.1),
    Case({"data": (2, 2, 5, 6)}, {"kernel": (3, 3), "pool_type": "lp", "p_value": 3}, low=0.1),
    Case({"data": (2, 2, 5, 6)}, {"global_pool": True, "pool_type": "lp", "p_value": 1}),
    _case((2, 2, 11), kernel=(3,), stride=(2,), pooling_convention="same"),
    _case((2, 2, 11), kernel=(4,), stride=(3,), pool_type="avg", pad=(2,)),
    _case((1, 2, 4, 5, 6), kernel=(2, 2, 3), stride=(1, 2, 2), pad=(1, 0, 1)),
    _case((1, 2, 4, 5, 6), kernel=(2, 2, 3), pool_type="avg", pad=(1, 1, 0), count_include_pad=False),
    _case((2, 5, 6, 3), kernel=(2, 3), stride=(2, 2), pad=(0, 1), layout="NHWC"),
    _case((2, 5, 6, 3), kernel=(2, 3), pool_type="avg", layout="NHWC"),
    _case((2, 5, 3), global_pool=True, pool_type="avg", layout="NWC"),
    _case((0, 2, 4, 4), kernel=(2, 2)),
)  # fmt: skip

register(
    Op(
        name="Pooling",
        doc="Perform pooling on the input.",
        params=PoolingParams,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient("_backward_Pooling"),
        lower=_lower,
        reference=_reference,
        cases=CASES,
    )
)

register(
    Op(
        name="Pooling_v1",
        doc="Perform pooling on the input, as files of old versions name it.\n\n"
        "An average is divided by the kernel's size even where the window is cut. MXNet's own Pooling_v1 takes padding for\n"
        "zeros in a maximum and gives every one of several equal maxima the whole gradient; this one does as Pooling does.",
        params=PoolingV1Params,
        infer_shape=_infer_shape,
        infer_dtype=float_dtype,
        gradient=_gradient("_backward_Pooling_v1"),
        lower=_lower,
        reference=_reference,
        cases=(
            _case((2, 2, 7, 8), kernel=(3, 2), stride=(2, 3), pad=(1, 1), pool_type="avg", pooling_convention="full"),
            _case((2, 2, 7, 8), kernel=(3, 3), stride=(2, 2), pool_type="max"),
        ),
    )
)


class BackwardPoolingParams(PoolingParams):
    """Parameters of the gradient: those of Pooling, and the shape of what is not always read."""

    data_shape = P.Shape(doc="Shape of the data.")


class BackwardPoolingV1Params(PoolingV1Params):
    """Parameters of the gradient of Pooling_v1."""

    data_shape = P.Shape(doc="Shape of the data.")


def _backward_lower(low, node):
    low.step("pool.PoolGradient", low.ins, low.outs, **pool_arguments(node.params, node.shapes[0], node.in_shapes[0]))


for _name, _params in (("_backward_Pooling", BackwardPoolingParams), ("_backward_Pooling_v1", BackwardPoolingV1Params)):
    register(
        Op(
            name=_name,
            doc="Gradient of pooling; reads the data only for a maximum or Lp pooling.",
            params=_params,
            inputs=lambda p: _NEEDS.get(p.pool_type, ("ograd",)),
            outputs=("data",),
            infer_shape=lambda p, ins, outs: (ins, [unify(outs[0], p.data_shape)]),
            lower=_backward_lower,
            hidden=True,
        )
    )
