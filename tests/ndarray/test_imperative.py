"""Operators on arrays: the same numbers as their references, whatever the path; `out`, modes, errors, threads."""

from __future__ import annotations

import inspect
import os
import threading

import numpy as np
import pytest

import cyexec as mx
import cyexec.ndarray as nd
from cyexec import autograd
from cyexec.base import DTypeError, MXNetError, ShapeError
from cyexec.ndarray import imperative
from cyexec.ops import registry
from tests.ops import harness

CASES = harness.all_cases()


def wrapped(arrays):
    return [nd.array(a, dtype=a.dtype) for a in arrays]


@pytest.mark.parametrize("staged", [0, 1 << 30], ids=["direct", "staged"])
@pytest.mark.parametrize("name,number", CASES, ids=[f"{n}-{i}" for n, i in CASES])
def test_same_numbers_as_the_harness(name, number, staged, monkeypatch):
    monkeypatch.setattr(imperative, "STAGED_BYTES", staged)
    imperative.clear_cache()
    op = registry.get(name)
    case = op.cases[number]
    if op.random:
        return
    arrays = harness.case_inputs(op, case, case.dtypes[0])
    params = op.params.parse(case.params, op.name)
    values = dict(zip(op.input_names(params), [a.copy() for a in arrays]))
    want, _ = harness.run(harness.build(op, case, arrays, False), values)
    ins = wrapped(arrays)
    with autograd.pause(train_mode=case.is_train):
        for _ in range(2):  # compiled, and from the cache
            ins = wrapped(arrays)
            got = imperative.invoke(op, ins, case.params)
            got = got if isinstance(got, list) else [got]
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g.asnumpy(), w)
            for array, value in zip(ins, values.values()):
                np.testing.assert_array_equal(array.asnumpy(), value)
    imperative.clear_cache()


def test_functions_take_arrays_by_position_and_name():
    data = nd.arange(6).reshape((2, 3))
    for made in (
        nd.transpose(data),
        nd.transpose(data=data),
        nd.transpose(data, (1, 0)),
        nd.op.transpose(data, axes=(1, 0)),
    ):
        np.testing.assert_array_equal(made.asnumpy(), data.asnumpy().T)
    assert nd.concat(data, data, dim=0).shape == (4, 3) and nd.Concat(data, data, dim=1, num_args=2).shape == (2, 6)
    parts = nd.split(data, num_outputs=3, axis=1)
    assert isinstance(parts, list) and [p.shape for p in parts] == [(2, 1)] * 3
    assert isinstance(nd.split(data, num_outputs=1, axis=1), nd.NDArray)
    assert nd.transpose is nd.op.transpose and nd.identity(data, name="x").shape == (2, 3)


def test_signature_and_documentation():
    assert str(inspect.signature(nd.transpose)).startswith("(data=None, axes=")
    assert [p for p in inspect.signature(nd.BatchNorm).parameters][:5] == [
        "data", "gamma", "beta", "moving_mean", "moving_var",
    ]  # fmt: skip
    assert "Parameters\n----------\ndata : NDArray" in nd.transpose.__doc__ and "axes : " in nd.transpose.__doc__
    assert nd.transpose.__name__ == "transpose"
    for name in dir(nd.op):
        if not name.startswith("_") and callable(getattr(nd.op, name)):
            assert getattr(nd.op, name).__doc__


def test_namespaces():
    assert nd.linalg.gemm2 and nd._internal._plus_scalar and nd.random.uniform and nd._internal._random_uniform
    for name in ("_linalg_gemm2", "_random_uniform_like", "relu"):
        assert not hasattr(nd._internal, name)
    # Gradient operators are there too, and one with an input called `out` has no second one.
    for name in dir(nd._internal):
        if name.startswith("_backward"):
            assert inspect.signature(getattr(nd._internal, name))


def test_positional_parameters_stand_where_mxnet_has_them():
    def names(function):
        return [p for p in inspect.signature(function).parameters]

    assert names(nd.SequenceMask)[2:5] == ["use_sequence_length", "value", "axis"]
    assert names(nd.linalg.gemm)[3:8] == ["transpose_a", "transpose_b", "alpha", "beta", "axis"]
    assert names(nd._internal._slice_assign_scalar)[1:5] == ["scalar", "begin", "end", "step"]


def test_out():
    data, out = nd.arange(6).reshape((2, 3)), nd.zeros((3, 2))
    version = out._storage.version
    assert nd.transpose(data, out=out) is out and out._storage.version > version
    np.testing.assert_array_equal(out.asnumpy(), data.asnumpy().T)
    outs = [nd.zeros((1, 3)), nd.zeros((1, 3))]
    assert nd.split(data, num_outputs=2, axis=0, out=outs) is outs and outs[1].asnumpy().tolist() == [[3, 4, 5]]
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(3, 2\)"):
        nd.transpose(data, out=nd.zeros((2, 3)))
    with pytest.raises(DTypeError, match="int32"):
        nd.transpose(data, out=nd.zeros((3, 2), dtype="int32"))
    with pytest.raises(MXNetError, match="2 results"):
        nd.split(data, num_outputs=2, axis=0, out=outs[0])
    with pytest.raises(TypeError, match="out must be an NDArray"):
        nd.transpose(data, out=np.zeros((3, 2)))


@pytest.mark.parametrize("size", [4, 200])
def test_out_may_be_an_input(size):
    data = nd.arange(size * size).reshape((size, size))
    want = data.asnumpy().T
    nd.transpose(data, out=data)
    np.testing.assert_array_equal(data.asnumpy(), want)


