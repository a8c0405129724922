"""bind and simple_bind take what MXNet's take."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd
a, b = S.Variable("a"), S.Variable("b")
SUM = 2 * a + b * a  # da = 2 + b, db = a


def bind(**kwargs):
    options = {"args": {"a": nd.array([1, 2]), "b": nd.array([3, 4])}, **kwargs}
    return SUM.bind(mx.cpu(), **options)


def run(executor):
    """Outputs and gradients after one pass with heads of ones."""
    executor.forward(is_train=True)
    executor.backward([nd.ones(o.shape, dtype=o.dtype) for o in executor.outputs])
    return lists(executor.outputs), lists(executor.grad_arrays)


def lists(arrays):
    return [None if x is None else x.asnumpy().tolist() for x in arrays]


def tens():
    return {"a": nd.full((2,), 10), "b": nd.full((2,), 10)}


@pytest.mark.parametrize(
    "options,wanted",
    [
        ({"args_grad": [nd.zeros(2), nd.zeros(2)]}, [[5, 6], [1, 2]]),
        ({"args_grad": [nd.zeros(2), None]}, [[5, 6], None]),
        ({"args_grad": {"b": nd.zeros(2)}}, [None, [1, 2]]),
        ({"args_grad": {"b": nd.zeros(2), "nosuch": nd.zeros(9)}}, [None, [1, 2]]),
        ({"args": [nd.array([1, 2]), nd.array([3, 4])], "args_grad": tens(), "grad_req": "add"}, [[15, 16], [11, 12]]),
        ({"args_grad": tens(), "grad_req": ["add", "null"]}, [[15, 16], [10, 10]]),
        ({"args_grad": tens(), "grad_req": {"b": "add"}}, [[10, 10], [11, 12]]),
        ({"args_grad": tens(), "grad_req": {"b": "write", "nosuch": "add"}}, [[10, 10], [1, 2]]),
        ({"args_grad": tens(), "grad_req": "null"}, [[10, 10], [10, 10]]),
        ({"aux_states": []}, [None, None]),
        ({"aux_states": {"nosuch": nd.zeros(1)}}, [None, None]),
        ({}, [None, None]),
    ],
)
def test_bind(options, wanted):
    assert run(bind(**options)) == ([[5, 12]], wanted)


@pytest.mark.parametrize(
    "options,error,text",
    [
        ({"args": [nd.ones(2)]}, ValueError, r"found 1, expected 2 \(a, b\)"),
        ({"args": {"a": nd.ones(2)}}, ValueError, "`b`"),
        ({"args": [nd.ones(2), None]}, TypeError, "'b'"),
        ({"args": {"a": np.ones(2), "b": nd.ones(2)}}, TypeError, r"'a'"),
        ({"args": None}, TypeError, "args"),
        ({"args": {"a": nd.ones(2), "b": nd.ones(3)}}, mx.MXNetError, r"elemwise_mul '_mul\d+'.*\(3,\).*\(2,\)"),
        ({"args": {"a": nd.ones(2), "b": nd.ones(2, dtype="float64")}}, mx.MXNetError, "elemwise_mul.*float64"),
        ({"args_grad": {"a": nd.ones(3)}}, mx.MXNetError, r"'a' has shape \(3,\).*expected \(2,\)"),
        ({"args_grad": {"a": nd.ones(2, dtype="float64")}}, mx.MXNetError, "float64.*float32"),
        ({"args_grad": [nd.ones(2)]}, ValueError, "args_grad"),
        ({"aux_states": [nd.ones(2)]}, ValueError, "aux_states"),
        ({"grad_req": "inplace"}, ValueError, "inplace"),
        ({"grad_req": 3}, TypeError, "grad_req"),
        ({"shared_exec": 3}, TypeError, "shared_exec"),
    ],
)
def test_refused_bind(options, error, text):
    with pytest.raises(error, match=text):
        bind(**options)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64", "uint8", "int8"])
def test_dtypes(dtype):
    arrays = {"a": nd.array([1, 2], dtype=dtype), "b": nd.array([3, 4], dtype=dtype)}
    executor = bind(args=arrays, args_grad={"a": nd.zeros(2, dtype=dtype)})
    assert run(executor) == ([[5, 12]], [[5, 6], None])
    assert executor.outputs[0].dtype == np.dtype(dtype)


def test_duplicate_argument_names():
    net = S.Variable("x") * 3 + S.Variable("x") * S.Variable("x")
    three = [nd.array([k]) for k in (1, 2, 3)]
    executor = net.bind(mx.cpu(), three, [nd.zeros(1) for _ in range(3)])
    assert run(executor) == ([[9]], [[3], [3], [2]])
    for call in (lambda: executor.arg_dict, lambda: executor.grad_dict, lambda: executor.forward(x=nd.ones(1))):
        with pytest.raises(ValueError, match="Duplicate names.*'x'"):
            call()
    assert run(net.bind(mx.cpu(), {"x": nd.array([2])}, {"x": nd.zeros(1)}))[0] == [[10]]
    assert [x.shape for x in net.simple_bind(mx.cpu(), x=(4,)).arg_arrays] == [(4,)] * 3


def test_outputs_that_are_inputs_or_repeated():
    assert run(a.bind(mx.cpu(), [nd.array([1, 2])], [nd.zeros(2)])) == ([[1, 2]], [[1, 1]])
    assert run(a.simple_bind(mx.cpu(), a=(2,))) == ([[0, 0]], [[1, 1]])
    executor = S.Group([SUM, SUM, a]).bind(
        mx.cpu(), {"a": nd.array([1, 2]), "b": nd.array([3, 4])}, {"a": nd.zeros(2), "b": nd.zeros(2)}
    )
    # MXNet counts the head gradient of a repeated output once; the sum of all outputs has this gradient.
    assert run(executor) == ([[5, 12], [5, 12], [1, 2]], [[11, 13], [2, 4]])
    with pytest.raises(ValueError, match="Duplicate names"):
        executor.output_dict


@pytest.mark.parametrize("args", [{}, []])
def test_no_arguments(args):
    executor = (S.zeros((2, 3)) + S.ones((2, 3))).bind(mx.cpu(), args)
    assert lists(executor.forward(is_train=True)) == [[[1] * 3] * 2]
    executor.backward()
    assert executor.grad_arrays == [] and executor.arg_dict == {}
    assert lists(S.ones((2,)).eval()) == [[1, 1]]


def test_one_array_for_two_arguments():
    x, g = nd.array([1, 2]), nd.zeros(2)
    executor = SUM.bind(mx.cpu(), [x, x], [g, g], "add")
    assert run(executor) == ([[3, 8]], [[4, 6], [4, 6]])


def test_outputs_of_nodes_with_several():
    split = S.SliceChannel(a, num_outputs=2, axis=0, name="s")
    executor = split.simple_bind(mx.cpu(), a=(2, 2))
    executor.arg_dict["a"][:] = [[1, 2], [3, 4]]
    assert run(executor) == ([[[1, 2]], [[3, 4]]], [[[1, 1], [1, 1]]])
    assert run(split[1].simple_bind(mx.cpu(), a=(2, 2)))[1] == [[[0, 0], [1, 1]]]
    bn = S.BatchNorm(a, output_mean_var=True, fix_gamma=False, name="bn")
    assert bn.list_outputs() == ["bn_output", "bn_mean", "bn_var"]
    executor = bn.simple_bind(mx.cpu(), a=(3, 2))
    executor.forward(is_train=True, a=nd.array([[1, 2], [3, 4], [8, 0]]))
    assert executor.outputs[1].asnumpy().tolist() == [4, 2]


def test_embedding_of_float_numbers():
    net = S.Embedding(a, input_dim=4, output_dim=2, name="e")
    executor = net.simple_bind(mx.cpu(), a=(3,), grad_req={"e_weight": "add"})
    executor.arg_dict["e_weight"][:] = np.arange(8).reshape(4, 2)
    executor.arg_dict["a"][:] = [0, 3, 0]
    executor.grad_dict["e_weight"][:] = 1
    outputs, grads = run(executor)
    assert outputs == [[[0, 1], [6, 7], [0, 1]]]
    assert grads == [None, [[3, 3], [1, 1], [1, 1], [2, 2]]]


# simple_bind


def test_simple_bind_infers_the_rest():
    executor = SUM.simple_bind(mx.cpu(), a=(2,), nosuch=(7,))
    assert [x.shape for x in executor.arg_arrays] == [(2,), (2,)]
    for partial in ((0,), (-1,), [2]):
        assert SUM.simple_bind(mx.cpu(), a=partial, b=(2,)).outputs[0].shape == (2,)


def test_type_dict():
    executor = SUM.simple_bind(mx.cpu(), a=(2,), b=(2,), type_dict={"a": "float64"})
    assert [x.dtype for x in (*executor.arg_arrays, *executor.grad_arrays, *executor.outputs)] == [np.float64] * 5
    net = S.FullyConnected(a, num_hidden=2, name="fc")
    executor = net.simple_bind(mx.cpu(), a=(2, 3), type_dict={"a": np.float16})
    assert {np.dtype(x.dtype) for x in executor.arg_arrays} == {np.dtype(np.float16)}


def test_variables_know_shape_and_dtype():
    executor = (S.Variable("v", shape=(2,), dtype="float64") * 2).simple_bind(mx.cpu())
    assert executor.outputs[0].shape == (2,) and executor.outputs[0].dtype == np.float64


@pytest.mark.parametrize(
    "options,error,text",
    [
        ({}, mx.MXNetError, "arguments.*a: None, b: None"),
        ({"aa": (2,)}, mx.MXNetError, "aa, which the symbol does not have"),
        ({"a": (3,), "b": (2,)}, mx.MXNetError, r"elemwise_mul.*\(2,\) and \(3,\)"),
        ({"a": (2,), "type_dict": {"a": "float64", "b": "float32"}}, mx.MXNetError, "float32.*float64"),
        ({"a": (2,), "type_dict": {"a": "complex64"}}, TypeError, "complex64"),
        ({"a": 2}, TypeError, "shape of 'a'"),
        ({"a": "xy"}, TypeError, "shape of 'a'"),
        ({"a": (2,), "stype_dict": {"a": "row_sparse"}}, mx.MXNetError, "'row_sparse' of 'a'"),
        ({"a": (2,), "grad_req": "maybe"}, ValueError, "maybe"),
        ({"a": (2,), "shared_arg_names": "a"}, ValueError, "shared_arg_names"),
        ({"a": (2,), "shared_buffer": []}, ValueError, "shared_buffer"),
        ({"a": (2,), "group2ctx": {"x": mx.gpu()}}, mx.MXNetError, "gpu.*CPU"),
    ],
)
def test_refused_simple_bind(options, error, text):
    with pytest.raises(error, match=text):
        SUM.simple_bind(mx.cpu(), **options)


@pytest.mark.parametrize("ctx,error", [(mx.gpu(), mx.MXNetError), (mx.gpu(1), mx.MXNetError), ("cpu", TypeError)])
def test_other_contexts(ctx, error):
    with pytest.raises(error, match="cpu"):
        SUM.simple_bind(ctx, a=(2,), b=(2,))
    with pytest.raises(error, match="cpu"):
        SUM.bind(ctx, [nd.ones(2), nd.ones(2)])


# Sharing


def net(width=4):
    inner = S.tanh(S.FullyConnected(S.Variable("data"), num_hidden=8, name="one"))
    return S.FullyConnected(inner, num_hidden=width, name="two")


def test_shared_executors_use_one_arena_in_turn():
    one = net().simple_bind(mx.cpu(), data=(2, 3))
    one.arg_dict["one_weight"][:] = 0.1
    one.arg_dict["two_weight"][:] = 0.2
    names = ["one_weight", "one_bias", "two_weight", "two_bias"]
    one.forward(is_train=True, data=nd.ones((2, 3)))
    two = net().simple_bind(mx.cpu(), data=(500, 3), shared_exec=one, shared_arg_names=names)  # the arena grows
    assert two._arenas[0] is one._arenas[0]
    assert two.arg_dict["one_weight"] is one.arg_dict["one_weight"]
    assert two.grad_dict["one_weight"] is one.grad_dict["one_weight"]
    value = 8 * 0.2 * np.tanh(0.3)
    for _ in range(2):
        two.forward(is_train=True, data=nd.ones((500, 3)))
        one.backward(nd.ones((2, 4)))  # two has been through the arena since
        np.testing.assert_allclose(one.grad_dict["two_weight"].asnumpy(), 2 * np.tanh(0.3), rtol=1e-5)
        one.forward(is_train=True)
        np.testing.assert_allclose(two.outputs[0].asnumpy(), value, rtol=1e-5)
        np.testing.assert_allclose(one.outputs[0].asnumpy(), value, rtol=1e-5)
        two.backward(nd.ones((500, 4)))
        np.testing.assert_allclose(one.grad_dict["two_weight"].asnumpy(), 500 * np.tanh(0.3), rtol=1e-4)
    assert one._arenas[0].nbytes == max(one.plan.total, two.plan.total)


def test_memory_alone_can_be_shared():
    bn = S.BatchNorm(a, name="bn")
    one = bn.simple_bind(mx.cpu(), a=(3, 2))
    two = bn.simple_bind(mx.cpu(), a=(3, 2), shared_exec=one)
    three = bn.simple_bind(mx.cpu(), a=(3, 2), shared_exec=one, shared_arg_names=["bn_gamma", "bn_beta"])
    assert two.arg_dict["bn_gamma"] is not one.arg_dict["bn_gamma"]
    assert two.aux_arrays[0] is not one.aux_arrays[0]
    assert three.aux_arrays[0] is one.aux_arrays[0]


def test_shared_parameters_must_fit():
    one = net().simple_bind(mx.cpu(), data=(2, 3))
    with pytest.raises(mx.MXNetError, match=r"'two_bias' is shared.*\(4,\).*\(5,\)"):
        net(5).simple_bind(mx.cpu(), data=(2, 3), shared_exec=one, shared_arg_names=["two_bias"])


def test_shared_buffer():
    pool: dict = {}
    one = net().simple_bind(mx.cpu(), data=(4, 3), shared_buffer=pool)
    two = net().simple_bind(mx.cpu(), data=(2, 3), shared_buffer=pool)
    one.arg_dict["data"][:] = 5
    assert (two.arg_dict["data"].asnumpy() == 5).all() and two.arg_dict["data"].shape == (2, 3)
    net().simple_bind(mx.cpu(), data=(9, 3), shared_buffer=pool)
    assert pool["data"].shape == (9, 3)


# Several contexts


def grouped():
    with mx.AttrScope(ctx_group="dev1"):
        inner = S.tanh(S.FullyConnected(S.Variable("data"), num_hidden=30, name="f1"), name="t1")
    with mx.AttrScope(ctx_group="dev2"):
        return S.tanh(S.FullyConnected(inner, num_hidden=20, name="f2"), name="t2")


@pytest.mark.parametrize("grad_req", ["write", "add"])
def test_group2ctx(grad_req):
    groups = {"dev1": mx.cpu(1), "dev2": mx.cpu(2)}
    executors = [
        grouped().simple_bind(mx.cpu(), data=(2, 3), group2ctx=g, grad_req=grad_req) for g in (None, groups)
    ]
    results = []
    for executor in executors:
        random = np.random.RandomState(1)
        for array in executor.arg_arrays:
            array[:] = random.rand(*array.shape)
        executor.forward(is_train=True)
        executor.backward(nd.array(random.rand(2, 20)))
        results.append([x.asnumpy() for x in (*executor.outputs, *executor.grad_arrays)])
    for got, wanted in zip(*results):
        np.testing.assert_array_equal(got, wanted)
    placed = executors[1]
    assert [str(x.context) for x in placed.arg_arrays] == ["cpu(1)"] * 3 + ["cpu(2)"] * 2
    assert [str(x.context) for x in placed.grad_arrays] == ["cpu(1)"] * 3 + ["cpu(2)"] * 2
    assert len({a.block.address for a in placed._arenas}) == 3
    used = {c: n for c, n in placed.plan.arena_bytes.items() if n}
    assert len(used) >= 2 and all(placed._arenas[c].nbytes >= n for c, n in used.items())
    text = placed.debug_str()
    assert "Op:_CrossDeviceCopy, Name=t1_0_copy\n" in text
    assert "Op:_CrossDeviceCopy, Name=f2_backward_0_copy\n" in text
    assert "_CrossDeviceCopy" not in executors[0].debug_str()
    bigger = placed.reshape(allow_up_sizing=True, data=(50, 3))
    assert str(bigger.arg_dict["data"].context) == "cpu(1)" and bigger.forward()[0].shape == (50, 20)


def test_gradients_lie_one_behind_the_other():
    """In the order of the arguments, each at a cache line, with versions of their own."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, name="fc1")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc2")
    executor = net.simple_bind(mx.cpu(), grad_req={n: "write" for n in net.list_arguments() if n != "data"}, data=(2, 7))
    grads = [g for g in executor.grad_arrays if g is not None]
    starts = [g._array.ctypes.data for g in grads]
    assert all(start % 64 == 0 for start in starts)
    for grad, start, following in zip(grads, starts, starts[1:]):
        assert following == start + -(-grad._array.nbytes // 64) * 64
    assert all((g.asnumpy() == 0).all() for g in grads)
    before = [g._storage.version for g in grads]
    grads[0][:] = 1
    assert [g._storage.version for g in grads] == [before[0] + 1, *before[1:]]
    shared = net.simple_bind(mx.cpu(), shared_arg_names=["fc1_weight"], shared_exec=executor, data=(2, 7))
    assert shared.grad_dict["fc1_weight"] is executor.grad_dict["fc1_weight"]
    assert shared.grad_dict["fc2_weight"] is not executor.grad_dict["fc2_weight"]


@pytest.mark.parametrize(
    "net, text",
    [
        (S.tile(a, reps=(2**62, 0), name="n"), "tile 'n': cannot allocate"),
        (S.tile(a, reps=(2**62, 1), name="n"), "tile 'n': cannot allocate"),
        (S.arange(0, 1e38, name="n"), "_arange 'n': cannot allocate"),
        (S.Crop(a, h_w=(2,), num_args=1, name="n"), "Crop 'n': h_w=.2,. and offset=.* must be two numbers"),
        (S.linspace(0, None, 3, name="n"), "_linspace 'n': "),
        (S._internal._slice_assign_scalar(a, begin=(0, 0), end=(1,), name="n"), "_slice_assign_scalar 'n': begin="),
    ],
    ids=lambda x: "" if isinstance(x, str) else x.list_outputs()[0],
)  # fmt: skip
def test_impossible_parameters_name_the_node(net, text):
    """Also those that only the allocation or the operator's own arithmetic trips over."""
    given = dict.fromkeys(net.list_arguments(), (1, 1, 4, 4))
    with pytest.raises(mx.MXNetError, match=text):
        net.simple_bind(mx.cpu(), **given)


def test_what_no_memory_holds_names_the_argument():
    with pytest.raises(mx.MXNetError, match="'a': cannot allocate .4611686018427387904, 4. of float32"):
        S.exp(a).simple_bind(mx.cpu(), a=(2**62, 4))


def test_outputs_of_a_reshaped_executor_lie_in_the_first_ones():
    executor = (mx.sym.Variable("x") * 2).simple_bind(mx.cpu(), x=(5, 4), grad_req="null")
    smaller = executor.reshape(x=(3, 4))
    smaller.forward(x=mx.nd.ones((3, 4)))
    assert (executor.outputs[0].asnumpy()[:3] == 2).all()
    larger = executor.reshape(allow_up_sizing=True, x=(6, 4))
    larger.forward(x=mx.nd.full((6, 4), 3))
    assert (executor.outputs[0].asnumpy()[:3] == 2).all()
    executor.forward(x=mx.nd.full((5, 4), 4))
    assert (executor.outputs[0].asnumpy() == 8).all() and (smaller.outputs[0].asnumpy() == 8).all()
