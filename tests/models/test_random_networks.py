"""Optimised float32 programs of random networks against plain float64 ones: no pass makes those faster, or wrong."""

import os
import zlib

import numpy as np
import pytest

import cyexec as mx

from .random_networks import network

SEEDS = range(max(60, int(os.environ.get("CYEXEC_EXAMPLES", "0"))))


def value(name, shape):
    """Of a variable: a function of its name and shape; weights keep the size of what they are applied to."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    low, high = -0.3, 0.3
    if name.endswith(("gamma", "var")):
        low, high = 0.5, 1.5
    elif name.endswith("weight"):
        high = (6 / max(1, np.prod(shape[1:]))) ** 0.5
        low = -high
    elif name == "data":
        low, high = -1, 1
    return rng.uniform(low, high, shape).astype(np.float32)


def bound(symbol, shape, dtype, grad_req):
    types = dict.fromkeys(symbol.list_inputs(), dtype)
    executor = symbol.simple_bind(mx.cpu(), grad_req=grad_req, type_dict=types, data=shape)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for name, array in arrays.items():
            array[:] = value(name, array.shape)
    return executor


def close(found, wanted, rtol, scale, what):
    found, wanted = found.asnumpy().astype(np.float64), wanted.asnumpy()
    atol = rtol * max(abs(wanted).max(initial=0), scale)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=what)


@pytest.mark.parametrize("seed", SEEDS)
def test_optimised_networks_compute_the_same(seed):
    symbol, shape = network(seed)
    truth = bound(symbol, shape, "float64", "write")
    wanted = truth.forward(is_train=True)  # BatchNorm uses its moving statistics: no difference between the modes
    for i, output in enumerate(bound(symbol, shape, "float32", "null").forward(is_train=False)):
        close(output, wanted[i], 1e-5, 1e-2, f"output {i} of inference")

    trained = bound(symbol, shape, "float32", "write")
    for i, output in enumerate(trained.forward(is_train=True)):
        close(output, wanted[i], 1e-5, 1e-2, f"output {i} of training")
    for executor, dtype in ((truth, "float64"), (trained, "float32")):
        executor.backward([mx.nd.array(value(f"head{i}", o.shape), dtype=dtype) for i, o in enumerate(wanted)])
    scale = max(1e-2 * max(abs(g.asnumpy()).max() for g in truth.grad_arrays), 1e-12)
    for name, gradient in truth.grad_dict.items():
        # A ReLU or a maximum that rounding decides otherwise moves single elements: most of them must agree.
        found, exact = trained.grad_dict[name].asnumpy().astype(np.float64), gradient.asnumpy()
        error = np.abs(found - exact) / max(abs(exact).max(), scale)
        assert np.median(error) < 1e-4, name
        assert np.mean(error > 1e-3) < 0.05, f"{name}: {error.max()}"
