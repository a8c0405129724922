"""Pooling and per-channel scaling of blocked activations, against the kernels for plain ones and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.lowering import blocked

from .blocked_reference import activate, block, guarded, intact, run_step, unblock

EPS = 2.0**-24


@pytest.fixture(params=levels.available_levels(), scope="module")
def level(request):
    before = levels.level
    levels.set_level(request.param)
    yield request.param
    levels.set_level(before)


@st.composite
def poolings(draw):
    """Arguments of a pooling step."""
    size, taps, stride, pad, out = [1], [1], [1], [0], [1]
    full = draw(st.booleans())
    for _ in range(2):
        kernel = draw(st.integers(1, 5))
        size.append(draw(st.integers(1, 24)))
        taps.append(kernel)
        stride.append(draw(st.integers(1, 3)))
        pad.append(draw(st.integers(0, kernel - 1)))
        whole = size[-1] + 2 * pad[-1] - kernel
        if whole < 0:
            taps[-1], whole = size[-1] + 2 * pad[-1], 0
        out.append(1 + (-(-whole // stride[-1]) if full else whole // stride[-1]))
    return {
        "batch": draw(st.integers(0, 2)), "channels": draw(st.integers(1, 40)), "channels_last": False,
        "mode": draw(st.sampled_from(["max", "avg", "sum"])), "power": 1, "fixed": draw(st.booleans()),
        "count_pad": draw(st.booleans()), "in_size": tuple(size), "taps": tuple(taps), "stride": tuple(stride),
        "pad": tuple(pad), "limit": tuple(n + d for n, d in zip(size, pad)), "out_size": tuple(out),
    }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(a=poolings(), threads=st.integers(1, 3), seed=st.integers(0, 9))
def test_pooling_is_that_of_plain_images(level, a, threads, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (a["batch"], a["channels"], *a["in_size"][1:])).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan if a["mode"] == "max" else 0
    want = np.empty((a["batch"], a["channels"], *a["out_size"][1:]))
    levels.resolve("pool.Pool", np.dtype(np.float64))[0]([x.astype(np.float64)], [want], **a)()
    want = np.maximum(want, float(np.finfo(np.float32).min))  # where float64 has a lower lowest number
    whole, y = guarded(blocked.blocked_shape(a["batch"], a["channels"], a["out_size"]))
    assert blocked.supports_pool(a)
    run_step("blocked_pool.Pool", [block(x)], [y], threads, **a)
    assert intact(whole)
    got = unblock(y, a["channels"])
    terms = a["taps"][1] * a["taps"][2]
    np.testing.assert_allclose(got, want, rtol=0 if a["mode"] == "max" else 4 * EPS, atol=(terms + 2) * EPS * terms)


@settings(max_examples=100, deadline=None)
@given(a=poolings(), threads=st.integers(1, 3), seed=st.integers(0, 9))
def test_gradient_is_that_of_plain_images(level, a, threads, seed):
    rng = np.random.default_rng(seed)
    # Few different numbers: the first of several equal maxima gets the gradient.
    x = rng.integers(-2, 3, (a["batch"], a["channels"], *a["in_size"][1:])).astype(np.float32)
    dy = rng.uniform(-1, 1, (a["batch"], a["channels"], *a["out_size"][1:])).astype(np.float32)
    data = [x] if a["mode"] == "max" else []
    want = np.empty(x.shape)
    plain = levels.resolve("pool.PoolGradient", np.dtype(np.float64))[0]
    plain([dy.astype(np.float64), *(v.astype(np.float64) for v in data)], [want], **a)()
    whole, dx = guarded(blocked.blocked_shape(a["batch"], a["channels"], a["in_size"]))
    run_step("blocked_pool.PoolGradient", [block(dy, 0), *(block(v, 0) for v in data)], [dx], threads, **a)
    assert intact(whole)
    terms = a["taps"][1] * a["taps"][2]
    np.testing.assert_allclose(unblock(dx, a["channels"]), want, rtol=0, atol=(terms + 2) * EPS * terms)


def test_what_pooling_is_not_supported():
    a = {
        "in_size": (1, 4, 4), "taps": (1, 2, 2), "out_size": (1, 2, 2), "mode": "max", "channels_last": False,
    }  # fmt: skip
    assert blocked.supports_pool(a)
    for change in ({"channels_last": True}, {"mode": "lp"}, {"in_size": (2, 4, 4)}):
        assert not blocked.supports_pool({**a, **change})


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(0, 2), channels=st.integers(1, 40), size=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    operands=st.sets(st.sampled_from(["scale", "shift"])), in_place=st.booleans(), threads=st.integers(1, 3),
    act=st.sampled_from([blocked.NONE, blocked.RELU, blocked.clip(-0.2, 0.3), blocked.leaky(0.1), blocked.PRELU]),
)  # fmt: skip
def test_scale_and_shift(level, batch, channels, size, operands, in_place, threads, act):
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (batch, channels, *size)).astype(np.float32)
    given_ = {name: rng.uniform(-1, 1, channels).astype(np.float32) for name in sorted(operands)}
    slopes = rng.uniform(-1, 1, channels).astype(np.float32)
    if act == blocked.PRELU:
        given_["slopes"] = slopes
    want = x * given_.get("scale", np.ones(channels))[:, None, None]
    want = activate(want + given_.get("shift", np.zeros(channels))[:, None, None], act, slopes)
    blocked_x = block(x, 0)
    whole, y = guarded(blocked_x.shape)
    y[:] = blocked_x
    run_step(
        "blocked_pool.ScaleShift", [y if in_place else blocked_x, *given_.values()], [y], threads,
        batch=batch, channels=channels, size=size[0] * size[1], operands=tuple(given_), act=act,
    )  # fmt: skip
    assert intact(whole)
    np.testing.assert_allclose(unblock(y, channels), want, rtol=4 * EPS, atol=4 * EPS)
