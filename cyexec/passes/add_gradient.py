"""Add gradients to a forward graph: reverse-mode differentiation, one operator at a time.

Before: a graph with outputs. After: the same graph with a target for each argument that wants one.
Every operator's `gradient` builds the nodes; here contributions to one value are summed and arguments that no gradient
reaches get zeros. Head gradients are variables `_head_grad_0`, `_head_grad_1`, ...; loss operators do not read theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..base import MXNetError
from ..graph.graph import Builder, Entry, Graph, Node, Target


def head_gradient(number: int, entry: Entry) -> Node:
    """The variable that holds the gradient of output `number`."""
    ctx = entry.node.ctx
    name = f"_head_grad_{number}"
    return Node(None, None, (), name, (entry.shape,), (entry.dtype,), "head_grad", ctx, number=number)


def needs_gradient(graph: Graph, wanted: set[int]) -> set[Node]:
    """Nodes on a path from a wanted argument."""
    needed: set[Node] = set()
    for node in graph.nodes:
        if node.is_variable:
            if node.kind == "arg" and node.number in wanted:
                needed.add(node)
        elif any(e.node in needed for e in node.inputs):
            needed.add(node)
    return needed


def _sum(g: Builder, parts: list[Entry]) -> Entry:
    """Sum of the contributions to one value, in the order they arose: the order fixes the rounding.

    One by one, each in the memory of the sum so far: one `add_n` of them all would keep every contribution until the last
    has arisen (35 gradients of each weight of an LSTM over 35 steps), and would read them from far away.
    """
    total = parts[0]
    for part in parts[1:]:
        total = g("_grad_add", total, part)
    return total


def _only_last(igrads: Sequence[Entry | None], needed: Sequence[bool]) -> list[Entry | None]:
    """Keep one gradient, so that the step which makes it stays: all are zeros, and zeros need not travel further.

    The last, since parameters come after data.
    """
    last = max((i for i, made in enumerate(igrads) if made is not None and needed[i]), default=None)
    return [made if i == last else None for i, made in enumerate(igrads)]


def run(graph: Graph, requests: Sequence[tuple[int, str]]) -> Graph:
    """Return `graph` with gradient targets, one for each request, in their order.

    Parameters
    ----------
    graph : Graph
    requests : sequence of (argument number, "write" or "add")

    Raises
    ------
    MXNetError
        A gradient reaches an operator that has none, or an operator's gradient has a wrong shape.
    """
    needed = needs_gradient(graph, {number for number, _ in requests})
    g = Builder(graph.is_train)
    parts: dict[Entry, list[Entry]] = {}
    for i, entry in enumerate(graph.outputs):
        if entry.node in needed:
            parts.setdefault(entry, []).append(head_gradient(i, entry)[0])

    for node in reversed(graph.nodes):
        if node.is_variable or node not in needed:
            continue
        g.at(node)
        have = [parts.pop(Entry(node, i), None) for i in range(len(node.shapes))]
        ograds = [_sum(g, parts_of) if parts_of else None for parts_of in have]
        assert node.op is not None
        reached = any(o is not None for o in ograds)
        if not reached and not (graph.is_train and node.op.learns is not None and node.op.learns(node.params)):
            continue
        if node.op.gradient is None:
            raise MXNetError(f"{node.describe()}: operator {node.op.name} is not differentiable: it has no gradient")
        igrads = node.op.gradient(g, node, ograds)
        if not reached:
            igrads = _only_last(igrads, [e.node in needed for e in node.inputs])
        for entry, made in zip(node.inputs, igrads):
            if made is None or entry.node not in needed:
                continue
            if made.shape != entry.shape or made.dtype != entry.dtype:
                raise MXNetError(
                    f"{node.describe()}: its gradient for {entry.node.describe()} is {made.shape} {made.dtype}, "
                    f"expected {entry.shape} {entry.dtype}"
                )
            parts.setdefault(entry, []).append(made)

    variables = {n.number: n for n in graph.nodes if n.is_variable and n.kind == "arg"}
    targets = []
    for number, req in requests:
        node = variables[number]
        g.at(node)
        have_parts = parts.get(node[0])
        made = _sum(g, have_parts) if have_parts else g.zeros_like(node[0])
        targets.append(Target(node.name, made, req))
    return Graph(graph.outputs, targets, graph.is_train)
