"""Recomputation lowers the arena and changes no bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyexec as mx
from cyexec.graph.graph import Graph
from cyexec.lowering.recompute import Recompute
from cyexec.passes import add_gradient

from ..ops.harness import run
from ..runtime.test_random_graphs import SLOW, forward_graph
from ..strategies import nets


def deep(layers: int = 10) -> mx.Symbol:
    net = mx.sym.Variable("data")
    for i in range(layers):
        net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=8, name=f"c{i}")
        net = mx.sym.BatchNorm(net, name=f"bn{i}", fix_gamma=False)
        net = mx.sym.Activation(net, act_type="relu", name=f"r{i}")
        if i % 3 == 1:
            net = mx.sym.Dropout(net, p=0.3, name=f"d{i}")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc"), name="softmax")


SHAPE = (4, 8, 32, 32)


def train(**kwargs):
    """Outputs, gradients and moving averages after two steps, and the plan."""
    net = deep()
    requests = {n: "null" if n in ("data", "softmax_label") else "write" for n in net.list_arguments()}
    executor = net.simple_bind(mx.cpu(), grad_req=requests, data=SHAPE, **kwargs)
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[:] = rng.uniform(-0.5, 0.5, array.shape)
    executor.arg_dict["softmax_label"][:] = [0, 1, 2, 3]
    mx.random.seed(11)
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward()
    arrays = [*executor.outputs, *(g for g in executor.grad_arrays if g is not None), *executor.aux_arrays]
    return [a.asnumpy() for a in arrays], executor.plan


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b))


def test_limit_is_kept_and_bits_stay():
    wanted, plan = train(memory_limit="1TB")
    for share in (0.9, 0.75, 0.6):
        limit = int(plan.total * share)
        got, limited = train(memory_limit=limit)
        assert limited.total <= limit
        assert same(got, wanted)
        assert any(s.node is not None and s.node.name.endswith("_again") for s in limited.program.steps)


def test_limit_as_text_and_without_need():
    wanted, plan = train(memory_limit="1GB")
    assert not any(s.node is not None and s.node.name.endswith("_again") for s in plan.program.steps)


def test_limit_that_cannot_be_kept_says_the_least():
    with pytest.raises(mx.MXNetError, match=r"memory_limit is 1000 bytes, but the least peak .* is \d+ bytes"):
        train(memory_limit=1000)


def test_the_least_is_reached_and_told_before_anything_is_allocated():
    net = deep()
    requests = {n: "null" if n in ("data", "softmax_label") else "write" for n in net.list_arguments()}
    least = net.plan(grad_req=requests, data=SHAPE, memory_limit="least").total
    wanted, plan = train(memory_limit="1TB")
    got, smallest = train(memory_limit="least")
    assert least == smallest.total < 0.7 * plan.total and same(got, wanted)
    with pytest.raises(mx.MXNetError, match=f"least peak that can be reached is {least} bytes"):
        net.plan(grad_req=requests, data=SHAPE, memory_limit=least // 2)


@pytest.mark.parametrize("limit", [-1, "many", "12XB", True, 1.5])
def test_bad_limits(limit):
    with pytest.raises(ValueError, match="memory_limit"):
        train(memory_limit=limit)


def test_mirroring_by_environment(monkeypatch):
    wanted, plan = train()
    monkeypatch.setenv("MXNET_BACKWARD_DO_MIRROR", "1")
    got, mirrored = train()
    assert mirrored.total < plan.total
    assert same(got, wanted)
    again = {s.node.op.name for s in mirrored.program.steps if s.node is not None and s.node.name.endswith("_again")}
    assert again and "Convolution" not in again


def test_mirroring_by_attribute():
    def net(force):
        attrs = {"force_mirroring": "True"} if force else {}
        with mx.AttrScope(**attrs):
            out = mx.sym.Variable("x")
            for i in range(6):
                out = mx.sym.sin(out, name=f"s{i}") * mx.sym.cos(out, name=f"c{i}")
        return mx.sym.sum(out)

    plain = net(False).plan(x=(64, 1024))
    forced = net(True).plan(x=(64, 1024))
    assert forced.total < plain.total


@SLOW
@given(nets(), st.floats(0, 1))
def test_random_graphs_keep_their_bits(net, share):
    base = forward_graph(net, "float32")
    graph = add_gradient.run(Graph(base.outputs, (), True), [(i, "write") for i in range(len(net.args))])
    values = {n: a.astype(np.float32) for n, a in {**net.args, **net.aux}.items()}
    values.update({f"_head_grad_{i}": h.astype(np.float32) for i, h in enumerate(net.heads)})
    wanted = run(graph, {k: v.copy() for k, v in values.items()}, seed=3)
    other, choice = Recompute(graph).within(int(share * 500))
    outputs, grads = run(other, {k: v.copy() for k, v in values.items()}, seed=3)
    for a, b in zip([*outputs, *grads.values()], [*wanted[0], *wanted[1].values()]):
        np.testing.assert_array_equal(a, b)
