"""Let convolutions in blocked layout do what follows them while their results are in registers.

Before: relu(conv(x) + y), clip(conv(x)), prelu(conv(x)) and the like, each operator a pass over memory.
After: one `_BlockedConvolution` with a first activation, an addition and a second activation, in that order:
    v = conv(x) + bias;  v = first(v);  v = v + y;  v = second(v)
A `_BlockedScaleShift` takes an activation in the same way.
Requires: the value in between has one reader and is not shown. Idempotent.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node
from ..ops.blocked import Act

FUSED = "__fused__"  # attribute: names of the nodes that one node stands for


def run(graph: Graph) -> Graph:
    """Return `graph` with activations and additions taken into the node before them."""
    if not any(_takes(node) for node in graph.nodes):
        return graph
    readers = graph.readers()
    shown = {*graph.outputs, *(t.entry for t in graph.targets)}
    place = {node: i for i, node in enumerate(graph.nodes)}
    g = Builder(graph.is_train)

    def is_inner(entry: Entry) -> bool:
        return len(readers.get(entry, ())) == 1 and entry not in shown

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        if node.op is None:
            return None
        act = activation_of(node)
        if act is not None:
            before = inputs[0].node
            if is_inner(node.inputs[0]) and _takes(before) and not (act.kind == "prelu" and _has_slopes(before)):
                return _with_activation(g, node, before, act, inputs[1:])
        elif node.op.name in ("elemwise_add", "broadcast_add", "_grad_add") and inputs[0].shape == inputs[1].shape:
            # Into the later of two convolutions: what it adds has been computed then.
            order = sorted((0, 1), key=lambda i: -place[node.inputs[i].node])
            for i in order:
                conv = inputs[i].node
                if is_inner(node.inputs[i]) and _adds(conv) and node.inputs[0] != node.inputs[1]:
                    return _with_sum(g, node, conv, inputs[1 - i])
        return None

    return graph.rewrite(change)


def activation_of(node: Node) -> Act | None:
    """The activation that `node` applies to its first input, if it is one that epilogues have."""
    assert node.op is not None
    p, name = node.params, node.op.name
    if name == "relu" or name == "Activation" and p.act_type == "relu":
        return Act("relu")
    if name == "clip":
        return Act("clip", (p.a_min, p.a_max)) if p.a_min <= p.a_max else None
    if name == "LeakyReLU" and p.act_type == "leaky":
        return Act("leaky", (p.slope,))
    if name == "_BlockedScaleShift" and not p.has_scale and p.after == "prelu":
        return Act("prelu")
    return None


def _takes(node: Node) -> bool:
    """Whether another activation can be taken in."""
    if node.op is None:
        return False
    if node.op.name == "_BlockedConvolution":
        return node.params.second == "none" if node.params.adds else node.params.first == "none"
    return node.op.name == "_BlockedScaleShift" and node.params.has_scale and node.params.after == "none"


def _has_slopes(node: Node) -> bool:
    """Whether its one vector of slopes is taken."""
    return node.op is not None and node.op.name == "_BlockedConvolution" and node.params.first == "prelu"


def _adds(node: Node) -> bool:
    return node.op is not None and node.op.name == "_BlockedConvolution" and not node.params.adds


def _rebuilt(g: Builder, node: Node, before: Node, inputs: Sequence[Entry], **changes) -> list[Entry]:
    """`before` with other inputs and parameters, under the name of the value it now computes."""
    assert before.op is not None
    g.at(node, "")
    g.attrs[FUSED] = f"{before.attrs.get(FUSED, before.name)} {node.name}"
    return [g(before.op.name, *inputs, like=before.params, **changes)]


def _with_activation(g: Builder, node: Node, before: Node, act: Act, more: Sequence[Entry]) -> list[Entry]:
    inputs = [*before.inputs, *more]
    if before.op is not None and before.op.name == "_BlockedScaleShift":
        return _rebuilt(g, node, before, inputs, after=act.kind, after_range=act.range)
    if before.params.adds:
        if more:  # the slopes stand before what is added
            inputs = [*before.inputs[:-1], *more, before.inputs[-1]]
        return _rebuilt(g, node, before, inputs, second=act.kind, second_range=act.range)
    return _rebuilt(g, node, before, inputs, first=act.kind, first_range=act.range)


def _with_sum(g: Builder, node: Node, conv: Node, other: Entry) -> list[Entry]:
    return _rebuilt(g, node, conv, [*conv.inputs, other], adds=True)
