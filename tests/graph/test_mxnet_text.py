"""`Executor.debug_str` begins with what MXNet prints, line for line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cyexec as mx
from cyexec.graph import mxnet_gradients
from cyexec.graph.mxnet_text import bound_text
from cyexec.ops import registry
from tests.golden.debug_text import symbols

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "debug_text" / "golden.json").read_text())


@pytest.mark.parametrize("example", GOLDEN["graphs"], ids=lambda e: e["title"])
def test_graphs(example: dict) -> None:
    symbol = mx.sym.load_json(json.dumps(example["symbol"]))
    groups = {name: mx.cpu(i) for name, i in example.get("groups", {}).items()}
    shapes = {name: tuple(shape) for name, shape in example["shapes"].items()}
    executor = symbol.simple_bind(
        mx.cpu(), grad_req=example.get("grad_req", "write"), group2ctx=groups or None, **shapes
    )
    found = executor.debug_str().split("\n")
    wanted = example["text"].rstrip("\n").split("\n")
    assert found[: len(wanted)] == wanted
    assert found[-3].startswith("Total ") and found[-3].endswith(" MB allocated")
    assert found[-2].startswith("Total ") and found[-2].endswith(" TempSpace resource requested")


def body(text: str) -> str:
    """A text without the list of outputs."""
    return "".join(line for line in text.splitlines(True)[1:] if not line.startswith("\toutput["))


@pytest.mark.parametrize("example", GOLDEN["operators"], ids=lambda e: f"{e['op']}-{json.dumps(e['attrs'])}")
def test_operators(example: dict) -> None:
    """The backward part for one operator; and what becomes of gradients that are zeros."""
    wanted = range(example["args"])
    if example["backward"] is not None:
        symbol = mx.sym.load_json(symbols.one_node(example))
        text = bound_text(symbol, wanted)
        assert text.replace(body(bound_text(symbol)), "").split("\n") == example["backward"].split("\n")
    if example["zeros"] is not None:
        text = bound_text(mx.sym.load_json(symbols.blocked(example)), wanted)
        assert ("Op:zeros_like, Name=node_" in text) == example["zeros"]


@pytest.mark.parametrize("example", [e for e in GOLDEN["operators"] if e["copied"]], ids=lambda e: e["op"])
def test_contexts_of_operators(example: dict) -> None:
    """Operators that MXNet knows to be backward operators are computed where their forward node is."""
    symbol = mx.sym.load_json(symbols.elsewhere(example))
    text = bound_text(symbol, range(example["args"]), mx.cpu(0), {"a": mx.cpu(0), "b": mx.cpu(1)})
    assert "Name=sin0_backward_0_copy" in text


def test_every_operator_is_known() -> None:
    """Each operator is in the table, has no inputs, or has no gradient in MXNet."""
    undifferentiable = {
        "argmax_channel", "_grad_add", "_scatter_set_nd", "batch_take", "fill_element_0index", "_shuffle", "_slice_assign",
        "_slice_assign_scalar", "multi_lars", "all_finite", "multi_all_finite", "multi_sum_sq",
        "khatri_rao", "_contrib_allclose",
        # Bound on GPUs alone.
        "_contrib_fft", "_contrib_ifft", "_contrib_count_sketch",
    }  # fmt: skip
    known = {*mxnet_gradients.RULES, *mxnet_gradients.IRREGULAR}
    missing = {op.name for op in registry.all_ops() if not op.hidden and op.inputs and op.name not in known}
    updates = {op.name for op in registry.all_ops() if op.numbers is not None}
    assert missing <= undifferentiable | updates


def test_operator_that_is_not_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own gradients are shown."""
    monkeypatch.delitem(mxnet_gradients.RULES, "sin")
    symbol = mx.sym.sin(mx.sym.var("x"), name="s") * 2
    text = symbol.simple_bind(mx.cpu(), x=(2, 3)).debug_str()
    assert text.startswith("Symbol Outputs:\n\toutput[0]=")
    assert "Name=s_backward" in text
    assert text.split("\n")[-3].startswith("Total ")


def test_duplicate_names_and_empty_arrays() -> None:
    symbol = mx.sym.elemwise_mul(mx.sym.var("x"), mx.sym.var("x"), name="m")
    arrays = [mx.nd.zeros((0, 3)) for _ in range(4)]
    text = symbol.bind(mx.cpu(), arrays[:2], args_grad=arrays[2:]).debug_str()
    assert text.startswith("Symbol Outputs:\n\toutput[0]=m(0)\n\toutput[1]=m_backward(0)\n\toutput[2]=m_backward(1)\n")
    assert text.split("\n")[-3] == "Total 0 MB allocated"


def test_merged_operators() -> None:
    """Equal nodes are merged where MXNet merges them."""
    cases = {e["op"]: e for e in GOLDEN["operators"]}
    separate = {op for op, case in cases.items() if "Name=node2" in bound_text(mx.sym.load_json(symbols.twice(case)))}
    assert separate == set(GOLDEN["not_merged"])
