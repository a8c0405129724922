"""StridedCopy against NumPy's own strided arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyexec.kernels import levels


def strided_copy(dtype, x, y, **args):
    cls, view = levels.resolve("movement.StridedCopy", np.dtype(dtype))
    cls([x.view(view)], [y.view(view)], **args)()


@st.composite
def layouts(draw):
    """A box of some array: slices (of any step) of a transposed array, with broadcast axes."""
    ndim = draw(st.integers(1, 5))
    sizes = [draw(st.integers(1, 70 if i < 2 else 5)) for i in range(ndim)]
    axes = draw(st.permutations(range(ndim)))
    cuts = []
    for a in axes:
        n = sizes[a]
        step = draw(st.sampled_from([1, 1, 1, -1, 2, -3]))
        start = draw(st.integers(0, n - 1)) if draw(st.booleans()) else None
        cuts.append(slice(start, None, step))
    return sizes, axes, tuple(cuts), draw(st.booleans())


@given(layouts(), st.sampled_from(["uint8", "float16", "float32", "float64"]))
@settings(max_examples=150, deadline=None)
def test_any_view_to_contiguous_and_back(layout, dtype):
    sizes, axes, cuts, repeat = layout
    whole = np.arange(np.prod(sizes)).astype(dtype).reshape(sizes)
    view = whole.transpose(axes)[cuts]
    offset = (view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // whole.itemsize
    strides = tuple(s // whole.itemsize for s in view.strides)
    read = np.broadcast_to(view, (3, *view.shape)) if repeat else view
    out = np.zeros(read.shape, dtype)
    own = tuple(s // out.itemsize for s in out.strides)
    strided_copy(
        dtype, whole.reshape(-1), out.reshape(-1), shape=read.shape, y_strides=own,
        x_strides=((0, *strides) if repeat else strides), x_offset=offset,
    )  # fmt: skip
    np.testing.assert_array_equal(out, read)
    # The other way round: a contiguous array into the view leaves everything else alone.
    back = np.full_like(whole, 7)
    wanted = back.copy()
    wanted.transpose(axes)[cuts] = view
    source = np.ascontiguousarray(view)
    own = tuple(s // out.itemsize for s in source.strides)
    strided_copy(
        dtype, source.reshape(-1), back.reshape(-1), shape=view.shape, x_strides=own, y_strides=strides, y_offset=offset
    )
    np.testing.assert_array_equal(back, wanted)


def test_box_outside_the_array_is_refused():
    x, y = np.zeros(6, np.float32), np.zeros(6, np.float32)
    with pytest.raises(ValueError, match="x has 6 elements"):
        strided_copy("float32", x, y, shape=(2, 3), x_strides=(3, 1), y_strides=(3, 1), x_offset=1)
    with pytest.raises(ValueError, match="y has 6 elements"):
        strided_copy("float32", x, y, shape=(2, 3), x_strides=(3, 1), y_strides=(-3, 1))
