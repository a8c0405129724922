"""foreach, while_loop and cond: operators whose steps are graphs of their own.

A node's parameters hold those graphs (`ControlFlowParams.subgraphs`, in the words of `cyexec.symbol.subgraph`). Here they
are asked for shapes and dtypes; at bind, where the number of steps is known, `cyexec.symbol.unroll` puts the graphs in the
node's place, so these operators have neither gradient nor kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base import MXNetError, ShapeError
from . import params as P
from .infer import first_dtype, first_shape, product, unify, unify_dtype
from .registry import register
from .schema import Case, Op


class ControlFlowParams(P.Params):
    """Parameters of a node with graphs inside.

    Attributes
    ----------
    subgraphs : tuple of cyexec.symbol.subgraph.Subgraph
    """

    subgraphs: tuple[Any, ...] = ()

    def with_subgraphs(self, subgraphs: Sequence[Any], where: str) -> ControlFlowParams:
        """Return a copy that holds `subgraphs`. Raises MXNetError where the other parameters do not fit them."""
        new = type(self).__new__(type(self))
        new._values = self._values
        new.subgraphs = tuple(subgraphs)
        # Two nodes are the same only if they have the very same graphs.
        new._key = (type(self).__name__, (*self._key[1], *map(id, subgraphs)))
        problem = new.problem()
        if problem:
            raise MXNetError(f"{where}: {problem}")
        return new

    def carry_over(self, old: P.Params) -> P.Params:
        return self.with_subgraphs(old.subgraphs, type(self).__name__) if isinstance(old, ControlFlowParams) else self

    def argument_numbers(self) -> list[list[int]]:
        """For each subgraph, which input of the node each of its inputs is."""
        raise NotImplementedError

    def heads(self) -> list[int]:
        """How many outputs each subgraph has."""
        raise NotImplementedError

    def problem(self) -> str | None:
        """What is wrong with subgraphs and parameters; None if they fit."""
        numbers, heads = self.argument_numbers(), self.heads()
        if len(self.subgraphs) != len(numbers):
            return f"has {len(self.subgraphs)} subgraphs, expected {len(numbers)}"
        count = num_inputs(self)
        for i, (graph, wanted, outs) in enumerate(zip(self.subgraphs, numbers, heads)):
            if len(graph.inputs) != len(wanted):
                return f"subgraph {i} has {len(graph.inputs)} inputs, but the parameters place {len(wanted)}"
            if any(not 0 <= n < count for n in wanted):
                return f"subgraph {i} reads inputs {wanted}, but there are {count}"
            if len(graph.outputs) != outs:
                return f"subgraph {i} has {len(graph.outputs)} outputs, expected {outs}"
        return None


def num_inputs(p: Any) -> int:
    """Inputs of the node: MXNet counts the subgraphs among the arguments."""
    return p.num_args - p.NUM_SUBGRAPHS


class ForeachParams(ControlFlowParams):
    """Parameters of _foreach; inputs are data, states and what the body reads besides, in this order."""

    NUM_SUBGRAPHS = 1
    num_args = P.Count(doc="Number of inputs, with the subgraph.")
    num_outputs = P.Count(min=0, doc="Number of outputs.")
    num_out_data = P.Int(min=0, doc="How many of the outputs are collected; the others are states.")
    in_state_locs = P.Shape(doc="Which inputs of the subgraph are the states.")
    in_data_locs = P.Shape(doc="Which inputs of the subgraph are slices of the data.")
    remain_locs = P.Shape(doc="Which inputs of the subgraph are the other inputs.")

    def argument_numbers(self) -> list[list[int]]:
        places = [*self.in_data_locs, *self.in_state_locs, *self.remain_locs]
        numbers = [-1] * len(places)
        for number, place in enumerate(places):
            if 0 <= place < len(numbers):
                numbers[place] = number
        return [numbers]

    def heads(self) -> list[int]:
        return [self.num_outputs]

    def problem(self) -> str | None:
        if self.num_outputs - self.num_out_data != len(self.in_state_locs):
            return f"{self.num_outputs - self.num_out_data} states come out, but {len(self.in_state_locs)} go in"
        if not self.in_data_locs:
            return "there is no data to go over"
        return super().problem()


class WhileLoopParams(ControlFlowParams):
    """Parameters of _while_loop; the subgraphs are the condition and the body."""

    NUM_SUBGRAPHS = 2
    num_args = P.Count(min=2, doc="Number of inputs, with the subgraphs.")
    num_outputs = P.Count(min=0, doc="Number of outputs.")
    num_out_data = P.Int(min=0, doc="How many of the outputs are collected; the others are loop variables.")
    max_iterations = P.Int(min=0, doc="Maximum number of iterations.")
    cond_input_locs = P.Shape(doc="Which inputs are those of the condition.")
    func_input_locs = P.Shape(doc="Which inputs are those of the body.")
    func_var_locs = P.Shape(doc="Which inputs of the body are the loop variables.")

    def argument_numbers(self) -> list[list[int]]:
        return [list(self.cond_input_locs), list(self.func_input_locs)]

    def heads(self) -> list[int]:
        return [1, self.num_outputs]

    def problem(self) -> str | None:
        if self.num_outputs - self.num_out_data != len(self.func_var_locs):
            return (
                f"{self.num_outputs - self.num_out_data} loop variables come out, but {len(self.func_var_locs)} go in"
            )
        if any(not 0 <= place < len(self.func_input_locs) for place in self.func_var_locs):
            return f"func_var_locs={self.func_var_locs} names inputs that the body does not have"
        return super().problem()

    def variables(self) -> list[int]:
        """Which input of the node each loop variable is."""
        return [self.func_input_locs[place] for place in self.func_var_locs]


class CondParams(ControlFlowParams):
    """Parameters of _cond; the subgraphs are the predicate and the two branches."""

    NUM_SUBGRAPHS = 3
    num_args = P.Count(min=3, doc="Number of inputs, with the subgraphs.")
    num_outputs = P.Count(min=0, doc="Number of outputs.")
    cond_input_locs = P.Shape(doc="Which inputs are those of the predicate.")
    then_input_locs = P.Shape(doc="Which inputs are those of the first branch.")
    else_input_locs = P.Shape(doc="Which inputs are those of the second branch.")

    def argument_numbers(self) -> list[list[int]]:
        return [list(self.cond_input_locs), list(self.then_input_locs), list(self.else_input_locs)]

    def heads(self) -> list[int]:
        return [1, self.num_outputs, self.num_outputs]


def slice_shape(shape):
    """Shape of one step's data; of numbers in a row, MXNet makes arrays of one number."""
    if shape is None:
        return None
    return shape[1:] if len(shape) > 1 else (1,)


