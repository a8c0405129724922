"""Folded and prepacked parameters follow every write to what they are made of."""

import gc

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime import constants

DATA = (2, 3, 6, 5)


def network():
    x = mx.sym.Convolution(mx.sym.var("data"), kernel=(3, 3), num_filter=4, name="conv")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu")
    return mx.sym.FullyConnected(mx.sym.Convolution(x, kernel=(1, 1), num_filter=3, name="conv1"), num_hidden=2, name="fc")


def bound(**kw):
    executor = network().simple_bind(mx.cpu(), grad_req="null", data=DATA, **kw)
    rng = np.random.RandomState(0)
    for array in [*executor.arg_arrays, *executor.aux_arrays]:
        array[:] = rng.uniform(0.5, 1.5, array.shape)
    return executor


def fresh_output(executor):
    """What a new executor makes of copies of the parameters."""
    other = network().bind(
        mx.cpu(), [a.copy() for a in executor.arg_arrays], grad_req="null", aux_states=[a.copy() for a in executor.aux_arrays]
    )
    return other.forward()[0].asnumpy()


WRITES = {
    "slice": lambda a: a.__setitem__(slice(None), 0.7),
    "part": lambda a: a.__setitem__(0, 0.3),
    "in place": lambda a: a.__imul__(2),
    "view": lambda a: a.reshape((-1,)).__setitem__(slice(0, 2), 3),
    "copyto": lambda a: mx.nd.ones(a.shape).copyto(a),
    "out": lambda a: mx.nd.ones(a.shape, out=a),
    "optimizer": lambda a: mx.nd.sgd_update(a, mx.nd.ones(a.shape), lr=0.1, out=a),
    "exposed": lambda a: np.asarray(memoryview(a)) is None or np.from_dlpack(a).__setitem__(0, 5),
}


@pytest.mark.parametrize("name", [
    "conv_weight", "conv_bias", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "conv1_weight",
])  # fmt: skip
def test_every_parameter_counts(name):
    executor = bound()
    before = executor.forward()[0].asnumpy()
    {**executor.arg_dict, **executor.aux_dict}[name][:] = 2
    after = executor.forward()[0].asnumpy()
    np.testing.assert_array_equal(after, fresh_output(executor))
    assert (before != after).any()


@pytest.mark.parametrize("how", WRITES)
def test_every_write_is_seen(how):
    executor = bound()
    for _ in range(2):
        executor.forward()
        WRITES[how](executor.arg_dict["conv_weight"])
        np.testing.assert_array_equal(executor.forward()[0].asnumpy(), fresh_output(executor))


def test_memory_that_others_can_write_is_never_trusted():
    executor = bound()
    window = np.from_dlpack(executor.arg_dict["conv_weight"])
    executor.forward()
    window[...] = 0.25
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), fresh_output(executor))


def test_copy_params_from_and_forward_keywords():
    executor = bound()
    executor.forward()
    executor.copy_params_from({"conv_weight": mx.nd.ones((4, 3, 3, 3))})
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), fresh_output(executor))
    executor.forward(conv1_weight=mx.nd.ones((3, 4, 1, 1)))
    np.testing.assert_array_equal(executor.outputs[0].asnumpy(), fresh_output(executor))


def test_executors_of_the_same_parameters_share_constants():
    gc.collect()
    before = len(constants._known)
    executor = bound()
    alone = len(constants._known) - before
    assert alone > 0
    other = executor.reshape(data=(1, 3, 6, 5), allow_up_sizing=True)
    # What does not depend on the data's shape is there once.
    assert len(constants._known) - before < 2 * alone
    other.arg_dict["conv_weight"][:] = 1.25
    for each in (executor, other):
        np.testing.assert_array_equal(each.forward()[0].asnumpy(), fresh_output(each))
    del executor, other, each
    gc.collect()
    assert len(constants._known) == before


def test_interrupted_refresh_is_done_again(monkeypatch):
    executor = bound()
    executor.forward()
    executor.arg_dict["conv_weight"][:] = 0.1

    def interrupt(self, scratch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(constants.Constant, "steps", interrupt)
        with pytest.raises(KeyboardInterrupt):
            executor.forward()
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), fresh_output(executor))


def test_training_then_inference_uses_the_trained_parameters():
    executor = network().simple_bind(mx.cpu(), data=DATA)
    rng = np.random.RandomState(1)
    for array in [*executor.arg_arrays, *executor.aux_arrays]:
        array[:] = rng.uniform(0.5, 1.5, array.shape)
    for _ in range(2):
        executor.forward(is_train=False)
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((2, 2)))
        for name, grad in executor.grad_dict.items():
            mx.nd.sgd_update(executor.arg_dict[name], grad, lr=0.01, out=executor.arg_dict[name])
        got = executor.forward(is_train=False)[0].asnumpy()
        np.testing.assert_array_equal(got, fresh_output(executor))


@pytest.mark.parametrize("monitored", [False, True])
def test_what_a_program_writes_counts_as_written(monitored):
    """Backward moves the averages of BatchNorm; nothing else changes here."""
    executor = network().simple_bind(mx.cpu(), data=DATA, grad_req={"data": "write"})
    rng = np.random.RandomState(1)
    for array in [*executor.arg_arrays, *executor.aux_arrays]:
        array[:] = rng.uniform(0.5, 1.5, array.shape)
    before = executor.forward()[0].asnumpy()
    executor.set_monitor_callback((lambda name, value: None) if monitored else None)
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((2, 2)))
    executor.set_monitor_callback(None)
    after = executor.forward()[0].asnumpy()
    np.testing.assert_array_equal(after, fresh_output(executor))
    assert (before != after).any()
