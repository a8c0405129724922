"""The matrix multiplication kernel against float64, at every level and for several teams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.lowering.gemm import gemm_variants, unpacked
from cyexec.runtime import schedule

EPS = {np.float32: 2.0**-24, np.float64: 2.0**-53}


def multiply(a, b, m, n, k, batch=1, bias=None, axis="column", c=None, threads=1, room=None, **flags):
    """Run one Gemm step over arrays of any shape; returns C of shape (batch, m, n)."""
    dtype = a.dtype
    out = np.full((batch, m, n), np.nan, dtype) if c is None else c.copy()
    size = (
        0
        if unpacked(m, n, k, flags.get("transpose_a", False), flags.get("transpose_b", False))
        else gemm_variants(m, n, k)(room).size
    )
    work = np.full(size + 1, np.nan, dtype)
    cls, _ = levels.resolve("gemm.Gemm", dtype)
    reads = [a, b] + ([] if bias is None else [bias])
    step = cls(reads, [out, work[:size]], m=m, n=n, k=k, batch=batch, bias="" if bias is None else axis, **flags)
    if threads == 1:
        step()
    else:
        step.cost = 1e9  # worth sharing
        before = schedule.get_num_threads()
        schedule.set_num_threads(threads)
        try:
            schedule.Schedule([step]).run(0, 1)
        finally:
            schedule.set_num_threads(before)
    assert np.isnan(work[size])
    return out


def operands(seed, dtype, m, n, k, batch, ta, tb):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, (batch, m, k)), rng.uniform(-1, 1, (batch, k, n))
    a, b = a.astype(dtype), b.astype(dtype)
    stored = [np.ascontiguousarray(x.swapaxes(1, 2) if t else x) for x, t in ((a, ta), (b, tb))]
    return stored, a.astype(np.float64), b.astype(np.float64)


def assert_close(got, want, bound, dtype, k):
    """Every sum of k products is off by at most (k + 2) roundings of the sum of magnitudes (Higham 2002, 3.1)."""
    assert np.all(np.abs(got - want) <= (k + 4) * EPS[dtype] * bound + 1e-300)


extents = st.one_of(st.integers(1, 40), st.sampled_from([1, 2, 14, 15, 28, 31, 32, 33, 47, 48, 49, 64, 65, 100, 230, 300]))
depths = st.one_of(st.integers(1, 40), st.sampled_from([1, 15, 16, 17, 255, 256, 257, 300, 513]))


@pytest.mark.parametrize("level", levels.available_levels())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=60, deadline=None)
@given(
    m=extents, n=extents, k=depths, batch=st.integers(1, 3), ta=st.booleans(), tb=st.booleans(),
    alpha=st.sampled_from([1.0, -0.5]), axis=st.sampled_from(["", "row", "column"]), accumulate=st.booleans(),
    threads=st.sampled_from([2, 3]), seed=st.integers(0, 9),
)  # fmt: skip
def test_agrees_with_float64(level, dtype, m, n, k, batch, ta, tb, alpha, axis, accumulate, threads, seed):
    (a, b), x, y = operands(seed, dtype, m, n, k, batch, ta, tb)
    rng = np.random.default_rng(seed + 100)
    c = rng.uniform(-1, 1, (batch, m, n)).astype(dtype) if accumulate else None
    bias = rng.uniform(-1, 1, m if axis == "row" else n).astype(dtype) if axis else None
    flags = {"transpose_a": ta, "transpose_b": tb, "alpha": alpha, "accumulate": accumulate}
    want, bound = alpha * (x @ y), np.abs(x) @ np.abs(y)
    if accumulate:
        want, bound = want + c, bound + np.abs(c)
    if axis:
        spread = bias[:, None] if axis == "row" else bias
        want, bound = want + spread, bound + np.abs(spread)
    before = levels.level
    levels.set_level(level)
    try:
        got = multiply(a, b, m, n, k, batch, bias, axis, c, **flags)
        shared = multiply(a, b, m, n, k, batch, bias, axis, c, threads=threads, **flags)
        lean = multiply(a, b, m, n, k, batch, bias, axis, c, threads=threads, room=0, **flags)
    finally:
        levels.set_level(before)
    assert_close(got, want, bound, dtype, k)
    np.testing.assert_array_equal(got, shared)  # bit by bit
    np.testing.assert_array_equal(got, lean)


@pytest.mark.parametrize("level", levels.available_levels())
@pytest.mark.parametrize(
    "m,n,k", [(1100, 40, 300), (60, 2100, 280), (1010, 2050, 5), (2, 700, 900), (700, 1, 900), (1, 70, 900)]
)
@pytest.mark.parametrize("ta,tb", [(False, False), (False, True), (True, False), (True, True)])
def test_cache_blocks(level, m, n, k, ta, tb):
    (a, b), x, y = operands(1, np.float32, m, n, k, 1, ta, tb)
    before = levels.level
    levels.set_level(level)
    try:
        got = multiply(a, b, m, n, k, transpose_a=ta, transpose_b=tb)
        with_less = [multiply(a, b, m, n, k, room=room, transpose_a=ta, transpose_b=tb) for room in (0, 50_000, 200_000)]
    finally:
        levels.set_level(before)
    assert_close(got, x @ y, np.abs(x) @ np.abs(y), np.float32, k)
    for other in with_less:
        np.testing.assert_array_equal(got, other)  # bit by bit


@pytest.mark.parametrize("m,n,k", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 4, 0), (3, 1, 0)])
@pytest.mark.parametrize("accumulate", [False, True])
def test_empty(m, n, k, accumulate):
    a, b, bias = np.ones((m, k), np.float32), np.ones((k, n), np.float32), np.arange(n, dtype=np.float32)
    c = np.full((1, m, n), 2, np.float32)
    got = multiply(a, b, m, n, k, bias=bias, c=c, accumulate=accumulate)
    np.testing.assert_array_equal(got, np.broadcast_to(bias + (2 if accumulate else 0), (1, m, n)))


def test_refuses_small_workspace_and_wrong_sizes():
    cls, _ = levels.resolve("gemm.Gemm", np.dtype(np.float32))
    a, c = np.ones((210, 210), np.float32), np.ones((210, 210), np.float32)
    with pytest.raises(ValueError, match="workspace"):
        cls([a, a], [c, np.ones(10, np.float32)], m=210, n=210, k=210)
    with pytest.raises(ValueError, match="sizes"):
        cls([a, a], [c, np.ones(10, np.float32)], m=210, n=210, k=209)
