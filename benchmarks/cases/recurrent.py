"""An LSTM of 50 steps, 64 inputs, 128 units, batch 1: unrolled as `mx.rnn` does it, and as one RNN operator, beside the
peers' own LSTMs.
"""

import numpy as np

from .common import Case, threads

STEPS, WIDTH, HIDDEN = 50, 64, 128


def _values():
    """Input of shape (1, steps, width), and weights and biases of input and state; gates in the order i, f, g, o."""
    rng = np.random.RandomState(0)
    shapes = ((1, STEPS, WIDTH), (4 * HIDDEN, WIDTH), (4 * HIDDEN,), (4 * HIDDEN, HIDDEN), (4 * HIDDEN,))
    return [rng.uniform(-0.1, 0.1, shape).astype(np.float32) for shape in shapes]


def unrolled(mx):
    """Each step: two FullyConnected, a sum, a split, activations. All hidden states come out."""
    sym = mx.sym
    names = ("data", "i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")
    data, *weights = (sym.Variable(name) for name in names)
    h = c = sym.zeros(shape=(1, HIDDEN))
    outputs = []
    for x in sym.SliceChannel(data, num_outputs=STEPS, axis=1, squeeze_axis=True):
        gates = sym.FullyConnected(x, weights[0], weights[1], num_hidden=4 * HIDDEN)
        gates = gates + sym.FullyConnected(h, weights[2], weights[3], num_hidden=4 * HIDDEN)
        i, f, g, o = sym.SliceChannel(gates, num_outputs=4, axis=1)
        c = sym.sigmoid(f) * c + sym.sigmoid(i) * sym.tanh(g)
        h = sym.sigmoid(o) * sym.tanh(c)
        outputs.append(sym.expand_dims(h, axis=1))
    net = sym.Concat(*outputs, dim=1)
    executor = net.bind(mx.cpu(), {n: mx.nd.array(v) for n, v in zip(names, _values())})

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def fused(mx):
    """One RNN operator."""
    x, w, wb, r, rb = _values()
    net = mx.sym.RNN(mx.sym.Variable("data"), state_size=HIDDEN, num_layers=1, mode="lstm", name="rnn")
    executor = net.simple_bind(mx.cpu(), grad_req="null", data=(STEPS, 1, WIDTH))
    executor.arg_dict["data"][:] = x.swapaxes(0, 1)
    executor.arg_dict["rnn_parameters"][:] = np.concatenate([v.ravel() for v in (w, r, wb, rb)])

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def torch(torch):
    torch.set_num_threads(threads())
    x, *weights = (torch.from_numpy(v) for v in _values())
    lstm = torch.nn.LSTM(WIDTH, HIDDEN, batch_first=True)
    with torch.no_grad():
        for name, value in zip(("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"), weights):
            getattr(lstm, name).copy_(value)

    def run():
        with torch.inference_mode():
            return lstm(x)[0]

    return run


def onnxruntime(onnxruntime):
    from onnx import TensorProto, helper, numpy_helper

    def reordered(value):
        i, f, g, o = np.split(value, 4)
        return np.concatenate([i, o, f, g])[None]  # ONNX's order; a leading axis of directions

    x, w, wb, r, rb = _values()
    constants = {"w": reordered(w), "r": reordered(r), "b": np.concatenate([reordered(wb), reordered(rb)], 1)}
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=HIDDEN)],
        "lstm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (STEPS, 1, WIDTH))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (STEPS, 1, 1, HIDDEN))],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": np.ascontiguousarray(x.swapaxes(0, 1))}
    return lambda: session.run(None, feed)[0]


def jax(jax):
    x, w, wb, r, rb = (jax.numpy.array(v) for v in _values())

    def cell(state, x):
        h, c = state
        i, f, g, o = jax.numpy.split(w @ x + wb + r @ h + rb, 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
        return (h, c), h

    zero = jax.numpy.zeros(HIDDEN)
    net = jax.jit(lambda x: jax.lax.scan(cell, (zero, zero), x)[1])
    return lambda: net(x[0]).block_until_ready()


PEERS = {"torch": torch, "onnxruntime": onnxruntime, "jax": jax}
CASES = [
    Case("LSTM 50 steps", {"mx": unrolled, **PEERS}),
    Case("LSTM 50 steps, RNN operator", {"mx": fused, **PEERS}),
]
