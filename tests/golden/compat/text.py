"""Language: unrolled LSTMs of both kinds, sentiment, translation, OCR, embeddings trained by noise contrast, attention."""

from recipe import model


def _lstm(mx, x, state, weights, hidden, name):
    """The cell of the examples of 2015: no `mx.rnn` yet."""
    c, h = state
    i2h = mx.sym.FullyConnected(x, weight=weights[0], bias=weights[1], num_hidden=hidden * 4, name=name + "_i2h")
    h2h = mx.sym.FullyConnected(h, weight=weights[2], bias=weights[3], num_hidden=hidden * 4, name=name + "_h2h")
    gates = mx.sym.SliceChannel(i2h + h2h, num_outputs=4, name=name + "_slice")
    in_gate = mx.sym.Activation(gates[0], act_type="sigmoid")
    transform = mx.sym.Activation(gates[1], act_type="tanh")
    forget = mx.sym.Activation(gates[2], act_type="sigmoid")
    out_gate = mx.sym.Activation(gates[3], act_type="sigmoid")
    c = forget * c + in_gate * transform
    return c, out_gate * mx.sym.Activation(c, act_type="tanh")


@model(data=(3, 4), softmax_label=(3, 4), l0_init_c=(3, 8), l0_init_h=(3, 8), l1_init_c=(3, 8), l1_init_h=(3, 8),
       integers={"data": 20, "softmax_label": 20})  # fmt: skip
def lstm_2015(mx):
    """`lstm_unroll`: initial states are arguments, labels are transposed and reshaped."""
    cells = []
    for i in range(2):
        names = ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")
        cells.append([mx.sym.Variable(f"l{i}_{n}") for n in names])
    state = [(mx.sym.Variable(f"l{i}_init_c"), mx.sym.Variable(f"l{i}_init_h")) for i in range(2)]
    embed = mx.sym.Embedding(
        data=mx.sym.Variable("data"), input_dim=20, weight=mx.sym.Variable("embed_weight"), output_dim=8, name="embed"
    )
    hidden = []
    for t, x in enumerate(mx.sym.SliceChannel(data=embed, num_outputs=4, squeeze_axis=1)):
        for i in range(2):
            state[i] = _lstm(mx, x, state[i], cells[i], 8, f"t{t}_l{i}")
            x = state[i][1]
        hidden.append(mx.sym.Dropout(x, p=0.0))
    pred = mx.sym.FullyConnected(mx.sym.Concat(*hidden, dim=0), num_hidden=20, name="pred")
    label = mx.sym.Reshape(mx.sym.transpose(mx.sym.Variable("softmax_label")), target_shape=(0,))
    label = mx.sym.Reshape(label, shape=(-1,))
    return mx.sym.SoftmaxOutput(data=pred, label=label, name="softmax")


def _sentiment(mx, x, dims, dropout):
    parts = []
    for size in (2, 3):
        c = mx.sym.Convolution(x, kernel=(size, 8), num_filter=6, name=f"conv{size}")
        c = mx.sym.Activation(c, act_type="relu")
        parts.append(mx.sym.Pooling(c, pool_type="max", kernel=(dims - size + 1, 1), stride=(1, 1)))
    h = mx.sym.Reshape(mx.sym.Concat(*parts, dim=1), target_shape=(3, 12))
    return mx.sym.Dropout(h, p=dropout)


@model(data=(3, 10), softmax_label=(3,), integers={"data": 30, "softmax_label": 2})
def sentiment_cnn(mx):
    """Kim's network; ``Reshape`` by ``target_shape``, as it was written then."""
    x = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=30, output_dim=8, name="vocab_embed")
    x = mx.sym.Reshape(x, target_shape=(3, 1, 10, 8))
    h = _sentiment(mx, x, 10, 0.0)
    fc = mx.sym.FullyConnected(h, weight=mx.sym.Variable("cls_weight"), bias=mx.sym.Variable("cls_bias"), num_hidden=2)
    return mx.sym.SoftmaxOutput(fc, label=mx.sym.Variable("softmax_label"), name="softmax")


