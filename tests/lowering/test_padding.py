"""Channels that blocked layout adds cost no memory in training: values are computed twice instead."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx
from cyexec.lowering.padding import true_channels, unpadded_peak
from cyexec.lowering.room import allowed, values_peak

from ..networks import NETWORKS

S = mx.sym


def narrow(channels: int = 8):
    """Layers of few channels: half of each block is padding."""
    x = S.Variable("data")
    for i in range(5):
        x = S.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=channels, no_bias=True, name=f"c{i}")
        x = S.Activation(S.BatchNorm(x, fix_gamma=False, name=f"b{i}"), act_type="relu", name=f"r{i}")
    both = S.Concat(x, S.Convolution(x, kernel=(1, 1), num_filter=channels, name="side"), dim=1, name="both")
    return S.FullyConnected(S.Pooling(both, global_pool=True, pool_type="avg", kernel=(1, 1)), num_hidden=4, name="out")


def names(graph, found):
    return {entry.node.name: count for entry, count in found.items()}


def test_true_channels_are_known_behind_every_operator():
    graph = narrow().plan(data=(2, 3, 32, 32), grad_req="write", memory_limit="1GB").program.graph
    found = names(graph, true_channels(graph))
    assert found.pop("c0_backward") == 3  # of the input
    assert set(found.values()) == {8}
    blocked = [n for n in graph.nodes if n.op is not None and len(n.shapes[0]) == 5]
    assert {n.name for n in blocked} == {*found, "c0_backward"}


def test_true_channels_of_a_deconvolution():
    x = S.Convolution(S.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=5, name="c")
    net = S.Deconvolution(x, kernel=(2, 2), stride=(2, 2), num_filter=9, name="up") * 2
    graph = net.plan(data=(1, 3, 16, 16), grad_req="write", memory_limit="1GB").program.graph
    found = {entry.node.op.name: count for entry, count in true_channels(graph).items()}
    assert found["_BlockedConvolution"] == found["_BlockedDeconvolutionGradient"] == 5
    assert found["_BlockedDeconvolution"] == 9


def test_peak_without_padding_is_that_of_the_channels():
    """In layers of 8 channels half of all that is alive is padding; of 16, nothing."""
    plan = narrow().plan(data=(8, 3, 64, 64), grad_req="write", memory_limit="1GB")
    padded = values_peak(plan.program, plan._lives)
    assert 0.45 * padded < unpadded_peak(plan.program, plan._lives) < 0.65 * padded
    whole = narrow(16).plan(data=(8, 3, 64, 64), grad_req="write")
    assert unpadded_peak(whole.program, whole._lives) == values_peak(whole.program, whole._lives)


@pytest.mark.parametrize("name,batch", [("mobilenet0.25", 2), ("mobilenetv2_0.25", 1)])
def test_padding_costs_no_memory_in_training(name, batch):
    network = NETWORKS[name]
    symbol, shapes = network.build(mx), network.shapes(batch)
    free = symbol.plan(grad_req="write", memory_limit="1TB", **shapes)
    plan = symbol.plan(grad_req="write", **shapes)
    assert plan.total < free.total
    assert plan.total <= allowed(unpadded_peak(free.program, free._lives)) * 1.002  # gaps between values


def test_gradients_are_the_same_bits():
    symbol, results = narrow(), []
    for limit in (None, "1TB"):
        executor = symbol.simple_bind(mx.cpu(), data=(8, 3, 64, 64), grad_req="write", memory_limit=limit)
        rng = np.random.RandomState(0)
        for name in sorted(executor.arg_dict):
            executor.arg_dict[name][:] = rng.uniform(-0.5, 0.5, executor.arg_dict[name].shape)
        outputs = executor.forward(is_train=True)
        executor.backward([mx.nd.ones(o.shape) for o in outputs])
        results.append((executor.plan.total, [a.asnumpy() for a in (*outputs, *executor.grad_arrays)]))
    (least, found), (free, wanted) = results
    assert least < free
    for a, b in zip(found, wanted):
        np.testing.assert_array_equal(a, b)
