"""A program as the planner's `Dag`: which nodes make which bytes, and what must come before what.

Ids are positions in ``graph.nodes``; `BARRIER` is the point between the forward and the backward part. Of a node's values
the largest is its own; small ones (the statistics of a BatchNorm, which live much longer) are a node of their own right
behind it, with the id `beside` its position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import planner

from ..graph.graph import Node
from .cost import work_of
from .program import Program, Ref, StepSpec

BARRIER = -1
SMALL = 8  # values beside the largest are kept apart if they are smaller by this factor; else all count as one value


def beside(position: int) -> int:
    """Return the id of the small values of the node at that position."""
    return -2 - position


def owners(program: Program) -> dict[int, int]:
    """For every root buffer in the arena, the id of the node whose value it is: of the node that touches it first."""
    numbers = {node: i for i, node in enumerate(program.graph.nodes)}
    first: dict[int, int] = {}
    roots: dict[int, list[int]] = {}
    for node, start, stop in program.spans:
        for step in program.steps[start:stop]:
            for ref in (*step.reads, *step.writes):
                root = program.home[ref.buffer][0]
                if program.buffers[root].kind == "value" and root not in first:
                    first[root] = numbers[node]
                    roots.setdefault(numbers[node], []).append(root)
    for i, made in roots.items():
        largest = max(made, key=lambda root: program.buffers[root].nbytes)
        rest = sum(program.buffers[root].nbytes for root in made if root != largest)
        if 0 < rest * SMALL <= program.buffers[largest].nbytes:
            first.update((root, beside(i)) for root in made if root != largest)
    return first


def program_dag(program: Program, may_repeat: Callable[[Node], bool] = lambda node: True) -> planner.Dag:
    """Return the operator nodes of `program` as a Dag.

    Parameters
    ----------
    program : Program
        Its views must have been decided, and nothing runs in place yet: that depends on the order, so the nodes say what
        they could be written over. A value that lives inside another belongs to the node that touches the memory first;
        everything that touches it keeps it alive.
    may_repeat : callable
        Which nodes of the forward part may be computed twice, as far as that is possible at all: not those that write to
        an array of the user's, nor those whose memory other nodes write into.
    """
    return _Walk(program, may_repeat).dag()


class _Walk:
    """Goes through a program and notes what each node reads, makes and waits for."""

    def __init__(self, program: Program, may_repeat: Callable[[Node], bool]):
        self.program = program
        self.may_repeat = may_repeat
        self.owner = owners(program)
        self.made: dict[int, int] = {}
        for root, i in self.owner.items():
            self.made[i] = self.made.get(i, 0) + program.buffers[root].nbytes
        self.once: set[int] = set()  # must not be computed twice
        self.last_aux: dict[int, int] = {}

    def dag(self) -> planner.Dag:
        graph = self.program.graph
        numbers = {node: i for i, node in enumerate(graph.nodes)}
        nodes: list[planner.Node] = []
        barrier: tuple[int, ...] = ()
        for node, start, stop in self.program.spans:
            if node.op is None:
                continue
            i = numbers[node]
            forward = i < graph.num_forward
            if not forward and not barrier:
                nodes.append(planner.Node(BARRIER, after=tuple(n.id for n in nodes)))
                barrier = (BARRIER,)
            steps = self.program.steps[start:stop]
            after = dict.fromkeys(numbers[e.node] for e in node.inputs if e.node.op is not None)
            after.update(dict.fromkeys(self._auxiliary_order(i, steps)))
            size, inputs, workspace = self.made.get(i, 0), self._inputs(i, steps), self._workspace(steps)
            self._note_writes(i, steps)
            nodes.append(
                planner.Node(
                    i,
                    inputs=inputs,
                    size=size,
                    workspace=workspace,
                    work=work_of(node, size),
                    after=(*after, *barrier),
                    recompute=forward and not node.op.opaque and self.may_repeat(node),
                    inplace=tuple(j for j in self._over(i, steps) if j in inputs),
                )
            )
            if beside(i) in self.made:
                nodes.append(planner.Node(beside(i), (i,), self.made[beside(i)], work=0.0, recompute=False))
        return planner.Dag(replace(n, recompute=False) if n.id in self.once else n for n in nodes)

    def _root(self, ref: Ref) -> int:
        return self.program.home[ref.buffer][0]

    def _inputs(self, i: int, steps: list[StepSpec]) -> tuple[int, ...]:
        """Owners of the memory that the steps touch."""
        owned = (self.owner.get(self._root(ref), i) for step in steps for ref in (*step.reads, *step.writes))
        return tuple(dict.fromkeys(j for j in owned if j not in (i, beside(i))))

    def _workspace(self, steps: list[StepSpec]) -> int:
        """Bytes of the scratch memory of the largest step; those that can do with less (see `room.py`) do not count."""
        buffers, most = self.program.buffers, 0
        for step in steps:
            if step.variants is not None:
                continue
            roots = {self._root(ref) for ref in (*step.reads, *step.writes)}
            most = max(most, sum(buffers[root].nbytes for root in roots if buffers[root].kind == "workspace"))
        return most

    def _auxiliary_order(self, i: int, steps: list[StepSpec]) -> list[int]:
        """Operators update auxiliary states: whoever shares one keeps the order it has."""
        before = []
        for step in steps:
            for ref in (*step.reads, *step.writes):
                root = self._root(ref)
                if self.program.buffers[root].kind == "aux":
                    if self.last_aux.get(root, i) != i:
                        before.append(self.last_aux[root])
                    self.last_aux[root] = i
        return before

    def _note_writes(self, i: int, steps: list[StepSpec]) -> None:
        for step in steps:
            for ref in step.writes:
                root = self._root(ref)
                if self.program.buffers[root].external:
                    self.once.add(i)
                elif self.owner.get(root, i) not in (i, beside(i)):
                    self.once.add(self.owner[root])

    def _over(self, i: int, steps: list[StepSpec]) -> dict[int, None]:
        """Owners of the values that the node's own value may be written over."""
        found: dict[int, None] = {}
        for step in steps:
            own = [self.owner.get(self._root(ref)) == i and self._whole(ref) for ref in step.writes]
            if not any(own):
                continue
            for w, r in step.inplace:
                read = self._root(step.reads[r])
                if own[w] and read in self.owner and self.owner[read] not in found and self._whole(step.reads[r]):
                    found[self.owner[read]] = None
        return found

    def _whole(self, ref: Ref) -> bool:
        """Whether `ref` covers all of the memory that it lives in."""
        return ref.nbytes == self.program.buffers[self._root(ref)].nbytes
