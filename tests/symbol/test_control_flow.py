"""Loops and branches against MXNet's graphs and numbers, against plain Python, and in files."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.name import NameManager
from cyexec.symbol import control_flow

GOLDEN = Path(__file__).parents[1] / "golden" / "control_flow"
sys.path.insert(0, str(GOLDEN))
from control_flow_cases import evaluate, networks  # noqa: E402 (shared with the script that runs in MXNet)

sys.path.pop(0)

ANSWERS = json.loads((GOLDEN / "golden.json").read_text())
contrib = mx.sym.contrib


@pytest.fixture(scope="module")
def composed():
    """All networks, composed in one go: numbers of automatic names count on from one to the next."""
    control_flow._counts.clear()
    with NameManager():
        return {key: (symbol, shapes) for key, symbol, shapes in networks(mx)}


@pytest.mark.parametrize("key", list(ANSWERS))
def test_writes_what_mxnet_writes(composed, key):
    assert composed[key][0].tojson() == ANSWERS[key]["json"].replace("10901", "10700")


@pytest.mark.parametrize("key", list(ANSWERS))
@pytest.mark.parametrize("read", [False, True])
def test_computes_what_mxnet_computes(composed, key, read):
    """From the symbol as composed, and as MXNet has written it."""
    symbol, shapes = composed[key]
    symbol = mx.sym.load_json(ANSWERS[key]["json"]) if read else symbol
    answer = {k: np.array(v, np.float32) for k, v in ANSWERS[key].items() if "/" in k}
    assert answer
    got = evaluate(mx, symbol, shapes, any(k.startswith("grad") for k in answer))
    for name, want in answer.items():
        if name.startswith("grad/") and key.startswith("cond"):
            continue
        np.testing.assert_allclose(got[name], want, rtol=1e-5, atol=1e-6, err_msg=name)


def run(symbol, values, heads=None):
    executor = mx.sym.Group([symbol] if isinstance(symbol, mx.sym.Symbol) else symbol).bind(
        mx.cpu(), {k: mx.nd.array(v, dtype="float64") for k, v in values.items()},
        {k: mx.nd.zeros(np.shape(v), dtype="float64") for k, v in values.items()},
    )  # fmt: skip
    outputs = [o.asnumpy() for o in executor.forward(is_train=True)]
    executor.backward([mx.nd.ones(o.shape, dtype="float64") for o in outputs])
    return outputs, {k: v.asnumpy() for k, v in executor.grad_dict.items()}


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(0, 5), rows=st.integers(1, 3), seed=st.integers(0, 99))
def test_foreach_is_a_python_loop(steps, rows, seed):
    def body(x, states):
        total, scale = states
        return x * scale, [total + x, scale * 0.5 + x]

    rng = np.random.default_rng(seed)
    data, total, scale = rng.uniform(-1, 1, (steps, rows)), rng.uniform(-1, 1, rows), rng.uniform(-1, 1, rows)
    names = [mx.sym.var(n) for n in ("data", "total", "scale")]
    out, states = contrib.foreach(body, names[0], names[1:])
    outputs, _ = run([out, *states], {"data": data, "total": total, "scale": scale})
    rows_out = []
    state = [total, scale]
    for x in data:
        row, state = body(x, state)
        rows_out.append(row)
    np.testing.assert_allclose(outputs[0], np.array(rows_out).reshape(steps, rows))
    np.testing.assert_allclose(outputs[1], state[0])
    np.testing.assert_allclose(outputs[2], state[1])


@settings(max_examples=20, deadline=None)
@given(limit=st.integers(0, 6), maximum=st.integers(0, 6), start=st.integers(0, 3))
def test_while_loop_is_a_python_loop(limit, maximum, start):
    i, s = mx.sym.var("i"), mx.sym.var("s")
    out, (last, total) = contrib.while_loop(
        lambda i, s: i < limit, lambda i, s: (s * i, [i + 1, s + 2]), [i, s], max_iterations=maximum
    )
    outputs, _ = run([out, last, total], {"i": [start], "s": [0.5]})
    want, count, value = np.zeros((maximum, 1)), start, 0.5
    for k in range(maximum):
        if count >= limit:
            break
        want[k], count, value = value * count, count + 1, value + 2
    np.testing.assert_allclose(outputs[0], want)
    assert (outputs[1], outputs[2]) == (count, value)


@pytest.mark.parametrize("a,taken", [([1.0, 2.0], "then"), ([5.0, 2.0], "else")])
def test_gradient_of_the_branch_taken(a, taken):
    x, y = mx.sym.var("x"), mx.sym.var("y")
    out = contrib.cond(mx.sym.sum(x) < 4, lambda: x * y, lambda: x + 3 * y)
    _, grads = run(out, {"x": a, "y": [3.0, 4.0]})
    np.testing.assert_array_equal(grads["x"], [3, 4] if taken == "then" else [1, 1])
    np.testing.assert_array_equal(grads["y"], a if taken == "then" else [3, 3])


def test_foreach_of_cells_is_unrolling():
    """The same weights: a cell in a loop, and unrolled."""
    cell = mx.rnn.GRUCell(5, prefix="g_")
    looped, _ = contrib.foreach(cell, mx.sym.var("data"), [mx.sym.var("h")])
    unrolled, _ = cell.unroll(4, mx.sym.var("data"), [mx.sym.var("h")], layout="TNC", merge_outputs=True)
    rng = np.random.default_rng(3)
    shapes = dict(zip(unrolled.list_arguments(), unrolled.infer_shape(data=(4, 2, 3), h=(2, 5))[0]))
    values = {n: rng.uniform(-1, 1, s) for n, s in shapes.items()}
    (a, a_grads), (b, b_grads) = run(looped, values), run(unrolled, values)
    np.testing.assert_allclose(a[0], b[0], rtol=1e-12)
    for name in shapes:
        np.testing.assert_allclose(a_grads[name], b_grads[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_steps_draw_their_own_random_numbers():
    out, _ = contrib.foreach(lambda x, s: (mx.sym.Dropout(x, p=0.5), s + x), mx.sym.var("data"), mx.sym.var("s"))
    executor = out.simple_bind(mx.cpu(), data=(2, 200), s=(200,))
    executor.arg_dict["data"][:] = 1
    rows = executor.forward(is_train=True)[0].asnumpy()
    assert set(np.unique(rows)) == {0, 2} and not np.array_equal(rows[0], rows[1])


def test_arguments_keep_their_order_and_may_be_unused():
    """Of a loop without steps, nothing reads the body's weights; they are arguments all the same."""
    symbol = contrib.foreach(lambda x, s: (x * mx.sym.var("w"), s + x), mx.sym.var("data"), mx.sym.var("s"))[0]
    assert symbol.list_arguments() == ["data", "s", "w"]
    for steps in (0, 3):
        names = symbol.list_arguments()
        executor = symbol.bind(mx.cpu(), [mx.nd.full((steps, 2), 3), mx.nd.zeros((2,)), mx.nd.full((2,), 5)])
        assert list(executor.arg_dict) == names
        np.testing.assert_array_equal(executor.forward()[0].asnumpy(), np.full((steps, 2), 15))


