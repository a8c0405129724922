"""Let convolutions in blocked layout normalise their own input: pre-activation networks (ResNet v2, DenseNet).

Before: conv(relu(x * scale + shift)), the normalised copy of x in memory; after: one `_BlockedConvolution` that reads x and
applies relu(x * scale + shift) to each pixel on its way to the registers.
Requires: every reader of the normalised value is such a convolution, and it is not shown. Depthwise convolutions, which read
each pixel many times and do little with it, have no such form. Idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node
from ..lowering import blocked
from ..ops.blocked import geometry_of
from .fuse_epilogue import FUSED


def run(graph: Graph) -> Graph:
    """Return `graph` with scales, shifts and relus taken into the convolutions that read them."""
    if not any(_normalises(node) for node in graph.nodes):
        return graph
    readers = graph.readers()
    shown = {*graph.outputs, *(t.entry for t in graph.targets)}
    g = Builder(graph.is_train)

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        if not _reads(node) or not _normalises(node.inputs[0].node):
            return None
        value = node.inputs[0]
        if value in shown or not all(_reads(r) and r.inputs[0] == value for r in readers[value]):
            return None
        assert node.op is not None
        before = inputs[0].node
        weight, rest = inputs[1], inputs[2:]
        if not node.params.repacked:  # how weights are packed follows from how the data are read
            pack = weight.node
            assert pack.op is not None
            weight = g.at(pack, "")(pack.op.name, *pack.inputs, like=pack.params, normalises=True)
        g.at(node, "")
        g.attrs[FUSED] = f"{before.attrs.get(FUSED, before.name)} {node.attrs.get(FUSED, node.name)}"
        return [g(node.op.name, before.inputs[0], weight, *before.inputs[1:], *rest, like=node.params, normalises=True)]

    return graph.rewrite(change)


def _normalises(node: Node) -> bool:
    return (
        node.op is not None
        and node.op.name == "_BlockedScaleShift"
        and node.params.has_scale
        and node.params.after == "relu"
    )


def _reads(node: Node) -> bool:
    if node.op is None or node.op.name != "_BlockedConvolution" or node.params.normalises:
        return False
    return not blocked.is_depthwise(geometry_of(node.params))
