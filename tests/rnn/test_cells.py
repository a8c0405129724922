"""Laws of the cells of `mx.rnn`, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.rnn.errors import CellError

MODES = ["rnn_relu", "rnn_tanh", "lstm", "gru"]


def outputs_and_gradients(symbol, values):
    executor = symbol.simple_bind(mx.cpu(), **{name: a.shape for name, a in values.items()})
    executor.copy_params_from({name: mx.nd.array(a) for name, a in values.items()}, allow_extra_params=True)
    outputs = [o.asnumpy() for o in executor.forward(is_train=True)]
    executor.backward([mx.nd.ones(o.shape) for o in outputs])
    return outputs, executor.grad_dict


@settings(max_examples=15, deadline=None)
@given(
    mode=st.sampled_from(MODES), layers=st.integers(1, 3), both=st.booleans(), size=st.integers(1, 20),
    steps=st.integers(1, 4), layout=st.sampled_from(["NTC", "TNC"]), batch=st.integers(1, 8),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:NTC layout")
def test_fused_is_unfused(mode, layers, both, size, steps, layout, batch):
    """Outputs, and gradients of the data and of every gate's weights."""
    fused = mx.rnn.FusedRNNCell(size, layers, mode, both, prefix="f_")
    unfused = fused.unfuse()
    data = mx.sym.Variable("data")
    shape = (batch, steps, 3) if layout == "NTC" else (steps, batch, 3)
    one, _ = fused.unroll(steps, data, layout=layout, merge_outputs=True)
    other, _ = unfused.unroll(steps, data, layout=layout, merge_outputs=True)
    rng = np.random.default_rng(size)
    values = {"data": rng.uniform(-1, 1, shape).astype(np.float32)}
    (count,) = one.infer_shape(data=shape)[0][1]
    packed = {"f_parameters": mx.nd.array(rng.uniform(-0.5, 0.5, (count,)))}
    single = unfused.pack_weights(fused.unpack_weights(packed))
    out, grads = outputs_and_gradients(one, {**values, "f_parameters": packed["f_parameters"].asnumpy()})
    other_out, other_grads = outputs_and_gradients(other, {**values, **{k: v.asnumpy() for k, v in single.items()}})
    np.testing.assert_allclose(out[0], other_out[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grads["data"].asnumpy(), other_grads["data"].asnumpy(), rtol=1e-4, atol=1e-4)
    a = fused.unpack_weights({"f_parameters": grads["f_parameters"]})
    b = unfused.unpack_weights({name: g for name, g in other_grads.items() if name != "data"})
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name].asnumpy(), b[name].asnumpy(), rtol=1e-4, atol=1e-4, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(
    mode=st.sampled_from(MODES), layers=st.integers(1, 3), both=st.booleans(), size=st.integers(1, 6),
    inputs=st.integers(1, 6),
)  # fmt: skip
def test_unpacked_weights_pack_again(mode, layers, both, size, inputs):
    cell = mx.rnn.FusedRNNCell(size, layers, mode, both, prefix="f_")
    symbol, _ = cell.unroll(2, mx.sym.Variable("data"), layout="TNC")
    (count,) = symbol.infer_shape(data=(2, 1, inputs))[0][1]
    args = {"f_parameters": mx.nd.arange(count), "other": mx.nd.ones((2,))}
    unpacked = cell.unpack_weights(args)
    assert "f_parameters" not in unpacked and unpacked["other"] is args["other"]
    packed = cell.pack_weights(unpacked)
    assert set(packed) == {"f_parameters", "other"}
    np.testing.assert_array_equal(packed["f_parameters"].asnumpy(), np.arange(count))
    assert set(args) == {"f_parameters", "other"}  # as it was


def test_stepping_by_hand_is_unrolling():
    cell = mx.rnn.LSTMCell(4, prefix="c_")
    states = cell.begin_state()
    outputs = []
    for i in range(3):
        output, states = cell(mx.sym.Variable(f"x{i}"), states)
        outputs.append(output)
    by_hand = mx.sym.Group(outputs)
    unrolled = mx.sym.Group(cell.unroll(3, [mx.sym.Variable(f"x{i}") for i in range(3)])[0])
    assert by_hand.list_outputs() == unrolled.list_outputs()
    rng = np.random.default_rng(0)
    shapes, _, _ = by_hand.infer_shape(x0=(2, 3), x1=(2, 3), x2=(2, 3))
    values = {n: rng.uniform(-1, 1, s).astype(np.float32) for n, s in zip(by_hand.list_arguments(), shapes)}
    for a, b in zip(outputs_and_gradients(by_hand, values)[0], outputs_and_gradients(unrolled, values)[0]):
        np.testing.assert_array_equal(a, b)


