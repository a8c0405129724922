"""What the goldens of tests/golden/training cannot say: registration, warnings, messages, users' classes."""

import copy

import numpy as np
import pytest

import cyexec as mx

opt, nd = mx.optimizer, mx.nd


def test_register_and_create():
    @opt.register
    class Constant(opt.Optimizer):
        def __init__(self, step=1.0, **kwargs):
            super().__init__(**kwargs)
            self.step = step

        def update(self, index, weight, grad, state):
            self._update_count(index)
            weight -= self.step * self._get_lr(index)

    try:
        made = opt.create("CONSTANT", step=2.0, learning_rate=0.5)
        updater = opt.get_updater(made)
        weight = nd.ones((2,))
        updater("w", nd.ones((2,)), weight)
        assert weight.asnumpy().tolist() == [0, 0]
        assert updater.states == {"w": None} and made.num_update == 1
        with pytest.warns(UserWarning, match="Constant is overriding existing optimizer"):
            opt.register(type("Constant", (opt.Optimizer,), {}))
    finally:
        del opt.Optimizer.opt_registry["constant"]
    with pytest.raises(ValueError, match="Cannot find optimizer constant; known are adadelta"):
        opt.create("constant")


def test_derived_from_ours():
    class Clipped(opt.SGD):
        def update(self, index, weight, grad, state):
            super().update(index, weight, grad, state)
            for one in weight if isinstance(weight, list) else [weight]:
                one[:] = nd.clip(one, 0, 1)

    weight = nd.ones((2,))
    opt.get_updater(Clipped(learning_rate=1.0))(0, nd.array([3, -3]), weight)
    assert weight.asnumpy().tolist() == [0, 1]


@pytest.mark.parametrize("kind", [opt.SGD, opt.Adam])
@pytest.mark.parametrize("multi_precision", [False, True])
def test_update_of_a_derived_class_gets_one_weight(kind, multi_precision):
    class Counted(kind):
        seen = 0

        def update(self, index, weight, grad, state):
            assert isinstance(weight, nd.NDArray) and isinstance(index, int)
            self.seen += 1

    made = Counted(multi_precision=multi_precision)
    opt.get_updater(made)([0, 1, 2], [nd.ones((2,))] * 3, [nd.ones((2,))] * 3)
    assert made.seen == 3


@pytest.mark.parametrize("kind", [opt.SGD, opt.RMSProp, opt.Adam])
def test_derived_class_decides_single_rates(kind):
    """As the optimisers of Keras do, whose list of rates has the length that MXNet would ask for."""

    class Own(kind):
        def _get_lr(self, index):
            return 0.5 * index

        def _get_wd(self, index):
            return 0.0

        def _get_lrs(self, indices):
            return [self._get_lr(0)] * self.aggregate_num

    weights = [nd.ones((2,)) for _ in range(3)]
    opt.get_updater(Own(learning_rate=7.0))([0, 1, 2], [nd.ones((2,))] * 3, weights)
    assert weights[0].asnumpy().tolist() == [1, 1]
    assert all((w.asnumpy() < 0.6).all() for w in weights[1:])


def test_derived_class_gives_too_few_rates():
    class Few(opt.SGD):
        def _get_lrs(self, indices):
            return [0.1]

    with pytest.raises(ValueError, match="Few: 2 parameters have 1 learning rates and 2 weight decays"):
        opt.get_updater(Few())([0, 1], [nd.ones((2,))] * 2, [nd.ones((2,)), nd.ones((2,))])


def test_half_precision_warns():
    with pytest.warns(UserWarning, match="float16.*multi_precision"):
        opt.SGD().create_state_multi_precision(0, nd.ones((2,), dtype="float16"))


def test_param_dict_decides_alone():
    class Parameter:
        lr_mult, wd_mult = 0.5, 3.0

    optimizer = opt.SGD(learning_rate=0.4, wd=0.1, param_dict={0: Parameter()})
    optimizer.set_lr_mult({0: 7.0, 1: 2.0})
    assert optimizer._get_lrs([0, 1]) == [0.2, 0.8]
    assert optimizer._get_wd(0) == pytest.approx(0.3)


def test_counts_by_device():
    optimizer = opt.Adam()
    weights = [nd.ones((2,), ctx=mx.cpu(i)) for i in range(2)]
    updater = opt.get_updater(optimizer)
    for _ in range(3):
        for i, weight in enumerate(weights):
            updater(i, nd.ones((2,), ctx=mx.cpu(i)), weight)
    assert optimizer._all_index_update_counts == {0: {0: 3}, 1: {1: 3}}
    assert optimizer.num_update == 3


def test_old_ways_are_refused():
    with pytest.raises(DeprecationWarning, match="set_lr_mult"):
        opt.SGD().set_lr_scale({})
    with pytest.raises(UserWarning, match="LRScheduler"):
        opt.SGD(lr_scheduler=mx.lr_scheduler.FactorScheduler(2)).set_learning_rate(1)


def test_copies():
    optimizer = opt.Adam(learning_rate=0.3, beta1=0.5)
    optimizer._update_count(0)
    again = copy.deepcopy(optimizer)
    again._update_count(0)
    assert (optimizer.num_update, again.num_update, again.beta1) == (1, 2, 0.5)


def test_dcasgd_with_momentum():
    """MXNet raises there; this is the formula of Zheng et al. 2016."""
    optimizer = opt.DCASGD(momentum=0.5, lamda=0.1, learning_rate=0.1, wd=0.2)
    weight = nd.array([1.0, -2.0])
    state = optimizer.create_state(0, weight)
    w, m, before = np.array([1.0, -2.0]), np.zeros(2), np.array([1.0, -2.0])
    for g in (np.array([0.3, 0.7]), np.array([-0.2, 0.4])):
        optimizer.update(0, weight, nd.array(g), state)
        m = 0.5 * m - 0.1 * (g + 0.2 * w + 0.1 * g * g * (w - before))
        before, w = w, w + m
    np.testing.assert_allclose(weight.asnumpy(), w, rtol=1e-6)


def test_sgld_repeats_from_a_seed():
    def run():
        weight, optimizer = nd.ones((50,)), opt.SGLD(learning_rate=0.1)
        optimizer.update(0, weight, nd.ones((50,)), None)
        return weight.asnumpy()

    mx.random.seed(3)
    first = run()
    second = run()
    mx.random.seed(3)
    np.testing.assert_array_equal(run(), first)
    assert (first != second).any()


def test_lbsgd_keeps_the_gradients_that_it_sums():
    weight, grad = nd.zeros((2,)), nd.ones((2,))
    optimizer = opt.LBSGD(learning_rate=1.0, batch_scale=2, warmup_epochs=0)
    for value in (1.0, 3.0):  # the executor overwrites its array, too
        grad[:] = value
        optimizer.update(0, weight, grad, None)
    assert weight.asnumpy().tolist() == [-4, -4]  # the mean, at twice the rate


def test_groupadagrad_refuses():
    with pytest.raises(AssertionError, match="matrices"):
        opt.contrib.GroupAdaGrad().create_state(0, nd.ones((2,)))
    with pytest.raises(AssertionError, match="Weight decay"):
        opt.create("groupadagrad", wd=0.1).update(0, nd.ones((2, 2)), nd.ones((2, 2)), nd.ones((2, 1)))
