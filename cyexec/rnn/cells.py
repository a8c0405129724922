"""Cells over vectors: vanilla, LSTM and GRU."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import symbol as sym
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams
from .gates import gru_step, lstm_step


class _VectorCell(BaseRNNCell):
    """A cell whose input and hidden state pass through a FullyConnected each.

    `bias` are `mx.sym.Variable`'s arguments for the input's bias.
    """

    def __init__(self, num_hidden: int, prefix: str, params: RNNParams | None, **bias: Any):
        super().__init__(prefix, params)
        self._num_hidden = num_hidden
        self._iW = self.params.get("i2h_weight")
        self._iB = self.params.get("i2h_bias", **bias)
        self._hW = self.params.get("h2h_weight")
        self._hB = self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    def _products(self, inputs: Symbol, hidden: Symbol, name: str) -> tuple[Symbol, Symbol]:
        size = self._num_hidden * len(self._gate_names)
        i2h = sym.FullyConnected(inputs, self._iW, self._iB, num_hidden=size, name=f"{name}i2h")
        h2h = sym.FullyConnected(hidden, self._hW, self._hB, num_hidden=size, name=f"{name}h2h")
        return i2h, h2h


class RNNCell(_VectorCell):
    """A vanilla cell: ``h' = activation(W x + R h)``.

    Parameters
    ----------
    num_hidden : int
        Size of the state and of the output.
    activation : str or callable
        A name of `Activation`'s, or a function of a symbol.
    prefix : str
        Of the names of nodes and variables.
    params : RNNParams, optional
        Variables shared with another cell.
    """

    def __init__(
        self,
        num_hidden: int,
        activation: str | Callable[..., Symbol] = "tanh",
        prefix: str = "rnn_",
        params: RNNParams | None = None,
    ):
        super().__init__(num_hidden, prefix, params)
        self._activation = activation

    @property
    def _gate_names(self) -> Sequence[str]:
        return ("",)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output = self._get_activation(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class LSTMCell(_VectorCell):
    """A long short-term memory cell (Hochreiter and Schmidhuber, 1997); states are hidden and cell state.

    Parameters
    ----------
    num_hidden : int
        Size of the states and of the output.
    prefix : str
        Of the names of nodes and variables.
    params : RNNParams, optional
        Variables shared with another cell.
    forget_bias : float
        Initial bias of the forget gate.
    """

    def __init__(
        self, num_hidden: int, prefix: str = "lstm_", params: RNNParams | None = None, forget_bias: float = 1.0
    ):
        # What `mx.init.LSTMBias(forget_bias).dumps()` is.
        super().__init__(num_hidden, prefix, params, init=json.dumps(["lstmbias", {"forget_bias": forget_bias}]))

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2

    @property
    def _gate_names(self) -> Sequence[str]:
        return ["_i", "_f", "_c", "_o"]

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output, cell = lstm_step(i2h + h2h, states[1], partial(sym.Activation, act_type="tanh"), name)
        return output, [output, cell]


class GRUCell(_VectorCell):
    """A gated recurrent unit (Cho et al., 2014), as cuDNN defines it: the reset gate acts on the product.

    Parameters
    ----------
    num_hidden : int
        Size of the state and of the output.
    prefix : str
        Of the names of nodes and variables.
    params : RNNParams, optional
        Variables shared with another cell.
    """

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: RNNParams | None = None):
        super().__init__(num_hidden, prefix, params)

    @property
    def _gate_names(self) -> Sequence[str]:
        return ["_r", "_z", "_o"]

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], f"{name}_")
        output = gru_step(i2h, h2h, states[0], partial(sym.Activation, act_type="tanh"), name)
        return output, [output]
