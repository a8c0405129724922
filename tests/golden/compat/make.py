"""Ask MXNet about the models of this folder: ``ORACLE make.py [NAME ...]`` in MXNet's Python.

`expected.npz` has, for every model, its symbol's JSON, what becomes of older versions of that when loaded, samples of
outputs and internal outputs in float32, of outputs after ``reshape``, and from float64 programs (where MXNet has them)
outputs, gradients and auxiliary states of a training step. The plain operators answer: oneDNN and graph rewrites are off.
"""

import json
import os
import sys

for variable, setting in (
    ("MXNET_SUBGRAPH_BACKEND", "NONE"), ("MXNET_MKLDNN_ENABLED", "0"), ("MXNET_ENGINE_TYPE", "NaiveEngine"),
    ("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0"),
):  # fmt: skip
    os.environ[variable] = setting

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import detection  # noqa: F401  importing registers the models
import faces  # noqa: F401
import images  # noqa: F401
import losses  # noqa: F401
import mxnet as mx
import npz
import numpy as np
import text  # noqa: F401
import vision  # noqa: F401
from recipe import MODELS, samples
from versions import VERSIONS, fingerprint, of_version


def bound(symbol, model, shapes, dtype, grad_req="null"):
    """An executor filled with the model's values."""
    types = dict.fromkeys(symbol.list_inputs(), dtype)
    executor = symbol.simple_bind(mx.cpu(), grad_req=grad_req, type_dict=types, **shapes)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for name, array in arrays.items():
            array[:] = model.value(name, array.shape)
    return executor


def step(symbol, model, dtype):
    """Outputs, gradients and new auxiliary states of a training step."""
    executor = bound(symbol, model, model.shapes, dtype, model.requests(symbol.list_arguments()))
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.array(model.value("head%d" % i, o.shape) + 0.5, dtype=o.dtype) for i, o in enumerate(outputs)])
    found = {"train/%d" % i: array.asnumpy() for i, array in enumerate(outputs)}
    found.update(("grad/" + k, v.asnumpy()) for k, v in executor.grad_dict.items() if v is not None)
    found.update(("aux/" + k, v.asnumpy()) for k, v in executor.aux_dict.items())
    return found


def ask(model):
    """Symbol file, arrays, and the dtype of the training step, of one model."""
    with mx.name.NameManager():
        symbol = model.build(mx)
    found = {}
    internals = symbol.get_internals()
    executor = bound(symbol, model, model.shapes, "float32")
    for i, array in enumerate(executor.forward(is_train=False)):
        found["out/%d" % i] = array.asnumpy()
    names = [n for n in internals.list_outputs() if n not in symbol.list_inputs()]
    chosen = mx.sym.Group([internals[n] for n in names])
    for name, array in zip(names, bound(chosen, model, model.shapes, "float32").forward(is_train=False)):
        found["internal/" + name] = array.asnumpy()
    if model.other:
        executor = executor.reshape(partial_shaping=True, allow_up_sizing=True, **dict(model.shapes, **model.other))
        for name in executor.arg_dict:
            executor.arg_dict[name][:] = model.value(name, executor.arg_dict[name].shape)
        for i, array in enumerate(executor.forward(is_train=False)):
            found["reshaped/%d" % i] = array.asnumpy()
    dtype = None
    if model.gradients:
        # Some operators have no float64 in MXNet.
        for dtype in ("float64", "float32"):
            try:
                found.update(step(symbol, model, dtype))
                break
            except (mx.MXNetError, RuntimeError):
                if dtype == "float32":
                    raise
    return symbol.tojson(), found, dtype


def main(names):
    index, parts, size = {}, [], 0
    for name in names or MODELS:
        written, found, dtype = ask(MODELS[name])
        symbol = json.loads(written)
        old = {v: mx.sym.load_json(json.dumps(of_version(symbol, v))).tojson() for v in VERSIONS}
        index[name] = {"symbol": symbol, "dtype": dtype, "arrays": {}, "old": {v: fingerprint(t) for v, t in old.items()}}
        for key, array in found.items():
            kept = samples(array, 6 if key.startswith("internal/") else 16).astype(np.float32)
            index[name]["arrays"][key] = [size, list(array.shape)]
            parts.append(kept)
            size += kept.size
        bad = [k for k, v in found.items() if not np.isfinite(v).all()]
        print(name, len(found), "arrays", dtype, "NOT FINITE: %s" % bad if bad else "", flush=True)
    if names:
        return
    as_bytes = np.frombuffer(json.dumps(index, separators=(",", ":")).encode(), np.uint8)
    target = os.path.join(HERE, "expected.npz")
    npz.write(target, index=as_bytes, blob=np.concatenate(parts))
    print(len(index), "models,", os.path.getsize(target), "bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