def test_batch_normalisation_in_a_loop():
    """Its moving averages are arguments of the loop, as in MXNet."""
    symbol = contrib.foreach(lambda x, s: (mx.sym.BatchNorm(x, name="bn"), s + 1), mx.sym.var("data"), mx.sym.var("s"))[
        0
    ]
    assert symbol.list_auxiliary_states() == []
    executor = symbol.simple_bind(mx.cpu(), data=(3, 2, 4), s=(1,))
    values = np.random.default_rng(0).uniform(-1, 1, (3, 2, 4)).astype(np.float32)
    for name, array in executor.arg_dict.items():
        array[:] = values if name == "data" else 1
    got = executor.forward(is_train=False)[0].asnumpy()
    np.testing.assert_allclose(got, (values - 1) / np.sqrt(1 + 1e-3) + 1, rtol=1e-5)
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones((3, 2, 4))])
    moving = executor.arg_dict["bn_moving_mean"].asnumpy()  # the backward pass updates it, once for each step
    assert np.all(moving < 1 - 0.1 * (1 - values.mean(1).max(0)))


def test_copies_pickles_and_composes(composed):
    symbol, shapes = composed["recurrent"]
    want = evaluate(mx, symbol, shapes, True)
    for other in (pickle.loads(pickle.dumps(symbol)), symbol.__copy__(), mx.sym.load_json(symbol.tojson())):
        assert other.tojson() == symbol.tojson()
        for name, got in evaluate(mx, other, shapes, True).items():
            np.testing.assert_array_equal(got, want[name])
    doubled = symbol(data=mx.sym.var("half") * 2)
    assert doubled.list_arguments()[0] == "half"
    assert doubled.infer_shape(half=(4, 2, 3), h0=(2, 4))[1] == symbol.infer_shape(**shapes)[1]


