"""Run one operator through lowering and kernels, without symbols or executors."""

from __future__ import annotations

import zlib

import numpy as np

from cyexec.graph.graph import Builder, Entry, Graph, Node, Target, make_node
from cyexec.lowering.lower import lower
from cyexec.ops import registry
from cyexec.ops.schema import Case, Op
from cyexec.runtime.materialize import run_unplanned


def variable(name: str, array: np.ndarray, kind: str = "arg") -> Node:
    return Node(None, None, (), name, (array.shape,), (array.dtype,), kind)


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
    variables = [variable(n, a, "arg" if i < num_args else "aux") for i, (n, a) in enumerate(zip(names, inputs))]
    node = make_node(op, params, [v[0] for v in variables], "node")
    outputs = [node[i] for i in range(op.num_visible(params))]
    targets = []
    if gradients:
        heads = [
            Node(None, None, (), f"_head_grad_{i}", (e.shape,), (e.dtype,), "head_grad")[0]
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
