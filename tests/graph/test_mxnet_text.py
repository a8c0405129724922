"""`Executor.debug_str` begins with what MXNet prints, line for line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cyexec as mx
from cyexec.graph.mxnet_text import bound_text
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


def test_merged_operators() -> None:
    """Equal nodes are merged where MXNet merges them."""
    cases = {e["op"]: e for e in GOLDEN["operators"]}
    separate = {op for op, case in cases.items() if "Name=node2" in bound_text(mx.sym.load_json(symbols.twice(case)))}
    assert separate == set(GOLDEN["not_merged"])
