"""Loss curves of fifty steps from the same initial parameters: an MLP and LeNet on handwritten digits, ResNet-20 on
seeded noise, a language model of two LSTM layers on the characters of the licence, each with SGD, momentum and Adam.
"""

import gzip
import os

import numpy as np

STEPS = 50
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
DIGITS = os.path.join(ROOT, "cyexec", "demo", "digits.csv.gz")
TEXT = os.path.join(ROOT, "LICENSE")
LENGTH = 12  # characters that the language model sees at once
OPTIMIZERS = {
    "sgd": ("sgd", {"learning_rate": 0.1}),
    "momentum": ("sgd", {"learning_rate": 0.05, "momentum": 0.9, "wd": 1e-4}),
    "adam": ("adam", {"learning_rate": 0.002}),
}
DEEP_RATES = {"sgd": 0.02, "momentum": 0.004, "adam": 0.002}


def digits(count=320):
    """Images of 8x8 pixels in [0, 1], and their labels."""
    with gzip.open(DIGITS, "rt") as file:
        table = np.loadtxt(file, delimiter=",", max_rows=count)
    return (table[:, :-1] / 16).astype("float32"), table[:, -1].astype("float32")


def mlp(mx):
    net = mx.sym.Flatten(mx.sym.Variable("data"))
    for i, hidden in enumerate((64, 32)):
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=hidden, name="fc%d" % i), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="out"), name="softmax")


def lenet(mx):
    net = mx.sym.Variable("data")
    for i, filters in enumerate((8, 16)):
        net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=filters, name="conv%d" % i)
        net = mx.sym.Pooling(mx.sym.Activation(net, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=32, name="fc"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="out"), name="softmax")


def unit(mx, data, filters, stride, same, name):
    """A residual unit of two convolutions, normalised and rectified before each."""
    first = mx.sym.Activation(mx.sym.BatchNorm(data, fix_gamma=False, eps=2e-5, name=name + "_bn1"), act_type="relu")
    net = mx.sym.Convolution(
        first, num_filter=filters, kernel=(3, 3), stride=(stride, stride), pad=(1, 1), no_bias=True, name=name + "_conv1"
    )
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name=name + "_bn2"), act_type="relu")
    net = mx.sym.Convolution(net, num_filter=filters, kernel=(3, 3), pad=(1, 1), no_bias=True, name=name + "_conv2")
    if not same:
        data = mx.sym.Convolution(
            first, num_filter=filters, kernel=(1, 1), stride=(stride, stride), no_bias=True, name=name + "_sc"
        )
    return net + data


def resnet20(mx):
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    net = mx.sym.Convolution(net, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv0")
    for stage, filters in enumerate((8, 16, 32)):
        for i in range(3):
            stride = 2 if stage and not i else 1
            net = unit(mx, net, filters, stride, i > 0 or stage == 0, "stage%d_unit%d" % (stage, i))
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn1"), act_type="relu")
    net = mx.sym.Flatten(mx.sym.Pooling(net, global_pool=True, kernel=(4, 4), pool_type="avg"))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="fc1"), name="softmax")


def language_model(mx):
    """Two layers of LSTM, unrolled."""
    cell = mx.rnn.SequentialRNNCell()
    for i in range(2):
        cell.add(mx.rnn.LSTMCell(num_hidden=24, prefix="lstm%d_" % i))
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=96, output_dim=16, name="embed")
    outputs, _ = cell.unroll(LENGTH, inputs=net, merge_outputs=True)
    net = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 24)), num_hidden=96, name="pred")
    label = mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,))
    return mx.sym.SoftmaxOutput(net, label, name="softmax")


def initial(mx, symbol, **given):
    """Scaled normal weights, the same for every library."""
    rng = np.random.RandomState(7)
    args, auxs = {}, {}
    shapes, _, aux_shapes = symbol.infer_shape(**given)
    for name, size in zip(symbol.list_arguments(), shapes):
        if name.endswith("weight"):
            args[name] = mx.nd.array(rng.normal(0, np.sqrt(2.0 / np.prod(size[1:])), size))
        elif name not in ("data", "softmax_label"):
            args[name] = mx.nd.ones(size) if name.endswith("gamma") else mx.nd.zeros(size)
    for name, size in zip(symbol.list_auxiliary_states(), aux_shapes):
        auxs[name] = mx.nd.ones(size) if name.endswith("var") else mx.nd.zeros(size)
    return args, auxs


def curve(mx, make, x, y, batch, optimizer, rate=None):
    """The cross-entropy of each of the first fifty batches."""
    symbol = make(mx)
    args, auxs = initial(mx, symbol, data=(batch,) + x.shape[1:], softmax_label=(batch,) + y.shape[1:])
    losses = []

    def note(param):
        losses.append(param.eval_metric.get()[1])
        param.eval_metric.reset()

    name, params = OPTIMIZERS[optimizer]
    params = dict(params, learning_rate=rate or params["learning_rate"])
    data = mx.io.NDArrayIter(x, y, batch, label_name="softmax_label")
    module = mx.mod.Module(symbol)
    epochs = -(-STEPS // (len(x) // batch))
    module.fit(
        data, num_epoch=epochs, arg_params=args, aux_params=auxs, optimizer=name, optimizer_params=params,
        eval_metric="ce", batch_end_callback=note,
    )  # fmt: skip
    return losses[:STEPS]


def flat_digits():
    return digits()


def square_digits():
    x, y = digits()
    return x.reshape(-1, 1, 8, 8), y


def patterns():
    """Ten patterns of noise, each seen eight times through more noise."""
    rng = np.random.RandomState(11)
    y = np.arange(80) % 10
    shapes = rng.normal(0, 1, (10, 3, 12, 12))
    return (shapes[y] + rng.normal(0, 1, (80, 3, 12, 12))).astype("float32"), y.astype("float32")


def characters():
    """Pieces of text as numbers, and the same one character later."""
    with open(TEXT, encoding="ascii") as file:
        text = np.array([max(ord(c) - 31, 0) for c in file.read()[: 320 * LENGTH + 1]], "float32")
    return text[:-1].reshape(320, LENGTH), text[1:].reshape(320, LENGTH)


# Network, data, batch size, learning rates.
NETWORKS = {
    "mlp": (mlp, flat_digits, 32, {}),
    "lenet": (lenet, square_digits, 32, {}),
    "resnet20": (resnet20, patterns, 16, DEEP_RATES),
    "lstm": (language_model, characters, 32, {"sgd": 0.2, "momentum": 0.05, "adam": 0.01}),
}


def losses(mx, network, optimizer, moved=0.0):
    """The curve of a network, with noise of deviation `moved` added to the inputs."""
    make, data, batch, rates = NETWORKS[network]
    x, y = data()
    # Not a factor: the normalisation of the first layer would take it out again.
    noise = 0 if make is language_model else np.random.RandomState(3).normal(0, 1, x.shape)
    return curve(mx, make, (x + moved * noise).astype("float32"), y, batch, optimizer, rates.get(optimizer))
