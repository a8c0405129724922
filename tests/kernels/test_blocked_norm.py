"""Batch normalisation of blocked arrays against the plain operator's kernels and float64."""

import numpy as np
import pytest

from cyexec.graph.graph import Graph, make_node
from cyexec.kernels import levels
from cyexec.ops import registry
from cyexec.ops.blocked import from_blocked, to_blocked

from ..ops.harness import run, run_planned, variable

SHAPES = [(2, 16, 5, 6), (1, 3, 4, 4), (3, 37, 7), (2, 20, 33, 31), (5, 16, 1, 1), (1, 17, 40, 3, 2)]
PARAMS = {"eps": 1e-3, "momentum": 0.8}


def arrays(shape, offset=0.0):
    rng = np.random.default_rng(3)
    c = shape[1]
    made = {
        "ograd": rng.normal(size=shape), "data": rng.normal(size=shape) + offset, "gamma": rng.uniform(0.5, 2, c),
        "beta": rng.normal(size=c), "moving_mean": rng.normal(size=c), "moving_var": rng.uniform(0.5, 2, c),
    }  # fmt: skip
    return {k: v.astype(np.float32) for k, v in made.items()}


def nodes(values, names, aux=("moving_mean", "moving_var")):
    return [
        variable(n, values[n], "aux" if n in aux else "arg", i)[0]
        for i, n in enumerate(names)
    ]  # fmt: skip


def both_ways(prefix, values, relu, fix_gamma, runner):
    """Output, statistics, gradients and moving averages from the plain or the blocked operators."""
    params = {**PARAMS, "fix_gamma": fix_gamma, **({"relu": relu} if prefix == "_Blocked" else {})}
    forward = registry.get(f"{prefix}BatchNorm")
    inputs = nodes(values, ["data", "gamma", "beta", "moving_mean", "moving_var"])
    node = make_node(forward, forward.params(**params), inputs, "bn")
    values = {k: v.copy() for k, v in values.items()}
    (out, mean, inverse), _ = runner(Graph([node[0], node[1], node[2]], (), True), values)
    if prefix == "" and relu:
        values["ograd"] = np.where(out > 0, values["ograd"], 0)
        out = np.maximum(out, 0)
    values.update(mean=mean, inverse=inverse, output=out)
    backward = registry.get("_BlockedBatchNormGradient" if prefix else "_backward_BatchNorm")
    names = ["ograd", "data", "gamma", "mean", "inverse", *(["output"] if prefix and relu else []), "moving_mean", "moving_var"]
    node = make_node(backward, backward.params(**params), nodes(values, names), "bn_backward")
    grads, _ = runner(Graph([node[i] for i in range(3)], (), True), values)
    return out, mean, inverse, *grads, values["moving_mean"], values["moving_var"]


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_plain_batch_norm(shape, offset, fix_gamma, relu):
    values = arrays(shape, offset)
    wanted = both_ways("", values, relu, fix_gamma, run)
    blocked = {k: to_blocked(v) if v.ndim > 1 else v for k, v in values.items()}
    # A relu decides by the sign: numbers within round-off of zero may fall on either side, and none is there.
    got = both_ways("_Blocked", blocked, relu, fix_gamma, run)
    # Standard deviations of numbers near 300 keep 5 digits of float32.
    rtol = 2e-5 if offset == 0 else 2e-3
    for name, a, b in zip(["out", "mean", "inverse", "dx", "dgamma", "dbeta", "moving_mean", "moving_var"], got, wanted):
        a = from_blocked(a, shape[1]) if a.ndim > 1 else a
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 1), err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_teams_give_the_same_bits(shape):
    blocked = {k: to_blocked(v) if v.ndim > 1 else v for k, v in arrays(shape).items()}
    results = []
    for threads in (1, 2, 3):
        runner = lambda graph, values: run_planned(graph, values, threads, check=True)  # noqa: E731, B023
        results.append(both_ways("_Blocked", blocked, True, False, runner))
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


def test_levels_agree():
    blocked = {k: to_blocked(v) if v.ndim > 1 else v for k, v in arrays((2, 20, 33, 31)).items()}
    before = levels.level
    try:
        results = []
        for name in levels.available_levels():
            levels.set_level(name)
            results.append(both_ways("_Blocked", blocked, True, False, run))
    finally:
        levels.set_level(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
