"""Products of unrolled steps, joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.passes import join_dense

from .compare import check_pass, check_same_numbers, graph_of, lines


def split_steps(axis, steps=4):
    return list(mx.sym.SliceChannel(mx.sym.var("x"), num_outputs=steps, axis=axis, squeeze_axis=True, name="s"))


@pytest.mark.parametrize(
    "axis,shape,before",
    [
        (0, (4, 2, 5), []),
        (1, (2, 4, 5), ["fc0_steps = transpose(x)"]),
        (1, (1, 4, 5), ["fc0_steps = _reshape_to(x)"]),
    ],
)
def test_slices_of_one_array(axis, shape, before):
    weights = [mx.sym.var("w"), mx.sym.var("b")]
    outs = [mx.sym.FullyConnected(x, *weights, num_hidden=3, name=f"fc{i}") for i, x in enumerate(split_steps(axis))]
    source, product, parts = ("fc0_steps", "fc0_steps1", "fc0_steps2") if before else ("x", "fc0_steps", "fc0_steps1")
    check_pass(
        join_dense.run,
        graph_of(mx.sym.Group(outs), x=shape),
        [
            *before,
            f"{product} = FullyConnected({source}, w, b)",
            f"{parts} = SliceChannel({product})",
            "return " + ", ".join([parts, *(f"{parts}:{i}" for i in range(1, 4))]),
        ],
    )


def test_other_data_is_stacked():
    weights = [mx.sym.var("w"), mx.sym.var("b")]
    outs = [
        mx.sym.FullyConnected(mx.sym.exp(x, name=f"e{i}"), *weights, num_hidden=3, name=f"fc{i}")
        for i, x in enumerate(split_steps(0))
    ]
    assert lines(join_dense.run(graph_of(mx.sym.Group(outs), x=(4, 2, 5))))[5:] == [
        "fc0_steps = stack(e0, e1, e2, e3)",
        "fc0_steps1 = FullyConnected(fc0_steps, w, b)",
        "fc0_steps2 = SliceChannel(fc0_steps1)",
        "return fc0_steps2, fc0_steps2:1, fc0_steps2:2, fc0_steps2:3",
    ]


def recurrent(layers=1, steps=5):
    stack = mx.rnn.SequentialRNNCell()
    for i in range(layers):
        stack.add(mx.rnn.RNNCell(4, prefix=f"l{i}_"))
    return stack.unroll(steps, mx.sym.var("x"), merge_outputs=True)[0]


def test_states_are_not_joined_but_inputs_of_every_layer_are():
    counts = [0, 0]
    for k, graph in enumerate(
        [graph_of(recurrent(2), x=(2, 5, 3)), join_dense.run(graph_of(recurrent(2), x=(2, 5, 3)))]
    ):
        counts[k] = sum(node.op is not None and node.op.name == "FullyConnected" for node in graph.nodes)
    assert counts == [20, 12]  # of each layer one for the inputs, five for the states


def test_layers_that_feed_each_other_make_no_cycle():
    """Two weights, each applied before and after the other: joining both would be a cycle."""
    weights = {n: [mx.sym.var(f"{n}_w"), mx.sym.var(f"{n}_b")] for n in "pq"}
    outs = []
    for i, x in enumerate(split_steps(0, 8)):
        for k in "pq" if i % 2 else "qp":
            x = mx.sym.FullyConnected(x, *weights[k], num_hidden=3, name=f"{k}{i}")
        outs.append(x)
    graph = join_dense.run(graph_of(mx.sym.Group(outs), x=(8, 2, 3)))
    names = [node.name for node in graph.nodes if node.op is not None and node.op.name == "FullyConnected"]
    assert len(names) == 9  # one of the two weights is joined, the other one then cannot be
    check_same_numbers(join_dense.run, graph_of(mx.sym.Group(outs), x=(8, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("case", ["few", "rows", "weights", "hidden"])
def test_left_alone(case):
    steps = 3 if case == "few" else 4
    weights = [mx.sym.var("b")]
    w = mx.sym.var("w")
    outs = []
    for i, x in enumerate(split_steps(0, steps)):
        weight = mx.sym.var(f"w{i}") if case == "weights" else w
        outs.append(mx.sym.FullyConnected(x, weight, *weights, num_hidden=3, name=f"fc{i}"))
    shape = (steps, 100 if case == "rows" else 2, 5)
    if case == "hidden":  # each reads the one before
        outs, x = [], mx.sym.var("x")
        for i in range(4):
            x = mx.sym.FullyConnected(x, w, *weights, num_hidden=5, name=f"fc{i}")
            outs.append(x)
        shape = (2, 5)
    graph = graph_of(mx.sym.Group(outs), x=shape)
    assert lines(join_dense.run(graph)) == lines(graph)


@settings(max_examples=20, deadline=None)
@given(
    axis=st.integers(0, 1), steps=st.integers(4, 7), rows=st.integers(1, 5), columns=st.integers(1, 9),
    hidden=st.integers(1, 9), order=st.randoms(use_true_random=False), no_bias=st.booleans(),
)  # fmt: skip
def test_same_numbers(axis, steps, rows, columns, hidden, order, no_bias):
    """In whatever order the steps are used."""
    weights = [mx.sym.var("w")] + ([] if no_bias else [mx.sym.var("b")])
    slices = split_steps(axis, steps)
    order.shuffle(slices)
    outs = [
        mx.sym.FullyConnected(x, *weights, num_hidden=hidden, no_bias=no_bias, name=f"fc{i}")
        for i, x in enumerate(slices)
    ]
    shape = (steps, rows, columns) if axis == 0 else (rows, steps, columns)
    graph = graph_of(mx.sym.Group(outs), dtype="float64", x=shape)
    check_same_numbers(join_dense.run, graph, rtol=1e-13)


def test_gradients_of_an_unrolled_network():
    """Against the same weights in the fused operator."""
    fused = mx.rnn.FusedRNNCell(4, 2, "gru", prefix="g_")
    results = []
    for cell in (fused, fused.unfuse()):
        symbol, _ = cell.unroll(6, mx.sym.var("x"), layout="TNC", merge_outputs=True)
        executor = symbol.simple_bind(mx.cpu(), x=(6, 3, 5))
        packed = {
            "g_parameters": mx.nd.array(np.random.default_rng(1).uniform(-1, 1, (3 * 4 * (5 + 4 + 2 + 4 + 4 + 2),)))
        }
        executor.copy_params_from(packed if cell is fused else cell.pack_weights(fused.unpack_weights(packed)))
        executor.arg_dict["x"][:] = np.random.default_rng(2).uniform(-1, 1, (6, 3, 5))
        executor.forward(is_train=True)
        executor.backward([mx.nd.ones((6, 3, 4))])
        results.append(cell.unpack_weights({k: v for k, v in executor.grad_dict.items() if k != "x"}))
    for name, want in results[0].items():
        np.testing.assert_allclose(results[1][name].asnumpy(), want.asnumpy(), rtol=1e-4, atol=1e-5, err_msg=name)
