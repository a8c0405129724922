"""Export the networks and ask MXNet for their outputs: ``ORACLE make.py [symbols]``, in MXNet's Python.

With the word ``symbols``, `symbols.json.xz` is made anew from Gluon first. `expected.npz` has for every network and
input shape 64 samples of the output; for the `THOROUGH` ones also float64 outputs, gradients, auxiliary states after a
training step, and 8 samples of every internal output. The plain operators answer: oneDNN and rewrites are off.
"""

import json
import lzma
import os
import sys

for variable, setting in (
    ("MXNET_SUBGRAPH_BACKEND", "NONE"), ("MXNET_MKLDNN_ENABLED", "0"), ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0"),
):  # fmt: skip
    os.environ[variable] = setting

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import mxnet as mx
import networks
import npz
import numpy as np

EXPECTED = os.path.join(networks.HERE, "expected.npz")


def export_symbols():
    """Write `symbols.json.xz`."""
    texts = {}
    for name in networks.NAMES:
        with mx.name.NameManager():
            net = mx.gluon.model_zoo.vision.get_model(name)
            texts[name] = net(mx.sym.Variable("data")).tojson()
    with lzma.open(networks.SYMBOLS, "wt", preset=9, encoding="utf-8") as file:
        json.dump(texts, file)


def bound(symbol, shape, name, dtype, grad_req="null"):
    """An executor with the seeded weights and input."""
    # Gluon's variables carry a dtype: each must be told otherwise.
    types = dict.fromkeys(symbol.list_inputs(), dtype)
    executor = symbol.simple_bind(mx.cpu(), data=shape, type_dict=types, grad_req=grad_req)
    for parameter, array in list(executor.arg_dict.items()) + list(executor.aux_dict.items()):
        array[:] = networks.value(parameter, array.shape, name).astype(dtype)
    return executor


def outputs(symbol, name, shape, dtype="float32"):
    """Outputs of an inference."""
    executor = bound(symbol, shape, name, dtype)
    return [output.asnumpy() for output in executor.forward(is_train=False)]


def step(symbol, name, shape):
    """Output, gradients and new auxiliary states of a training step in float64."""
    executor = bound(symbol, shape, name, "float64", "write")
    output = executor.forward(is_train=True)[0]
    executor.backward([mx.nd.array(networks.value("head", output.shape), dtype="float64")])
    found = {"train": output.asnumpy()}
    found.update(("grad/" + k, v.asnumpy()) for k, v in executor.grad_dict.items())
    found.update(("aux/" + k, v.asnumpy()) for k, v in executor.aux_dict.items())
    return found


def answers(name, text):
    """All that is kept of one network."""
    symbol = mx.sym.load_json(text)
    found = {}
    for shape in networks.shapes(name):
        found["out/%s" % (shape,)] = networks.samples(outputs(symbol, name, shape)[0], 64)
    if name in networks.FULL:
        shape = (1, 3) + networks.FULL[name]
        found["out/%s" % (shape,)] = networks.samples(outputs(symbol, name, shape)[0], 64)
    if name in networks.THOROUGH:
        shape = networks.shapes(name)[0]
        found["float64"] = networks.samples(outputs(symbol, name, shape, "float64")[0], 64)
        internals = symbol.get_internals()
        for entry, array in zip(internals.list_outputs(), outputs(internals, name, shape)):
            if entry.endswith("_output"):
                found["internal/" + entry] = networks.samples(array, 8)
        # Dropout draws: a network that has it has no expected training step.
        if "Dropout" not in text:
            for key, array in step(symbol, name, (2,) + shape[1:]).items():
                found[key] = networks.samples(array, 8)
    return found


def main():
    if "symbols" in sys.argv[1:]:
        export_symbols()
    index, parts, size = {}, [], 0
    for name, text in networks.symbols().items():
        index[name] = {}
        for key, array in answers(name, text).items():
            index[name][key] = [size, array.size]
            parts.append(array.astype(np.float32))
            size += array.size
        print(name, len(index[name]), "arrays, largest output", abs(parts[-1]).max(), flush=True)
    as_bytes = np.frombuffer(json.dumps(index, separators=(",", ":")).encode(), np.uint8)
    npz.write(EXPECTED, index=as_bytes, blob=np.concatenate(parts))
    print(os.path.getsize(EXPECTED), "bytes")


if __name__ == "__main__":
    main()
