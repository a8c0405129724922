"""Networks as people had them from 2016 on, against MXNet: `golden/compat`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx

FOLDER = Path(__file__).parents[1] / "golden" / "compat"
sys.path.insert(0, str(FOLDER))
import detection  # noqa: E402, F401  importing registers the models
import faces  # noqa: E402, F401
import images  # noqa: E402, F401
import losses  # noqa: E402, F401
import text  # noqa: E402, F401
import vision  # noqa: E402, F401
from recipe import MODELS, samples  # noqa: E402
from versions import VERSIONS, fingerprint, of_version  # noqa: E402

TRAINED = [name for name, model in MODELS.items() if model.gradients]
with np.load(FOLDER / "expected.npz") as _file:
    INDEX, BLOB = json.loads(_file["index"].tobytes()), _file["blob"]


def expected(name, kind):
    """The entries of a kind: name -> (samples, shape)."""
    found = {}
    for key, (start, shape) in INDEX[name]["arrays"].items():
        head, _, rest = key.partition("/")
        if head == kind:
            size = min(6 if kind == "internal" else 16, int(np.prod(shape)))
            found[rest] = BLOB[start : start + size], tuple(shape)
    return found


def loaded(name):
    """The symbol, from the file that MXNet wrote."""
    return mx.sym.load_json(json.dumps(INDEX[name]["symbol"]))


def bound(symbol, model, shapes, dtype="float32", grad_req="null"):
    """An executor filled with the model's values."""
    types = dict.fromkeys(symbol.list_inputs(), dtype)
    executor = symbol.simple_bind(mx.cpu(), grad_req=grad_req, type_dict=types, **shapes)
    fill(executor, model)
    return executor


def fill(executor, model):
    for arrays in (executor.arg_dict, executor.aux_dict):
        for name, array in arrays.items():
            array[:] = model.value(name, array.shape)


def compare(found, wanted, rtol, what, scale=1e-3):
    """Against MXNet's samples, relative to the largest of them: round-off of a sum is that of its terms."""
    values, shape = wanted
    assert found.shape == shape, what
    got = samples(found.asnumpy(), values.size).astype(np.float64)
    np.testing.assert_allclose(got, values, rtol=rtol, atol=rtol * max(abs(values).max(), scale), err_msg=what)


def mxnet_strays(symbol):
    """Slopes of PReLU that runs in place: MXNet's gradient reads the result where it needs what was there before.

    Ours is that of finite differences (`ops/test_contract.py`).
    """
    nodes = json.loads(symbol.tojson())["nodes"]
    prelu = [n for n in nodes if n["op"] == "LeakyReLU" and n["attrs"].get("act_type") == "prelu"]
    return {nodes[n["inputs"][1][0]]["name"] for n in prelu}


@pytest.mark.parametrize("name", MODELS)
def test_builds_what_mxnet_builds(name):
    with mx.name.NameManager():
        symbol = MODELS[name].build(mx)
    built, theirs = json.loads(symbol.tojson()), INDEX[name]["symbol"]
    assert built["nodes"] == theirs["nodes"]
    assert built["heads"] == theirs["heads"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MODELS)
def test_files_of_earlier_versions(name, version):
    """Loaded, they become what MXNet makes of them; variables that they left out are there."""
    old = json.dumps(of_version(INDEX[name]["symbol"], version))
    assert fingerprint(mx.sym.load_json(old).tojson()) == INDEX[name]["old"][version]


@pytest.mark.parametrize("name", MODELS)
def test_outputs_and_reshape(name):
    model = MODELS[name]
    executor = bound(loaded(name), model, model.shapes)
    outputs = executor.forward(is_train=False)
    for key, wanted in expected(name, "out").items():
        compare(outputs[int(key)], wanted, 1e-4, f"output {key}")
    if model.other:
        executor = executor.reshape(partial_shaping=True, allow_up_sizing=True, **{**model.shapes, **model.other})
        fill(executor, model)
        outputs = executor.forward(is_train=False)
        for key, wanted in expected(name, "reshaped").items():
            compare(outputs[int(key)], wanted, 1e-4, f"output {key} after reshape")


@pytest.mark.parametrize("name", MODELS)
def test_internal_outputs(name):
    internals = loaded(name).get_internals()
    wanted = expected(name, "internal")
    executor = bound(mx.sym.Group([internals[n] for n in wanted]), MODELS[name], MODELS[name].shapes)
    for (key, samples_of), output in zip(wanted.items(), executor.forward(is_train=False)):
        compare(output, samples_of, 1e-4, key)


@pytest.mark.parametrize("name", TRAINED)
def test_training_step(name):
    """Outputs, gradients and auxiliary states; in float64 where MXNet has it, since deep gradients are ill-conditioned.

    Some of MXNet's operators round to float32 within a float64 program (activations differ in the seventh digit).
    """
    model, symbol, dtype = MODELS[name], loaded(name), INDEX[name]["dtype"]
    rtol = 2e-5 if dtype == "float64" else 2e-3
    executor = bound(symbol, model, model.shapes, dtype, model.requests(symbol.list_arguments()))
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.array(model.value(f"head{i}", o.shape) + 0.5, dtype=o.dtype) for i, o in enumerate(outputs)])
    for key, wanted in expected(name, "train").items():
        compare(outputs[int(key)], wanted, rtol, f"output {key}")
    gradients = expected(name, "grad")
    # What has no effect (a bias before a BatchNorm) has a gradient of round-off alone, that of the other gradients.
    scale = 1e-3 * max(abs(values).max() for values, _ in gradients.values() if values.size)
    slopes = mxnet_strays(symbol)
    for key, wanted in gradients.items():
        if key not in slopes:
            compare(executor.grad_dict[key], wanted, rtol, f"gradient of {key}", scale)
    for key, wanted in expected(name, "aux").items():
        compare(executor.aux_dict[key], wanted, rtol, key)