def _ask(graph, numbers, values, kind):
    """Have a subgraph infer from the node's `values`, and take in what it finds of them; returns its outputs."""
    found, outs = getattr(graph, f"infer_{kind}")([values[n] for n in numbers])
    merge = unify if kind == "shapes" else lambda a, b: unify_dtype([a, b], "dtypes")
    for n, value in zip(numbers, found):
        values[n] = merge(values[n], value)
    return outs


def _settle(ask, values):
    """Ask until nothing new is found: what comes out of a step goes into the next."""
    while True:
        before = list(values)
        outs = ask()
        if values == before:
            return outs


def _foreach_infer(kind):
    def infer(p, ins, outs):
        if not p.subgraphs:
            return ins, outs
        data = len(p.in_data_locs)
        values, steps = list(ins), -1
        if kind == "shapes":
            lengths = [s[:1] for s in ins[:data] if s] + [s[:1] for s in outs[: p.num_out_data] if s]
            for length in lengths:
                (steps,) = unify((steps,), length, "first axes of data and outputs")
            values[:data] = [slice_shape(s) for s in ins[:data]]
        (numbers,) = p.argument_numbers()

        def ask():
            made = _ask(p.subgraphs[0], numbers, values, kind)
            for i, value in enumerate(made[p.num_out_data :]):
                values[data + i] = (
                    unify(values[data + i], value, "a state before and after a step")
                    if kind == "shapes"
                    else unify_dtype([values[data + i], value], "dtypes of a state before and after a step")
                )
            return made

        made = _settle(ask, values)
        states = values[data : data + len(p.in_state_locs)]
        if kind == "shapes":
            made = [None if s is None else (steps, *s) for s in made[: p.num_out_data]]
            values[:data] = [s if s is None or v is None else (steps, *v) if len(s) > 1 else (steps,)
                             for s, v in zip(ins[:data], values[:data])]  # fmt: skip
        return values, [*made[: p.num_out_data], *states]

    return infer


