"""The recurrent kernels alone: teams, and operands that do not fit. (Numbers at every level: the operator's cases.)"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels
from cyexec.runtime import schedule


def forward(mode, steps, batch, units, direction, threads):
    """States of all time steps, from seeded numbers."""
    gates = {"lstm": 4, "gru": 3}.get(mode, 1)
    rng = np.random.default_rng(units)
    shapes = {
        "gates": (steps, batch, gates * units), "weight": (gates * units, units), "bias": (gates * units,),
        "h0": (batch, units), "c0": (batch, units),
    }  # fmt: skip
    reads = {name: rng.uniform(-0.5, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    packed = gates * -(-units // 16) * 16 * units
    writes = {"y": np.zeros((steps, batch, 2 * units)), "packed": np.zeros(packed), "cells": np.zeros((batch, units))}
    writes = {name: array.astype(np.float32) for name, array in writes.items()}
    cls, _ = levels.resolve("rnn.RecurrentForward", np.dtype(np.float32))
    step = cls(
        list(reads.values()), list(writes.values()), names=(tuple(reads), tuple(writes)), mode=mode, steps=steps,
        batch=batch, units=units, width=units, direction=direction, directions=2,
    )  # fmt: skip
    step.cost = 1e9  # worth sharing
    before = schedule.get_num_threads()
    schedule.set_num_threads(threads)
    try:
        schedule.Schedule([step]).run(0, 1)
    finally:
        schedule.set_num_threads(before)
    return writes["y"]


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(["rnn_relu", "rnn_tanh", "lstm", "gru"]), steps=st.integers(1, 4), batch=st.integers(1, 60),
    units=st.integers(1, 70), direction=st.integers(0, 1), threads=st.integers(2, 4),
)  # fmt: skip
def test_teams_change_no_bit(mode, steps, batch, units, direction, threads):
    np.testing.assert_array_equal(
        forward(mode, steps, batch, units, direction, threads), forward(mode, steps, batch, units, direction, 1)
    )


def test_kernel_refuses_operands_of_wrong_size():
    cls, _ = levels.resolve("rnn.RecurrentForward", np.dtype(np.float32))
    zeros = np.zeros
    reads = {"gates": zeros((2, 1, 3)), "weight": zeros((3, 3)), "bias": zeros(3), "h0": zeros((1, 3))}
    writes = {"y": zeros((2, 1, 3)), "packed": zeros(48)}
    for name, wrong in (("weight", zeros(8)), ("packed", zeros(9)), ("y", zeros(5)), ("h0", zeros(4))):
        changed = {k: (wrong if k == name else v).astype(np.float32) for k, v in (reads | writes).items()}
        with pytest.raises(ValueError, match=name):
            cls(
                [changed[n] for n in reads], [changed[n] for n in writes], names=(tuple(reads), tuple(writes)),
                mode="rnn_tanh", steps=2, batch=1, units=3, width=3,
            )  # fmt: skip


def test_kernel_refuses_a_direction_without_room():
    cls, _ = levels.resolve("rnn.RecurrentForward", np.dtype(np.float32))
    with pytest.raises(ValueError, match="direction 1 of 1"):
        cls([], [], names=((), ()), mode="lstm", steps=2, batch=1, units=3, width=3, direction=1)
