"""Convolve volumes slice by slice: a 3-D convolution is a sum of 2-D ones, which have kernels in blocked layout.

Before: Convolution(x, w, b) with a kernel of (kz, ky, kx). After, depth and batch together being the images:
    slices = x with the depth first, padded with slices of zeros      (depth * batch, channels, height, width)
    y = sum over k < kz of Convolution(slices[k * dilate :: stride], w[:, :, k]);    the first takes b
The sums go into epilogues. Of few channels, several taps k make one convolution, with the channels of their slices together:
there the sums would take longer than the products.
Requires: float32, one group, more channels than a plain image has (a first layer's outputs are so many that changing their
layout takes longer than the products). Idempotent. Runs before the gradient is made, so that its nodes are 2-D too.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node
from ..lowering import blocked
from ..ops.convolution import conv_arguments, geometry

TOGETHER = 64  # channels of slices that are convolved together at most


def run(graph: Graph) -> Graph:
    """Return `graph` with its 3-D convolutions split."""
    if not any(_is_volume(node) for node in graph.nodes):
        return graph
    g = Builder(graph.is_train)
    return graph.rewrite(lambda node, inputs: [_split(g, node, inputs)] if _is_volume(node) else None)


def _is_volume(node: Node) -> bool:
    if node.op is None or node.op.name != "Convolution" or len(node.params.kernel) != 3:
        return False
    if node.dtypes[0].name != "float32" or 0 in node.shapes[0] or node.params.num_group > 1:
        return False
    if node.in_shapes[0][1] <= blocked.PLAIN_CHANNELS:
        return False
    a = conv_arguments(node.params, node.in_shapes[0], node.params.num_filter, node.shapes[0])
    flat = {key: (1, *a[key][1:]) for key in ("in_size", "taps", "stride", "dilate", "out_size")}
    return blocked.supports({**a, **flat, "pad": (0, *a["pad"][1:])})


def _split(g: Builder, node: Node, inputs: Sequence[Entry]) -> Entry:
    p = node.params
    kernel, stride, dilate, pad = geometry(p)
    batch, channels, _, height, width = node.in_shapes[0]
    filters, depth, *size = node.shapes[0][1:]
    g.at(node, "_slices")
    slices = g("transpose", inputs[0], axes=(2, 0, 1, 3, 4))
    if pad[0]:
        nothing = g("_zeros_exact", shape=(pad[0], *slices.shape[1:]), dtype=slices.dtype)
        slices = g("Concat", nothing, slices, nothing, dim=0, num_args=3)
    slices = g("_reshape_to", slices, shape=(slices.shape[0] * batch, channels, height, width))
    together = max(1, TOGETHER // channels)
    sums: list[Entry] = []
    for k in range(0, kernel[0], together):
        g.at(node, f"_slices_tap{k}")
        taps = range(k, min(k + together, kernel[0]))
        parts = [_every(g, slices, batch, t * dilate[0], depth, stride[0]) for t in taps]
        images = parts[0] if len(parts) == 1 else g("Concat", *parts, dim=1, num_args=len(parts))
        weight = g("slice_axis", inputs[1], axis=2, begin=taps.start, end=taps.stop)
        if len(parts) > 1:
            weight = g("transpose", weight, axes=(0, 2, 1, 3, 4))
        weight = g("_reshape_to", weight, shape=(filters, images.shape[1], *kernel[1:]))
        bias = [] if k or p.no_bias else [inputs[2]]
        part = g(
            "Convolution", images, weight, *bias, kernel=kernel[1:], stride=stride[1:], dilate=dilate[1:], pad=pad[1:],
            num_filter=filters, no_bias=not bias,
        )  # fmt: skip
        sums.append(g("elemwise_add", sums[-1], part) if sums else part)
    g.at(node, "_slices_whole")
    whole = g("_reshape_to", sums[-1], shape=(depth, batch, filters, *size))
    g.at(node, "")
    return g("transpose", whole, axes=(1, 2, 0, 3, 4))


def _every(g: Builder, slices: Entry, batch: int, first: int, count: int, stride: int) -> Entry:
    """The images of slices first, first + stride, ..., `count` of them."""
    if stride == 1:
        return g("slice_axis", slices, axis=0, begin=first * batch, end=(first + count) * batch)
    by_slice = g("_reshape_to", slices, shape=(slices.shape[0] // batch, batch, *slices.shape[1:]))
    end = first + (count - 1) * stride + 1
    found = g("slice", by_slice, begin=(first,), end=(end,), step=(stride,))
    return g("_reshape_to", found, shape=(count * batch, *slices.shape[1:]))
