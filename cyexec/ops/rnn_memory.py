"""What the steps of a recurrent network read and write: pieces of vectors, and what is kept from forward to backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from .infer import product
from .rnn_layout import GATES, directions, width

LANES = 16  # of the widest vectors: packed matrices have whole vectors of columns


class Saved:
    """What the forward pass keeps for the backward pass, as pieces of one vector.

    Attributes
    ----------
    pieces : dict of (name, layer, direction) to (first element, shape)
    size : int
        Elements in all.
    """

    def __init__(self, p: Any, steps: int, batch: int):
        self.pieces: dict[tuple[str, int, int], tuple[int, tuple[int, ...]]] = {}
        self.size = 0
        sides, units, out = directions(p), p.state_size, width(p)
        for layer in range(p.num_layers):
            for side in range(sides):
                if p.mode in ("lstm", "gru"):
                    self._add("gates", layer, side, steps, batch, GATES[p.mode] * units)
                if p.mode == "lstm":
                    self._add("cells", layer, side, steps, batch, units)
                if p.mode == "gru":
                    self._add("extra", layer, side, steps, batch, units)
                if p.projection_size is not None:
                    self._add("full", layer, side, steps, batch, units)
                self._add("before", layer, side, steps, batch, out)
            if layer < p.num_layers - 1:
                self._add("y", layer, 0, steps, batch, sides * out)
                if p.p > 0:
                    self._add("mask", layer, 0, steps, batch, sides * out)
                    self._add("dropped", layer, 0, steps, batch, sides * out)

    def _add(self, name: str, layer: int, side: int, *shape: int) -> None:
        self.pieces[name, layer, side] = (self.size, shape)
        self.size += product(shape)

    def part(self, reserve: Any, name: str, layer: int, side: int = 0) -> Any:
        """The piece as a part of `reserve`; None if there is none of that name."""
        found = self.pieces.get((name, layer, side))
        return None if found is None else reserve.part(*found)


class Operands:
    """Operands of a step by name, in order; one that is None is not there.

    Attributes
    ----------
    refs : list of Ref
    names : list of str
    """

    def __init__(self, **operands: Any):
        self.refs: list[Any] = []
        self.names: list[str] = []
        self.add(**operands)

    def add(self, **operands: Any) -> None:
        for name, ref in operands.items():
            if ref is not None:
                self.names.append(name)
                self.refs.append(ref)


def packed(low: Any, gates: int, columns: int, k: int, dtype: np.dtype) -> Any:
    """Memory for a packed matrix of k rows and `columns` of each gate."""
    return low.workspace((gates * -(-columns // LANES) * LANES * k,), dtype)


def piece_of(vector: Any, piece: Any) -> Any:
    """The part of the parameters that a piece of the layout is; None for one that is not there."""
    return None if piece is None else vector.part(piece.start, piece.shape)


def state_of(states: Any, layer: int, side: int, sides: int) -> Any:
    """The state of one layer and direction, of all of them."""
    if states is None:
        return None
    _, batch, size = states.shape
    return states.part((layer * sides + side) * batch * size, (batch, size))
