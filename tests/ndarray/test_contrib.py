"""What `mx.nd.contrib` has beside operators, and `mx.contrib`, the older home of it all."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
def test_kinds_of_numbers(name):
    values = np.array([[1, np.nan, np.inf], [-np.inf, 0, -1e30]], np.float32)
    found = getattr(mx.nd.contrib, name)(mx.nd.array(values))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.asnumpy(), getattr(np, name)(values))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("mask", [[1, 0, 2], [0, 0, 0], [1, 1, 1]])
def test_boolean_mask(mask, axis):
    data = np.arange(27).reshape(3, 3, 3)
    found = mx.nd.contrib.boolean_mask(mx.nd.array(data), mx.nd.array(mask), axis=axis)
    np.testing.assert_array_equal(found.asnumpy(), np.compress(np.array(mask) != 0, data, axis))


def test_boolean_mask_of_another_length():
    with pytest.raises(mx.MXNetError, match="an element for each row"):
        mx.nd.contrib.boolean_mask(mx.nd.ones((3, 2)), mx.nd.ones((2,)))


def test_older_home():
    assert mx.contrib.sym.Proposal is mx.sym.contrib.Proposal
    assert mx.contrib.symbol.foreach is mx.sym.contrib.foreach
    assert mx.contrib.ndarray.boolean_mask is mx.nd.contrib.boolean_mask
    assert mx.contrib.nd.MultiBoxPrior is mx.nd.contrib.MultiBoxPrior
    assert "box_nms" in dir(mx.contrib.nd)
