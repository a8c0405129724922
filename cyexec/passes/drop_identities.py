"""Take out what hands its input on at inference: identity, BlockGrad, MakeLoss, Dropout.

Before: readers of such a node. After: they read its input. Other passes then see the layers next to each other.
Requires: no gradients. Idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Entry, Graph, Node

IDENTITIES = frozenset({"_copy", "BlockGrad", "make_loss", "MakeLoss"})


def run(graph: Graph) -> Graph:
    """Return `graph` without the nodes whose output 0 is their input 0, and of which nothing else is used."""
    used = {entry for node in graph.nodes for entry in node.inputs} | set(graph.outputs)

    def hands_on(node: Node) -> bool:
        if node.op is None:
            return False
        if node.op.name == "Dropout":
            drops = node.params.p > 0 and (graph.is_train or node.params.mode == "always")
            return not drops and node[1] not in used
        return node.op.name in IDENTITIES

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        return [inputs[0]] * len(node.shapes) if hands_on(node) else None

    return graph.rewrite(change) if any(map(hands_on, graph.nodes)) else graph
