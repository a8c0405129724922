"""The training library answers as MXNet does: every scenario of tests/golden/training, with ``mx = cyexec``."""

import json
import math
import os

import pytest

import cyexec
from tests.golden.training import make

# Floats of MXNet are made in float32 almost everywhere: a few units of its last place. Rates are Python floats.
# Modules train: round-off grows from step to step.
RTOL = {"lr_scheduler": 1e-12, "module": 2e-5}
# Moments of 200,000 random numbers, whose own deviation is below a third of this.
# MXNet's LAMB takes the norm of the float16 weight, not of its float32 copy: half a unit of its last place is 5e-4, of which
# the rate takes a tenth.
CASE_RTOL = {("initializer", "random"): 1e-2, ("optimizer", "sgld"): 1e-2, ("optimizer", "dtypes"): 5e-4}

PRESENT = [name for name in make.SCENARIOS if os.path.exists(os.path.join(make.HERE, name + ".json"))]
CASES = [(name, case) for name in PRESENT for case in make.cases(make.load_scenario(name))]


def differences(got, wanted, rtol, where=""):
    """Places where two answers differ."""
    if isinstance(wanted, float) and isinstance(got, (int, float)) or isinstance(got, float) and isinstance(wanted, int):
        same = math.isclose(got, wanted, rel_tol=rtol, abs_tol=rtol * 1e-1)
    elif isinstance(wanted, list) and isinstance(got, list) and len(got) == len(wanted):
        return [d for i, (g, w) in enumerate(zip(got, wanted)) for d in differences(g, w, rtol, f"{where}[{i}]")]
    elif isinstance(wanted, dict) and isinstance(got, dict) and got.keys() == wanted.keys():
        return [d for k, w in wanted.items() for d in differences(got[k], w, rtol, f"{where}.{k}")]
    else:
        same = got == wanted
    return [] if same else [f"{where}: {got!r}, MXNet {wanted!r}"]


@pytest.mark.parametrize(("scenario", "case"), CASES, ids=["-".join(c) for c in CASES])
def test_answers_as_mxnet(scenario, case):
    with open(os.path.join(make.HERE, scenario + ".json")) as file:
        wanted = json.load(file)[case]
    got = make.plain(make.cases(make.load_scenario(scenario))[case](cyexec))
    assert differences(got, wanted, CASE_RTOL.get((scenario, case), RTOL.get(scenario, 2e-6))) == []
