"""What is timed. Runs under cyexec's Python and under MXNet's (3.8): only the module called `mx` differs.

A case is a function (mx) -> callable; one call of it is one measured unit of work, finished when it returns.
"""

import numpy as np


def _mlp(mx, with_loss):
    net = mx.sym.Variable("data")
    for i, width in enumerate((128, 64)):
        net = mx.sym.FullyConnected(net, num_hidden=width, name=f"fc{i}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{i}")
    net = mx.sym.FullyConnected(net, num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax") if with_loss else mx.sym.softmax(net)


def _fill(executor):
    rng = np.random.RandomState(0)
    for array in executor.arg_arrays:
        array[:] = rng.uniform(-0.1, 0.1, array.shape)


def two_ops(mx):
    """forward() of 2 * a + b, four numbers."""
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    executor = (2 * a + b).bind(mx.cpu(), {"a": mx.nd.ones((4,)), "b": mx.nd.ones((4,))})

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()

    return run


def tiny_chain(mx):
    """forward() of 1,500 dependent additions of a scalar, sixteen numbers."""
    x = mx.sym.Variable("x")
    net = x
    for i in range(1500):
        net = net + float(i % 7)
    executor = net.bind(mx.cpu(), {"x": mx.nd.ones((16,))})

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()

    return run


def mlp_inference(mx):
    """forward() of the 784-128-64-10 perceptron, batch 1."""
    executor = _mlp(mx, False).simple_bind(mx.cpu(), data=(1, 784), grad_req="null")
    _fill(executor)

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()

    return run


def mlp_training(mx):
    """forward() and backward() of the 784-128-64-10 perceptron, batch 32."""
    executor = _mlp(mx, True).simple_bind(mx.cpu(), data=(32, 784))
    _fill(executor)

    def run():
        executor.forward(is_train=True)
        executor.backward()
        for grad in executor.grad_arrays:
            grad.wait_to_read()

    return run


def bind_5000(mx):
    """bind of a graph of 5,000 nodes, to its first output."""
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    values = [x, y]
    for i in range(5000):
        left, right = values[-1 - i % 3 % len(values)], values[-1 - i % 5 % len(values)]
        values.append(left + right if i % 2 else left * 0.5)
    net = values[-1]
    arrays = {"x": mx.nd.ones((8, 8)), "y": mx.nd.ones((8, 8))}

    def run():
        executor = net.bind(mx.cpu(), {n: arrays[n] for n in net.list_arguments()})
        executor.forward()
        executor.outputs[0].wait_to_read()

    return run


def numpy_two_ops(_):
    a, b = np.ones(4, np.float32), np.ones(4, np.float32)
    return lambda: 2 * a + b


def numpy_tiny_chain(_):
    x = np.ones(16, np.float32)

    def run():
        out = x
        for i in range(1500):
            out = out + np.float32(i % 7)

    return run


def numpy_mlp_inference(_):
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
        return e / e.sum(1, keepdims=True)

    return run


CASES = {
    "two ops": {"mx": two_ops, "numpy": numpy_two_ops},
    "1,500 tiny ops": {"mx": tiny_chain, "numpy": numpy_tiny_chain},
    "MLP batch 1": {"mx": mlp_inference, "numpy": numpy_mlp_inference},
    "MLP training step": {"mx": mlp_training},
    "bind 5,000 nodes": {"mx": bind_5000},
}
