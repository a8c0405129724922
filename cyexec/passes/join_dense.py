"""Multiply by one weight once: what an unrolled network does with the inputs of all its time steps.

Before: y_t = FullyConnected(x_t, w, b) for many t, with few rows each. After: one FullyConnected of the x_t stacked, whose
slices are the y_t. A product of few rows reads all of the weight for little work; one of many rows is several times as fast.
Where the x_t are the slices of one array, that array is taken; else they are stacked (without copies, where each can be made
in its place).
Requires: at least MIN_STEPS nodes with the same weight, bias and shape, none of which depends on another (so not the product
of a hidden state, which is the previous step's). Idempotent: afterwards the weight has one reader of this kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Builder, Entry, Graph, Node

MIN_STEPS = 4  # below, the stacking may cost what the product saves
MAX_ROWS = 64  # products of more rows run at full speed by themselves


def run(graph: Graph) -> Graph:
    """Return `graph` with the products of unrolled steps joined."""
    g = Builder(graph.is_train)
    seen: set[object] = set()
    while True:
        # A join makes new nodes of all that depend on it: groups are found anew after each.
        for key, members in _groups(graph).items():
            if key not in seen:
                seen.add(key)
                if not _depend(members):
                    graph = _joined(graph, g, members)
                    break
        else:
            return graph


def _groups(graph: Graph) -> dict[object, list[Node]]:
    """Nodes that multiply data of one shape by one weight, where they are many."""
    groups: dict[object, list[Node]] = {}
    for node in graph.nodes:
        if node.op is not None and node.op.name == "FullyConnected" and _is_small(node):
            groups.setdefault((node.params, node.ctx, node.in_shapes[0], node.inputs[1:]), []).append(node)
    return {key: members for key, members in groups.items() if len(members) >= MIN_STEPS}


def _is_small(node: Node) -> bool:
    shape = node.in_shapes[0]
    return len(shape) == 2 and 0 < shape[0] <= MAX_ROWS and shape[1] > 0


def _depend(members: Sequence[Node]) -> bool:
    """Whether a member's data depends on another member."""
    wanted, seen = set(members), set()
    waiting = [member.inputs[0].node for member in members]
    while waiting:
        node = waiting.pop()
        if node in wanted:
            return True
        if node not in seen:
            seen.add(node)
            waiting += [entry.node for entry in node.inputs]
    return False


def _joined(graph: Graph, g: Builder, members: Sequence[Node]) -> Graph:
    first = members[0]
    g.at(first, "_steps")
    members, data = _data_of_all(g, members)
    product = g("FullyConnected", data, *first.inputs[1:], like=first.params, flatten=False)
    parts = g.node("SliceChannel", product, num_outputs=len(members), axis=0, squeeze_axis=True)
    instead = {member: parts[i] for i, member in enumerate(members)}
    return graph.rewrite(lambda node, inputs: [instead[node]] if node in instead else None)


def _data_of_all(g: Builder, members: Sequence[Node]) -> tuple[Sequence[Node], Entry]:
    """The members in the order of their steps, and the data of all of them: (steps, rows, columns)."""
    source = members[0].inputs[0].node
    if source.op is not None and source.op.name == "SliceChannel" and source.params.squeeze_axis:
        axis = source.params.axis % len(source.in_shapes[0])
        by_step = {member.inputs[0].index: member for member in members if member.inputs[0].node is source}
        if axis < 2 and len(by_step) == len(members) == source.params.num_outputs:
            whole = source.inputs[0]
            if axis == 1:
                steps, rows, columns = len(members), whole.shape[0], whole.shape[2]
                if rows == 1:
                    whole = g("_reshape_to", whole, shape=(steps, rows, columns))
                else:
                    whole = g("transpose", whole, axes=(1, 0, 2))
            return [by_step[i] for i in range(len(members))], whole
    return members, g("stack", *(member.inputs[0] for member in members), axis=0, num_args=len(members))
