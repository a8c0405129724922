"""RNN: recurrent layers over whole sequences (vanilla, LSTM, GRU), one or both directions, with MXNet's packed parameters.

Each layer and direction takes one matrix product for the inputs of all time steps and one step that walks through time
(``kernels/rnn.h``). What the backward pass reads is kept in one hidden output, `reserve`; at inference nothing is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import DTypeError, MXNetError, ShapeError
from ..lowering.gemm import add_gemm
from . import params as P
from .infer import unify
from .registry import register
from .rnn_layout import GATES, directions, inputs_of, layout, width
from .rnn_memory import Operands, Saved, packed, piece_of, state_of
from .rnn_numpy import rnn_numpy
from .schema import Case, Op
from .windows import float_dtype


class RNNParams(P.Params):
    """Parameters of RNN."""

    state_size = P.Int(min=1, doc="Size of the state for each layer.")
    num_layers = P.Count(doc="Number of stacked layers.")
    bidirectional = P.Bool(default=False, doc="Whether to use bidirectional recurrent layers.")
    mode = P.Enum("gru", "lstm", "rnn_relu", "rnn_tanh", doc="The type of RNN to compute.")
    p = P.Float(
        default=0.0, min=0.0, max=1.0,
        doc="Drop rate of the dropout on the outputs of each RNN layer, except the last layer, in training.",
    )  # fmt: skip
    state_outputs = P.Bool(default=False, doc="Whether to have the states as symbol outputs.")
    projection_size = P.Int(default=None, min=1, doc="Size the state of an LSTM is projected to before it recurs.")
    lstm_state_clip_min = P.Float(default=None, doc="Refused at bind, as by MXNet's CPU build: GPU only.")
    lstm_state_clip_max = P.Float(default=None, doc="Refused at bind, as by MXNet's CPU build: GPU only.")
    lstm_state_clip_nan = P.Bool(default=False, doc="Ignored without a clipping range.")
    use_sequence_length = P.Bool(default=False, doc="Refused at bind, as by MXNet's CPU build: GPU only.")


def _is_lstm(p: Any) -> bool:
    return p.mode == "lstm"


def rnn_inputs(p):
    cell = ("state_cell",) if _is_lstm(p) else ()
    return ("data", "parameters", "state", *cell, *(("sequence_length",) if p.use_sequence_length else ()))


def _outputs(p):
    states = ("state_output", "statecell_output") if _is_lstm(p) else ("state_output",)
    return ("output", *(states if p.state_outputs else ()), "reserve")


def _visible(p):
    return len(_outputs(p)) - 1


def _infer_shape(p, ins, outs):
    if p.projection_size is not None and not _is_lstm(p):
        raise ShapeError(f"projection_size={p.projection_size} is for mode lstm only, found {p.mode}")
    sides, out = directions(p), width(p)
    data, y = unify(ins[0], (-1, -1, -1), "data"), outs[0]
    y = unify(y, (-1, -1, sides * out), "output and (steps, batch, directions * size)")
    batch = [data[1], y[1]]
    state = unify(ins[2], (p.num_layers * sides, -1, out), "state and (layers * directions, batch, size)")
    batch.append(state[1])
    if _is_lstm(p):
        cell = unify(
            ins[3], (p.num_layers * sides, -1, p.state_size), "state_cell and (layers * directions, batch, size)"
        )
        batch.append(cell[1])
    if p.state_outputs:
        state = unify(state, outs[1], "state and its output")
        batch.append(state[1])
    known = {b for b in batch if b >= 0}
    if len(known) > 1:
        raise ShapeError(f"data, states and output have batches of {sorted(known)}")
    n = known.pop() if known else -1
    steps = unify((data[0],), (y[0],), "time steps of data and output")[0]
    features, size = data[2], -1
    if features < 0 and ins[1] is not None and len(ins[1]) == 1 and ins[1][0] >= 0:
        features = inputs_of(p, ins[1][0])
    if features >= 0:
        size = layout(p, features)[1]
        if ins[1] is not None and (len(ins[1]) != 1 or ins[1][0] not in (-1, size)):
            raise ShapeError(f"parameters is {ins[1]}, but data has {features} features; expected {(size,)}")
    state = (state[0], n, out)
    new_ins = [(steps, n, features), (size,), state]
    new_outs = [(steps, n, sides * out)]
    if p.state_outputs:
        new_outs.append(state)
    if _is_lstm(p):
        cell = (state[0], n, p.state_size)
        new_ins.append(cell)
        if p.state_outputs:
            new_outs.append(cell)
    if p.use_sequence_length:
        new_ins.append(unify(ins[-1], (n,), "sequence_length and (batch,)"))
    new_outs.append((Saved(p, steps, n).size,) if min(steps, n) >= 0 else (-1,))
    return new_ins, new_outs


def _infer_dtype(p, ins, outs):
    ins, outs = float_dtype(p, ins, outs)
    if ins[0] == np.float16:
        raise DTypeError("float16 is not supported on CPU, as in MXNet; cast to float32")
    return ins, outs


def _refuse_gpu_only(node: Any) -> None:
    p = node.params
    if p.use_sequence_length:
        raise MXNetError(f"{node.describe()}: use_sequence_length is supported on GPU (cuDNN) only, as in MXNet")
    if p.lstm_state_clip_min is not None or p.lstm_state_clip_max is not None:
        raise MXNetError(f"{node.describe()}: LSTM state clipping is supported on GPU (cuDNN) only, as in MXNet")


def _lower(low, node):
    _refuse_gpu_only(node)
    p, outs = node.params, low.outs
    data, parameters, h0 = low.ins[:3]
    c0 = low.ins[3] if _is_lstm(p) else None
    steps, batch, features = data.shape
    sides, units, out, gates = directions(p), p.state_size, width(p), GATES[p.mode]
    reserve = outs[-1] if low.used(len(outs) - 1) else None
    h_last = outs[1] if p.state_outputs and low.used(1) else None
    c_last = outs[2] if p.state_outputs and _is_lstm(p) and low.used(2) else None
    saved, dtype = Saved(p, steps, batch), data.dtype

    def memory(name, layer, side, *shape):
        """A saved piece when there is a backward pass, else scratch memory."""
        kept = None if reserve is None else saved.part(reserve, name, layer, side)
        return low.workspace(shape, dtype) if kept is None else kept

    x = data
    for layer, each in enumerate(layout(p, features)[0]):
        last = layer == p.num_layers - 1
        y = outs[0] if last else memory("y", layer, 0, steps, batch, sides * out)
        for side, pieces in enumerate(each):
            w, bias = piece_of(parameters, pieces.i2h_weight), piece_of(parameters, pieces.i2h_bias)
            gate_products = memory("gates", layer, side, steps, batch, gates * units)
            add_gemm(low, x, w, gate_products, steps * batch, gates * units, x.shape[-1], transpose_b=True, bias=bias)
            reads = Operands(
                gates=gate_products, weight=piece_of(parameters, pieces.h2h_weight), bias=piece_of(parameters, pieces.h2h_bias),
                projection=piece_of(parameters, pieces.projection), h0=state_of(h0, layer, side, sides),
                c0=state_of(c0, layer, side, sides),
            )  # fmt: skip
            kept = steps if reserve is not None else 1
            writes = Operands(
                y=y, h_last=state_of(h_last, layer, side, sides), c_last=state_of(c_last, layer, side, sides),
                packed=packed(low, gates, units, out, dtype),
            )  # fmt: skip
            if _is_lstm(p):
                writes.add(cells=memory("cells", layer, side, kept, batch, units))
            if p.projection_size is not None:
                writes.add(full=memory("full", layer, side, kept, batch, units))
                writes.add(packed_projection=packed(low, 1, out, units, dtype))
            if reserve is not None:
                writes.add(
                    gates=gate_products if gates > 1 else None,
                    extra=saved.part(reserve, "extra", layer, side),
                    before=saved.part(reserve, "before", layer, side),
                )
            low.step(
                "rnn.RecurrentForward", reads.refs, writes.refs, names=(tuple(reads.names), tuple(writes.names)),
                mode=p.mode, steps=steps, batch=batch, units=units, width=out, direction=side, directions=sides,
                save=reserve is not None,
            )  # fmt: skip
        x = y
        if not last and p.p > 0 and low.is_train:
            x = memory("dropped", layer, 0, steps, batch, sides * out)
            writes = [x] if reserve is None else [x, saved.part(reserve, "mask", layer)]
            low.step("dropout.Dropout", [y], writes, p=p.p, stream=low.random_stream())


def _gradient(g, node, ograds):
    p = node.params
    heads = list(ograds[:-1]) + [None] * (3 - len(ograds[:-1]))
    arrived = [h for h in heads if h is not None]
    if not arrived:
        return [None] * len(node.inputs)
    made = g.node(
        "_backward_RNN", *node.inputs, node[0], node[len(node.shapes) - 1], *arrived, like=p,
        has_y=heads[0] is not None, has_state=heads[1] is not None, has_cell=heads[2] is not None,
    )  # fmt: skip
    return [made[i] for i in range(len(node.inputs))]


def _case(mode, layers=1, both=False, data=(3, 2, 4), size=3, grad=True, **kw):
    params = {"mode": mode, "state_size": size, "num_layers": layers, "bidirectional": both, **kw}
    p = RNNParams.parse(params, "RNN")
    _, batch, features = data
    states = layers * directions(p)
    shapes = {"data": data, "parameters": (layout(p, features)[1],), "state": (states, batch, width(p))}
    if mode == "lstm":
        shapes["state_cell"] = (states, batch, size)
    bound = 1.0 if size < 10 else 0.3  # weights that keep the states of relu near 1
    return Case(shapes, params, grad=grad, low=-bound, high=bound)


_DOC = """Apply recurrent layers to a sequence.

