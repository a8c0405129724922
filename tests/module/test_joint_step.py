"""Forward, backward and update as one schedule: the same bits as one after the other, and apart where they must be."""

from __future__ import annotations

import numpy as np
import pytest

import cyexec as mx
from cyexec.runtime import compiled

S, nd = mx.sym, mx.nd
pytestmark = pytest.mark.usefixtures("unchecked")


def network(last="softmax"):
    net = S.FullyConnected(S.Variable("data"), num_hidden=8, name="fc1")
    net = S.Dropout(S.BatchNorm(S.Activation(net, act_type="relu"), name="bn", fix_gamma=False), p=0.3)
    net = S.FullyConnected(net, num_hidden=3, name="fc2")
    return S.SoftmaxOutput(net, name="softmax") if last == "softmax" else net


def data():
    rng = np.random.RandomState(0)
    return mx.io.NDArrayIter(rng.rand(24, 5), np.arange(24) % 3, 6, label_name="softmax_label")


def ready(module=None, optimizer="sgd", params=(("learning_rate", 0.1), ("momentum", 0.9), ("wd", 0.01))):
    mx.random.seed(5)
    module = module or mx.mod.Module(network())
    module.bind(data().provide_data, data().provide_label)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer=optimizer, optimizer_params=params)
    return module


def everything(module):
    executor = module._exec_group.execs[0]
    arrays = [*executor.arg_arrays, *executor.aux_arrays, *executor.outputs, *executor.grad_arrays]
    for state in module._updater.states.values():
        arrays += state if isinstance(state, tuple) else [state]
    return [a.asnumpy() for a in arrays if a is not None]


@pytest.fixture
def joined_runs(monkeypatch):
    """Counts the joined schedules that were run."""
    runs = []
    original = compiled.Compiled.run_joined

    def run(self, joined, seed):
        runs.append(len(joined))
        original(self, joined, seed)

    monkeypatch.setattr(compiled.Compiled, "run_joined", run)
    return runs


def steps_apart(module, batch):
    module.forward(batch, is_train=True)
    module.backward()
    module.update()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "ftml", "lamb", "lars", "adagrad"])
def test_same_bits(optimizer, joined_runs):
    params = {"learning_rate": 0.05, "lr_scheduler": None, "wd": 0.01}
    one, two = ready(optimizer=optimizer, params=params), ready(optimizer=optimizer, params=params)
    mx.random.seed(9)
    for batch in data():
        one._train_on(batch)
    assert len(joined_runs) == 4
    mx.random.seed(9)
    for batch in data():
        steps_apart(two, batch)
    assert len(joined_runs) == 4
    for got, want in zip(everything(one), everything(two)):
        np.testing.assert_array_equal(got, want)
    counts = [m._optimizer._index_update_count for m in (one, two)]
    assert counts[0] == counts[1] and set(counts[0].values()) == {4}


def test_fit_and_forward_backward_use_it(joined_runs):
    module = mx.mod.Module(network())
    module.fit(data(), num_epoch=1)
    assert len(joined_runs) == 4
    module.forward_backward(next(data()))
    assert len(joined_runs) == 5 and joined_runs[-1] < joined_runs[0]
    for batch in (data().next(), mx.io.DataBatch([nd.ones((2, 5))], [nd.ones((2,))])):
        module._train_on(batch)  # other shapes have a schedule of their own
    assert len(joined_runs) == 7


def test_writes_are_counted():
    module = ready()
    executor = module._exec_group.execs[0]
    arrays = [executor.outputs[0], executor.arg_dict["fc1_weight"], executor.grad_dict["fc1_weight"]]
    before = [a._storage.version for a in arrays]
    module._train_on(data().next())
    assert all(a._storage.version > b for a, b in zip(arrays, before))
    # A pass that reads constants made of parameters sees the new ones.
    module.forward(data().next(), is_train=False)
    first = module.get_outputs()[0].asnumpy()
    module._train_on(data().next())
    module.forward(data().next(), is_train=False)
    assert (module.get_outputs()[0].asnumpy() != first).any()


