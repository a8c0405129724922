"""Join connected elementwise nodes into one node, whose lowering is one step that walks the chain tile by tile.

Before: _mul_scalar(exp(negative(x)), 2); after: _fused_elementwise(x), called as the last of them was.

A group has nodes of one shape, dtype and context, of the forward or of the backward part alone. What other nodes read of it
are its outputs; the rest never reaches memory. Every instruction stays what it was, so no bit of the results changes.

Groups must be convex: no path may leave a group and come back. That follows from the *depth* of nodes, which never falls
along an edge and rises along every edge that is not inside a group: the members of a group have one depth, so a path that
has left cannot return. It also gives the order in which the new graph is built.

A node whose readers are all in one deeper group sinks into that group, unless that keeps more memory alive: its inputs
until then instead of its value.

What has been joined is a node like others, which may sink in its turn: the search is repeated until nothing changes.

Requires: nothing. Idempotent.
"""

from __future__ import annotations

from ..graph.graph import Entry, Graph, Node, Target, make_node
from ..ops import registry
from ..ops.fused import Chain, FusedParams, chain_of

# A step has 160 registers for its operands and the values between. A value that is an instruction's result is one of
# either, and 32 registers are left for copies that the kernel adds.
MOST_INSTRUCTIONS = 96
MOST_INPUTS = 32


class _Group:
    """Nodes of one depth that become one node."""

    __slots__ = ("depth", "members", "inputs", "length")

    def __init__(self, depth: int):
        self.depth = depth
        self.members: set[Node] = set()
        self.inputs: set[Entry] = set()
        self.length = 0  # instructions

    def has_room(self, inputs: set[Entry], length: int) -> bool:
        return self.length + length <= MOST_INSTRUCTIONS and len(self.inputs | inputs) <= MOST_INPUTS


