"""Make a graph from a symbol whose shapes and dtypes have been inferred."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..base import MXNetError
from ..ops.infer import is_full
from ..ops.schema import Shape
from .graph import Entry, Graph, Node

if TYPE_CHECKING:
    from ..symbol.node import SymbolNode


def build_graph(
    nodes: Sequence[SymbolNode],
    outputs: Sequence[tuple[SymbolNode, int]],
    shapes: Mapping[SymbolNode, Sequence[Shape]],
    dtypes: Mapping[SymbolNode, Sequence[np.dtype | None]],
    aux: Container[SymbolNode] | None = None,
) -> Graph:
    """Return the forward graph of a symbol.

    Parameters
    ----------
    nodes : sequence of SymbolNode
        All nodes, inputs first.
    outputs : sequence of (node, output number)
    shapes, dtypes : mappings
        Of every output of every node. All must be known.
    aux : container of SymbolNode, optional
        Which variables are auxiliary states; by default those that an operator takes as such.

    Raises
    ------
    MXNetError
        Naming the nodes whose shape or dtype is not known.
    """
    from ..symbol.node import auxiliary

    if aux is None:
        aux = auxiliary(nodes)
    made: dict[SymbolNode, Node] = {}
    counts = {"arg": 0, "aux": 0}
    for node in nodes:
        node_shapes = tuple(shapes[node])
        node_dtypes = tuple(dtypes[node])
        if not all(is_full(s) for s in node_shapes) or any(d is None for d in node_dtypes):
            raise MXNetError(
                f"{'Variable' if node.op is None else node.op.name} '{node.name}': shape and dtype cannot be inferred "
                f"from what was given; found {', '.join(map(str, node_shapes))}"
            )
        if node.op is None:
            kind = "aux" if node in aux else "arg"
            new = Node(None, None, (), node.name, node_shapes, node_dtypes, kind, 0, node.attrs, counts[kind])  # type: ignore[arg-type]
            counts[kind] += 1
        else:
            inputs = tuple(Entry(made[source], index) for source, index in node.inputs)
            params = node.params.for_graph()
            new = Node(node.op, params, inputs, node.name, node_shapes, node_dtypes, "", 0, node.attrs, len(made))  # type: ignore[arg-type]
        made[node] = new
    return Graph([Entry(made[node], index) for node, index in outputs])
