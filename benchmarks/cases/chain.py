"""One expression over arrays from the first cache to main memory."""

from functools import partial

from .common import Case, threads

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def _values(size):
    import numpy as np

    return np.linspace(-3, 3, size, dtype=np.float32)


def mx_chain(size, mx):
    x = mx.sym.Variable("x")
    net = mx.sym.exp(-x * x) * 2 + mx.sym.sqrt(mx.sym.abs(x)) - mx.sym.tanh(x) / 3
    executor = net.bind(mx.cpu(), {"x": mx.nd.array(_values(size))})

    def run():
        executor.forward()
        executor.outputs[0].wait_to_read()
        return executor.outputs[0]

    return run


def _expression(x, module):
    return module.exp(-x * x) * 2 + module.sqrt(module.abs(x)) - module.tanh(x) / 3


def numpy_chain(size, numpy):
    x = _values(size)
    return lambda: _expression(x, numpy)


def torch_chain(size, torch):
    torch.set_num_threads(threads())
    x = torch.from_numpy(_values(size))
    return lambda: _expression(x, torch)


def jax_chain(size, jax):
    x = jax.numpy.array(_values(size))
    step = jax.jit(partial(_expression, module=jax.numpy))
    return lambda: step(x).block_until_ready()


def copy(size, numpy):
    """The bandwidth bound: as many bytes read and written, by NumPy's copy."""
    x = _values(size)
    out = numpy.empty_like(x)
    return lambda: numpy.copyto(out, x)


MAKERS = {"mx": mx_chain, "numpy": numpy_chain, "torch": torch_chain, "jax": jax_chain}
CASES = [
    Case(f"chain of {size:,}", {peer: partial(maker, size) for peer, maker in MAKERS.items()}) for size in SIZES
]  # fmt: skip
