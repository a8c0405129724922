"""Cells over images: products are convolutions (Shi et al., "Convolutional LSTM Network", 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import symbol as sym
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams
from .errors import CellError
from .gates import gru_step, lstm_step

Activation = str | Callable[..., Symbol]


def _leaky(data: Symbol, **kwargs: Any) -> Symbol:
    return sym.LeakyReLU(data, act_type="leaky", slope=0.2, **kwargs)


class BaseConvRNNCell(BaseRNNCell):
    """What convolutional cells share.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one step's input in `conv_layout`; its batch does not matter.
    num_hidden : int
        Channels of states and output.
    h2h_kernel, h2h_dilate : tuple of int
        Of the convolution of the state, which keeps its size; the kernel is odd.
    i2h_kernel, i2h_stride, i2h_pad, i2h_dilate : tuple of int
        Of the convolution of the input.
    i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer : Initializer or str
    activation : str or callable
        A name of `Activation`'s, or a function of a symbol.
    prefix : str, optional
        Of the names of nodes and variables; by default the kind of the cell, as in ``ConvLSTM_``.
    params : RNNParams, optional
        Variables shared with another cell.
    conv_layout : str
        Layout of images.
    """

    _default_prefix = ""

    def __init__(
        self,
        input_shape: Sequence[int],
        num_hidden: int,
        h2h_kernel: Sequence[int] = (3, 3),
        h2h_dilate: Sequence[int] = (1, 1),
        i2h_kernel: Sequence[int] = (3, 3),
        i2h_stride: Sequence[int] = (1, 1),
        i2h_pad: Sequence[int] = (1, 1),
        i2h_dilate: Sequence[int] = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        activation: Activation = _leaky,
        prefix: str | None = None,
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ):
        super().__init__(self._default_prefix if prefix is None else prefix, params)
        if any(size % 2 == 0 for size in h2h_kernel):
            raise CellError(f"Only support odd number, get h2h_kernel= {tuple(h2h_kernel)}")
        self._num_hidden = num_hidden
        self._conv_layout = conv_layout
        self._activation = activation
        self._i2h = {"kernel": i2h_kernel, "stride": i2h_stride, "pad": i2h_pad, "dilate": i2h_dilate}
        pad = tuple(d * (k - 1) // 2 for d, k in zip(h2h_dilate, h2h_kernel))
        self._h2h = {"kernel": h2h_kernel, "dilate": h2h_dilate, "pad": pad, "stride": (1, 1)}
        # The state has the shape of the convolved input.
        image = sym.Convolution(sym.Variable("data"), num_filter=num_hidden, layout=conv_layout, **self._i2h)
        shapes = image.infer_shape(data=tuple(input_shape))[1]
        assert shapes is not None
        self._state_shape = (0, *shapes[0][1:])
        self._iW = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self.params.get("h2h_bias", init=h2h_bias_initializer)

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}]

    def _products(self, inputs: Symbol, hidden: Symbol, name: str) -> tuple[Symbol, Symbol]:
        common = {"num_filter": self._num_hidden * self._num_gates, "layout": self._conv_layout}
        i2h = sym.Convolution(inputs, self._iW, self._iB, name=f"{name}i2h", **self._i2h, **common)
        h2h = sym.Convolution(hidden, self._hW, self._hB, name=f"{name}h2h", **self._h2h, **common)
        return i2h, h2h

    def _activate(self, data: Symbol, **kwargs: Any) -> Symbol:
        return self._get_activation(data, self._activation, **kwargs)


class ConvRNNCell(BaseConvRNNCell):
    """A vanilla cell over images. See `BaseConvRNNCell` for the parameters."""

    _default_prefix = "ConvRNN_"

    @property
    def _gate_names(self) -> Sequence[str]:
        return ("",)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output = self._activate(i2h + h2h, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(BaseConvRNNCell):
    """A long short-term memory cell over images. See `BaseConvRNNCell` for the parameters."""

    _default_prefix = "ConvLSTM_"

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2

    @property
    def _gate_names(self) -> Sequence[str]:
        return ["_i", "_f", "_c", "_o"]

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        axis = self._conv_layout.find("C")
        output, cell = lstm_step(i2h + h2h, states[1], self._activate, name, axis=axis)
        return output, [output, cell]


class ConvGRUCell(BaseConvRNNCell):
    """A gated recurrent unit over images. See `BaseConvRNNCell` for the parameters."""

    _default_prefix = "ConvGRU_"

    @property
    def _gate_names(self) -> Sequence[str]:
        return ["_r", "_z", "_o"]

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output = gru_step(i2h, h2h, states[0], self._activate, name)
        return output, [output]
