"""Ask the oracle for outputs and gradients of `rnn_cases.py`: run with its Python; writes rnn.npz beside this file.

oneDNN must be on: without it MXNet's RNN does not train.
"""

import os

os.environ.update(MXNET_SUBGRAPH_BACKEND="NONE", MXNET_MKLDNN_ENABLED="1", MXNET_ENGINE_TYPE="NaiveEngine")

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402
from rnn_cases import BATCH, FEATURES, STEPS, arrays, cases  # noqa: E402


def answers(key, params, dtype, train):
    symbol = mx.sym.RNN(mx.sym.Variable("data"), name="rnn", **params)
    shapes, heads, _ = symbol.infer_shape(data=(STEPS, BATCH, FEATURES))
    values = [mx.nd.array(a, dtype=dtype) for a in arrays(key, shapes, dtype)]
    grads = [mx.nd.zeros(v.shape, dtype=dtype) for v in values] if train else None
    executor = symbol.bind(mx.cpu(), values, grads)
    found = {f"out/{i}": out for i, out in enumerate(executor.forward(is_train=train))}
    if train:
        executor.backward([mx.nd.array(a, dtype=dtype) for a in arrays(key + "/heads", heads, dtype)])
        found.update({f"grad/{name}": grad for name, grad in zip(symbol.list_arguments(), grads)})
    # float64 answers as float32: the comparison allows for it, and the file is half as large.
    return {f"{key}/{name}": array.asnumpy().astype(np.float32) for name, array in found.items()}


if __name__ == "__main__":
    out = {}
    for case in cases():
        out.update(answers(*case))
    # One vector: hundreds of small members would be mostly zip headers.
    index = "\n".join(f"{name} {' '.join(map(str, array.shape))}" for name, array in out.items())
    np.savez_compressed(
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "rnn.npz"),
        index=np.frombuffer(index.encode(), np.uint8),
        blob=np.concatenate([array.ravel() for array in out.values()]),
    )
