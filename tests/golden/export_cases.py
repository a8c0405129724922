"""Write every visible operator's cases, with inputs and head gradients, for `run_oracle.py`.

Runs under cyexec's Python: ``python -m tests.golden.export_cases CASES.npz``.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator

import numpy as np

from cyexec.graph.graph import Graph
from cyexec.ops import registry
from cyexec.ops.schema import Case, Op
from tests.ops import harness

# "operator/case" that MXNet reads or writes out of bounds for, or leaves unwritten: no two answers are the same.
NOT_ASKED = {"softmax/10", "_contrib_ROIAlign/5"}


def attr(value: object) -> str:
    """A parameter as MXNet writes it into symbol files."""
    return np.dtype(value).name if isinstance(value, (np.dtype, type)) else str(value)


def examples() -> Iterator[tuple[str, Op, int, str]]:
    """(key, operator, case number, dtype) of all examples MXNet can be asked about."""
    for op in registry.all_ops():
        if op.hidden or op.random:
            continue
        for number, case in enumerate(op.cases):
            for dtype in case.dtypes if f"{op.name}/{number}" not in NOT_ASKED else ():
                yield f"{op.name}/{number}/{dtype}", op, number, dtype


def has_gradient(op: Op, case: Case, dtype: str) -> bool:
    """Whether gradients are asked for: integers have none in MXNet either."""
    return op.gradient is not None and np.dtype(dtype).kind == "f"


def prepare(op: Op, number: int, dtype: str) -> tuple[Graph, dict[str, np.ndarray], list[np.ndarray]]:
    """The graph of one example, its inputs by name (auxiliary states last), and head gradients."""
    case = op.cases[number]
    inputs = harness.case_inputs(op, case, dtype)
    graph = harness.build(op, case, inputs, has_gradient(op, case, dtype))
    names = op.input_names(op.params.parse(case.params, op.name))
    rng = np.random.default_rng(1)
    heads = [np.asarray(rng.uniform(-1, 1, e.shape)).astype(e.dtype) for e in graph.outputs]
    return graph, dict(zip(names, inputs)), heads


def fingerprint(params: dict[str, str], arrays: list[np.ndarray]) -> int:
    """Changes when an example changes, so that a stale answer is not taken for a wrong one."""
    crc = zlib.crc32(json.dumps(params, sort_keys=True).encode())
    for array in arrays:
        crc = zlib.crc32(f"{array.shape}{array.dtype}".encode() + array.tobytes(), crc)
    return crc


def attributes(op: Op, case: Case) -> dict[str, str]:
    """The node's attributes, with the number of inputs where composition would have set it."""
    attrs = {k: attr(v) for k, v in case.params.items()}
    if op.variadic:
        attrs[op.variadic] = str(len(op.arg_names(op.params.parse(case.params, op.name))))
    return attrs


def example_fingerprint(op: Op, number: int, inputs: dict[str, np.ndarray], heads: list[np.ndarray]) -> int:
    return fingerprint(attributes(op, op.cases[number]), [*inputs.values(), *heads])


def main(path: str, answered: str | None = None) -> None:
    """Write the examples to `path`; with `answered`, a golden file, only those that it has no fresh answer for."""
    index, kept, arrays = [], [], {}
    known = {}
    if answered is not None:
        with np.load(answered) as file:
            known = json.loads(file["index"].tobytes().decode())["examples"]
    for key, op, number, dtype in examples():
        case = op.cases[number]
        try:
            graph, inputs, heads = prepare(op, number, dtype)
        except Exception as error:  # noqa: BLE001  the contract tests report it; the other operators go on
            print(f"{key}: {error}", file=sys.stderr)
            continue
        fresh = example_fingerprint(op, number, inputs, heads)
        if key in known and known[key]["fingerprint"] == fresh:
            kept.append(key)
            continue
        params = op.params.parse(case.params, op.name)
        index.append(
            {
                "key": key,
                "op": op.name,
                "attrs": attributes(op, case),
                "args": list(op.arg_names(params)),
                "aux": list(op.aux_names(params)),
                "grads": [t.name for t in graph.targets],
                "outputs": len(graph.outputs),
                "is_train": case.is_train,
                "backward": bool(graph.targets),
                "fingerprint": fresh,
            }
        )
        for name, array in inputs.items():
            arrays[f"{key}/in/{name}"] = array
        for i, array in enumerate(heads):
            arrays[f"{key}/head/{i}"] = array
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    arrays["kept"] = np.frombuffer(json.dumps(kept).encode(), np.uint8)
    np.savez(path, **arrays)
    print(f"{len(index)} examples of {len({e['op'] for e in index})} operators; {len(kept)} keep their answers")


if __name__ == "__main__":
    main(sys.argv[1])
