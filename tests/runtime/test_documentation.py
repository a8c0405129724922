"""The examples of MXNet 1.7's `mxnet.executor` page, as they are written there."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx


def test_bind_of_two_a_plus_b():
    a = mx.sym.Variable("a")
    b = mx.sym.Variable("b")
    c = 2 * a + b
    texec = c.bind(mx.cpu(), {"a": mx.nd.array([1, 2]), "b": mx.nd.array([2, 3])})
    out = texec.forward()
    np.testing.assert_array_equal(out[0].asnumpy(), [4, 7])


def test_backward_of_a_loss():
    net = mx.sym.Variable("data")
    net = mx.sym.FullyConnected(net, name="fc", num_hidden=6)
    net = mx.sym.Activation(net, name="relu", act_type="relu")
    net = mx.sym.SoftmaxOutput(net, name="softmax")

    args = {"data": mx.nd.ones((1, 4)), "fc_weight": mx.nd.ones((6, 4)),
            "fc_bias": mx.nd.array((1, 4, 4, 4, 5, 6)), "softmax_label": mx.nd.ones((1))}  # fmt: skip
    args_grad = {"fc_weight": mx.nd.zeros((6, 4)), "fc_bias": mx.nd.zeros((6))}
    texec = net.bind(ctx=mx.cpu(), args=args, args_grad=args_grad)
    out = texec.forward(is_train=True)[0].copy()
    np.testing.assert_allclose(
        out.asnumpy(), [[0.00378404, 0.07600445, 0.07600445, 0.07600445, 0.20660152, 0.5616011]], rtol=1e-5
    )
    texec.backward()
    rows = np.array([0.00378404, -0.92399555, 0.07600445, 0.07600445, 0.20660152, 0.5616011])
    np.testing.assert_allclose(texec.grad_arrays[1].asnumpy(), np.repeat(rows[:, None], 4, 1), rtol=1e-5)


def test_backward_of_a_symbol_that_is_not_a_loss():
    a = mx.sym.Variable("a")
    b = mx.sym.Variable("b")
    c = 2 * a + b
    args = {"a": mx.nd.array([1, 2]), "b": mx.nd.array([2, 3])}
    args_grad = {"a": mx.nd.zeros((2)), "b": mx.nd.zeros((2))}
    texec = c.bind(ctx=mx.cpu(), args=args, args_grad=args_grad)
    out = texec.forward(is_train=True)[0].copy()
    np.testing.assert_array_equal(out.asnumpy(), [4.0, 7.0])
    texec.backward(out)
    np.testing.assert_array_equal(texec.grad_arrays[0].asnumpy(), [8.0, 14.0])
    np.testing.assert_array_equal(texec.grad_arrays[1].asnumpy(), [4.0, 7.0])


DEBUG_TEXT = """Symbol Outputs:
\toutput[0]=_plus0(0)
Variable:a
--------------------
Op:_mul_scalar, Name=_mulscalar0
Inputs:
\targ[0]=a(0) version=0
Attrs:
\tscalar=2
--------------------
Op:sin, Name=sin0
Inputs:
\targ[0]=a(0) version=0
--------------------
Op:elemwise_add, Name=_plus0
Inputs:
\targ[0]=_mulscalar0(0)
\targ[1]=sin0(0)
"""


def test_debug_str():
    with mx.name.NameManager():
        a = mx.sym.Variable("a")
        b = mx.sym.sin(a)
        c = 2 * a + b
    texec = c.bind(mx.cpu(), {"a": mx.nd.array([1, 2]), "b": mx.nd.array([2, 3])})
    text = texec.debug_str()
    assert text.startswith(DEBUG_TEXT)
    lines = text.split("\n")
    assert lines[-3] == "Total 0 MB allocated" and lines[-3].split()[1] == "0"
    assert lines[-2] == "Total 0 TempSpace resource requested" and lines[-1] == ""


def test_reshape():
    a = mx.sym.Variable("a")
    b = mx.sym.Variable("b")
    c = 2 * a + b
    texec = c.bind(mx.cpu(), {"a": mx.nd.zeros((2, 1)), "b": mx.nd.ones((2, 1))})
    new_shape = {"a": (4, 2), "b": (4, 2)}
    bigger = texec.reshape(allow_up_sizing=True, **new_shape)
    assert [x.shape for x in bigger.arg_arrays] == [(4, 2), (4, 2)]
    assert bigger.forward()[0].shape == (4, 2)


def test_forward():
    texec = (2 * mx.sym.Variable("data")).bind(mx.cpu(), {"data": mx.nd.zeros((2,))})
    mydata = mx.nd.array([1, 5])
    texec.forward(is_train=True, data=mydata)
    mydata.copyto(texec.arg_dict["data"])
    texec.forward(is_train=True)
    outputs = texec.forward(is_train=True, data=mydata)
    np.testing.assert_array_equal(outputs[0].asnumpy(), [2, 10])


def test_monitor(capsys):
    texec = (2 * mx.sym.Variable("data", shape=(2,))).simple_bind(mx.cpu())

    def mon_callback(*args, **kwargs):
        print("Do your stuff here.")

    texec.set_monitor_callback(mon_callback)
    texec.forward()
    assert capsys.readouterr().out == "Do your stuff here.\n"


def test_copy_params_from_a_checkpoint(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    model_prefix = str(tmp_path / "mx_mlp")
    saved = {"fc_weight": mx.nd.array([[1, 2, 3], [4, 5, 6]]), "fc_bias": mx.nd.array([0.5, -0.5])}
    mx.model.save_checkpoint(model_prefix, 0, net, saved, {})
    texec = net.simple_bind(mx.cpu(), data=(1, 3), grad_req="null")
    sym, arg_params, aux_params = mx.model.load_checkpoint(model_prefix, 0)
    texec.copy_params_from(arg_params, aux_params)
    np.testing.assert_array_equal(texec.forward(data=mx.nd.ones((1, 3)))[0].asnumpy(), [[6.5, 14.5]])
    with pytest.raises(ValueError, match="nosuch"):
        texec.copy_params_from({"nosuch": mx.nd.ones((1,))})


def test_simple_bind():
    x = mx.sym.Variable("x")
    y = mx.sym.FullyConnected(x, num_hidden=4)
    exe = y.simple_bind(mx.cpu(), x=(5, 4), grad_req="null")
    exe.forward()
    np.testing.assert_array_equal(exe.outputs[0].asnumpy(), np.zeros((5, 4), np.float32))
    assert [a.shape for a in exe.arg_arrays] == [(5, 4), (4, 4), (4,)]


def test_eval():
    a = mx.sym.var("a")
    b = mx.sym.var("b")
    ex = (a + b).eval(ctx=mx.cpu(), a=mx.nd.ones([2, 3]), b=mx.nd.ones([2, 3]))
    np.testing.assert_array_equal(ex[0].asnumpy(), np.full((2, 3), 2, np.float32))