class _Fusion:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.readers = graph.readers()
        self.leaving = {*graph.outputs, *(t.entry for t in graph.targets)}
        self.chains: dict[Node, Chain] = {}
        self.kinds: dict[Node, tuple] = {}  # what the nodes of a group have in common
        self.depth: dict[Node, int] = {}
        self.group: dict[Node, _Group] = {}
        for i, node in enumerate(graph.nodes):
            chain = chain_of(node, graph.is_train)
            if chain is not None and len(chain.code) <= MOST_INSTRUCTIONS and len(chain.reads) <= MOST_INPUTS:
                self.chains[node] = chain
                mirroring = node.attrs.get("__force_mirroring__") or node.attrs.get("force_mirroring")
                self.kinds[node] = (node.shapes[0], node.dtypes[0], node.ctx, i < graph.num_forward, mirroring)

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node in self.chains:
                self._place(node)
            else:
                self.depth[node] = 1 + max((self.depth[e.node] for e in node.inputs), default=-1)
        for node in reversed(self.graph.nodes):
            if node in self.chains:
                self._sink(node)
        return self._rebuilt() if any(len(g.members) > 1 for g in self.group.values()) else self.graph

    def _place(self, node: Node) -> None:
        """Give `node` the least depth it can have, and the group that its inputs of that depth form with it."""
        kind = self.kinds[node]
        inputs = node.inputs
        inside = {e.node for e in inputs if self.kinds.get(e.node) == kind}
        depth = max(self.depth[e.node] + (e.node not in inside) for e in inputs)
        groups = {id(g): g for g in (self.group[n] for n in inside if self.depth[n] == depth)}
        outside = {e for e in inputs if e.node not in inside or self.depth[e.node] < depth}
        length = len(self.chains[node].code)
        made = self._union(list(groups.values()), outside, length)
        if made is None:
            made = _Group(depth + 1 if groups else depth)
            outside = set(inputs)
        made.members.add(node)
        made.inputs |= outside
        made.length += length
        self.depth[node] = made.depth
        self.group[node] = made

    def _union(self, groups: list[_Group], inputs: set[Entry], length: int) -> _Group | None:
        """All `groups` as one, if that has room for a node with these inputs; None when there are none."""
        if not groups:
            return None
        groups.sort(key=lambda g: len(g.members))
        large = groups.pop()
        for g in groups:
            inputs, length = inputs | g.inputs, length + g.length
        if not large.has_room(inputs, length):
            return None
        for g in groups:
            large.members |= g.members
            large.inputs |= g.inputs
            large.length += g.length
            for member in g.members:
                self.group[member] = large
        return large

    def _sink(self, node: Node) -> None:
        """Move `node` into the deeper group that all its readers are in, if there is one and it costs no memory."""
        entry = node[0]
        readers = self.readers.get(entry, [])
        if not readers or entry in self.leaving:
            return
        kind, there = self.kinds[node], self.group.get(readers[0])
        if there is None or there.depth == self.depth[node]:
            return
        if any(self.group.get(r) is not there or self.kinds[r] != kind for r in readers):
            return
        # Values of this size that nothing else keeps alive.
        kept = {
            e for e in node.inputs
            if not e.node.is_variable and e.shape == node.shapes[0] and all(r is node for r in self.readers[e])
        }  # fmt: skip
        length = len(self.chains[node].code)
        if len(kept) > 1 or not there.has_room(set(node.inputs), length):
            return
        here = self.group[node]
        here.members.discard(node)
        here.length -= length
        there.members.add(node)
        there.inputs.discard(entry)
        there.inputs |= {e for e in node.inputs if self.group.get(e.node) is not there}
        there.length += length
        self.group[node] = there
        self.depth[node] = there.depth

    # The new graph

    def _rebuilt(self) -> Graph:
        new: dict[Entry, Entry] = {}
        position = {node: i for i, node in enumerate(self.graph.nodes)}
        done: set[int] = set()
        for node in sorted(self.graph.nodes, key=self.depth.__getitem__):
            group = self.group.get(node)
            if group is None or len(group.members) == 1:
                inputs = tuple(new.get(e, e) for e in node.inputs)
                if inputs != node.inputs:
                    copy = node.with_inputs(inputs)
                    new.update((node[i], copy[i]) for i in range(len(node.shapes)))
            elif id(group) not in done:
                done.add(id(group))
                self._fuse(sorted(group.members, key=position.__getitem__), group.members, new)
        return Graph(
            [new.get(e, e) for e in self.graph.outputs],
            [Target(t.name, new.get(t.entry, t.entry), t.req) for t in self.graph.targets],
            self.graph.is_train,
        )

    def _fuse(self, members: list[Node], inside: set[Node], new: dict[Entry, Entry]) -> None:
        """Make one node of `members`; tell in `new` what stands for their values."""
        operands: dict[tuple[Entry, tuple[int, ...]], int] = {}  # (entry, shape it is seen with): register
        for node in members:
            chain = self.chains[node]
            for r, view in zip(chain.reads, chain.views):
                if node.inputs[r].node not in inside:
                    operands.setdefault((node.inputs[r], view), len(operands))
        code: list[tuple] = []
        registers: dict[tuple, int] = {}  # of instructions; equal ones are computed once
        value: dict[Node, int] = {}
        for node in members:
            chain = self.chains[node]
            local = [
                value[node.inputs[r].node] if node.inputs[r].node in inside else operands[node.inputs[r], view]
                for r, view in zip(chain.reads, chain.views)
            ]
            for name, args, scalar in chain.code:
                line = (name, tuple(local[a] for a in args), scalar)
                key = (*line[:2], str(scalar))  # 0.0 and -0.0 are equal, their texts are not
                if key not in registers:
                    registers[key] = len(operands) + len(code)
                    code.append(line)
                local.append(registers[key])
            value[node] = local[-1]
        leaving = [
            m for m in members if m[0] in self.leaving or any(r not in inside for r in self.readers.get(m[0], ()))
        ]
        last = members[-1]
        params = FusedParams(
            nodes=" ".join(_told(m, "nodes", m.name) for m in members),
            operators=" ".join(_told(m, "operators", m.op.name) for m in members if m.op is not None),
            outputs=" ".join("output" if m is last else f"{m.name}_output" for m in leaving),
            shape=last.shapes[0],
            views=tuple(view for _, view in operands),
            code=tuple(code),
            results=tuple(value[m] for m in leaving),
        )
        attrs = {k: v for k, v in last.attrs.items() if "force_mirroring" in k}
        inputs = [new.get(e, e) for e, _ in operands]
        made = make_node(registry.get("_fused_elementwise"), params, inputs, last.name, last.ctx, attrs)
        new.update((m[0], made[i]) for i, m in enumerate(leaving))


def _told(node: Node, what: str, own: str) -> str:
    """`own`, or what a node that has been joined already tells of those it was made of."""
    return str(getattr(node.params, what)) if isinstance(node.params, FusedParams) else own


def run(graph: Graph) -> Graph:
    """Return `graph` with its chains fused."""
    while (fused := _Fusion(graph).run()) is not graph:
        graph = fused
    return graph
