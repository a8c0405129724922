import numpy as np
import pytest

import cyexec as mx
from cyexec.passes import split_volumes

from .compare import check_same_numbers, graph_of

CASES = [
    ((2, 5, 6, 7, 8), {"kernel": (3, 3, 3), "pad": (1, 1, 1), "num_filter": 7}),
    ((1, 40, 5, 6, 6), {"kernel": (3, 1, 1), "pad": (1, 0, 0), "num_filter": 20, "no_bias": True}),
    ((2, 8, 9, 10, 10), {"kernel": (3, 3, 3), "stride": (2, 2, 2), "num_filter": 16}),
    ((2, 70, 9, 5, 6), {"kernel": (2, 3, 3), "dilate": (3, 1, 1), "stride": (2, 1, 1), "pad": (2, 1, 1), "num_filter": 3}),
    ((1, 6, 4, 5, 6), {"kernel": (1, 3, 3), "num_filter": 8}),
]


def volume(**params):
    return mx.sym.Convolution(mx.sym.var("x"), name="conv", **params)


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_same_numbers(shape, params):
    check_same_numbers(split_volumes.run, graph_of(volume(**params), x=shape), rtol=2e-5)


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_result_is_two_dimensional_and_stays(shape, params):
    graph = split_volumes.run(graph_of(volume(**params), x=shape))
    kernels = [node.params.kernel for node in graph.nodes if node.op is not None and node.op.name == "Convolution"]
    assert kernels and all(len(kernel) == 2 for kernel in kernels)
    assert split_volumes.run(graph) is graph


@pytest.mark.parametrize("channels,params", [(3, {}), (8, {"num_group": 2})], ids=["first layer", "groups"])
def test_others_stay_as_they_are(channels, params):
    graph = graph_of(volume(kernel=(3, 3, 3), num_filter=8, **params), x=(1, channels, 5, 6, 6))
    assert split_volumes.run(graph) is graph


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_gradients_against_float64(shape, params):
    """float64 stays with the 3-D kernels: the split forward and backward passes give its numbers."""
    results = {}
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(0)
        net = mx.sym.Activation(volume(**params), act_type="tanh")
        executor = net.simple_bind(mx.cpu(), type_dict=dict.fromkeys(net.list_arguments(), dtype), x=shape)
        for array in executor.arg_arrays:
            array[:] = rng.uniform(-0.2, 0.2, array.shape)
        head = rng.uniform(-1, 1, executor.outputs[0].shape)
        executor.forward(is_train=True)
        executor.backward([mx.nd.array(head, dtype=dtype)])
        results[dtype] = [a.asnumpy() for a in (*executor.outputs, *executor.grad_arrays)]
    for single, double in zip(results["float32"], results["float64"]):
        # Sums of some hundred products in float32.
        np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())
