"""Graphs for pass tests: made from symbols, shown as one line a node, evaluated by NumPy references."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import cyexec as mx
from cyexec.graph.build import build_graph
from cyexec.graph.graph import Graph
from cyexec.graph.infer import infer_dtypes, infer_shapes
from cyexec.symbol.node import topological

from ..ops.harness import run


def graph_of(symbol: mx.sym.Symbol, is_train: bool = False, dtype: str = "float32", **shapes) -> Graph:
    """The bound graph of a symbol before any pass."""
    outputs = symbol._outputs
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    dtypes = {n: np.dtype(dtype) for n in names}
    graph = build_graph(topological(outputs), outputs, infer_shapes(outputs, shapes), infer_dtypes(outputs, dtypes))
    return Graph(graph.outputs, (), is_train)


def lines(graph: Graph) -> list[str]:
    """``name = Operator(input, input:1)`` for every operator, in order; then the outputs."""

    def show(entry) -> str:
        return entry.node.name + (f":{entry.index}" if entry.index else "")

    made = [f"{n.name} = {n.op.name}({', '.join(map(show, n.inputs))})" for n in graph.nodes if n.op is not None]
    return [*made, f"return {', '.join(map(show, graph.outputs))}"]


def check_pass(change: Callable[[Graph], Graph], graph: Graph, wanted: list[str]) -> None:
    """The pass gives `wanted`, and gives it again when run on its own result. Failures print before, after and wanted."""
    after = change(graph)
    both = "\n".join(["before:", *lines(graph), "", "after:", *lines(after), "", "wanted:", *wanted])
    assert lines(after) == wanted, both
    assert lines(change(after)) == lines(after), f"not idempotent\n{both}"


def random_values(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """A positive value for each variable."""
    rng = np.random.default_rng(seed)
    return {n.name: rng.uniform(0.5, 1.5, n.shapes[0]).astype(n.dtypes[0]) for n in graph.nodes if n.is_variable}


def check_same_numbers(change: Callable[[Graph], Graph], graph: Graph, rtol: float) -> None:
    """Kernels give the same outputs before and after the pass."""
    values = random_values(graph)
    before, _ = run(graph, {k: v.copy() for k, v in values.items()})
    after, _ = run(change(graph), {k: v.copy() for k, v in values.items()})
    for a, b in zip(after, before):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(initial=0))
