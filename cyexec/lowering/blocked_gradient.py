"""Gradients of convolutions over blocked activations: sizes of areas, and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ops.infer import product
from .blocked import BLOCK, FLOAT32, Geometry, supports, whole_groups
from .program import Ref, Variant

if TYPE_CHECKING:
    from .lower import Lowering

SUMS = 1 << 20  # elements of all chunks' sums together (4 MiB), where the weights are not larger themselves
WASTE = 6  # times the products that are needed; blocked kernels are about that much faster than plain ones
MOST_MERGED = 4  # groups computed as one, with as many times the products
CHUNKS = 16  # parts of a batch at most: the sums of each are short, and that many threads find work


def supports_gradient(geometry: Geometry) -> bool:
    """Whether the gradients have kernels too, and faster ones than in plain layout."""
    return supports(geometry) and whole_groups(geometry)[1] <= MOST_MERGED


def pays(geometry: Geometry) -> bool:
    """Whether the gradient of the data is no slower than in plain layout.

    Every pixel of the data takes part there, and every channel of a block. Where outputs are far fewer than pixels (a kernel as
    large as the image), or a block holds one channel, most products are with zeros.
    """
    g = geometry
    if g["groups"] == g["channels"] == g["filters"] > 1:  # depthwise
        return True
    pixels, outputs = product(g["in_size"]) / product(g["stride"]), product(g["out_size"])
    in_blocks = -(-g["channels"] // BLOCK) * BLOCK
    return in_blocks * pixels <= WASTE * g["channels"] * outputs


def _sums(g: Geometry) -> int:
    """Elements of one chunk's sums."""
    return -(-g["filters"] // BLOCK) * BLOCK * (g["channels"] // g["groups"]) * product(g["taps"])


def add_weight_gradient(low: Lowering, x: Ref, dy: Ref, dw: Ref, geometry: Geometry, layout: str) -> None:
    """Add the step dw = gradient of the weights.

    Parameters
    ----------
    x : Ref
        Data in `layout`: "blocked", or "plain" where `blocked.reads_plain` holds.
    dy : Ref
        Blocked.
    dw : Ref
        Weights as users see them.
    """
    whole, merged = whole_groups(geometry)
    if merged > 1:
        _add_small_groups(low, x, dy, dw, whole, merged)
        return
    blocks, all_sums = -(-geometry["filters"] // BLOCK), _sums(geometry)
    # Sums larger than what they are made of would cost more than they save.
    chunks = max(1, min(geometry["batch"], CHUNKS, SUMS // all_sums, (x.size + dy.size) // all_sums))
    one = chunks * (all_sums // blocks)

    def within(room: int | None) -> Variant:
        slice = blocks if room is None else min(blocks, room // one)
        if slice < blocks:
            slice = max(1, slice // 2 * 2)  # kernels take two filter blocks at a time
        return Variant({"slice": slice}, slice * one)

    low.scratch_step(
        "blocked_weight.WeightGradient", within, [x, dy], [dw], plain=layout == "plain", chunks=chunks, **geometry
    )


def _add_small_groups(low: Lowering, x: Ref, dy: Ref, dw: Ref, whole: Geometry, merged: int) -> None:
    """Add the steps dw = gradient of weights whose groups, `merged` at a time, are one group of `whole`.

    All channels of a merged group are multiplied with all of its filters; of the result the groups' own parts are taken.
    """
    filters, channels = whole["filters"] // whole["groups"] // merged, whole["channels"] // whole["groups"]
    line = channels // merged * product(whole["taps"])  # weights of a filter
    all_pairs = low.workspace((whole["filters"] * merged * line,), FLOAT32)
    add_weight_gradient(low, x, dy, all_pairs, whole, "blocked")
    for j in range(merged):
        low.step(
            "movement.StridedCopy", [all_pairs], [dw], shape=(whole["groups"], filters, line),
            x_strides=(merged * filters * merged * line, merged * line, 1), x_offset=j * (filters * merged + 1) * line,
            y_strides=(merged * filters * line, line, 1), y_offset=j * filters * line,
        )  # fmt: skip


def add_channel_sums(low: Lowering, dy: Ref, out: Ref) -> None:
    """Add the step out[c] = sum of blocked dy over images and positions: the gradient of a bias."""
    partial = low.workspace((dy.shape[0] * dy.shape[1], BLOCK), np.dtype(np.float64))
    low.step("blocked_weight.ChannelSums", [dy], [out, partial])
