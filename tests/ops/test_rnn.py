"""The fused recurrent operator: MXNet's answers, laws, and what is refused."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.ops import registry
from cyexec.ops.rnn import RNNParams
from cyexec.ops.rnn_layout import inputs_of, layout

GOLDEN = Path(__file__).parents[1] / "golden" / "rnn"
sys.path.insert(0, str(GOLDEN))
from rnn_cases import BATCH, FEATURES, STEPS, arrays, cases  # noqa: E402 (shared with the script that runs in MXNet)

sys.path.pop(0)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "rnn.npz") as file:
        index, blob = file["index"].tobytes().decode(), file["blob"]
    found, at = {}, 0
    for line in index.splitlines():
        name, *shape = line.split()
        shape = tuple(map(int, shape))
        found[name] = blob[at : at + int(np.prod(shape))].reshape(shape)
        at += found[name].size
    return found


def bind(params, dtype, key, train, data=(STEPS, BATCH, FEATURES)):
    symbol = mx.sym.RNN(mx.sym.Variable("data"), name="rnn", **params)
    shapes, heads, _ = symbol.infer_shape(data=data)
    values = [mx.nd.array(a, dtype=dtype) for a in arrays(key, shapes, dtype)]
    grads = [mx.nd.zeros(v.shape, dtype=dtype) for v in values] if train else None
    return symbol.bind(mx.cpu(), values, grads, "write" if train else "null"), heads


@pytest.mark.parametrize("key,params,dtype,train", list(cases()), ids=lambda v: v if isinstance(v, str) else "")
def test_agrees_with_mxnet(golden, key, params, dtype, train):
    executor, heads = bind(params, dtype, key, train)
    found = {f"out/{i}": out for i, out in enumerate(executor.forward(is_train=train))}
    if train:
        executor.backward([mx.nd.array(a, dtype=dtype) for a in arrays(key + "/heads", heads, dtype)])
        found |= {f"grad/{name}": grad for name, grad in executor.grad_dict.items()}
    for name, got in found.items():
        # Answers are stored as float32; gradients sum over steps and batch.
        np.testing.assert_allclose(
            got.asnumpy(), golden[f"{key}/{name}"], rtol=2e-5, atol=2e-6, err_msg=f"{key} {name}"
        )


@settings(max_examples=20, deadline=None)
@given(
    mode=st.sampled_from(["rnn_relu", "rnn_tanh", "lstm", "gru"]), layers=st.integers(1, 3), both=st.booleans(),
    size=st.integers(1, 40), steps=st.integers(1, 5), batch=st.integers(1, 14), features=st.integers(1, 9),
    states=st.booleans(),
)  # fmt: skip
def test_agrees_with_numpy(mode, layers, both, size, steps, batch, features, states):
    params = {"mode": mode, "state_size": size, "num_layers": layers, "bidirectional": both, "state_outputs": states}
    executor, _ = bind(params, "float64", f"{params}", False, (steps, batch, features))
    op = registry.get("RNN")
    inputs = [a.asnumpy() for a in executor.arg_arrays]
    want = op.reference(op.params.parse(params, "RNN"), *inputs, is_train=False)
    for got, expected in zip(executor.forward(), want):
        np.testing.assert_allclose(got.asnumpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("both", [False, True])
def test_inference_and_training_give_the_same_bits(mode, both):
    params = {"mode": mode, "state_size": 20, "num_layers": 2, "bidirectional": both, "state_outputs": True}
    saving, _ = bind(params, "float32", mode, True)
    plain, _ = bind(params, "float32", mode, False)
    for a, b in zip(saving.forward(is_train=True), plain.forward()):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("which", [0, 1])
def test_gradient_of_one_output_alone(mode, which):
    """A gradient that arrives at the last states only, or at the sequence only."""
    params = {"mode": mode, "state_size": 3, "num_layers": 2, "state_outputs": True, "name": "rnn"}
    whole = mx.sym.RNN(mx.sym.Variable("data"), **params)
    part = mx.sym.Group([whole[which], *(mx.sym.BlockGrad(o) for i, o in enumerate(whole) if i != which)])
    grads = []
    for symbol in (whole, part):
        executor = symbol.simple_bind(mx.cpu(), data=(3, 2, 4))
        for name, array in zip(symbol.list_arguments(), executor.arg_arrays):
            array[:] = arrays(f"{name}", [array.shape], "float32")[0]
        outs = executor.forward(is_train=True)
        order = [which, *(i for i in range(len(outs)) if i != which)] if symbol is part else range(len(outs))
        heads = [mx.nd.ones(o.shape) if i == which else mx.nd.zeros(o.shape) for i, o in zip(order, outs)]
        executor.backward(heads)
        grads.append({k: v.asnumpy() for k, v in executor.grad_dict.items()})
    for name, want in grads[0].items():
        np.testing.assert_allclose(grads[1][name], want, rtol=1e-6, atol=1e-7, err_msg=name)


def test_dropout_between_layers_in_training_only():
    params = {"mode": "lstm", "state_size": 8, "num_layers": 3}
    plain, _ = bind(params, "float32", "dropout", False)
    dropping, heads = bind({**params, "p": 0.5}, "float32", "dropout", True)
    want = plain.forward()[0].asnumpy()
    np.testing.assert_array_equal(dropping.forward(is_train=False)[0].asnumpy(), want)
    runs = [dropping.forward(is_train=True)[0].asnumpy() for _ in range(2)]
    assert not np.array_equal(runs[0], want) and not np.array_equal(runs[0], runs[1])


def test_gradient_through_dropout():
    """The derivative of what was computed: with the same seed the same elements are dropped."""
    params = {"mode": "gru", "state_size": 3, "num_layers": 2, "bidirectional": True, "p": 0.4}
    executor, heads = bind(params, "float64", "gradient", True)
    head = arrays("head", heads, "float64")[0]

    def run():
        mx.random.seed(7)
        return float((executor.forward(is_train=True)[0].asnumpy() * head).sum())

    run()
    executor.backward([mx.nd.array(head, dtype="float64")])
    for name in ("data", "rnn_parameters", "rnn_state"):
        array, grad = executor.arg_dict[name], executor.grad_dict[name].asnumpy()
        start, direction = array.asnumpy(), np.random.default_rng(3).uniform(-1, 1, array.shape)
        values = []
        for sign in (1, -1):
            array[:] = start + sign * 1e-5 * direction
            values.append(run())
        array[:] = start
        np.testing.assert_allclose((grad * direction).sum(), (values[0] - values[1]) / 2e-5, rtol=1e-5, err_msg=name)


@settings(max_examples=50, deadline=None)
@given(
    mode=st.sampled_from(["rnn_relu", "rnn_tanh", "lstm", "gru"]), layers=st.integers(1, 3), both=st.booleans(),
    size=st.integers(1, 9), features=st.integers(1, 9),
)  # fmt: skip
def test_features_follow_from_the_number_of_parameters(mode, layers, both, size, features):
    p = RNNParams(mode=mode, state_size=size, num_layers=layers, bidirectional=both)
    pieces, total = layout(p, features)
    assert inputs_of(p, total) == features
    flat = sorted(piece for each in pieces for layer in each for piece in layer if piece is not None)
    at = 0
    for piece in flat:
        assert piece.start == at
        at += int(np.prod(piece.shape))
    assert at == total


def test_inputs_by_position_come_in_mxnets_order():
    data, parameters, state, cell = (mx.sym.var(n) for n in "dpsc")
    symbol = mx.sym.RNN(data, parameters, state, cell, None, 3, 1, False, "lstm")
    assert symbol.list_arguments() == ["d", "p", "s", "c"]
    names = list(inspect.signature(mx.sym.CTCLoss).parameters)
    assert names[:4] == ["data", "label", "data_lengths", "label_lengths"]


def test_unknown_batch_of_initial_states_is_inferred():
    zeros = {n: mx.sym.zeros(shape=(2, 0, 6)) for n in ("state", "state_cell")}
    symbol = mx.sym.RNN(mx.sym.Variable("data"), mode="lstm", state_size=6, num_layers=2, name="rnn", **zeros)
    executor = symbol.simple_bind(mx.cpu(), data=(4, 3, 5))
    assert executor.forward()[0].shape == (4, 3, 6)


@pytest.mark.parametrize(
    "params,text",
    [
        ({"mode": "lstm", "use_sequence_length": True}, "rnn.*sequence_length.*GPU"),
        ({"mode": "lstm", "lstm_state_clip_min": -1, "lstm_state_clip_max": 1}, "rnn.*clipping.*GPU"),
        ({"mode": "gru", "projection_size": 2}, "projection_size=2 is for mode lstm"),
    ],
)
def test_refuses_what_mxnet_refuses_on_cpu(params, text):
    symbol = mx.sym.RNN(mx.sym.Variable("data"), state_size=3, num_layers=1, name="rnn", **params)
    with pytest.raises(mx.MXNetError, match=text):
        symbol.simple_bind(mx.cpu(), data=(4, 3, 5)).forward()


@pytest.mark.parametrize(
    "shapes,text",
    [
        ({"data": (4, 3)}, "data"),
        ({"data": (4, 3, 5), "rnn_parameters": (10,)}, r"parameters is \(10,\).*5 features; expected \(78,\)"),
        ({"data": (4, 3, 5), "rnn_state": (1, 2, 6)}, r"batches of \[2, 3\]"),
    ],
)
def test_messages_name_what_is_wrong(shapes, text):
    symbol = mx.sym.RNN(mx.sym.Variable("data"), mode="rnn_tanh", state_size=6, num_layers=1, name="rnn")
    with pytest.raises(mx.MXNetError, match=text):
        symbol.infer_shape(**shapes)
