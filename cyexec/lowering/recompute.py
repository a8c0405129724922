"""Compute some values of the forward part a second time, where the backward part needs them, to lower the peak.

Which ones is `planner.rematerialize`'s choice; here its answer becomes a graph. A second computation is a copy of the node
with the same number, so that it draws the same random numbers: every bit of the results stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import planner

from ..graph.graph import Entry, Graph, Node
from .alias import share_memory
from .dag import BARRIER, owners, program_dag
from .lower import lower
from .program import Program

# Costly to compute twice for what their outputs take: MXNet's mirroring leaves them alone too.
COSTLY = frozenset(
    {
        "Convolution", "Deconvolution", "FullyConnected", "Concat", "SoftmaxOutput", "dot", "batch_dot", "RNN",
        "_BlockedConvolution",
    }  # fmt: skip
)


QUICK_TRIALS = 40  # sets of values


def _asked(node: Node) -> str:
    """The user's `force_mirroring` attribute; empty when there is none."""
    return node.attrs.get("__force_mirroring__") or node.attrs.get("force_mirroring") or ""


def forced(node: Node) -> bool:
    """Whether the user's `force_mirroring` attribute asks for this node to be computed twice."""
    return _asked(node).lower() in ("true", "1")


def mirrored(node: Node) -> bool:
    """Whether MXNet's mirroring (MXNET_BACKWARD_DO_MIRROR=1) would compute this node twice."""
    if _asked(node):
        return forced(node)
    return node.op is not None and node.op.name not in COSTLY


class _Rewriter:
    """Builds the graph of a `planner.Rematerialization`."""

    def __init__(self, graph: Graph, program: Program):
        self.graph = graph
        self._program = program
        self._owners = owners(program)
        self._first: dict[Node, Node] = {}
        self._again: dict[Node, Node] = {}

    def owner(self, entry: Entry) -> int | None:
        """Id of the node that owns the memory of `entry`; None for the user's arrays."""
        ref = self._program.entries[entry]
        return self._owners.get(self._program.home[ref.buffer][0])

    def read(self, entry: Entry, again: set[int], out: list[Node]) -> Entry:
        """`entry` as it is to be read when the values of `again` are taken from their second computations."""
        node = entry.node
        if node.is_variable:
            return entry
        if self.owner(entry) not in again:
            return self._first[node][entry.index]
        if node not in self._again:
            # Not the owner itself, which was computed again before: a view of its memory.
            inputs = tuple(self.read(e, again, out) for e in node.inputs)
            self._again[node] = self._copy(node, inputs)
            out.append(self._again[node])
        return self._again[node][entry.index]

    @staticmethod
    def _copy(node: Node, inputs: tuple[Entry, ...]) -> Node:
        copy = node.with_inputs(inputs)
        copy.name = f"{node.name}_again"
        return copy

    def build(self, dag: planner.Dag) -> Graph:
        nodes = self.graph.nodes
        parts: list[list[Node]] = [[n for n in nodes[: self.graph.num_forward] if n.is_variable]]
        for planned in dag.nodes:
            if planned.id == BARRIER:
                parts.append([n for n in nodes[self.graph.num_forward :] if n.is_variable])
            number: Any = planned.id.id if isinstance(planned.id, planner.Again) else planned.id
            if number < 0:  # no operator: the barrier, or values beside that of the node before
                continue
            second = isinstance(planned.id, planner.Again)
            node = nodes[number]
            again = {i.id for i in planned.inputs if isinstance(i, planner.Again)}
            made: list[Node] = []
            inputs = tuple(self.read(e, again, made) for e in node.inputs)  # type: ignore[arg-type]
            if second:
                self._again[node] = self._copy(node, inputs)
                made.append(self._again[node])
            else:
                self._first[node] = node if inputs == node.inputs else node.with_inputs(inputs)
                made.append(self._first[node])
            parts[-1] += made

        def moved(entry: Entry) -> Entry:
            return entry if entry.node.is_variable else self._first[entry.node][entry.index]

        graph = self.graph
        return Graph(
            [moved(e) for e in graph.outputs],
            [t._replace(entry=moved(t.entry)) for t in graph.targets],
            graph.is_train,
            order=[n for part in parts for n in part],
        )


class Recompute:
    """What a graph's values take, known once, to choose for any limit what is computed twice.

    Parameters
    ----------
    graph : Graph
        With gradients.
    may_repeat : callable
        Which nodes of the forward part may be computed twice.
    """

    def __init__(self, graph: Graph, may_repeat: Callable[[Node], bool] = lambda node: True):
        self._graph = graph
        self._program = share_memory(lower(graph), inplace=False)
        self._dag = program_dag(self._program, may_repeat)

    def within(self, limit: int, quick: bool = False) -> tuple[Graph, planner.Rematerialization]:
        """Return the graph with what must be computed twice for an estimated peak of at most `limit` bytes.

        Parameters
        ----------
        limit : int
        quick : bool
            Whether to spend some ten milliseconds only, rather than up to a second.

        Returns
        -------
        graph : Graph
            The one given when nothing needs to be, or nothing helps.
        choice : planner.Rematerialization
        """
        choice = planner.rematerialize(self._dag, limit, trials=QUICK_TRIALS if quick else None)
        if not choice.recomputed:
            return self._graph, choice
        return _Rewriter(self._graph, self._program).build(choice.dag), choice
