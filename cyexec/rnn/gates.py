"""The arithmetic of the gates, which cells over vectors and over images share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import symbol as sym
from ..symbol import Symbol

Activate = Callable[..., Symbol]


def sigmoid(data: Symbol, name: str) -> Symbol:
    return sym.Activation(data, act_type="sigmoid", name=name)


def lstm_step(total: Symbol, cell: Symbol, activate: Activate, name: str, **split: Any) -> tuple[Symbol, Symbol]:
    """Hidden and cell state from the summed products of input and hidden state (gates i, f, c, o)."""
    i, f, c, o = sym.SliceChannel(total, num_outputs=4, name=f"{name}slice", **split)
    in_gate, forget_gate = sigmoid(i, f"{name}i"), sigmoid(f, f"{name}f")
    transform = activate(c, name=f"{name}c")
    out_gate = sigmoid(o, f"{name}o")
    kept, added = forget_gate * cell, in_gate * transform
    next_cell = sym.elemwise_add(kept, added, name=f"{name}state")
    return sym.elemwise_mul(out_gate, activate(next_cell), name=f"{name}out"), next_cell


def gru_step(i2h: Symbol, h2h: Symbol, hidden: Symbol, activate: Activate, name: str) -> Symbol:
    """Hidden state from the products of input and hidden state (gates r, z, o)."""
    i2h_r, i2h_z, i2h_o = sym.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice")
    h2h_r, h2h_z, h2h_o = sym.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice")
    reset = sigmoid(i2h_r + h2h_r, f"{name}_r_act")
    update = sigmoid(i2h_z + h2h_z, f"{name}_z_act")
    candidate = activate(i2h_o + reset * h2h_o, name=f"{name}_h_act")
    new, old = (1.0 - update) * candidate, update * hidden
    return sym.elemwise_add(new, old, name=f"{name}out")
