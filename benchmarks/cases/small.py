"""Graphs so small that the time is that of the calls."""

from functools import partial

import numpy as np

from .common import Case, mx_forward
from .inference import onnxruntime, openvino, torch


def _forward(executor):
    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def two_ops(mx):
    """2 * a + b, four numbers."""
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    return _forward((2 * a + b).bind(mx.cpu(), {"a": mx.nd.ones((4,)), "b": mx.nd.ones((4,))}))


def numpy_two_ops(_):
    a, b = np.ones(4, np.float32), np.ones(4, np.float32)
    return lambda: 2 * a + b


def torch_two_ops(torch):
    a, b = torch.ones(4), torch.ones(4)
    return lambda: 2 * a + b


def jax_two_ops(jax):
    a, b = jax.numpy.ones(4), jax.numpy.ones(4)
    step = jax.jit(lambda a, b: 2 * a + b)
    return lambda: step(a, b).block_until_ready()


def _added(x):
    for i in range(1500):
        x = x + np.float32(i % 7)
    return x


def tiny_chain(mx):
    """1,500 dependent additions of a scalar, sixteen numbers."""
    net = mx.sym.Variable("x")
    for i in range(1500):
        net = net + float(i % 7)
    return _forward(net.bind(mx.cpu(), {"x": mx.nd.ones((16,))}))


def numpy_tiny_chain(_):
    x = np.ones(16, np.float32)
    return lambda: _added(x)


def jax_tiny_chain(jax):
    x = jax.numpy.ones(16)
    step = jax.jit(_added)
    return lambda: step(x).block_until_ready()


def tiny_steps(mx):
    """1,500 dependent steps that are no chain of one tile: a sum over an axis after every third operation."""
    x = mx.sym.Variable("x")
    for i in range(500):
        x = mx.sym.broadcast_add(mx.sym.tanh(x), mx.sym.sum(x, axis=1, keepdims=True) * 0.01, name=f"b{i}")
    return _forward(x.bind(mx.cpu(), {"x": mx.nd.ones((4, 4))}))


def jax_tiny_steps(jax):
    def net(x):
        for _ in range(500):
            x = jax.numpy.tanh(x) + x.sum(1, keepdims=True) * 0.01
        return x

    x, step = jax.numpy.ones((4, 4)), jax.jit(net)
    return lambda: step(x).block_until_ready()


def numpy_mlp(_):
    rng = np.random.RandomState(0)
    sizes = (784, 128, 64, 10)
    layers = [
        (rng.uniform(-0.1, 0.1, (n, m)).astype(np.float32), rng.uniform(-0.1, 0.1, n).astype(np.float32))
        for m, n in zip(sizes, sizes[1:])
    ]
    x = rng.uniform(-0.1, 0.1, (1, 784)).astype(np.float32)

    def run():
        out = x
        for i, (w, b) in enumerate(layers):
            out = out @ w.T + b
            if i < 2:
                out = np.maximum(out, 0)
        e = np.exp(out - out.max(1, keepdims=True))
        e / e.sum(1, keepdims=True)

    return run


MLP = {"mx": mx_forward, "onnxruntime": onnxruntime, "openvino": openvino, "torch": torch}
CASES = [
    Case("two ops", {"mx": two_ops, "numpy": numpy_two_ops, "torch": torch_two_ops, "jax": jax_two_ops}),
    Case("1,500 tiny ops", {"mx": tiny_chain, "numpy": numpy_tiny_chain, "jax": jax_tiny_chain}),
    Case("1,500 tiny steps", {"mx": tiny_steps, "jax": jax_tiny_steps}),
    Case("MLP batch 1", {"numpy": numpy_mlp, **{peer: partial(maker, "mlp") for peer, maker in MLP.items()}}),
]
