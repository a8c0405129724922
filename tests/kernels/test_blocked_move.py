"""Reordering between plain and blocked activations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels

from .blocked_reference import block, guarded, intact, run_step


@pytest.mark.parametrize("level", levels.available_levels())
@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(0, 3), channels=st.integers(1, 50), height=st.integers(1, 9), width=st.integers(1, 20),
    threads=st.integers(1, 3), gap=st.sampled_from([0, 16]),
)  # fmt: skip
def test_there_and_back(level, batch, channels, height, width, threads, gap):
    before = levels.level
    levels.set_level(level)
    size = height * width
    x = np.arange(batch * channels * size, dtype=np.float32).reshape(batch, channels, height, width)
    want = block(x, 0)
    step = want[0].size + gap if batch else 0
    whole, y = guarded((batch * step - gap if batch else 0,))
    back_whole, back = guarded(x.shape)
    args = {"batch": batch, "channels": channels, "size": size}
    try:
        run_step("blocked_move.FromPlain", [x], [y], threads, y_batch=step, **args)
        for image in range(batch):
            np.testing.assert_array_equal(y[image * step : image * step + want[0].size], want[image].reshape(-1))
        run_step("blocked_move.ToPlain", [y], [back], threads, x_batch=step, **args)
    finally:
        levels.set_level(before)
    assert intact(whole)
    assert intact(back_whole)
    np.testing.assert_array_equal(back, x)


def test_refuses_wrong_sizes():
    with pytest.raises(ValueError, match="x has 5 elements"):
        x, y = np.zeros(5, np.float32), np.zeros(64, np.float32)
        run_step("blocked_move.FromPlain", [x], [y], batch=1, channels=4, size=4)
