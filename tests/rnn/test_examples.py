"""Recurrent networks trained as users train them: the same outputs and parameters as with MXNet."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import cyexec as mx

GOLDEN = Path(__file__).parents[1] / "golden" / "rnn"
sys.path.insert(0, str(GOLDEN))
from example_cases import EXAMPLES, digest  # noqa: E402 (shared with the script that runs in MXNet)

sys.path.pop(0)


@pytest.mark.filterwarnings("ignore:NTC layout")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda f: f.__name__)
def test_trains_as_mxnet_does(example):
    want = json.loads((GOLDEN / "models.json").read_text())["examples"][example.__name__]
    got = digest(example(mx))
    assert list(got) == list(want)
    for name, (shape, total, magnitude) in want.items():
        assert got[name][0] == shape, name
        # A dozen of steps, each with the round-off of float32.
        assert got[name][1] == pytest.approx(total, abs=2e-5 * max(magnitude, 1)), name
        assert got[name][2] == pytest.approx(magnitude, rel=2e-5), name
