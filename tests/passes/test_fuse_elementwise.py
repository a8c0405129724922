"""Fusion of elementwise chains: what is joined, what is not, and that no bit changes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyexec as mx
from cyexec.graph import spec
from cyexec.graph.graph import Graph
from cyexec.graph.to_symbol import graph_symbol
from cyexec.ops import registry
from cyexec.ops.fused import FusedParams
from cyexec.passes import add_gradient, fuse_elementwise
from cyexec.runtime.binding import _inferred_graph

from ..ops.harness import run
from ..runtime.test_random_graphs import SLOW, forward_graph
from ..strategies import nets


@pytest.fixture(autouse=True)
def names():
    with mx.name.NameManager():
        yield


def graph_of(symbol, dtype="float32", **shapes):
    types = {n: np.dtype(dtype) for n in symbol.list_arguments()}
    return _inferred_graph(symbol, shapes, types)


def fused(symbol, dtype="float32", **shapes):
    """Operators of every node after the pass, by name."""
    graph = fuse_elementwise.run(graph_of(symbol, dtype, **shapes))
    spec.check(graph)
    return {n.name: n.params.operators if n.op.name == "_fused_elementwise" else n.op.name for n in graph.nodes if n.op}


def test_a_chain_becomes_one_node_called_as_its_last():
    x = mx.sym.Variable("x")
    y = mx.sym.exp(-x * x) * 2 + mx.sym.sqrt(mx.sym.abs(x)) - mx.sym.tanh(x) / 3
    assert list(fused(y, x=(2, 3))) == ["_minus0"]


def test_a_path_through_another_node_is_not_closed_into_a_cycle():
    x = mx.sym.Variable("x")
    a = mx.sym.exp(x, name="a")
    b = mx.sym.tanh(a, name="b")
    c = mx.sym.softmax(b, name="c")
    d = mx.sym.elemwise_add(b, mx.sym.sin(c, name="s"), name="d")
    assert fused(d, x=(2, 3)) == {"b": "exp tanh", "c": "softmax", "d": "sin elemwise_add"}


def test_a_node_sinks_to_its_only_readers():
    x = mx.sym.Variable("x")
    early = mx.sym.exp(x, name="early")
    late = mx.sym.elemwise_add(early, mx.sym.softmax(x, name="soft"), name="late")
    assert fused(late, x=(2, 3)) == {"soft": "softmax", "late": "exp elemwise_add"}


def test_a_node_does_not_sink_where_it_would_keep_two_values_alive():
    x = mx.sym.Variable("x")
    p, q = mx.sym.softmax(x, name="p"), mx.sym.softmax(x, axis=0, name="q")
    early = mx.sym.elemwise_mul(p, q, name="early")
    late = mx.sym.elemwise_add(early, mx.sym.softmax(early, name="soft") + 1.0, name="late")
    other = mx.sym.elemwise_add(mx.sym.elemwise_mul(p, q, name="e2"), mx.sym.softmax(x, name="r"), name="late2")
    assert "late" in fused(late, x=(2, 3))
    assert fused(other, x=(2, 3))["late2"] == "elemwise_mul elemwise_add"  # p, q and r have one depth: nothing to sink
    deep = mx.sym.softmax(mx.sym.softmax(x, name="r"), name="r2")
    other = mx.sym.elemwise_add(mx.sym.elemwise_mul(p, q, name="e2"), deep, name="late3")
    assert fused(other, x=(2, 3))["e2"] == "elemwise_mul"


def test_shapes_and_dtypes_are_not_mixed():
    x = mx.sym.Variable("x")
    small = mx.sym.exp(mx.sym.tanh(mx.sym.Variable("b")), name="small")
    wide = mx.sym.tanh(mx.sym.broadcast_add(x, small), name="wide")
    cast = mx.sym.sqrt(mx.sym.Cast(mx.sym.abs(wide, name="abs"), dtype="float64", name="cast"), name="root")
    assert fused(cast, x=(2, 3), b=(1, 3)) == {
        "small": "tanh exp", "abs": "broadcast_add tanh abs", "cast": "Cast", "root": "sqrt",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_dtypes_that_are_computed_in_a_wider_one_are_left_alone(dtype):
    x = mx.sym.Variable("x")
    assert list(fused(mx.sym.exp(mx.sym.sqrt(x, name="a"), name="b"), dtype, x=(4,))) == ["a", "b"]


def test_operators_that_lower_to_one_elementwise_step_take_part():
    x = mx.sym.Variable("x")
    y = mx.sym.LeakyReLU(mx.sym.clip(x, a_min=-1, a_max=1) + 1.0, act_type="prelu", gamma=mx.sym.Variable("g"), name="p")
    y = mx.sym.add_n(y, x, x, name="sum")
    assert fused(y, x=(2, 3, 4)) == {"sum": "clip _plus_scalar LeakyReLU add_n"}


def test_values_that_others_read_stay():
    x = mx.sym.Variable("x")
    a = mx.sym.exp(x, name="a")
    b = mx.sym.tanh(a, name="b")
    graph = fuse_elementwise.run(graph_of(mx.sym.Group([b, mx.sym.softmax(a, name="s")]), x=(2, 3)))
    node = graph.outputs[0].node
    assert node.op.output_names(node.params) == ("a_output", "output")


def test_long_chains_are_cut():
    net = mx.sym.Variable("x")
    for i in range(250):
        net = mx.sym.tanh(net) if i % 2 else net * 1.5
    nodes = fused(net, x=(3,))
    assert 3 <= len(nodes) <= 4
    wide = mx.sym.Variable("y0") + 0.0
    for i in range(1, 80):
        wide = wide + mx.sym.Variable(f"y{i}")
    assert len(fused(wide, **{f"y{i}": (3,) for i in range(80)})) == 3


def test_forward_and_backward_parts_are_not_mixed():
    x = mx.sym.Variable("x")
    base = graph_of(mx.sym.tanh(x * 2.0), x=(2, 3))
    graph = fuse_elementwise.run(add_gradient.run(Graph(base.outputs, (), True), [(0, "write")]))
    assert [n.params.operators for n in graph.nodes if n.op] == ["_mul_scalar tanh", "_backward_tanh _backward_mul_scalar"]
    assert graph.num_forward == 2


def test_equal_instructions_are_computed_once():
    x = mx.sym.Variable("x")
    graph = fuse_elementwise.run(graph_of(mx.sym.exp(x) + mx.sym.exp(x), x=(4,)))
    assert [line[0] for line in graph.outputs[0].node.params.code] == ["exp", "add"]


def test_signed_zeros_are_told_apart():
    x = mx.sym.Variable("x")
    y = mx.sym.Group([1.0 / (x * 0.0), 1.0 / (x * -0.0)])
    executor = mx.sym.Group([y[0] + 0.0, y[0] + y[1]]).bind(mx.cpu(), {"x": mx.nd.ones((3,))})
    first, both = executor.forward()
    assert np.all(first.asnumpy() == np.inf) and np.all(np.isnan(both.asnumpy()))


def text(graph):
    return graph_symbol(graph, with_targets=True).debug_str()


@SLOW
@given(nets(), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_no_bit_changes(net, is_train, dtype):
    base = forward_graph(net, dtype)
    graph = add_gradient.run(Graph(base.outputs, (), is_train), [(i, "write") for i in range(len(net.args))])
    done = fuse_elementwise.run(graph)
    spec.check(done)
    again = fuse_elementwise.run(done)
    assert text(again) == text(done), f"\n{text(graph)}\n{text(done)}\n{text(again)}"
    values = {n: a.astype(dtype) for n, a in {**net.args, **net.aux}.items()}
    values.update({f"_head_grad_{i}": h.astype(dtype) for i, h in enumerate(net.heads)})
    wanted = run(graph, {k: v.copy() for k, v in values.items()}, seed=3)
    got = run(done, {k: v.copy() for k, v in values.items()}, seed=3)
    for a, b in zip([*got[0], *got[1].values()], [*wanted[0], *wanted[1].values()]):
        np.testing.assert_array_equal(a, b)


def test_a_monitor_sees_every_node():
    x = mx.sym.Variable("x")
    executor = mx.sym.tanh(mx.sym.exp(x, name="a"), name="b").bind(mx.cpu(), {"x": mx.nd.ones((3,))})
    seen = {}
    executor.set_monitor_callback(lambda name, value: seen.update({name: value.asnumpy()}))
    executor.forward()
    assert list(seen) == ["a_output", "b_output"]
    np.testing.assert_allclose(seen["a_output"], np.e, rtol=1e-6)


def test_elementwise_operators_read_all_their_inputs():
    """An input that is not read would be kept in memory for nothing."""
    for op in registry.all_ops():
        if op.elementwise is None:
            continue
        try:
            params = op.params()
        except TypeError:  # a required parameter: those operators have few, and their cases run them
            continue
        count = len(op.input_names(params))
        read = {a for instr in op.elementwise(params) for a in instr.args if a < count}
        assert len(read) == count, op.name


def test_the_optimised_symbol_can_be_saved_and_bound_again():
    x = mx.sym.Variable("x")
    symbol = mx.sym.LeakyReLU(mx.sym.exp(-x * x) + 1.0, act_type="prelu", gamma=mx.sym.Variable("g")) / float("inf") + x
    values = {"x": mx.nd.array(np.linspace(-2, 2, 12).reshape(2, 3, 2)), "g": mx.nd.array([0.5, 1, 2])}
    executor = symbol.bind(mx.cpu(), values)
    optimised = executor.get_optimized_symbol()
    assert [n["op"] for n in json.loads(optimised.tojson())["nodes"] if n["op"] != "null"] == ["_fused_elementwise"]
    again = mx.sym.load_json(optimised.tojson()).bind(mx.cpu(), values)
    np.testing.assert_array_equal(again.forward()[0].asnumpy(), executor.forward()[0].asnumpy())


def test_code_is_read_back_from_text():
    code = (("mul_s", (0,), float("inf")), ("add", (0, 1), 0.0), ("maximum_s", (2,), -0.5))
    params = FusedParams(nodes="a", operators="b", shape=(2,), views=((2,),), code=code, results=(3,))
    assert FusedParams.fields["code"].parse(str(params.code)) == code