def test_module_trains_a_loop():
    """A weight inside the body learns."""
    out, _ = contrib.foreach(
        lambda x, s: (mx.sym.FullyConnected(x, num_hidden=1, name="fc"), s + 0 * mx.sym.sum(x)), mx.sym.var("data"),
        mx.sym.zeros((1,)),
    )  # fmt: skip
    net = mx.sym.LinearRegressionOutput(
        mx.sym.Reshape(out, shape=(-1, 1)), mx.sym.Reshape(mx.sym.var("label"), shape=(-1, 1))
    )
    executor = net.simple_bind(mx.cpu(), data=(3, 8, 2), label=(3, 8))
    x = np.random.default_rng(1).uniform(-1, 1, (3, 8, 2))
    for _ in range(200):
        executor.forward(is_train=True, data=x, label=x @ [1.0, -2.0])
        executor.backward()
        for name in ("fc_weight", "fc_bias"):
            executor.arg_dict[name][:] -= 0.02 * executor.grad_dict[name]
    np.testing.assert_allclose(executor.arg_dict["fc_weight"].asnumpy(), [[1, -2]], atol=0.05)


A, B = mx.sym.var("a"), mx.sym.var("b")


@pytest.mark.parametrize(
    "make,error,text",
    [
        (lambda: contrib.foreach(lambda x, s: (x, s), 3, A), AssertionError, "foreach input must be"),
        (lambda: contrib.foreach(lambda x, s: (x, s), A, 3), AssertionError, "foreach states must be"),
        (lambda: contrib.foreach(lambda x, s: (x, [s, s]), A, B), AssertionError, "different format"),
        (
            lambda: contrib.foreach(lambda x, s: (x, [s[0], s[0]]), A, [A, B]),
            AssertionError,
            "state arrays have to be used",
        ),
        (lambda: contrib.foreach(lambda x, s: (s, s), A, B), AssertionError, "data arrays have to be used"),
        (lambda: contrib.while_loop(lambda i: i < 5, lambda i: (i, i + 1), A), ValueError, "max_iterations"),
        (lambda: contrib.while_loop(lambda i: i < 5, lambda i: (i, [i, i]), A, 3), ValueError, "number of loop_vars"),
        (lambda: contrib.cond(A < B, lambda: [A, B], lambda: B), ValueError, "Number of outputs differs"),
        (lambda: contrib.cond(mx.sym.Group([A, B]), lambda: A, lambda: B), ValueError, "single output"),
    ],
)
def test_says_what_is_wrong_when_composed(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    "make,shapes,text",
    [
        (
            lambda: contrib.cond(A < B, lambda: A, lambda: mx.sym.concat(A, B, dim=0)),
            {"a": (1,), "b": (1,)},
            "two branches",
        ),
        (lambda: contrib.cond(A < B, lambda: A, lambda: B), {"a": (2,), "b": (2,)}, "must be one number"),
        (
            lambda: contrib.foreach(lambda x, s: (x, mx.sym.concat(s, s, dim=0)), A, B)[1],
            {"a": (2, 2), "b": (2,)},
            "a state",
        ),
        (
            lambda: contrib.foreach(lambda x, s: (x[0] + x[1], s + x[0]), [A, B], A)[0],
            {"a": (3,), "b": (2,)},
            "first axes",
        ),
    ],
)
def test_says_what_is_wrong_when_bound(make, shapes, text):
    with pytest.raises(mx.MXNetError, match=text):
        make().simple_bind(mx.cpu(), **shapes)


def broken(change):
    document = json.loads(ANSWERS["sums"]["json"])
    change(next(n for n in document["nodes"] if n["op"] == "_foreach"))
    return json.dumps(document)


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda n: n.pop("subgraphs"), "_foreach has 0 subgraphs"),
        (lambda n: n["subgraphs"].append(n["subgraphs"][0]), "2 subgraphs, expected 1"),
        (lambda n: n["attrs"].update(in_data_locs="[7]"), "reads inputs"),
        (lambda n: n["attrs"].update(in_data_locs="[]", remain_locs="[0]"), "no data"),
        (lambda n: n["attrs"].update(num_out_data="0"), "2 states come out"),
        (lambda n: n["subgraphs"][0]["heads"].pop(), "1 outputs, expected 2"),
        (lambda n: n["subgraphs"][0]["nodes"][0].update(op="Unknown"), "subgraph 0.*Unknown"),
        (lambda n: n["subgraphs"].__setitem__(0, 5), "subgraph 0"),
        (lambda n: n.update(op="elemwise_add", attrs={}), "elemwise_add has 1 subgraphs"),
    ],
)
def test_broken_files(change, text):
    with pytest.raises(mx.MXNetError, match=text):
        mx.sym.load_json(broken(change))
