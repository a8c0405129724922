"""How operators work in blocked layout: a rule for each, used by `block_layout.py`.

A rule takes the walk and a node of the old graph. It returns entries of the new graph for the node's outputs, blocked or
plain (their shapes tell), or None where the operator cannot work blocked with these parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..graph.graph import Entry, Node
from ..lowering import blocked, blocked_gradient
from ..ops.convolution import conv_arguments
from ..ops.deconvolution import convolution_of
from ..ops.fused import chain_of
from ..ops.infer import product
from ..ops.pooling import PoolingV1Params, pool_arguments

if TYPE_CHECKING:
    from .block_layout import Layout

Rule = Callable[["Layout", Node], Sequence[Entry] | None]
BLOCK = blocked.BLOCK


def _is_image(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape can be blocked: batch, channels, at least one more axis, nothing empty."""
    return len(shape) > 2 and 0 not in shape


# Convolutions


def is_convolution(node: Node) -> bool:
    """Whether `node` is a convolution, or undoes one, that has kernels in blocked layout."""
    if node.op is not None and node.op.name == "Deconvolution" and node.dtypes[0].name == "float32":
        return _undone(node, node.in_shapes[0], node.shapes[0]) is not None
    if node.op is None or node.op.name != "Convolution" or node.dtypes[0].name != "float32" or 0 in node.shapes[0]:
        return False
    geometry = conv_arguments(node.params, node.in_shapes[0], node.params.num_filter, node.shapes[0])
    return blocked.supports(geometry) and blocked.pays(geometry)


def _conv_params(layout: Layout, node: Node, data: Entry, out: tuple[int, ...]) -> dict[str, Any] | None:
    """Parameters that all operators of a blocked convolution share; None where there are no kernels."""
    p = node.params
    if not (_is_image(data.shape) and _is_image(out)):
        return None
    geometry = conv_arguments(p, data.shape, p.num_filter, out)
    if not blocked.supports(geometry) or not blocked.pays(geometry):
        return None
    plain = blocked.reads_plain(geometry) and data not in layout.blocked
    repacked = bool(layout.graph.targets)
    return {"like": p, "data_shape": data.shape, "plain": plain, "repacked": repacked}


def _source(layout: Layout, data: Entry, shared: dict[str, Any]) -> Entry:
    return layout.plain[data] if shared["plain"] else layout.as_blocked(data)


def _convolution(layout: Layout, node: Node) -> Sequence[Entry] | None:
    data = node.inputs[0]
    shared = _conv_params(layout, node, data, node.shapes[0])
    if shared is None:
        return None
    weight: Entry = layout.as_plain(node.inputs[1])
    scale: Sequence[Entry] = ()
    if weight.node.op is not None and weight.node.op.name == "_ScaleFilters":
        weight, *scale = weight.node.inputs
    if not shared["repacked"]:
        (weight,) = layout.make(node, "_PackWeights", weight, *scale, suffix="_packed", has_scale=bool(scale), **shared)
    bias = [layout.as_plain(e) for e in node.inputs[2:]]
    return layout.make(node, "_BlockedConvolution", _source(layout, data, shared), weight, *bias, **shared)


def _convolution_gradient(layout: Layout, node: Node) -> Sequence[Entry] | None:
    ograd, data, weight = node.inputs
    shared = _conv_params(layout, node, data, ograd.shape)
    if shared is None:
        return None
    geometry = conv_arguments(node.params, data.shape, node.params.num_filter, ograd.shape)
    if not blocked_gradient.supports_gradient(geometry):
        return None
    if layout.is_read(node[0]) and not blocked_gradient.pays(geometry):
        return None
    return layout.make(
        node, "_BlockedConvolutionGradient", layout.as_blocked(ograd), _source(layout, data, shared),
        layout.as_plain(weight), **shared,
    )  # fmt: skip


# Deconvolutions

MOST_CLASSES = 16  # of pixels of the output: each has a convolution of its own


def _undone(node: Node, data: tuple[int, ...], out: tuple[int, ...]) -> dict[str, Any] | None:
    """Parameters of the convolution from `out` to `data` that a Deconvolution undoes; None where there are no kernels."""
    if not (_is_image(data) and _is_image(out)):
        return None
    p = convolution_of(node.params, data)
    geometry = conv_arguments(p, out, data[1], data)
    if product(geometry["stride"]) > MOST_CLASSES or not blocked.supports(geometry):
        return None
    if not blocked_gradient.pays(geometry):
        return None
    return {"like": p, "data_shape": out, "no_bias": node.params.no_bias}


