"""Random graphs give the same numbers with and without every optimisation, plan, level and thread count."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cyexec as mx
import planner
from cyexec.graph.build import build_graph
from cyexec.graph.graph import Graph
from cyexec.graph.infer import infer_dtypes, infer_shapes
from cyexec.kernels import levels
from cyexec.lowering.alias import share_memory
from cyexec.lowering.lower import lower
from cyexec.lowering.memory import MemoryPlan
from cyexec.passes import add_gradient, pipeline
from cyexec.runtime.schedule import set_num_threads, set_sharing_thresholds
from cyexec.symbol.node import topological

from ..ops.harness import run as run_plain
from ..strategies import evaluate, nets

SLOW = settings(max_examples=int(os.environ.get("CYEXEC_EXAMPLES", 40)), deadline=None, suppress_health_check=[
    HealthCheck.too_slow, HealthCheck.data_too_large,
])


def forward_graph(net, dtype):
    outputs = net.symbol._outputs
    shapes = {n: a.shape for n, a in {**net.args, **net.aux}.items()}
    dtypes = {n: np.dtype(dtype) for n in shapes}
    return build_graph(topological(outputs), outputs, infer_shapes(outputs, shapes), infer_dtypes(outputs, dtypes))


def bind(net, dtype, grad_req="write"):
    args = {n: mx.nd.array(a, dtype=dtype) for n, a in net.args.items()}
    aux = {n: mx.nd.array(a, dtype=dtype) for n, a in net.aux.items()}
    grads = {n: mx.nd.full(a.shape, 7, dtype=dtype) for n, a in net.args.items()} if grad_req != "null" else None
    return net.symbol.bind(mx.cpu(), args, grads, grad_req, aux)


def step(net, dtype, is_train):
    """Outputs, gradients and auxiliary states of one forward and backward."""
    mx.random.seed(5)
    executor = bind(net, dtype)
    executor.forward(is_train=is_train)
    outputs = [o.asnumpy() for o in executor.outputs]
    executor.backward([mx.nd.array(h, dtype=dtype) for h in net.heads])
    return outputs + [g.asnumpy() for g in executor.grad_arrays] + [a.asnumpy() for a in executor.aux_arrays]


@SLOW
@given(nets(modes=False))
def test_outputs_match_numpy(net):
    graph = forward_graph(net, "float64")
    wanted = evaluate(graph, {**net.args, **net.aux})
    for executor in (bind(net, "float64", "null"), bind(net, "float64")):
        for got, want in zip(executor.forward(), wanted):
            np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-9, atol=1e-12)


@SLOW
@given(nets(), st.booleans())
def test_planned_program_equals_unplanned(net, is_train):
    """Aliases, in-place steps, joined nodes and the arena change no bit of outputs or gradients."""
    # Folding a BatchNorm at inference rounds differently; tests/passes compares it within a tolerance.
    assume(is_train or not any(step.startswith(("bn", "conv")) for step in net.steps))
    mx.random.seed(5)
    got = step(net, "float32", is_train)
    base = forward_graph(net, "float32")
    graph = add_gradient.run(Graph(base.outputs, (), is_train), [(i, "write") for i in range(len(net.args))])
    # Other passes round differently, and tests/passes compares them within a tolerance.
    graph = pipeline.optimize(graph, join=False)
    values = {n: a.astype(np.float32) for n, a in {**net.args, **net.aux}.items()}
    values.update({f"_head_grad_{i}": h.astype(np.float32) for i, h in enumerate(net.heads)})
    mx.random.seed(5)
    from cyexec.runtime.seeds import next_seed

    outputs, grads = run_plain(graph, values, seed=next_seed())
    names = net.symbol.list_auxiliary_states()
    wanted = outputs + [grads[n] for n in net.symbol.list_arguments()] + [values[n] for n in names]
    for a, b in zip(got, wanted):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("copies,inplace", [(False, False), (True, False), (False, True), (True, True)])
@SLOW
@given(net=nets())
def test_buffers_alive_together_do_not_overlap(net, copies, inplace):
    graph = forward_graph(net, "float32")
    graph = pipeline.optimize(add_gradient.run(Graph(graph.outputs, (), True), [(i, "add") for i in range(len(net.args))]))
    plan = MemoryPlan(share_memory(lower(graph), copies, inplace))
    assert planner.validate(plan.plan.problem, plan.plan)
    assert plan.total >= plan.lower_bound
    for buffer in plan.buffers:
        if buffer.offset >= 0:
            assert buffer.offset + buffer.nbytes <= plan.arena_bytes[buffer.context]


@SLOW
@given(nets(), st.booleans())
def test_poisoned_memory_changes_nothing(net, is_train):
    with pytest.MonkeyPatch.context() as patch:
        plain = step(net, "float32", is_train)
        patch.setenv("CYEXEC_CHECK", "1")
        checked = step(net, "float32", is_train)
    for a, b in zip(plain, checked):
        np.testing.assert_array_equal(a, b)


@SLOW
@given(nets(), st.booleans())
def test_threads_change_no_bit(net, is_train):
    old = set_sharing_thresholds(0, 0)
    try:
        results = []
        for threads in (1, 2, 3):
            set_num_threads(threads)
            results.append(step(net, "float32", is_train))
    finally:
        set_num_threads(0)
        set_sharing_thresholds(*old)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@SLOW
@given(nets())
def test_levels_agree(net):
    before = levels.level
    try:
        results = []
        for name in levels.available_levels():
            levels.set_level(name)
            results.append(step(net, "float64", True))
    finally:
        levels.set_level(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@SLOW
@given(nets(max_nodes=8), st.integers(2, 3))
def test_add_equals_sum_of_writes(net, times):
    once = bind(net, "float64", "write")
    many = bind(net, "float64", "add")
    for g in many.grad_arrays:
        g[:] = 0
    heads = [mx.nd.array(h, dtype="float64") for h in net.heads]
    total = [0.0 for _ in once.grad_arrays]
    mx.random.seed(3)
    for _ in range(times):
        once.forward(is_train=True)
        once.backward(heads)
        total = [t + g.asnumpy() for t, g in zip(total, once.grad_arrays)]
    mx.random.seed(3)
    for _ in range(times):
        many.forward(is_train=True)
        many.backward(heads)
    for want, got in zip(total, many.grad_arrays):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-10, atol=1e-12)
