"""Operators in Python: exceptions, threads, memory, saving; MXNet's numbers are in tests/golden/training/custom_op.py."""

import gc
import threading
import traceback
import weakref

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime.schedule import set_num_threads, set_sharing_thresholds


class Scale(mx.operator.CustomOp):
    """y = factor * x; calls hooks of the test's on the way."""

    made = []

    def __init__(self, factor):
        self.factor = factor
        self.calls = []
        Scale.made.append(self)

    def forward(self, is_train, req, in_data, out_data, aux):
        self.calls.append("forward")
        HOOKS.get("forward", lambda *a: None)(self, in_data, out_data)
        self.assign(out_data[0], req[0], in_data[0] * self.factor)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.calls.append("backward")
        HOOKS.get("backward", lambda *a: None)(self, in_data, in_grad)
        self.assign(in_grad[0], req[0], out_grad[0] * self.factor)


HOOKS = {}


@mx.operator.register("test_scale")
class ScaleProp(mx.operator.CustomOpProp):
    def __init__(self, factor="2"):
        super().__init__()
        self.factor = float(factor)

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Scale(self.factor)


@pytest.fixture(autouse=True)
def clean():
    HOOKS.clear()
    Scale.made.clear()


def network(factor=2, width=3):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=width, name="fc")
    net = mx.sym.Custom(net, op_type="test_scale", factor=factor, name="scale")
    return mx.sym.FullyConnected(net, num_hidden=2, name="out")


def bound(net=None, **shapes):
    executor = (network() if net is None else net).simple_bind(mx.cpu(), **(shapes or {"data": (4, 5)}))
    rng = np.random.default_rng(0)
    for array in executor.arg_arrays:
        array[:] = rng.standard_normal(array.shape)
    return executor


def plain_network(factor=2, width=3):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=width, name="fc")
    return mx.sym.FullyConnected(net * factor, num_hidden=2, name="out")


def step(executor):
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones(executor.outputs[0].shape)])
    return [a.asnumpy() for a in (*executor.outputs, *executor.grad_arrays)]


def assert_equal_arrays(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_are_those_of_the_same_network_without_it(threads):
    wanted = step(bound(plain_network(width=300), data=(64, 200)))
    old = set_sharing_thresholds(0, 0)
    set_num_threads(threads)
    try:
        executor = bound(network(width=300), data=(64, 200))
        for _ in range(3):
            assert_equal_arrays(step(executor), wanted)
    finally:
        set_num_threads(0)
        set_sharing_thresholds(*old)


def test_checked_memory(monkeypatch):
    monkeypatch.setenv("CYEXEC_CHECK", "1")
    assert_equal_arrays(step(bound()), step(bound(plain_network())))


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt, StopIteration, mx.MXNetError])
def test_an_exception_arrives_as_itself_and_the_executor_lives_on(method, kind):
    executor = bound()
    wanted = step(executor)

    def fail(*args):
        raise kind("of the user's")

    HOOKS[method] = fail
    with pytest.raises(kind, match="of the user's") as caught:
        step(executor)
    names = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert names[-2:] == [method, "fail"]
    HOOKS.clear()
    assert_equal_arrays(step(executor), wanted)


def test_later_operators_are_not_called_after_a_failure():
    net = mx.sym.Variable("data")
    for i in range(3):
        net = mx.sym.Custom(net, op_type="test_scale", name=f"s{i}")
    executor = net.simple_bind(mx.cpu(), data=(2, 2))
    first, second, third = Scale.made

    def fail(op, *args):
        if op is second:
            raise ValueError

    HOOKS["forward"] = fail
    with pytest.raises(ValueError):
        executor.forward()
    assert [len(op.calls) for op in (first, second, third)] == [1, 1, 0]


def test_arrays_are_the_executors_memory():
    executor = mx.sym.Custom(mx.sym.Variable("data"), op_type="test_scale").simple_bind(mx.cpu(), data=(2, 3))
    seen = []
    HOOKS["forward"] = lambda op, ins, outs: seen.append((ins[0]._array, outs[0]._array))
    executor.forward()
    assert np.shares_memory(seen[0][0], executor.arg_arrays[0]._array)
    assert np.shares_memory(seen[0][1], executor.outputs[0]._array)


def test_each_executor_has_its_own_operator_which_all_its_programs_share():
    net = network()
    one, two = bound(net), bound(net)
    for _ in range(2):
        step(one)
    one.forward(is_train=False)
    assert [op.calls for op in Scale.made] == [["forward", "backward"] * 2 + ["forward"], []]
    step(two)
    assert Scale.made[1].calls == ["forward", "backward"]


