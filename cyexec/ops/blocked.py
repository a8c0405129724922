"""Operators on blocked arrays: channels in blocks of 16, innermost. Made by `passes/block_layout.py` only.

A blocked array of what is (batch, channels, *size) has shape (batch, ceil(channels / 16), *size, 16). Lanes beyond the last
channel hold finite numbers that nobody reads as channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..lowering import blocked
from . import convolution
from . import params as P
from .infer import product, unify
from .registry import register
from .schema import Case, Op

BLOCK = blocked.BLOCK
KINDS = ("none", "relu", "clip", "leaky", "prelu")


class Act(NamedTuple):
    """An activation of an epilogue: relu, clip to `range`, leaky with slope ``range[0]``, prelu with slopes by channel."""

    kind: str
    range: tuple[float, ...] = ()


def _act(kind: str, range: tuple[float, ...]) -> blocked.Act:
    """The same in lowering's words."""
    makers = {"none": lambda: blocked.NONE, "relu": lambda: blocked.RELU, "prelu": lambda: blocked.PRELU,
              "clip": lambda: blocked.clip(*range), "leaky": lambda: blocked.leaky(*range)}  # fmt: skip
    return makers[kind]()


def blocked_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape in blocked layout of an array of plain `shape`."""
    return (shape[0], -(-shape[1] // BLOCK), *shape[2:], BLOCK)


def to_blocked(x: np.ndarray) -> np.ndarray:
    """`x` in blocked layout; lanes beyond the last channel are zero."""
    shape = blocked_shape(x.shape)
    padded = np.zeros((x.shape[0], shape[1] * BLOCK, *x.shape[2:]), x.dtype)
    padded[:, : x.shape[1]] = x
    return np.ascontiguousarray(np.moveaxis(padded.reshape(shape[0], shape[1], BLOCK, *x.shape[2:]), 2, -1))


def from_blocked(x: np.ndarray, channels: int) -> np.ndarray:
    """`x`, which is in blocked layout, in plain layout."""
    moved = np.moveaxis(x, -1, 2)
    return np.ascontiguousarray(moved.reshape(x.shape[0], -1, *x.shape[2:-1])[:, :channels])


def _extents(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Batch, channels and positions of a plain shape."""
    return shape[0], shape[1], product(shape[2:])


class FromBlockedParams(P.Params):
    channels = P.Int(doc="Channels of the result.")


register(
    Op(
        name="_ToBlocked",
        doc="Change from plain to blocked layout.",
        infer_shape=lambda p, ins, outs: (ins, [None if ins[0] is None else blocked_shape(ins[0])]),
        lower=lambda low, node: blocked.add_to_blocked(low, low.ins[0], low.outs[0], *_extents(node.in_shapes[0])),
        reference=lambda p, data, is_train: to_blocked(data),
        hidden=True,
        cases=tuple(
            Case({"data": s}, dtypes=("float32",)) for s in ((2, 3, 4, 5), (1, 32, 7, 3), (2, 17, 6), (3, 16, 1, 1))
        ),
    )
)
register(
    Op(
        name="_FromBlocked",
        doc="Change from blocked to plain layout.",
        params=FromBlockedParams,
        infer_shape=lambda p, ins, outs: (
            ins, [None if ins[0] is None else (ins[0][0], p.channels, *ins[0][2:-1])],
        ),
        lower=lambda low, node: blocked.add_from_blocked(low, low.ins[0], low.outs[0], *_extents(node.shapes[0])),
        reference=lambda p, data, is_train: from_blocked(data, p.channels),
        hidden=True,
        cases=tuple(
            Case({"data": s}, {"channels": c}, dtypes=("float32",))
            for s, c in (((2, 1, 4, 5, 16), 3), ((1, 2, 7, 3, 16), 32), ((2, 2, 6, 16), 17), ((3, 1, 1, 1, 16), 16))
        ),
    )
)  # fmt: skip


class BlockedConvolutionParams(convolution.ConvolutionParams):
    data_shape = P.Shape(doc="Plain shape of the data.")
    plain = P.Bool(default=False, doc="Whether the data are plain.")
    normalises = P.Bool(default=False, doc="Whether relu(data * scale + shift) is convolved instead of the data.")
    repacked = P.Bool(default=False, doc="Whether weights change from run to run, and the convolution packs them itself.")


class PackParams(BlockedConvolutionParams):
    has_scale = P.Bool(default=False, doc="Whether the weights of each filter are multiplied by a number.")


class EpilogueParams(BlockedConvolutionParams):
    first = P.Enum(*KINDS, default="none", doc="Activation of the convolution's result.")
    first_range = P.Floats(default=(), doc="Range of clip; slope of leaky.")
    adds = P.Bool(default=False, doc="Whether another array is added then.")
    second = P.Enum(*KINDS, default="none", doc="Activation of the sum.")
    second_range = P.Floats(default=(), doc="Range of clip; slope of leaky.")


