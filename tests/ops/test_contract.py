"""What every operator promises, checked on its own cases: numbers, shapes, gradients, repeatability."""

from __future__ import annotations

import numpy as np
import pytest

from cyexec.kernels import levels
from cyexec.ops import registry

from . import harness

CASES = harness.all_cases()
IDS = [f"{name}-{i}" for name, i in CASES]


def prepare(name, number, dtype, gradients=False):
    op = registry.get(name)
    case = op.cases[number]
    inputs = harness.case_inputs(op, case, dtype)
    graph = harness.build(op, case, inputs, gradients)
    names = op.input_names(op.params.parse(case.params, op.name))
    return op, case, inputs, graph, dict(zip(names, [a.copy() for a in inputs]))


@pytest.mark.parametrize("op", [op for op in registry.all_ops() if not (op.hidden or op.opaque)], ids=lambda op: op.name)
def test_has_cases_and_documentation(op):
    assert op.cases, f"{op.name} has no cases"
    assert op.doc and op.doc[0].isupper()
    for field in op.params.fields.values():
        assert field.doc, f"{op.name}: parameter {field.name} is not documented"


@pytest.mark.parametrize("name,number", CASES, ids=IDS)
def test_forward_matches_reference(name, number):
    op = registry.get(name)
    for dtype in op.cases[number].dtypes:
        op, case, inputs, graph, values = prepare(name, number, dtype)
        if op.reference is None:
            assert op.random, f"{name} has no reference"
            continue
        outputs, _ = harness.run(graph, values)
        params = op.params.parse(case.params, op.name)
        wanted_aux = [a.copy() for a in inputs]
        wanted = op.reference(params, *wanted_aux, is_train=case.is_train)
        wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        half = dtype == "float16"
        for got, want in zip(outputs, wanted):
            assert got.shape == np.shape(want), (name, dtype)
            np.testing.assert_allclose(
                got.astype(np.float64), np.asarray(want, np.float64), err_msg=f"{name} {dtype}",
                rtol=max(case.rtol, 2e-3 if half else 0), atol=max(case.atol, 2e-3 if half else 0),
            )  # fmt: skip


@pytest.mark.parametrize("name,number", CASES, ids=IDS)
def test_inference_runs_backwards_too(name, number):
    op, case, inputs, graph, values = prepare(name, number, op_dtype(name, number))
    params = op.params.parse(case.params, op.name)
    node = graph.outputs[0].node
    ins, outs = op.infer_shape(params, [a.shape for a in inputs], list(node.shapes))
    assert list(outs) == list(node.shapes)
    assert all(tuple(i) == a.shape for i, a in zip(ins, inputs))
    # Unknown everything: no crash, no wrong claim.
    ins, outs = op.infer_shape(params, [None] * len(inputs), [None] * len(node.shapes))
    for claimed, true in zip([*ins, *outs], [*(a.shape for a in inputs), *node.shapes]):
        if claimed is not None:
            assert len(claimed) == len(true) and all(c in (-1, t) for c, t in zip(claimed, true))


def op_dtype(name, number):
    return registry.get(name).cases[number].dtypes[0]


def cases_where(wanted):
    """Cases for which ``wanted(op, case)``, as arguments of parametrize."""
    chosen = [(name, i) for name, i in CASES if wanted(registry.get(name), registry.get(name).cases[i])]
    return pytest.mark.parametrize("name,number", chosen, ids=[f"{name}-{i}" for name, i in chosen])


@cases_where(lambda op, case: op.gradient is not None and case.grad and "float64" in case.dtypes)
def test_gradient_matches_finite_differences(name, number):
    op, case, inputs, graph, values = prepare(name, number, "float64", gradients=True)
    rng = np.random.default_rng(1)
    heads = {f"_head_grad_{i}": rng.uniform(-1, 1, e.shape) for i, e in enumerate(graph.outputs)}
    _, grads = harness.run(graph, {**{k: v.copy() for k, v in values.items()}, **heads})
    forward = harness.build(op, case, inputs, gradients=False)

    def loss(changed):
        outputs, _ = harness.run(forward, {k: v.copy() for k, v in changed.items()})
        return sum(float((o * heads[f"_head_grad_{i}"]).sum()) for i, o in enumerate(outputs))

    for target, got in grads.items():
        want = harness.numeric_gradient(loss, values, target)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7, err_msg=f"{name} gradient of {target}")


@cases_where(lambda op, case: op.gradient is not None and {"float32", "float64"} <= set(case.dtypes))
def test_float32_gradient_matches_float64(name, number):
    results = []
    for dtype in ("float64", "float32"):
        op, case, inputs, graph, values = prepare(name, number, dtype, gradients=True)
        rng = np.random.default_rng(1)
        heads = {f"_head_grad_{i}": rng.uniform(-1, 1, e.shape).astype(e.dtype) for i, e in enumerate(graph.outputs)}
        results.append(harness.run(graph, {**values, **heads})[1])
    for target, want in results[0].items():
        np.testing.assert_allclose(results[1][target], want, rtol=1e-4, atol=1e-5, err_msg=f"{name} {target}")


def run_planned(name, number, threads, check=False):
    """Outputs, gradients and changed inputs of a case's planned program, even the smallest steps shared by a team."""
    dtype = op_dtype(name, number)
    op = registry.get(name)
    with_gradient = op.gradient is not None and np.dtype(dtype).kind == "f"
    op, case, inputs, graph, values = prepare(name, number, dtype, gradients=with_gradient)
    rng = np.random.default_rng(1)
    for i, e in enumerate(graph.outputs):
        values[f"_head_grad_{i}"] = rng.uniform(-1, 1, e.shape).astype(e.dtype)
    outputs, grads = harness.run_planned(graph, values, threads, check)
    return [*outputs, *grads.values(), *(values[n] for n in op.input_names(op.params.parse(case.params, op.name)))]


@pytest.mark.parametrize("name,number", CASES, ids=IDS)
def test_plan_and_teams_change_no_bit(name, number):
    """In place or not, poisoned or not, one thread or three, once or again: the same bits."""
    wanted = run_planned(name, number, 1)
    for threads, check in ((1, False), (2, False), (3, False), (2, True)):
        for a, b in zip(run_planned(name, number, threads, check), wanted):
            np.testing.assert_array_equal(a, b, err_msg=f"{name} {threads} threads, check {check}")


@pytest.mark.parametrize("name,number", CASES, ids=IDS)
def test_levels_agree(name, number):
    before = levels.level
    results = {}
    try:
        for at in levels.available_levels():
            levels.set_level(at)
            results[at] = run_planned(name, number, 1)
    finally:
        levels.set_level(before)
    case = registry.get(name).cases[number]
    for at, values in results.items():
        for got, want in zip(values, results["base"]):
            # Gradients are sums of products of values that the case's tolerance is for.
            np.testing.assert_allclose(
                got.astype(np.float64), want.astype(np.float64), rtol=10 * case.rtol, atol=10 * case.atol, err_msg=at
            )
