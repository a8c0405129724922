"""Checkpoints of networks with cells, and sentences in buckets, against MXNet's files and answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx

GOLDEN = Path(__file__).parents[1] / "golden" / "rnn"
sys.path.insert(0, str(GOLDEN))
from model_cases import (  # noqa: E402 (shared with the script that runs in MXNet)
    BATCH,
    ENCODINGS,
    ITERATORS,
    LENGTH,
    batches,
    language_model,
    stack,
    words,
)  # fmt: skip

sys.path.pop(0)

pytestmark = pytest.mark.filterwarnings("ignore:NTC layout")


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "models.json").read_text())


def probabilities(symbol, arg_params, length=LENGTH):
    executor = symbol.simple_bind(mx.cpu(), data=(BATCH, length), softmax_label=(BATCH, length))
    executor.copy_params_from(arg_params)
    return executor.forward(data=words(length, 0), softmax_label=words(length, 1))[0].asnumpy()


@pytest.mark.parametrize("fused", [True, False])
def test_reads_a_checkpoint_of_mxnets(golden, fused):
    """Into the fused network, and into the same network of single cells."""
    cell = stack(mx, fused)
    symbol, arg_params, aux_params = mx.rnn.load_rnn_checkpoint(cell, str(GOLDEN / "lm"), 1)
    if not fused:
        symbol = language_model(mx, cell, LENGTH)
    assert not aux_params
    np.testing.assert_allclose(probabilities(symbol, arg_params), golden["outputs"], rtol=1e-5, atol=1e-6)


def test_packed_parameters_are_mxnets():
    _, arg_params, _ = mx.rnn.load_rnn_checkpoint(stack(mx), str(GOLDEN / "lm"), 1)
    packed, _ = mx.model.load_params(str(GOLDEN / "packed"), 1)
    assert set(arg_params) == set(packed)
    for name, want in packed.items():
        np.testing.assert_array_equal(arg_params[name].asnumpy(), want.asnumpy(), err_msg=name)


def test_saved_checkpoint_is_mxnets(tmp_path):
    """The same arrays under the same names, written by the callback."""
    cell = stack(mx)
    symbol, arg_params, aux_params = mx.rnn.load_rnn_checkpoint(cell, str(GOLDEN / "lm"), 1)
    save = mx.rnn.do_rnn_checkpoint([cell], str(tmp_path / "new"), period=2)
    save(0, symbol, arg_params, aux_params)
    assert not list(tmp_path.iterdir())
    save(1, symbol, arg_params, aux_params)
    saved, want = (
        mx.model.load_params(str(path), epoch)[0] for path, epoch in ((tmp_path / "new", 2), (GOLDEN / "lm", 1))
    )
    assert list(saved) == list(want)
    for name in want:
        np.testing.assert_array_equal(saved[name].asnumpy(), want[name].asnumpy())
    ours, theirs = (
        json.loads((tmp_path / "new-symbol.json").read_text()),
        json.loads((GOLDEN / "lm-symbol.json").read_text()),
    )
    assert ours["nodes"] == theirs["nodes"] and ours["node_row_ptr"] == theirs["node_row_ptr"]


def test_reads_a_network_of_gluons(golden):
    """Shapes of parameters follow from the data's: both directions of the first layer have as many."""
    symbol, arg_params, aux_params = mx.model.load_checkpoint(str(GOLDEN / "gluon"), 0)
    module = mx.mod.Module(symbol, data_names=["data"], label_names=None)
    module.bind(for_training=False, data_shapes=[("data", (BATCH, LENGTH))])
    module.set_params(arg_params, aux_params)
    module.forward(mx.io.DataBatch([mx.nd.array(words(LENGTH, 0))]), is_train=False)
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), golden["gluon"], rtol=1e-5, atol=1e-6)


def test_another_length_with_the_same_parameters(golden):
    """What bucketing does."""
    cell = stack(mx)
    _, arg_params, _ = mx.rnn.load_rnn_checkpoint(cell, str(GOLDEN / "lm"), 1)
    shorter = probabilities(language_model(mx, cell, 3), arg_params, 3)
    assert shorter.shape == (BATCH * 3, 11)
    np.testing.assert_allclose(shorter.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("key", list(ITERATORS))
def test_batches_are_mxnets(golden, key, capsys):
    found = batches(mx, **ITERATORS[key])
    assert found == golden["iterators"][key]
    assert "discarded" in capsys.readouterr().out


@pytest.mark.parametrize("number", range(len(ENCODINGS)))
def test_encodings_are_mxnets(golden, number):
    sentences, kwargs = ENCODINGS[number]
    kwargs = {k: dict(v) if isinstance(v, dict) else v for k, v in kwargs.items()}
    encoded, vocabulary = mx.rnn.encode_sentences(sentences, **kwargs)
    if "unknown_token" in kwargs:
        # MXNet gives the unknown token a new number for every unknown word, also where the vocabulary has one.
        unknown = kwargs["vocab"].get("<unk>", kwargs.get("start_label", 0))
        assert encoded == [[4, 5, unknown], [unknown]]
        assert vocabulary == {"a": 4, "b": 5, "<unk>": unknown}
    else:
        assert [encoded, vocabulary] == golden["encodings"][number]


def test_unknown_words_are_told():
    with pytest.raises(AssertionError, match="Unknown token z"):
        mx.rnn.encode_sentences([["a", "z"]], vocab={"a": 1})


@pytest.mark.parametrize("kwargs,text", [({"layout": "XX"}, "Invalid layout XX"), ({"batch_size": 50}, "no bucket")])
def test_iterator_says_what_is_wrong(kwargs, text):
    with pytest.raises(ValueError, match=text):
        mx.rnn.BucketSentenceIter([[1, 2, 3]] * 9, **{"batch_size": 4, **kwargs})


def test_buckets_without_sentences_are_left_out():
    batches = mx.rnn.BucketSentenceIter([[1, 2, 3], [1, 2]] * 4, batch_size=2, buckets=[3, 5, 9])
    assert batches.buckets == [3] and batches.default_bucket_key == 3
    assert batches.provide_data == [("data", (2, 3))] and len(list(batches)) == 4
    with pytest.raises(ValueError, match="longer than the largest bucket"):
        mx.rnn.BucketSentenceIter([[1, 2, 3]] * 4, batch_size=2, buckets=[2])
