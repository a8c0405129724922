"""Recurrent networks trained as users train them; used by `make_models.py` under MXNet and by a test under cyexec.

``EXAMPLES`` has functions of the library that return arrays by name: outputs of every step, and parameters in the end.
"""

import random

import numpy as np

WORDS = 30


def parameters(mx, symbol, shapes, seed):
    """Seeded values for all arguments but those of `shapes`."""
    rng = np.random.RandomState(seed)
    found, _, _ = symbol.infer_shape(**shapes)
    return {
        name: mx.nd.array(rng.uniform(-0.3, 0.3, shape))
        for name, shape in zip(symbol.list_arguments(), found)
        if name not in shapes
    }


def sentences():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 (as users do)
    return [[1 + (i * 7 + k * 3) % (WORDS - 1) for k in range(2 + (i * 5) % 7)] for i in range(64)]


def language_model(mx, cell, hidden):
    """`sym_gen` of MXNet's examples of bucketing."""

    def sym_gen(length):
        data, label = mx.sym.Variable("data"), mx.sym.Variable("softmax_label")
        embed = mx.sym.Embedding(data=data, input_dim=WORDS, output_dim=8, name="embed")
        outputs, _ = cell.unroll(length, inputs=embed, merge_outputs=True, layout="NTC")
        flat = mx.sym.Reshape(outputs, shape=(-1, hidden))
        score = mx.sym.FullyConnected(data=flat, num_hidden=WORDS, name="pred")
        label = mx.sym.Reshape(label, shape=(-1,))
        loss = mx.sym.SoftmaxOutput(
            data=score, label=label, name="softmax", use_ignore=True, ignore_label=0, normalization="valid"
        )
        return loss, ("data",), ("softmax_label",)

    return sym_gen


def bucketing(mx, cell, hidden):
    """Two epochs of BucketingModule, by hand."""
    batches = mx.rnn.BucketSentenceIter(sentences(), 8, buckets=[5, 8], invalid_label=0)
    sym_gen = language_model(mx, cell, hidden)
    module = mx.mod.BucketingModule(sym_gen, default_bucket_key=batches.default_bucket_key, context=mx.cpu())
    module.bind(batches.provide_data, batches.provide_label)
    first = parameters(mx, sym_gen(8)[0], {"data": (8, 8), "softmax_label": (8, 8)}, 1)
    module.init_params(arg_params=first, aux_params={}, initializer=None)
    momentum = {"learning_rate": 0.5, "momentum": 0.9, "wd": 1e-5, "rescale_grad": 1.0}
    module.init_optimizer(optimizer="sgd", optimizer_params=momentum)
    metric = mx.metric.Perplexity(0)
    found = {}
    for epoch in range(2):
        batches.reset()
        metric.reset()
        for batch in batches:
            module.forward(batch, is_train=True)
            module.update_metric(metric, batch.label)
            module.backward()
            module.update()
        found[f"perplexity{epoch}"] = np.array([metric.get()[1]])
    found.update({name: array.asnumpy() for name, array in cell.unpack_weights(module.get_params()[0]).items()})
    return found


def lstm_bucketing(mx):
    stack = mx.rnn.SequentialRNNCell()
    for i in range(2):
        stack.add(mx.rnn.LSTMCell(num_hidden=10, prefix=f"lstm_l{i}_"))
    return bucketing(mx, stack, 10)


def cudnn_lstm_bucketing(mx):
    return bucketing(mx, mx.rnn.FusedRNNCell(10, num_layers=2, mode="lstm", prefix="lstm_"), 10)


def bidirectional_gru_bucketing(mx):
    return bucketing(mx, mx.rnn.FusedRNNCell(5, num_layers=2, mode="gru", bidirectional=True, prefix="gru_"), 10)


def trained(mx, symbol, inputs, rate, steps=5):
    """Plain gradient descent through an executor; `inputs(rng)` makes a batch."""
    rng = np.random.RandomState(5)
    batch = inputs(rng)
    shapes = {name: value.shape for name, value in batch.items()}
    requests = {name: "null" if name in batch else "write" for name in symbol.list_arguments()}
    executor = symbol.simple_bind(mx.cpu(), grad_req=requests, **shapes)
    executor.copy_params_from(parameters(mx, symbol, shapes, 7))
    found = {}
    for step in range(steps):
        outputs = executor.forward(is_train=True, **{k: mx.nd.array(v) for k, v in inputs(rng).items()})
        found[f"outputs{step}"] = outputs[0].asnumpy()
        executor.backward()
        for name, request in requests.items():
            if request == "write":
                executor.arg_dict[name][:] -= rate * executor.grad_dict[name]
    found.update({name: executor.arg_dict[name].asnumpy() for name in requests if requests[name] == "write"})
    return found


