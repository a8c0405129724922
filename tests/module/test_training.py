"""Training with modules, beyond what MXNet's answers say: states on disk, crashes, contexts, users' classes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd


def network(hidden=3):
    net = S.Activation(S.FullyConnected(S.Variable("data"), num_hidden=hidden, name="fc1"), act_type="tanh")
    return S.SoftmaxOutput(S.FullyConnected(net, num_hidden=2, name="fc2"), name="softmax")


def data(batch=5, count=20):
    rng = np.random.RandomState(0)
    x = rng.uniform(-1, 1, (count, 4)).astype("float32")
    return mx.io.NDArrayIter(x, (x[:, 0] > 0).astype("float32"), batch, label_name="softmax_label")


def fitted(epochs=1, module=None, **options):
    mx.random.seed(0)
    module = module or mx.mod.Module(network())
    given = {"optimizer": "sgd", "optimizer_params": {"learning_rate": 0.5, "momentum": 0.9}, **options}
    module.fit(data(), num_epoch=epochs, **given)
    return module


def params(module):
    return {n: v.asnumpy() for n, v in module.get_params()[0].items()}


def assert_same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_learns():
    module = fitted(30)
    assert dict(module.score(data(), "acc"))["accuracy"] > 0.95


def test_seed_repeats_training():
    assert_same(params(fitted(2)), params(fitted(2)))


@pytest.mark.parametrize("contexts", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_goes_on_from_a_checkpoint(tmp_path, contexts, optimizer):
    prefix = str(tmp_path / "m")
    context = [mx.cpu(i) for i in range(contexts)]
    options = {"optimizer": optimizer, "optimizer_params": {"learning_rate": 0.1}}
    if optimizer == "sgd":
        options["optimizer_params"]["momentum"] = 0.9
    module = fitted(2, mx.mod.Module(network(), context=context), **options)
    module.save_checkpoint(prefix, 2, save_optimizer_states=True)
    again = mx.mod.Module.load(prefix, 2, load_optimizer_states=True, context=context)
    again.bind(data().provide_data, data().provide_label)
    again.init_optimizer(**options)
    if optimizer == "adam":  # states do not hold the counts of updates, in MXNet neither
        again._optimizer._index_update_count.update(module._optimizer._index_update_count)
        again._optimizer.num_update = module._optimizer.num_update
    for m in (module, again):
        for batch in data():
            m.forward_backward(batch)
            m.update()
    assert_same(params(module), params(again))


KILLED = """
import sys
import cyexec as mx
net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=512, name="fc")
module = mx.mod.Module(net, label_names=None)
module.bind([("data", (2, 2048))])
module.init_params(mx.init.One())
module.init_optimizer(optimizer="sgd", optimizer_params={"momentum": 0.9})

for grads in module._exec_group.grad_arrays:
    grads[0][:] = 1
module.update()
while True:
    module.save_checkpoint(sys.argv[1], 1, save_optimizer_states=True)
    print("saved", flush=True)
