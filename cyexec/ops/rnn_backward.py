"""The gradient of RNN: backward through time for each layer and direction, then the products over all time steps."""

from __future__ import annotations

from typing import Any

from ..lowering.gemm import add_gemm
from . import params as P
from .registry import register
from .rnn import RNNParams, rnn_inputs
from .rnn_layout import GATES, Layer, directions, layout, width
from .rnn_memory import Operands, Saved, packed, piece_of, state_of
from .schema import Op


class RNNGradientParams(RNNParams):
    """Parameters of the gradient of RNN: which outputs a gradient arrives at."""

    has_y = P.Bool(doc="Whether there is a gradient of the output.")
    has_state = P.Bool(doc="Whether there is a gradient of the last states.")
    has_cell = P.Bool(doc="Whether there is a gradient of the last cell states.")


def _gradient_inputs(p):
    heads = (("ograd", p.has_y), ("ograd_state", p.has_state), ("ograd_cell", p.has_cell))
    return (*rnn_inputs(p), "output", "reserve", *(name for name, there in heads if there))


class _Backward:
    """The steps of one node's gradient, layer by layer from the last one."""

    def __init__(self, low: Any, node: Any):
        p = node.params
        self.low, self.p = low, p
        self.ins = dict(zip(_gradient_inputs(p), low.ins))
        # Gradients that nobody reads are not there.
        self.outs = {name: ref for i, (name, ref) in enumerate(zip(rnn_inputs(p), low.outs)) if low.used(i)}
        self.parameters, self.reserve = self.ins["parameters"], self.ins["reserve"]
        self.steps, self.batch, self.features = self.ins["data"].shape
        self.columns = GATES[p.mode] * p.state_size
        self.dtype, self.saved = self.ins["data"].dtype, Saved(p, self.steps, self.batch)
        self.dropped = p.p > 0 and low.is_train

    def run(self) -> None:
        low, sides = self.low, directions(self.p)
        dy = self.ins.get("ograd")
        for layer, each in reversed(list(enumerate(layout(self.p, self.features)[0]))):
            x = self.layer_input(layer)
            dx = self.outs.get("data")
            if layer > 0:
                dx = low.workspace((self.steps, self.batch, sides * width(self.p)), self.dtype)
            for side, pieces in enumerate(each):
                da, db, dr = self.through_time(layer, side, pieces, dy)
                if "parameters" in self.outs:
                    self.parameter_gradients(layer, side, pieces, x, da, db, dr)
                if dx is not None:
                    w = piece_of(self.parameters, pieces.i2h_weight)
                    rows, features = self.steps * self.batch, x.shape[-1]
                    add_gemm(low, da, w, dx, rows, features, self.columns, accumulate=side > 0)
            dy = dx
            if layer > 0 and self.dropped:
                from ..lowering.lower import (
                    Instr,
                )  # not at import: lowering imports the registry, which this file fills

                low.elementwise([Instr("mul", (0, 1))], [dx, self.saved.part(self.reserve, "mask", layer - 1)], [dx])

    def layer_output(self, layer: int) -> Any:
        return self.ins["output"] if layer == self.p.num_layers - 1 else self.saved.part(self.reserve, "y", layer)

    def layer_input(self, layer: int) -> Any:
        if layer == 0:
            return self.ins["data"]
        return self.saved.part(self.reserve, "dropped", layer - 1) if self.dropped else self.layer_output(layer - 1)

    def state(self, states: Any, layer: int, side: int) -> Any:
        return state_of(states, layer, side, directions(self.p))

    def through_time(self, layer: int, side: int, pieces: Layer, dy: Any) -> tuple[Any, Any, Any]:
        """Gradients of the products of inputs and of states (the same but for GRU), and of projected states."""
        low, p, units, out = self.low, self.p, self.p.state_size, width(self.p)
        shape = (self.steps, self.batch, self.columns)
        reads = Operands(
            **{name: self.saved.part(self.reserve, name, layer, side) for name in ("gates", "cells", "extra", "before")},
            weight=piece_of(self.parameters, pieces.h2h_weight), projection=piece_of(self.parameters, pieces.projection),
            dy=dy, dh_last=self.state(self.ins.get("ograd_state"), layer, side),
            dc_last=self.state(self.ins.get("ograd_cell"), layer, side),
            c0=self.state(self.ins.get("state_cell"), layer, side),
            y=self.layer_output(layer) if self.columns == units else None,
        )  # fmt: skip
        da, dr = low.workspace(shape, self.dtype), None
        db = low.workspace(shape, self.dtype) if p.mode == "gru" else None
        writes = Operands(
            da=da, db=db, packed=packed(low, 1, out, self.columns, self.dtype),
            carry=low.workspace((self.batch, units), self.dtype) if self.columns > units else None,
            dh0=self.state(self.outs.get("state"), layer, side),
            dc0=self.state(self.outs.get("state_cell"), layer, side),
        )  # fmt: skip
        if pieces.projection is not None:
            dr = low.workspace((self.steps, self.batch, out), self.dtype)
            writes.add(dr=dr, packed_projection=packed(low, 1, units, out, self.dtype))
        low.step(
            "rnn.RecurrentBackward", reads.refs, writes.refs, names=(tuple(reads.names), tuple(writes.names)),
            mode=p.mode, steps=self.steps, batch=self.batch, units=units, width=out, direction=side,
            directions=directions(p),
        )  # fmt: skip
        return da, da if db is None else db, dr

    def parameter_gradients(self, layer: int, side: int, pieces: Layer, x: Any, da: Any, db: Any, dr: Any) -> None:
        """Sums over all time steps and the batch."""
        low, rows, vector = self.low, self.steps * self.batch, self.outs["parameters"]
        before = self.saved.part(self.reserve, "before", layer, side)
        products = [(da, x, pieces.i2h_weight), (db, before, pieces.h2h_weight)]
        if pieces.projection is not None:
            products.append((dr, self.saved.part(self.reserve, "full", layer, side), pieces.projection))
        for left, right, piece in products:
            m, n = piece.shape
            add_gemm(low, left, right, piece_of(vector, piece), m, n, rows, transpose_a=True)
        first, second = piece_of(vector, pieces.i2h_bias), piece_of(vector, pieces.h2h_bias)
        low.step("conv.ChannelSums", [da], [first], batch=rows, channels=self.columns, size=1)
        if db is da:
            low.copy(second, first)
        else:
            low.step("conv.ChannelSums", [db], [second], batch=rows, channels=self.columns, size=1)


register(
    Op(
        name="_backward_RNN",
        doc="Gradients of RNN.",
        params=RNNGradientParams,
        inputs=_gradient_inputs,
        outputs=rnn_inputs,
        infer_shape=lambda p, ins, outs: (ins, ins[: len(outs)]),
        lower=lambda low, node: _Backward(low, node).run(),
        hidden=True,
    )
)
