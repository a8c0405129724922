"""What must hold for every network, however it is optimised: judged by cyexec's own programs against each other."""

import numpy as np
import pytest

import cyexec as mx

from .test_compat import MODELS, TRAINED, bound, fill, loaded

# Optimised programs add up in another order; values are of the size of the largest one beside them.
RTOL = 2e-5


def close(found, wanted, what, rtol=RTOL):
    assert found.shape == wanted.shape, what
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * max(abs(wanted).max(initial=0), 1e-3), err_msg=what)


def forward(executor, **arguments):
    return [output.asnumpy() for output in executor.forward(is_train=False, **arguments)]


@pytest.mark.parametrize("name", MODELS)
def test_inference_programs_compute_what_training_programs_do(name):
    """With nothing requested everything is folded and fused; with gradients the forward part keeps what backward reads."""
    model, symbol = MODELS[name], loaded(name)
    plain = forward(bound(symbol, model, model.shapes))
    executor = bound(symbol, model, model.shapes, "float32", model.requests(symbol.list_arguments()))
    for i, output in enumerate(forward(executor)):
        close(output, plain[i], f"output {i}")
    if "BatchNorm" not in symbol.tojson():  # the only operator here with a mode of its own
        for i, output in enumerate(executor.forward(is_train=True)):
            close(output.asnumpy(), plain[i], f"output {i} of the training program")


@pytest.mark.parametrize("name", MODELS)
def test_new_values_of_parameters_are_seen(name):
    """Whatever was folded or packed from the old ones; each array alone, since each may be folded somewhere else."""
    model, symbol = MODELS[name], loaded(name)
    executor = bound(symbol, model, model.shapes)
    found = forward(executor)
    arrays = {**executor.arg_dict, **executor.aux_dict}
    fresh = bound(symbol, model, model.shapes)
    others = {**fresh.arg_dict, **fresh.aux_dict}
    for parameter in [p for p in arrays if p not in model.shapes][:24]:
        arrays[parameter][:] = arrays[parameter] * 0.75 + 0.01
        others[parameter][:] = others[parameter] * 0.75 + 0.01
        found = forward(executor)
    # The other executor's first program is made from the final values.
    for i, (output, wanted) in enumerate(zip(found, forward(fresh))):
        close(output, wanted, f"output {i}", 1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_bits_depend_neither_on_threads_nor_on_repetition(name):
    model = MODELS[name]
    executor = bound(loaded(name), model, model.shapes)
    before = mx.get_num_threads()
    try:
        mx.set_num_threads(1)
        one = forward(executor)
        mx.set_num_threads(2)
        several = [forward(executor) for _ in range(4)]
    finally:
        mx.set_num_threads(before)
    for outputs in several:
        for output, wanted in zip(outputs, one):
            np.testing.assert_array_equal(output, wanted)


@pytest.mark.parametrize("name", MODELS)
def test_a_monitor_sees_every_entry(name):
    model, symbol = MODELS[name], loaded(name)
    executor = bound(symbol, model, model.shapes)
    plain = forward(executor)
    seen = {}
    executor.set_monitor_callback(lambda entry, array: seen.setdefault(entry, array.asnumpy().copy()))
    for output, wanted in zip(forward(executor), plain):
        close(output, wanted, "with a monitor")
    variables = set(symbol.list_inputs())
    names = [n for n in symbol.get_internals().list_outputs() if n not in variables]
    assert set(names) <= seen.keys()
    outputs = dict(zip(symbol.list_outputs(), plain))
    for entry in outputs.keys() & seen.keys():
        close(seen[entry], outputs[entry], entry)


@pytest.mark.parametrize("name", [n for n in MODELS if MODELS[n].other])
def test_shapes_may_go_and_come_back(name):
    model = MODELS[name]
    executor = bound(loaded(name), model, model.shapes)
    plain = forward(executor)
    other = executor.reshape(partial_shaping=True, allow_up_sizing=True, **{**model.shapes, **model.other})
    forward(other)
    back = other.reshape(partial_shaping=True, allow_up_sizing=True, **model.shapes)
    fill(back, model)
    for output, wanted in zip(forward(back), plain):
        np.testing.assert_array_equal(output, wanted)


@pytest.mark.parametrize("name", TRAINED)
def test_poisoned_memory_changes_nothing(name, monkeypatch):
    """``CYEXEC_CHECK``: dead buffers hold NaN, gaps are watched. A value read after its end shows as a wrong gradient."""
    model, symbol = MODELS[name], loaded(name)
    requests = model.requests(symbol.list_arguments())

    def step():
        executor = bound(symbol, model, model.shapes, "float32", requests)
        outputs = executor.forward(is_train=True)
        executor.backward([mx.nd.array(model.value(f"head{i}", o.shape) + 0.5) for i, o in enumerate(outputs)])
        inference = forward(bound(symbol, model, model.shapes))
        return [o.asnumpy() for o in outputs], [g.asnumpy() for g in executor.grad_arrays if g is not None], inference

    plain = step()
    monkeypatch.setenv("CYEXEC_CHECK", "1")
    for found, wanted in zip(step(), plain):
        for array, other in zip(found, wanted):
            np.testing.assert_array_equal(array, other)