"""


def test_a_kill_while_saving_leaves_whole_files(tmp_path):
    """kill -9 in the middle of save_checkpoint, again and again: the files of the save before stay good."""
    prefix = str(tmp_path / "m")
    for wait in np.linspace(0, 0.03, 5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, prefix], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"saved\n"
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        symbol, args, _ = mx.model.load_checkpoint(prefix, 1)
        assert symbol.list_arguments() == ["data", "fc_weight", "fc_bias"]
        assert args["fc_weight"].shape == (512, 2048) and len(np.unique(args["fc_weight"].asnumpy())) == 1
        updater = mx.optimizer.get_updater(mx.optimizer.SGD())
        updater.set_states((tmp_path / "m-0001.states").read_bytes())
        assert updater.states[0].shape == (512, 2048)


def test_failed_saves_leave_the_old_files(tmp_path, monkeypatch):
    prefix = str(tmp_path / "m")
    module = fitted()
    module.save_checkpoint(prefix, 1, save_optimizer_states=True)
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    module.update()
    with pytest.raises(mx.MXNetError, match="No space"):
        module.save_checkpoint(prefix, 1)
    with pytest.raises(mx.MXNetError, match="No space"):
        module.save_optimizer_states(prefix + "-0001.states")
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_borrowed_optimizer_has_the_same_states():
    one = fitted()
    two = mx.mod.Module(network())
    two.bind([("data", (3, 4))], [("softmax_label", (3,))], shared_module=one)
    assert two.optimizer_initialized and two._updater is one._updater
    batch = mx.io.DataBatch([nd.ones((3, 4))], [nd.ones((3,))])
    two.forward_backward(batch)
    two.update()
    assert_same(params(one), params(two))
    assert one._updater.optimizer.num_update == 5
    with pytest.raises(AssertionError, match="has no optimizer"):
        two.borrow_optimizer(mx.mod.Module(network()))


def test_contexts_agree_with_one_context():
    """Sums of halves differ from whole sums by round-off alone."""
    one = fitted(2)
    for contexts, store in ((2, "local"), (2, None), (3, "device")):
        context = [mx.cpu(i) for i in range(contexts)]
        # Without a store each context goes its own way, and the mean of both is taken.
        options = {"optimizer_params": {"learning_rate": 0.5, "momentum": 0.9}} if store else {"optimizer": "sgd"}
        several = fitted(2 if store else 1, mx.mod.Module(network(), context=context), kvstore=store, **options)
        if store:
            for name, value in params(several).items():
                np.testing.assert_allclose(value, params(one)[name], rtol=1e-4, atol=1e-6)
        outputs = several.predict(data())
        assert outputs.shape == (20, 2)
        assert [o.shape for o in several.get_outputs(merge_multi_context=False)[0]][0][1] == 2


def test_uneven_batches_over_contexts():
    module = mx.mod.Module(network(), context=[mx.cpu(0), mx.cpu(1)], work_load_list=[1, 4])
    module.bind([("data", (5, 4))], [("softmax_label", (5,))], inputs_need_grad=True)
    module.init_params()
    x = nd.array(np.random.RandomState(0).rand(7, 4))
    alone = mx.mod.Module(network())
    alone.bind([("data", (7, 4))], [("softmax_label", (7,))], inputs_need_grad=True)
    alone.set_params(*module.get_params())
    for n in (5, 7, 4, 5):
        batch = mx.io.DataBatch([x[:n]], [nd.zeros((n,))])
        for m in (module, alone):
            m.forward_backward(batch)
        for a, b in zip(module.get_outputs() + module.get_input_grads(), alone.get_outputs() + alone.get_input_grads()):
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="2 examples for 2 contexts"):
        module.forward(mx.io.DataBatch([x[:2]], [nd.zeros((2,))]))
    module.forward(batch)


def test_a_list_of_batches_is_one_for_each_context():
    module = mx.mod.Module(network(), context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (4, 4))], [("softmax_label", (4,))])
    module.init_params()
    x = nd.array(np.random.RandomState(0).rand(4, 4))
    module.forward(mx.io.DataBatch([x], [nd.zeros((4,))]), is_train=False)
    whole = module.get_outputs()[0].asnumpy()
    parts = [mx.io.DataBatch([x[i : i + 2]], [nd.zeros((2,))]) for i in (0, 2)]
    module.forward(parts, is_train=False)
    np.testing.assert_array_equal(module.get_outputs()[0].asnumpy(), whole)
    metric = mx.metric.create("acc")
    module.update_metric(metric, [b.label for b in parts], pre_sliced=True)
    assert metric.num_inst == 4


def test_head_gradients_are_cut_for_contexts():
    net = S.FullyConnected(S.Variable("data"), num_hidden=2, name="fc")
    grads = nd.array(np.arange(8).reshape(4, 2))
    found = []
    for contexts in (1, 2):
        module = mx.mod.Module(net, label_names=None, context=[mx.cpu(i) for i in range(contexts)])
        module.bind([("data", (4, 3))], inputs_need_grad=True)
        module.init_params(mx.init.One())
        module.forward(mx.io.DataBatch([nd.ones((4, 3))]), is_train=True)
        module.backward([grads])
        found.append(module.get_input_grads()[0].asnumpy())
    np.testing.assert_array_equal(found[0], found[1])


def test_half_precision_with_float32_copies():
    net = S.Cast(S.FullyConnected(S.Variable("data"), num_hidden=2, name="fc"), dtype="float32")
    module = mx.mod.Module(S.SoftmaxOutput(net, name="softmax"))
    module.bind([mx.io.DataDesc("data", (4, 3), "float16")], [("softmax_label", (4,))])
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.3, "momentum": 0.5, "multi_precision": True})
    batch = mx.io.DataBatch([nd.ones((4, 3), dtype="float16")], [nd.array([0, 1, 1, 1])])
    for _ in range(40):
        module.forward_backward(batch)
        module.update()
    momentum, copy = module._updater.states[0]
    assert (momentum.dtype, copy.dtype) == (np.float32, np.float32)
    weight = module._exec_group.param_arrays[0][0]
    assert weight.dtype == np.float16
    np.testing.assert_array_equal(weight.asnumpy(), copy.asnumpy().astype("float16"))
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy()[0], [0.25, 0.75], atol=0.1)


def test_compression_and_distributed_stores_are_refused():
    for options, fit in (({"compression_params": {"type": "2bit"}}, {}), ({}, {"kvstore": "dist_sync"})):
        module = mx.mod.Module(network(), context=[mx.cpu(0), mx.cpu(1)], **options)
        with pytest.raises(mx.MXNetError, match="not supported"):
            fitted(1, module, **fit)


def test_groups_of_contexts():
    with mx.AttrScope(ctx_group="a"):
        net = S.FullyConnected(S.Variable("data"), num_hidden=3, name="fc1")
    with mx.AttrScope(ctx_group="b"):
        net = S.SoftmaxOutput(S.FullyConnected(net, num_hidden=2, name="fc2"), name="softmax")
    groups = {"a": mx.cpu(0), "b": [mx.cpu(1)]}
    placed = fitted(1, mx.mod.Module(net, group2ctxs=groups))
    assert placed._exec_group.execs[0].arg_dict["fc2_weight"].context == mx.cpu(1)
    assert_same(params(placed), params(fitted(1, mx.mod.Module(net))))
    with pytest.raises(AssertionError, match="'b' has 2|'b'.*2 contexts"):
        mx.mod.Module(net, group2ctxs={"b": [mx.cpu(0), mx.cpu(1)]})


class Counting(mx.mod.BaseModule):
    """A user's module: a threshold that moves to the mean of what it sees."""

    def __init__(self):
        super().__init__()
        self.threshold, self.calls = 0.0, []

    data_names = property(lambda self: ["data"])
    output_names = property(lambda self: ["out"])
    data_shapes = property(lambda self: self._shapes)
    label_shapes = property(lambda self: None)
    output_shapes = property(lambda self: [("out", (5,))])

    def bind(self, data_shapes, label_shapes=None, **kwargs):
        self._shapes, self.binded = data_shapes, True

    def init_params(self, **kwargs):
        self.params_initialized = True

    def init_optimizer(self, **kwargs):
        self.optimizer_initialized = True

    def get_params(self):
        return {"threshold": nd.array([self.threshold])}, {}

    def set_params(self, args, auxs, **kwargs):
        self.calls.append("set_params")

    def forward(self, batch, is_train=None):
        self.seen = batch.data[0].asnumpy()[:, 0]

    def backward(self, out_grads=None):
        self.grad = self.seen.mean() - self.threshold

    def update(self):
        self.threshold += 0.5 * self.grad

    def get_outputs(self, merge_multi_context=True):
        return [nd.array(self.seen > self.threshold)]

    def update_metric(self, metric, labels, pre_sliced=False):
        metric.update(labels, [nd.array(np.stack([self.seen <= self.threshold, self.seen > self.threshold], 1))])


