"""Gammas that a BatchNorm takes for ones (``fix_gamma``, the default): MXNet also sets the arrays to one.

It does so in every forward pass, of either mode, of an executor whose backward pass comes by that BatchNorm; checkpoints
of trained networks therefore hold ones. An executor without gradients never changes an argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Graph
from ..ndarray import NDArray
from ..ndarray.storage import Watch
from ..ops.batch_norm import BatchNormV1Params
from ..passes.add_gradient import needs_gradient


class FixedGammas:
    """The arrays of an executor that are to hold ones.

    Parameters
    ----------
    graph : Graph
    requests : sequence of (argument number, "write" or "add")
        The gradients asked for.
    args : sequence of NDArray
    """

    def __init__(self, graph: Graph, requests: Sequence[tuple[int, str]], args: Sequence[NDArray]):
        layers = [n for n in graph.nodes if isinstance(n.params, BatchNormV1Params) and n.params.fix_gamma]
        on_the_way = needs_gradient(graph, {number for number, _ in requests}) if layers else ()
        gammas = [layer.inputs[1].node for layer in layers if layer in on_the_way]
        numbers = dict.fromkeys(gamma.number for gamma in gammas if gamma.is_variable and gamma.kind == "arg")
        self._arrays = [args[number] for number in numbers]
        self._watch = Watch([array._storage for array in self._arrays])

    def __len__(self) -> int:
        return len(self._arrays)

    def set(self) -> None:
        """Set those to one that have been written since they were."""
        if not self._watch.changed():
            return
        for array in self._arrays:
            if (array._array != 1).any():
                array._array[...] = 1
                array._storage.version += 1
        self._watch.mark()
