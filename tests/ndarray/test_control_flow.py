"""Loops and branches over arrays give what those over symbols give, from the same functions of the user's."""

import numpy as np
import pytest

import cyexec as mx

nd = mx.nd


def step(data, states):
    return [data + states[0], data * 2], [states[0] * 2 + data]


def test_foreach_gives_what_the_symbol_gives():
    data, start = nd.array(np.arange(6).reshape(3, 2)), nd.ones((2,))
    outputs, states = nd.contrib.foreach(step, data, [start])
    made = mx.sym.contrib.foreach(step, mx.sym.var("data"), [mx.sym.var("start")])
    wanted = mx.sym.Group([*made[0], *made[1]]).eval(data=data, start=start)
    for found, want in zip([*outputs, *states], wanted):
        np.testing.assert_array_equal(found.asnumpy(), want.asnumpy())


def test_foreach_of_a_single_array():
    sums, last = nd.contrib.foreach(lambda x, s: (x + s, x + s), nd.array([1, 2, 3]), nd.zeros((1,)))
    assert sums.asnumpy().ravel().tolist() == [1, 3, 6]
    assert last.asscalar() == 6


@pytest.mark.parametrize("limit", [3, 10])
def test_while_loop_gives_what_the_symbol_gives(limit):
    def go_on(i, total):
        return i <= 5

    def add(i, total):
        return [i + total], [i + 1, total + i]

    start = {"i": nd.array([0]), "total": nd.array([1])}
    outputs, values = nd.contrib.while_loop(go_on, add, [start["i"], start["total"]], max_iterations=limit)
    symbols = [mx.sym.var("i"), mx.sym.var("total")]
    made = mx.sym.contrib.while_loop(go_on, add, symbols, max_iterations=limit)
    wanted = mx.sym.Group([*made[0], *made[1]]).eval(**start)
    for found, want in zip([*outputs, *values], wanted):
        np.testing.assert_array_equal(found.asnumpy(), want.asnumpy())


def test_while_loop_refuses():
    one = nd.ones((1,))
    with pytest.raises(ValueError, match="max_iterations"):
        nd.contrib.while_loop(lambda x: x, lambda x: (x, x), one)
    with pytest.raises(ValueError, match="at least one"):
        nd.contrib.while_loop(lambda: one, lambda: (one, []), [], max_iterations=2)
    with pytest.raises(ValueError, match="number of loop_vars"):
        nd.contrib.while_loop(lambda x: x, lambda x: (x, [x, x]), [one], max_iterations=2)


@pytest.mark.parametrize("pred", [0, 2])
def test_cond_runs_one_branch(pred):
    ran = []
    result = nd.contrib.cond(
        nd.array([pred]), lambda: ran.append("then") or nd.ones((2,)), lambda: ran.append("else") or nd.zeros((2,))
    )
    assert ran == ["then" if pred else "else"]
    assert result.asnumpy().tolist() == [float(bool(pred))] * 2


def test_zipfian_candidates():
    true = nd.array([0, 3])
    samples, expected_true, expected = nd.contrib.rand_zipfian(true, 2000, 5)
    assert samples.dtype == np.int64 and samples.shape == (2000,)
    classes = np.arange(5)
    want = np.log((classes + 2) / (classes + 1)) / np.log(6) * 2000
    np.testing.assert_allclose(expected_true.asnumpy(), want[[0, 3]], rtol=1e-6)
    np.testing.assert_allclose(expected.asnumpy(), want[samples.asnumpy()], rtol=1e-6)
    # Five standard deviations of a binomial count.
    assert np.abs(np.bincount(samples.asnumpy(), minlength=5) - want).max() < 5 * np.sqrt(2000 * 0.25)
    symbols = mx.sym.contrib.rand_zipfian(mx.sym.var("true"), 4, 5)
    assert [tuple(a.shape) for a in mx.sym.Group(list(symbols)).eval(true=true)] == [(4,), (2,), (4,)]
