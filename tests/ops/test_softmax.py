"""What softmax refuses."""

from __future__ import annotations

import pytest

import cyexec as mx


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_dtype_must_be_floating(name):
    sym = getattr(mx.sym, name)(mx.sym.Variable("data"), dtype="int32", name="out")
    with pytest.raises(mx.MXNetError, match="out.*dtype must be float16, float32 or float64, found int32"):
        sym.simple_bind(mx.cpu(), data=(2, 3))
