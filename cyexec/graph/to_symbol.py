"""Show a graph as a symbol: for `debug_str` and `get_optimized_symbol`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import Graph, Node

if TYPE_CHECKING:
    from ..symbol import Symbol
    from ..symbol.node import SymbolNode


def graph_symbol(graph: Graph, with_targets: bool) -> Symbol:
    """Return the symbol that has the graph's nodes; its outputs are the graph's, then the gradients if asked for."""
    from ..symbol import Symbol
    from ..symbol.node import SymbolNode

    made: dict[Node, SymbolNode] = {}
    versions: dict[SymbolNode, int] = {}
    for node in graph.nodes:
        inputs = [(made[e.node], e.index) for e in node.inputs]
        attrs = dict(node.attrs)
        if node.op is not None and node.number < 0:  # made by a pass, which writes no strings for what is seldom looked at
            attrs.update(node.params.as_strings())
        new = SymbolNode(node.op, node.name, attrs, inputs, params=node.params)
        if node.op is not None:
            first = len(node.op.arg_names(node.params))
            # MXNet counts, in a variable's version, the operators that may have changed it.
            for source, _ in inputs[first:]:
                versions[source] = versions.get(source, 0) + 1
            new.versions = tuple(versions.get(source, 0) for source, _ in inputs)
        made[node] = new
    entries = [*graph.outputs, *(t.entry for t in graph.targets if with_targets)]
    return Symbol([(made[e.node], e.index) for e in entries])
