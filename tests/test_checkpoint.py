"""Checkpoints: written and read whole, or refused with a message that says where."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx

S, nd = mx.sym, mx.nd


def network():
    net = S.Activation(S.FullyConnected(S.Variable("data"), num_hidden=3, name="fc1"), act_type="relu", name="relu")
    return S.SoftmaxOutput(net, name="softmax")


@pytest.fixture
def prefix(tmp_path):
    """A good checkpoint, epoch 1."""
    path = str(tmp_path / "model")
    mx.model.save_checkpoint(path, 1, network(), {"fc1_weight": nd.ones((3, 2)), "fc1_bias": nd.arange(3)}, {"s": nd.ones(1)})
    return path


def test_round_trip(prefix):
    symbol, args, aux = mx.model.load_checkpoint(prefix, 1)
    assert symbol.tojson() == network().tojson()
    assert args["fc1_bias"].asnumpy().tolist() == [0, 1, 2] and args["fc1_weight"].shape == (3, 2)
    assert list(aux) == ["s"]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int8"])
def test_dtypes(tmp_path, dtype):
    path = str(tmp_path / "m")
    mx.model.save_checkpoint(path, 12345, None, {"a:b": nd.array([1, 2], dtype=dtype)}, {})
    args, _ = mx.model.load_params(path, 12345)
    assert np.dtype(args["a:b"].dtype) == dtype and args["a:b"].asnumpy().tolist() == [1, 2]


@pytest.mark.parametrize(
    "content,text",
    [
        (b"", "byte 0"),
        (b"PK\x03\x04 another kind of file altogether", "byte 0"),
        (lambda good: good[:-5], "byte"),
        (lambda good: good[: len(good) // 2], "byte"),
    ],
)
def test_broken_parameters(prefix, content, text):
    name = f"{prefix}-0001.params"
    good = Path(name).read_bytes()
    Path(name).write_bytes(content(good) if callable(content) else content)
    with pytest.raises(mx.MXNetError, match=f"model-0001.params.*{text}"):
        mx.model.load_checkpoint(prefix, 1)


def test_missing_files(prefix):
    with pytest.raises(mx.MXNetError, match="0009.params"):
        mx.model.load_checkpoint(prefix, 9)
    with pytest.raises(mx.MXNetError, match="other-symbol.json"):
        mx.model.load_checkpoint(prefix + "other", 1)
    with pytest.raises(mx.MXNetError, match="nosuch"):
        mx.model.save_checkpoint("/nosuch-folder/model", 1, network(), {}, {})


def test_parameters_that_are_no_checkpoint(prefix):
    nd.save(f"{prefix}-0002.params", {"w": nd.ones(1)})
    nd.save(f"{prefix}-0003.params", [nd.ones(1)])
    with pytest.raises(mx.MXNetError, match="'w' is neither"):
        mx.model.load_params(prefix, 2)
    with pytest.raises(mx.MXNetError, match="without names"):
        mx.model.load_params(prefix, 3)


def edited(change):
    graph = json.loads(network().tojson())
    change(graph)
    return json.dumps(graph)


def with_input(value):
    return lambda graph: graph["nodes"][3]["inputs"].__setitem__(0, value)


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "not JSON, line 1"),
        (network().tojson()[:200], "not JSON, line"),
        ("[]", "expected an object"),
        ("{}", "nodes"),
        (b"\x80\x01\xff", "not UTF-8"),
        (edited(lambda g: g["nodes"][3].update(op="NoSuch")), "node 3 'fc1'.*NoSuch"),
        (edited(lambda g: g["nodes"][3]["attrs"].update(nosuch="1")), "node 3 'fc1'.*nosuch.*num_hidden"),
        (edited(lambda g: g["nodes"][3]["attrs"].update(num_hidden="abc")), "node 3 'fc1'.*num_hidden.*abc"),
        (edited(lambda g: g["nodes"][3].pop("attrs")), "node 3 'fc1'.*num_hidden"),
        (edited(with_input([4, 0, 0])), "cycle"),
        (edited(with_input([3, 0, 0])), "node 3 'fc1'.*cycle"),
        (edited(with_input([99, 0, 0])), "node 3 'fc1'.*99"),
        (edited(with_input([-1, 0, 0])), "node 3 'fc1'.*-1"),
        (edited(with_input([0, 5, 0])), "node 3 'fc1'.*output 5"),
        (edited(with_input([2**32, 0, 0])), "node 3 'fc1'.*4294967296"),
        (edited(lambda g: g["heads"].__setitem__(0, [99, 0, 0])), "head 0.*99"),
        (edited(lambda g: g["nodes"][3]["inputs"].pop()), "node 3 'fc1'.*3 inputs.*found 2"),
        (edited(lambda g: g["nodes"].__setitem__(3, "x")), "node 3"),
    ],
)
def test_broken_graphs(prefix, text, message):
    Path(f"{prefix}-symbol.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(mx.MXNetError, match=message) as raised:
        mx.model.load_checkpoint(prefix, 1)
    assert "model-symbol.json" in str(raised.value)
