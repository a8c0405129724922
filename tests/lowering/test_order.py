"""Reordering lowers the arena and changes no number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import cyexec as mx
from cyexec.graph.graph import Graph
from cyexec.lowering import order
from cyexec.lowering.alias import share_memory
from cyexec.lowering.dag import BARRIER, program_dag
from cyexec.lowering.lower import lower
from cyexec.lowering.memory import MemoryPlan
from cyexec.lowering.order import Ordered, in_order, order_nodes
from cyexec.lowering.program import Program
from cyexec.lowering.room import GRAIN
from cyexec.passes import add_gradient
from cyexec.runtime import compiled, programs

from ..networks import NETWORKS
from ..ops.harness import run
from ..runtime.test_random_graphs import SLOW, forward_graph
from ..strategies import nets


def wide_then_narrow(branches: int = 6) -> mx.Symbol:
    """Many wide values that MXNet's order makes first and sums up last."""
    x = mx.sym.Variable("x")
    wide = [mx.sym.Concat(*[x + float(i)] * 16, dim=1) for i in range(branches)]
    sums = [mx.sym.sum(w * w, axis=1, keepdims=True) for w in wide]
    return mx.sym.Concat(*[mx.sym.tanh(s) for s in sums], *[mx.sym.max(w, axis=1, keepdims=True) for w in wide], dim=1)


def test_order_lowers_the_arena(monkeypatch):
    ordered = wide_then_narrow().plan(grad_req="null", x=(64, 64))
    monkeypatch.setattr(compiled, "order_nodes", lambda program, **options: Ordered(program, 0, 0))
    given_order = wide_then_narrow().plan(grad_req="null", x=(64, 64))
    assert ordered.total < given_order.total


@pytest.mark.parametrize(
    "symbol,shape", [(wide_then_narrow(), (64, 64)), (NETWORKS["resnet20"].build(mx), (8, 3, 32, 32))]
)
def test_programs_are_placed_once(symbol, shape, monkeypatch):
    """Searching offsets is the dearest part of planning: it is done for the order that was found, not for the given one too."""
    made = []
    monkeypatch.setattr(compiled, "MemoryPlan", lambda *args: made.append(MemoryPlan(*args)) or made[-1])
    programs.clear()
    plan = symbol.plan(grad_req="write", **{symbol.list_inputs()[0]: shape})
    assert made == [plan]


def test_small_programs_are_not_searched(monkeypatch):
    monkeypatch.setattr(order, "program_dag", None)
    x = mx.sym.Variable("x")
    assert mx.sym.FullyConnected(mx.sym.tanh(x), num_hidden=8).plan(x=(16, 32), grad_req="write").optimal


def test_backward_stays_behind_forward():
    executor = wide_then_narrow().simple_bind(mx.cpu(), x=(64, 64))
    graph = executor.plan.program.graph
    forward = set(graph.nodes[: graph.num_forward])
    assert all(e.node in forward for e in graph.outputs)
    x = np.random.default_rng(0).uniform(-1, 1, (64, 64)).astype(np.float32)
    executor.forward(is_train=True, x=x)
    executor.backward(mx.nd.ones(executor.outputs[0].shape))
    small = wide_then_narrow().simple_bind(mx.cpu(), x=(64, 64), grad_req="null")
    np.testing.assert_array_equal(small.forward(x=x)[0].asnumpy(), executor.outputs[0].asnumpy())


def check_same_steps(a: Program, b: Program) -> None:
    """Whether two programs are the same but for the numbers of their buffers."""
    numbers: dict[int, int] = {}
    assert (a.graph, a.num_forward, a.spans) == (b.graph, b.num_forward, b.spans)
    for x, y in zip(a.steps, b.steps, strict=True):
        assert (x.kernel, x.args, x.node, x.inplace) == (y.kernel, y.args, y.node, y.inplace)
        for p, q in zip((*x.reads, *x.writes), (*y.reads, *y.writes), strict=True):
            assert numbers.setdefault(p.buffer, q.buffer) == q.buffer and p[1:] == q[1:]
    assert len(set(numbers.values())) == len(numbers)


@SLOW
@given(nets())
def test_any_order_gives_the_same_bits(net):
    base = forward_graph(net, "float32")
    graph = add_gradient.run(Graph(base.outputs, (), True), [(i, "write") for i in range(len(net.args))])
    dag = program_dag(share_memory(lower(graph), inplace=False))
    # Latest first, as far as the dag allows: an order far from the one given.
    waiting = {n.id: set(n.inputs) | set(n.after) for n in dag.nodes}
    picked = []
    while waiting:
        ready = max(i for i, before in waiting.items() if not before & waiting.keys())
        picked.append(ready)
        del waiting[ready]
    values = {n: a.astype(np.float32) for n, a in {**net.args, **net.aux}.items()}
    values.update({f"_head_grad_{i}": h.astype(np.float32) for i, h in enumerate(net.heads)})
    wanted = run(graph, {k: v.copy() for k, v in values.items()}, seed=3)
    for other in (in_order(graph, picked), order_nodes(lower(graph)).program.graph):
        check_same_steps(lower(other), lower(graph).in_order(other))
        outputs, grads = run(other, {k: v.copy() for k, v in values.items()}, seed=3)
        for a, b in zip([*outputs, *grads.values()], [*wanted[0], *wanted[1].values()]):
            np.testing.assert_array_equal(a, b)


def test_large_graphs_are_left_in_their_order(monkeypatch):
    monkeypatch.setattr("cyexec.lowering.order.MOST_NODES", 5)
    program = lower(wide_then_narrow().simple_bind(mx.cpu(), x=(2, 2), grad_req="null")._graph)
    assert order_nodes(program).program is program


@pytest.mark.parametrize("with_gradients", [False, True])
def test_dag_has_every_operator_once(with_gradients):
    executor = wide_then_narrow(2).simple_bind(mx.cpu(), x=(2, 2), grad_req="write" if with_gradients else "null")
    graph = executor.plan.program.graph
    dag = program_dag(share_memory(lower(graph), inplace=False))
    ids = [n.id for n in dag.nodes if n.id >= 0]
    assert sorted(ids) == [i for i, n in enumerate(graph.nodes) if n.op is not None]
    assert (BARRIER in [n.id for n in dag.nodes]) == with_gradients


def test_estimate_is_the_arena():
    """Views, steps in place and the small values that a normalisation leaves are known to the graph that is ordered."""
    net = mx.sym.Variable("x")
    for i in range(6):
        net = mx.sym.Convolution(net, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"c{i}")
        net = mx.sym.Activation(mx.sym.BatchNorm(net, name=f"bn{i}"), act_type="relu", name=f"r{i}")
    plan = net.plan(x=(8, 8, 32, 32), grad_req="write")
    estimate = program_dag(share_memory(lower(plan.program.graph), inplace=False)).peak()
    # Workspaces fill a started megabyte, and do with less beyond it.
    assert estimate <= plan.total <= -(-estimate // GRAIN) * GRAIN