def test_operators_end_with_their_executors():
    executor = bound()
    step(executor)
    gone = weakref.ref(Scale.made.pop())
    del executor
    gc.collect()
    assert gone() is None


def test_executors_in_several_threads():
    wanted = step(bound(plain_network()))
    results = {}

    def work(number):
        executor = bound()
        results[number] = [step(executor) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4
    for answers in results.values():
        for answer in answers:
            assert_equal_arrays(answer, wanted)


def test_an_operator_may_run_another_executor():
    inner = bound(plain_network(), data=(4, 5))
    HOOKS["forward"] = lambda *args: inner.forward()
    HOOKS["backward"] = lambda *args: step(inner)
    assert_equal_arrays(step(bound()), step(bound(plain_network())))


def test_an_operator_that_runs_an_executor_in_the_same_memory_is_told_so():
    outer = bound()
    inner = network().simple_bind(mx.cpu(), data=(4, 5), shared_exec=outer)
    HOOKS["forward"] = lambda *args: inner.forward()
    with pytest.raises(mx.MXNetError, match="shares the memory"):
        outer.forward()


def test_symbols_are_saved_and_loaded():
    net = network(factor=3)
    loaded = mx.sym.load_json(net.tojson())
    assert loaded.tojson() == net.tojson()
    assert_equal_arrays(step(bound(loaded)), step(bound(plain_network(factor=3))))


def test_a_saved_symbol_whose_operator_is_unknown_is_refused():
    text = network().tojson().replace("test_scale", "never_registered")
    with pytest.raises(mx.MXNetError, match="cannot find custom operator never_registered"):
        mx.sym.load_json(text).simple_bind(mx.cpu(), data=(4, 5))


def test_gradients_are_added_where_that_is_asked_for():
    executor = network().simple_bind(mx.cpu(), grad_req="add", data=(4, 5))
    once = bound()
    executor.copy_params_from(once.arg_dict)
    for _ in range(3):
        step(executor)
    step(once)
    for a, b in zip(executor.grad_arrays, once.grad_arrays):
        np.testing.assert_allclose(a.asnumpy(), 3 * b.asnumpy(), rtol=1e-5)


def test_operators_are_not_called_twice_below_a_memory_limit():
    layers = 6
    net = mx.sym.Variable("data")
    for i in range(layers):
        net = mx.sym.FullyConnected(net, num_hidden=64, name=f"f{i}")
        net = mx.sym.sin(mx.sym.Custom(mx.sym.sin(net), op_type="test_scale"))
    free = net.simple_bind(mx.cpu(), data=(256, 64))
    Scale.made.clear()
    limit = int(free.plan.total * 0.9)
    executor = net.simple_bind(mx.cpu(), data=(256, 64), memory_limit=limit)
    again = {n.op.name for n in executor.plan.program.graph.nodes if n.name.endswith("_again")}
    assert again and "Custom" not in again
    step(executor)
    assert [op.calls for op in Scale.made] == [["forward", "backward"]] * layers


def test_monitors_see_it():
    executor = bound()
    seen = []
    executor.set_monitor_callback(lambda name, value: seen.append(name))
    executor.forward()
    assert "scale_output" in seen


def prop_of(name, **methods):
    """Register a property with some methods replaced."""
    made = type(name, (ScaleProp,), methods)
    mx.operator.register(name)(made)
    return name


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda s: s, "must return 2 or 3 lists"),
        (lambda s: (s, [], []), r"gives \[\] for its outputs; there are 1"),
        (lambda s: (s + s, s), "for its arguments; there are 1"),
        (lambda s: ([[9, 9]], s), r"shapes of data must agree, found \(4, 3\) and \(9, 9\)"),
    ],
)
def test_wrong_answers_of_infer_shape_are_told(answer, message):
    name = prop_of("test_wrong", infer_shape=lambda self, in_shape: answer(in_shape))
    with pytest.raises(mx.MXNetError, match=message):
        mx.sym.Custom(mx.sym.Variable("data"), op_type=name).infer_shape(data=(4, 3))


