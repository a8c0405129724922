"""A language model with fused cells, and sentences; used by `make_models.py` under MXNet and by tests under cyexec."""

import random

import numpy as np

VOCABULARY, BATCH, LENGTH = 11, 4, 5


def stack(mx, fused=True):
    """Two layers, one cell: fused, or unfused."""
    cell = mx.rnn.FusedRNNCell(7, num_layers=2, mode="lstm", bidirectional=True, prefix="lm_")
    return cell if fused else cell.unfuse()


def language_model(mx, cell, length):
    """`sym_gen` of MXNet's example of bucketing: the loss of the next word at each step."""
    data, label = mx.sym.Variable("data"), mx.sym.Variable("softmax_label")
    embed = mx.sym.Embedding(data=data, input_dim=VOCABULARY, output_dim=6, name="embed")
    outputs, _ = cell.unroll(length, inputs=embed, merge_outputs=True, layout="NTC")
    flat = mx.sym.Reshape(outputs, shape=(-1, 14))
    score = mx.sym.FullyConnected(data=flat, num_hidden=VOCABULARY, name="pred")
    return mx.sym.SoftmaxOutput(data=score, label=mx.sym.Reshape(label, shape=(-1,)), name="softmax")


def words(length, shift):
    return (np.arange(BATCH * length).reshape(BATCH, length) * 5 + shift) % VOCABULARY


def batches(mx, **kwargs):
    """What an epoch of a seeded iterator gives, as lists."""
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002 (as users do)
    sentences = [[1 + (7 * i + k) % 9 for k in range(1 + i * 5 % 9)] for i in range(60)]
    iterator = mx.rnn.BucketSentenceIter(sentences, 4, **kwargs)
    described = [[d.name, list(d.shape), np.dtype(d.dtype).name, d.layout] for d in iterator.provide_data]
    found = {"buckets": [int(b) for b in iterator.buckets], "key": int(iterator.default_bucket_key), "data": described}
    for epoch in range(2):
        if epoch:
            iterator.reset()
        found[f"epoch{epoch}"] = [
            [
                int(b.bucket_key),
                b.data[0].asnumpy().tolist(),
                b.label[0].asnumpy().tolist(),
                list(b.provide_label[0].shape),
            ]
            for b in iterator
        ]
    return found


ITERATORS = {
    "given": {"buckets": [6, 3], "invalid_label": 0},
    "automatic": {},
    "time first": {"buckets": [8], "layout": "TN", "data_name": "x", "label_name": "y", "dtype": "int32"},
}

ENCODINGS = [
    ([["a", "b"], ["b", "c", "a"]], {"start_label": 1}),
    ([["a", "b"], ["b", "c", "a"]], {"invalid_label": 0, "start_label": 0}),
    ([["a", "b", "z"], ["q"]], {"vocab": {"a": 4, "b": 5, "<unk>": 9}, "unknown_token": "<unk>"}),
    ([["a", "b", "z"], ["q"]], {"vocab": {"a": 4, "b": 5}, "unknown_token": "<unk>", "start_label": 7}),
    ([["a"], []], {"invalid_key": "</s>", "invalid_label": 2, "start_label": 1}),
]