def test_large_results_in_place_need_no_second_array():
    data, other = nd.ones((300, 300)), nd.full((300, 300), 2)
    data += other
    (call,) = [c for k, c in imperative._calls.items() if k[0].name == "broadcast_add" and c.shapes == [(300, 300)]]
    assert call.inplace == {0, 1} and (data.asnumpy() == 3).all()
    assert call._target(data._array, [data._array, other._array]) is data._array
    assert call._target(data._array, [other._array, data._array]) is data._array
    data += data
    assert (data.asnumpy() == 6).all()
    transposed = imperative._find(registry.get("transpose"), {}, [data._array], False)
    assert transposed._target(data._array, [data._array]) is not data._array


def test_errors_name_operator_and_values():
    data = nd.arange(6).reshape((2, 3))
    with pytest.raises(AssertionError, match="Argument data must have NDArray type"):
        nd.transpose(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="Argument data must have NDArray type"):
        nd.transpose([1])
    with pytest.raises(MXNetError, match="Operator transpose expects 1 inputs .*but got 0"):
        nd.transpose()
    with pytest.raises(MXNetError, match="transpose: Cannot find argument 'foo'"):
        nd.transpose(data, foo=1)
    with pytest.raises(MXNetError, match="transpose.*permutation"):
        nd.transpose(data, axes=(0, 0))
    with pytest.raises(TypeError, match="multiple values"):
        nd.transpose(data, data=data)
    with pytest.raises(TypeError, match="at most"):
        nd.transpose(data, (1, 0), None, None, 5)
    with pytest.raises(AssertionError, match="Positional arguments"):
        nd.concat([data, data], dim=0)
    assert not hasattr(nd, "no_such_operator")


def test_modes_and_auxiliary_states():
    data = nd.array(np.random.default_rng(0).normal(3, 2, (8, 3)))
    gamma, beta, mean, var = nd.ones((3,)), nd.zeros((3,)), nd.zeros((3,)), nd.ones((3,))
    made = nd.BatchNorm(data, gamma, beta, mean, var, eps=1e-5)
    np.testing.assert_allclose(made.asnumpy(), data.asnumpy(), rtol=1e-4)
    assert not autograd.is_training()
    with autograd.train_mode():
        assert autograd.is_training()
        made = nd.BatchNorm(data, gamma, beta, mean, var, eps=1e-5)
        with autograd.predict_mode():
            assert not autograd.is_training()
    np.testing.assert_allclose(made.asnumpy().mean(0), 0, atol=1e-5)
    for call in (autograd.record, lambda: autograd.backward([data]), lambda: autograd.grad([data], [data])):
        with pytest.raises(MXNetError, match="not part of cyexec"):
            call()


def test_threads_share_compiled_calls():
    results = []

    def work(k):
        data = nd.full((3, 4), k)
        results.append(all((nd.transpose(data).asnumpy() == k).all() for _ in range(300)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [True] * 4


def test_forked_child_does_not_wait_for_the_parents_threads():
    data = nd.zeros((3, 4))
    nd.transpose(data)
    for call in imperative._calls.values():
        call.lock.acquire()
    try:
        child = os.fork()
        if child == 0:
            os._exit(0 if nd.transpose(data).shape == (4, 3) else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        for call in imperative._calls.values():
            call.lock.release()


def test_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(imperative, "_CALLS_KEPT", 8)
    imperative.clear_cache()
    for n in range(1, 40):
        nd.transpose(nd.zeros((n, 2)))
    assert len(imperative._calls) <= 8 and len(imperative._seen) <= 8


def test_methods():
    data = nd.arange(24).reshape((2, 3, 4))
    assert data.transpose((2, 0, 1)).shape == (4, 2, 3) and data.transpose().shape == (4, 3, 2)
    assert data.expand_dims(axis=0).shape == (1, 2, 3, 4) and data.flatten().shape == (2, 12)
    assert data.slice(begin=(0, 1), end=(2, 3)).shape == (2, 2, 4)
    assert data.slice_axis(axis=1, begin=0, end=2).shape == (2, 2, 4)
    assert data.swapaxes(0, 1).shape == (3, 2, 4) and data.reshape_like(nd.zeros((6, 4))).shape == (6, 4)
    assert [p.shape for p in data.split(num_outputs=3, axis=1)] == [(2, 1, 4)] * 3
    assert [p.shape for p in data.split_v2((1,), axis=1)] == [(2, 1, 4), (2, 2, 4)]
    assert [p.shape for p in nd.split_v2(data, 2, squeeze_axis=True)] == [(3, 4)] * 2


def test_momentum_updates_take_their_numbers_in_mxnets_order():
    weight, momentum = nd.ones((2,)), nd.zeros((2,))
    nd.sgd_mom_update(weight, nd.ones((2,)), momentum, 0.1, 0.9, 0.01, out=weight)
    np.testing.assert_allclose(weight.asnumpy(), 1 - 0.1 * 1.01, rtol=1e-6)


def test_operators_without_parameters_take_any_attribute():
    assert nd.zeros_like(nd.ones((2,)), ctx=mx.cpu(), dtype="float32").asnumpy().tolist() == [0, 0]
    assert mx.sym.zeros_like(mx.sym.Variable("a"), name="z", flag=1).attr_dict() == {"z": {"flag": "1"}}


@pytest.mark.parametrize("view", [lambda x: x.flatten(inplace=True), lambda x: x.expand_dims(-1, inplace=True)])
def test_reshaping_in_place_gives_a_view(view):
    x = nd.zeros((2, 3, 4))
    view(x)[:] = 1
    assert x.sum().asscalar() == 24


def test_slice_assign_is_in_place():
    x = nd.ones((2, 2, 2))
    assert x.slice_assign(nd.zeros((1, 2, 1)), (0, 0, None), (1, 2, 1)) is x
    assert x.asnumpy().sum() == 6
