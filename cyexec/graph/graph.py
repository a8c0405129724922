"""Nodes, entries and graphs. All immutable after construction: passes build new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..base import DTypeError, MXNetError, ShapeError
from ..ops import registry
from ..ops.params import Params, is_hidden
from ..ops.schema import Op
from . import rules

AnyNode = TypeVar("AnyNode", bound=Any)


class Node:
    """One operator application, or a variable (``op`` is None).

    Attributes
    ----------
    op : Op or None
    params : Params or None
    inputs : tuple of Entry
        Arguments, then auxiliary states (always variables).
    name : str
    shapes, dtypes : tuples
        Of every output, hidden ones included.
    kind : str
        For variables: "arg", "aux", "const" (made by `passes/hoist_constants.py`) or "head_grad". For operators: "".
    ctx : int
        Which context's arena the outputs live in (an index into `Graph.contexts`).
    attrs : dict
        String attributes: the operator's and the user's, of nodes of the user's graph; the user's alone (``__x__``) and
        notes of passes, of those that passes make.
    number : int
        For variables: position among the arguments, auxiliary states or outputs. Names may repeat; numbers do not.
        For operators: position in the user's graph, -1 for those that passes make. Random numbers follow from it.
    """

    __slots__ = ("op", "params", "inputs", "name", "shapes", "dtypes", "kind", "ctx", "attrs", "number")

    def __init__(
        self,
        op: Op | None,
        params: Params | None,
        inputs: tuple[Entry, ...],
        name: str,
        shapes: tuple[tuple[int, ...], ...],
        dtypes: tuple[np.dtype, ...],
        kind: str = "",
        ctx: int = 0,
        attrs: dict[str, str] | None = None,
        number: int = -1,
    ):
        self.op = op
        self.params: Any = params  # of the operator's own class, which only its own functions know
        self.inputs = inputs
        self.name = name
        self.shapes = shapes
        self.dtypes = dtypes
        self.kind = kind
        self.ctx = ctx
        self.attrs = attrs or {}
        self.number = number

    def with_inputs(self, inputs: tuple[Entry, ...], ctx: int | None = None) -> Node:
        """A copy that reads other entries (of the same shapes and dtypes)."""
        return Node(
            self.op, self.params, inputs, self.name, self.shapes, self.dtypes, self.kind,
            self.ctx if ctx is None else ctx, self.attrs, self.number,
        )  # fmt: skip

    def __getitem__(self, index: int) -> Entry:
        return Entry(self, index)

    @property
    def is_variable(self) -> bool:
        return self.op is None

    @property
    def in_shapes(self) -> list[tuple[int, ...]]:
        return [e.node.shapes[e.index] for e in self.inputs]

    @property
    def in_dtypes(self) -> list[np.dtype]:
        return [e.node.dtypes[e.index] for e in self.inputs]

    def describe(self) -> str:
        """``Convolution 'conv0'``, for messages."""
        return f"Variable '{self.name}'" if self.op is None else f"{self.op.name} '{self.name}'"

    def __repr__(self) -> str:
        return f"<{self.describe()} {', '.join(map(str, self.shapes))}>"


class Entry(NamedTuple):
    """One output of a node."""

    node: Node
    index: int = 0  # type: ignore[assignment]  # hides tuple.index, which nobody wants of an entry

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shapes[self.index]

    @property
    def dtype(self) -> np.dtype:
        return self.node.dtypes[self.index]


class Target(NamedTuple):
    """A value that a graph adds to or writes into an argument's gradient array."""

    name: str
    entry: Entry
    req: str  # "write" or "add"


def topological(outputs: Iterable[tuple[AnyNode, int]]) -> list[AnyNode]:
    """Nodes that `outputs` need, inputs first: depth-first post-order, as MXNet numbers them. No recursion.

    Nodes are anything with ``inputs`` of (node, output number) pairs: those of graphs and those of symbols.
    """
    seen: set[AnyNode] = set()
    order: list[AnyNode] = []
    for head, _ in outputs:
        if head in seen:
            continue
        seen.add(head)
        stack = [(head, iter(head.inputs))]
        while stack:
            node, rest = stack[-1]
            for child, _ in rest:
                if child not in seen:
                    seen.add(child)
                    if child.inputs:
                        stack.append((child, iter(child.inputs)))
                        break
                    order.append(child)
            else:
                order.append(node)
                stack.pop()
    return order


