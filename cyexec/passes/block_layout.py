"""Run convolutional networks in blocked layout: channels in blocks of 16, innermost, where a vector register holds them.

Before: nodes over plain arrays (batch, channels, rows, columns). After: convolutions, poolings and what lies between them
work on blocked arrays (batch, blocks, rows, columns, 16); `_ToBlocked` and `_FromBlocked` stand where a value changes
layout, once for each value and layout. Without gradients weights are packed by `_PackWeights`, which `hoist_constants` takes
out; with gradients they change from run to run, and each convolution packs its own as it needs them.

A convolution decides for itself: its packed weights and kernels are worth a change of layout on either side. Every other
operator follows its inputs: it works blocked if one of them is, and if there is a rule for it (`block_rules.py`). One input
that is plain beside a blocked one is changed.
Requires: float32. Idempotent: what is blocked has other operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..graph.graph import Builder, Entry, Graph, Node, Target
from .block_rules import CONVOLUTIONS, RULES, elementwise, is_convolution

FLOAT32 = np.dtype(np.float32)


def run(graph: Graph) -> Graph:
    """Return `graph` with its convolutional parts in blocked layout."""
    if not any(is_convolution(node) for node in graph.nodes):
        return graph
    return Layout(graph).run()


class Layout:
    """The walk: where each value of the old graph is in the new one, in one layout or both.

    Attributes
    ----------
    plain, blocked : dict of Entry to Entry
        From entries of the old graph to entries of the new one.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self._g = Builder(graph.is_train)
        self.plain: dict[Entry, Entry] = {}
        self.blocked: dict[Entry, Entry] = {}

    @cached_property
    def readers(self) -> dict[Entry, list[Node]]:
        """Nodes of the old graph that read a value."""
        return self.graph.readers()

    @cached_property
    def shown(self) -> set[Entry]:
        """Values of the old graph that the user gets."""
        return {*self.graph.outputs, *(t.entry for t in self.graph.targets)}

    def run(self) -> Graph:
        graph = self.graph
        for node in graph.nodes:
            made = None if node.op is None else self._blocked(node)
            if made is None:
                inputs = tuple(self.as_plain(e) for e in node.inputs)
                new = node if inputs == node.inputs else node.with_inputs(inputs)
                made = [new[i] for i in range(len(node.shapes))]
            for i, entry in enumerate(made):
                (self.plain if entry.shape == node.shapes[i] else self.blocked)[node[i]] = entry
        return Graph(
            [self.as_plain(e) for e in graph.outputs],
            [Target(t.name, self.as_plain(t.entry), t.req) for t in graph.targets],
            graph.is_train,
        )

    def is_read(self, entry: Entry) -> bool:
        """Whether anything needs the value of `entry`, of the old graph."""
        return entry in self.readers or entry in self.shown

    def as_plain(self, entry: Entry) -> Entry:
        """The value of `entry` in plain layout."""
        if entry not in self.plain:
            source = self.blocked[entry]
            self.plain[entry] = self.make(entry.node, "_FromBlocked", source, suffix="_plain", channels=entry.shape[1])[0]
        return self.plain[entry]

    def as_blocked(self, entry: Entry) -> Entry:
        """The value of `entry` in blocked layout."""
        node = entry.node
        if entry not in self.blocked and node.op is not None and node.op.name == "slice_axis" and node.params.axis == 0:
            # Some images of an array: others may be wanted too, and the array changes its layout once.
            whole = self.as_blocked(node.inputs[0])
            self.blocked[entry] = self.make(node, "slice_axis", whole, suffix="_blocked", like=node.params)[0]
        if entry not in self.blocked:
            self.blocked[entry] = self.make(entry.node, "_ToBlocked", self.plain[entry], suffix="_blocked")[0]
        return self.blocked[entry]

    def make(self, node: Node, op: str, *inputs: Entry, suffix: str = "", **params: Any) -> list[Entry]:
        """Outputs of a new node that stands for `node`, or is named after it with `suffix`."""
        made = self._g.at(node, suffix).node(op, *inputs, **params)
        return [made[i] for i in range(len(made.shapes))]

    def _blocked(self, node: Node) -> Sequence[Entry] | None:
        """The outputs of `node` computed in blocked layout, if it can and should; else None."""
        assert node.op is not None
        if any(d != FLOAT32 for d in node.dtypes):
            return None
        rule = CONVOLUTIONS.get(node.op.name)
        if rule is not None:
            return rule(self, node)
        if not any(e in self.blocked for e in node.inputs):
            return None
        return RULES.get(node.op.name, elementwise)(self, node)
