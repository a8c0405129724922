"""Products of square matrices; NumPy's are OpenBLAS's."""

from functools import partial

import numpy as np

from .common import Case, threads

SIZES = (64, 100, 128, 200, 256, 300, 384, 512, 1000, 1024, 2048)


def _values(size):
    rng = np.random.RandomState(0)
    return [rng.uniform(-1, 1, (size, size)).astype(np.float32) for _ in range(2)]


def mx_dot(size, mx):
    a, b = _values(size)
    net = mx.sym.dot(mx.sym.Variable("a"), mx.sym.Variable("b"))
    executor = net.bind(mx.cpu(), {"a": mx.nd.array(a), "b": mx.nd.array(b)})

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def numpy_dot(size, _):
    a, b = _values(size)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def torch_dot(size, torch):
    torch.set_num_threads(threads())
    a, b = (torch.from_numpy(v) for v in _values(size))
    return lambda: a @ b


MAKERS = {"mx": mx_dot, "numpy": numpy_dot, "torch": torch_dot}
CASES = [
    Case(f"product of {size} x {size}", {peer: partial(maker, size) for peer, maker in MAKERS.items()}) for size in SIZES
]
