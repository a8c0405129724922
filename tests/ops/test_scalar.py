"""Scalars beside arrays: the scalar is rounded to the array's dtype first, and comparisons beyond the dtype's range hold."""

import numpy as np
import pytest

import cyexec as mx


def number(x):
    return x.asnumpy().tolist()


def test_scalar_is_rounded_to_float16():
    x = mx.nd.array([0.1, 0.2], dtype="float16")
    assert number(x == 0.1) == [1, 0]
    assert number(x - 0.1)[0] == 0
    # 1e-8 is 0 in float16, and anything to the power 0 is 1.
    assert number(mx.nd.array([-2.0], dtype="float16") ** 1e-8) == [1]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_scalar_drops_its_fraction_beside_integers(dtype):
    x = mx.nd.array([3, 4], dtype=dtype)
    assert number(mx.nd._internal._power_scalar(x, scalar=0.7)) == [1, 1]
    assert number(mx.nd._internal._hypot_scalar(x, scalar=3.5)) == [4, 5]
    if dtype != "uint8":
        assert number(mx.nd._internal._rpower_scalar(x, scalar=-2.5)) == [-8, 16]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
@pytest.mark.parametrize("scalar", [float("inf"), -float("inf"), float("nan"), 1e30, -1e30])
def test_comparisons_beyond_the_range(dtype, scalar):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, 0, 7, limits.max], dtype)
    x = mx.nd.array(values, dtype=dtype)
    for name, function in (
        ("equal", np.equal), ("not_equal", np.not_equal), ("greater", np.greater), ("greater_equal", np.greater_equal),
        ("lesser", np.less), ("lesser_equal", np.less_equal),
    ):  # fmt: skip
        got = getattr(mx.nd._internal, f"_{name}_scalar")(x, scalar=scalar)
        assert got.dtype == values.dtype
        assert number(got) == function(values.astype(np.float64), scalar).astype(int).tolist(), name
    if not np.isnan(scalar):
        low, high = (values.tolist(), [limits.max] * 4) if scalar > 0 else ([limits.min] * 4, values.tolist())
        assert number(mx.nd._internal._minimum_scalar(x, scalar=scalar)) == low
        if dtype != "int64":  # its largest number is none of float64
            assert number(mx.nd._internal._maximum_scalar(x, scalar=scalar)) == high


def test_pixels_below_256():
    x = mx.nd.array([0, 44, 255], dtype="uint8")
    assert number(x < 256) == [1, 1, 1]
    assert number(x == 300) == [0, 0, 0]
    assert number(x > -1) == [1, 1, 1]
