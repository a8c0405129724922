"""Conversions between all dtypes, and float16 bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from cyexec.kernels import levels

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool")


def cast(x, dtype):
    out = np.empty(x.shape, dtype)
    levels.resolve("cast.Cast", out.dtype)[0]([x], [out])()
    return out


@pytest.fixture(params=levels.available_levels(), autouse=True)
def level(request):
    before = levels.level
    levels.set_level(request.param)
    yield request.param
    levels.set_level(before)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("destination", DTYPES)
def test_equals_numpy_in_range(source, destination):
    x = np.random.default_rng(0).uniform(0, 120, (7, 143)).astype(source)
    x[0, :5] = 0
    np.testing.assert_array_equal(cast(x, destination), x.astype(destination))
    assert cast(x[:0], destination).shape == (0, 143)


def test_every_float16_becomes_float32_and_comes_back():
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    wide = cast(x, "float32")
    np.testing.assert_array_equal(wide, x.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(wide), np.signbit(x))
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(cast(wide, "float16")[numbers].view(np.uint16), x[numbers].view(np.uint16))


def test_float32_rounds_to_float16_like_numpy():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 300_000, dtype=np.uint64).astype(np.uint32)
    x = [halves, (halves[:-1] + halves[1:]) / 2, bits.view(np.float32)]
    x = np.concatenate([*x, np.nextafter(x[1], np.float32(np.inf)), np.nextafter(x[1], np.float32(-np.inf))])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(cast(x, "float16"), x.astype(np.float16))


@pytest.mark.parametrize("source", ["float32", "float64"])
def test_out_of_range_is_defined(source):
    x = np.array([300, -300, 3e9, np.nan, np.inf, -np.inf, 1e20, 128.9, -1.5], source)
    low = -(2**31)
    np.testing.assert_array_equal(cast(x, "int32"), [300, -300, low, low, low, low, low, 128, -1])
    np.testing.assert_array_equal(cast(x, "int8"), [44, -44, 0, 0, 0, 0, 0, -128, -1])
    np.testing.assert_array_equal(cast(x, "uint8"), [44, 212, 0, 0, 0, 0, 0, 128, 255])
    np.testing.assert_array_equal(cast(x, "bool"), [True] * 9)
