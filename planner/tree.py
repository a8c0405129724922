"""Order steps by hills and valleys: the least peak for trees, a good one for graphs that are much like trees.

What a subtree holds over time is a row of hills (the most while it runs) and valleys (what it keeps at a good moment to let
others run). Only hills higher than all later ones, and valleys lower than all later ones, matter:

    bytes ▲   ┌─┐
          │  ┌┘ │ hill                  Subtrees of one node are merged segment by segment, a segment being the way
          │ ┌┘  │     ┌─┐               from one valley over a hill to the next valley: those that go down most run
          │─┘   └┐  ┌─┘ └┐ hill         first.
          │      └──┘    └────
          │   valley     valley
          └────────────────────▶ step

Liu, "An Application of Generalized Tree Pebbling to Sparse Matrix Factorization" (SIAM J. Alg. Disc. Meth. 8, 1987).

A graph becomes a tree when every value hangs on one of its readers. Other readers may then come too early: what they need
runs before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .dag import Dag


class _Segment(NamedTuple):
    """Bytes held at most and afterwards, and the steps, as nested pairs."""

    hill: int
    valley: int
    steps: Any


def is_tree(dag: Dag) -> bool:
    """Whether `order_as_tree` gives the least peak: no value has two readers, and nothing else says what comes first."""
    return all(len(readers) < 2 for readers in dag.readers) and dag.before == dag.inputs


def order_as_tree(dag: Dag, choose: Callable[[Sequence[int]], int] = max) -> list[int]:
    """Return an order of positions.

    Parameters
    ----------
    dag : Dag
    choose : callable
        Says on which of its readers a value hangs; by default the last in the order given.
    """
    parent = [choose(readers) if readers else -1 for readers in dag.readers]
    rows: list[list[_Segment]] = []
    roots: list[list[_Segment]] = []
    for i, node in enumerate(dag.nodes):
        children = [j for j in dag.inputs[i] if parent[j] == i]

        def hangs_here(j: int, i: int = i) -> bool:
            return parent[j] == i

        merged = _merge([rows[j] for j in children])
        held = merged[-1].valley if merged else 0
        hill = held + node.size + node.workspace - dag.shared(i, hangs_here)
        freed = sum(dag.nodes[j].size for j in children if not dag.nodes[j].keep)
        gone = 0 if dag.readers[i] or node.keep else node.size
        _append(merged, _Segment(hill, held + node.size - freed - gone, i))
        for j in children:
            rows[j] = []
        rows.append(merged)
        if parent[i] < 0:
            roots.append(merged)
    return _runnable(dag, [i for segment in _merge(roots) for i in _flat(segment.steps)])


def _merge(rows: list[list[_Segment]]) -> list[_Segment]:
    """Run several rows of segments together, each in its order, those first that go down most from their hill."""
    rows = [row for row in rows if row]
    if len(rows) < 2:
        return rows[0] if rows else []
    moves = []
    for row in rows:
        before = 0
        for segment in row:
            moves.append((segment.valley - segment.hill, segment.hill - before, segment.valley - before, segment.steps))
            before = segment.valley
    moves.sort(key=lambda move: move[0])  # of one row they are in order already
    merged: list[_Segment] = []
    live = 0
    for _, up, change, steps in moves:
        _append(merged, _Segment(live + up, live + change, steps))
        live += change
    return merged


def _append(row: list[_Segment], new: _Segment) -> None:
    """Add a segment at the end; what no longer is a hill or a valley that matters is joined with it."""
    hill, valley, steps = new
    while row and (hill >= row[-1].hill or valley <= row[-1].valley):
        last = row.pop()
        hill, steps = max(hill, last.hill), (last.steps, steps)
    row.append(_Segment(hill, valley, steps))


def _flat(steps: Any) -> list[int]:
    found: list[int] = []
    stack = [steps]
    while stack:
        step = stack.pop()
        if isinstance(step, tuple):
            stack += (step[1], step[0])
        else:
            found.append(step)
    return found


def _runnable(dag: Dag, wanted: list[int]) -> list[int]:
    """Return the order with what a step needs moved before it."""
    done = [False] * len(dag)
    turn = [0] * len(dag)
    for t, i in enumerate(wanted):
        turn[i] = t
    result = []
    for first in wanted:
        stack = [first]
        while stack:
            i = stack[-1]
            missing = [j for j in dag.before[i] if not done[j]]
            if missing and not done[i]:
                stack += sorted(missing, key=lambda j: -turn[j])
                continue
            stack.pop()
            if not done[i]:
                done[i] = True
                result.append(i)
    return result
