"""Updates of many weights in one schedule: the same as one by one, and made anew when arrays or options change."""

import copy

import numpy as np
import pytest

import cyexec as mx
from cyexec.optimizer.fused import FusedUpdate, can_fuse

nd = mx.nd
KINDS = [
    ("sgd", {}), ("sgd", {"momentum": 0.9}), ("nag", {"momentum": 0.9}), ("signum", {}), ("signum", {"momentum": 0.0}),
    ("adam", {}), ("rmsprop", {}), ("rmsprop", {"centered": True, "clip_weights": 0.9}), ("ftrl", {}), ("ftml", {}),
    ("lars", {"momentum": 0.9}),
]  # fmt: skip
NAMES = {0: "a_weight", 1: "b_bias", 2: "c_weight", 3: "d_gamma"}
SHAPES = [(40, 50), (7,), (3, 3), (5,)]


def arrays(seed, dtype="float32"):
    rng = np.random.RandomState(seed)
    return [nd.array(rng.uniform(-1, 1, s), dtype=dtype) for s in SHAPES]


def updater(name, options, **more):
    options = {"learning_rate": 0.05, "wd": 0.1, "clip_gradient": 0.5, "param_idx2name": NAMES, **options, **more}
    return mx.optimizer.get_updater(mx.optimizer.create(name, **options))


def flat(state):
    if isinstance(state, (tuple, list)):
        return [array for part in state for array in flat(part)]
    return [] if state is None else [state.asnumpy()]


def states_of(made):
    return flat([state for _, state in sorted(made.states.items())])


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("name", "options"), KINDS)
def test_same_as_one_by_one(name, options, mixed):
    dtype = "float16" if mixed else "float32"
    scheduler = [mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.05) for _ in range(2)]
    together, alone = (updater(name, options, multi_precision=mixed, lr_scheduler=s) for s in scheduler)
    weights, others = arrays(0, dtype), arrays(0, dtype)
    grads = arrays(1, dtype)
    for step in range(4):
        for grad, new in zip(grads, arrays(2 + step, dtype)):
            grad[:] = new
        together([0, 1, 2, 3], grads, weights)
        if name == "lars":  # whose momentum looks at the rate of the call before
            alone.optimizer.update_multi_precision([0, 1, 2, 3], others, grads, _states(alone, others))
        else:
            for i in range(4):
                alone(i, grads[i], others[i])
        if step == 1:  # options may change between updates
            together.optimizer.rescale_grad = alone.optimizer.rescale_grad = 0.5
            together.optimizer.set_wd_mult({"b_bias": 2.0})
            alone.optimizer.set_wd_mult({"b_bias": 2.0})
    for got, want in zip(flat(weights) + states_of(together), flat(others) + states_of(alone)):
        np.testing.assert_array_equal(got, want)
    assert together.optimizer._index_update_count == alone.optimizer._index_update_count


def _states(made, weights):
    for i, weight in enumerate(weights):
        made._prepare(i, weight)
    return [made.states[i] for i in range(4)]


def test_the_schedule_is_kept_and_made_anew():
    made = updater("sgd", {"momentum": 0.9})
    weights, grads = arrays(0), arrays(1)
    index = [0, 1, 2, 3]
    made(index, grads, weights)
    first = made._fused
    made(index, grads, weights)
    assert made._fused is first
    made.set_states(made.get_states())
    made(index, grads, weights)
    assert made._fused is not first
    again = made._fused
    other = arrays(2)
    made(index, other, weights)
    assert made._fused is not again
    made(index[:2], other[:2], weights[:2])
    assert made._fused._indices == [0, 1]


def test_writes_are_counted():
    made = updater("adam", {})
    weights, grads = arrays(0), arrays(1)
    before = [w._storage.version for w in weights]
    made([0, 1, 2, 3], grads, weights)
    assert all(w._storage.version > b for w, b in zip(weights, before))
    assert all(s._storage.version > 0 for s in made.states[0])


def test_what_cannot_be_fused():
    class Mine(mx.optimizer.SGD):
        def update(self, index, weight, grad, state):
            super().update(index, weight, grad, state)

    half = arrays(0, "float16")
    assert can_fuse(mx.optimizer.SGD(), half) and can_fuse(mx.optimizer.SGD(multi_precision=True), half)
    assert not can_fuse(Mine(), half)
    assert not can_fuse(mx.optimizer.LAMB(), half)
    assert not can_fuse(mx.optimizer.AdaGrad(), half)
    assert can_fuse(mx.optimizer.Adam(), half) and not can_fuse(mx.optimizer.Adam(multi_precision=True), half)


def test_shared_arrays_are_updated_in_order():
    """One weight under two names gets both updates."""
    weight, grad = nd.ones((2,)), nd.ones((2,))
    made = updater("sgd", {}, wd=0.0, clip_gradient=None)
    made([0, 2], [grad, grad], [weight, weight])
    np.testing.assert_allclose(weight.asnumpy(), 0.9, rtol=1e-6)
    assert isinstance(made._fused, FusedUpdate)


def test_an_updater_can_be_copied_after_updates():
    made = updater("sgd", {"momentum": 0.9})
    weights, grads = arrays(0), arrays(1)
    made([0, 1, 2, 3], grads, weights)
    again, others = copy.deepcopy(made), [w.copy() for w in weights]
    made([0, 1, 2, 3], grads, weights)
    again([0, 1, 2, 3], grads, others)
    for got, want in zip(others, weights):
        np.testing.assert_array_equal(got.asnumpy(), want.asnumpy())
