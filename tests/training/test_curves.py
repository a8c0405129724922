"""From the same initial parameters the first fifty losses are MXNet's."""

import json
from pathlib import Path

import numpy as np
import pytest

import cyexec
from tests.golden.curves import curves

GOLDEN = Path(curves.__file__).with_name("curves.json")
CASES = [(network, optimizer) for network in curves.NETWORKS for optimizer in curves.OPTIMIZERS]


@pytest.mark.parametrize(("network", "optimizer"), CASES, ids=["-".join(c) for c in CASES])
def test_curve(network, optimizer):
    golden = json.loads(GOLDEN.read_text())[f"{network} {optimizer}"]
    got = curves.losses(cyexec, network, optimizer)
    # Where MXNet is further from itself than 1e-4 after inputs have moved by 1e-6, so may we be. The spread of one step may
    # be small by chance: what counts is the largest up to there.
    spread = np.maximum.accumulate(golden["spread"])
    far = np.abs(np.array(got) - golden["losses"]) > 1e-4 + 2 * spread
    assert not far.any(), (np.flatnonzero(far), np.array(got)[far], np.array(golden["losses"])[far])
    assert np.mean(got[-5:]) < 0.9 * np.mean(got[:5])
