"""Executor: forward, backward, reshape, copy_params_from and the monitor behave as MXNet's."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd
W = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
X = (np.arange(8, dtype=np.float32) / 4).reshape(2, 4)


def classifier(**kwargs):
    net = S.SoftmaxOutput(S.FullyConnected(S.Variable("data"), num_hidden=3, name="fc"), name="softmax")
    executor = net.simple_bind(mx.cpu(), data=(2, 4), **kwargs)
    executor.arg_dict["fc_weight"][:] = W
    executor.arg_dict["data"][:] = X
    executor.arg_dict["softmax_label"][:] = [1, 2]
    return executor


def product(**kwargs):
    """a * b with a = (1, 2), b = (3, 4)."""
    arrays = {"a": nd.array([1, 2]), "b": nd.array([3, 4])}
    grads = {"a": nd.zeros(2), "b": nd.zeros(2)}
    return (S.Variable("a") * S.Variable("b")).bind(mx.cpu(), arrays, grads, **kwargs)


def numbers(arrays):
    return [a.asnumpy().tolist() for a in arrays]


# forward


@pytest.mark.parametrize(
    "value", [np.array([5.0, 6.0]), np.array([5, 6]), nd.array([5, 6], dtype="float16"), np.arange(5, 9.0)[:2]]
)
def test_forward_converts_what_it_is_given(value):
    executor = product()
    assert numbers(executor.forward(a=value)) == [[15, 24]]
    assert executor.arg_dict["a"].dtype == np.float32


def test_refused_forward_changes_nothing():
    executor = product()
    for error, values in (
        (ValueError, {"a": nd.ones(2), "b": nd.ones(3)}),
        (TypeError, {"a": nd.ones(2), "zz": nd.ones(2)}),
        (ValueError, {"a": nd.ones(2), "b": [1, 2]}),
        (ValueError, {"a": np.ones(1)}),
    ):
        with pytest.raises(error, match="zz|b|a"):
            executor.forward(**values)
        assert numbers(executor.arg_arrays) == [[1, 2], [3, 4]]


def test_the_same_output_arrays_every_time():
    executor = product()
    first = executor.forward()[0]
    assert executor.forward(a=nd.array([7, 7]))[0] is first is executor.outputs[0]
    assert first.asnumpy().tolist() == [21, 28]


def test_arrays_may_change_between_calls():
    executor = product()
    for k in range(3):
        executor.arg_dict["a"][:] = k
        executor.arg_arrays[1][0] = 10 * k
        assert numbers(executor.forward()) == [[10 * k * k, 4 * k]]


def test_what_is_bound_stays_bound():
    executor = product()
    executor.arg_arrays[0] = nd.array([100, 100])
    assert numbers(executor.forward()) == [[3, 8]]


# backward


def test_backward_takes_array_list_and_dict():
    for head in (nd.array([1, 10]), [nd.array([1, 10])], (nd.array([1, 10]),), {"_mul_output": nd.array([1, 10])}):
        executor = product()
        if isinstance(head, dict):
            head = {executor._symbol.list_outputs()[0]: nd.array([1, 10])}
        executor.forward(is_train=True)
        executor.backward(head)
        assert numbers(executor.grad_arrays) == [[3, 40], [1, 20]]


@pytest.mark.parametrize(
    "head,error",
    [
        (None, mx.MXNetError), (nd.ones(3), mx.MXNetError), (np.ones(2), TypeError), ([np.ones(2)], TypeError),
        ({"nosuch": nd.ones(2)}, KeyError), (3, TypeError),
    ],
)  # fmt: skip
def test_refused_backward_changes_nothing(head, error):
    executor = product()
    executor.forward(is_train=True)
    with pytest.raises(error):
        executor.backward(head)
    assert numbers(executor.grad_arrays) == [[0, 0], [0, 0]]
    executor.backward(nd.ones(2))
    assert numbers(executor.grad_arrays) == [[3, 4], [1, 2]]


def test_message_of_a_missing_head_gradient():
    executor = product()
    executor.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match=r"output 0 \('_mul\d+_output'\).*elemwise_mul '_mul\d+' is not a loss"):
        executor.backward()


def test_losses_need_no_head_gradient_and_ignore_it():
    one, other = classifier(), classifier()
    for executor, head in ((one, None), (other, nd.ones((2, 3)) * 5)):
        executor.forward(is_train=True)
        executor.backward(head)
    assert numbers(one.grad_arrays) == numbers(other.grad_arrays)
    assert abs(one.grad_dict["fc_weight"].asnumpy()).sum() > 0


def test_add_accumulates_over_passes():
    executor = product(grad_req="add")
    for k in range(3):
        executor.forward(is_train=True, a=nd.array([k, k + 1]))
        executor.backward(nd.array([1, 10]))
    assert numbers(executor.grad_arrays) == [[9, 120], [3, 60]]


def test_several_backwards_after_one_forward():
    executor = classifier(grad_req="add")
    executor.forward(is_train=True)
    executor.backward()
    once = executor.grad_dict["fc_weight"].asnumpy()
    executor.backward()
    np.testing.assert_allclose(executor.grad_dict["fc_weight"].asnumpy(), 2 * once, rtol=1e-6)


@pytest.mark.parametrize("is_train", [True, False])
def test_backward_after_inference(is_train):
    executor, usual = classifier(), classifier()
    executor.forward(is_train=False)
    executor.backward(is_train=is_train)
    usual.forward(is_train=True)
    usual.backward()
    assert numbers(executor.grad_arrays) == numbers(usual.grad_arrays)


def test_backward_of_inference_differentiates_inference():
    net = S.Dropout(S.Variable("x"), p=0.5)
    executor = net.simple_bind(mx.cpu(), x=(50,))
    executor.forward(is_train=False)
    executor.backward(nd.ones(50), is_train=False)
    assert numbers(executor.grad_arrays) == [[1] * 50]


def test_backward_without_forward_computes_it():
    executor = product()
    executor.backward(nd.ones(2))
    assert numbers(executor.grad_arrays) == [[3, 4], [1, 2]]


def test_backward_without_gradients_does_nothing():
    executor = classifier(grad_req="null")
    executor.forward(is_train=True)
    executor.backward()
    assert executor.grad_arrays == [None] * 4


def test_unreached_arguments_get_zeros_or_keep_their_sum():
    net = S.Variable("a") * 2 + S.BlockGrad(S.Variable("b"))
    for request, wanted in (("write", [0, 0]), ("add", [7, 7])):
        executor = net.simple_bind(mx.cpu(), grad_req=request, a=(2,), b=(2,))
        executor.grad_dict["b"][:] = 7
        executor.forward(is_train=True)
        executor.backward(nd.ones(2))
        assert executor.grad_dict["b"].asnumpy().tolist() == wanted


# State


def test_moving_averages_change_with_each_training_backward():
    """Not in forward: so does MXNet (asked)."""
    net = S.BatchNorm(S.Variable("x"), name="bn", fix_gamma=False, momentum=0.5)
    executor = net.simple_bind(mx.cpu(), x=(3, 2))
    x = np.array([[1, 2], [3, 4], [7, 1]], np.float32)
    mean, wanted = x.mean(0), np.zeros(2)
    for is_train, backwards in ((True, 1), (False, 0), (True, 2), (True, 0)):
        executor.forward(is_train=is_train, x=x)
        for _ in range(backwards):
            executor.backward(nd.ones((3, 2)))
            wanted = (wanted + mean) / 2
        np.testing.assert_allclose(executor.aux_dict["bn_moving_mean"].asnumpy(), wanted, rtol=1e-6)


def test_dropout_masks_of_forward_and_backward_are_one():
    executor = S.Dropout(S.Variable("x"), p=0.5).simple_bind(mx.cpu(), x=(4, 50))
    executor.arg_dict["x"][:] = 1
    seen = []
    for backwards in (1, 2, 1):
        out = executor.forward(is_train=True)[0].asnumpy()
        for _ in range(backwards):
            executor.grad_arrays[0][:] = 0
            executor.backward(nd.ones((4, 50)))
            np.testing.assert_array_equal(executor.grad_arrays[0].asnumpy(), out)
        seen.append(out)
    assert 0.3 < (seen[0] > 0).mean() < 0.7
    assert (seen[0] != seen[1]).any() and (seen[1] != seen[2]).any()
    np.testing.assert_array_equal(executor.forward(is_train=False)[0].asnumpy(), np.ones((4, 50)))


def test_executors_of_one_symbol_are_independent():
    x = S.Variable("x")
    net = S.tanh(x) * S.exp(x)
    one, two = (net.simple_bind(mx.cpu(), x=(2,)) for _ in range(2))
    one.arg_dict["x"][:] = 1
    two.arg_dict["x"][:] = 2
    one.forward(is_train=True)
    two.forward(is_train=True)
    one.backward(nd.ones(2))
    two.backward(nd.ones(2))
    for executor, x in ((one, 1.0), (two, 2.0)):
        wanted = np.exp(x) * (1 - np.tanh(x) ** 2 + np.tanh(x))
        np.testing.assert_allclose(executor.grad_arrays[0].asnumpy(), [wanted] * 2, rtol=1e-5)


def test_a_growing_arena_between_forward_and_backward():
    """The values of forward are lost with the old arena; backward must not take the new one's zeros for them."""
    x = S.Variable("x")
    net = S.sin(S.exp(S.tanh(x)) * x)
    executor, usual = (net.simple_bind(mx.cpu(), x=(2,)) for _ in range(2))
    for e in (executor, usual):
        e.arg_dict["x"][:] = 0.5
        e.forward(is_train=True)
    executor.reshape(allow_up_sizing=True, x=(2000,)).forward(is_train=True)
    executor.forward(is_train=True)
    bigger = executor.reshape(allow_up_sizing=True, x=(4000,))
    executor.backward(nd.ones(2))
    usual.backward(nd.ones(2))
    assert numbers(executor.grad_arrays) == numbers(usual.grad_arrays)
    assert executor._arenas[0] is bigger._arenas[0]
    bigger.forward(is_train=True)
    assert numbers(executor.forward()) == numbers(usual.forward())


