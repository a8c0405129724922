"""Convolution of blocked activations: every algorithm against a plain loop, every level, several teams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.lowering import blocked

from .blocked_reference import Recorder, activate, block, convolve, geometry, guarded, intact, pack, run_conv, unblock

EPS = 2.0**-24
ACTS = [blocked.NONE, blocked.RELU, blocked.clip(-0.5, 1.5), blocked.leaky(0.1), blocked.PRELU]

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
channel_counts = st.one_of(st.integers(1, 70), st.sampled_from([16, 32, 48, 64]))


@st.composite
def geometries(draw):
    """A convolution of any shape, and the algorithm for it."""
    algorithm = draw(st.sampled_from([*blocked.WINOGRAD, "plain", "pointwise", "direct", "grouped", "depthwise"]))
    size = (draw(st.integers(1, 20)), draw(st.integers(1, 40)))
    channels, filters, groups = draw(channel_counts), draw(channel_counts), 1
    if algorithm == "grouped":
        algorithm, groups = "direct", draw(st.sampled_from([2, 3, 4, 8]))  # of whole blocks, or merged until they are
        least = 16 * groups if groups == 3 else 32
        channels, filters = (least * draw(st.integers(1, 2)) for _ in range(2))
    if algorithm == "plain":
        channels = draw(st.integers(1, blocked.PLAIN_CHANNELS))
    if algorithm == "pointwise":
        return geometry(draw(st.integers(0, 3)), channels, filters, size, (1, 1)), algorithm
    if algorithm in blocked.WINOGRAD:
        pad = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
        return geometry(draw(st.integers(0, 3)), channels, filters, size, (3, 3), pad=pad), algorithm
    taps = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride, dilate = draw(pairs), draw(pairs)
    pad = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    if algorithm == "depthwise":
        filters = groups = channels = max(channels, 2)
    return geometry(draw(st.integers(0, 3)), channels, filters, size, taps, stride, dilate, pad, groups), algorithm


def numbers(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def terms(g):
    """Products in an output."""
    return g["channels"] // g["groups"] * g["taps"][1] * g["taps"][2]


@pytest.fixture(params=levels.available_levels(), scope="module")
def level(request):
    before = levels.level
    levels.set_level(request.param)
    yield request.param
    levels.set_level(before)


@settings(max_examples=150, deadline=None)
@given(
    drawn=geometries(), with_bias=st.booleans(), with_residual=st.booleans(), in_place=st.booleans(),
    act1=st.sampled_from(ACTS), act2=st.sampled_from(ACTS), transformed=st.booleans(), scaled=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_agrees_with_plain_loop(level, drawn, with_bias, with_residual, in_place, act1, act2, transformed, scaled, seed):
    g, algorithm = drawn
    assume(g is not None)
    rng = np.random.default_rng(seed)
    x = numbers(rng, g["batch"], g["channels"], *g["in_size"][1:])
    w = numbers(rng, g["filters"], g["channels"] // g["groups"], *g["taps"][1:])
    operands = {}
    if with_bias:
        operands["bias"] = numbers(rng, g["filters"])
    slopes = numbers(rng, g["filters"])
    if blocked.PRELU in (act1, act2 if with_residual else None):
        operands["slopes"] = slopes
    source = x
    if transformed and algorithm in ("direct", *blocked.WINOGRAD):
        operands["scale"], operands["shift"] = numbers(rng, g["channels"]), numbers(rng, g["channels"])
        affine = x.astype(np.float64) * operands["scale"][:, None, None] + operands["shift"][:, None, None]
        source = np.maximum(affine, 0)
    scale = numbers(rng, g["filters"]) if scaled else None
    scaled_w = w if scale is None else w * scale[:, None, None, None]
    want, bound = convolve(source, scaled_w, g), convolve(np.abs(source), np.abs(scaled_w), g)
    if with_bias:
        want = want + operands["bias"][:, None, None]
    want = activate(want, act1, slopes)
    if with_residual:
        operands["residual"] = numbers(rng, *want.shape)
        want = activate(want + operands["residual"], act2, slopes)
    args = {"act1": act1, "act2": act2 if with_residual else blocked.NONE, "operands": operands, "in_place": in_place}
    packed = pack(w, g, algorithm, scale)
    y = run_conv(x, packed, g, algorithm, **args)
    # A sum of n products is off by at most n roundings of the sum of magnitudes (Higham 2002, 3.1); a few for the rest.
    # Winograd's transforms add all numbers of a patch, with factors of up to 10 (the rows of A, B and G).
    if algorithm in blocked.WINOGRAD:
        bound = bound + 10 * terms(g) / 9
    assert np.all(np.abs(unblock(y, g["filters"]) - want) <= (terms(g) + 8) * EPS * (bound + 2))
    assert np.isfinite(y).all()  # the lanes that are no filters too
    for threads in (2, 3):
        np.testing.assert_array_equal(run_conv(x, packed, g, algorithm, threads, **args), y)  # bit by bit


@pytest.mark.parametrize("algorithm", blocked.WINOGRAD)
def test_winograd_is_as_exact_as_promised(level, algorithm):
    """Root mean square of the error over that of the result, for numbers as they come from a relu."""
    rng = np.random.default_rng(0)
    g = geometry(1, 256, 32, (30, 30), (3, 3), pad=(1, 1))
    x = np.maximum(rng.standard_normal((1, 256, 30, 30)), 0).astype(np.float32)
    w = rng.standard_normal((32, 256, 3, 3)).astype(np.float32)
    want = convolve(x, w, g)
    off = unblock(run_conv(x, pack(w, g, algorithm), g, algorithm), 32) - want
    assert np.sqrt((off**2).mean()) < 2e-6 * np.sqrt((want**2).mean())
    assert np.abs(off).max() < 2e-5 * np.sqrt((want**2).mean())


@pytest.mark.parametrize("forced", ["", *blocked.WINOGRAD])
@pytest.mark.parametrize(
    "g",
    [
        geometry(1, 16, 16, (3, 700), (3, 3), pad=(1, 1)),  # wider than a rectangle
        geometry(2, 600, 48, (9, 30), (3, 3), pad=(1, 1)),
        geometry(1, 300, 16, (50, 50), (1, 1)),  # many rectangles
        geometry(1, 3, 16, (4, 3000), (3, 3), stride=(1, 2), pad=(1, 1)),
        geometry(1, 4, 24, (30, 7), (11, 3), stride=(4, 1)),
        # Rectangles of fewer rows than the dilation: blocked, plain, and an image that has fewer.
        geometry(1, 600, 16, (20, 17), (3, 2), dilate=(5, 3), pad=(5, 1)),
        geometry(1, 4, 16, (14, 3000), (3, 3), dilate=(6, 2), pad=(6, 2)),
        geometry(2, 40, 32, (7, 9), (3, 3), dilate=(12, 12), pad=(12, 12)),
    ],
    ids=str,
)
def test_rectangles(level, g, forced):
    """Images of several rectangles, or blocks of patches."""
    if forced and forced not in blocked.algorithms(g):
        pytest.skip("not a 3x3 convolution of stride 1")
    algorithm = forced or blocked.choose(g, "plain" if blocked.reads_plain(g) else "blocked")
    rng = np.random.default_rng(1)
    x = numbers(rng, g["batch"], g["channels"], *g["in_size"][1:])
    w = numbers(rng, g["filters"], g["channels"], *g["taps"][1:])
    packed = pack(w, g, algorithm)
    y = run_conv(x, packed, g, algorithm)
    bound = convolve(np.abs(x), np.abs(w), g)
    bound += 10 * terms(g) / 9 if forced else 0
    assert np.all(np.abs(unblock(y, g["filters"]) - convolve(x, w, g)) <= (terms(g) + 2) * EPS * bound)
    for threads in (2, 5):
        np.testing.assert_array_equal(run_conv(x, packed, g, algorithm, threads), y)


def test_part_of_a_larger_tensor(level):
    """Images may lie further apart: input and output are channel ranges of larger tensors."""
    rng = np.random.default_rng(2)
    g = geometry(2, 32, 48, (6, 7), (1, 1))
    x, w = numbers(rng, 2, 4, 6, 7, 16), numbers(rng, 48, 32, 1, 1)
    y = np.full((2, 5, 6, 7, 16), 7, np.float32)
    kernel, args, _ = blocked.step_arguments(g, "pointwise")
    size = 6 * 7 * 16
    inputs, outputs = x.reshape(-1)[size : size * 7], y.reshape(-1)[size : size * 9]
    step = levels.resolve(kernel, np.dtype(np.float32))[0](
        [inputs, pack(w, g, "pointwise")], [outputs, np.empty(0, np.float32)],
        x_batch=4 * size, y_batch=5 * size, **args,
    )  # fmt: skip
    step()
    want = convolve(unblock(x[:, 1:3], 32), w, g)
    np.testing.assert_allclose(unblock(y[:, 1:4], 48), want, atol=1e-5)
    assert (y[:, 0] == 7).all()
    assert (y[:, 4] == 7).all()


@pytest.mark.parametrize(
    "g",
    [
        geometry(2, 20, 70, (9, 30), (3, 3), pad=(1, 1)),
        geometry(1, 300, 200, (7, 7), (3, 3), pad=(1, 1)),
        geometry(3, 33, 100, (10, 9), (1, 1)),
        geometry(2, 48, 33, (12, 11), (5, 3), stride=(2, 1), pad=(2, 1)),
        geometry(2, 64, 64, (8, 8), (3, 3), pad=(1, 1), groups=2),
        geometry(2, 24, 24, (8, 8), (3, 3), pad=(1, 1), groups=24),
    ],
    ids=str,
)
@pytest.mark.parametrize("room", [None, 0, 30_000, 100_000])
@pytest.mark.parametrize("threads", [1, 3])
def test_packing_its_own_weights_changes_no_bit(level, g, room, threads):
    """Slices of the filters, with every operand; a residual in place."""
    rng = np.random.default_rng(3)
    x = numbers(rng, g["batch"], g["channels"], *g["in_size"][1:])
    w = numbers(rng, g["filters"], g["channels"] // g["groups"], *g["taps"][1:])
    operands = {name: numbers(rng, g["filters"]) for name in ("bias", "slopes")}
    residual = block(numbers(rng, g["batch"], g["filters"], *g["out_size"][1:]), 0)
    acts = {"act1": blocked.PRELU, "act2": blocked.RELU}
    for algorithm in blocked.algorithms(g):
        if algorithm == "plain":
            continue
        packed = pack(w, g, algorithm)
        with_residual = {**operands, "residual": unblock(residual, g["filters"])}
        want = run_conv(x, packed, g, algorithm, operands=with_residual, **acts)
        whole, y = guarded(residual.shape)
        y[:] = residual
        low = Recorder(threads, room)
        given = [block(x, 0), w, y, g, algorithm]
        blocked.add_conv(low, *given, packs=True, **operands, residual=y, **acts)
        assert intact(whole)
        assert all(map(intact, low.guards))
        np.testing.assert_array_equal(y, want)


def test_nan_and_infinity_pass(level):
    """As in the elementwise kernels, relu keeps NaN; an infinity stays one."""
    g = geometry(1, 16, 16, (1, 3), (1, 1))
    x = np.zeros((1, 16, 1, 3), np.float32)
    x[0, 0] = [np.nan, np.inf, -np.inf]
    w = np.eye(16, dtype=np.float32).reshape(16, 16, 1, 1)
    w[w == 0] = 0
    w[1:, 0] = 1e-30  # not 0 * inf
    y = run_conv(x, pack(w, g, "pointwise"), g, "pointwise", act1=blocked.RELU)
    np.testing.assert_array_equal(unblock(y, 16)[0, 0, 0], [np.nan, np.inf, 0])


def test_refuses_what_does_not_fit():
    g = geometry(1, 32, 32, (8, 8), (3, 3), pad=(1, 1))
    kernel, args, size = blocked.step_arguments(g, "direct")
    cls = levels.resolve(kernel, np.dtype(np.float32))[0]
    x, w, y = (np.zeros(n, np.float32) for n in (32 * 64, 32 * 32 * 9, 32 * 64))
    cls([x, w], [y, np.zeros(size, np.float32)], **args)
    with pytest.raises(ValueError, match="workspace"):
        cls([x, w], [y, np.zeros(size - 1, np.float32)], **args)
    with pytest.raises(ValueError, match="x has"):
        cls([x[1:], w], [y, np.zeros(size, np.float32)], **args)
    with pytest.raises(ValueError, match="packed weights"):
        cls([x, w[1:]], [y, np.zeros(size, np.float32)], **args)
    with pytest.raises(ValueError, match="second activation"):
        cls([x, w], [y, np.zeros(size, np.float32)], act2=blocked.RELU, **args)
    with pytest.raises(ValueError, match="not pointwise"):
        cls([x, w], [y, np.zeros(size, np.float32)], **{**args, "algorithm": "pointwise"})
    assert not blocked.supports({**g, "groups": 32, "filters": 64})
    assert not blocked.supports({**g, "taps": (2, 3, 3)})
