"""Choose an order of a program's nodes that lowers the peak of memory."""

from __future__ import annotations

from typing import NamedTuple

import planner

from ..graph.graph import Graph, Node
from .alias import share_memory
from .dag import program_dag
from .liveness import lifetimes
from .program import Program
from .room import values_peak

# Searching the order of a larger graph would take longer than binding it.
MOST_NODES = 20_000
QUICK_WORK = 5_000  # nodes that the exact search looks at when nobody gave it time: a few ms


def in_order(graph: Graph, operators: list[int]) -> Graph:
    """Return `graph` with its operator nodes in the order of these positions, each part's variables before them.

    Ids of a Dag that are no positions, which are negative, are skipped.
    """
    parts: tuple[list[Node], list[Node]] = ([], [])
    chosen = [(i, graph.nodes[i]) for i in operators if i >= 0]
    variables = [(i, n) for i, n in enumerate(graph.nodes) if n.op is None]
    for i, node in variables + chosen:
        parts[i >= graph.num_forward].append(node)
    return Graph(graph.outputs, graph.targets, graph.is_train, order=[*parts[0], *parts[1]])


class Ordered(NamedTuple):
    """A program in the order that was found.

    Attributes
    ----------
    program : Program
        The one given, where no order is better.
    peak, before : int
        Estimated bytes of its arenas, and of those of the program given.
    """

    program: Program
    peak: int
    before: int


def order_nodes(program: Program, quick: bool = True, worth: int = 0) -> Ordered:
    """Return `program` in an order of nodes whose peak is estimated to be lower, or as it is if none was found.

    Parameters
    ----------
    program : Program
        Before `share_memory`.
    quick : bool
        Whether to spend a few milliseconds only, rather than up to a second.
    worth : int
        A peak of so many bytes is not worth a search.

    Notes
    -----
    The estimate knows views and what may run in place; both are decided once more for the order that is found.
    """
    graph = program.graph
    apart = values_peak(program, lifetimes(program))  # nothing shares memory
    if len(graph.nodes) > MOST_NODES or apart <= worth:
        return Ordered(program, apart, apart)
    dag = program_dag(share_memory(program.copy(), inplace=False))
    before = dag.peak()
    found = planner.order(dag, work=QUICK_WORK) if quick else planner.order(dag)
    if found.peak >= before:
        return Ordered(program, before, before)
    ordered = program.in_order(in_order(graph, [int(i) for i in found.ids]))  # type: ignore[call-overload]
    return Ordered(ordered, found.peak, before)
