"""Deconvolution in blocked layout, forward and backward, against float64, which stays plain."""

import numpy as np
import pytest

import cyexec as mx

CASES = [
    ((2, 5, 6, 7), {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 7}),
    ((1, 20, 6, 6), {"kernel": (2, 2), "stride": (2, 2), "num_filter": 33, "no_bias": False}),
    ((2, 16, 5, 5), {"kernel": (3, 3), "pad": (1, 1), "num_filter": 16, "no_bias": False}),
    ((1, 16, 6, 6), {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 16, "num_group": 16}),
    ((1, 32, 6, 6), {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 64, "num_group": 2, "no_bias": False}),
    ((1, 8, 6, 6), {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "adj": (1, 1), "num_filter": 16, "no_bias": False}),
    ((1, 8, 6, 5), {"kernel": (3, 3), "stride": (2, 3), "target_shape": (11, 14), "num_filter": 16}),
    ((1, 8, 6, 5), {"kernel": (2, 2), "stride": (3, 3), "num_filter": 16, "no_bias": False}),  # pixels without any tap
    ((1, 8, 6, 5), {"kernel": (3, 3), "stride": (2, 2), "dilate": (2, 2), "num_filter": 16, "no_bias": False}),
    ((2, 8, 11), {"kernel": (4,), "stride": (2,), "pad": (1,), "num_filter": 16, "no_bias": False}),
]


def network(**params):
    return mx.sym.Activation(mx.sym.Deconvolution(mx.sym.var("data"), name="up", **params), act_type="tanh")


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_forward_and_gradients(shape, params):
    net, results = network(**params), {}
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(0)
        executor = net.simple_bind(mx.cpu(), type_dict=dict.fromkeys(net.list_arguments(), dtype), data=shape)
        for array in executor.arg_arrays:
            array[:] = rng.uniform(-0.3, 0.3, array.shape)
        head = mx.nd.array(rng.uniform(-1, 1, executor.outputs[0].shape), dtype=dtype)
        inference = net.bind(mx.cpu(), executor.arg_dict).forward()[0].asnumpy()
        executor.forward(is_train=True)
        executor.backward([head])
        results[dtype] = [inference, *(a.asnumpy() for a in (*executor.outputs, *executor.grad_arrays))]
    for single, double in zip(results["float32"], results["float64"]):
        # Sums of some hundred products in float32.
        np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_optimised_symbol_is_blocked(shape, params):
    executor = network(**params).simple_bind(mx.cpu(), grad_req="null", data=shape)
    assert "_BlockedDeconvolution" in executor.get_optimized_symbol().tojson()


@pytest.mark.parametrize("shape,params", CASES, ids=str)
def test_inference_packs_weights_once_and_when_they_are_written(shape, params):
    executor = network(**params).simple_bind(mx.cpu(), grad_req="null", data=shape)
    assert not any("Pack" in step.kernel for step in executor.plan.program.steps)
    rng = np.random.default_rng(0)
    for _ in range(2):
        for array in executor.arg_arrays:
            array[:] = rng.uniform(-0.3, 0.3, array.shape)
        fresh = executor._symbol.bind(mx.cpu(), {n: a.copy() for n, a in executor.arg_dict.items()})
        np.testing.assert_array_equal(executor.forward()[0].asnumpy(), fresh.forward()[0].asnumpy())


def test_strides_of_upsampling_stay_plain():
    """Each of 64 classes of pixels would be a convolution of its own."""
    executor = network(kernel=(16, 16), stride=(8, 8), pad=(4, 4), num_filter=5).simple_bind(mx.cpu(), data=(1, 5, 4, 4))
    assert "_Blocked" not in executor.get_optimized_symbol().tojson()
