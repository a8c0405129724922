"""Indices out of range: an error where MXNet has one, and the executor stays usable."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx


def bound(symbol, **arrays):
    executor = symbol.simple_bind(
        mx.cpu(), grad_req="null", type_dict={k: v.dtype for k, v in arrays.items()},
        **{k: v.shape for k, v in arrays.items()},
    )  # fmt: skip
    for name, array in arrays.items():
        executor.arg_dict[name][:] = array
    return executor


@pytest.mark.parametrize("bad", [5, -1])
def test_take_raises_when_asked_to(bad):
    data = np.arange(6, dtype=np.float32).reshape(3, 2)
    symbol = mx.sym.take(mx.sym.var("data"), mx.sym.var("index"), mode="raise", name="rows")
    executor = bound(symbol, data=data, index=np.array([0, 2], np.float32))
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), data[[0, 2]])
    executor.arg_dict["index"][:] = np.array([0, bad])
    with pytest.raises(mx.MXNetError, match=f"rows.*index {bad} is out of bounds for axis 0 with size 3"):
        executor.forward()[0].asnumpy()
    executor.arg_dict["index"][:] = np.array([1, 1])
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), data[[1, 1]])


def test_gather_nd_counts_from_the_end_and_raises_beyond():
    data = np.arange(6, dtype=np.float32).reshape(3, 2)
    symbol = mx.sym.gather_nd(mx.sym.var("data"), mx.sym.var("index"))
    executor = bound(symbol, data=data, index=np.array([[0, -1], [1, -2]], np.int32))
    np.testing.assert_array_equal(executor.forward()[0].asnumpy(), [1, 4])
    executor.arg_dict["index"][:] = np.array([[0, 2], [1, 2]])
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 1 with size 2"):
        executor.forward()[0].asnumpy()


def test_imperative_calls_raise_too():
    data = mx.nd.array([[1, 2], [3, 4]])
    with pytest.raises(mx.MXNetError, match="out of bounds"):
        mx.nd.take(data, mx.nd.array([2]), mode="raise")
    np.testing.assert_array_equal(mx.nd.take(data, mx.nd.array([2])).asnumpy(), [[3, 4]])


def test_gradient_of_take_adds_copies_up():
    """The gradient of a taken row is the sum of its copies, whatever the mode brings in range."""
    data, index = mx.sym.var("data"), mx.sym.var("index")
    for mode, want in (("clip", [[1, 1], [0, 0], [2, 2]]), ("wrap", [[1, 1], [0, 0], [2, 2]])):
        symbol = mx.sym.take(data, index, mode=mode)
        executor = symbol.simple_bind(mx.cpu(), grad_req={"data": "write", "index": "null"}, data=(3, 2), index=(3,))
        executor.arg_dict["index"][:] = np.array([0, 2, 9 if mode == "clip" else -1])
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((3, 2)))
        np.testing.assert_array_equal(executor.grad_dict["data"].asnumpy(), want)


def test_pick_infers_an_index_of_one_element_for_vectors():
    x, index = mx.sym.Variable("x"), mx.sym.Variable("index")
    assert mx.sym.pick(x, index, axis=0).infer_shape(x=(3,))[0] == [(3,), (1,)]


def test_crop_needs_height_and_width_alone_of_its_second_array():
    x, like = mx.sym.Variable("x"), mx.sym.Variable("like")
    _, out, _ = mx.sym.Crop(x, like, num_args=2).infer_shape_partial(x=(2, 1, 2, 5), like=(2, 0, 2, 4))
    assert out == [(2, 1, 2, 4)]
    _, out, _ = mx.sym.Crop(x, like, num_args=2).infer_shape_partial(x=(1, 3, 0, 4), like=(0, 0, 2, 0))
    assert out == [(1, 3, 2, 0)]


def test_broadcast_like_keeps_extents_of_more_than_one():
    x, like = mx.sym.Variable("x"), mx.sym.Variable("like")
    assert mx.sym.broadcast_like(x, like).infer_shape_partial(x=(3, 1, 2), like=(0, 5, 0))[1] == [(3, 5, 2)]


def test_expand_dims_knows_its_axis_from_the_output_alone():
    x, like = mx.sym.Variable("x"), mx.sym.Variable("like")
    args, out, _ = (mx.sym.expand_dims(x, axis=1) + like).infer_shape_partial(like=(3, 0, 2))
    assert out == [(3, 1, 2)] and args[0] == (3, 2)
