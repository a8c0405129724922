"""The gradient of a convolution's data over blocked activations: the adjoint of the convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.lowering import blocked
from cyexec.lowering.blocked_data import add_data_gradient, add_packed_data_gradient, add_packing, packed_sizes

from ..kernels.blocked_reference import Recorder, block, convolve, geometry, guarded, intact, unblock

EPS = 2.0**-24


def data_gradient(dy, w, g):
    """By definition, tap by tap."""
    (sy, sx), (ey, ex), (py, px) = g["stride"][1:], g["dilate"][1:], g["pad"][1:]
    (height, width), (high, wide) = g["out_size"][1:], g["in_size"][1:]
    groups, filters, channels = g["groups"], g["filters"] // g["groups"], g["channels"] // g["groups"]
    w = w.astype(np.float64).reshape(groups, filters, channels, *w.shape[2:])
    dy = dy.astype(np.float64).reshape(len(dy), groups, filters, height, width)
    whole = np.zeros((len(dy), groups, channels, high + 2 * py, wide + 2 * px))
    for ky in range(w.shape[3]):
        for kx in range(w.shape[4]):
            part = np.einsum("gfc,ngfhw->ngchw", w[..., ky, kx], dy)
            whole[
                ..., ky * ey : ky * ey + (height - 1) * sy + 1 : sy, kx * ex : kx * ex + (width - 1) * sx + 1 : sx
            ] += part
    return whole[..., py : py + high, px : px + wide].reshape(len(dy), g["channels"], high, wide)


@st.composite
def geometries(draw):
    channels, filters, groups = draw(st.integers(1, 40)), draw(st.integers(1, 40)), 1
    kind = draw(st.sampled_from(["dense", "grouped", "depthwise"]))
    if kind == "grouped":
        groups = draw(st.sampled_from([2, 4, 8]))
        channels, filters = (32 * draw(st.integers(1, 2)) for _ in range(2))
    elif kind == "depthwise":
        channels = filters = groups = max(2, channels)
    pairs = [st.tuples(st.integers(1, n), st.integers(1, n)) for n in (15, 4, 3, 3)]
    size, taps, stride, dilate = (draw(pair) for pair in pairs)
    pad = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    return geometry(draw(st.integers(0, 2)), channels, filters, size, taps, stride, dilate, pad, groups)


@pytest.mark.parametrize("level", levels.available_levels())
@settings(max_examples=100, deadline=None)
@given(
    g=geometries(), packs=st.booleans(), threads=st.integers(1, 3), room=st.sampled_from([None, 20_000, 0]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_adjoint(level, g, packs, threads, room, seed):
    assume(g is not None)
    assert blocked.supports(g)
    rng = np.random.default_rng(seed)
    dy = rng.uniform(-1, 1, (g["batch"], g["filters"], *g["out_size"][1:])).astype(np.float32)
    w = rng.uniform(-1, 1, (g["filters"], g["channels"] // g["groups"], *g["taps"][1:])).astype(np.float32)
    whole, dx = guarded(blocked.blocked_shape(g["batch"], g["channels"], g["in_size"]))
    before = levels.level
    levels.set_level(level)
    low = Recorder(threads, room)
    try:
        if packs:
            add_data_gradient(low, block(dy, 0), w, dx, g)
        else:
            packed = [np.full(size, np.nan, np.float32) for size in packed_sizes(g)]
            add_packing(low, w, packed, g)
            add_packed_data_gradient(low, block(dy, 0), packed, dx, g)
    finally:
        levels.set_level(before)
    assert intact(whole)
    assert all(map(intact, low.guards))
    want, bound = data_gradient(dy, w, g), data_gradient(np.abs(dy), np.abs(w), g)
    terms = g["filters"] // g["groups"] * g["taps"][1] * g["taps"][2]
    slack = 10 * terms / 9  # a Winograd transform adds all of a patch, see test_blocked_conv
    assert np.all(np.abs(unblock(dx, g["channels"]) - want) <= (terms + 8) * EPS * (bound + slack + 1))
    if g["batch"]:  # <dy, convolution of x> = <gradient, x>
        x = rng.uniform(-1, 1, (g["batch"], g["channels"], *g["in_size"][1:])).astype(np.float32)
        np.testing.assert_allclose((dy * convolve(x, w, g)).sum(), (want * x).sum(), atol=1e-6 * (1 + terms * dy.size))
