"""Resizing: laws that hold for every method. MXNet's numbers are in tests/golden/training/image.py."""

import numpy as np
import pytest

import cyexec as mx
from cyexec.image import resize as module
from cyexec.image.resize import resize


@pytest.fixture(autouse=True)
def without_opencv(monkeypatch):
    monkeypatch.setattr(module, "opencv", lambda: None)


@pytest.mark.parametrize("interp", range(5))
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(3, 5), (20, 31), (9, 4), (1, 1)])
def test_an_even_picture_stays_even(interp, dtype, size):
    made = resize(np.full((7, 9, 3), 77, dtype), *size, interp)
    assert made.shape == (size[1], size[0], 3) and made.dtype == dtype
    np.testing.assert_allclose(made.astype(float), 77, rtol=1e-6)


@pytest.mark.parametrize("interp", range(5))
def test_the_same_size_changes_nothing(interp):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    np.testing.assert_array_equal(resize(pixels, 9, 7, interp), pixels)


@pytest.mark.parametrize("interp", range(5))
def test_axes_are_treated_alike(interp):
    pixels = np.random.default_rng(0).random((7, 9, 2), np.float32)
    turned = resize(pixels.transpose(1, 0, 2), 4, 12, interp).transpose(1, 0, 2)
    np.testing.assert_allclose(resize(pixels, 12, 4, interp), turned, rtol=1e-5, atol=1e-6)


def test_areas_keep_the_mean():
    pixels = np.random.default_rng(0).random((30, 42, 1), np.float32)
    np.testing.assert_allclose(resize(pixels, 17, 11, 3).mean(), pixels.mean(), rtol=1e-5)


def test_what_is_no_size_or_method_is_refused():
    pixels = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(mx.MXNetError, match="width 0"):
        resize(pixels, 0, 2, 1)
    with pytest.raises(mx.MXNetError, match="interpolation method 5"):
        resize(pixels, 1, 2, 5)