def sentiment(mx):
    """The last states and the strongest outputs of a bidirectional GRU."""
    steps, batch = 9, 6
    embed = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=WORDS, output_dim=6, name="embed")
    cell = mx.rnn.FusedRNNCell(7, num_layers=1, mode="gru", bidirectional=True, get_next_state=True, prefix="gru_")
    outputs, states = cell.unroll(steps, mx.sym.swapaxes(embed, dim1=0, dim2=1), layout="TNC", merge_outputs=True)
    last = mx.sym.Reshape(mx.sym.transpose(states[0], axes=(1, 0, 2)), shape=(0, -1))
    score = mx.sym.FullyConnected(mx.sym.concat(mx.sym.max(outputs, axis=0), last, dim=1), num_hidden=2, name="fc")

    def inputs(rng):
        return {"data": rng.randint(0, WORDS, (batch, steps)), "softmax_label": rng.randint(0, 2, batch)}

    return trained(mx, mx.sym.SoftmaxOutput(score, name="softmax"), inputs, 0.3)


def ocr(mx):
    """Stacked LSTMs, one of them bidirectional, under CTC."""
    steps, batch, features, labels = 14, 4, 6, 3
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.BidirectionalCell(mx.rnn.LSTMCell(6, prefix="l0_"), mx.rnn.LSTMCell(6, prefix="r0_")))
    stack.add(mx.rnn.LSTMCell(7, prefix="l1_"))
    outputs, _ = stack.unroll(steps, mx.sym.Variable("data"), merge_outputs=True, layout="NTC")
    score = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 7)), num_hidden=11, name="pred")
    score = mx.sym.swapaxes(mx.sym.Reshape(score, shape=(-4, batch, steps, 0)), dim1=0, dim2=1)
    loss = mx.sym.MakeLoss(mx.sym.contrib.ctc_loss(data=score, label=mx.sym.Variable("label")))
    network = mx.sym.Group([loss, mx.sym.BlockGrad(mx.sym.softmax(score, axis=2))])

    def inputs(rng):
        label = np.where(rng.uniform(size=(batch, labels)) < 0.8, rng.randint(1, 11, (batch, labels)), 0)
        label[:, 0] = np.maximum(label[:, 0], 1)  # of an empty label MXNet computes what is in memory
        return {"data": rng.uniform(-1, 1, (batch, steps, features)), "label": label}

    return trained(mx, network, inputs, 0.05)


def translation(mx):
    """A fused encoder, a decoder of cells that starts with its states, and attention."""
    source, target, batch, hidden = 5, 4, 3, 7
    encoder = mx.rnn.FusedRNNCell(hidden, num_layers=2, mode="lstm", get_next_state=True, prefix="enc_")
    decoder = mx.rnn.SequentialRNNCell()
    decoder.add(mx.rnn.LSTMCell(hidden, prefix="dec0_"))
    decoder.add(mx.rnn.ResidualCell(mx.rnn.LSTMCell(hidden, prefix="dec1_")))
    words = [
        mx.sym.Embedding(mx.sym.Variable(name), input_dim=WORDS, output_dim=5, name=f"{name}_embed")
        for name in ("source", "target")
    ]
    memory, states = encoder.unroll(source, words[0], layout="NTC", merge_outputs=True)
    begin = [mx.sym.split(s, num_outputs=2, axis=0, squeeze_axis=1) for s in states]
    begin = [begin[0][0], begin[1][0], begin[0][1], begin[1][1]]
    outputs, _ = decoder.unroll(target, words[1], begin_state=begin, layout="NTC", merge_outputs=True)
    attention = mx.sym.softmax(mx.sym.batch_dot(outputs, memory, transpose_b=True), axis=2)
    context = mx.sym.Reshape(mx.sym.concat(outputs, mx.sym.batch_dot(attention, memory), dim=2), shape=(-1, 2 * hidden))
    score = mx.sym.FullyConnected(context, num_hidden=WORDS, name="pred")
    label = mx.sym.Reshape(mx.sym.Variable("label"), shape=(-1,))

    def inputs(rng):
        lengths = {"source": source, "target": target, "label": target}
        return {name: rng.randint(0, WORDS, (batch, length)) for name, length in lengths.items()}

    return trained(mx, mx.sym.SoftmaxOutput(score, label, name="softmax", normalization="batch"), inputs, 0.3)


def characters(mx):
    """One step at a time, states fed back: how text is sampled."""
    cell = mx.rnn.GRUCell(9, prefix="gru_")
    embed = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=WORDS, output_dim=6, name="embed")
    output, states = cell(embed, [mx.sym.Variable("state")])
    score = mx.sym.FullyConnected(output, num_hidden=WORDS, name="pred")
    network = mx.sym.Group([mx.sym.softmax(score), *states])
    shapes = {"data": (2,), "state": (2, 9)}
    executor = network.simple_bind(mx.cpu(), grad_req="null", **shapes)
    executor.copy_params_from(parameters(mx, network, shapes, 9))
    executor.arg_dict["state"][:] = 0
    word, found = np.array([1, 2]), {}
    for step in range(12):
        chances, state = executor.forward(is_train=False, data=mx.nd.array(word))
        found[f"outputs{step}"] = chances.asnumpy()
        word = found[f"outputs{step}"].argmax(1)
        executor.arg_dict["state"][:] = state
    return found


EXAMPLES = [lstm_bucketing, cudnn_lstm_bucketing, bidirectional_gru_bucketing, sentiment, ocr, translation, characters]


def digest(found):
    """Shape, sum, and sum of magnitudes of each array."""
    return {
        name: [list(a.shape), float(a.astype(np.float64).sum()), float(np.abs(a.astype(np.float64)).sum())]
        for name, a in found.items()
    }