def test_zoneout_keeps_old_states_in_training():
    """With every state zoned out, each stays what it was at the beginning."""
    cell = mx.rnn.ZoneoutCell(mx.rnn.RNNCell(5, prefix="z_"), zoneout_states=1.0)
    begin = cell.begin_state(func=mx.sym.Variable)
    outputs, states = cell.unroll(3, mx.sym.Variable("data"), begin_state=begin)
    executor = mx.sym.Group(states).simple_bind(mx.cpu(), data=(2, 3, 4), **{begin[0].name: (2, 5)})
    for array in executor.arg_arrays:
        array[:] = np.random.default_rng(1).uniform(-1, 1, array.shape)
    start = executor.arg_dict[begin[0].name].asnumpy()
    np.testing.assert_array_equal(executor.forward(is_train=True)[0].asnumpy(), start)
    assert not np.array_equal(executor.forward(is_train=False)[0].asnumpy(), start)


def test_cells_share_parameters():
    shared = mx.rnn.RNNParams("shared_")
    a, b = mx.rnn.GRUCell(4, prefix="a_", params=shared), mx.rnn.GRUCell(4, prefix="b_", params=shared)
    out, _ = b.unroll(2, a.unroll(2, mx.sym.Variable("data"))[0])
    weights = [n for n in mx.sym.Group(out).list_arguments() if n.endswith("weight")]
    assert weights == ["shared_i2h_weight", "shared_h2h_weight"]


def test_modifier_takes_either_name_of_the_function():
    """In a stack, `begin_state(func=...)` reaches modifiers too (MXNet: TypeError)."""
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.ResidualCell(mx.rnn.RNNCell(3)))
    (state,) = stack.begin_state(func=mx.sym.Variable)
    assert state.list_arguments() == [state.name]
    (state,) = stack._cells[0].begin_state(mx.sym.ones)
    assert json_op(state) == "_ones"


def json_op(symbol):
    return symbol._outputs[0][0].op.name


def test_rnn_unroll_makes_its_inputs():
    with pytest.warns(UserWarning, match="deprecated"):
        outputs, _ = mx.rnn.rnn_unroll(mx.rnn.RNNCell(3), 2, input_prefix="p_")
    assert "p_t0_data" in outputs[0].list_arguments() and "p_t1_data" in outputs[1].list_arguments()


def test_initializers_of_cells_fill_their_variables():
    fused = mx.rnn.FusedRNNCell(3, 1, "lstm", prefix="f_", forget_bias=2.0)
    symbol, _ = fused.unroll(2, mx.sym.Variable("data"), layout="TNC")
    executor = symbol.simple_bind(mx.cpu(), data=(2, 1, 4))
    text = symbol.attr_dict()["f_parameters"]["__init__"]
    description = mx.init.InitDesc("f_parameters", {"__init__": text}, global_init=mx.init.Xavier())
    mx.init.Xavier()(description, executor.arg_dict["f_parameters"])
    unpacked = fused.unpack_weights({"f_parameters": executor.arg_dict["f_parameters"]})
    np.testing.assert_array_equal(unpacked["f_l0_i2h_f_bias"].asnumpy(), 2)
    np.testing.assert_array_equal(unpacked["f_l0_i2h_i_bias"].asnumpy(), 0)
    assert unpacked["f_l0_h2h_o_weight"].asnumpy().std() > 0


@pytest.mark.parametrize(
    "make,text",
    [
        (lambda: mx.rnn.ZoneoutCell(mx.rnn.FusedRNNCell(4)), "unfuse first"),
        (lambda: mx.rnn.ZoneoutCell(mx.rnn.BidirectionalCell(mx.rnn.RNNCell(4), mx.rnn.RNNCell(4))), "support step"),
        (lambda: mx.rnn.RNNCell(4).unroll(3, [mx.sym.Variable("x")]), "3 steps.*1 inputs"),
        (lambda: mx.rnn.RNNCell(4).unroll(3, mx.sym.Variable("x"), layout="NC"), "no T"),
        (lambda: mx.rnn.RNNCell(4).unroll(2, mx.sym.Group([mx.sym.Variable("x"), mx.sym.Variable("y")])), "grouped"),
        (lambda: mx.rnn.DropoutCell("x"), "must be a number"),
        (lambda: mx.rnn.ConvLSTMCell((1, 3, 5, 5), 4, h2h_kernel=(2, 2)), "odd number"),
        (lambda: mx.rnn.FusedRNNCell(4, mode="foo").unfuse(), "mode is 'foo'"),
        (lambda: mx.rnn.SequentialRNNCell(params=mx.rnn.RNNParams()).add(mx.rnn.RNNCell(3)), "not both"),
        (lambda: mx.rnn.ResidualCell(mx.rnn.RNNCell(3)).base_cell.begin_state(), "modifier"),
        (lambda: mx.rnn.FusedRNNCell(3).unpack_weights({"lstm_parameters": mx.nd.ones((7,))}), "lstm_parameters has 7"),
    ],
)
def test_says_what_is_wrong(make, text):
    with pytest.raises(CellError, match=text) as found:
        make()
    assert isinstance(found.value, AssertionError)  # what MXNet raises


def test_what_can_not_be_stepped():
    with pytest.raises(NotImplementedError, match="unroll"):
        mx.rnn.FusedRNNCell(4)(mx.sym.Variable("x"), [])
    with pytest.raises(NotImplementedError, match="unroll"):
        mx.rnn.BidirectionalCell(mx.rnn.RNNCell(4), mx.rnn.RNNCell(4))(mx.sym.Variable("x"), [])
