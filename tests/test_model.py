"""FeedForward beyond what MXNet's answers say, and the helpers that old scripts import from ``mx.model``."""

import pickle

import numpy as np
import pytest

import cyexec as mx
from cyexec.model import _create_kvstore, _initialize_kvstore, _update_params, _update_params_on_kvstore

S, nd = mx.sym, mx.nd


def network():
    return S.SoftmaxOutput(S.FullyConnected(S.Variable("data"), num_hidden=2, name="fc"), name="softmax")


def examples():
    x = np.random.RandomState(0).uniform(-1, 1, (40, 3)).astype("float32")
    return x, (x[:, 0] > 0).astype("float32")


def test_learns_from_arrays():
    x, y = examples()
    mx.random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the order of NDArrayIter
    with pytest.warns(DeprecationWarning, match="mxnet.mod.Module"):
        model = mx.model.FeedForward.create(network(), x, y, num_epoch=60, learning_rate=1.0, numpy_batch_size=10)
    assert (model.predict(x).argmax(1) == y).mean() > 0.95
    assert model.score(mx.io.NDArrayIter(x, y, 10)) > 0.95


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_refusals():
    x, y = examples()
    model = mx.model.FeedForward(network(), num_epoch=1)
    for call, error, text in (
        (lambda: mx.model.FeedForward("network"), TypeError, "or a function that makes one"),
        (lambda: mx.model.FeedForward(network(), arg_params={}).predict(x), RuntimeError, "fc_weight is not presented"),
        (lambda: model.predict(x), mx.MXNetError, "no parameters"),
        (lambda: model.fit(x), ValueError, "y must be"),
        (lambda: model.fit(x, y.reshape(5, 8)), ValueError, "1D or 2D"),
        (lambda: model.fit("x"), TypeError, "DataIter"),
        (lambda: model.fit(x, y, eval_data=3), TypeError, "Eval data"),
        (lambda: mx.model.FeedForward(network()).fit(x, y), TypeError, "num_epoch"),
        (lambda: mx.model.FeedForward(network()).save("x"), AssertionError, "epoch"),
    ):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("on_store", [True, False])
def test_helpers_of_old_trainers(on_store):
    weights, grads = [[nd.ones((2,)) for _ in range(2)]], [[nd.ones((2,)), nd.ones((2,)) * 2]]
    kv, update_on_kvstore = _create_kvstore("local", 2, {"w": weights[0][0]})
    assert update_on_kvstore
    optimizer = mx.optimizer.SGD(learning_rate=0.1)
    if on_store:
        kv.set_optimizer(optimizer)
    _initialize_kvstore(kv, weights, {"w": nd.ones((2,))}, ["w"], on_store)
    if on_store:
        _update_params_on_kvstore(weights, grads, kv, ["w"])
    else:
        _update_params(weights, grads, mx.optimizer.get_updater(optimizer), 2, kv, ["w"])
    for weight in weights[0]:
        np.testing.assert_allclose(weight.asnumpy(), 0.7, rtol=1e-6)


class Sentences(mx.io.DataIter):
    """Batches of two lengths, all with the same rule: a 1 means class 1."""

    def __init__(self):
        super().__init__(batch_size=4)
        self.default_bucket_key = 6
        self.provide_data, self.provide_label = [("data", (4, 6))], [("softmax_label", (4,))]
        self.reset()

    def reset(self):
        self._keys = iter([6, 3, 6, 3])

    def next(self):
        key = next(self._keys)
        label = np.arange(4) % 2
        data = np.repeat(label[:, None], key, axis=1) * 2.0 - 1
        return mx.io.DataBatch(
            [nd.array(data)], [nd.array(label)], pad=0, bucket_key=key, provide_data=[("data", (4, key))],
            provide_label=self.provide_label,
        )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_learns_from_buckets():
    def generate(length):
        parts = S.SliceChannel(S.Variable("data"), num_outputs=length, name="parts")
        mean = S.add_n(*parts) / length
        return S.SoftmaxOutput(S.FullyConnected(mean, num_hidden=2, name="fc"), name="softmax")

    model = mx.model.FeedForward(generate, num_epoch=30, learning_rate=1.0)
    model.fit(Sentences())
    assert model.symbol.list_arguments() == ["data", "fc_weight", "fc_bias", "softmax_label"]
    assert model.score(Sentences()) == 1.0
    assert model.predict(Sentences()).shape == (16, 2)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_predictions_of_one_shape_share_a_module_until_parameters_change():
    x, _ = examples()
    args = {"fc_weight": nd.ones((2, 3)), "fc_bias": nd.zeros((2,))}
    model = mx.model.FeedForward(network().get_internals()["fc_output"], arg_params=args, aux_params={})
    first = model.predict(x[:4])
    module = model._predictor[1]
    np.testing.assert_array_equal(model.predict(x[:4]), first)
    assert model._predictor[1] is module
    args["fc_weight"][:] = 2
    np.testing.assert_allclose(model.predict(x[:4]), first * 2, rtol=1e-6)
    assert model.predict(x[:5]).shape == (5, 2)
    model.arg_params = {**args, "fc_bias": nd.ones((2,))}
    np.testing.assert_allclose(model.predict(x[:4]), first * 2 + 1, rtol=1e-6)
    assert pickle.loads(pickle.dumps(model)).predict(x[:4]).shape == (4, 2)
