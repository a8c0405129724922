"""Names, JSON, text and inference are MXNet's, for the symbols of tests/golden/symbols/models.py."""

import json
import pathlib
import sys
import types
import warnings

import pytest

from cyexec import attribute, name, symbol
from cyexec.base import MXNetError
from cyexec.ops import registry
from cyexec.symbol import _internal, contrib, linalg, op

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "symbols"
sys.path.insert(0, str(GOLDEN))
import models  # noqa: E402

EXPECTED = json.loads((GOLDEN / "symbols.json").read_text())
OLD = json.loads((GOLDEN / "old.json").read_text())
OPERATORS = json.loads((GOLDEN / "operators.json").read_text())
MX = types.SimpleNamespace(sym=symbol, name=name, AttrScope=attribute.AttrScope)


def build(model):
    with name.NameManager():
        return models.BUILDERS[model](MX)


@pytest.fixture(params=list(models.BUILDERS))
def pair(request):
    return request.param, build(request.param), EXPECTED[request.param]


def test_json(pair):
    _, sym, expected = pair
    assert sym.tojson() == expected["json"]


def test_loads_what_mxnet_writes(pair):
    _, sym, expected = pair
    loaded = symbol.load_json(expected["json"])
    assert loaded.tojson() == expected["json"]
    assert loaded.debug_str() == sym.debug_str()


@pytest.mark.parametrize("file", OLD)
def test_loads_files_of_earlier_versions(file):
    loaded = symbol.load(GOLDEN / "old" / file)
    assert loaded.tojson() == OLD[file]["json"]
    assert loaded.attr_dict() == OLD[file]["attr_dict"]


def test_text(pair):
    _, sym, expected = pair
    assert sym.debug_str() == expected["text"]


def test_names(pair):
    _, sym, expected = pair
    assert repr(sym) == expected["repr"]
    assert sym.list_arguments() == expected["arguments"]
    assert sym.list_outputs() == expected["outputs"]
    assert sym.list_auxiliary_states() == expected["auxiliary"]
    assert sym.list_inputs() == expected["inputs"]
    assert sym.get_internals().list_outputs() == expected["internals"]
    assert sym.attr_dict() == expected["attr_dict"]
    assert sym.list_attr() == expected["list_attr"]


def _shapes(groups):
    return groups if groups == "error" else [None if g is None else [list(s) for s in g] for g in groups]


def _types(groups):
    return groups if groups == "error" else [None if g is None else [t and t.__name__ for t in g] for g in groups]


def _infer(method, known, convert):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return convert(method(**known))
        except MXNetError:
            return "error"


def test_shapes(pair):
    model, sym, expected = pair
    for known, wanted in zip(models.KNOWN[model]["shapes"], expected["shapes"]):
        assert _infer(sym.infer_shape, known, _shapes) == wanted, known


def test_partial_shapes_say_at_least_what_mxnet_says(pair):
    # Ours may know more: MXNet's rules wait for all of an input's extents where one would do.
    model, sym, expected = pair
    for known, wanted in zip(models.KNOWN[model]["shapes"], expected["partial"]):
        found = _infer(sym.infer_shape_partial, known, _shapes)
        if "error" in (found, wanted):
            assert found == wanted
            continue
        for ours, theirs in zip(found, wanted):
            assert len(ours) == len(theirs)
            for a, b in zip(ours, theirs):
                assert not b or len(a) == len(b) and all(y == 0 or x == y for x, y in zip(a, b)), known


@pytest.mark.parametrize("method, key", [("infer_type", "dtypes"), ("infer_type_partial", "partial_dtypes")])
def test_dtypes(pair, method, key):
    model, sym, expected = pair
    for known, wanted in zip(models.KNOWN[model]["dtypes"], expected[key]):
        assert _infer(getattr(sym, method), known, _types) == wanted, known


# Names of MXNet's for operators of their own that are one operator here.
ONE_OPERATOR = {
    "Convolution_v1": "Convolution", "_contrib_SparseEmbedding": "Embedding", "cumsum": "cumsum",
    "_scatter_elemwise_div": "elemwise_div", "_scatter_minus_scalar": "_minus_scalar",
    "_scatter_plus_scalar": "_plus_scalar",
}  # fmt: skip


def _function(public_name):
    for prefix, space in (("_contrib_", contrib), ("_linalg_", linalg)):
        if public_name.startswith(prefix):
            return getattr(space, public_name[len(prefix) :])
    return getattr(_internal if public_name.startswith("_") else op, public_name)


@pytest.mark.parametrize("public_name", [n for n in OPERATORS if registry.find(n) and not registry.find(n).hidden])
def test_operator_has_mxnets_names(public_name):
    expected = OPERATORS[public_name]
    made = _function(public_name)(name="n", **expected["params"])
    assert made._outputs[0][0].op.name == ONE_OPERATOR.get(public_name, expected["op"])
    assert made.list_arguments() == expected["arguments"]
    assert made.list_auxiliary_states() == expected["auxiliary"]
    assert made.list_outputs() == expected["outputs"]