`data` is (steps, batch, features), `parameters` all weights and biases in one vector, `state` (and `state_cell` for LSTM)
the initial states, (layers * directions, batch, state_size). The output is (steps, batch, directions * state_size);
with `state_outputs` the last states follow. Modes, with W x standing for the product and both biases:

* rnn_relu, rnn_tanh: h' = f(W x + R h)
* lstm: i, f, o = sigmoid, g = tanh of (W x + R h); c' = f c + i g; h' = o tanh(c'); with `projection_size`, P h' recurs
* gru: r, z = sigmoid(W x + R h); n = tanh(W x + r (R h)); h' = (1 - z) n + z h

The order of gates is that of the names. Dropout between layers happens in training (MXNet's oneDNN build leaves it out).
An LSTM with projection can be trained (MXNet: on GPU only); clipped cell states and sequence lengths are refused, as by MXNet
on CPU.
"""

register(
    Op(
        name="RNN",
        doc=_DOC,
        params=RNNParams,
        inputs=rnn_inputs,
        outputs=_outputs,
        visible=_visible,
        random=True,
        infer_shape=_infer_shape,
        infer_dtype=_infer_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=rnn_numpy,
        cases=(
            *(_case(mode, layers, both, state_outputs=layers == 2) for mode in GATES for layers in (1, 2)
              for both in (False, True)),
            *(_case(mode, 1, True, data=(4, 9, 5), size=37, grad=False) for mode in GATES),
            *(_case(mode, 1, data=(3, 1, 7), size=70, grad=False, state_outputs=True) for mode in GATES),
            _case("lstm", 1, data=(2, 60, 3), size=150, grad=False),
            _case("lstm", 2, True, state_outputs=True, projection_size=2),
            _case("lstm", 1, data=(0, 2, 4), state_outputs=True),
            _case("gru", 1, data=(3, 0, 4), state_outputs=True),
        ),
    )
)  # fmt: skip
