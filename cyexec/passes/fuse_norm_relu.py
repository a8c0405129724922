"""Let a training BatchNorm in blocked layout apply the relu behind it, and its gradient that relu's gradient.

Before: relu(bn(x)), and backward bn'(relu'(g, y), x). After: one node each way; backward, the head gradient counts where the
relu's output y is positive. Two passes over memory less in either direction.
Requires: nothing but the relu reads the normalised value, and nothing but BatchNorm's gradient the relu's. Idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node
from .fuse_epilogue import FUSED, activation_of

FORWARD, BACKWARD = "_BlockedBatchNorm", "_BlockedBatchNormGradient"


def run(graph: Graph) -> Graph:
    """Return `graph` with relus taken into the BatchNorms before them, in both directions where there are both."""
    if not any(_is(node, FORWARD) for node in graph.nodes):
        return graph
    readers = graph.readers()
    shown = {*graph.outputs, *(t.entry for t in graph.targets)}
    g = Builder(graph.is_train)

    def only_reader(entry: Entry) -> Node | None:
        found = readers.get(entry, [])
        return found[0] if len(found) == 1 and entry not in shown else None

    # A forward node is changed if the gradient, where there is one, can be changed too.
    relus: dict[Node, Node] = {}  # relu to its BatchNorm
    for node in graph.nodes:
        relu = only_reader(node[0]) if _is(node, FORWARD) and not node.params.relu else None
        if relu is None or not _is_relu(relu):
            continue
        gradients = [n for n in readers.get(node[1], ()) if _is(n, BACKWARD)]
        if all(_relu_gradient(n, relu) and only_reader(n.inputs[0]) is n for n in gradients):
            relus[relu] = node

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        assert node.op is not None or node.is_variable
        if node in relus:
            return [inputs[0]]
        if _is(node, FORWARD) and node in relus.values():
            relu = readers[node[0]][0]
            g.at(relu, "")
            g.attrs[FUSED] = f"{node.attrs.get(FUSED, node.name)} {relu.name}"
            made = g.node(FORWARD, *inputs, like=node.params, relu=True)
            return [made[i] for i in range(len(made.shapes))]
        if _is(node, BACKWARD) and node.inputs[0].node.op is not None:
            before = node.inputs[0].node
            if len(before.inputs) == 2 and before.inputs[1].node in relus and _relu_gradient(node, before.inputs[1].node):
                # The relu's gradient is left without a reader; what it read is read here.
                ograd, output = inputs[0].node.inputs
                moving = inputs[-2:]
                made = g.at(node, "").node(
                    BACKWARD, ograd, *inputs[1:5], output, *moving, like=node.params, relu=True
                )
                return [made[i] for i in range(len(made.shapes))]
        return None

    return graph.rewrite(change) if relus else graph


def _is(node: Node, name: str) -> bool:
    return node.op is not None and node.op.name == name


def _is_relu(node: Node) -> bool:
    if node.op is None:
        return False
    act = activation_of(node)
    return act is not None and act.kind == "relu"


def _relu_gradient(node: Node, relu: Node) -> bool:
    """Whether the head gradient of `node` is the gradient of `relu`, written with the relu's output."""
    before = node.inputs[0].node
    return (
        before.op is not None
        and before.op.name == "_backward_Activation"
        and before.params.act_type == "relu"
        and before.inputs[1] == relu[0]
    )
