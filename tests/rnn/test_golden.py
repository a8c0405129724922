"""Cells against MXNet: the graphs they compose, node by node, and the numbers."""

from __future__ import annotations

import gzip
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import cyexec as mx
from cyexec.name import NameManager

GOLDEN = Path(__file__).parents[1] / "golden" / "rnn"
sys.path.insert(0, str(GOLDEN))
from cell_cases import evaluate, networks  # noqa: E402 (shared with the script that runs in MXNet)

sys.path.pop(0)


def load_arrays():
    with np.load(GOLDEN / "cells.npz") as file:
        index, blob = file["index"].tobytes().decode(), file["blob"]
    found, at = {}, 0
    for line in index.splitlines():
        name, extents = line.split("\t")
        shape = tuple(map(int, extents.split()))
        found[name] = blob[at : at + int(np.prod(shape))].reshape(shape)
        at += found[name].size
    return found


@pytest.fixture(scope="module")
def composed():
    """All networks, composed in one go: numbers of automatic names count on from one to the next."""
    with NameManager(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {key: (symbol, shapes) for key, _, symbol, shapes in networks(mx)}


def keys():
    return list(json.loads(gzip.decompress((GOLDEN / "cells.json.gz").read_bytes())))


@pytest.fixture(scope="module")
def graphs():
    return json.loads(gzip.decompress((GOLDEN / "cells.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def arrays():
    return load_arrays()


@pytest.mark.parametrize("key", keys())
def test_composes_the_same_graph(composed, graphs, key):
    document = json.loads(composed[key][0].tojson())
    nodes = [[n["op"], n["name"], n.get("attrs", {}), n["inputs"]] for n in document["nodes"]]
    assert nodes == graphs[key]["nodes"]
    assert document["heads"] == graphs[key]["heads"]


@pytest.mark.parametrize("key", [key for key in keys() if "after a conv" not in key])
def test_computes_the_same_numbers(composed, arrays, key):
    symbol, shapes = composed[key]
    for name, got in evaluate(mx, key, symbol, shapes).items():
        # Sums of at most 50 products of numbers near 1, a few of them in a row.
        np.testing.assert_allclose(got, arrays[f"{key}/{name}"], rtol=1e-5, atol=5e-6, err_msg=name)
