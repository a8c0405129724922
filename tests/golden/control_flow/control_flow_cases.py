"""Loops and branches, as users write them; used by `make.py` under MXNet and by the test under cyexec.

``networks(mx)`` gives (key, symbol, values of the arguments). Nothing here imports either library.
"""

import zlib

import numpy as np


def flat(values):
    return sum(map(flat, values), []) if isinstance(values, (list, tuple)) else [values]


def array(name, shape):
    return np.random.RandomState(zlib.crc32(name.encode()) % 2**31).uniform(-1, 1, shape).astype(np.float32)


def _rnn(mx):
    def body(x, states):
        i2h = mx.sym.FullyConnected(x, num_hidden=4, name="i2h")
        h2h = mx.sym.FullyConnected(states[0], num_hidden=4, name="h2h")
        h = mx.sym.Activation(i2h + h2h, act_type="tanh", name="act")
        return h, [h]

    return mx.sym.contrib.foreach(body, mx.sym.var("data"), [mx.sym.var("h0")])


def _lstm_cell(mx):
    cell = mx.rnn.LSTMCell(3, prefix="lstm_")
    begin = [mx.sym.var("h"), mx.sym.var("c")]
    return mx.sym.contrib.foreach(cell, mx.sym.var("data"), begin)


def networks(mx):
    contrib, var = mx.sym.contrib, mx.sym.var
    a, b, w = var("a"), var("b"), var("w")
    outside = w * 2
    data = {"a": (3, 2), "b": (2,)}
    loops = {
        "sums": (contrib.foreach(lambda x, s: (x + s, x * s), a, b), data),
        "outside": (contrib.foreach(lambda x, s: (x + s * outside, s + mx.sym.exp(outside)), a, b), {**data, "w": (2,)}),
        "several": (
            contrib.foreach(
                lambda x, s: ([x[0] * x[1], [x[0] + 1]], [s[0] + x[1], s[1]]), [a * 2, b], [w + 1, mx.sym.zeros((2,))],
                name="loop",
            ),
            {"a": (3, 2), "b": (3, 2), "w": (2,)},
        ),
        "no states": (contrib.foreach(lambda x, s: (x * 2, []), a, []), {"a": (3, 2)}),
        "no outputs": (contrib.foreach(lambda x, s: ([], [s[0] + x * x]), a, [b]), data),
        "nested": (
            contrib.foreach(lambda x, s: contrib.foreach(lambda y, t: (y * t, t + y), x, s), a, b),
            {"a": (3, 2, 4), "b": (4,)},
        ),
        "one step": (contrib.foreach(lambda x, s: (x - s, s * x), a, b), {"a": (1, 2), "b": (2,)}),
        "recurrent": (_rnn(mx), {"data": (4, 2, 3), "h0": (2, 4)}),
        "cell": (_lstm_cell(mx), {"data": (4, 2, 3), "h": (2, 3), "c": (2, 3)}),
        "while": (
            contrib.while_loop(lambda i, s: i <= 3, lambda i, s: ([i + s, i * s], [i + 1, s + i]), [a, b], max_iterations=6),
            {"a": (1,), "b": (1,)},
        ),
        "while one": (contrib.while_loop(lambda i: i < 5, lambda i: (i * 2, i + 1), a, max_iterations=4), {"a": (1,)}),
        "while outside": (
            contrib.while_loop(
                lambda i, s: mx.sym.sum(s) < 30, lambda i, s: ([s * w], [i + 1, s * 2 + outside]), (a, b), max_iterations=9,
                name="wl",
            ),
            {"a": (1,), "b": (2, 3), "w": (2, 3)},
        ),
        "cond": (contrib.cond(mx.sym.sum(a) < mx.sym.sum(b), lambda: a * b, lambda: a + b), {"a": (2,), "b": (2,)}),
        "cond else": (contrib.cond(mx.sym.sum(a) > 50, lambda: [a * b, a], lambda: [a + outside, b]), {
            "a": (2,), "b": (2,), "w": (2,),
        }),
    }  # fmt: skip
    for key, (outputs, shapes) in loops.items():
        yield key, mx.sym.Group(flat(list(outputs) if isinstance(outputs, tuple) else outputs)), shapes


def evaluate(mx, symbol, shapes, train):
    """Outputs, and gradients with `train`."""
    names = symbol.list_arguments()
    # MXNet infers nothing of while_loop and cond, also where all is known.
    arguments = symbol.infer_shape(**shapes)[0] or [shapes[n] for n in names]
    values = {n: mx.nd.array(array(n, s) + (2 if n == "b" else 0)) for n, s in zip(names, arguments)}
    grads = {n: mx.nd.zeros(s) for n, s in zip(names, arguments)}
    executor = symbol.bind(mx.cpu(), values, grads if train else None)
    found = {f"out/{i}": out.asnumpy() for i, out in enumerate(executor.forward(is_train=train))}
    if train:
        executor.backward(
            [mx.nd.array(array(f"head{i}", shape)) for i, shape in enumerate(o.shape for o in executor.outputs)]
        )
        found.update({f"grad/{n}": grad.asnumpy() for n, grad in executor.grad_dict.items()})
    return found