class Graph:
    """What is computed: forward outputs, then gradients.

    Attributes
    ----------
    outputs : tuple of Entry
        What `Executor.outputs` shows.
    targets : tuple of Target
        Gradients, in the order of the arguments; empty for inference.
    is_train : bool
        The mode operators run in.
    nodes : list of Node
        Topological; the nodes of the forward part first, then those only gradients need.
    num_forward : int
        How many of `nodes` are the forward part.

    `order` gives `nodes` in another order (same rules); by default they stand as MXNet numbers them.
    """

    def __init__(
        self,
        outputs: Sequence[Entry],
        targets: Sequence[Target] = (),
        is_train: bool = False,
        order: Sequence[Node] | None = None,
    ):
        self.outputs = tuple(outputs)
        self.targets = tuple(targets)
        self.is_train = is_train
        forward = topological(self.outputs)
        self.num_forward = len(forward)
        if order is not None:
            self.nodes = list(order)
        elif self.targets:
            # Forward nodes come first in the walk because outputs do.
            self.nodes = topological([*self.outputs, *(t.entry for t in self.targets)])
        else:
            self.nodes = forward

    def readers(self) -> dict[Entry, list[Node]]:
        """For every entry, the nodes that read it (once for each input that does)."""
        out: dict[Entry, list[Node]] = {}
        for node in self.nodes:
            for entry in node.inputs:
                out.setdefault(entry, []).append(node)
        return out

    def rewrite(self, change: Callable[[Node, tuple[Entry, ...]], Sequence[Entry] | None]) -> Graph:
        """Return a graph with nodes replaced, walking inputs first.

        ``change(node, new_inputs)`` returns the entries that stand for the node's outputs, or None to keep it.
        """
        new: dict[Node, Sequence[Entry]] = {}
        for node in self.nodes:
            inputs = tuple(Entry(e.node, e.index) if e.node not in new else new[e.node][e.index] for e in node.inputs)
            made = change(node, inputs)
            if made is not None:
                new[node] = made
            elif inputs != node.inputs:
                copy = node.with_inputs(inputs)
                new[node] = [Entry(copy, i) for i in range(len(node.shapes))]

        def moved(entry: Entry) -> Entry:
            return new[entry.node][entry.index] if entry.node in new else entry

        return Graph(
            [moved(e) for e in self.outputs],
            [Target(t.name, moved(t.entry), t.req) for t in self.targets],
            self.is_train,
        )


def make_node(
    op: Op,
    params: Params,
    inputs: Sequence[Entry],
    name: str,
    ctx: int = 0,
    attrs: dict[str, str] | None = None,
) -> Node:
    """Apply `op` to entries whose shapes are known. Raises ShapeError/DTypeError naming the node."""
    ins = tuple(inputs)
    in_shapes = tuple([e.node.shapes[e.index] for e in ins])
    in_dtypes = tuple([e.node.dtypes[e.index] for e in ins])
    try:
        shapes, dtypes = rules.outputs(op, params, in_shapes, in_dtypes)
    except (ShapeError, DTypeError) as error:
        found = ", ".join(f"{n}={s} {d}" for n, s, d in zip(op.input_names(params), in_shapes, in_dtypes))
        raise type(error)(f"{op.name} '{name}': {error}; inputs are {found}") from None
    if any(s is None or min(s, default=0) < 0 for s in shapes) or any(d is None for d in dtypes):
        raise MXNetError(f"{op.name} '{name}': outputs cannot be inferred from inputs {in_shapes} {in_dtypes}")
    return Node(op, params, ins, name, shapes, dtypes, "", ctx, attrs)


class Builder:
    """Makes nodes for gradients and passes; names them after the node they are made for.

    ``g("broadcast_mul", a, b)`` returns the entry of an operator with one output, or a tuple of entries.
    """

    def __init__(self, is_train: bool):
        self.is_train = is_train
        self.prefix = ""
        self.ctx = 0
        self.attrs: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def at(self, node: Node, suffix: str = "_backward") -> Builder:
        """Name and place what is made next after `node`."""
        self.prefix = node.name + suffix
        self.ctx = node.ctx
        self.attrs = {k: v for k, v in node.attrs.items() if is_hidden(k)}
        return self

    def node(self, op_name: str, *inputs: Entry, like: Params | None = None, **params: Any) -> Node:
        """Apply an operator and return its node. Parameters that are not given are as in `like`."""
        op = registry.get(op_name)
        count = self._counts.get(self.prefix, 0)
        self._counts[self.prefix] = count + 1
        name = f"{self.prefix}{count}" if count else self.prefix
        return make_node(op, op.params.of(like, **params), inputs, name, self.ctx, dict(self.attrs))

    def __call__(self, op_name: str, *inputs: Entry, **params: Any) -> Any:
        made = self.node(op_name, *inputs, **params)
        if len(made.shapes) == 1:
            return made[0]
        return tuple(made[i] for i in range(len(made.shapes)))

    def zeros_like(self, entry: Entry) -> Entry:
        """Zeros of an entry's shape and dtype that do not read it."""
        return self("_zeros_exact", shape=entry.shape, dtype=entry.dtype)