def test_users_modules_are_trained_by_fit():
    module = Counting()
    ends = []
    module.fit(data(), data(), num_epoch=20, epoch_end_callback=lambda *args: ends.append(args[2]["threshold"].asscalar()))
    mean = np.concatenate([b.data[0].asnumpy()[:, 0] for b in data()]).mean()
    assert abs(ends[-1] - mean) < 0.2 and len(ends) == 20
    assert module.calls == ["set_params"] * 20
    assert module.predict(data()).shape == (20,)
    with pytest.raises(NotImplementedError):
        mx.mod.BaseModule().install_monitor(None)


def test_scoring_does_not_change_statistics():
    net = S.BatchNorm(S.FullyConnected(S.Variable("data"), num_hidden=3, name="fc1"), name="bn")
    module = fitted(1, mx.mod.Module(S.SoftmaxOutput(net, name="softmax")))
    before = {n: v.asnumpy() for n, v in module.get_params()[1].items()}
    module.score(data(), "acc")
    assert_same(before, {n: v.asnumpy() for n, v in module.get_params()[1].items()})


def test_new_data_shapes_keep_one_executor_for_each():
    module = fitted()
    first = module._exec_group.execs[0]
    for n in (3, 5, 3, 5):
        module.forward(mx.io.DataBatch([nd.ones((n, 4))], [nd.ones((n,))]), is_train=True)
        module.backward()
        module.update()
    assert module._exec_group.execs[0] is first
    assert len(module._exec_group._kept) == 2


