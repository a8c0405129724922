"""Steps that read each other's values: what `order` and `rematerialize` work on.

A node is one step that makes one value. Its memory is taken when the step begins and given back after the last step
that reads it (or never, with `keep`); `workspace` is there during the step only. The bytes of a step are those of all
values alive then, its own included, and its workspace; the peak is the most of any step.

A step that may run in place writes its value over an input that nothing reads afterwards (`inplace`): the two count once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

from .model import LIMIT, PlannerError

_KEPT = 16  # orders whose levels are remembered: searches come back to a few


@dataclass(frozen=True, slots=True)
class Node:
    """Describe one step and the value it makes.

    Parameters
    ----------
    id : hashable
    inputs : sequence of ids
        Nodes whose values it reads.
    size, workspace : int
        Bytes of its value, and of scratch memory while it runs.
    work : float
        What it costs to run it, in any unit.
    keep : bool
        The value is a result: it stays to the end.
    after : sequence of ids
        Nodes that must run before though nothing of theirs is read.
    recompute : bool
        Whether `rematerialize` may run it a second time.
    inplace : sequence of ids
        Inputs over which its value may be written, one of them, if this step is the last to read it.
    """

    id: Hashable
    inputs: tuple[Hashable, ...] = ()
    size: int = 0
    workspace: int = 0
    work: float = 1.0
    keep: bool = False
    after: tuple[Hashable, ...] = ()
    recompute: bool = True
    inplace: tuple[Hashable, ...] = ()


def _check_types(node: Node) -> None:
    for name in ("size", "workspace"):
        if not isinstance(getattr(node, name), Integral):
            raise PlannerError(f"node {node.id!r}: {name} is {getattr(node, name)!r}; expected an integer")
    if isinstance(node.inputs, str):
        raise PlannerError(f"node {node.id!r}: inputs is {node.inputs!r}; expected a sequence of ids")


class Dag:
    """Hold nodes in an order in which they can run; everything is then spoken of by position in it.

    Parameters
    ----------
    nodes : iterable of Node

    Attributes
    ----------
    nodes : tuple of Node
    inputs, before, readers, inplace : list of tuples of int
        Positions of each node's distinct inputs, of all nodes that must run before it, of the nodes that read it, and of
        the inputs it may be written over.
    sizes, takes, frees : list of int
        Bytes of each node's value, of that and its workspace, and of what is given back after its last reader.

    Raises
    ------
    PlannerError
        An id given twice, an input that is missing or comes later, a size that is negative or no integer, negative work.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = tuple(nodes)
        position: dict[Hashable, int] = {}
        self.inputs: list[tuple[int, ...]] = []
        self.before: list[tuple[int, ...]] = []
        self.inplace: list[tuple[int, ...]] = []
        readers: list[list[int]] = []
        for i, node in enumerate(self.nodes):
            if node.id in position:
                raise PlannerError(f"node {node.id!r}: given twice; ids must be unique")
            if type(node.size) is not int or type(node.workspace) is not int or type(node.inputs) is not tuple:
                _check_types(node)
            if node.size < 0 or node.workspace < 0 or not 0 <= node.work < LIMIT:
                raise PlannerError(
                    f"node {node.id!r}: size {node.size}, workspace {node.workspace} and work {node.work} "
                    "must be neither negative nor infinite"
                )
            for other in (*node.inputs, *node.after):
                if other not in position:
                    where = "comes later" if any(n.id == other for n in self.nodes[i:]) else "is not in the graph"
                    raise PlannerError(f"node {node.id!r}: needs {other!r}, which {where}")
            self.inputs.append(tuple(dict.fromkeys(position[other] for other in node.inputs)))
            self.before.append(tuple(dict.fromkeys(position[other] for other in (*node.inputs, *node.after))))
            for other in node.inplace:
                if other not in node.inputs:
                    raise PlannerError(f"node {node.id!r}: in place of {other!r}, which is not among its inputs")
            self.inplace.append(tuple(position[other] for other in node.inplace))
            readers.append([])
            for j in self.inputs[i]:
                readers[j].append(i)
            position[node.id] = i
        self.readers = [tuple(r) for r in readers]
        # What searches read for every node of all that they try.
        self.sizes = [node.size for node in self.nodes]
        self.takes = [node.size + node.workspace for node in self.nodes]
        self.frees = [0 if node.keep else node.size for node in self.nodes]
        self._counts = [len(r) for r in readers]
        self._levels: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}  # of the orders last asked about

    def __repr__(self) -> str:
        return f"Dag({len(self.nodes):,} nodes)"

    def __len__(self) -> int:
        return len(self.nodes)

    def profile(self, order: Sequence[int] | None = None) -> list[int]:
        """Return the bytes of each step in `order`, positions (by default the order given)."""
        return list(self.levels(order)[0])

    def levels(self, order: Sequence[int] | None = None) -> tuple[list[int], list[int]]:
        """Return the bytes of each step in `order`, and the bytes alive before each; the lists must not be changed."""
        key = tuple(range(len(self)) if order is None else order)
        found = self._levels.get(key)
        if found is None:
            if len(self._levels) >= _KEPT:
                del self._levels[next(iter(self._levels))]
            found = self._levels[key] = self._measure(key)
        return found

    def _measure(self, order: tuple[int, ...]) -> tuple[list[int], list[int]]:
        sizes, takes, frees, inplace = self.sizes, self.takes, self.frees, self.inplace
        left = self._counts.copy()
        live, steps, before = 0, [], []
        for i in order:
            freed = shared = 0
            for j in self.inputs[i]:
                left[j] -= 1
                if not left[j]:
                    freed += frees[j]
            for j in inplace[i]:
                if not left[j]:
                    shared = max(shared, min(sizes[i], frees[j]))
            before.append(live)
            steps.append(live + takes[i] - shared)
            live += (sizes[i] if left[i] else sizes[i] - frees[i]) - freed
        return steps, before

    def shared(self, i: int, is_last: Callable[[int], bool]) -> int:
        """Return the bytes that node `i` and an input count once; `is_last` tells whether `i` is the last to read one."""
        nodes = self.nodes
        shared = 0
        for j in self.inplace[i]:
            if is_last(j) and not nodes[j].keep:
                shared = max(shared, min(nodes[i].size, nodes[j].size))
        return shared

    def peak(self, order: Sequence[int] | None = None) -> int:
        """Return the bytes of the largest step in `order`."""
        return max(self.levels(order)[0], default=0)

    def bound(self) -> int:
        """Return bytes that every order needs: the largest step with nothing alive but what it reads and writes."""
        return max(
            (
                node.size
                + node.workspace
                + sum(self.nodes[j].size for j in self.inputs[i])
                - self.shared(i, lambda j: True)
                for i, node in enumerate(self.nodes)
            ),
            default=0,
        )