@model(data=(2, 5, 16), softmax_label=(2, 5), integers={"data": 2, "softmax_label": 12})
def char_cnn(mx):
    x = mx.sym.expand_dims(mx.sym.Variable("data"), axis=1)
    x = mx.sym.Convolution(x, kernel=(3, 16), pad=(1, 0), num_filter=12, name="c")
    x = mx.sym.transpose(mx.sym.Reshape(x, shape=(0, 0, -1)), axes=(0, 2, 1))
    highway = mx.sym.FullyConnected(x, num_hidden=12, flatten=False, name="h")
    gate = mx.sym.sigmoid(mx.sym.FullyConnected(x, num_hidden=12, flatten=False, name="t"))
    x = gate * mx.sym.relu(highway) + x * (1 - gate)
    pred = mx.sym.Reshape(x, shape=(-1, 12))
    label = mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,))
    return mx.sym.SoftmaxOutput(pred, label, use_ignore=True, ignore_label=0, normalization="batch", name="softmax")


@model(data=(2, 4), other={"data": (5, 4)}, integers={"data": 50})
def word2vec(mx):
    """Noise contrast: embeddings of labels, batched products by ``broadcast_mul`` and ``sum``."""
    weight = mx.sym.Variable("embed_weight")
    words = mx.sym.Embedding(mx.sym.Variable("data"), weight=weight, input_dim=50, output_dim=6, name="data_embed")
    hidden = mx.sym.mean(words, axis=1, keepdims=True)
    pred = mx.sym.broadcast_mul(hidden, words)
    pred = mx.sym.sum(data=pred, axis=2)
    return mx.sym.LogisticRegressionOutput(data=pred, name="nce")


@model(user=(6,), item=(6,), score=(6,), integers={"user": 9, "item": 7})
def matrix_factorization(mx):
    user = mx.sym.Embedding(mx.sym.Variable("user"), input_dim=9, output_dim=5, name="user_w")
    item = mx.sym.Embedding(mx.sym.Variable("item"), input_dim=7, output_dim=5, name="item_w")
    item = mx.sym.FullyConnected(mx.sym.Activation(item, act_type="relu"), num_hidden=5, name="fc")
    pred = mx.sym.Flatten(mx.sym.sum_axis(user * item, axis=1))
    return mx.sym.LinearRegressionOutput(data=mx.sym.Reshape(pred, shape=(-1,)), label=mx.sym.Variable("score"), name="lro")


