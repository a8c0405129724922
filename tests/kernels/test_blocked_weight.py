"""Gradients of weights and bias over blocked arrays against a plain loop in float64, at every level and team size."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.lowering import blocked_gradient
from cyexec.ops import registry
from cyexec.ops.blocked import to_blocked
from cyexec.ops.convolution import _backward_reference, conv_arguments

from .blocked_reference import Recorder, intact

FLOAT32 = np.dtype(np.float32)


def geometry(data, p):
    out = registry.get("Convolution").infer_shape(p, [data, None, None], [None])[1][0]
    return conv_arguments(p, data, p.num_filter, out), out


def params(**kw):
    return registry.get("Convolution").params(**kw)


def gradients(data, p, plain, threads=1, seed=0, room=None):
    """(dw, dbias) by the kernels, and the same by the reference."""
    g, out = geometry(data, p)
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=data).astype(np.float32), rng.normal(size=out).astype(np.float32)
    weight = np.zeros((p.num_filter, data[1] // p.num_group, *p.kernel), np.float32)
    dw, db = np.full_like(weight, np.nan), np.full(p.num_filter, np.nan, np.float32)
    low = Recorder(threads, room)
    data_of, layout = (x, "plain") if plain else (to_blocked(x), "blocked")
    blocked_gradient.add_weight_gradient(low, data_of, to_blocked(dy), dw, g, layout)
    blocked_gradient.add_channel_sums(low, to_blocked(dy), db)
    assert all(map(intact, low.guards))
    _, *wanted = _backward_reference(p, dy.astype(np.float64), x.astype(np.float64), weight.astype(np.float64))
    return (dw, db), wanted


CASES = [
    ((2, 16, 6, 7), dict(kernel=(3, 3), num_filter=16, pad=(1, 1)), False),
    ((3, 20, 9, 8), dict(kernel=(3, 2), num_filter=37, stride=(2, 1), pad=(1, 1)), False),
    ((2, 3, 11, 10), dict(kernel=(7, 7), num_filter=40, stride=(2, 2), pad=(3, 3)), True),
    ((17, 1, 8, 8), dict(kernel=(5, 5), num_filter=20), True),
    ((2, 32, 7, 7), dict(kernel=(1, 1), num_filter=48), False),
    ((2, 32, 7, 7), dict(kernel=(1, 1), num_filter=48, stride=(2, 2)), False),
    ((2, 32, 7, 8), dict(kernel=(3, 3), num_filter=64, num_group=2, pad=(1, 1)), False),
    ((2, 37, 7, 8), dict(kernel=(3, 3), num_filter=37, num_group=37, pad=(1, 1), stride=(2, 2)), False),
    ((2, 16, 9, 9), dict(kernel=(3, 3), num_filter=16, dilate=(2, 2), pad=(2, 2)), False),
    ((2, 16, 3, 3), dict(kernel=(3, 3), num_filter=16, pad=(3, 3)), False),
    ((2, 18, 12), dict(kernel=(4,), num_filter=5, pad=(2,)), False),
]


@pytest.mark.parametrize("level", levels.available_levels())
@pytest.mark.parametrize("data,options,plain", CASES)
def test_equals_the_reference(data, options, plain, level):
    before = levels.level
    levels.set_level(level)
    try:
        got, wanted = gradients(data, params(**options), plain)
    finally:
        levels.set_level(before)
    for a, b in zip(got, wanted):
        # Sums of up to a thousand products of normal numbers.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("data,options,plain", CASES)
def test_teams_give_the_same_bits(data, options, plain):
    results = [gradients(data, params(**options), plain, threads)[0] for threads in (1, 2, 3)]
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("data,options,plain", CASES)
def test_less_room_gives_the_same_bits(data, options, plain):
    """Slices of the filters, one after the other."""
    results = [gradients(data, params(**options), plain, 2, room=room)[0] for room in (None, 0, 40_000)]
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)), st.tuples(st.integers(0, 3), st.integers(0, 3)), st.booleans(),
)  # fmt: skip
def test_any_geometry(batch, channels, filters, size, kernel, stride, dilate, pad, plain):
    if any(s + 2 * p < d * (k - 1) + 1 for s, p, d, k in zip(size, pad, dilate, kernel)):
        return
    p = params(kernel=kernel, num_filter=filters, stride=stride, dilate=dilate, pad=pad)
    got, wanted = gradients((batch, channels, *size), p, plain)
    for a, b in zip(got, wanted):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


def test_operands_of_wrong_size_are_refused():
    g, _ = geometry((2, 16, 6, 7), params(kernel=(3, 3), num_filter=16))
    cls, _ = levels.resolve("blocked_weight.WeightGradient", FLOAT32)
    good = SimpleNamespace(x=np.zeros(2 * 16 * 42, np.float32), dy=np.zeros(2 * 16 * 20, np.float32))
    with pytest.raises(ValueError, match="WeightGradient"):
        cls([good.x, good.dy], [np.zeros(5, np.float32), np.zeros(2304, np.float32)], plain=False, chunks=1, slice=1, **g)