def _while_infer(kind):
    def infer(p, ins, outs):
        if not p.subgraphs:
            return ins, outs
        values, variables = list(ins), p.variables()
        numbers = p.argument_numbers()

        def ask():
            (condition,) = _ask(p.subgraphs[0], numbers[0], values, kind)
            if (
                kind == "shapes"
                and condition is not None
                and min(condition, default=0) >= 0
                and product(condition) != 1
            ):
                raise ShapeError(f"the condition must be one number, found shape {condition}")
            made = _ask(p.subgraphs[1], numbers[1], values, kind)
            for number, value in zip(variables, made[p.num_out_data :]):
                what = "a loop variable before and after an iteration"
                values[number] = (
                    unify(values[number], value, what)
                    if kind == "shapes"
                    else unify_dtype([values[number], value], what)
                )
            return made

        made = _settle(ask, values)
        collected = made[: p.num_out_data]
        if kind == "shapes":
            collected = [None if s is None else (p.max_iterations, *s) for s in collected]
        return values, [*collected, *(values[n] for n in variables)]

    return infer


def _cond_infer(kind):
    def infer(p, ins, outs):
        if not p.subgraphs:
            return ins, outs
        values, numbers = list(ins), p.argument_numbers()

        def ask():
            predicate, *branches = (_ask(g, n, values, kind) for g, n in zip(p.subgraphs, numbers))
            if kind == "shapes" and predicate[0] is not None and min(predicate[0], default=0) >= 0:
                if product(predicate[0]) != 1:
                    raise ShapeError(f"the predicate must be one number, found shape {predicate[0]}")
            if kind == "shapes":
                return [unify(a, b, "outputs of the two branches") for a, b in zip(*branches)]
            return [unify_dtype(pair, "dtypes of the two branches") for pair in zip(*branches)]

        return values, _settle(ask, values)

    return infer


def _inputs(p):
    return [f"data{i}" for i in range(num_inputs(p))]


def _outputs(p):
    return ["output"] if p.num_outputs == 1 else [f"output{i}" for i in range(p.num_outputs)]


for _name, _params, _infer, _doc in (
    ("_foreach", ForeachParams, _foreach_infer, "Run a graph for each slice of the data, handing states on."),
    ("_while_loop", WhileLoopParams, _while_infer, "Run a graph while another one says so."),
    ("_cond", CondParams, _cond_infer, "Run one of two graphs."),
):
    register(
        Op(
            name=_name, doc=_doc, params=_params, inputs=_inputs, outputs=_outputs, infer_shape=_infer("shapes"),
            infer_dtype=_infer("dtypes"), hidden=True,
        )
    )  # fmt: skip


class WithArgumentsParams(P.Params):
    num_args = P.Count(doc="Number of inputs.")


register(
    Op(
        name="_with_arguments",
        doc="Return the first input; the others are there so that the graph has them.",
        params=WithArgumentsParams,
        inputs=lambda p: [f"arg{i}" for i in range(p.num_args)],
        infer_shape=first_shape,
        infer_dtype=first_dtype,
        gradient=lambda g, node, ograds: [ograds[0], *[None] * (len(node.inputs) - 1)],
        lower=lambda low, node: low.copy(low.outs[0], low.ins[0]),
        reference=lambda p, x, *others, is_train: x,
        hidden=True,
        cases=(Case({"arg0": (2, 3), "arg1": (4,)}, {"num_args": 2}), Case({"arg0": (0, 3)}, {"num_args": 1})),
    )
)
