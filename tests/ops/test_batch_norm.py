"""What BatchNorm does beside its outputs: moving averages, and the gradient of fixed gammas."""

from __future__ import annotations

import numpy as np
import pytest

from cyexec.ops import registry
from cyexec.ops.schema import Case

from . import harness

OP = registry.get("BatchNorm")


def run(shape, gradients=True, is_train=True, dtype="float64", data=None, **params):
    c = (shape[params.get("axis", 1)],)
    given = {"moving_var": np.linspace(0.5, 2, c[0])} | ({} if data is None else {"data": data})
    case = Case({"data": shape, "gamma": c, "beta": c, "moving_mean": c}, params, data=given, is_train=is_train)
    inputs = harness.case_inputs(OP, case, dtype)
    graph = harness.build(OP, case, inputs, gradients)
    before = dict(zip(OP.input_names(OP.params.parse(params, "")), inputs))
    after = {k: v.copy() for k, v in before.items()}
    heads = {f"_head_grad_{i}": np.ones(e.shape, e.dtype) for i, e in enumerate(graph.outputs)}
    outputs, grads = harness.run(graph, {**after, **heads})
    return before, after, outputs, grads


@pytest.mark.parametrize("axis", [1, 2])
def test_backward_updates_moving_averages(axis):
    """As MXNet: one update for each backward pass in training, with the biased variance."""
    before, after, _, _ = run((4, 3, 5), axis=axis, momentum=0.75)
    others = tuple(i for i in range(3) if i != axis)
    x = before["data"]
    np.testing.assert_allclose(after["moving_mean"], 0.75 * before["moving_mean"] + 0.25 * x.mean(others))
    np.testing.assert_allclose(after["moving_var"], 0.75 * before["moving_var"] + 0.25 * x.var(others))


@pytest.mark.parametrize(
    "options", [{"gradients": False}, {"is_train": False}, {"use_global_stats": True}], ids=lambda o: str(*o)
)
def test_moving_averages_otherwise_stay(options):
    before, after, _, _ = run((4, 3, 5), **options)
    for name in ("moving_mean", "moving_var"):
        np.testing.assert_array_equal(after[name], before[name])


def test_fixed_gamma_has_zero_gradient():
    grads = run((4, 3, 5))[3]
    assert (grads["gamma"] == 0).all() and (grads["beta"] == 20).all()


@pytest.mark.parametrize("axis", [1, -1])
def test_variance_survives_a_large_mean(axis):
    """One-pass variances are noise here: mean**2 / variance is 1e10, above 1 / float32 epsilon."""
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((8, 6, 50, 6)) * 0.1 + 1e4).astype(np.float32)
    _, _, (_, mean, inverse), _ = run(
        x.shape, gradients=False, dtype="float32", data=x, axis=axis, eps=0.0, output_mean_var=True
    )
    others = tuple(i for i in range(4) if i != axis % 4)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(others), rtol=1e-7)
    np.testing.assert_allclose(inverse, 1 / wide.std(others), rtol=1e-5)
