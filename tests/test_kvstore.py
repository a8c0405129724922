"""Stores beyond what MXNet's answers say: refusals, states on disk, how trainers choose one."""

import numpy as np
import pytest

import cyexec as mx
from cyexec import kvstore

nd = mx.nd


@pytest.mark.parametrize("name", kvstore.LOCAL)
def test_all_local_names_are_one_kind(name):
    kv = mx.kv.create(name)
    assert (kv.type, kv.rank, kv.num_workers, kv.get_num_dead_node(0)) == (name, 0, 1, 0)
    kv.barrier()


@pytest.mark.parametrize("name", ["dist_sync", "dist_async", "dist_device_sync", "horovod", "p3"])
def test_distributed_stores_are_refused(name):
    with pytest.raises(mx.MXNetError, match=f"'{name}'.*several machines"):
        mx.kv.create(name)


def test_refusals():
    kv = mx.kv.create()
    kv.init("a", nd.ones((2,)))
    for call, error, text in (
        (lambda: mx.kv.create("nope"), mx.MXNetError, "'nope'; known are local"),
        (lambda: kv.push("a", nd.ones((3,))), mx.MXNetError, r"push 'a'.*\(2,\).*\(3,\)"),
        (lambda: kv.pull("a", out=nd.ones((3,))), mx.MXNetError, r"pull 'a'.*\(2,\).*\(3,\)"),
        (lambda: kv.push(1.5, nd.ones((2,))), TypeError, "1.5"),
        (lambda: kv.push("a", 3), AssertionError, "'a'.*3"),
        (lambda: kv.set_gradient_compression({"type": "2bit"}), mx.MXNetError, "2bit"),
        (lambda: kv.set_optimizer("sgd"), TypeError, "Optimizer"),
        (lambda: kv.row_sparse_pull("a"), mx.MXNetError, "dense"),
    ):
        with pytest.raises(error, match=text):
            call()
    out = nd.zeros((2,))
    kv.pull("a", out=out)
    assert out.asnumpy().tolist() == [1, 1]


def test_pushed_arrays_stay_the_users():
    kv = mx.kv.create()
    first = nd.ones((2,))
    kv.init(0, first)
    grads = [nd.ones((2,)), nd.ones((2,)) * 2]
    kv.push(0, grads)
    first[:] = grads[0][:] = 9
    out = nd.zeros((2,))
    kv.pull(0, out=out)
    assert out.asnumpy().tolist() == [3, 3]


def test_states_on_disk(tmp_path):
    def store():
        kv = mx.kv.create("device")
        kv.init("w", nd.ones((2,)))
        kv.set_optimizer(mx.optimizer.SGD(learning_rate=0.1, momentum=0.9))
        return kv

    file = str(tmp_path / "s.states")
    one, two = store(), store()
    one.push("w", nd.ones((2,)))
    one.save_optimizer_states(file, dump_optimizer=True)
    two.load_optimizer_states(file)
    two.push("w", nd.zeros((2,)))
    out = nd.zeros((2,))
    two.pull("w", out=out)
    np.testing.assert_allclose(out.asnumpy(), 1 - 0.09, rtol=1e-6)
    with pytest.raises(mx.MXNetError, match="nowhere"):
        two.load_optimizer_states(str(tmp_path / "nowhere"))


def test_what_a_trainer_chooses(monkeypatch):
    small, large = {"w": nd.ones((2,))}, {"w": nd.zeros((1 << 24) + 1, dtype="int8")}
    assert kvstore.create_for(None, 2, small) == (None, False)
    assert kvstore.create_for("local", 1, small) == (None, False)
    kv, on_store = kvstore.create_for("local", 2, small)
    assert kv.type == "local" and on_store
    assert kvstore.create_for("local", 2, large)[1] is False
    assert kvstore.create_for("device", 2, large)[1] is True
    assert kvstore.create_for(kv, 1, small) == (kv, True)
    monkeypatch.setenv("MXNET_UPDATE_ON_KVSTORE", "0")
    assert kvstore.create_for(kv, 1, small) == (kv, False)
    with pytest.raises(mx.MXNetError, match="several machines"):
        kvstore.create_for("dist_sync", 1, small)
    with pytest.raises(TypeError, match="kvstore"):
        kvstore.create_for(3, 1, small)
