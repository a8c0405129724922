"""How much of a program's memory is channels that are not there: blocked layout pads them to whole blocks.

A layer of 8 channels takes twice its bytes in blocks of 16. Kernels are fast because of it, but memory is the user's: where
padding makes the arena larger, `runtime.compiled` gives it back by computing cheap values of a training step twice.
"""

from __future__ import annotations

from ..graph.graph import Entry, Graph, Node
from .blocked import BLOCK
from .liveness import Life
from .program import Program
from .room import arenas, profile


def true_channels(graph: Graph) -> dict[Entry, int]:
    """Return the channels of blocked values whose last block is not full."""
    found: dict[Entry, int] = {}
    for node in graph.nodes:
        if node.op is None:
            continue
        for i, shape in enumerate(node.shapes):
            if len(shape) > 3 and shape[-1] == BLOCK:
                channels = _channels(node, i, found)
                if channels is not None and channels % BLOCK:
                    found[node[i]] = channels
    return found


def _channels(node: Node, output: int, known: dict[Entry, int]) -> int | None:
    """Channels of a blocked output; None where it is not blocked, or nothing tells."""
    assert node.op is not None
    name, p, shape = node.op.name, node.params, node.shapes[output]
    if name == "_ToBlocked":
        return node.in_shapes[0][1]
    if name == "_BlockedConvolution":
        return p.num_filter
    if name == "_BlockedConvolutionGradient":
        return p.data_shape[1] if output == 0 else None
    if name == "_BlockedDeconvolutionGradient":
        return p.num_filter if output == 0 else None
    if name in ("_BlockedPooling", "_BlockedDeconvolution"):
        return p.data_shape[1]
    if name == "Concat" and p.dim == 1:
        parts = [known.get(e, e.shape[1] * BLOCK) for e in node.inputs]
        return sum(parts) if shape[1] == sum(e.shape[1] for e in node.inputs) else None
    # Everything else works channel by channel.
    return next((known[e] for e in node.inputs if e in known and e.shape[:2] == shape[:2]), None)


def unpadded_peak(program: Program, lives: dict[int, Life]) -> int:
    """Return the bytes that the values of `program` would take at its peak, all arenas together, without padding."""
    sizes = {root: spec.nbytes for root in lives if (spec := program.buffers[root]).kind == "value"}
    for entry, count in true_channels(program.graph).items():
        ref = program.resolve(program.entries[entry])
        if ref.buffer in sizes and ref.nbytes == program.buffers[ref.buffer].nbytes:
            sizes[ref.buffer] = ref.nbytes // (ref.shape[1] * BLOCK) * count
    return sum(max(profile(program, lives, ctx, sizes)) for ctx in arenas(program, lives))
