"""Which passes run, in which order."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..graph import spec
from ..graph.graph import Graph
from . import (
    block_layout,
    drop_identities,
    fold_batchnorm,
    fuse_elementwise,
    fuse_epilogue,
    fuse_input,
    fuse_norm_relu,
    join_dense,
    split_volumes,
)

Pass = Callable[[Graph], Graph]

# Passes over what the user composed, before its gradient is made; those for programs without gradients, then for all
# programs, then those that only join nodes and change no bit of any number. Each stands where it does for the reason beside it.
FORWARD: tuple[Pass, ...] = (join_dense.run, split_volumes.run)
INFERENCE: tuple[Pass, ...] = (
    drop_identities.run,  # first: layers that a Dropout or BlockGrad stands between become neighbours
    fold_batchnorm.run,  # before convolutions of volumes are split
    *FORWARD,
)
ALWAYS: tuple[Pass, ...] = (
    block_layout.run,  # sees the BatchNorms folded: the scaled weights are packed at once
)
JOINING: tuple[Pass, ...] = (
    fuse_norm_relu.run,
    fuse_epilogue.run,
    fuse_input.run,  # after it: a scale and shift has its relu then
    fuse_elementwise.run,  # last: what other passes fold into a neighbour is no part of a chain
)


def optimize(graph: Graph, join: bool = True) -> Graph:
    """Run the passes that suit `graph`. With CYEXEC_CHECK=1 the grammar of graphs is checked after each.

    Without `join` every value of the graph stays a value: what recomputation starts from.
    """
    check = bool(os.environ.get("CYEXEC_CHECK"))
    if check:
        spec.check(graph)
    passes = ALWAYS if graph.targets or graph.is_train else INFERENCE + ALWAYS
    for run in passes + JOINING if join else passes:
        graph = run(graph)
        if check:
            spec.check(graph)
    return graph
