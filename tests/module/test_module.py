"""The day-one script and its variants."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd
Batch = namedtuple("Batch", ["data"])
X = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)


def network():
    net = S.FullyConnected(S.Variable("data"), num_hidden=3, name="fc1")
    net = S.FullyConnected(S.BatchNorm(net, name="bn", fix_gamma=False), num_hidden=2, name="fc2")
    return S.SoftmaxOutput(net, name="softmax")


def parameters():
    r = np.random.RandomState(0)
    args = {"fc1_weight": r.randn(3, 4), "fc1_bias": r.randn(3), "bn_gamma": r.rand(3), "bn_beta": r.randn(3),
            "fc2_weight": r.randn(2, 3), "fc2_bias": r.randn(2)}  # fmt: skip
    aux = {"bn_moving_mean": r.randn(3), "bn_moving_var": r.rand(3)}
    return {n: nd.array(v) for n, v in args.items()}, {n: nd.array(v) for n, v in aux.items()}


def logits(x):
    args, aux = ({n: v.asnumpy() for n, v in p.items()} for p in parameters())
    y = x @ args["fc1_weight"].T + args["fc1_bias"]
    y = (y - aux["bn_moving_mean"]) / np.sqrt(aux["bn_moving_var"] + 1e-3) * args["bn_gamma"] + args["bn_beta"]
    return y @ args["fc2_weight"].T + args["fc2_bias"]


def bound(net=None, set_params=True, **options):
    options = {"for_training": False, "data_shapes": [("data", (2, 4))], **options}
    module = mx.mod.Module(symbol=network() if net is None else net, context=mx.cpu(), label_names=None)
    module.bind(**options)
    if set_params:
        module.set_params(*parameters(), allow_missing=True, allow_extra=True)
    return module


def test_day_one(tmp_path):
    prefix = str(tmp_path / "model")
    mx.model.save_checkpoint(prefix, 0, network(), *parameters())
    sym, args, aux = mx.model.load_checkpoint(prefix, 0)
    sym = sym.get_internals()["fc2_output"]
    module = mx.mod.Module(symbol=sym, context=mx.cpu(), label_names=None)
    module.bind(for_training=False, data_shapes=[("data", (2, 4))])
    module.set_params(args, aux)
    module.forward(mx.io.DataBatch(data=(nd.array(X),)), is_train=False)
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), logits(X), rtol=1e-4, atol=1e-5)


class Thing:
    data = (nd.array(X),)


@pytest.mark.parametrize(
    "batch",
    [Batch([nd.array(X)]), Batch([X]), Batch((X.astype("float64"),)), Thing(), mx.io.DataBatch([nd.array(X)])],
    ids=["namedtuple", "numpy", "float64", "any object", "DataBatch"],
)
def test_batches(batch):
    module = bound(network().get_internals()["fc2_output"])
    module.forward(batch)
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), logits(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("labels", [None, [("softmax_label", (2,))]])
def test_other_batch_sizes(labels):
    module = bound(label_shapes=labels)
    for n in (2, 5, 1, 2, 7, 3):
        x = np.random.RandomState(n).rand(n, 4).astype(np.float32)
        module.forward(Batch([nd.array(x)]))
        odds = np.exp(logits(x))
        np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), odds / odds.sum(1, keepdims=True), rtol=1e-4)
        assert module.data_shapes[0].shape == (n, 4)


def test_a_batch_that_does_not_fit_changes_nothing():
    module = bound()
    module.forward(Batch([X]))
    wanted = module.get_outputs()[0].asnumpy()
    for data, text in (([np.ones((2, 5))], "fc1_weight.*3, 4"), ([], "0 data arrays"), ([np.ones(2)], "fc1_weight")):
        with pytest.raises(mx.MXNetError, match=text):
            module.forward(Batch(data))
        module.forward(Batch([X]))
        np.testing.assert_array_equal(module.get_outputs()[0].asnumpy(), wanted)


def test_label_shapes_of_its_own():
    module = mx.mod.Module(network(), label_names=None)
    module.bind(for_training=False, data_shapes=[("data", (2, 4))], label_shapes=module._label_shapes)
    module.set_params(*parameters(), allow_missing=True)
    module.forward(Batch([X]))
    assert module.get_outputs()[0].shape == (2, 2)


def without(name):
    args, aux = parameters()
    return {k: v for k, v in args.items() if k != name}, {k: v for k, v in aux.items() if k != name}


@pytest.mark.parametrize(
    "params,options,error,text",
    [
        (without("fc1_bias"), {}, RuntimeError, "fc1_bias is not presented"),
        (without("bn_moving_var"), {}, RuntimeError, "bn_moving_var"),
        (({**parameters()[0], "zz": nd.ones(1)}, parameters()[1]), {"allow_missing": True}, ValueError, '"zz"'),
        (({**parameters()[0], "fc1_bias": nd.ones(4)}, parameters()[1]), {}, mx.MXNetError, r"fc1_bias.*\(4,\).*\(3,\)"),
    ],
)
def test_refused_parameters_change_nothing(params, options, error, text):
    module = bound(network().get_internals()["fc2_output"], set_params=False)
    with pytest.raises(error, match=text):
        module.set_params(*params, **options)
    assert not module.params_initialized
    with pytest.raises(AssertionError, match="set_params"):
        module.forward(Batch([X]))
    assert all((v.asnumpy() == 0).all() for v in module._exec_group.execs[0].arg_dict.values())


def test_allow_missing_and_allow_extra():
    module = bound()
    module.set_params({"zz": nd.ones(1), "fc1_bias": nd.ones(3)}, {}, allow_missing=True, allow_extra=True)
    args, aux = module.get_params()
    assert args["fc1_bias"].asnumpy().tolist() == [1, 1, 1]
    np.testing.assert_array_equal(args["fc2_bias"].asnumpy(), parameters()[0]["fc2_bias"].asnumpy())
    args["fc1_bias"][:] = 7
    assert module.get_params()[0]["fc1_bias"].asnumpy().tolist() == [1, 1, 1]
    assert set(aux) == {"bn_moving_mean", "bn_moving_var"}
    with pytest.warns(UserWarning, match="force_init"):
        module.set_params({"fc1_bias": nd.zeros(3)}, {}, allow_missing=True, force_init=False)
    assert module.get_params()[0]["fc1_bias"].asnumpy().tolist() == [1, 1, 1]


def test_parameters_are_converted():
    args, aux = parameters()
    module = bound(set_params=False)
    module.set_params({n: v.astype("float16") for n, v in args.items()}, aux, allow_missing=True)
    assert module.get_params()[0]["fc1_bias"].dtype == np.float32
    module.forward(Batch([X]))
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy().sum(1), 1, rtol=1e-5)


def test_save_and_load(tmp_path):
    module = bound()
    module.forward(Batch([X]))
    module.save_checkpoint(str(tmp_path / "m"), 3)
    again = mx.mod.Module.load(str(tmp_path / "m"), 3, label_names=None, context=mx.cpu())
    again.bind([("data", (2, 4))], for_training=False)
    again.forward(Batch([X]))
    np.testing.assert_array_equal(again.get_outputs()[0].asnumpy(), module.get_outputs()[0].asnumpy())


def test_binding_again():
    module = bound(network().get_internals()["fc2_output"])
    module.bind([("data", (3, 4))])
    assert module.data_shapes[0].shape == (2, 4)
    module.bind([("data", (3, 4))], for_training=False, force_rebind=True)
    module.forward(Batch([np.ones((3, 4), np.float32)]))
    assert module.get_outputs()[0].shape == (3, 2)
    assert module.output_shapes == [("fc2_output", (3, 2))]


def test_training():
    module = mx.mod.Module(network())
    module.bind([("data", (2, 4))], [("softmax_label", (2,))], inputs_need_grad=True)
    module.set_params(*parameters())
    module.forward(mx.io.DataBatch([nd.array(X)], [nd.array([1, 0])]))
    module.backward()
    (grad,) = module.get_input_grads()
    executor = network().simple_bind(mx.cpu(), data=(2, 4))
    executor.copy_params_from(*parameters())
    executor.forward(is_train=True, data=X, softmax_label=np.array([1, 0]))
    executor.backward()
    np.testing.assert_array_equal(grad.asnumpy(), executor.grad_dict["data"].asnumpy())
    assert abs(grad.asnumpy()).sum() > 0


def test_head_gradients():
    module = bound(network().get_internals()["fc1_output"], for_training=True, inputs_need_grad=True)
    module.forward(Batch([X]))
    module.backward([nd.ones((2, 3))])
    np.testing.assert_allclose(
        module.get_input_grads()[0].asnumpy()[0], parameters()[0]["fc1_weight"].asnumpy().sum(0), rtol=1e-5
    )


def test_what_was_not_bound_for():
    module = bound()
    module.forward(Batch([X]))
    with pytest.raises(AssertionError, match="inputs_need_grad"):
        module.get_input_grads()
    with pytest.raises(AssertionError, match="for_training"):
        module.backward()
    unbound = mx.mod.Module(network(), label_names=None)
    for call in (lambda: unbound.forward(Batch([X])), unbound.get_outputs, lambda: unbound.set_params(*parameters())):
        with pytest.raises(AssertionError, match="bind"):
            call()


def test_wrong_names():
    with pytest.raises(ValueError, match="'datas' is not.*\n.*data"):
        mx.mod.Module(network(), data_names=["datas"])
    with pytest.raises(ValueError, match="dat"):
        mx.mod.Module(network(), label_names=None).bind([("dat", (2, 4))])
    with pytest.warns(UserWarning, match="zz"):
        mx.mod.Module(network(), label_names=["zz"])
    with pytest.raises(mx.MXNetError, match="gpu.*CPU"):
        mx.mod.Module(network(), context=mx.gpu(), label_names=None).bind([("data", (2, 4))])


def test_scripts_reach_into_a_module():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    module = mx.mod.Module(net, label_names=None, context=[mx.cpu(0), mx.cpu(1)])
    # What `Module.load` does, written out.
    module._arg_params = {"fc_weight": mx.nd.ones((2, 3)), "fc_bias": mx.nd.zeros((2,))}
    module._aux_params = {}
    module.params_initialized = True
    module.bind([("data", (4, 3))], for_training=False)
    assert module._arg_params["fc_weight"].asnumpy().tolist() == [[1, 1, 1]] * 2 and module._aux_params == {}
    module.forward(mx.io.DataBatch([mx.nd.ones((4, 3))]))
    assert (module.get_outputs()[0].asnumpy() == 3).all()
    (first, one), (second, other) = module._exec_group.data_arrays[0]
    assert (first, second) == (slice(0, 2), slice(2, 4)) and one.shape == other.shape == (2, 3)
    assert module._exec_group.label_arrays == []


def test_a_module_with_an_older_init_params_takes_parameters():
    class Old(mx.mod.BaseModule):
        given = None

        def init_params(self, initializer=None, arg_params=None, aux_params=None, allow_missing=False, force_init=False):
            self.given = arg_params, aux_params

    module = Old()
    module.set_params({"a": 1}, {})
    assert module.given == ({"a": 1}, {})
    with pytest.raises(TypeError, match="allow_extra"):
        module.set_params({}, {}, allow_extra=True)
