"""From a bound graph to the planned programs that compute it; equal graphs are optimised, lowered and planned once.

Executors that are bound again and again (one for each context of a module, each shape in turn, each request of a server)
find their program here. A plan holds no memory of the user's, only where things will be, so it can be shared.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from ..graph.graph import Entry, Graph
from ..kernels import levels
from ..lowering.memory import MemoryPlan
from ..passes import add_gradient, hoist_constants, pipeline
from .compiled import plan_graph

# What planning looks at besides the graph.
VARIABLES = ("CYEXEC_CHECK", "MXNET_BACKWARD_DO_MIRROR")
NODES_KEPT = 20_000  # in all graphs together


class Planned(NamedTuple):
    """A program before it has memory.

    Attributes
    ----------
    whole : Graph
        After all passes: constants, and what runs, in one.
    constants : tuple of Entry
        What follows from parameters alone and is kept while they do not change, in the order of the variables of kind
        "const" that the plan's program reads.
    plan : MemoryPlan
    """

    whole: Graph
    constants: tuple[Entry, ...]
    plan: MemoryPlan


def with_gradients(
    graph: Graph, is_train: bool, requests: Sequence[tuple[int, str]], monitored: bool = False
) -> Graph:
    """The graph of one mode after its gradient was made, and before it no passes but those that the gradient should see."""
    moded = Graph(graph.outputs, (), is_train)
    if (requests or is_train) and not monitored:
        for run in pipeline.FORWARD:
            moded = run(moded)
    return add_gradient.run(moded, requests) if requests else moded


def mode_graph(graph: Graph, is_train: bool, requests: Sequence[tuple[int, str]], monitored: bool = False) -> Graph:
    """The graph of one mode, with gradients where `requests` asks for some.

    Optimised, unless a monitor wants to see every node of the user's as it is.
    """
    whole = with_gradients(graph, is_train, requests, monitored)
    return whole if monitored else pipeline.optimize(whole)


def planned_program(
    graph: Graph,
    is_train: bool,
    requests: Sequence[tuple[int, str]] = (),
    monitored: bool = False,
    time_limit: float = 0.0,
    memory_limit: int | None = None,
) -> Planned:
    """Return the program of one mode of `graph`, made now or for an equal graph before.

    Parameters
    ----------
    graph : Graph
        The user's: forward, no pass has run.
    is_train : bool
    requests : sequence of (argument number, "write" or "add")
        Gradients asked for.
    monitored : bool
        Whether every node is shown to a monitor.
    time_limit, memory_limit
        As `plan_graph`.

    Raises
    ------
    MXNetError
        No plan fits `memory_limit`.
    """
    # What runs code of the user's belongs to one executor.
    shared = not any(node.op is not None and node.op.opaque for node in graph.nodes)
    key: Hashable = None
    if shared:
        settings = (is_train, tuple(requests), monitored, time_limit, type(memory_limit), memory_limit)
        key = (_structure(graph), *settings, levels.level, *map(os.environ.get, VARIABLES))
        found = _known.pop(key, None)
        if found is not None:
            _known[key] = found  # the last used is the last to go
            return found
    is_search = time_limit > 0 or memory_limit is not None  # which may take seconds
    with nullcontext() if is_search else _no_collection():
        made = _made(graph, is_train, requests, monitored, time_limit, memory_limit)
    if shared:
        _known[key] = made
        _forget_old()
    return made


def clear() -> None:
    """Forget all programs."""
    _known.clear()


_known: dict[Hashable, Planned] = {}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold back the collector of cycles: it would look again and again through all the small objects that are being made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _made(
    graph: Graph,
    is_train: bool,
    requests: Sequence[tuple[int, str]],
    monitored: bool,
    time_limit: float,
    memory_limit: int | None,
) -> Planned:
    whole = mode_graph(graph, is_train, requests, monitored)
    split = hoist_constants.Split(whole, ())
    if not (monitored or is_train or requests):
        split = hoist_constants.run(whole)
    plan = plan_graph(
        split.graph, time_limit, memory_limit, monitored,
        single=lambda: pipeline.optimize(with_gradients(graph, is_train, requests), join=False),
    )  # fmt: skip
    return Planned(whole, split.constants, plan)


def _structure(graph: Graph) -> Hashable:
    """All that a forward graph is, in a form that can be compared."""
    number = {node: i for i, node in enumerate(graph.nodes)}
    nodes = [
        (
            node.op, node.params, tuple([(number[e.node], e.index) for e in node.inputs]), node.name, node.shapes,
            node.dtypes, node.kind, node.ctx, frozenset(node.attrs.items()), node.number,
        )
        for node in graph.nodes
    ]  # fmt: skip
    return (*nodes, tuple([(number[e.node], e.index) for e in graph.outputs]))


def _forget_old() -> None:
    """Keep the last used programs that have at most NODES_KEPT nodes together, and the last one in any case."""
    nodes = 0
    for i, (key, planned) in enumerate(reversed(list(_known.items()))):
        nodes += len(planned.whole.nodes)
        if i and nodes > NODES_KEPT:
            _known.pop(key, None)
