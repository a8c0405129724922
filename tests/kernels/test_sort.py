"""The order that `sort.TopK` finds, against NumPy's stable sort: every dtype, few of many and all, NaN, infinities, zeros."""

import numpy as np
import pytest

import cyexec as mx

EXTENTS = (1, 2, 24, 25, 100, 1000)


def numbers(dtype, extent):
    """Rows with many equal elements; floats with every special value too."""
    rng = np.random.default_rng(extent)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0 if dtype == "uint8" else -100, 100, (3, extent)).astype(dtype)
    x = np.round(rng.standard_normal((3, extent)) * 20).astype(dtype)
    for value in (np.nan, np.inf, -np.inf, 0.0, -0.0):
        x[rng.random(x.shape) < 0.05] = value
    return x


def order(x, ascend):
    """Positions of each row in order, NaN last, equal elements as they stand."""
    exact = x.astype(np.float64)
    keys = np.where(np.isnan(exact), 0, exact if ascend else -exact)
    return np.stack([np.lexsort((np.arange(len(k)), k, isnan)) for k, isnan in zip(keys, np.isnan(exact))])


@pytest.mark.parametrize("ascend", [False, True])
@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8", "int32", "int64"])
def test_order(dtype, extent, ascend):
    x = numbers(dtype, extent)
    for k in {1, max(1, extent // 20), extent}:
        values, positions = mx.nd.topk(mx.nd.array(x, dtype=dtype), k=k, is_ascend=ascend, ret_typ="both", dtype="int64")
        wanted = order(x, ascend)[:, :k]
        np.testing.assert_array_equal(positions.asnumpy(), wanted)
        np.testing.assert_array_equal(values.asnumpy(), np.take_along_axis(x, wanted, 1))


def test_a_row_that_is_ordered_already():
    """Few of many: no element, or every element, enters the heap."""
    x = np.arange(1000, dtype=np.float32)
    for ascend, wanted in ((True, np.arange(5)), (False, np.arange(999, 994, -1))):
        np.testing.assert_array_equal(mx.nd.topk(mx.nd.array(x), k=5, is_ascend=ascend).asnumpy(), wanted)
