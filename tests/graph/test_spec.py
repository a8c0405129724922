"""The grammar of graphs accepts what binding makes."""

from __future__ import annotations

import numpy as np

import cyexec as mx


def test_zeros_that_learn_their_extent_from_a_reader(monkeypatch):
    """The first state of MXNet's unrolled cells is zeros of shape (0, n)."""
    monkeypatch.setenv("CYEXEC_CHECK", "1")
    state = mx.sym.zeros(shape=(0, 3), name="begin_state")
    out = mx.sym.elemwise_add(mx.sym.Variable("x"), state)
    executor = out.simple_bind(mx.cpu(), x=(2, 3))
    executor.arg_dict["x"][:] = 1
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), np.ones((2, 3)))
