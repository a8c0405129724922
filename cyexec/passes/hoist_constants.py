"""Split an inference graph into what follows from parameters alone and the rest.

Before: nodes computed at every run. After: two graphs. The first computes *constants*, once for as long as the parameters
do not change: folded scales, scaled and prepacked weights, and what the user computes of weights (a norm, a product). The
second is what runs; it reads the constants as variables of kind "const".

A variable counts as a parameter if all that is made of it ends where operators take parameters (weight, bias, gamma, ...).
Whether it is one only decides how often something is computed, never what: a constant is made anew when a variable it
follows from has been written. Views are never kept: they cost nothing where they stand.
"""

from __future__ import annotations

from typing import NamedTuple

from ..graph.graph import Entry, Graph, Node

# Inputs of operators that take parameters, by name. Auxiliary states are parameters too.
PARAMETER_INPUTS = frozenset(
    {"weight", "bias", "gamma", "beta", "parameters", "mean", "var", "scale", "shift", "packed", "slope"}
)
VIEWS = frozenset({"Reshape", "Flatten", "expand_dims", "squeeze", "_copy", "BlockGrad", "reshape_like"})


class Split(NamedTuple):
    """`graph` reads constant number i as the variable of kind "const" and number i; `constants` are their entries."""

    graph: Graph
    constants: tuple[Entry, ...]


def run(graph: Graph) -> Split:
    """Split `graph`, which has no gradients."""
    constant = _constant_nodes(graph)
    kept: dict[Entry, Node] = {}

    def variable(entry: Entry) -> Entry:
        """The variable that stands for a constant."""
        if entry not in kept:
            node = entry.node
            assert node.op is not None
            output = node.op.output_names(node.params)[entry.index]
            name = f"{node.name}_{output}"
            kept[entry] = Node(None, None, (), name, (entry.shape,), (entry.dtype,), "const", node.ctx, number=len(kept))
        return kept[entry][0]

    new: dict[Node, Node] = {}

    def moved(entry: Entry) -> Entry:
        node = entry.node
        if node in constant and not _is_view(node):
            return variable(entry)
        if node not in new:
            inputs = tuple(moved(e) for e in node.inputs)  # depth: a chain of views on a constant
            new[node] = node if inputs == node.inputs else node.with_inputs(inputs)
        return Entry(new[node], entry.index)

    for node in graph.nodes:
        if node not in constant:
            moved(node[0])
    if not kept:
        return Split(graph, ())
    return Split(Graph([moved(e) for e in graph.outputs], (), graph.is_train), tuple(kept))


def _is_view(node: Node) -> bool:
    return node.op is not None and node.op.name in VIEWS


def parameters_only(graph: Graph) -> set[Node]:
    """Nodes of which everything ends in a parameter input."""
    shown = {entry.node for entry in graph.outputs}
    read: set[Node] = set()
    elsewhere: set[Node] = set()  # read by an operator that does not take it as a parameter
    found: set[Node] = set()
    for node in reversed(graph.nodes):  # readers come before what they read
        if node not in shown and (node.kind == "aux" or node in read and node not in elsewhere):
            found.add(node)
        if node.op is None:
            continue
        read.update(e.node for e in node.inputs)
        if node not in found:
            names = node.op.input_names(node.params)
            elsewhere.update(e.node for n, e in zip(names, node.inputs) if n not in PARAMETER_INPUTS)
    return found


def _constant_nodes(graph: Graph) -> set[Node]:
    """Operators whose results follow from parameters alone and are worth keeping.

    An operator without inputs (zeros) is constant too, but is kept only inside something that is.
    """
    parameters = parameters_only(graph)
    sources: set[Node] = set()
    constant: set[Node] = set()
    for node in graph.nodes:
        if node.op is None:
            if node in parameters and node.kind in ("arg", "aux"):
                sources.add(node)
        elif node.op.random or node.op.opaque:
            continue
        elif not node.inputs:
            sources.add(node)
        elif all(e.node in sources or e.node in constant for e in node.inputs):
            constant.add(node)
    return constant
