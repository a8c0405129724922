"""Equal graphs share one planned program; anything that could make another program does not."""

import gc

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime import programs

SHAPE = (2, 3, 6, 6)


def network(name="conv", **attrs):
    x = mx.sym.Variable("data")
    x = mx.sym.Convolution(x, num_filter=4, kernel=(3, 3), name=name, **attrs)
    x = mx.sym.Activation(mx.sym.BatchNorm(x, name="bn"), act_type="relu", name="relu")
    return mx.sym.FullyConnected(mx.sym.Dropout(x, p=0.5, name="drop"), num_hidden=2, name="fc")


def bound(symbol=None, shape=SHAPE, **options):
    return (network() if symbol is None else symbol).simple_bind(mx.cpu(), data=shape, **options)


def test_equal_graphs_share_a_program():
    a, b = bound(grad_req="null"), bound(mx.sym.load_json(network().tojson()), grad_req="null")
    assert a.plan is b.plan
    assert bound().plan is bound().plan
    assert network().plan(data=SHAPE) is bound().plan


def test_executors_that_share_a_program_share_no_memory():
    rng = np.random.RandomState(0)
    executors = [bound(grad_req="null") for _ in range(2)]
    for executor in executors:
        for array in [*executor.arg_arrays, *executor.aux_arrays]:
            array[:] = rng.uniform(0.5, 1, array.shape)
    first = executors[0].forward()[0].asnumpy()
    second = executors[1].forward()[0].asnumpy()
    assert (first != second).any()
    np.testing.assert_array_equal(executors[0].outputs[0].asnumpy(), first)
    programs.clear()
    for executor, wanted in zip(executors, (first, second)):
        alone = network().bind(mx.cpu(), executor.arg_dict, aux_states=executor.aux_dict)
        np.testing.assert_array_equal(alone.forward()[0].asnumpy(), wanted)


@pytest.mark.parametrize(
    "other",
    [
        lambda: bound(network("other"), grad_req="null"),
        lambda: bound(network(attr={"__note__": "1"}), grad_req="null"),
        lambda: bound(network(no_bias=True), grad_req="null"),
        lambda: bound(shape=(1, 3, 6, 6), grad_req="null"),
        lambda: bound(type_dict={"data": "float64"}, grad_req="null"),
        lambda: bound(grad_req="write"),
        lambda: bound(grad_req="add"),
        lambda: bound(grad_req={"data": "write"}),
        lambda: bound(grad_req="null", plan_time_limit=0.1),
        lambda: bound(grad_req="null", memory_limit="1MB"),
    ],
)
def test_what_differs_is_planned_anew(other):
    assert other().plan is not bound(grad_req="null").plan


@pytest.mark.parametrize(("variable", "value"), [("CYEXEC_CHECK", "1"), ("MXNET_BACKWARD_DO_MIRROR", "1")])
def test_settings_count(monkeypatch, unchecked, variable, value):
    before = bound().plan
    monkeypatch.setenv(variable, value)
    assert bound().plan is not before


def test_zeros_of_two_signs_are_two_graphs():
    for scalar in (0.0, -0.0):
        executor = (mx.sym.Variable("x") * scalar).bind(mx.cpu(), {"x": mx.nd.ones((2,))})
        assert np.signbit(executor.forward()[0].asnumpy()).all() == np.signbit(scalar)


def test_a_limit_that_cannot_be_kept_fails_every_time():
    for _ in range(2):
        with pytest.raises(mx.MXNetError, match="memory_limit"):
            bound(memory_limit=1)


def test_operators_of_the_users_belong_to_one_executor():
    class Twice(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0] * 2)

    class Prop(mx.operator.CustomOpProp):
        def create_operator(self, ctx, shapes, dtypes):
            return Twice()

    mx.operator.register("test_programs_twice")(Prop)
    symbol = mx.sym.Custom(mx.sym.Variable("x"), op_type="test_programs_twice")
    a, b = (symbol.simple_bind(mx.cpu(), x=(2,), grad_req="null") for _ in range(2))
    assert a.plan is not b.plan


def test_only_the_last_used_are_kept(monkeypatch):
    monkeypatch.setattr(programs, "NODES_KEPT", 30)
    plans = [bound(shape=(n, 3, 6, 6), grad_req="null").plan for n in range(1, 9)]
    assert bound(shape=(8, 3, 6, 6), grad_req="null").plan is plans[-1]
    assert bound(shape=(1, 3, 6, 6), grad_req="null").plan is not plans[0]
    assert sum(len(p.whole.nodes) for p in programs._known.values()) <= 30


def test_the_collector_is_as_it_was():
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            bound(shape=(3, 3, 6, 6))
            assert gc.isenabled() == enabled
            with pytest.raises(mx.MXNetError):
                bound(memory_limit=1)
            assert gc.isenabled() == enabled
        finally:
            gc.enable()
