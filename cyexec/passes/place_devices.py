"""Give every node its context and copy values that cross from one to another.

Before: nodes with a `__ctx_group__` attribute. After: `Node.ctx` is set, and between nodes of different contexts stands a
`_CrossDeviceCopy`, as in MXNet. A node without a group lives where its first input lives; variables of a group in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..graph.graph import Entry, Graph, Node, make_node
from ..ops import registry


def run(graph: Graph, groups: Mapping[str, int]) -> Graph:
    """Return `graph` with its nodes placed; `groups` maps names of `ctx_group` to context numbers."""
    if not groups:
        return graph
    copy_op = registry.get("_CrossDeviceCopy")
    # A variable without a group goes where its first reader is, so that it needs no copy.
    wanted: dict[Node, int] = {}
    for node in graph.nodes:
        group = node.attrs.get("__ctx_group__") or node.attrs.get("ctx_group")
        if group is not None and group in groups:
            wanted[node] = groups[group]
    for node in graph.nodes:
        if node in wanted or node.is_variable:
            continue
        wanted[node] = next((wanted[e.node] for e in node.inputs if e.node in wanted), 0)
    for node in graph.nodes:
        for entry in node.inputs:
            if entry.node.is_variable:
                wanted.setdefault(entry.node, wanted[node])

    copies: dict[tuple[Entry, int], Entry] = {}

    def change(node: Node, inputs: tuple[Entry, ...]) -> Sequence[Entry] | None:
        ctx = wanted.get(node, 0)
        placed = []
        for entry in inputs:
            if entry.node.ctx != ctx and entry.node.kind != "aux":
                key = (entry, ctx)
                if key not in copies:
                    name = f"{entry.node.name}_{entry.index}_copy"
                    copies[key] = make_node(copy_op, copy_op.params(), [entry], name, ctx)[0]
                entry = copies[key]
            placed.append(entry)
        made = node.with_inputs(tuple(placed), ctx)
        return [made[i] for i in range(len(made.shapes))]

    return graph.rewrite(change)
