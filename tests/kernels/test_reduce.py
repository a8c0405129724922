"""Reductions against NumPy in float64, over random shapes and axes, on every level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels

KINDS = {
    "Sum": np.sum, "Mean": np.mean, "Prod": np.prod, "Max": np.max, "Min": np.min,
    "Norm1": lambda x, axis: np.abs(x).sum(axis), "SumSquares": lambda x, axis: (x * x).sum(axis),
    "Norm2": lambda x, axis: np.sqrt((x * x).sum(axis)),
}  # fmt: skip


@pytest.fixture(params=levels.available_levels())
def level(request):
    before = levels.level
    levels.set_level(request.param)
    yield request.param
    levels.set_level(before)


def reduce(kind, x, axes, parts=0):
    out = np.full([d for i, d in enumerate(x.shape) if i not in axes], 77, x.dtype)
    scratch = [np.full((parts, out.size), np.nan)] if parts else []
    family = "reduce" if x.dtype.kind == "f" else "reduce_int"
    cls, _ = levels.resolve(f"{family}.{kind}", x.dtype)
    cls([x], [out, *scratch], axes=axes)()
    return out


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_agrees_with_numpy(data):
    shape = data.draw(
        st.lists(st.sampled_from([1, 2, 3, 5, 67, 130]), max_size=4).filter(lambda s: np.prod(s) < 200000)
    )
    axes = tuple(i for i in range(len(shape)) if data.draw(st.booleans()))
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    parts = data.draw(st.sampled_from([0, 1, 3, 8]))
    x = np.random.default_rng(len(shape)).uniform(0.9, 1.1, shape)
    want = KINDS[kind](x, axis=axes)
    np.testing.assert_allclose(reduce(kind, x, axes, parts), want, rtol=1e-12)
    if kind != "Prod":  # a product of n float32 factors may be off by n roundings
        np.testing.assert_allclose(reduce(kind, x.astype(np.float32), axes, parts), want, rtol=2e-6)


@pytest.mark.parametrize("shape,axes", [((70001,), (0,)), ((3, 9001), (1,)), ((5000, 7), (0,)), ((4, 3, 700), (0, 2))])
def test_float32_sums_are_accurate(level, shape, axes):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    want = x.astype(np.float64).sum(axis=axes)
    # Sums within a block have at most 32 terms a lane; then double. Eight units of the largest partial sum is generous.
    bound = 8 * np.finfo(np.float32).eps * np.sqrt(x.size) + np.finfo(np.float32).eps * np.abs(want).max()
    assert np.abs(reduce("Sum", x, axes, parts=2) - want).max() < bound


def test_nan_wins_extremes(level):
    x = np.ones((3, 200), np.float32)
    x[0, 0] = x[1, 100] = x[2, 199] = np.nan
    for kind in ("Max", "Min"):
        assert np.isnan(reduce(kind, x, (1,))).all()
        assert np.isnan(reduce(kind, x, (0,))).sum() == 3


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_integers(dtype):
    x = (np.arange(600).reshape(3, 200) % 11).astype(dtype)
    for axes in ((0,), (1,), (0, 1)):
        assert np.array_equal(reduce("Sum", x, axes), x.sum(axis=axes, dtype=dtype))
        assert np.array_equal(reduce("Mean", x, axes), x.sum(axis=axes) // np.prod([x.shape[a] for a in axes]))
        assert np.array_equal(reduce("Max", x, axes), x.max(axis=axes))
        assert np.array_equal(reduce("Min", x, axes), x.min(axis=axes))


def test_no_elements():
    x = np.empty((2, 0, 3))
    assert np.array_equal(reduce("Sum", x, (1,)), np.zeros((2, 3)))
    assert np.array_equal(reduce("Prod", x, (1, 2)), np.ones(2))
    assert reduce("Max", x, (0,)).shape == (0, 3)
