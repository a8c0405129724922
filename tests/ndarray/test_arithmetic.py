"""Operators of Python on arrays: MXNet's dtypes and broadcasting, numbers and NumPy arrays on either side."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cyexec.ndarray as nd
from cyexec.base import MXNetError

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.mod, operator.pow, operator.eq, operator.ne,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.imod]
FLOATS = ["float32", "float64", "float16"]


def close(got, want, dtype="float32"):
    assert isinstance(got, nd.NDArray) and got.dtype is np.dtype(dtype).type
    rtol = 2e-3 if dtype == "float16" else 1e-5
    np.testing.assert_allclose(got.asnumpy().astype("float64"), np.asarray(want, "float64"), rtol=rtol)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", FLOATS)
def test_arrays_and_numbers(function, dtype):
    a = np.array([[0.5, 2, 3], [4, 1, 6]], dtype)
    b = np.array([[2, 2, 1.5]], dtype)
    close(function(nd.array(a, dtype=dtype), nd.array(b, dtype=dtype)), function(a, b), dtype)
    for number in (2, 1.5, True, np.float32(2), np.float64(0.5), np.int64(3)):
        plain = float(number)
        close(function(nd.array(a, dtype=dtype), number), function(a, a.dtype.type(plain)), dtype)
        close(function(number, nd.array(a, dtype=dtype)), function(a.dtype.type(plain), a), dtype)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_numpy_arrays_on_either_side(function):
    a = np.array([1.0, 2, 3])
    x = nd.array([2, 2, 2])
    close(function(x, a), function(np.float32([2, 2, 2]), a))
    close(function(a, x), function(a, np.float32([2, 2, 2])))
    assert np.all(nd.array(a) == a) and np.all(a == nd.array(a))


def test_numpy_arrays_promote_integers():
    assert (nd.array([1, 2], dtype="int32") == np.array([1, 2.5])).asnumpy().tolist() == [1, 0]
    assert (nd.array([1, 2], dtype="int32") + np.array([1, 2])).dtype is np.int32


@settings(max_examples=60, deadline=None)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=1, max_side=3, max_dims=4))
def test_broadcasting_is_numpys(shapes):
    a, b = (np.arange(np.prod(s, dtype=int)).reshape(s) + 1.0 for s in shapes.input_shapes)
    if a.ndim == 0 or b.ndim == 0:
        return
    close(nd.array(a) - nd.array(b), a - b)


@pytest.mark.parametrize("function", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place(function):
    a, b = np.array([[1.0, 2], [3, 4]], "float32"), np.array([2.0, 4], "float32")
    array = nd.array(a)
    whole, version = array[:], array._storage.version
    made = function(array, nd.array(b))
    assert made is array and array._storage.version > version
    wanted = function(a.copy(), b)
    close(array, wanted)
    close(whole, wanted)
    close(function(array, 2), function(wanted.copy(), np.float32(2)))
    # The array itself as operand.
    array = nd.array(a)
    close(function(array, array), function(a.copy(), a))


def test_in_place_overlapping_views():
    for size in (6, 100_000):
        array = nd.arange(size)
        part = array[1:]
        part += array[:-1]
        want = np.arange(size, dtype="float32")
        want[1:] += np.arange(size - 1, dtype="float32")
        close(array, want)


def test_in_place_cannot_grow():
    array = nd.array([1.0])
    with pytest.raises(MXNetError, match=r"\(2,\)"):
        array += nd.array([1.0, 2.0])
    assert array.asscalar() == 1


def test_integers():
    one = nd.array([1], dtype="int32")
    assert (one + 1.5).dtype is np.int32 and (one + 1.5).asscalar() == 2
    assert (one / 2).asscalar() == 0 and (nd.array([3], dtype="int64") / 2).asscalar() == 1
    assert (nd.array([3], dtype="int32") ** 2).asscalar() == 9
    assert (nd.array([3], dtype="int32") == 3).dtype is np.int32
    assert (nd.array([250], dtype="uint8") + 10).asscalar() == 4
    assert (nd.array([100], dtype="int8") + 100).asscalar() == -56
    assert (nd.array([1], dtype="uint8") - 2).asscalar() == 255
    assert (nd.array([2**53 + 1], dtype="int64") + 1).asscalar() == 2**53 + 2
    assert (nd.array([2**53 + 1], dtype="int64") - nd.array([2**53], dtype="int64")).asscalar() == 1
    assert (nd.array([-5.0]) % 3).asscalar() == 1


def test_minus_zero_is_not_zero():
    one = nd.array([1.0])
    for zero in (0.0, -0.0, 0.0):
        assert np.signbit((one * zero).asscalar()) == np.signbit(zero)


def test_booleans_count():
    array = nd.array([1, 0], dtype="bool")
    for made, want in ((array + 1, [2, 1]), (1 - array, [0, 1]), (-array, [-1, 0]), (array == 1, [1, 0])):
        close(made, want, "int64")
    close(array + array, [2, 0], "int64")
    close(nd.array([3, 4], dtype="int64") * array, [3, 0], "int64")


def test_unary():
    close(-nd.array([1.0, -2]), [-1, 2])
    close(abs(nd.array([1.0, -2])), [1, 2])


@pytest.mark.parametrize("other", [None, "a", 1j, [1], (1,)], ids=repr)
def test_operands_of_other_types(other):
    for function in BINARY:
        with pytest.raises(TypeError, match="not supported"):
            function(nd.array([1.0]), other)
    array = nd.array([1.0])
    with pytest.raises(TypeError, match="not supported"):
        array += other


@pytest.mark.parametrize("function", [operator.floordiv, operator.and_, operator.lshift, operator.matmul])
def test_operators_that_mxnet_lacks(function):
    with pytest.raises(TypeError):
        function(nd.array([1.0]), nd.array([1.0]))


def test_shapes_and_dtypes_must_agree():
    with pytest.raises(MXNetError, match=r"\(2, 3\).*\(4, 3\)"):
        nd.ones((2, 3)) + nd.ones((4, 3))
    with pytest.raises(MXNetError, match="int32"):
        nd.array([1]) + nd.array([1], dtype="int32")


def test_functions():
    x = nd.array([1.0, 5])
    for made, want in (
        (nd.add(x, 1), [2, 6]), (nd.subtract(10, x), [9, 5]), (nd.multiply(x, x), [1, 25]), (nd.divide(10, x), [10, 2]),
        (nd.true_divide(x, 2), [0.5, 2.5]), (nd.modulo(x, 3), [1, 2]), (nd.power(2, x), [2, 32]),
        (nd.maximum(x, 3), [3, 5]), (nd.maximum(3, x), [3, 5]), (nd.minimum(x, nd.array([3.0, 3])), [1, 3]),
        (nd.equal(x, 5), [0, 1]), (nd.not_equal(x, 5), [1, 0]), (nd.greater(3, x), [1, 0]), (nd.lesser(3, x), [0, 1]),
        (nd.greater_equal(x, 5), [0, 1]), (nd.lesser_equal(x, 1), [1, 0]), (nd.logical_and(x, 0), [0, 0]),
        (nd.logical_or(x, 0), [1, 1]), (nd.logical_xor(x, 1), [0, 0]),
    ):  # fmt: skip
        close(made, want)
    assert nd.add(1, 2) == 3 and nd.maximum(1, 2) == 2 and nd.greater(1, 2) == 0


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(BINARY), st.integers(0, 3), st.floats(-3, 3, width=32))
def test_empty_and_one_element_arrays(function, size, number):
    array = nd.ones((size, 2))
    assert function(array, number).shape == (size, 2)
    assert function(array, array).shape == (size, 2)