@lru_cache(maxsize=4096)  # what follows asks for it at every turn
def geometry_of(p: Any) -> Mapping[str, Any]:
    """Geometry as `convolution.conv_arguments` gives it."""
    _, (out,) = convolution._infer_shape(p, [p.data_shape, None, None], [None])
    return convolution.conv_arguments(p, p.data_shape, p.num_filter, out)


@lru_cache(maxsize=4096)
def algorithm_of(p: Any) -> str:
    """Name of the algorithm that computes a convolution with these parameters."""
    return blocked.choose(geometry_of(p), "plain" if p.plain else "blocked", p.normalises, p.repacked)


def _out_shape(p: Any) -> tuple[int, ...]:
    _, (out,) = convolution._infer_shape(p, [p.data_shape, None, None], [None])
    return blocked_shape(out)


def _packed_shape(p, ins, outs):
    a = geometry_of(p)
    weight = (p.num_filter, p.data_shape[1] // p.num_group, *p.kernel)
    vectors = [(p.num_filter,)] if p.has_scale else []
    return [weight, *vectors], [(blocked.packed_size(a, algorithm_of(p)),)]


def _pack_lower(low, node):
    a = geometry_of(node.params)
    scale = low.ins[1] if node.params.has_scale else None
    blocked.add_pack_weights(low, low.ins[0], low.outs[0], a, algorithm_of(node.params), scale)


register(
    Op(
        name="_PackWeights",
        doc="Lay out the weights of a convolution as its kernel reads them, scaled by filter where asked for.",
        params=PackParams,
        inputs=lambda p: ("weight", "scale") if p.has_scale else ("weight",),
        outputs=("packed",),
        infer_shape=_packed_shape,
        lower=_pack_lower,
        hidden=True,
    )
)


def epilogue_inputs(p: Any) -> tuple[str, ...]:
    names = ["data", "weight" if p.repacked else "packed", *(("scale", "shift") if p.normalises else ())]
    if not p.no_bias:
        names.append("bias")
    if "prelu" in (p.first, p.second):
        names.append("slope")
    if p.adds:
        names.append("addend")
    return tuple(names)


def _epilogue_shape(p, ins, outs):
    out = _out_shape(p)
    shapes = {
        "data": p.data_shape if p.plain else blocked_shape(p.data_shape), "packed": ins[1],
        "weight": (p.num_filter, p.data_shape[1] // p.num_group, *p.kernel),
        "scale": p.data_shape[1:2], "shift": p.data_shape[1:2], "bias": (p.num_filter,), "slope": (p.num_filter,),
        "addend": out,
    }  # fmt: skip
    return [unify(shapes[n], s, n) for n, s in zip(epilogue_inputs(p), ins)], [out]


def _conv_lower(low, node):
    p = node.params
    given = dict(zip(epilogue_inputs(p), low.ins))
    a = geometry_of(p)
    blocked.add_conv(
        low, given["data"], low.ins[1], low.outs[0], a, algorithm_of(p), packs=p.repacked,
        bias=given.get("bias"), slopes=given.get("slope"), scale=given.get("scale"), shift=given.get("shift"),
        residual=given.get("addend"),
        act1=_act(p.first, p.first_range), act2=_act(p.second, p.second_range),
    )  # fmt: skip


register(
    Op(
        name="_BlockedConvolution",
        doc="Convolution in blocked layout, and what follows it: activation, addition, activation.",
        params=EpilogueParams,
        inputs=epilogue_inputs,
        infer_shape=_epilogue_shape,
        lower=_conv_lower,
        hidden=True,
    )
)


class BlockedScaleShiftParams(P.Params):
    has_scale = P.Bool(default=True, doc="Whether there are scale and shift, or the activation alone.")
    after = P.Enum(*KINDS, default="none", doc="Activation of the result.")
    after_range = P.Floats(default=(), doc="Range of clip; slope of leaky.")


def _scale_inputs(p: Any) -> tuple[str, ...]:
    return ("data", *(("scale", "shift") if p.has_scale else ()), *(("slope",) if p.after == "prelu" else ()))


def _scale_lower(low, node):
    p = node.params
    given = dict(zip(_scale_inputs(p), low.ins))
    blocked.add_scale_shift(
        low, given["data"], low.outs[0], low.ins[-1].size,
        scale=given.get("scale"), shift=given.get("shift"), slopes=given.get("slope"), act=_act(p.after, p.after_range),
    )  # fmt: skip


register(
    Op(
        name="_BlockedScaleShift",
        doc="Multiply every channel of a blocked array by a number, add another, and apply an activation.",
        params=BlockedScaleShiftParams,
        inputs=_scale_inputs,
        infer_shape=lambda p, ins, outs: (ins, [unify(ins[0], outs[0], "data and output shapes")]),
        lower=_scale_lower,
        hidden=True,
    )
)
