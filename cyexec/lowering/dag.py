"""A program as the planner's `Dag`: which nodes make which bytes, and what must come before what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import planner

from ..graph.graph import Node
from .program import Program

BARRIER = -1  # id of the point between the forward and the backward part


def owners(program: Program) -> dict[int, int]:
    """For every root buffer in the arena, the position in ``graph.nodes`` of the node that touches it first."""
    numbers = {node: i for i, node in enumerate(program.graph.nodes)}
    found: dict[int, int] = {}
    for node, first, last in program.spans:
        for step in program.steps[first:last]:
            for ref in (*step.reads, *step.writes):
                root = program.home[ref.buffer][0]
                if program.buffers[root].kind == "value":
                    found.setdefault(root, numbers[node])
    return found


def program_dag(program: Program, may_repeat: Callable[[Node], bool] = lambda node: True) -> planner.Dag:
    """Return the operator nodes of `program` as a Dag; ids are positions in ``graph.nodes``, and BARRIER.

    Parameters
    ----------
    program : Program
    may_repeat : callable
        Which nodes of the forward part may be computed twice, as far as that is possible at all: not those that write to
        an array of the user's, nor those whose memory other nodes write into.

    The program's views must have been decided, and nothing runs in place yet: that depends on the order. A value that
    lives inside another belongs to the node that touches the memory first; everything that touches it keeps it alive.
    """
    graph, home, buffers = program.graph, program.home, program.buffers
    numbers = {node: i for i, node in enumerate(graph.nodes)}
    owner = owners(program)
    made = dict.fromkeys(range(len(graph.nodes)), 0)
    for root, i in owner.items():
        made[i] += buffers[root].nbytes
    once: set[int] = set()
    last_aux: dict[int, int] = {}
    nodes: list[planner.Node] = []
    forward: list[int] = []
    barrier = False
    for node, first, last in program.spans:
        if node.op is None:
            continue
        i = numbers[node]
        inputs: dict[int, None] = {}
        after = {numbers[e.node]: None for e in node.inputs if e.node.op is not None}
        workspace = 0
        for step in program.steps[first:last]:
            scratch = {}
            for ref in (*step.reads, *step.writes):
                root = home[ref.buffer][0]
                spec = buffers[root]
                if spec.kind == "workspace":
                    scratch[root] = spec.nbytes
                elif spec.kind == "aux":
                    # Operators update auxiliary states: whoever shares one keeps the order it has.
                    if last_aux.get(root, i) != i:
                        after[last_aux[root]] = None
                    last_aux[root] = i
                elif not spec.external and owner[root] != i:
                    inputs[owner[root]] = None
            for ref in step.writes:
                root = home[ref.buffer][0]
                if buffers[root].external:
                    once.add(i)
                elif owner.get(root, i) != i:
                    once.add(owner[root])
            workspace = max(workspace, sum(scratch.values()))
        if i < graph.num_forward:
            forward.append(i)
        else:
            if not barrier:
                nodes.append(planner.Node(BARRIER, after=tuple(forward)))
                barrier = True
            after[BARRIER] = None
        nodes.append(
            planner.Node(
                i,
                inputs=tuple(inputs),
                size=made[i],
                workspace=workspace,
                work=float(made[i] + workspace),
                after=tuple(after),
                recompute=i < graph.num_forward and may_repeat(node),
            )
        )
    return planner.Dag(replace(n, recompute=False) if n.id in once else n for n in nodes)
