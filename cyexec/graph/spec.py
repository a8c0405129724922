"""The grammar of graphs: what every pass may rely on and must keep."""

from __future__ import annotations

from ..base import MXNetError
from .graph import Graph, Node


def check(graph: Graph) -> None:
    """Raise MXNetError naming the first node that breaks a rule.

    Rules: inputs come before their readers; entries exist; operators get as many inputs as they take and yield as many
    outputs as they say; re-inference gives the shapes and dtypes that stand in the nodes; auxiliary states are variables;
    a target has its argument's shape.
    """
    seen: set[Node] = set()
    for node in graph.nodes:
        for entry in node.inputs:
            if entry.node not in seen:
                raise MXNetError(f"{node.describe()}: reads {entry.node.describe()} before it is computed")
            if not 0 <= entry.index < len(entry.node.shapes):
                raise MXNetError(f"{node.describe()}: reads output {entry.index} of {entry.node.describe()}")
        seen.add(node)
        if node.op is not None:
            _check_operator(node)
        elif node.kind not in ("arg", "aux", "const", "head_grad") or len(node.shapes) != 1:
            raise MXNetError(f"{node.describe()}: not a well-formed variable")
    for entry in (*graph.outputs, *(t.entry for t in graph.targets)):
        if entry.node not in seen or not 0 <= entry.index < len(entry.node.shapes):
            raise MXNetError(f"graph output {entry} is not in the graph")


def _check_operator(node: Node) -> None:
    op, params = node.op, node.params
    assert op is not None and params is not None
    names = op.input_names(params)
    if len(names) != len(node.inputs):
        raise MXNetError(f"{node.describe()}: has {len(node.inputs)} inputs, takes {len(names)}")
    if len(op.output_names(params)) != len(node.shapes):
        raise MXNetError(f"{node.describe()}: has {len(node.shapes)} outputs, says {op.output_names(params)}")
    for entry in node.inputs[len(op.arg_names(params)) :]:
        if entry.node.kind not in ("aux", "arg"):  # an argument where the operator stood in a loop
            raise MXNetError(f"{node.describe()}: auxiliary state {entry.node.name} is not a variable")
    _, shapes = op.infer_shape(params, list(node.in_shapes), [None] * len(node.shapes))
    # A source such as zeros of shape (0, 5) learned its extents from its readers: alone it does not know them all.
    agrees = len(shapes) == len(node.shapes) and all(
        a is None or (len(a) == len(b) and all(x in (-1, y) for x, y in zip(a, b))) for a, b in zip(shapes, node.shapes)
    )
    if not agrees:
        raise MXNetError(f"{node.describe()}: shapes are {node.shapes}, inference gives {tuple(shapes)}")
