"""The monitor sees every node's name and value, and never a value that is already overwritten."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd


def network():
    data = S.Variable("data")
    net = S.Convolution(data, kernel=(3, 3), num_filter=4, name="conv")
    net = S.Activation(S.BatchNorm(net, fix_gamma=False, name="bn"), act_type="relu", name="relu")
    parts = S.SliceChannel(net, num_outputs=2, name="split")
    net = parts[0] + S.ones_like(parts[0], name="ones")  # the second part is read by nobody
    net = S.Flatten(S.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool"), name="flat")
    return S.SoftmaxOutput(S.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")


def bound(net, grad_req="write"):
    executor = net.simple_bind(mx.cpu(), data=(2, 1, 6, 6), grad_req=grad_req)
    random = np.random.RandomState(0)
    for array in [*executor.arg_arrays, *executor.aux_arrays]:
        array[:] = random.rand(*array.shape)
    executor.arg_dict["softmax_label"][:] = [0, 2]
    return executor


@pytest.mark.parametrize("grad_req", ["write", "null"])
@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize("monitor_all", [False, True])
def test_values_are_those_of_the_internals(is_train, grad_req, monitor_all):
    net = network()
    executor = bound(net, grad_req)
    inner = net.get_internals()
    plain = inner.bind(
        mx.cpu(),
        {n: executor.arg_dict[n] for n in inner.list_arguments()},
        aux_states={n: a.copy() for n, a in executor.aux_dict.items()},
    )
    wanted = dict(zip(inner.list_outputs(), plain.forward(is_train=is_train)))
    seen = []
    executor.set_monitor_callback(lambda name, value: seen.append((name, value.asnumpy())), monitor_all)
    unmonitored = bound(net, grad_req).forward(is_train=is_train)[0].asnumpy()
    # A monitor sees every node, so inference folds nothing: products are rounded at other places.
    np.testing.assert_allclose(executor.forward(is_train=is_train)[0].asnumpy(), unmonitored, rtol=1e-5)
    outputs = [name for name, _ in seen if name.endswith(("output", "output0", "output1"))]
    expected = [n for n in inner.list_outputs() if n.endswith(("output", "output0", "output1"))]
    assert outputs == expected
    for name, value in seen:
        assert np.isfinite(value).all(), name
        if name in wanted:
            np.testing.assert_allclose(value, wanted[name].asnumpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    if monitor_all:
        shown = {name: value for name, value in seen}
        for reader, source in (("bn_data", "conv_output"), ("pool_data", "_plus0_output"), ("ones_data", "split_output0")):
            if reader in shown and source in shown:
                np.testing.assert_array_equal(shown[reader], shown[source], err_msg=reader)
        assert {"data", "conv_data", "fc_weight", "bn_moving_mean"} <= set(shown)


def test_backward_is_shown_too_and_numbers_stay():
    net = network()
    executor, plain = bound(net), bound(net)
    seen: list[str] = []
    executor.set_monitor_callback(lambda name, value: seen.append(name), True)
    executor.forward(is_train=True)
    assert not any("backward" in name for name in seen)
    seen.clear()
    executor.backward()
    assert {"fc_backward_weight", "conv_backward_weight"} <= set(seen)
    plain.forward(is_train=True)
    plain.backward()
    # A monitor sees every node, so convolutions run in plain layout and add in another order.
    for a, b in zip(executor.grad_arrays, plain.grad_arrays):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-5)


def test_an_exception_comes_out_and_the_executor_goes_on():
    executor = bound(network())
    wanted = [executor.forward(is_train=True)[0].asnumpy()]
    executor.backward()
    wanted += [g.asnumpy() for g in executor.grad_arrays]

    def fail(name, value):
        if name == "pool_output":
            raise KeyError("enough")

    executor.forward(is_train=True)
    executor.set_monitor_callback(fail)
    with pytest.raises(KeyError, match="enough"):
        executor.forward(is_train=True)
    executor.set_monitor_callback(None)
    for g in executor.grad_arrays:
        g[:] = 0
    executor.backward()  # of the forward that was cut short
    got = [executor.outputs[0].asnumpy(), *(g.asnumpy() for g in executor.grad_arrays)]
    for a, b in zip(got, wanted):
        np.testing.assert_array_equal(a, b)


def test_a_callback_may_keep_and_change_what_it_gets():
    executor = (S.exp(S.Variable("x") * 2)).simple_bind(mx.cpu(), x=(3,))
    kept = []

    def change(name, value):
        kept.append(value.copy())
        value[:] = 99

    executor.set_monitor_callback(change, monitor_all=True)
    assert executor.forward()[0].asnumpy().tolist() == [1, 1, 1]
    assert all((v.asnumpy() < 2).all() for v in kept)


def test_the_monitor_can_be_changed_between_passes():
    executor = bound(network())
    first, second = [], []
    executor.set_monitor_callback(lambda name, value: first.append(name))
    executor.forward(is_train=True)
    executor.set_monitor_callback(lambda name, value: second.append(name), True)
    executor.backward()
    assert first[0] == "conv_output" and any(name.startswith("softmax_backward") for name in second)
