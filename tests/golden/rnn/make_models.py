"""Ask the oracle for checkpoints, iterators and encodings of `model_cases.py`: run with its Python; writes files here.

lm-symbol.json, lm-0001.params: `save_rnn_checkpoint` after a step of training (weights gate by gate); packed-0001.params: the
same parameters as they are; gluon-*: a network of Gluon's recurrent layers; models.json: outputs of these networks and
everything else.
"""

import json
import os

os.environ.update(MXNET_SUBGRAPH_BACKEND="NONE", MXNET_MKLDNN_ENABLED="1", MXNET_ENGINE_TYPE="NaiveEngine")

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402
from example_cases import EXAMPLES, digest  # noqa: E402
from model_cases import BATCH, ENCODINGS, ITERATORS, LENGTH, VOCABULARY, batches, language_model, stack, words  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def gluon_network():
    """Export a bidirectional network of Gluon's; returns its outputs for `words`."""
    mx.random.seed(1)
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(mx.gluon.nn.Embedding(VOCABULARY, 4))
        net.add(mx.gluon.rnn.LSTM(5, num_layers=2, bidirectional=True, layout="NTC"))
        net.add(mx.gluon.nn.Dense(3, flatten=False))
    net.initialize(mx.init.Uniform(0.5))
    net.hybridize()
    outputs = net(mx.nd.array(words(LENGTH, 0)))
    net.export(os.path.join(HERE, "gluon"), 0)
    return outputs.asnumpy()


if __name__ == "__main__":
    cell = stack(mx)
    symbol = language_model(mx, cell, LENGTH)
    requests = {n: "null" if n in ("data", "softmax_label") else "write" for n in symbol.list_arguments()}
    executor = symbol.simple_bind(mx.cpu(), requests, data=(BATCH, LENGTH), softmax_label=(BATCH, LENGTH))
    rng = np.random.RandomState(5)
    for array in executor.arg_dict.values():
        array[:] = rng.uniform(-0.5, 0.5, array.shape)
    parameters = [name for name in symbol.list_arguments() if name not in ("data", "softmax_label")]
    executor.forward(is_train=True, data=words(LENGTH, 0), softmax_label=words(LENGTH, 1))
    executor.backward()
    for name in parameters:
        executor.arg_dict[name][:] -= 0.05 * executor.grad_dict[name]
    arg_params = {name: executor.arg_dict[name] for name in parameters}
    mx.rnn.save_rnn_checkpoint(cell, os.path.join(HERE, "lm"), 1, symbol, arg_params, {})
    mx.model.save_checkpoint(os.path.join(HERE, "packed"), 1, None, arg_params, {})
    outputs = executor.forward(is_train=False, data=words(LENGTH, 0), softmax_label=words(LENGTH, 1))
    found = {
        "outputs": outputs[0].asnumpy().round(7).tolist(),
        "iterators": {key: batches(mx, **kwargs) for key, kwargs in ITERATORS.items()},
        "gluon": gluon_network().tolist(),
        "examples": {example.__name__: digest(example(mx)) for example in EXAMPLES},
        "encodings": [mx.rnn.encode_sentences(s, **kwargs) for s, kwargs in ENCODINGS],
    }
    with open(os.path.join(HERE, "models.json"), "w") as file:
        json.dump(found, file)
