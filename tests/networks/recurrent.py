"""A language model: two LSTM layers (Hochreiter and Schmidhuber, 1997), unrolled in time as `mx.rnn.LSTMCell` does."""

from __future__ import annotations

from typing import Any


def _cell(mx: Any, x: Any, state: tuple[Any, Any], weights: Any, hidden: int, name: str) -> tuple[Any, Any]:
    """Return the next hidden state and memory."""
    h, c = state
    i2h = mx.sym.FullyConnected(x, weight=weights[0], bias=weights[1], num_hidden=4 * hidden, name=name + "_i2h")
    h2h = mx.sym.FullyConnected(h, weight=weights[2], bias=weights[3], num_hidden=4 * hidden, name=name + "_h2h")
    gates = mx.sym.SliceChannel(i2h + h2h, num_outputs=4, name=name + "_slice")
    i, f, o = (mx.sym.Activation(gates[k], act_type="sigmoid", name=f"{name}_gate{k}") for k in (0, 1, 3))
    g = mx.sym.Activation(gates[2], act_type="tanh", name=name + "_gate2")
    c = mx.sym.elemwise_add(f * c, i * g, name=name + "_state")
    return o * mx.sym.Activation(c, act_type="tanh", name=name + "_tanh"), c


def lstm(mx: Any, steps: int = 35, vocabulary: int = 2000, hidden: int = 200, layers: int = 2) -> Any:
    """Predict the next word at each of `steps` places; states begin at zero, labels are flat: (batch * steps,)."""
    words = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=vocabulary, output_dim=hidden, name="embed")
    xs = list(mx.sym.SliceChannel(words, num_outputs=steps, axis=1, squeeze_axis=True, name="steps"))
    for layer in range(layers):
        name = f"l{layer}"
        weights = [mx.sym.Variable(f"{name}_{part}") for part in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")]
        zero = mx.sym.zeros_like(mx.sym.SliceChannel(words, num_outputs=steps, axis=1, squeeze_axis=True)[0])
        state = zero, zero
        for t, x in enumerate(xs):
            state = _cell(mx, x, state, weights, hidden, f"{name}_t{t}")
            xs[t] = state[0]
    x = mx.sym.Concat(*(mx.sym.expand_dims(x, axis=1) for x in xs), dim=1, name="outputs")
    x = mx.sym.FullyConnected(mx.sym.reshape(x, shape=(-1, hidden)), num_hidden=vocabulary, name="output")
    return mx.sym.SoftmaxOutput(x, name="softmax")