def test_buckets_share_parameters_and_refuse_new_ones():
    def generate(key):
        name = "odd" if key == 7 else "fc"
        net = S.FullyConnected(S.mean(S.Variable("data"), axis=1, keepdims=True), num_hidden=2, name=name)
        return S.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

    module = mx.mod.BucketingModule(generate, default_bucket_key=8)
    module.bind([("data", (2, 8))], [("softmax_label", (2,))])
    module.init_params()
    module.switch_bucket(3, [("data", (2, 3))], [("softmax_label", (2,))])
    arrays = [m._exec_group.execs[0].arg_dict["fc_weight"] for m in module._buckets.values()]
    assert arrays[0] is arrays[1]
    with pytest.raises(mx.MXNetError, match="bucket 7 has parameters odd_bias, odd_weight"):
        module.switch_bucket(7, [("data", (2, 7))], [("softmax_label", (2,))])
    assert module._curr_bucket_key == 3
    with pytest.raises(AssertionError, match="default_bucket_key"):
        mx.mod.BucketingModule(generate)


def test_layers_without_names_are_named_alike_in_every_bucket():
    def generate(key):
        net = S.FullyConnected(S.mean(S.Variable("data"), axis=1, keepdims=True), num_hidden=2)
        return S.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

    # Neither names given before nor a prefix around it matter, as in MXNet.
    S.FullyConnected(S.Variable("before"), num_hidden=2)
    with mx.name.Prefix("mine_"):
        module = mx.mod.BucketingModule(generate, default_bucket_key=8)
        module.bind([("data", (2, 8))], [("softmax_label", (2,))])
        module.init_params()
        module.switch_bucket(3, [("data", (2, 3))], [("softmax_label", (2,))])
    assert sorted(module.get_params()[0]) == ["fullyconnected0_bias", "fullyconnected0_weight"]


def test_bucketing_checkpoints_without_the_generator(tmp_path):
    def generate(key):
        net = S.FullyConnected(S.mean(S.Variable("data"), axis=1, keepdims=True) * key, num_hidden=2, name="fc")
        return S.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

    module = mx.mod.BucketingModule(generate, default_bucket_key=8)
    module.bind([("data", (2, 8))], [("softmax_label", (2,))])
    module.init_params(mx.init.Uniform(1))
    module.switch_bucket(3, [("data", (2, 3))], [("softmax_label", (2,))])
    module.save_checkpoint(str(tmp_path / "b"), 4)
    again = mx.mod.BucketingModule.load(str(tmp_path / "b"), 4, default_bucket_key=8)
    again.bind([("data", (2, 8))], [("softmax_label", (2,))], for_training=False)
    batch = mx.io.DataBatch([nd.ones((2, 3))], None, bucket_key=3, provide_data=[("data", (2, 3))])
    for m in (module, again):
        m.forward(batch, is_train=False)
    np.testing.assert_array_equal(module.get_outputs()[0].asnumpy(), again.get_outputs()[0].asnumpy())
    with pytest.raises(mx.MXNetError, match="bucket 5 is not among those saved"):
        again.switch_bucket(5, [("data", (2, 5))])


def test_states_need_a_value_or_states():
    module = fitted()
    with pytest.raises(AssertionError, match="either states or a value"):
        module.set_states()
    with pytest.raises(AssertionError, match="has no states"):
        mx.mod.PythonLossModule.set_states(_ready(), value=1)


def _ready():
    loss = mx.mod.PythonLossModule()
    loss.binded = loss.params_initialized = True
    return loss


