"""Replace inference BatchNorm by a scale and a shift, folded into the convolution before it where there is one.

Before: BatchNorm(Convolution(x, w, b)); after: Convolution(x, w * scale, shift),
    scale = gamma / sqrt(var + eps),  shift = (b - mean) * scale + beta
Before: BatchNorm(x); after: x * scale + shift
Requires: inference; the statistics are not read or shown; for the first form the convolution has no other reader and the
channels are on axis 1. A fully connected layer's weights are not scaled: the copy would be as large as they, and the layer's
output is small. Idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node

BATCH_NORMS = ("BatchNorm", "BatchNorm_v1")
CONVOLUTIONS = ("Convolution", "Deconvolution")


def run(graph: Graph) -> Graph:
    """Return `graph` with its BatchNorms folded."""
    if not any(_is_batch_norm(node) for node in graph.nodes):
        return graph
    readers = graph.readers()
    shown = set(graph.outputs)
    g = Builder(graph.is_train)

    def only_reader(entry: Entry) -> bool:
        return len(readers.get(entry, ())) == 1 and entry not in shown

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        if not _is_batch_norm(node) or any(node[i] in readers or node[i] in shown for i in (1, 2)):
            return None
        if len(set(node.in_dtypes)) > 1 or 0 in node.shapes[0]:
            return None  # float32 parameters beside float16 data
        axis = getattr(node.params, "axis", 1) % len(node.shapes[0])
        before = inputs[0].node
        folds = (
            before.op is not None and before.op.name in CONVOLUTIONS and axis == 1 and only_reader(node.inputs[0])
        )  # fmt: skip
        bias = [before.inputs[2]] if folds and not before.params.no_bias else []
        scale, shift = g.at(node, "_folded")(
            "_FoldBatchNorm", *inputs[1:], *bias, eps=node.params.eps, fix_gamma=node.params.fix_gamma,
            has_bias=bool(bias),
        )  # fmt: skip
        if folds:
            made = _scaled_convolution(g, node, before, scale, shift)
        else:
            made = g.at(node, "").node("_ScaleShift", inputs[0], scale, shift, axis=axis)
        return [made[0]] * len(node.shapes)

    return graph.rewrite(change)


def _is_batch_norm(node: Node) -> bool:
    return node.op is not None and node.op.name in BATCH_NORMS


def _scaled_convolution(g: Builder, batch_norm: Node, conv: Node, scale: Entry, shift: Entry) -> Node:
    """The convolution that stands for both, under the name of the value it computes."""
    assert conv.op is not None
    transposed = conv.op.name == "Deconvolution"
    weight = g.at(conv, "_weight_folded")(
        "_ScaleFilters", conv.inputs[1], scale, transposed=transposed, groups=conv.params.num_group
    )
    return g.at(batch_norm, "").node(conv.op.name, conv.inputs[0], weight, shift, like=conv.params, no_bias=False)
