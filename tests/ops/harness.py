"""Run one operator through lowering and kernels, without symbols or executors."""

from __future__ import annotations

import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cyexec.graph.graph import Builder, Graph, Node, Target, make_node
from cyexec.lowering.lower import lower
from cyexec.ndarray.storage import Storage
from cyexec.ops import registry
from cyexec.ops.schema import Case, Op
from cyexec.runtime.arena import Arena
from cyexec.runtime.compiled import Compiled, plan_graph
from cyexec.runtime.materialize import run_unplanned
from cyexec.runtime.schedule import set_num_threads, set_sharing_thresholds


def variable(name: str, array: np.ndarray, kind: str = "arg", number: int = -1) -> Node:
    return Node(None, None, (), name, (array.shape,), (array.dtype,), kind, number=number)


def case_inputs(op: Op, case: Case, dtype: str) -> list[np.ndarray]:
    """The arrays of a case, auxiliary states included, from a generator seeded by operator and case."""
    params = op.params.parse(case.params, op.name)
    rng = np.random.default_rng(zlib.crc32(op.name.encode()) + case.seed)
    names = op.input_names(params)
    arrays = []
    for name, wanted in zip(names, input_dtypes(op, params, names, dtype)):
        if name in case.data:
            array = np.asarray(case.data[name])
            arrays.append(array.astype(wanted) if array.dtype.kind == "f" else array)
        else:
            arrays.append(rng.uniform(case.low, case.high, case.shapes[name]).astype(wanted))
    return [np.ascontiguousarray(a) for a in arrays]


def input_dtypes(op: Op, params, names, dtype: str) -> list[np.dtype]:
    """What the operator's own rule gives its inputs when the first one has `dtype` (float32 beside float16 data)."""
    first = np.dtype(dtype)
    if op.infer_dtype is None or not names:
        return [first] * len(names)
    rest = [None] * (len(names) - 1)
    inferred, _ = op.infer_dtype(params, [first, *rest], [None] * len(op.output_names(params)))
    return [d if d is not None and d.kind == "f" else first for d in inferred]


def build(op: Op, case: Case, inputs: list[np.ndarray], gradients: bool) -> Graph:
    """Graph of one node over variables; with gradients of every floating-point argument that has one."""
    params = op.params.parse(case.params, op.name)
    names = op.input_names(params)
    num_args = len(op.arg_names(params))
    variables = [
        variable(n, a, "arg", i) if i < num_args else variable(n, a, "aux", i - num_args)
        for i, (n, a) in enumerate(zip(names, inputs))
    ]
    node = make_node(op, params, [v[0] for v in variables], "node")
    outputs = [node[i] for i in range(op.num_visible(params))]
    targets = []
    if gradients:
        heads = [
            Node(None, None, (), f"_head_grad_{i}", (e.shape,), (e.dtype,), "head_grad", number=i)[0]
            for i, e in enumerate(outputs)
        ]
        heads += [None] * (len(node.shapes) - len(heads))
        got = op.gradient(Builder(case.is_train).at(node), node, heads)
        assert len(got) == len(names), f"{op.name}: gradient gives {len(got)} values for {len(names)} inputs"
        for name, entry, array in zip(names[:num_args], got, inputs):
            if entry is not None:
                assert entry.shape == array.shape and entry.dtype == array.dtype, (op.name, name, entry.node)
                targets.append(Target(name, entry, "write"))
    return Graph(outputs, targets, case.is_train)


def run(graph: Graph, values: dict[str, np.ndarray], seed: int = 0) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Run a graph without a plan. `values` holds arguments, auxiliary states (changed in place) and head gradients.

    Returns
    -------
    outputs, gradients
    """
    program = lower(graph)
    outputs = [np.full(e.shape, 77, e.dtype) for e in graph.outputs]
    grads = {t.name: np.full(t.entry.shape, 77, t.entry.dtype) for t in graph.targets}
    external = {}
    for spec in program.buffers:
        if spec.kind == "output":
            external[spec.id] = outputs[spec.number]
        elif spec.kind == "grad":
            external[spec.id] = grads[spec.name]
        elif spec.external:
            external[spec.id] = values[spec.name]
    run_unplanned(program, external, seed)
    return outputs, grads


def run_planned(
    graph: Graph, values: dict[str, np.ndarray], threads: int, check: bool = False
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Run a graph as an executor does: shared memory, one arena, a team for even the smallest step.

    Parameters
    ----------
    check : bool
        Poison dead memory and watch the gaps, as CYEXEC_CHECK=1.
    """
    outputs = [np.full(e.shape, 77, e.dtype) for e in graph.outputs]
    grads = {t.name: np.full(t.entry.shape, 77, t.entry.dtype) for t in graph.targets}
    arrays: dict[str, dict[int, Any]] = {
        "output": dict(enumerate(outputs)), "grad": dict(enumerate(grads.values())), "arg": {}, "aux": {}, "head_grad": {},
    }  # fmt: skip
    for node in graph.nodes:
        if node.is_variable:
            arrays[node.kind][node.number] = values[node.name]
    external = {
        kind: {i: SimpleNamespace(_array=a, _storage=Storage(a)) for i, a in found.items()}
        for kind, found in arrays.items()
    }  # fmt: skip
    old = set_sharing_thresholds(0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYEXEC_CHECK", "1") if check else patch.delenv("CYEXEC_CHECK", raising=False)
        set_num_threads(threads)
        try:
            compiled = Compiled(plan_graph(graph), [Arena()], external)
            compiled.run_forward(0)
            compiled.run_backward(0)
        finally:
            set_num_threads(0)
            set_sharing_thresholds(*old)
    return outputs, grads


def numeric_gradient(f, inputs: dict[str, np.ndarray], name: str, eps: float = 1e-5) -> np.ndarray:
    """Central differences of the scalar function `f` of float64 inputs, by the elements of one of them."""
    x = inputs[name]
    out = np.zeros_like(x)
    for i in range(x.size):
        old = x.flat[i]
        x.flat[i] = old + eps
        above = f(inputs)
        x.flat[i] = old - eps
        below = f(inputs)
        x.flat[i] = old
        out.flat[i] = (above - below) / (2 * eps)
    return out


def all_cases() -> list[tuple[str, int]]:
    return [(op.name, i) for op in registry.all_ops() for i in range(len(op.cases))]
