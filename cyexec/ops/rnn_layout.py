"""Where the weights of a fused recurrent network lie in its one vector of parameters, as MXNet and cuDNN lay them.

All weights first, layer by layer and direction by direction: input to hidden, hidden to hidden, projection; then all
biases in the same order. The rows of a weight are gate by gate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .infer import product

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class Piece(NamedTuple):
    """One weight or bias: `shape` elements from element `start` on."""

    start: int
    shape: tuple[int, ...]


class Layer(NamedTuple):
    """The parameters of one layer and direction."""

    i2h_weight: Piece  # (gates * units, inputs)
    h2h_weight: Piece  # (gates * units, width)
    projection: Piece | None  # (width, units)
    i2h_bias: Piece
    h2h_bias: Piece


def directions(p: Any) -> int:
    return 2 if p.bidirectional else 1


def width(p: Any) -> int:
    """Size of the state that recurs and of one direction's output: `state_size`, unless LSTM projects it."""
    return p.state_size if p.projection_size is None else p.projection_size


def layout(p: Any, inputs: int) -> tuple[list[list[Layer]], int]:
    """Pieces by layer and direction, and the number of parameters, for `inputs` features of the data."""
    rows, out = GATES[p.mode] * p.state_size, width(p)
    at = 0

    def take(*shape: int) -> Piece:
        nonlocal at
        piece = Piece(at, shape)
        at += product(shape)
        return piece

    each = range(directions(p))
    weights = []
    for number in range(p.num_layers):
        columns = inputs if number == 0 else out * len(each)
        for _ in each:
            projection = None
            first, second = take(rows, columns), take(rows, out)
            if p.projection_size is not None:
                projection = take(out, p.state_size)
            weights.append((first, second, projection))
    layers = [Layer(*w, take(rows), take(rows)) for w in weights]
    return [layers[i : i + len(each)] for i in range(0, len(layers), len(each))], at


def inputs_of(p: Any, size: int) -> int:
    """Features of the data for which the network has `size` parameters; -1 if there are none."""
    _, without = layout(p, 0)
    rows = GATES[p.mode] * p.state_size * directions(p)
    inputs, rest = divmod(size - without, rows)
    return inputs if rest == 0 and inputs >= 0 else -1