@model(data=(2, 1, 16, 24), label=(2, 3), integers={"label": 5})
def crnn(mx):
    """OCR: columns of features as a sequence, unrolled LSTM, CTC loss."""
    x = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=6, name="c1")
    x = mx.sym.Pooling(mx.sym.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
    x = mx.sym.Convolution(x, kernel=(8, 1), num_filter=8, name="c2")
    x = mx.sym.squeeze(x, axis=2)
    columns = mx.sym.split(mx.sym.transpose(x, axes=(2, 0, 1)), axis=0, num_outputs=12, squeeze_axis=True)
    weights = [mx.sym.Variable(n) for n in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")]
    zero = mx.sym.zeros_like(columns[0])
    state, outs = (zero, zero), []
    for t in range(12):
        state = _lstm(mx, columns[t], state, weights, 8, f"t{t}")
        outs.append(mx.sym.expand_dims(state[1], axis=0))
    pred = mx.sym.FullyConnected(mx.sym.concat(*outs, dim=0), num_hidden=6, flatten=False, name="pred")
    loss = mx.sym.contrib.ctc_loss(data=pred, label=mx.sym.Variable("label") + 1)
    return mx.sym.Group([mx.sym.MakeLoss(loss), mx.sym.BlockGrad(mx.sym.softmax(pred, axis=-1))])


@model(data=(2, 5), softmax_label=(2,), integers={"data": 11, "softmax_label": 3},
       other={"data": (3, 7), "softmax_label": (3,)})  # fmt: skip
def attention(mx):
    """One transformer layer by hand: ``batch_dot``, ``LayerNorm``, ``arange_like`` positions, masked softmax."""
    ids = mx.sym.Variable("data")
    x = mx.sym.Embedding(ids, input_dim=11, output_dim=8, name="words")
    pos = mx.sym.contrib.arange_like(ids, axis=1)
    x = mx.sym.broadcast_add(x, mx.sym.expand_dims(mx.sym.Embedding(pos, input_dim=16, output_dim=8, name="pos"), axis=0))
    x = mx.sym.LayerNorm(x, eps=1e-12, name="ln0")
    q, k, v = (mx.sym.FullyConnected(x, num_hidden=8, flatten=False, name=n) for n in ("query", "key", "value"))

    def heads(z):
        z = mx.sym.transpose(mx.sym.reshape(z, shape=(0, 0, 2, -1)), axes=(0, 2, 1, 3))
        return mx.sym.reshape(z, shape=(-3, -2))

    score = mx.sym.batch_dot(mx.sym.contrib.div_sqrt_dim(heads(q)), heads(k), transpose_b=True)
    mask = mx.sym.broadcast_axis(mx.sym.expand_dims(ids > 0, axis=1), axis=1, size=2)
    mask = mx.sym.expand_dims(mx.sym.reshape(mask, shape=(-3, -1)), axis=1)
    score = mx.sym.broadcast_add(score, (1 - mask) * -1e4)
    y = mx.sym.batch_dot(mx.sym.softmax(score, axis=-1), heads(v))
    y = mx.sym.reshape(y, shape=(-4, -1, 2, -2))
    y = mx.sym.reshape(mx.sym.transpose(y, axes=(0, 2, 1, 3)), shape=(0, 0, -3))
    x = mx.sym.LayerNorm(x + mx.sym.FullyConnected(y, num_hidden=8, flatten=False, name="proj"), name="ln1")
    x = mx.sym.LeakyReLU(mx.sym.FullyConnected(x, num_hidden=16, flatten=False, name="ffn"), act_type="gelu")
    first = mx.sym.squeeze(mx.sym.slice_axis(x, axis=1, begin=0, end=1), axis=1)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(first, num_hidden=3, name="cls"), name="softmax")


@model(data=(2, 4, 5), length=(2,), ranges={"length": (2, 4)}, integers={"length": 5})
def sequences(mx):
    """``SequenceMask``, ``SequenceLast``, ``SequenceReverse``, ``topk``, ``take``, ``pick``."""
    data = mx.sym.transpose(mx.sym.Variable("data"), axes=(1, 0, 2))
    length = mx.sym.clip(mx.sym.Variable("length"), 1, 4)
    masked = mx.sym.SequenceMask(data, sequence_length=length, use_sequence_length=True, value=-1)
    last = mx.sym.SequenceLast(data, sequence_length=length, use_sequence_length=True)
    back = mx.sym.SequenceReverse(data, sequence_length=length, use_sequence_length=True)
    best = mx.sym.BlockGrad(mx.sym.topk(last, k=2, ret_typ="indices"))
    return mx.sym.Group([masked, last, back, best, mx.sym.take(last, mx.sym.BlockGrad(length) - 1, mode="clip")])


@model(state=(3, 4), action=(3,), reward=(3, 1), integers={"action": 2})
def actor_critic(mx):
    """Policy and value with the losses of the A3C example."""
    x = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("state"), num_hidden=8, name="fc"), act_type="relu")
    policy = mx.sym.SoftmaxActivation(mx.sym.FullyConnected(x, num_hidden=2, name="policy"), name="prob")
    value = mx.sym.FullyConnected(x, num_hidden=1, name="value")
    policy = mx.sym.clip(policy, a_min=1e-5, a_max=1 - 1e-5)
    reward = mx.sym.Variable("reward")
    advantage = mx.sym.BlockGrad(reward - value)
    log = mx.sym.log(mx.sym.expand_dims(mx.sym.pick(policy, mx.sym.Variable("action"), axis=1), axis=1))
    entropy = mx.sym.sum(policy * mx.sym.log(policy), axis=1)
    return mx.sym.Group([
        mx.sym.MakeLoss(-log * advantage), mx.sym.MakeLoss(mx.sym.square(reward - value) * 0.5),
        mx.sym.MakeLoss(entropy, grad_scale=0.01), mx.sym.BlockGrad(policy),
    ])  # fmt: skip
