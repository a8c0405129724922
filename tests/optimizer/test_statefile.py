"""States as MXNet pickles them: read, written, and never executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyexec as mx
from cyexec.optimizer import statefile

STATES = Path(__file__).parents[1] / "golden" / "optimizer" / "states"
FILES = sorted(STATES.glob("*.states"))
SHAPES = [(2, 3), (3,), (1, 2)]


def updated(optimizer, steps=2):
    """The same updates as in tests/golden/optimizer/make_states.py."""
    updater = mx.optimizer.get_updater(optimizer)
    dtype = "float16" if optimizer.multi_precision else "float32"
    for step in range(steps):
        for i, shape in enumerate(SHAPES):
            values = np.arange(np.prod(shape)).reshape(shape) / 8
            updater(i, mx.nd.array(values + step, dtype=dtype), mx.nd.array(values, dtype=dtype))
    return updater


def plain(state):
    if isinstance(state, mx.nd.NDArray):
        return state.asnumpy()
    if isinstance(state, (tuple, list)):
        return [plain(s) for s in state]
    return state


def test_mxnets_files_are_there():
    assert len(FILES) == 14


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_reads_mxnets_states(file):
    loaded = statefile.loads(file.read_bytes())
    states, optimizer = loaded if isinstance(loaded, tuple) else (loaded, None)
    assert list(states) == [0, 1, 2]
    kind = {"old": "sgd", "oldest": "adam", "plain": "sgd"}.get(file.stem.split("-")[0], file.stem.split("-")[0])
    own = {
        "sgd": lambda: mx.optimizer.SGD(momentum=0.0 if "plain" in file.stem else 0.9, wd=0.1),
        "mixed": lambda: mx.optimizer.SGD(momentum=0.5, multi_precision=True),
        "adam": lambda: mx.optimizer.Adam(learning_rate=0.01),
        "rmsprop": lambda: mx.optimizer.RMSProp(centered=True),
        "dcasgd": lambda: mx.optimizer.DCASGD(),
    }[kind]()
    for i, shape in enumerate(SHAPES):
        found, wanted = plain(states[i]), plain(updated(own).states[i])
        for got, want in zip(*(x if isinstance(x, list) else [x] for x in (found, wanted))):
            assert (got is None) == (want is None)
            if got is not None and kind != "sgd":  # the sgd file was made with a scheduler of its own
                np.testing.assert_allclose(got, want, rtol=1e-6)
                assert np.shape(got) == shape
    if optimizer is not None:
        assert type(optimizer).__module__.startswith("cyexec.")
        assert optimizer.num_update >= 2 and optimizer.param_dict == {}


def test_takes_over_the_optimizer():
    updater = mx.optimizer.get_updater(mx.optimizer.Test())
    updater.set_states((STATES / "sgd-optimizer.states").read_bytes())
    optimizer = updater.optimizer
    assert type(optimizer) is mx.optimizer.SGD and optimizer.momentum == 0.9
    assert optimizer.idx2name == {0: "fc_weight", 1: "fc_bias", 2: "g_gamma"}
    assert optimizer._index_update_count is optimizer._all_index_update_counts[0]
    assert isinstance(optimizer.lr_scheduler, mx.lr_scheduler.FactorScheduler)
    weight = mx.nd.ones((2, 3))
    updater(0, mx.nd.ones((2, 3)), weight)
    assert (weight.asnumpy() < 1).all()


@pytest.mark.parametrize("dump", [False, True])
@pytest.mark.parametrize("name", sorted(mx.optimizer.Optimizer.opt_registry))
def test_round_trip_goes_on_as_if_nothing_had_happened(name, dump):
    def begin():
        return mx.optimizer.create(name, learning_rate=0.1, multi_precision=name == "sgd")

    shape = (2, 3)
    dtype = "float16" if name == "sgd" else "float32"
    grads = [mx.nd.array(np.sin(np.arange(6) + i).reshape(shape), dtype=dtype) for i in range(4)]
    updater, weight = mx.optimizer.get_updater(begin()), mx.nd.ones(shape, dtype=dtype)
    for grad in grads[:2]:
        updater(7, grad, weight)
    again, copy = mx.optimizer.get_updater(begin()), weight.copy()
    if not dump:  # states alone do not tell how many updates there have been
        again.optimizer = updater.optimizer
    again.set_states(updater.get_states(dump))
    if name == "nadam" and not dump:
        return  # what one of two updaters changes in the optimizer itself, the other sees
    counts = dict(updater.optimizer._index_update_count), updater.optimizer.num_update
    mx.random.seed(1)
    for grad in grads[2:]:
        updater(7, grad, weight)
    if not dump:
        updater.optimizer._index_update_count.update(counts[0])
        updater.optimizer.num_update = counts[1]
    mx.random.seed(1)
    for grad in grads[2:]:
        again(7, grad, copy)
    if name != "lbsgd":  # the same for its sums of gradients
        np.testing.assert_array_equal(copy.asnumpy(), weight.asnumpy())


def test_written_bytes_name_mxnets_classes():
    optimizer = mx.optimizer.SGD(momentum=0.9, lr_scheduler=mx.lr_scheduler.PolyScheduler(5))
    data = updated(optimizer).get_states(dump_optimizer=True)
    assert b"cyexec" not in data
    for name in (b"mxnet.ndarray.ndarray\nNDArray\n", b"mxnet.optimizer.optimizer\nSGD\n", b"mxnet.lr_scheduler\nPoly"):
        assert name in data
    assert b"numpy._core" not in statefile.dumps({0: np.float64(1), 1: np.ones(2)})


def test_numpy_values():
    values = {0: np.float64(1.5), 1: np.arange(6.0).reshape(2, 3), 2: np.asfortranarray(np.arange(6).reshape(2, 3))}
    loaded = statefile.loads(pickle.dumps(values, protocol=2))
    for key, value in values.items():
        np.testing.assert_array_equal(loaded[key], value)


def test_users_own_classes():
    @mx.optimizer.register
    class Mine(mx.optimizer.Optimizer):
        def create_state(self, index, weight):
            return weight * 2

        def update(self, index, weight, grad, state):
            weight -= grad

    class Half(mx.lr_scheduler.LRScheduler):
        def __call__(self, num_update):
            return 0.5

    try:
        updater = updated(Mine())
        again = mx.optimizer.get_updater(mx.optimizer.Test())
        Mine.__qualname__ = "Mine"  # as at the top of a script
        globals()["Mine"] = Mine
        again.set_states(updater.get_states(dump_optimizer=True))
        assert type(again.optimizer) is Mine
        Half.__qualname__ = "Half"
        globals()["Half"] = Half
        again.optimizer.lr_scheduler = Half()
        again.set_states(again.get_states(dump_optimizer=True))
        assert again.optimizer.learning_rate == 0.5
    finally:
        del mx.optimizer.Optimizer.opt_registry["mine"], globals()["Mine"], globals()["Half"]


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "value",
    [
        Evil(os.system, "touch pwned"),
        Evil(eval, "open('pwned', 'w')"),
        Evil(getattr, "x", "upper"),
        Evil(mx.nd.save, "pwned", "x"),
        Evil(np.load, "pwned"),
        Evil(np.dtype, "O"),
        Evil(bytearray, 10**15),
        Evil(Path, "pwned"),
    ],
    ids=lambda v: v.call[0].__name__,
)
def test_refuses_what_states_are_not_made_of(value, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    updater = updated(mx.optimizer.SGD(momentum=0.9))
    before = updater.states
    with pytest.raises(mx.MXNetError, match="states"):
        updater.set_states(pickle.dumps({0: value}, protocol))
    assert updater.states is before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\x80\x04.", pickle.dumps([1, 2]), pickle.dumps(({}, 3)), pickle.dumps("x"), b"\x80\x04r\xff\xff\xff\x7f.",
     b"\x80\x05\x96" + b"\xff" * 7 + b"\x00.", b"\x80\x04\x8e" + b"\xff" * 6 + b"\x00\x00.", b"(" * 10**6],
    ids=range(10),
)  # fmt: skip
def test_broken_bytes(data):
    with pytest.raises(mx.MXNetError, match="optimizer states"):
        statefile.loads(data)


@given(st.sampled_from(FILES), st.integers(0, 2000), st.integers(0, 255), st.booleans())
def test_damaged_files_raise_or_load(file, at, byte, cut):
    data = bytearray(file.read_bytes())
    at %= len(data)
    data = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    try:
        statefile.loads(bytes(data))
    except mx.MXNetError:
        pass


def test_wrong_type():
    with pytest.raises(TypeError, match="bytes"):
        statefile.loads("text")
