"""NDArray without operators: creation, indexing, assignment, copies, exchange with NumPy. Expectations are MXNet 1.9.1's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cyexec.ndarray as nd
from cyexec.base import MXNetError
from cyexec.context import Context, cpu, current_context, gpu

DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]


def cube():
    return nd.arange(24).reshape((2, 3, 4))


@pytest.mark.parametrize(
    "source",
    [[1, 2], (1.5, 2), np.array([1, 2], "float64"), np.array([1, 2], "int64"), np.array([True, False]), range(2)],
)
def test_array_is_float32_unless_told(source):
    made = nd.array(source)
    assert made.dtype is np.float32
    np.testing.assert_array_equal(made.asnumpy(), np.asarray(source, "float32"))


def test_array_keeps_dtype_of_ndarrays():
    assert nd.array(nd.array([1, 2], dtype="int32")).dtype is np.int32
    assert nd.array(nd.array([1, 2], dtype="int32"), dtype="float16").dtype is np.float16


@pytest.mark.parametrize("source", [[[1, 2], [3]], "abc", {"a": 1}, [1j]])
def test_array_of_something_else(source):
    with pytest.raises(TypeError, match="source_array must be array like object"):
        nd.array(source)


@pytest.mark.parametrize("dtype", DTYPES)
def test_creation(dtype):
    for made, value in ((nd.zeros((2, 3), dtype=dtype), 0), (nd.ones((2, 3), dtype=dtype), 1)):
        assert made.shape == (2, 3) and made.dtype is np.dtype(dtype).type
        assert (made.asnumpy() == value).all()
        assert made._array.ctypes.data % 64 == 0
    assert nd.zeros(3).shape == (3,)
    assert nd.empty((2, 0), dtype=dtype).size == 0


def test_ranges():
    np.testing.assert_array_equal(nd.arange(2, 10, 3).asnumpy(), [2, 5, 8])
    np.testing.assert_array_equal(nd.arange(3, repeat=2).asnumpy(), [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(nd.arange(5, 0, -2).asnumpy(), [5, 3, 1])
    assert nd.arange(5, dtype="int64").dtype is np.int64
    assert nd.arange(2.5).shape == (3,)
    with pytest.raises(MXNetError, match="Invalid range"):
        nd.arange(5, 2)
    np.testing.assert_allclose(nd.linspace(0, 1, 5, endpoint=False).asnumpy(), [0, 0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(nd.eye(2, 3, 1).asnumpy(), [[0, 1, 0], [0, 0, 1]])
    assert nd.full((2,), 7, dtype="int32").asnumpy().tolist() == [7, 7]


def test_text():
    assert repr(nd.array([[1, 2], [3, 4]])) == "\n[[1. 2.]\n [3. 4.]]\n<NDArray 2x2 @cpu(0)>"
    assert repr(nd.array([1, 2], dtype="int32")) == "\n[1 2]\n<NDArray 2 @cpu(0)>"
    assert repr(nd.array([1], ctx=cpu(1))) == "\n[1.]\n<NDArray 1 @cpu(1)>"
    assert repr(nd.array(3.5)) == "\n3.5\n<NDArray  @cpu(0)>"


VIEWS = [
    0, -1, np.int64(1), slice(0, 1), slice(0, 2), slice(0, 2, 2), (0, 1), (0, 1, 2), (0, slice(1, 3)),
    (slice(0, 1), slice(1, 3)), (slice(0, 2), slice(0, 3)), None, (None, 0), (0, None), (0, None, slice(1, 2)), ...,
    (0, ...), (), True,
]  # fmt: skip
COPIES = [
    slice(None, None, -1), (slice(0, 2), slice(1, 3)), (slice(None), 0), (0, slice(None), 0), (..., 0),
    (..., slice(1, 2)), [0, 1], [0], np.array([0, 1]), (slice(None), [0, 1]), ([0, 1], [0, 1]), (0, [0, 1]),
    ([0, 1], slice(None), [0, 1]), range(2), np.array([1.0]),
]  # fmt: skip


def as_numpy_key(key):
    if key is True:
        return 1
    if isinstance(key, range):
        return list(key)
    return key.astype(int) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("key", VIEWS + COPIES, ids=str)
def test_getitem(key):
    array = cube()
    wanted = np.atleast_1d(array.asnumpy()[as_numpy_key(key)])
    part = array[key]
    assert part.shape == wanted.shape
    np.testing.assert_array_equal(part.asnumpy(), wanted)
    part[:] = 99
    assert (array.asnumpy() == 99).any() == any(key is v for v in VIEWS)


@pytest.mark.parametrize("key", VIEWS + COPIES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_setitem(key, dtype):
    array = nd.zeros((2, 3, 4), dtype=dtype)
    wanted = np.zeros((2, 3, 4), dtype)
    version = array._storage.version
    array[key] = 1
    wanted[as_numpy_key(key)] = 1
    np.testing.assert_array_equal(array.asnumpy(), wanted)
    assert array._storage.version > version
    values = np.arange(wanted[as_numpy_key(key)].size).reshape(wanted[as_numpy_key(key)].shape)
    array[key] = nd.array(values, dtype="float64")
    wanted[as_numpy_key(key)] = values
    np.testing.assert_array_equal(array.asnumpy(), wanted)


def test_masks():
    array = cube()
    mask = array.asnumpy() > 20
    np.testing.assert_array_equal(array[mask].asnumpy(), [21, 22, 23])
    array[mask] = -1
    assert array.asnumpy().min() == -1
    np.testing.assert_array_equal(array[nd.array([0, 1], dtype="bool")].shape, (1, 3, 4))


@pytest.mark.parametrize("key", [2, -3, (0, 3), (0, 0, 0, 0), [5], ([0], [9])], ids=str)
def test_index_out_of_bounds(key):
    with pytest.raises(IndexError):
        cube()[key]
    with pytest.raises(IndexError):
        cube()[key] = 1


@pytest.mark.parametrize("key", [1.0, "a", slice(0.5, 2), (0, "b"), {}], ids=str)
def test_keys_of_other_types(key):
    with pytest.raises(ValueError):
        cube()[key]


@pytest.mark.parametrize("value", ["a", 1j, object()], ids=str)
def test_values_of_other_types(value):
    with pytest.raises(TypeError, match="non-array-like"):
        cube()[0] = value


def test_assignment_converts_like_c():
    array = nd.zeros((3,), dtype="uint8")
    array[:] = 300
    assert array.asnumpy().tolist() == [44, 44, 44]
    array[:] = nd.array([1.7, 2, 3])
    assert array.asnumpy().tolist() == [1, 2, 3]
    wide = nd.zeros((1,), dtype="int64")
    wide[:] = 2**53 + 1
    assert wide.asscalar() == 2**53 + 1
    array = nd.zeros((2,))
    array[:] = None
    assert np.isnan(array.asnumpy()).all()
    with pytest.raises(ValueError):
        array[:] = np.arange(5)


def test_one_element_is_assigned_to_one_element():
    array = nd.zeros((2, 2))
    for k, value in enumerate((nd.array([3]), [4], np.array([[5]]), nd.array(6.0))):
        array[k // 2, k % 2] = value
    assert array.asnumpy().tolist() == [[3, 4], [5, 6]]
    array = nd.zeros((2,))
    array[1] = nd.array([7])
    assert array.asnumpy().tolist() == [0, 7]


def test_scalar_arrays():
    scalar = nd.array(3.0)
    assert scalar.shape == () and scalar[()].shape == () and float(scalar) == 3
    scalar[()] = 4
    scalar[...] = 5
    scalar[:] = 6
    assert int(scalar) == 6
    with pytest.raises(IndexError):
        scalar[0]


def test_truth_length_numbers():
    assert bool(nd.array([[3]])) and not bool(nd.array([0])) and not bool(nd.zeros((0,)))
    with pytest.raises(ValueError, match="truth value"):
        bool(nd.array([1, 2]))
    assert len(nd.zeros((3, 2))) == 3 and [x.asscalar() for x in nd.array([1, 2])] == [1, 2]
    with pytest.raises(ValueError, match="not a scalar"):
        nd.array([1, 2]).asscalar()
    assert [1, 2, 3][nd.array([1], dtype="int32")] == 2
    assert len({nd.array([1]), nd.array([1])}) == 2


def test_views_share_and_copies_do_not():
    array = cube()
    for view in (array.reshape((6, 4)), array.detach(), array[:], array.as_nd_ndarray(), array.as_in_context(cpu())):
        before = array._storage.version
        view[:] = view.asnumpy() + 1
        assert array._storage.version == before + 1
    assert array[0, 0, 0].asscalar() == 5
    for made in (array.copy(), array.astype("float32"), array.copyto(cpu(1)), copy.deepcopy(array), array.T):
        made[:] = 0
    assert array[0, 0, 0].asscalar() == 5
    assert array.astype("float32", copy=False) is array


def test_copyto():
    source, target = nd.array([1.7, 2]), nd.zeros((2,), dtype="int32")
    assert source.copyto(target) is target and target.asnumpy().tolist() == [1, 2]
    with pytest.warns(RuntimeWarning, match="copy an array to itself"):
        assert source.copyto(source) is False
    with pytest.raises(MXNetError, match=r"\(2,\).*\(2, 1\)"):
        source.copyto(nd.zeros((2, 1)))
    with pytest.raises(TypeError, match="copyto does not support type"):
        source.copyto(np.zeros(2))


@pytest.mark.parametrize(
    "shape,spec,reverse,wanted",
    [
        ((2, 3, 4), (0, -1), False, (2, 12)), ((2, 3, 4), (-2,), False, (2, 3, 4)), ((2, 3, 4), (-3, 4), False, (6, 4)),
        ((2, 3, 4), (0, -3), False, (2, 12)), ((2, 3, 4), (-4, 1, 2, -2), False, (1, 2, 3, 4)),
        ((2, 3, 4), (2, -4, -1, 3, -2), False, (2, 1, 3, 4)), ((10, 5, 4), (-1, 0), False, (40, 5)),
        ((10, 5, 4), (-1, 0), True, (50, 4)), ((1,), (), False, ()), ((2, 3, 4), (-3, -2), False, (6, 4)),
        ((8, 3), (-4, 2, -1, 0), False, (2, 4, 3)), ((3, 8), (0, -4, 2, -1), True, (3, 2, 4)),
    ],
)  # fmt: skip
def test_reshape_codes(shape, spec, reverse, wanted):
    assert nd.zeros(shape).reshape(spec, reverse=reverse).shape == wanted
    if spec:
        assert nd.zeros(shape).reshape(*spec, reverse=reverse).shape == wanted


def test_reshape_errors():
    array = cube()
    for spec in ((2, 3), (5, -1), ()):
        with pytest.raises(ValueError, match="Cannot reshape array of size 24"):
            array.reshape(spec)
    for spec in ((5, 5), (-1, -1), (-5,), (0, 0, 0, 0), (-4, 2), (-4, -1, -1, -2), (-4, 3, 3, -2)):
        with pytest.raises(MXNetError):
            array.reshape(spec)
    with pytest.raises(TypeError, match="foo"):
        array.reshape(24, foo=1)


def test_broadcast_to():
    assert nd.ones((1, 3)).broadcast_to((0, 3)).shape == (1, 3)
    assert nd.ones((3,)).broadcast_to((2, 3)).shape == (2, 3)
    with pytest.raises(ValueError, match="could not be broadcast"):
        nd.ones((2, 3)).broadcast_to((2, 4))


def test_numpy_exchange():
    array = cube()
    shared = np.asarray(array)
    assert not shared.flags.writeable and not array._storage.exposed
    array[:] = 3
    assert (shared == 3).all()
    assert np.array(array).flags.writeable and np.asarray(array, dtype="float64").dtype == np.float64
    assert memoryview(array).readonly and memoryview(array).shape == (2, 3, 4)
    assert not array._storage.exposed
    alias = array.__array__(copy=False)
    alias[:] = 7
    assert array._storage.exposed and (array.asnumpy() == 7).all()
    np.testing.assert_array_equal(np.sqrt(nd.array([4, 9])), [2, 3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_buffers_and_dlpack_of_every_dtype(dtype):
    array = nd.ones((2, 2), dtype=dtype)
    assert np.asarray(array).dtype == np.dtype(dtype)
    back = nd.from_dlpack(array)
    assert array._storage.exposed and back._storage.exposed
    back[0] = 0
    assert array.asnumpy().ravel().tolist() == [0, 0, 1, 1]
    capsule = nd.from_dlpack(array.to_dlpack_for_write())
    capsule[:] = 0
    assert not array.asnumpy().any()
    np.testing.assert_array_equal(np.from_dlpack(array), array.asnumpy())


def test_from_numpy():
    source = np.arange(3.0)
    array = nd.from_numpy(source)
    assert array.dtype is np.float64 and not source.flags.writeable
    array[:] = 5
    assert source.tolist() == [5, 5, 5]
    with pytest.raises(ValueError):
        nd.from_numpy(np.zeros((2, 3)).T)
    copied = nd.from_numpy(np.arange(3), zero_copy=False)
    assert copied.dtype is np.int64


@pytest.mark.parametrize("dtype", DTYPES)
def test_pickle(dtype):
    array = nd.array([[0, 1]], ctx=cpu(2), dtype=dtype)
    back = pickle.loads(pickle.dumps(array))
    assert back.context == cpu(2) and back.dtype is array.dtype
    np.testing.assert_array_equal(back.asnumpy(), array.asnumpy())


def test_what_is_not_there_says_so():
    array = nd.ones((2, 2))
    for call in (array.attach_grad, array.backward):
        with pytest.raises(MXNetError, match="autograd is not part"):
            call()
    with pytest.raises(MXNetError, match="csr"):
        array.tostype("csr")
    for make in (nd.sparse.csr_matrix, nd.sparse.row_sparse_array, nd.sparse.array, nd.sparse.zeros, nd.sparse.empty):
        with pytest.raises(MXNetError, match="sparse storage is not supported"):
            make((2, 2))
    for make in (lambda: nd.zeros((2,), ctx=gpu()), lambda: array.copyto(gpu(1)), lambda: array.as_in_context(gpu())):
        with pytest.raises(MXNetError, match="runs on CPU"):
            make()
    with pytest.raises(MXNetError):
        nd.zeros((10**9, 10**9, 10**9))
    with pytest.raises(MXNetError):
        nd.zeros((-1, 2))


def test_contexts():
    assert cpu() == Context("cpu", 0) and hash(cpu(1)) == hash(cpu(1)) and cpu() != cpu(1) and cpu() != "cpu(0)"
    assert str(gpu(1)) == "gpu(1)" and Context(cpu(3)) == cpu(3) and cpu().device_typeid == 1
    with cpu(4):
        assert nd.zeros((1,)).context == cpu(4)
        with cpu(5):
            assert current_context() == cpu(5)
    assert current_context() == cpu(0)
    with pytest.raises(KeyError):
        Context("tpu")
    assert nd.zeros((1,), ctx="cpu(1)").context == cpu(1)