def test_exceptions_of_infer_shape_arrive_as_themselves():
    def refuse(self, in_shape):
        raise ArithmeticError("odd")

    net = mx.sym.Custom(mx.sym.Variable("data"), op_type=prop_of("test_refuse", infer_shape=refuse))
    with pytest.raises(ArithmeticError, match="odd"):
        net.infer_shape(data=(4, 3))
    looped, _ = mx.sym.contrib.foreach(
        lambda x, s: (mx.sym.Custom(x, op_type="test_refuse"), s), mx.sym.Variable("data"), []
    )
    with pytest.raises(ArithmeticError, match="odd"):
        looped.infer_shape(data=(4, 3))


def test_shapes_of_other_inputs_may_follow_from_the_first():
    name = prop_of(
        "test_label",
        list_arguments=lambda self: ["data", "label"],
        infer_shape=lambda self, s: ([s[0], (s[0][0],)], [s[0]]),
    )
    net = mx.sym.Custom(mx.sym.Variable("data"), op_type=name, name="c")
    assert net.infer_shape(data=(4, 3)) == ([(4, 3), (4,)], [(4, 3)], [])
    assert net.infer_shape_partial() == ([(), ()], [()], [])
    assert net.infer_type(data="float64")[0] == [np.float64] * 2


def test_undeclared_arrays_are_missing_with_a_word_why():
    name = prop_of("test_undeclared", declare_backward_dependency=lambda self, g, i, o: g)
    executor = mx.sym.Custom(mx.sym.Variable("data"), op_type=name).simple_bind(mx.cpu(), data=(2, 3))
    step(executor)
    HOOKS["backward"] = lambda op, ins, grads: ins[0].asnumpy()
    with pytest.raises(mx.MXNetError, match=r"in_data\[0\] is not there: declare_backward_dependency"):
        step(executor)


def test_modes_reach_imperative_operators_of_the_method():
    executor = bound()
    modes = []
    HOOKS["forward"] = lambda *args: modes.append(mx.autograd.is_training())
    executor.forward(is_train=True)
    executor.forward(is_train=False)
    assert modes == [True, False]
    assert mx.autograd.is_training() is False


def test_assign():
    op = mx.operator.CustomOp()
    for request, wanted in (("null", 1), ("write", 5), ("inplace", 5), ("add", 6)):
        target = mx.nd.ones(2)
        op.assign(target, request, mx.nd.full(2, 5))
        assert target.asnumpy().tolist() == [wanted] * 2


def test_only_properties_can_be_registered():
    with pytest.raises(AssertionError, match="CustomOpProp"):
        mx.operator.register("wrong")(object)


@pytest.mark.parametrize("base", [mx.operator.NumpyOp, mx.operator.NDArrayOp])
def test_legacy_operators(base):
    class Twice(base):
        def forward(self, in_data, out_data):
            out_data[0][:] = in_data[0] * 2 + in_data[1]

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = out_grad[0] * 2
            in_grad[1][:] = out_grad[0]

        def list_arguments(self):
            return ["data", "more"]

        def infer_shape(self, in_shape):
            return [in_shape[0], in_shape[0]], [in_shape[0]]

    net = Twice()(mx.sym.Variable("data"), name="twice")
    assert net.list_arguments() == ["data", "twice_more"]
    executor = bound(net, data=(2, 3))
    output, *grads = step(executor)
    data, more = (a.asnumpy() for a in executor.arg_arrays)
    np.testing.assert_allclose(output, data * 2 + more, rtol=1e-6)
    np.testing.assert_array_equal(grads[0], np.full((2, 3), 2))
    np.testing.assert_array_equal(grads[1], np.ones((2, 3)))


@pytest.mark.parametrize("base", [mx.operator.NumpyOp, mx.operator.NDArrayOp])
def test_legacy_loss_needs_no_gradient_from_above(base):
    class Difference(base):
        def __init__(self):
            super().__init__(need_top_grad=False)

        def list_arguments(self):
            return ["data", "label"]

        def infer_shape(self, in_shape):
            return [in_shape[0], in_shape[0]], [in_shape[0]]

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = out_data[0] - in_data[1]

    net = Difference()(mx.sym.Variable("data"), name="loss")
    executor = net.simple_bind(mx.cpu(), data=(2, 3), grad_req={"data": "write", "loss_label": "null"})
    executor.forward(is_train=True, data=mx.nd.ones((2, 3)), loss_label=mx.nd.full((2, 3), 3))
    executor.backward()
    assert (executor.grad_dict["data"].asnumpy() == -2).all()


def test_listing():
    assert {"Custom", "Convolution"} <= set(mx.operator.get_all_registered_operators())
    found = mx.operator.get_operator_arguments("Activation")
    assert (found.narg, found.names) == (2, ["data", "act_type"])
