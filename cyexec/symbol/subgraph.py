"""A graph inside a node: what `foreach`, `while_loop` and `cond` run."""

from __future__ import annotations

from collections.abc import Sequence

from ..base import MXNetError
from ..graph.infer import infer_dtypes, infer_shapes
from ..ops.control_flow import ControlFlowParams
from ..ops.schema import DType, Shape
from .node import SymbolNode, topological

Entry = tuple[SymbolNode, int]


class Subgraph:
    """Outputs over variables that stand for inputs of the node it is in.

    Attributes
    ----------
    outputs : list of (SymbolNode, int)
    inputs : list of SymbolNode
        All its variables, in the order in which it first needs them.
    """

    def __init__(self, outputs: Sequence[Entry]):
        self.outputs = list(outputs)
        self.inputs = [node for node in topological(self.outputs) if node.op is None]

    def infer_shapes(self, ins: Sequence[Shape]) -> tuple[list[Shape], list[Shape]]:
        """Shapes of inputs and outputs, from what is known of the inputs."""
        known = {node.name: shape for node, shape in zip(self.inputs, ins)}
        found = infer_shapes(self.outputs, known, partial=True)
        return [found[n][0] for n in self.inputs], [found[n][i] for n, i in self.outputs]

    def infer_dtypes(self, ins: Sequence[DType]) -> tuple[list[DType], list[DType]]:
        """Dtypes of inputs and outputs, from what is known of the inputs."""
        known = {node.name: dtype for node, dtype in zip(self.inputs, ins) if dtype is not None}
        found = infer_dtypes(self.outputs, known, default=None)
        return [found[n][0] for n in self.inputs], [found[n][i] for n, i in self.outputs]

    def put(self, inputs: Sequence[Entry], prefix: str) -> list[Entry]:
        """Copy the graph onto `inputs`, one for each of its own; returns the entries of its outputs."""
        new: dict[SymbolNode, SymbolNode] = {}
        given = dict(zip(self.inputs, inputs))

        def moved(entry: Entry) -> Entry:
            return given[entry[0]] if entry[0] in given else (new[entry[0]], entry[1])

        for node in topological(self.outputs):
            if node.op is not None:
                name = f"{prefix}{node.name}"
                new[node] = SymbolNode(
                    node.op, name, dict(node.attrs), [moved(e) for e in node.inputs], (), node.params
                )
        return [moved(e) for e in self.outputs]


def subgraphs_of(node: SymbolNode) -> tuple[Subgraph, ...]:
    """The graphs inside a node; none for almost all nodes."""
    if node.op is None or not issubclass(node.op.params, ControlFlowParams):
        return ()
    graphs = node.params.subgraphs  # type: ignore[attr-defined]
    if not graphs:
        raise MXNetError(f"{node.describe()}: has no subgraphs")
    return graphs
