"""Every network of Gluon's model zoo against MXNet, with weights from a seeded generator (`golden/zoo`)."""

import json

import numpy as np
import pytest

import cyexec as mx
from tests.golden.zoo import networks

TEXTS = networks.symbols()


@pytest.fixture(scope="module")
def expected():
    """name -> key -> samples that MXNet gave."""
    with np.load(networks.HERE + "/expected.npz") as file:
        index, blob = json.loads(file["index"].tobytes()), file["blob"]
    return {
        name: {key: blob[start : start + size] for key, (start, size) in entries.items()} for name, entries in index.items()
    }


def bound(symbol, name, shape, dtype="float32", grad_req="null"):
    """An executor with the seeded weights and input."""
    types = dict.fromkeys(symbol.list_inputs(), dtype)
    executor = symbol.simple_bind(mx.cpu(), data=shape, type_dict=types, grad_req=grad_req)
    for arrays in (executor.arg_dict, executor.aux_dict):
        for parameter, array in arrays.items():
            array[:] = networks.value(parameter, array.shape, name)
    return executor


def compare(found, wanted, rtol, what):
    """Samples of an array against MXNet's, relative to the largest of them: the round-off of a sum is that of its terms."""
    samples = networks.samples(found.asnumpy(), wanted.size)
    np.testing.assert_allclose(samples, wanted, rtol=rtol, atol=rtol * abs(wanted).max(), err_msg=what)


@pytest.mark.parametrize("name", networks.NAMES)
def test_outputs_at_several_input_shapes(name, expected):
    """The first shape is bound, the others are reached by ``reshape``; the weights are shared."""
    executor = None
    for shape in networks.shapes(name):
        if executor is None:
            executor = bound(mx.sym.load_json(TEXTS[name]), name, shape)
        else:
            executor = executor.reshape(allow_up_sizing=True, data=shape)
            executor.arg_dict["data"][:] = networks.value("data", shape)
        output = executor.forward(is_train=False)[0]
        compare(output, expected[name][f"out/{shape}"], 1e-4, f"{name} at {shape}")


@pytest.mark.parametrize("name", networks.FULL)
def test_outputs_at_full_size(name, expected):
    shape = (1, 3, *networks.FULL[name])
    output = bound(mx.sym.load_json(TEXTS[name]), name, shape).forward(is_train=False)[0]
    compare(output, expected[name][f"out/{shape}"], 1e-4, name)


@pytest.mark.parametrize("name", networks.THOROUGH)
def test_outputs_in_float64(name, expected):
    executor = bound(mx.sym.load_json(TEXTS[name]), name, networks.shapes(name)[0], "float64")
    output = executor.forward(is_train=False)[0]
    assert output.dtype == np.float64
    # The samples are stored as float32.
    compare(output, expected[name]["float64"], 3e-7, name)


@pytest.mark.parametrize("name", networks.THOROUGH)
def test_internal_outputs(name, expected):
    internals = mx.sym.load_json(TEXTS[name]).get_internals()
    executor = bound(internals, name, networks.shapes(name)[0])
    outputs = dict(zip(internals.list_outputs(), executor.forward(is_train=False)))
    wanted = {key[len("internal/") :]: v for key, v in expected[name].items() if key.startswith("internal/")}
    assert wanted.keys() == {key for key in outputs if key.endswith("_output")}
    for entry, samples in wanted.items():
        compare(outputs[entry], samples, 1e-4, f"{name}: {entry}")


@pytest.mark.parametrize("name", [name for name in networks.THOROUGH if "Dropout" not in TEXTS[name]])
def test_training_step_in_float64(name, expected):
    """Gradients of deep ReLU networks are ill-conditioned in float32; in float64 they can be compared."""
    shape = (2, *networks.shapes(name)[0][1:])
    executor = bound(mx.sym.load_json(TEXTS[name]), name, shape, "float64", "write")
    output = executor.forward(is_train=True)[0]
    executor.backward([mx.nd.array(networks.value("head", output.shape), dtype="float64")])
    compare(output, expected[name]["train"], 1e-6, name)
    for key, array in executor.grad_dict.items():
        wanted = expected[name]["grad/" + key]
        # A bias before a BatchNorm has no effect: its gradient is round-off, in both.
        if abs(wanted).max() > 1e-10:
            compare(array, wanted, 1e-6, f"{name}: gradient of {key}")
    for key, array in executor.aux_dict.items():
        compare(array, expected[name]["aux/" + key], 1e-6, f"{name}: {key}")
