"""Convolution, Deconvolution and Pooling of random geometry against plain loops, and their messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.base import MXNetError, ShapeError
from cyexec.graph.graph import make_node
from cyexec.kernels import levels
from cyexec.ops import registry
from cyexec.ops.schema import Case
from cyexec.runtime import materialize as materialize_module
from cyexec.runtime import schedule

from . import harness


def run(name, inputs, params, gradients=True):
    """Outputs, gradients and head gradients of one operator over arrays by name."""
    op = registry.get(name)
    case = Case({k: v.shape for k, v in inputs.items()}, params)
    graph = harness.build(op, case, list(inputs.values()), gradients)
    head = np.random.default_rng(3).uniform(-1, 1, graph.outputs[0].shape).astype(graph.outputs[0].dtype)
    outputs, grads = harness.run(graph, {**{k: v.copy() for k, v in inputs.items()}, "_head_grad_0": head})
    return outputs[0], grads, head


@st.composite
def geometries(draw):
    """(data shape, weight shape, parameters) of a convolution in one to three dimensions."""
    rank = draw(st.integers(1, 3))
    small = st.integers(1, 3)
    kernel, stride, dilate = (tuple(draw(small) for _ in range(rank)) for _ in range(3))
    pad = tuple(draw(st.integers(0, 2)) for _ in range(rank))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels, filters = groups * draw(small), groups * draw(st.integers(1, 9))
    size = []
    for k, d, p in zip(kernel, dilate, pad):
        reach = d * (k - 1) + 1
        size.append(draw(st.integers(max(1, reach - 2 * p), reach + 9)))
    params = {
        "kernel": kernel,
        "stride": stride,
        "dilate": dilate,
        "pad": pad,
        "num_filter": filters,
        "num_group": groups,
    }
    return (draw(st.integers(1, 3)), channels, *size), (filters, channels // groups, *kernel), params


def loop_convolution(x, w, p, out_size):
    """The patches of padded `x`, tap by tap: forward result and a function that scatters back."""
    pad = [(0, 0), (0, 0)] + [(d, d) for d in p["pad"]]
    padded = np.pad(x, pad)
    groups = p["num_group"]
    out = np.zeros((len(x), len(w), *out_size))
    grads = np.zeros(padded.shape), np.zeros(w.shape)
    per_in, per_out = w.shape[1], len(w) // groups
    terms = []
    for f in range(len(w)):
        for c in range(per_in):
            channel = f // per_out * per_in + c
            for tap in np.ndindex(*w.shape[2:]):
                where = tuple(
                    slice(t * d, t * d + (o - 1) * s + 1, s)
                    for t, d, o, s in zip(tap, p["dilate"], out_size, p["stride"])
                )
                terms.append((f, (slice(None), channel, *where), (f, c, *tap)))
                out[:, f] += padded[(slice(None), channel, *where)] * w[(f, c, *tap)]

    def backward(dy):
        for f, where, tap in terms:
            grads[0][where] += dy[:, f] * w[tap]
            grads[1][tap] += (dy[:, f] * padded[where]).sum()
        inner = tuple(slice(a, a + n) for (a, _), n in zip(pad, x.shape))
        return grads[0][inner], grads[1]

    return out, backward


@pytest.mark.parametrize("level", levels.available_levels())
@settings(max_examples=60, deadline=None)
@given(geometry=geometries(), bias=st.booleans(), seed=st.integers(0, 9))
def test_convolution_is_the_loop(level, geometry, bias, seed):
    data, weight, params = geometry
    rng = np.random.default_rng(seed)
    inputs = {"data": rng.uniform(-1, 1, data), "weight": rng.uniform(-1, 1, weight)}
    if bias:
        inputs["bias"] = rng.uniform(-1, 1, weight[0])
    before = levels.level
    levels.set_level(level)
    try:
        got, grads, head = run("Convolution", inputs, {**params, "no_bias": not bias})
    finally:
        levels.set_level(before)
    want, backward = loop_convolution(inputs["data"], inputs["weight"], params, got.shape[2:])
    if bias:
        want += inputs["bias"].reshape(-1, *(1,) * (len(data) - 2))
        np.testing.assert_allclose(grads["bias"], head.sum(axis=(0, *range(2, len(data)))), atol=1e-12)
    np.testing.assert_allclose(got, want, atol=1e-12)
    by_data, by_weight = backward(head)
    np.testing.assert_allclose(grads["data"], by_data, atol=1e-12)
    np.testing.assert_allclose(grads["weight"], by_weight, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(geometry=geometries(), seed=st.integers(0, 9))
def test_deconvolution_is_the_transposed_convolution(geometry, seed):
    """<Convolution(x), y> = <x, Deconvolution(y)> for every x and y, where the shapes match."""
    data, weight, params = geometry
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(-1, 1, data), rng.uniform(-1, 1, weight)
    forward, _, _ = run("Convolution", {"data": x, "weight": w}, {**params, "no_bias": True}, gradients=False)
    y = rng.uniform(-1, 1, forward.shape)
    reach = [d * (k - 1) + 1 for k, d in zip(params["kernel"], params["dilate"])]
    whole = [(n - 1) * s + r - 2 * p for n, s, r, p in zip(y.shape[2:], params["stride"], reach, params["pad"])]
    adj = tuple(n - m for n, m in zip(data[2:], whole))  # what the division by the stride dropped
    back, grads, head = run("Deconvolution", {"data": y, "weight": w}, {**params, "num_filter": data[1], "adj": adj})
    assert back.shape == x.shape
    np.testing.assert_allclose((forward * y).sum(), (x * back).sum(), rtol=1e-10, atol=1e-10)
    again, _, _ = run("Convolution", {"data": head, "weight": w}, {**params, "no_bias": True}, gradients=False)
    np.testing.assert_allclose(grads["data"], again, atol=1e-12)


def error(name, params, *shapes):
    op = registry.get(name)
    names = op.input_names(op.params.parse(params, name))
    nodes = [harness.variable(n, np.zeros(s, np.float32)) for n, s in zip(names, shapes)]
    with pytest.raises(MXNetError) as caught:
        make_node(op, op.params.parse(params, name), [n[0] for n in nodes], "conv0")
    return str(caught.value)


def test_messages_say_what_was_expected():
    params = {"kernel": (3, 3), "num_filter": 64}
    text = error("Convolution", params, (1, 4, 8, 8), (64, 3, 3, 3), (64,))
    assert text.startswith(
        "Convolution 'conv0': weight is (64, 3, 3, 3) but data has 4 channels (num_group=1); expected (64, 4, 3, 3)"
    )
    assert "exceeds the padded input" in error("Convolution", params, (1, 4, 2, 8), (64, 4, 3, 3), (64,))
    assert "needs 4 dimensions (NCHW)" in error("Convolution", params, (1, 4, 8), (64, 4, 3, 3), (64,))
    assert "2 values for 1" not in error("Convolution", {**params, "stride": (2,)}, (1, 4, 8, 8), (64, 4, 3, 3), (64,))
    assert "not supported on CPU" in error(
        "Convolution", {**params, "layout": "NHWC"}, (1, 8, 8, 4), (64, 3, 3, 4), (64,)
    )
    assert "multiple of num_group=3" in error(
        "Convolution", {**params, "num_group": 3}, (1, 4, 8, 8), (64, 1, 3, 3), (64,)
    )
    assert "expected (5, 12)" in error("FullyConnected", {"num_hidden": 5}, (2, 3, 4), (5, 11), (5,))
    assert "p_value" not in error("Pooling", {"kernel": (5, 5)}, (1, 1, 4, 4))
    assert "do not fit" in error("dot", {}, (2, 3), (4, 5))


def test_partial_shapes():
    conv = registry.get("Convolution")
    p = conv.params(kernel=(3, 3), num_filter=4)
    ins, outs = conv.infer_shape(p, [(-1, 3, -1, -1), None, None], [(2, 4, 5, 6)])
    assert ins == [(2, 3, 7, 8), (4, 3, 3, 3), (4,)] and outs == [(2, 4, 5, 6)]
    ins, outs = conv.infer_shape(p, [(2, -1, 5, 5), (4, 3, 3, 3), None], [None])
    assert ins[0] == (2, 3, 5, 5) and outs == [(2, 4, 3, 3)]
    with pytest.raises(ShapeError, match="batch"):
        conv.infer_shape(p, [(2, 3, 5, 5), None, None], [(3, 4, 3, 3)])
    pool = registry.get("Pooling")
    assert pool.infer_shape(pool.params(kernel=(2, 2)), [(1, 3, -1, 4)], [None])[1] == [(1, 3, -1, 3)]
    fc = registry.get("FullyConnected")
    ins, outs = fc.infer_shape(fc.params(num_hidden=5), [(-1, 3, 4), None, None], [(2, 5)])
    assert ins == [(2, 3, 4), (5, 12), (5,)] and outs == [(2, 5)]


def test_max_pooling_skips_nan_and_gives_the_first_of_ties_the_gradient():
    x = np.array([[[1, np.nan, 0, 2, 2, 2]]], np.float32)
    out, grads, head = run("Pooling", {"data": x}, {"kernel": (2,)})
    np.testing.assert_array_equal(out, [[[1, 0, 2, 2, 2]]])
    np.testing.assert_allclose(
        grads["data"][0, 0], [head[0, 0, 0], 0, head[0, 0, 1], head[0, 0, 2] + head[0, 0, 3], head[0, 0, 4], 0]
    )


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("groups,kernel", [(1, (3, 3)), (2, (3, 3)), (1, (1, 1)), (12, (3, 3))])
@pytest.mark.parametrize("name", ["Convolution", "Deconvolution", "Pooling"])
def test_same_bits_for_every_team(monkeypatch, threads, groups, kernel, name):
    rng = np.random.default_rng(0)
    inputs = {"data": rng.uniform(-1, 1, (5, 12, 13, 11)).astype(np.float32)}
    params = {"kernel": kernel, "stride": (1, 1), "pad": tuple(k // 2 for k in kernel)}
    if name != "Pooling":
        inputs["weight"] = rng.uniform(-1, 1, (12, 12 // groups, *kernel)).astype(np.float32)
        params.update(num_filter=12, num_group=groups, no_bias=True)
    alone, alone_grads, _ = run(name, inputs, params)
    original = materialize_module.materialize

    def shared(program, memory):
        steps = original(program, memory)
        for step in steps:
            step.cost = 1e9  # worth sharing
        return [lambda seed, step=step: schedule.Schedule([step]).run(0, 1, seed) for step in steps]

    monkeypatch.setattr(materialize_module, "materialize", shared)
    before = schedule.get_num_threads()
    schedule.set_num_threads(threads)
    try:
        together, together_grads, _ = run(name, inputs, params)
    finally:
        schedule.set_num_threads(before)
    np.testing.assert_array_equal(alone, together)
    for key, grad in alone_grads.items():
        np.testing.assert_array_equal(grad, together_grads[key])
