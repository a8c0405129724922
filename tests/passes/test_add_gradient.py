"""Sums of gradients; what each operator's gradient is, its own cases test."""

import numpy as np
import pytest

import cyexec as mx


def shared_weight(times: int) -> mx.Symbol:
    """A chain of layers that all have one weight."""
    x, weight = mx.sym.Variable("data"), mx.sym.Variable("weight")
    for i in range(times):
        x = mx.sym.tanh(mx.sym.FullyConnected(x, weight=weight, num_hidden=64, no_bias=True, name=f"fc{i}"))
    return x


def test_many_contributions_take_no_more_memory_than_two():
    """Each is added to the sum as it arises, so that one of them and the sum are alive, not all 50."""
    few, many = (shared_weight(n).plan(data=(1, 64), grad_req="write") for n in (2, 50))
    gradient = 64 * 64 * 4
    assert many.total < few.total + gradient


def test_contributions_add_up():
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 64)
    w = np.eye(64, dtype=np.float32)
    executor = shared_weight(5).bind(
        mx.cpu(), {"data": mx.nd.array(x), "weight": mx.nd.array(w)}, {"weight": mx.nd.zeros((64, 64))}
    )
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((1, 64)))
    # With the identity as weight, layer k sees tanh applied k times.
    inputs, slopes = [x.astype(np.float64)], []
    for _ in range(5):
        inputs.append(np.tanh(inputs[-1]))
        slopes.append(1 - inputs[-1] ** 2)
    wanted, head = 0.0, np.ones((1, 64))
    for k in reversed(range(5)):
        head = head * slopes[k]
        wanted = wanted + head.T @ inputs[k]
    np.testing.assert_allclose(executor.grad_dict["weight"].asnumpy(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fixed", [(), ("bn_beta",), ("bn_gamma", "bn_beta"), ("data", "bn_gamma", "bn_beta")])
def test_moving_averages_learn_behind_a_blocked_gradient(fixed):
    """As in MXNet: a BatchNorm on the way from an argument with a gradient takes its backward step, whatever arrives there."""
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    normed = mx.sym.BatchNorm(mx.sym.BatchNorm(x, name="first"), name="bn", momentum=0.5)
    requests = {n: "null" if n in fixed else "write" for n in normed.list_arguments()}
    executor = mx.sym.BlockGrad(normed).simple_bind(mx.cpu(), data=(4, 3), grad_req=requests)
    for array in executor.arg_arrays:
        array[:] = mx.nd.array(np.random.RandomState(0).uniform(-1, 1, array.shape))
    executor.forward(is_train=True)
    moving = [executor.aux_dict[name + "_moving_mean"] for name in ("first", "bn")]
    assert not any(array.asnumpy().any() for array in moving)
    executor.backward(mx.nd.ones((4, 2)))
    assert all(array.asnumpy().all() for array in moving)
    for gradient in executor.grad_dict.values():
        assert gradient is None or not gradient.asnumpy().any()