def test_memory_limit_holds_for_all_shapes():
    net = S.Variable("data")
    for i in range(8):
        net = S.Activation(S.FullyConnected(net, num_hidden=64, name=f"fc{i}"), act_type="tanh")
    net = S.SoftmaxOutput(net, name="softmax")

    def peak(limit):
        module = mx.mod.Module(net, memory_limit=limit)
        module.bind([("data", (64, 64))], [("softmax_label", (64,))])
        module.init_params(mx.init.One())
        module.forward_backward(mx.io.DataBatch([nd.ones((32, 64))], [nd.ones((32,))]))
        return module._exec_group.execs[0].plan.total, module

    free, one = peak(None)
    module = mx.mod.Module(net)
    module.bind([("data", (64, 64))], [("softmax_label", (64,))])
    whole = module._exec_group.execs[0].plan.total
    limited, two = peak(int(whole * 0.8))
    assert limited <= whole * 0.8
    for a, b in zip(one._exec_group.grad_arrays, two._exec_group.grad_arrays):
        np.testing.assert_array_equal(a[0].asnumpy(), b[0].asnumpy())
    with pytest.raises(mx.MXNetError, match="least peak"):
        mx.mod.Module(net, memory_limit=100).bind([("data", (64, 64))], [("softmax_label", (64,))])


class Mutable(mx.mod.BaseModule):
    """The module of detection scripts: bound for the largest images, bound again beside them for each new shape."""

    def __init__(self, symbol):
        super().__init__()
        self._symbol, self._current = symbol, None

    data_names = property(lambda self: ["data"])
    output_names = property(lambda self: self._symbol.list_outputs())
    data_shapes = property(lambda self: self._current.data_shapes)
    label_shapes = property(lambda self: self._current.label_shapes)
    output_shapes = property(lambda self: self._current.output_shapes)

    def bind(self, data_shapes, label_shapes=None, for_training=True, **kwargs):
        self._current = mx.mod.Module(self._symbol)
        self._current.bind(data_shapes, label_shapes, for_training)
        self.binded = True

    def init_params(self, **kwargs):
        self._current.init_params(**kwargs)
        self.params_initialized = True

    def init_optimizer(self, **kwargs):
        self._current.init_optimizer(**kwargs)
        self.optimizer_initialized = True

    def get_params(self):
        return self._current.get_params()

    def forward(self, batch, is_train=None):
        if [d.shape for d in batch.data] != [tuple(d.shape) for d in self._current.data_shapes]:
            module = mx.mod.Module(self._symbol)
            shapes = [("data", batch.data[0].shape)], [("softmax_label", batch.label[0].shape)]
            module.bind(*shapes, self._current.for_training, False, force_rebind=False, shared_module=self._current)
            self._current = module
        self._current.forward(batch, is_train=is_train)

    def backward(self, out_grads=None):
        self._current.backward(out_grads)

    def update(self):
        self._current.update()

    def get_outputs(self, merge_multi_context=True):
        return self._current.get_outputs(merge_multi_context)

    def update_metric(self, metric, labels, pre_sliced=False):
        self._current.update_metric(metric, labels)


def test_modules_bound_beside_others_go_on_training():
    x, y = data().data[0][1].asnumpy(), data().label[0][1].asnumpy()

    class Ragged(mx.io.DataIter):
        """Batches of 6, 3, 8 and 3 examples."""

        provide_data, provide_label = [("data", (6, 4))], [("softmax_label", (6,))]

        def __iter__(self):
            for start, stop in ((0, 6), (6, 9), (9, 17), (17, 20)):
                yield mx.io.DataBatch([nd.array(x[start:stop])], [nd.array(y[start:stop])])

        def reset(self):
            pass

    found = []
    for module in (Mutable(network()), mx.mod.Module(network())):
        mx.random.seed(2)
        module.fit(Ragged(), num_epoch=3, optimizer_params={"learning_rate": 0.5, "momentum": 0.9})
        found.append(params(module))
    assert_same(*found)


def test_names_that_scripts_import():
    from cyexec.executor_manager import _check_arguments, _split_input_slice
    from cyexec.module.base_module import _as_list, _check_input_names, _parse_data_desc

    assert _split_input_slice(7, [1, 1, 2]) == [slice(0, 2), slice(2, 4), slice(4, 7)]
    with pytest.raises(ValueError, match="Too many slices"):
        _split_input_slice(2, [1, 1, 1])
    assert _as_list(3) == [3] and _as_list((1, 2)) == [1, 2] and _as_list(None) == []
    shapes, labels = _parse_data_desc(["data"], ["label"], [("data", (2, 3))], [("label", (2,))])
    assert (shapes[0].shape, labels[0].name) == ((2, 3), "label")
    with pytest.raises(ValueError, match="'x' is not"):
        _check_input_names(network(), ["x"], "data", True)
    _check_arguments(network())
    twice = S.Variable("a") + S.Variable("a")
    with pytest.raises(mx.MXNetError, match="duplicated argument name 'a'"):
        _check_arguments(twice)
