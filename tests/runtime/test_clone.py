"""`Executor.clone`: shared parameters, own inputs, outputs and arena; executors run at the same time in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cyexec as mx


def network():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=8, name="conv")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="bn"), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=5, name="fc"), name="softmax")


def bound(grad_req="null"):
    executor = network().simple_bind(mx.cpu(), data=(2, 3, 9, 9), grad_req=grad_req)
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[:] = rng.uniform(-0.5, 0.5, array.shape)
    executor.aux_dict["bn_moving_var"][:] = 1.5
    return executor


def images(seed):
    return np.random.default_rng(seed).uniform(-1, 1, (2, 3, 9, 9)).astype("float32")


def test_parameters_are_shared_and_inputs_are_not():
    executor = bound()
    clone = executor.clone()
    own = {n for n in executor.arg_dict if clone.arg_dict[n] is not executor.arg_dict[n]}
    assert own == {"data", "softmax_label"}
    assert all(a is b for a, b in zip(clone.aux_arrays, executor.aux_arrays))
    first = executor.forward(data=images(1))[0].asnumpy()
    other = clone.forward(data=images(2))[0].asnumpy()
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(executor.outputs[0].asnumpy(), first)
    np.testing.assert_array_equal(clone.forward(data=images(1))[0].asnumpy(), first)


def test_a_written_parameter_is_seen_by_both():
    executor = bound()
    clone = executor.clone()
    for each in (executor, clone):
        each.forward(data=images(1))
    clone.arg_dict["conv_weight"][:] = 0.25
    wanted = clone.forward(data=images(1))[0].asnumpy()
    np.testing.assert_array_equal(executor.forward(data=images(1))[0].asnumpy(), wanted)


def test_gradients_are_the_clones_own():
    executor = bound("write")
    clone = executor.clone()
    executor.forward(is_train=True, data=images(1))
    executor.backward()
    before = executor.grad_dict["fc_weight"].asnumpy()
    clone.forward(is_train=True, data=images(2))
    clone.backward()
    np.testing.assert_array_equal(executor.grad_dict["fc_weight"].asnumpy(), before)
    assert not np.array_equal(clone.grad_dict["fc_weight"].asnumpy(), before)


def test_own_arguments_by_name():
    executor = bound()
    clone = executor.clone(own=["fc_bias"])
    assert clone.arg_dict["data"] is executor.arg_dict["data"]
    assert clone.arg_dict["fc_bias"] is not executor.arg_dict["fc_bias"]
    np.testing.assert_array_equal(clone.arg_dict["fc_bias"].asnumpy(), executor.arg_dict["fc_bias"].asnumpy())
    for wrong in (["nothing"], "data"):
        with pytest.raises(ValueError, match="own must be names of arguments"):
            executor.clone(own=wrong)


def test_clones_in_threads_give_what_one_gives():
    executor = bound()
    wanted = [executor.forward(data=images(i))[0].asnumpy() for i in range(4)]
    executors = [executor, *(executor.clone() for _ in range(3))]

    def work(i):
        for _ in range(50):
            got = executors[i].forward(data=images(i))[0].asnumpy()
            if not np.array_equal(got, wanted[i]):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
