"""Bytes of the arenas of `tests.networks`: what they are, were, and are in MXNet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cyexec as mx

from .networks import NETWORKS

FOLDER = Path(__file__).parent / "golden" / "arena"
OURS = FOLDER / "sizes.json"
CASES = [f"{name} {mode} {batch}" for name in NETWORKS for mode in ("inference", "training") for batch in (1, 8)]


def plan(case: str) -> Any:
    """Plan a case, "NETWORK inference|training BATCH"."""
    name, mode, batch = case.split()
    network = NETWORKS[name]
    symbol = network.build(mx)
    inputs = ("data", "softmax_label")
    requests = {n: "write" if mode == "training" and n not in inputs else "null" for n in symbol.list_arguments()}
    return symbol.plan(grad_req=requests, **network.shapes(int(batch)))


def recorded() -> dict[str, int]:
    """Bytes of each case as they were last recorded."""
    return json.loads(OURS.read_text(encoding="utf-8")) if OURS.exists() else {}


def record(sizes: dict[str, int]) -> None:
    """Replace the bytes of some cases."""
    OURS.write_text(json.dumps({**recorded(), **sizes}, indent=1) + "\n", encoding="utf-8")


def of_mxnet() -> dict[str, int]:
    """Whole megabytes (2**20 bytes) that MXNet allocates for each case."""
    return json.loads((FOLDER / "mxnet.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    record({case: plan(case).total for case in CASES})
