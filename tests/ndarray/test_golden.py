"""What MXNet gives for the expressions of tests/golden/ndarray, and what we give."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path

import pytest

import cyexec as mx

GOLDEN = Path(__file__).parent.parent / "golden" / "ndarray"
spec = importlib.util.spec_from_file_location("golden_ndarray_evaluate", GOLDEN / "evaluate.py")
assert spec is not None and spec.loader is not None
evaluation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(evaluation)
EXPECTED = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


DIFFERENT = {
    line for line in (GOLDEN / "differences.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
}


@pytest.mark.parametrize("expression", EXPECTED)
def test_as_mxnet(expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = evaluation.evaluate(expression, evaluation.namespace(mx))
    want = EXPECTED[expression]
    if expression in DIFFERENT:
        assert json.loads(json.dumps(got)) != want, "no difference any more: move it to expressions.txt"
    elif isinstance(want, dict) and isinstance(want.get("error"), list):
        assert want["error"][0] in got["error"]
    else:
        assert json.loads(json.dumps(got)) == want
