"""The nouns of lowering: references, buffers, steps, programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ops.infer import product

if TYPE_CHECKING:
    from ..graph.graph import Entry, Graph, Node

# Kinds of buffers that are arrays of the user's, outside the arena.
EXTERNAL = frozenset({"arg", "aux", "const", "head_grad", "output", "grad"})


class Ref(NamedTuple):
    """A C-contiguous array inside a buffer: `shape` elements of `dtype`, `offset` bytes from the buffer's start."""

    buffer: int
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int = 0

    @property
    def size(self) -> int:
        return product(self.shape)

    @property
    def nbytes(self) -> int:
        return product(self.shape) * self.dtype.itemsize

    def reshape(self, *shape: int) -> Ref:
        """The same elements with another shape; one extent may be -1."""
        if -1 in shape:
            known = product(d for d in shape if d != -1)
            rest = self.size // known if known else 0
            shape = tuple(rest if d == -1 else d for d in shape)
        assert product(shape) == self.size, (self.shape, shape)
        return self._replace(shape=tuple(shape))

    def part(self, start: int, shape: tuple[int, ...]) -> Ref:
        """`shape` elements from element number `start` on."""
        return self._replace(shape=tuple(shape), offset=self.offset + start * self.dtype.itemsize)


@dataclass(slots=True)
class BufferSpec:
    """Memory for one value: outside the arena where `kind` is in EXTERNAL, else "value" or "workspace"."""

    id: int
    nbytes: int
    kind: str
    name: str  # of the variable, or node output, or workspace
    op: str  # operator that writes it; "" for variables
    ctx: int
    shape: tuple[int, ...]
    dtype: np.dtype
    number: int = -1  # of the user's arrays: position among arguments, auxiliary states, outputs or gradient targets

    @property
    def external(self) -> bool:
        return self.kind in EXTERNAL


class Variant(NamedTuple):
    """One way to do a step: some of the kernel's arguments, and elements of its workspace."""

    args: dict[str, Any]
    size: int


# From the elements that a workspace may have (None: as many as are fastest) to the fastest way that needs no more, or to
# the one that needs least. All ways give the same bits.
Variants = Callable[[int | None], Variant]


@dataclass(slots=True, eq=False)
class StepSpec:
    """One kernel call to be.

    Attributes
    ----------
    inplace : pairs (write, read) of numbers
        That write may share the read's memory.
    node : Node or None
        None: bookkeeping of the program's own (copies to outputs, gradient accumulation).
    variants : Variants, optional
        How the step does with less workspace, which is the last of its writes.
    """

    kernel: str  # "family.Class"
    dtype: np.dtype
    reads: tuple[Ref, ...]
    writes: tuple[Ref, ...]
    args: dict[str, Any]
    inplace: tuple[tuple[int, int], ...]
    node: Node | None
    variants: Variants | None = None


@dataclass(slots=True, eq=False)
class Program:
    """Steps over buffers.

    Attributes
    ----------
    num_forward : int
        Steps before it are the forward part.
    spans : list of (node, first step, last step + 1)
    entries : dict of Entry to Ref
        Where each value is.
    outputs, grads : Refs of the user's arrays, by output number and by argument name
    home : list of (buffer, byte offset), by buffer
        After `alias.py`: the buffer that really holds it (itself, when it is a root) and where in it.
    needed_heads : tuple of int
        Outputs whose head gradient the backward part reads.
    """

    graph: Graph
    buffers: list[BufferSpec] = field(default_factory=list)
    steps: list[StepSpec] = field(default_factory=list)
    num_forward: int = 0
    spans: list[tuple[Node, int, int]] = field(default_factory=list)
    entries: dict[Entry, Ref] = field(default_factory=dict)
    home: list[tuple[int, int]] = field(default_factory=list)
    needed_heads: tuple[int, ...] = ()

    def copy(self) -> Program:
        """A copy whose lists can be changed: `alias.share_memory` does."""
        return replace(
            self, buffers=list(self.buffers), steps=list(self.steps), spans=list(self.spans), home=list(self.home)
        )

    def in_order(self, graph: Graph) -> Program:
        """The program of `graph`, which has the same nodes in another order. Nothing may have been shared yet.

        What a node lowers to does not depend on its place; the steps that belong to no node end the part they are in.
        """
        spans = {node: (start, stop) for node, start, stop in self.spans}
        made = replace(self.copy(), graph=graph, steps=[], spans=[])
        ends = [stop for _, _, stop in self.spans]

        def add(nodes: list[Node], rest: list[StepSpec]) -> None:
            for node in nodes:
                start, stop = spans[node]
                first = len(made.steps)
                made.steps += self.steps[start:stop]
                made.spans.append((node, first, len(made.steps)))
            made.steps += rest

        count = self.graph.num_forward
        add(graph.nodes[:count], self.steps[ends[count - 1] if count else 0 : self.num_forward])
        add(graph.nodes[count:], self.steps[max(ends[-1], self.num_forward) if ends else 0 :])
        return made

    def resolve(self, ref: Ref) -> Ref:
        """`ref` in terms of the root buffer that holds it."""
        root, shift = self.home[ref.buffer]
        return ref if root == ref.buffer else ref._replace(buffer=root, offset=ref.offset + shift)
