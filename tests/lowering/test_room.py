"""Workspaces answer to the memory there is, and change no number."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx
from cyexec.lowering import memory, room
from cyexec.lowering.liveness import lifetimes

from ..models.random_networks import network
from ..networks import NETWORKS

S = mx.sym
pytestmark = pytest.mark.usefixtures("unchecked")


def plain_layers():
    """Products, and convolutions that have no blocked kernels (three dimensions, transposed ones)."""
    x = S.Variable("data")
    x = S.Convolution(S.reshape(x, shape=(0, 2, 3, 12, 12)), kernel=(2, 3, 3), num_filter=20, name="volume")
    x = S.reshape(x, shape=(0, -3, 0, 0))
    for i, filters in enumerate((260, 24)):
        x = S.Deconvolution(x, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=filters, name=f"up{i}")
    x = S.FullyConnected(S.Pooling(x, kernel=(4, 4), stride=(4, 4), pool_type="avg"), num_hidden=270, name="dense")
    return S.FullyConnected(x, num_hidden=300, name="head")


def results(symbol, shape):
    """Plans, outputs and gradients of one step of training."""
    executor = symbol.simple_bind(mx.cpu(), data=shape, grad_req="write")
    rng = np.random.RandomState(0)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for name in sorted(arrays):
            arrays[name][:] = rng.uniform(0.1, 0.5, arrays[name].shape)
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.ones(o.shape) for o in outputs])
    plan = executor.plan
    arrays = [*outputs, *(g for g in executor.grad_arrays if g is not None)]
    inference = executor.forward(is_train=False)
    return plan, [a.asnumpy() for a in (*arrays, *inference)]


@pytest.mark.parametrize("case", ["plain", *range(12)])
def test_least_workspaces_give_the_same_bits(case, monkeypatch):
    symbol, shape = (plain_layers(), (3, 6, 12, 12)) if case == "plain" else network(case)
    plan, wanted = results(symbol, shape)
    monkeypatch.setattr(memory, "limit_workspaces", lambda program, lives: room.limit_workspaces(program, lives, int))
    least, found = results(symbol, shape)
    assert least.total <= plan.total
    for a, b in zip(wanted, found):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "name,batch", [("resnet18_v1", 1), ("alexnet", 1), ("lenet", 4), ("lstm", 1), ("resnet20", 16)]
)
@pytest.mark.parametrize("mode", ["null", "write"])
def test_workspaces_do_not_raise_the_peak(name, batch, mode):
    """Beyond the megabyte that the values have begun, or a fiftieth of them."""
    network = NETWORKS[name]
    plan = network.build(mx).plan(grad_req=mode, **network.shapes(batch))
    assert plan.lower_bound <= room.allowed(room.values_peak(plan.program, lifetimes(plan.program)))


def test_workspaces_that_fit_stay_as_they_are():
    x = S.Variable("data")
    inner = S.Convolution(x, kernel=(3, 3), num_filter=16, name="a")
    symbol = S.Convolution(inner, kernel=(3, 3), num_filter=16, name="b")
    plan = symbol.plan(data=(1, 16, 12, 12))
    for step in plan.program.steps:
        if step.variants is not None:
            fastest = step.variants(None)
            assert step.writes[-1].size == fastest.size
            assert fastest.args.items() <= step.args.items()
