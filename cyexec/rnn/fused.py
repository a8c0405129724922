"""A whole recurrent network as one RNN operator."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .. import ndarray as nd
from .. import symbol as sym
from ..ndarray import NDArray
from ..ops.rnn_layout import inputs_of, layout
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams
from .cells import GRUCell, LSTMCell, RNNCell
from .errors import CellError
from .sequence import arranged, time_axis

if TYPE_CHECKING:
    from .containers import SequentialRNNCell

_GATES = {"rnn_relu": [""], "rnn_tanh": [""], "lstm": ["_i", "_f", "_c", "_o"], "gru": ["_r", "_z", "_o"]}


class FusedRNNCell(BaseRNNCell):
    """Layers of recurrent cells in one operator: fast, and with all parameters in one vector.

    Parameters
    ----------
    num_hidden : int
        Size of the states.
    num_layers : int
    mode : {"rnn_relu", "rnn_tanh", "lstm", "gru"}
    bidirectional : bool
    dropout : float
        Between layers, in training.
    get_next_state : bool
        Whether `unroll` returns the last states.
    forget_bias : float
        Initial bias of the forget gates of an LSTM.
    prefix : str, optional
        Of the names of nodes and variables; by default the mode and an underscore.
    params : RNNParams, optional
        Variables shared with another cell.
    """

    def __init__(
        self,
        num_hidden: int,
        num_layers: int = 1,
        mode: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        get_next_state: bool = False,
        forget_bias: float = 1.0,
        prefix: str | None = None,
        params: RNNParams | None = None,
    ):
        super().__init__(f"{mode}_" if prefix is None else prefix, params)
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._dropout = dropout
        self._get_next_state = get_next_state
        self._directions = ["l", "r"] if bidirectional else ["l"]
        shape = {
            "num_hidden": num_hidden, "num_layers": num_layers, "mode": mode, "bidirectional": bidirectional,
            "forget_bias": forget_bias,
        }  # fmt: skip
        # What `mx.init.FusedRNN(None, num_hidden, ...).dumps()` is.
        self._parameter = self.params.get("parameters", init=json.dumps(["fusedrnn", {"init": None, **shape}]))

    @property
    def state_info(self) -> list[dict[str, Any]]:
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"}] * (1 + (self._mode == "lstm"))

    @property
    def _gate_names(self) -> Sequence[str]:
        if self._mode not in _GATES:
            raise CellError(
                f"FusedRNNCell '{self._prefix}': mode is {self._mode!r}, expected one of {', '.join(_GATES)}"
            )
        return _GATES[self._mode]

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    @property
    def _vector_name(self) -> str:
        return self._parameter.list_outputs()[0]

    def _layout(self) -> Any:
        """What `cyexec.ops.rnn_layout` asks of the operator's parameters."""
        return SimpleNamespace(
            mode=self._mode, state_size=self._num_hidden, num_layers=self._num_layers,
            bidirectional=self._bidirectional, projection_size=None,
        )  # fmt: skip

    def _slices(self, inputs: int) -> Iterator[tuple[str, int, tuple[int, ...]]]:
        """Name, first element and shape of each gate's weight and bias in the vector: weights, then biases."""
        gates = self._gate_names
        layers, _ = layout(self._layout(), inputs)
        for kind in ("weight", "bias"):
            for number, each in enumerate(layers):
                for direction, pieces in zip(self._directions, each):
                    for group in ("i2h", "h2h"):
                        piece = getattr(pieces, f"{group}_{kind}")
                        shape = (piece.shape[0] // len(gates), *piece.shape[1:])
                        size = shape[0] * (shape[1] if kind == "weight" else 1)
                        for k, gate in enumerate(gates):
                            name = f"{self._prefix}{direction}{number}_{group}{gate}_{kind}"
                            yield name, piece.start + k * size, shape

    def unpack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        out = dict(args)
        vector = out.pop(self._vector_name)
        inputs = inputs_of(self._layout(), vector.size)
        if inputs < 0:
            raise CellError(f"{self._vector_name} has {vector.size} elements, which fits no number of inputs")
        flat = vector.reshape((-1,))
        for name, start, shape in self._slices(inputs):
            size = shape[0] * (shape[1] if len(shape) > 1 else 1)
            out[name] = flat[start : start + size].reshape(shape).copy()
        return out

    def pack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        out = dict(args)
        first = out[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        inputs = first.shape[1]
        vector = nd.zeros((layout(self._layout(), inputs)[1],), ctx=first.context, dtype=first.dtype)
        for name, start, shape in self._slices(inputs):
            part = out.pop(name)
            if tuple(part.shape) != shape:
                raise CellError(f"{name} is {tuple(part.shape)}, expected {shape} for {inputs} inputs")
            vector[start : start + part.size] = part.reshape((-1,))
        out[self._vector_name] = vector
        return out

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        raise NotImplementedError("FusedRNNCell cannot be stepped. Please use unroll")

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        """Compose the operator; `merge_outputs` None means True. See `BaseRNNCell.unroll`."""
        self.reset()
        axis = time_axis(layout)
        inputs = arranged(inputs, length, axis, True)
        if axis == 1:
            warnings.warn("NTC layout detected. Consider using TNC for FusedRNNCell for faster speed", stacklevel=2)
            inputs = sym.swapaxes(inputs, dim1=0, dim2=1)
        elif axis != 0:
            raise CellError(f"Unsupported layout {layout!r}: FusedRNNCell takes NTC or TNC")
        states = list(self.begin_state() if begin_state is None else begin_state)
        names = ("state", "state_cell") if self._mode == "lstm" else ("state",)
        made = sym.RNN(
            data=inputs, parameters=self._parameter, **dict(zip(names, states)), state_size=self._num_hidden,
            num_layers=self._num_layers, bidirectional=self._bidirectional, p=self._dropout,
            state_outputs=self._get_next_state, mode=self._mode, name=f"{self._prefix}rnn",
        )  # fmt: skip
        outputs, last = made, []
        if self._get_next_state:
            outputs, *last = made
            for state in last:
                state._set_attr(__layout__="LNC")
        if axis == 1:
            outputs = sym.swapaxes(outputs, dim1=0, dim2=1)
        return arranged(outputs, length, axis, merge_outputs), last

    def unfuse(self) -> SequentialRNNCell:
        """Return the same network as a stack of cells; its unpacked weights have the same names."""
        from .containers import BidirectionalCell, SequentialRNNCell
        from .modifiers import DropoutCell

        def cell(prefix: str) -> BaseRNNCell:
            if self._mode == "lstm":
                return LSTMCell(self._num_hidden, prefix=prefix)
            if self._mode == "gru":
                return GRUCell(self._num_hidden, prefix=prefix)
            return RNNCell(self._num_hidden, activation=self._mode.removeprefix("rnn_"), prefix=prefix)

        self._gate_names  # noqa: B018 (refuses an unknown mode)
        stack = SequentialRNNCell()
        for i in range(self._num_layers):
            left = cell(f"{self._prefix}l{i}_")
            if self._bidirectional:
                right = cell(f"{self._prefix}r{i}_")
                stack.add(BidirectionalCell(left, right, output_prefix=f"{self._prefix}bi_l{i}_"))
            else:
                stack.add(left)
            if self._dropout > 0 and i != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{i}_"))
        return stack
