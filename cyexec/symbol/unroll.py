"""Put the graphs inside nodes in the nodes' place, once for each step.

Before: ``_foreach(data, states)`` with a graph for one step. After: that graph as many times as the data have slices, over
slices of the data, and the outputs stacked. So binding, gradients, planning and running know nothing of control flow.

``_while_loop`` becomes `max_iterations` steps; those after the condition has failed leave the variables as they are, and
their rows of the outputs are zero (in MXNet, where anything may stand there). ``_cond`` becomes both branches, of whose
results one is chosen. So a branch that is not taken costs time, and a gradient that is not finite in it is not stopped: the
choice multiplies it by nothing, and 0 times infinity is no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..base import MXNetError
from ..graph.infer import infer_shapes
from ..ops import registry
from ..ops.infer import is_full
from ..ops.schema import Shape
from .node import SymbolNode, parse_params, topological
from .subgraph import Entry, subgraphs_of

Shapes = Mapping[SymbolNode, Sequence[Shape]]


def unrolled(
    outputs: Sequence[Entry], shapes: Shapes, variables: Mapping[str, Sequence[int] | None]
) -> tuple[list[SymbolNode], list[Entry], Shapes]:
    """Unroll all control flow behind `outputs`.

    Parameters
    ----------
    outputs : sequence of (SymbolNode, int)
    shapes : mapping
        Of every output of every node, all of them known.
    variables : mapping of name to shape
        What the shapes were inferred from.

    Returns
    -------
    nodes : list of SymbolNode
        All nodes, inputs first; the variables in the order they had.
    outputs, shapes
    """
    order = [node for node in topological(outputs) if node.op is None]
    known: dict[str, Any] = {**variables, **{node.name: shapes[node][0] for node in order}}
    nodes, found = topological(outputs), dict(shapes)
    new = list(outputs)
    while any(subgraphs_of(node) for node in nodes):
        new = _one_level(nodes, new, found)
        unread = [(node, 0) for node in order if node not in set(topological(new))]
        if unread:
            # Variables that only a state needs which nobody reads, or the body of a loop of no steps: arguments all the same.
            new[0] = (
                _apply("_with_arguments", f"{outputs[0][0].name}_arguments", new[0], *unread, num_args=len(unread) + 1),
                0,
            )
        found = dict(infer_shapes(new, known, partial=True))
        nodes = topological(new)
    return [*order, *(node for node in nodes if node.op is not None)], new, found


def _one_level(nodes: Sequence[SymbolNode], outputs: Sequence[Entry], shapes: Shapes) -> list[Entry]:
    made: dict[SymbolNode, list[Entry]] = {}
    for node in nodes:
        inputs = [made[source][index] for source, index in node.inputs]
        if subgraphs_of(node):
            for source, index in node.inputs:
                if not is_full(shapes[source][index]):
                    raise MXNetError(f"{node.describe()}: the shape of {source.output_name(index)} cannot be inferred")
            in_shapes = [shapes[source][index] for source, index in node.inputs]
            made[node] = _EXPAND[node.op.name](node, inputs, in_shapes, shapes[node])  # type: ignore[union-attr]
            continue
        copy = node
        if inputs != list(node.inputs):
            copy = SymbolNode(node.op, node.name, dict(node.attrs), inputs, node.versions, node.params)
        made[node] = [(copy, i) for i in range(node.num_outputs)]
    return [made[node][index] for node, index in outputs]


def _apply(op_name: str, name: str, *inputs: Entry, **attrs: object) -> SymbolNode:
    op = registry.get(op_name)
    texts = {key: str(value) for key, value in attrs.items()}
    return SymbolNode(op, name, texts, inputs, (), parse_params(op, texts, f"{op_name} '{name}'"))


def _rows(entry: Entry, count: int, shape: Shape, name: str) -> list[Entry]:
    """The slices of the first axis."""
    assert shape is not None
    split = _apply("SliceChannel", name, entry, axis=0, num_outputs=count, squeeze_axis=len(shape) > 1)
    return [(split, i) for i in range(count)]


def _stacked(rows: Sequence[Entry], shape: Shape, name: str) -> Entry:
    if not rows:
        return (_apply("_zeros_exact", name, shape=shape, dtype="float32"), 0)
    return (_apply("stack", name, *rows, axis=0, num_args=len(rows)), 0)


def _foreach(
    node: SymbolNode, inputs: list[Entry], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]
) -> list[Entry]:
    p: Any = node.params
    (body,), (numbers,) = subgraphs_of(node), p.argument_numbers()
    count = len(p.in_data_locs)
    steps = in_shapes[0][0]  # type: ignore[index]  # full
    rows = [
        _rows(e, steps, s, f"{node.name}_data{i}") for i, (e, s) in enumerate(zip(inputs[:count], in_shapes)) if steps
    ]
    states = inputs[count : count + len(p.in_state_locs)]
    collected: list[list[Entry]] = []
    for t in range(steps):
        values = [*(r[t] for r in rows), *states, *inputs[count + len(states) :]]
        made = body.put([values[n] for n in numbers], f"{node.name}_t{t}_")
        collected.append(made[: p.num_out_data])
        states = made[p.num_out_data :]
    outs = [
        _stacked([made[i] for made in collected], out_shapes[i], f"{node.name}_output{i}")
        for i in range(p.num_out_data)
    ]
    return [*outs, *states]


class _Choice:
    """Chooses between values by one number, which is 1 or 0."""

    def __init__(self, number: Entry, name: str):
        self.number, self.name = number, name
        self.made = 0

    def __call__(self, yes: Entry, no: Entry, shape: Shape) -> Entry:
        assert shape is not None
        name = f"{self.name}_{self.made}"
        self.made += 1
        if not shape:
            raise MXNetError(f"{self.name}: a value without axes cannot be chosen; give it an axis of 1")
        rows = _apply("broadcast_to", f"{name}_mask", self.number, shape=(shape[0],))
        return (_apply("where", name, (rows, 0), yes, no), 0)


def _as_number(entry: Entry, name: str) -> Entry:
    """1 where the one number of an array is not 0, else 0; of shape (1,)."""
    flat = _apply("Reshape", f"{name}_flat", entry, shape=(1,))
    return (_apply("_not_equal_scalar", name, (flat, 0), scalar=0), 0)


def _while_loop(
    node: SymbolNode, inputs: list[Entry], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]
) -> list[Entry]:
    p: Any = node.params
    condition, body = subgraphs_of(node)
    cond_numbers, body_numbers = p.argument_numbers()
    values, variables = list(inputs), p.variables()
    going: Entry | None = None
    collected: list[list[Entry]] = []
    for t in range(p.max_iterations):
        name = f"{node.name}_t{t}"
        (test,) = condition.put([values[n] for n in cond_numbers], f"{name}_")
        now = _as_number(test, f"{name}_test")
        if going is not None:
            now = (_apply("broadcast_mul", f"{name}_going", going, now), 0)
        going = now
        choose = _Choice(going, f"{name}_choice")
        made = body.put([values[n] for n in body_numbers], f"{name}_")
        row = []
        for i, entry in enumerate(made[: p.num_out_data]):
            zeros = (_apply("zeros_like", f"{name}_zeros{i}", entry), 0)
            shape = out_shapes[i]
            row.append(choose(entry, zeros, None if shape is None else shape[1:]))
        collected.append(row)
        for i, number in enumerate(variables):
            values[number] = choose(made[p.num_out_data + i], values[number], in_shapes[number])
    outs = [
        _stacked([row[i] for row in collected], out_shapes[i], f"{node.name}_output{i}") for i in range(p.num_out_data)
    ]
    return [*outs, *(values[n] for n in variables)]


def _cond(
    node: SymbolNode, inputs: list[Entry], in_shapes: Sequence[Shape], out_shapes: Sequence[Shape]
) -> list[Entry]:
    p: Any = node.params
    (test,), yes, no = (
        graph.put([inputs[n] for n in numbers], f"{node.name}_{part}_")
        for graph, numbers, part in zip(subgraphs_of(node), p.argument_numbers(), ("pred", "then", "else"))
    )
    choose = _Choice(_as_number(test, f"{node.name}_test"), f"{node.name}_choice")
    return [choose(a, b, shape) for a, b, shape in zip(yes, no, out_shapes)]


_EXPAND = {"_foreach": _foreach, "_while_loop": _while_loop, "_cond": _cond}
