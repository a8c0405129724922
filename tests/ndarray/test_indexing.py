"""Laws of indexing: NumPy's elements, MXNet's shapes (never without dimensions), views exactly where memory allows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cyexec.ndarray as nd

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def numbered(shape):
    return nd.arange(int(np.prod(shape))).reshape(shape)


@st.composite
def shapes_and_basic_keys(draw):
    shape = draw(SHAPES)
    return shape, draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))


@st.composite
def shapes_and_index_arrays(draw):
    shape = draw(SHAPES)
    key = draw(hnp.integer_array_indices(shape))
    forms = draw(
        st.lists(st.sampled_from([np.asarray, nd.array, np.ndarray.tolist]), min_size=len(key), max_size=len(key))
    )
    return shape, key, tuple(form(k) if k.ndim or form is not np.ndarray.tolist else k for form, k in zip(forms, key))


@settings(max_examples=300, deadline=None)
@given(shapes_and_basic_keys())
def test_basic_keys(shape_and_key):
    shape, key = shape_and_key
    array = numbered(shape)
    want = np.atleast_1d(array.asnumpy()[key])
    part = array[key]
    assert part.shape == want.shape and (part.asnumpy() == want).all()
    contiguous = np.empty(shape)[key].flags.c_contiguous if want.size else False
    part[:] = -1
    assert (array.asnumpy() == -1).any() == bool(contiguous and want.size)


@settings(max_examples=300, deadline=None)
@given(shapes_and_basic_keys(), st.sampled_from(["number", "array", "numpy", "list"]))
def test_assignment_by_basic_keys(shape_and_key, kind):
    shape, key = shape_and_key
    array = numbered(shape)
    want = array.asnumpy()
    value = np.asarray(want[key]) * 10.0 + 1
    given_value = {
        "number": 7.0,
        "array": nd.array(value),
        "numpy": value,
        "list": value.tolist() if value.size else value,
    }[kind]
    version = array._storage.version
    array[key] = given_value
    want[key] = 7 if kind == "number" else value
    assert (array.asnumpy() == want).all() and array._storage.version == version + 1


@settings(max_examples=200, deadline=None)
@given(shapes_and_index_arrays())
def test_index_arrays(drawn):
    shape, key, given_key = drawn
    array = numbered(shape)
    want = np.atleast_1d(array.asnumpy()[key])
    part = array[given_key]
    assert part.shape == want.shape and (part.asnumpy() == want).all()
    part[:] = -1
    assert not (array.asnumpy() == -1).any()
    changed = array.asnumpy()
    changed[key] = -5
    array[given_key] = -5
    assert (array.asnumpy() == changed).all()


@settings(max_examples=100, deadline=None)
@given(SHAPES.flatmap(lambda s: hnp.arrays(bool, s)))
def test_masks(mask):
    array = numbered(mask.shape)
    want = array.asnumpy()
    assert (array[mask].asnumpy() == want[mask]).all()
    array[nd.array(mask, dtype="bool")] = -3
    want[mask] = -3
    assert (array.asnumpy() == want).all()


@settings(max_examples=200, deadline=None)
@given(SHAPES, st.data())
def test_reshape_shares_memory(shape, data):
    array = numbered(shape)
    size = array.size
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    first = data.draw(st.sampled_from(divisors))
    view = array.reshape(data.draw(st.sampled_from([(first, -1), (-1, first), (first, size // first), (-2,)])))
    view[:] = view.asnumpy()[..., ::-1]
    assert (array.asnumpy().ravel() == view.asnumpy().ravel()).all()
