"""Dropout's randomness: rates, independence, repeatability."""

from __future__ import annotations

import numpy as np
import pytest

from cyexec.graph.graph import Graph, make_node
from cyexec.ops import registry

from . import harness

OP = registry.get("Dropout")


def drop(x, seed=1, is_train=True, nodes=1, **params):
    """Outputs and mask of Dropout nodes over one array."""
    data = harness.variable("data", x)
    made = [make_node(OP, OP.params(**params), [data[0]], f"node{i}") for i in range(nodes)]
    outputs, _ = harness.run(Graph([e for n in made for e in (n[0], n[1])], (), is_train), {"data": x}, seed)
    return outputs


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_rate_and_scale(p, dtype):
    x = np.arange(1, 40001, dtype=dtype)
    y, mask = drop(x, p=p)
    np.testing.assert_array_equal(y, x * mask)
    assert set(np.unique(mask).tolist()) == {0.0, float(np.asarray(1 / (1 - p), dtype))}
    # Five standard deviations of a binomial rate; seeded, so it holds or does not for good.
    assert abs((mask == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / x.size)


def test_elements_are_independent():
    kept = drop(np.ones(100000, np.float32), p=0.5)[1] > 0
    for lag in (1, 2, 3, 16, 32, 64, 1024):
        agree = (kept[lag:] == kept[:-lag]).mean()
        assert abs(agree - 0.5) < 5 * 0.5 / np.sqrt(kept.size)


def test_same_seed_same_mask_and_nodes_differ():
    x = np.ones(1000, np.float32)
    first = drop(x, seed=7, p=0.5, nodes=2)
    again = drop(x, seed=7, p=0.5, nodes=2)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert (first[1] != first[3]).any()
    assert (drop(x, seed=8, p=0.5)[1] != first[1]).any()


def test_mask_does_not_depend_on_how_much_follows():
    long = drop(np.ones(1000, np.float32), p=0.5)[1]
    np.testing.assert_array_equal(drop(np.ones(333, np.float32), p=0.5)[1], long[:333])


def test_mode():
    x = np.ones((10, 100), np.float32)
    np.testing.assert_array_equal(drop(x, is_train=False, p=0.5)[0], x)
    assert (drop(x, is_train=False, p=0.5, mode="always")[0] == 0).any()


def test_axes_share_a_decision():
    y, mask = drop(np.ones((30, 40, 5), np.float32), p=0.5, axes=(0, -1))
    assert mask.shape == (1, 40, 1)
    np.testing.assert_array_equal(y, np.broadcast_to(mask, y.shape))
    assert 5 < (mask == 0).sum() < 35
