"""First values for recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ndarray import NDArray
from .base import InitDesc, Initializer, create, register

# Gates of each mode in the order of the packed parameters, as they stand in parameter names.
_GATES = {
    "rnn_relu": ("",),
    "rnn_tanh": ("",),
    "lstm": ("_i", "_f", "_c", "_o"),
    "gru": ("_r", "_z", "_o"),
}


@register
class LSTMBias(Initializer):
    """Zeros, with `forget_bias` for the forget gates: the second quarter of an LSTM's bias.

    Parameters
    ----------
    forget_bias : float
    """

    def __init__(self, forget_bias: float = 1.0):
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0
        hidden = arr.shape[0] // 4
        arr[hidden : 2 * hidden] = self.forget_bias


@register
class FusedRNN(Initializer):
    """Initialise the packed parameters of an `RNN` operator, gate by gate.

    Parameters
    ----------
    init : Initializer or str
        For every gate's weights and biases, by the rules of names. None: the initialiser of the whole network.
    num_hidden, num_layers : int
    mode : {"rnn_relu", "rnn_tanh", "lstm", "gru"}
    bidirectional : bool
    forget_bias : float
        For both biases of an LSTM's forget gates.
    """

    def __init__(
        self,
        init: Any,
        num_hidden: int,
        num_layers: int,
        mode: str,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ):
        if mode not in _GATES:
            raise ValueError(f"FusedRNN: mode must be one of {', '.join(_GATES)}, found {mode!r}")
        if isinstance(init, str):
            init = create(init)
        super().__init__(
            init=init.dumps() if init is not None else None, num_hidden=num_hidden, num_layers=num_layers, mode=mode,
            bidirectional=bidirectional, forget_bias=forget_bias,
        )  # fmt: skip
        self._init = init
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._forget_bias = forget_bias

    def _parts(self, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the parts of `size` packed numbers: all weights, then all biases."""
        hidden, gates = self._num_hidden, _GATES[self._mode]
        sides = ("l", "r") if self._bidirectional else ("l",)
        deeper = (self._num_layers - 1) * len(sides) * len(gates) * hidden * (hidden * (len(sides) + 1) + 2)
        first, rest = divmod(size - deeper, len(sides) * len(gates) * hidden)
        num_input = first - hidden - 2
        if rest or num_input < 1:
            raise ValueError(
                f"FusedRNN: {size} parameters do not fit {self._num_layers} layers of {hidden} hidden units, "
                f"mode {self._mode}, bidirectional={self._bidirectional}"
            )
        for kind in ("weight", "bias"):
            for layer in range(self._num_layers):
                width = num_input if layer == 0 else hidden * len(sides)
                for side in sides:
                    for group, columns in (("i2h", width), ("h2h", hidden)):
                        for gate in gates:
                            shape = (hidden, columns) if kind == "weight" else (hidden,)
                            yield f"{side}{layer}_{group}{gate}_{kind}", shape

    def _init_weight(self, name: str, arr: NDArray) -> None:
        global_init = getattr(name, "global_init", None)
        init = self._init if self._init is not None else global_init
        if init is None:
            raise ValueError(f"{name}: FusedRNN has no initializer for its parts, and there is no global one")
        packed = arr.reshape((-1,))
        at = 0
        for part, shape in self._parts(arr.size):
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            piece = packed[at : at + count].reshape(shape)
            at += count
            if self._mode == "lstm" and part.endswith("_f_bias"):
                piece[:] = self._forget_bias
            else:
                init(InitDesc(part, global_init=global_init), piece)
