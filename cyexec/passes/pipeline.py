"""Which passes run, in which order."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..graph import spec
from ..graph.graph import Graph
from . import drop_identities, fold_batchnorm, fuse_elementwise

Pass = Callable[[Graph], Graph]

# Passes for programs without gradients, then for all programs. Each stands where it does for the reason beside it.
INFERENCE: tuple[Pass, ...] = (
    drop_identities.run,  # first: layers that a Dropout or BlockGrad stands between become neighbours
    fold_batchnorm.run,
)
ALWAYS: tuple[Pass, ...] = (
    fuse_elementwise.run,  # last: what other passes fold into a neighbour is no part of a chain
)


def optimize(graph: Graph) -> Graph:
    """Run the passes that suit `graph`. With CYEXEC_CHECK=1 the grammar of graphs is checked after each."""
    check = bool(os.environ.get("CYEXEC_CHECK"))
    if check:
        spec.check(graph)
    passes = ALWAYS if graph.targets or graph.is_train else INFERENCE + ALWAYS
    for run in passes:
        graph = run(graph)
        if check:
            spec.check(graph)
    return graph