# reshape


def test_reshaped_executors_share_memory():
    executor = classifier()
    smaller = executor.reshape(partial_shaping=True, data=(1, 4))
    smaller.arg_dict["data"][:] = 7
    smaller.grad_dict["fc_weight"][:] = 3
    executor.arg_dict["fc_weight"][:] = 2
    assert executor.arg_dict["data"].asnumpy().tolist() == [[7] * 4, X[1].tolist()]
    assert (smaller.arg_dict["fc_weight"].asnumpy() == 2).all()
    assert (executor.grad_dict["fc_weight"].asnumpy() == 3).all()
    assert smaller.outputs[0].shape == (1, 3) and smaller._arenas is executor._arenas


def test_reshape_up_makes_new_arrays_of_what_grew():
    executor = classifier()
    bigger = executor.reshape(partial_shaping=True, allow_up_sizing=True, data=(4, 4))
    bigger.arg_dict["data"][:] = 1
    assert (executor.arg_dict["data"].asnumpy() == X).all()
    assert bigger.arg_dict["fc_weight"] is executor.arg_dict["fc_weight"]
    np.testing.assert_allclose(bigger.forward()[0].asnumpy()[3], np.exp(W.sum(1)) / np.exp(W.sum(1)).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    "options,shapes,text",
    [
        ({}, {"data": (1, 4)}, "softmax_label changed from"),
        ({"partial_shaping": True}, {"data": (4, 4)}, "data, .* is larger than original"),
        ({}, {"dataa": (2, 4)}, "dataa, which the symbol does not have"),
        ({}, {"data": (2, 4), "fc_weight": (3, 5)}, r"FullyConnected 'fc'.*\(3, 5\).*expected \(3, 4\)"),
        ({}, {}, "data"),
    ],
)
def test_refused_reshape(options, shapes, text):
    executor = classifier()
    before = executor.forward()[0].asnumpy()
    with pytest.raises(mx.MXNetError, match=text):
        executor.reshape(**options, **shapes)
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), before)


