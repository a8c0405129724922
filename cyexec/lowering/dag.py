"""A program as the planner's `Dag`: which nodes make which bytes, and what must come before what."""

from __future__ import annotations

import planner

from .program import Program

BARRIER = -1  # id of the point between the forward and the backward part


def program_dag(program: Program) -> planner.Dag:
    """Return the operator nodes of `program` as a Dag; ids are positions in ``graph.nodes``, and BARRIER.

    The program's views must have been decided, and nothing runs in place yet: that depends on the order. A value that
    lives inside another belongs to the node that touches the memory first; everything that touches it keeps it alive.
    """
    graph, home, buffers = program.graph, program.home, program.buffers
    numbers = {node: i for i, node in enumerate(graph.nodes)}
    owner: dict[int, int] = {}
    made: dict[int, int] = {}
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
        made[i] = 0
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
                elif not spec.external:
                    if root not in owner:
                        owner[root] = i
                        made[i] += spec.nbytes
                    elif owner[root] != i:
                        inputs[owner[root]] = None
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
                recompute=i < graph.num_forward,
            )
        )
    return planner.Dag(nodes)
