"""CTC against the sum over all paths, and at its edges."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx


def run(data, label, dtype="float32", label_dtype="float32", **kwargs):
    """Losses and gradients (for heads of ones), through an executor."""
    symbols = {name: mx.sym.Variable(name) for name in ("data", "label")}
    values = {"data": mx.nd.array(data, dtype=dtype), "label": mx.nd.array(label, dtype=label_dtype)}
    for name in ("data_lengths", "label_lengths"):
        if name in kwargs:
            symbols[name] = mx.sym.Variable(name)
            values[name] = mx.nd.array(kwargs.pop(name), dtype=label_dtype)
            kwargs[f"use_{name}"] = True
    symbol = mx.sym.CTCLoss(**symbols, **kwargs)
    grad = mx.nd.ones(values["data"].shape, dtype=dtype)
    executor = symbol.bind(mx.cpu(), values, {"data": grad}, {"data": "write"})
    loss = executor.forward(is_train=True)[0]
    executor.backward(mx.nd.ones(loss.shape, dtype=dtype))
    return loss.asnumpy(), grad.asnumpy()


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 5),
    classes=st.integers(2, 4),
    count=st.integers(1, 3),
    last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_sums_over_all_paths(steps, classes, count, last, seed):
    """Paths that read as the label when repetitions, then blanks, are left out; at -log of the sum of their probabilities."""
    count = min(count, steps)
    rng = np.random.default_rng(seed)
    data = rng.uniform(-2, 2, (steps, 1, classes))
    blank = classes - 1 if last else 0
    label = rng.integers(0, classes - 1, count) + (0 if last else 1)
    p = np.exp(data[:, 0]) / np.exp(data[:, 0]).sum(1, keepdims=True)
    total = 0.0
    for path in product(range(classes), repeat=steps):
        if [k for k, _ in groupby(path) if k != blank] == list(label):
            total += np.prod([p[t, k] for t, k in enumerate(path)])
    loss, grad = run(data, [label], "float64", "float64", blank_label="last" if last else "first")
    if total == 0:
        assert loss[0] == 0 and not grad.any()
    else:
        np.testing.assert_allclose(loss, [-np.log(total)], rtol=1e-10)
        np.testing.assert_allclose(grad.sum(2), 0, atol=1e-12)  # adding a number to all scores changes nothing


DATA = np.random.default_rng(0).uniform(-1, 1, (5, 2, 4))


def test_label_that_cannot_be_aligned():
    loss, grad = run(DATA[:3], [[3, 3, 3], [1, 2, 3]])
    assert loss[0] == 0 and loss[1] > 0
    assert not grad[:, 0].any() and grad[:, 1].any()


def test_empty_label_is_blanks_alone():
    loss, _ = run(DATA, [[0, 0], [1, 0]], "float64")
    log_p = DATA[:, 0] - np.log(np.exp(DATA[:, 0]).sum(1, keepdims=True))
    np.testing.assert_allclose(loss[0], -log_p[:, 0].sum(), rtol=1e-12)


def test_labels_end_at_padding_and_at_negative_numbers():
    want, _ = run(DATA[:, :1], [[1, 2, 2]], label_lengths=[1])
    for row in ([1, 0, 2], [1, -1, 2], [1, np.nan, 2]):
        assert run(DATA[:, :1], [row])[0] == want


def test_labels_that_are_no_class_are_never_read():
    loss, grad = run(DATA[:, :1], [[1, 99, 2]])
    assert loss[0] == 0 and not grad.any()


def test_steps_behind_the_length_have_no_gradient():
    loss, grad = run(DATA, [[1, 2], [3, 0]], data_lengths=[3, 9])
    assert not grad[3:, 0].any() and grad[:3, 0].any() and grad[4, 1].any()  # a length beyond the data is the data's
    np.testing.assert_allclose(loss[0], run(DATA[:3, :1], [[1, 2]])[0][0], rtol=1e-6)


def test_integer_labels():
    want, want_grad = run(DATA, [[1, 2, 0], [3, 3, 1]])
    got, grad = run(DATA, [[1, 2, 0], [3, 3, 1]], label_dtype="int32")
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(grad, want_grad)


def test_certain_and_hopeless_scores():
    """Scores of thousands: probabilities of 1 and of 0 to many digits."""
    good = np.full((5, 1, 4), -3000.0)
    for t, k in enumerate((0, 1, 0, 2, 0)):
        good[t, 0, k] = 3000
    loss, grad = run(good, [[1, 2]])
    assert loss[0] == 0 and np.abs(grad).max() == 0
    loss, grad = run(good, [[3, 2]])
    assert loss[0] == 6000 and np.isfinite(grad).all()


def test_says_what_does_not_fit():
    with pytest.raises(mx.MXNetError, match="'c': label is .2, 3. but data has 2 steps"):
        mx.sym.CTCLoss(mx.sym.Variable("data"), mx.sym.Variable("label"), name="c").infer_shape(
            data=(2, 2, 4), label=(2, 3)
        )


def test_names():
    assert mx.sym.contrib.ctc_loss(name="c").list_outputs() == ["c_output0"]
    assert mx.sym.ctc_loss(name="c", use_label_lengths=True).list_arguments() == [
        "c_data",
        "c_label",
        "c_label_lengths",
    ]
    loss = mx.nd.contrib.CTCLoss(mx.nd.ones((5, 2, 4)), mx.nd.array([[1, 2, 0], [3, 1, 0]]))
    np.testing.assert_allclose(loss.asnumpy(), [3.3761237, 3.3761237], rtol=1e-6)