def test_reshape_again_and_again():
    executor = classifier()
    for n in (4, 1, 3, 2):
        executor = executor.reshape(partial_shaping=True, allow_up_sizing=True, data=(n, 4))
        executor.arg_dict["data"][:] = 1
        assert executor.forward(is_train=True)[0].shape == (n, 3)
        executor.backward()


# copy_params_from


def test_copy_params_converts_dtypes():
    executor = classifier()
    executor.copy_params_from({"fc_bias": nd.array([1.5, 2, 3], dtype="float16")})
    executor.copy_params_from({"fc_weight": np.full((3, 4), 2.0)}, {})
    assert executor.arg_dict["fc_bias"].asnumpy().tolist() == [1.5, 2, 3]
    assert executor.arg_dict["fc_weight"].dtype == np.float32


@pytest.mark.parametrize(
    "params,aux,error,text",
    [
        ({"fc_bias": nd.ones(3), "nosuch": nd.ones(1)}, {}, ValueError, "nosuch"),
        ({"fc_bias": nd.ones(3)}, {"nosuch": nd.ones(1)}, ValueError, "nosuch"),
        ({"fc_bias": nd.ones(3), "fc_weight": nd.ones((3, 3))}, {}, mx.MXNetError, r"fc_weight.*\(3, 3\).*\(3, 4\)"),
        ({"fc_bias": nd.ones(3), "fc_weight": [[1]]}, {}, TypeError, "fc_weight"),
    ],
)
def test_refused_copy_params_changes_nothing(params, aux, error, text):
    executor = classifier()
    with pytest.raises(error, match=text):
        executor.copy_params_from(params, aux)
    assert executor.arg_dict["fc_bias"].asnumpy().tolist() == [0, 0, 0]


def test_copy_params_skips_unknown_names_if_allowed():
    executor = classifier()
    executor.copy_params_from({"nosuch": nd.ones(1), "fc_bias": nd.ones(3)}, {"other": nd.ones(1)}, True)
    assert executor.arg_dict["fc_bias"].asnumpy().tolist() == [1, 1, 1]