def test_learning_rates_change_without_a_new_schedule(joined_runs):
    scheduler = mx.lr_scheduler.FactorScheduler(1, 0.5)
    module = ready(params={"learning_rate": 0.4, "lr_scheduler": scheduler})
    weight = module._exec_group.param_arrays[0][0]
    grad = module._exec_group.grad_arrays[0][0]
    joined = []
    for rate in (0.4, 0.2, 0.1):
        before = weight.asnumpy()
        module._train_on(data().next())
        step = np.float32(rate) * module._optimizer.rescale_grad * grad.asnumpy()
        np.testing.assert_allclose(before - weight.asnumpy(), step, rtol=1e-3, atol=1e-7)
        joined.append(module._exec_group.execs[0]._program(True, True)._joined[2])
    assert joined[0] is joined[1] is joined[2]


class Clipping(mx.mod.Module):
    """A user's module that looks at gradients between backward and update."""

    seen = 0

    def update(self):
        for grads in self._exec_group.grad_arrays:
            grads[0][:] = 0
        Clipping.seen += 1
        super().update()


class Shifted(mx.mod.Module):
    """A user's module with a forward of its own."""

    def forward(self, batch, is_train=None):
        super().forward(mx.io.DataBatch([d + 1 for d in batch.data], batch.label), is_train)


def test_users_methods_are_called(joined_runs):
    module = Clipping(network())
    module.fit(data(), num_epoch=1, initializer=mx.init.One())
    assert Clipping.seen == 4
    assert (module.get_params()[0]["fc1_weight"].asnumpy() == 1).all()
    joined_runs.clear()
    ready(Shifted(network()))._train_on(data().next())
    assert not joined_runs


def test_apart_where_it_must_be(joined_runs):
    module = ready()
    monitor = mx.mon.Monitor(1, pattern="fc1_output")
    module.install_monitor(monitor)
    monitor.tic()
    module._train_on(data().next())
    assert [name for _, name, _ in monitor.toc()] == ["fc1_output"]
    several = ready(mx.mod.Module(network(), context=[mx.cpu(0), mx.cpu(1)]))
    several._train_on(data().next())
    stored = ready()
    stored.init_optimizer(kvstore=mx.kv.create(), force_init=True)
    assert stored._joint_update() is None
    assert not joined_runs


def test_a_missing_head_gradient_is_told_before_anything_is_updated():
    module = mx.mod.Module(network(last=""), label_names=None)
    module.bind(data().provide_data)
    module.init_params()
    module.init_optimizer()
    before = module.get_params()[0]["fc1_weight"].asnumpy()
    with pytest.raises(mx.MXNetError, match="head gradient of output 0"):
        module._train_on(mx.io.DataBatch([nd.ones((6, 5))]))
    np.testing.assert_array_equal(module.get_params()[0]["fc1_weight"].asnumpy(), before)
    assert module._optimizer.num_update == 0


def test_a_step_that_may_fail_keeps_the_update_apart():
    net = S.take(S.Variable("w_weight", shape=(4, 3)), S.Variable("data"), mode="raise")
    module = mx.mod.Module(S.MakeLoss(net), label_names=None)
    module.bind([("data", (2,))])
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"learning_rate": 1.0})
    with pytest.raises(IndexError):
        module._train_on(mx.io.DataBatch([nd.array([1, 9])]))
    assert (module.get_params()[0]["w_weight"].asnumpy() == 1).all()
    module._train_on(mx.io.DataBatch([nd.array([1, 1])]))
    assert module.get_params()[0]["w_weight"].asnumpy()[1].tolist() == [0, 0, 0]


def test_refused_batches_change_nothing():
    module = ready()
    before = everything(module)
    with pytest.raises(mx.MXNetError):
        module._train_on(mx.io.DataBatch([nd.ones((6, 9))], [nd.ones((6,))]))
    for got, want in zip(everything(module), before):
        np.testing.assert_array_equal(got, want)
    assert module._optimizer.num_update == 0


def test_checked_runs(monkeypatch):
    """With poisoned memory the parts run apart and give the same."""
    plain = ready()
    mx.random.seed(3)
    plain._train_on(data().next())
    monkeypatch.setenv("CYEXEC_CHECK", "1")
    checked = ready()
    mx.random.seed(3)
    checked._train_on(data().next())
    for got, want in zip(everything(checked), everything(plain)):
        np.testing.assert_array_equal(got, want)
