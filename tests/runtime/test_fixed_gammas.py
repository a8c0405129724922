"""Arrays of gamma that count as one become ones where MXNet sets them: asked for every case, with oneDNN off."""

import numpy as np
import pytest

import cyexec as mx

NAMES = ("data", "bn_gamma", "bn_beta")


def bound(grad_req, net=lambda x: x, **options):
    symbol = net(mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn", **options))
    executor = symbol.simple_bind(mx.cpu(), data=(4, 3), grad_req=grad_req)
    for array in executor.arg_arrays:
        array[:] = mx.nd.array(np.random.RandomState(0).uniform(1.5, 2, array.shape))
    return executor


def is_one(executor):
    return (executor.arg_dict["bn_gamma"].asnumpy() == 1).all()


@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize("wanted", [NAMES, *((name,) for name in NAMES)])
@pytest.mark.parametrize("options", [{}, {"use_global_stats": True}], ids=str)
def test_become_one_where_gradients_pass(wanted, options, is_train):
    executor = bound({n: "write" if n in wanted else "null" for n in NAMES}, **options)
    for _ in range(2):
        executor.forward(is_train=is_train)
        assert is_one(executor)
        executor.arg_dict["bn_gamma"][:] = 3


@pytest.mark.parametrize("is_train", [False, True])
def test_stay_otherwise(is_train):
    plain = bound("null")
    before_another = bound({"weight": "write"}, lambda x: x * mx.sym.Variable("weight"))
    free = bound("write", fix_gamma=False)
    for executor in (plain, before_another, free):
        executor.forward(is_train=is_train)
        assert not is_one(executor)


def test_seen_as_an_output():
    """All internal outputs of a network that is bound for training."""
    internals = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn").get_internals()
    executor = internals.simple_bind(mx.cpu(), data=(4, 3))
    executor.arg_dict["bn_gamma"][:] = 5
    outputs = dict(zip(internals.list_outputs(), executor.forward(is_train=False)))
    assert (outputs["bn_gamma"].asnumpy() == 1).all()


def test_are_ones_after_fit():
    x = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=2), name="softmax")
    module = mx.mod.Module(net)
    data = mx.io.NDArrayIter(np.random.RandomState(0).rand(8, 3), np.zeros(8), batch_size=4)
    module.fit(data, num_epoch=1, arg_params={"bn_gamma": mx.nd.full((3,), 4)}, allow_missing=True)
    assert (module.get_params()[0]["bn_gamma"].asnumpy() == 1).all()