def _deconvolution(layout: Layout, node: Node) -> Sequence[Entry] | None:
    data, *rest = node.inputs
    shared = _undone(node, data.shape, node.shapes[0])
    if shared is None:
        return None
    shared["repacked"] = bool(layout.graph.targets)
    weight, *bias = (layout.as_plain(e) for e in rest)
    weights = [weight]
    if not shared["repacked"]:
        weights = layout.make(node, "_PackDeconvolution", weight, suffix="_packed", **shared)
    return layout.make(node, "_BlockedDeconvolution", layout.as_blocked(data), *weights, *bias, **shared)


def _deconvolution_gradient(layout: Layout, node: Node) -> Sequence[Entry] | None:
    ograd, data, weight = node.inputs
    shared = _undone(node, data.shape, ograd.shape)
    if shared is None or not blocked_gradient.supports_gradient(
        conv_arguments(shared["like"], ograd.shape, data.shape[1], data.shape)
    ):
        return None
    return layout.make(
        node, "_BlockedDeconvolutionGradient", layout.as_blocked(ograd), layout.as_blocked(data), layout.as_plain(weight),
        **shared,
    )  # fmt: skip


# Poolings


def _pooling(layout: Layout, node: Node) -> Sequence[Entry] | None:
    p, data = node.params, node.inputs[0]
    if not _is_image(data.shape) or isinstance(p, PoolingV1Params):
        return None
    if not blocked.supports_pool(pool_arguments(p, data.shape, node.shapes[0])):
        return None
    return layout.make(node, "_BlockedPooling", layout.as_blocked(data), like=p, data_shape=data.shape)


def _pooling_gradient(layout: Layout, node: Node) -> Sequence[Entry] | None:
    p, shape = node.params, node.shapes[0]
    if not _is_image(shape) or not blocked.supports_pool(pool_arguments(p, shape, node.in_shapes[0])):
        return None
    return layout.make(node, "_BlockedPoolingGradient", *(layout.as_blocked(e) for e in node.inputs), like=p)


def _upsampling(layout: Layout, node: Node) -> Sequence[Entry] | None:
    """Nearest neighbours: every pixel becomes a square of pixels, whatever its channels are.

    What a convolution reads anyway changes layout while it is small.
    """
    p, data = node.params, node.inputs[0]
    if p.sample_type != "nearest" or len(node.inputs) != 1 or not _is_image(node.shapes[0]):
        return None
    if data not in layout.blocked and not any(is_convolution(r) for r in layout.readers.get(node[0], ())):
        return None
    pixels = layout.as_blocked(data)
    batch, blocks, height, width, lanes = pixels.shape
    shape = (batch, blocks, height, 1, width, 1, lanes)
    (apart,) = layout.make(node, "Reshape", pixels, suffix="_apart", shape=shape)
    shape = (batch, blocks, height, p.scale, width, p.scale, lanes)
    (spread,) = layout.make(node, "broadcast_to", apart, suffix="_spread", shape=shape)
    return layout.make(node, "Reshape", spread, shape=(batch, blocks, height * p.scale, width * p.scale, lanes))


# Normalisation


def _scale_shift(layout: Layout, node: Node) -> Sequence[Entry] | None:
    if node.params.axis != 1 or not _is_image(node.shapes[0]):
        return None
    vectors = [layout.as_plain(e) for e in node.inputs[1:]]
    return layout.make(node, "_BlockedScaleShift", layout.as_blocked(node.inputs[0]), *vectors)


def _uses_batch(layout: Layout, node: Node, data: tuple[int, ...]) -> bool:
    p = node.params
    if not layout.graph.is_train or p.use_global_stats or not _is_image(data):
        return False
    return getattr(p, "axis", 1) % len(data) == 1


def _batch_norm(layout: Layout, node: Node) -> Sequence[Entry] | None:
    if not _uses_batch(layout, node, node.shapes[0]):
        return None
    vectors = [layout.as_plain(e) for e in node.inputs[1:]]
    data = layout.as_blocked(node.inputs[0])
    return layout.make(node, "_BlockedBatchNorm", data, *vectors, like=node.params)


def _batch_norm_gradient(layout: Layout, node: Node) -> Sequence[Entry] | None:
    if not _uses_batch(layout, node, node.shapes[0]):
        return None
    arrays = [layout.as_blocked(e) for e in node.inputs[:2]]
    vectors = [layout.as_plain(e) for e in node.inputs[2:]]
    return layout.make(node, "_BlockedBatchNormGradient", *arrays, *vectors, like=node.params)


