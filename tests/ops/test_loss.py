"""Gradients of the losses, which are not derivatives of their outputs, against their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx
from cyexec.ops import registry
from cyexec.ops.schema import Case
from cyexec.ops.softmax import softmax_numpy

from . import harness

X = np.random.default_rng(0).uniform(-2, 2, (4, 3))
LABEL = np.array([0.0, 2.0, -1.0, 1.0])
HEAD = np.random.default_rng(1).uniform(-1, 1, (4, 3))


def gradient(name, arrays, head, **params):
    op = registry.get(name)
    arrays = [np.asarray(a, np.float64) for a in arrays]
    graph = harness.build(op, Case(shapes={}, params=params), arrays, gradients=True)
    values = dict(zip(op.input_names(op.params.parse(params, name)), arrays))
    _, grads = harness.run(graph, {**values, "_head_grad_0": head})
    assert "label" not in grads
    return grads["data"]


def one_hot(label, hit=1.0, miss=0.0):
    return np.array([[hit if k == row else miss for k in range(3)] for row in label])


@pytest.mark.parametrize(
    "params,factor,target",
    [
        ({}, np.ones(4), one_hot(LABEL)),
        ({"grad_scale": 3.0, "normalization": "batch"}, np.full(4, 0.75), one_hot(LABEL)),
        ({"use_ignore": True}, np.array([1, 1, 0, 1]), one_hot(LABEL)),
        ({"use_ignore": True, "ignore_label": 2.0}, np.array([1, 0, 1, 1]), one_hot(LABEL)),
        ({"normalization": "valid"}, np.full(4, 1 / 3), one_hot(LABEL)),
        ({"smooth_alpha": 0.3}, np.ones(4), one_hot(LABEL, 0.7, 0.15)),
        ({"multi_output": True, "normalization": "batch"}, np.full(4, 0.25), one_hot(LABEL)),
    ],
)
@pytest.mark.parametrize("out_grad", [False, True])
def test_softmax_output(params, factor, target, out_grad):
    want = (softmax_numpy(X) - target) * factor[:, None] * (HEAD if out_grad else 1)
    got = gradient("SoftmaxOutput", [X, LABEL], HEAD, out_grad=out_grad, **params)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("label_shape", [(2, 4), (2, 2, 2), (2, 1, 2, 2)])
def test_softmax_output_with_positions(label_shape):
    x = np.random.default_rng(2).uniform(-1, 1, (2, 3, 2, 2))
    label = np.array([0.0, 1, 2, -1, 2, 2, 0, 1]).reshape(label_shape)
    target = np.moveaxis(one_hot(label.ravel()).reshape(2, 2, 2, 3), 3, 1)
    want = softmax_numpy(x, 1) - target
    np.testing.assert_allclose(gradient("SoftmaxOutput", [x, label], x, multi_output=True), want / 4, atol=1e-15)
    want *= label.reshape(2, 1, 2, 2) != -1
    got = gradient("SoftmaxOutput", [x, label], x, multi_output=True, use_ignore=True, normalization="valid")
    np.testing.assert_allclose(got, want / 7, atol=1e-15)


def test_softmax_output_with_probabilities():
    target = np.abs(HEAD)
    got = gradient("SoftmaxOutput", [X, target], HEAD, grad_scale=2.0, normalization="batch")
    np.testing.assert_allclose(got, 2 * (softmax_numpy(X) - target), atol=1e-15)


def test_regressions():
    label = HEAD * 2
    logistic = 1 / (1 + np.exp(-X))
    for name, want in (
        ("LinearRegressionOutput", X - label),
        ("LogisticRegressionOutput", logistic - label),
        ("MAERegressionOutput", np.sign(X - label)),
    ):
        np.testing.assert_allclose(gradient(name, [X, label], HEAD, grad_scale=2.0), want * 2 / 3, atol=1e-15)


def test_make_loss():
    assert np.all(gradient("MakeLoss", [X], HEAD, grad_scale=3.0) == 3)
    assert np.all(gradient("MakeLoss", [X], HEAD, normalization="batch") == 0.25)
    got = gradient("MakeLoss", [X], HEAD, normalization="valid", valid_thresh=0.5)
    np.testing.assert_allclose(got, 1 / (X > 0.5).sum())


def test_svm_output():
    sign = 1 - 2 * one_hot(np.abs(LABEL))
    slack = np.maximum(0.5 + sign * X, 0)
    got = gradient("SVMOutput", [X, np.abs(LABEL)], HEAD, margin=0.5, regularization_coefficient=2.0)
    np.testing.assert_allclose(got, 4 * sign * slack, atol=1e-15)
    got = gradient("SVMOutput", [X, np.abs(LABEL)], HEAD, margin=0.5, use_linear=True)
    np.testing.assert_allclose(got, sign * (slack > 0), atol=1e-15)


def test_prod_gradient_at_zeros():
    x = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.0], [2.0, 3.0, 4.0]])
    got = gradient("prod", [x], np.ones(3), axis=1)
    np.testing.assert_array_equal(got, [[0, 6, 0], [0, 0, 0], [12, 8, 6]])
    # The product of the others overflows, but one of the others is 0.
    got = gradient("prod", [np.array([[0.0, 1e200, 1e200]])], np.ones(1), axis=1)
    np.testing.assert_array_equal(got, [[np.inf, 0, 0]])


def test_softmax_output_without_head_gradient():
    """With out_grad a missing head gradient is one, so a training script's ``backward()`` runs, as in MXNet."""
    sym = mx.sym.SoftmaxOutput(mx.sym.Variable("data"), mx.sym.Variable("label"), out_grad=True)
    grad = mx.nd.empty((4, 3))
    executor = sym.bind(mx.cpu(), {"data": mx.nd.array(X), "label": mx.nd.array(LABEL)}, {"data": grad})
    executor.forward(is_train=True)
    executor.backward()
    np.testing.assert_allclose(grad.asnumpy(), softmax_numpy(X) - one_hot(LABEL), atol=1e-6)
    executor.backward(mx.nd.array(HEAD))
    np.testing.assert_allclose(grad.asnumpy(), (softmax_numpy(X) - one_hot(LABEL)) * HEAD, atol=1e-6)


def test_softmax_output_batch_counts_labels():
    """As in MXNet 1.9.1: (2, 3, 2) data without multi_output has (2, 3) labels, so the gradient is divided by six."""
    x = np.random.default_rng(3).uniform(-1, 1, (2, 3, 2))
    label = np.array([[0.0, 1, 0], [1, 1, 0]])
    plain = gradient("SoftmaxOutput", [x, label], x)
    np.testing.assert_allclose(gradient("SoftmaxOutput", [x, label], x, normalization="batch"), plain / 6, rtol=1e-12)