# Number by number

# Operators without `Op.elementwise` that work number by number all the same, with parameters that name no axis.
_ELEMENTWISE = frozenset({"clip", "add_n", "smooth_l1", "where", "LeakyReLU"})


def _same_operator(layout: Layout, node: Node, inputs: Sequence[Entry], **changes: Any) -> list[Entry]:
    """`node`, whose operator means the same for blocked arrays."""
    assert node.op is not None
    return layout.make(node, node.op.name, *inputs, like=node.params, **changes)


def elementwise(layout: Layout, node: Node) -> Sequence[Entry] | None:
    """Number by number: all inputs of one shape, or broadcast along anything but the channels."""
    shape = node.shapes[0]
    assert node.op is not None
    if node.op.elementwise is None and node.op.name not in _ELEMENTWISE:
        return None
    chain = chain_of(node, layout.graph.is_train) if _is_image(shape) else None
    if chain is None or any(node.in_shapes[i] != view for i, view in zip(chain.reads, chain.views)):
        return None
    inputs = []
    for entry in node.inputs:
        if len(entry.shape) != len(shape) or entry.dtype != node.dtypes[0]:
            return None
        if entry.shape[1] == shape[1] and shape[1] > 1:
            inputs.append(layout.as_blocked(entry))
        elif entry.shape[1] == 1 and entry not in layout.blocked:
            shape_of_one = (*entry.shape, 1)
            inputs += layout.make(entry.node, "Reshape", layout.as_plain(entry), suffix="_spread", shape=shape_of_one)
        else:
            return None
    return _same_operator(layout, node, inputs)


def _leaky_relu(layout: Layout, node: Node) -> Sequence[Entry] | None:
    p = node.params
    if p.act_type != "prelu":
        return elementwise(layout, node)
    data, gamma = node.inputs
    if not _is_image(data.shape) or gamma.shape not in ((data.shape[1],), (1, data.shape[1])):
        return None
    slope = layout.as_plain(gamma)
    if slope.shape != (data.shape[1],):
        slope = layout.make(gamma.node, "Reshape", slope, suffix="_vector", shape=(-1,))[0]
    return layout.make(node, "_BlockedScaleShift", layout.as_blocked(data), slope, has_scale=False, after="prelu")


# Parts and wholes


def _concat(layout: Layout, node: Node) -> Sequence[Entry] | None:
    if not _is_image(node.shapes[0]):
        return None
    axis = node.params.dim % len(node.shapes[0])
    if axis == 1 and any(e.shape[1] % BLOCK for e in node.inputs[:-1]):
        return None
    return _same_operator(layout, node, [layout.as_blocked(e) for e in node.inputs], dim=axis)


def _slice_channel(layout: Layout, node: Node) -> Sequence[Entry] | None:
    p, data = node.params, node.inputs[0]
    if p.squeeze_axis or not _is_image(data.shape) or p.axis % len(data.shape) != 1 or node.shapes[0][1] % BLOCK:
        return None
    return _same_operator(layout, node, [layout.as_blocked(data)], axis=1)


def _slice_axis(layout: Layout, node: Node) -> Sequence[Entry] | None:
    p, data = node.params, node.inputs[0]
    if not _is_image(data.shape):
        return None
    axis = p.axis % len(data.shape)
    begin, end, _ = slice(p.begin, p.end).indices(data.shape[axis])
    if axis == 1:
        if begin % BLOCK or end % BLOCK and end != data.shape[1]:
            return None
        begin, end = begin // BLOCK, -(-end // BLOCK)
    return _same_operator(layout, node, [layout.as_blocked(data)], axis=axis, begin=begin, end=end)


# Those that are worth a change of layout, and those that follow their inputs.
CONVOLUTIONS: dict[str, Rule] = {
    "Convolution": _convolution,
    "_backward_Convolution": _convolution_gradient,
    "UpSampling": _upsampling,
    "Deconvolution": _deconvolution,
    "_backward_Deconvolution": _deconvolution_gradient,
}
RULES: dict[str, Rule] = {
    "Pooling": _pooling,
    "_backward_Pooling": _pooling_gradient,
    "_ScaleShift": _scale_shift,
    "BatchNorm": _batch_norm,
    "BatchNorm_v1": _batch_norm,
    "_backward_BatchNorm": _batch_norm_gradient,
    "LeakyReLU": _leaky_relu,
    "Concat": _concat,
    "SliceChannel": _slice_channel,
    "slice_axis": _slice_axis,
}
