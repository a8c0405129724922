"""Compose loops and branches: `mx.sym.contrib.foreach`, `while_loop` and `cond`.

The user's functions are called once, with variables for what differs from step to step. What they make carries the
attribute ``__subgraph_name__``; where it reads symbols without, made outside, the graph is cut and they become inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..attribute import AttrScope
from ..base import MXNetError
from ..name import NameManager
from ..nested import flatten, regroup
from ..ops import registry
from . import op as operators
from .compose import to_text
from .creation import var
from .node import SymbolNode, parse_params, topological
from .subgraph import Entry, Subgraph
from .symbol import Symbol, single

SCOPE = "__subgraph_name__"
_counts: dict[str, int] = {}  # subgraphs of each name so far


def _scope(name: str) -> AttrScope:
    """The attribute scope of one subgraph; names of nested ones begin with the outer one's."""
    outer = AttrScope.current.get(None).get(SCOPE)
    full = f"{outer}${name}" if outer else name
    _counts[full] = _counts.get(full, 0) + 1
    return AttrScope(**{SCOPE: f"{full}{_counts[full] - 1}"})


def _placeholder(symbol: Symbol) -> Symbol:
    node, index = single(symbol, "an input of a loop")
    return var(f"{node.name}-{index}")


def _own(outputs: Sequence[Symbol], taken: set[str], scope: str) -> list[Symbol]:
    """Outputs, with a copy of each that the subgraph does not make itself, or that has a name of `taken`."""
    made = []
    for symbol in outputs:
        node, _ = single(symbol, "an output of a loop's body")
        foreign = node.op is None or node.attrs.get(SCOPE) != scope
        made.append(operators.identity(symbol) if foreign or node.name in taken else symbol)
    return made


class _Cut:
    """A subgraph cut out of what the user's function made.

    Attributes
    ----------
    graph : Subgraph
    outside : dict of SymbolNode to Entry
        What each of its inputs stands for, but for `placeholders`.
    """

    def __init__(self, outputs: Sequence[Symbol], scope: str, placeholders: Sequence[Symbol]):
        self.outside: dict[SymbolNode, Entry] = {}
        inner = {symbol._outputs[0][0] for symbol in placeholders}
        made: dict[Entry | SymbolNode, SymbolNode] = {}

        def moved(entry: Entry) -> Entry:
            node, index = entry
            if node.attrs.get(SCOPE) == scope:
                if node.op is not None:
                    return made[node], index
                if node not in inner:
                    self.outside[node] = entry
                return entry
            if entry not in made:
                made[entry] = SymbolNode(None, node.output_name(index))
                self.outside[made[entry]] = entry
            return made[entry], 0

        heads = [symbol._outputs[0] for symbol in outputs]
        for node in topological(heads):
            if node.op is not None and node.attrs.get(SCOPE) == scope:
                made[node] = SymbolNode(
                    node.op, node.name, dict(node.attrs), [moved(e) for e in node.inputs], node.versions, node.params
                )
        self.graph = Subgraph([moved(e) for e in heads])

    def places(self, placeholders: Sequence[Symbol], what: str) -> list[int]:
        """Which input of the graph each placeholder is. Raises AssertionError for one that is not used."""
        found = []
        for symbol in placeholders:
            node = symbol._outputs[0][0]
            if node not in self.graph.inputs:
                raise AssertionError(f"{what} have to be used in the loop body")
            found.append(self.graph.inputs.index(node))
        return found


def _node(op_name: str, graphs: Sequence[Subgraph], inputs: Sequence[Entry], **params: Any) -> Symbol:
    op = registry.get(op_name)
    attrs = {**AttrScope.current.get(None), **{key: to_text(value) for key, value in params.items()}}
    attrs["num_args"] = str(len(inputs) + len(graphs))
    name = NameManager.current.get(None, op_name)
    parsed: Any = parse_params(op, attrs, f"{op_name} '{name}'")
    versions = tuple(source.version for source, _ in inputs)
    node = SymbolNode(
        op, name, attrs, inputs, versions if any(versions) else (), parsed.with_subgraphs(graphs, f"{op_name} '{name}'")
    )
    return Symbol([(node, i) for i in range(node.num_outputs)])


def _results(symbol: Symbol, start: int, stop: int) -> list[Symbol]:
    return [symbol[i] for i in range(start, stop)]


def foreach(body: Callable[..., Any], data: Any, init_states: Any, name: str = "foreach") -> tuple[Any, Any]:
    """Run a function on each slice of the data's first axis, handing states from step to step.

    Parameters
    ----------
    body : callable
        ``body(slices, states)`` returns ``(outputs, new_states)``; it is called once.
    data : Symbol or nested list of Symbol
        Split along their first axes.
    init_states : Symbol or nested list of Symbol
        States of the first step.
    name : str
        Of the subgraph.

    Returns
    -------
    outputs : Symbol or nested list of Symbol
        The outputs of all steps, stacked along a new first axis.
    states : Symbol or nested list of Symbol
        After the last step.

    Examples
    --------
    >>> import cyexec as mx
    >>> sums, last = mx.sym.contrib.foreach(lambda x, s: (x + s, x + s), mx.sym.var("data"), mx.sym.var("start"))
    >>> sums.list_arguments()
    ['data', 'start']
    """
    flat_data, data_format = flatten(data, Symbol, "foreach input")
    flat_states, state_format = flatten(init_states, Symbol, "foreach states")
    with _scope(name) as scope:
        slices, states = [_placeholder(s) for s in flat_data], [_placeholder(s) for s in flat_states]
        outputs, new_states = body(regroup(slices, data_format), regroup(states, state_format))
        flat_out, out_format = flatten(outputs, Symbol, "foreach output")
        flat_new, new_format = flatten(new_states, Symbol, "foreach loop_vars")
        if new_format != state_format:
            raise AssertionError("The input and output loop_vars have different format")
        label = scope.get(None)[SCOPE]
        collected = _own(flat_out, set(), label)
        handed_on = _own(flat_new, {s.name or "" for s in flat_out}, label)
    cut = _Cut([*collected, *handed_on], label, [*slices, *states])
    data_places = cut.places(slices, "the data arrays")
    state_places = cut.places(states, "the state arrays")
    rest = [i for i, node in enumerate(cut.graph.inputs) if node in cut.outside]
    inputs = [single(s, "foreach input") for s in (*flat_data, *flat_states)]
    inputs += [cut.outside[cut.graph.inputs[i]] for i in rest]
    made = _node(
        "_foreach", [cut.graph], inputs, num_outputs=len(collected) + len(handed_on), num_out_data=len(collected),
        in_data_locs=data_places, in_state_locs=state_places, remain_locs=rest,
    )  # fmt: skip
    split = len(collected)
    return regroup(_results(made, 0, split), out_format), regroup(_results(made, split, len(made)), state_format)


def _union(
    cuts: Sequence[_Cut], placeholders: Sequence[Sequence[Symbol]], values: Sequence[Entry], by_entry: bool
) -> tuple[list[Entry], list[list[int]]]:
    """Inputs of a node with several subgraphs, and for each of these which of them it reads.

    `values` are what placeholders stand for. Other inputs are there once (`by_entry`) or, as MXNet has it for loops, once
    for each subgraph.
    """
    inputs: list[Entry] = []
    numbers: list[list[int]] = []
    known: dict[Any, int] = {}
    for cut, holders in zip(cuts, placeholders):
        stands_for = {h._outputs[0][0]: i for i, h in enumerate(holders)}
        if not by_entry:
            known = {key: at for key, at in known.items() if isinstance(key, int)}
        here = []
        for node in cut.graph.inputs:
            key: Any = stands_for.get(node, cut.outside.get(node))
            if key not in known:
                known[key] = len(inputs)
                inputs.append(values[key] if isinstance(key, int) else key)
            here.append(known[key])
        numbers.append(here)
    return inputs, numbers


def while_loop(
    cond: Callable[..., Symbol],
    func: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str = "while_loop",
) -> tuple[Any, Any]:
    """Run a function on loop variables while a condition holds, at most `max_iterations` times.

    Parameters
    ----------
    cond : callable
        ``cond(*loop_vars)`` returns a symbol of one number; not 0 means to go on.
    func : callable
        ``func(*loop_vars)`` returns ``(outputs, new_loop_vars)``.
    loop_vars : Symbol or nested list of Symbol
        Their first values.
    max_iterations : int
    name : str
        Beginning of the subgraphs' names.

    Returns
    -------
    outputs : Symbol or nested list of Symbol
        Of all iterations, stacked along a new first axis of `max_iterations` rows; rows of iterations that did not happen
        are zero.
    loop_vars : Symbol or nested list of Symbol
        After the last iteration.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    try:
        max_iterations = int(max_iterations)
    except (ValueError, TypeError):
        raise ValueError("max_iterations should be an integer") from None
    flat_vars, var_format = flatten(loop_vars, Symbol, "while loop_vars")
    if not flat_vars:
        raise ValueError("loop_vars should contain at least one element")
    call = (
        (lambda f, values: f(*regroup(values, var_format)))
        if var_format is not None
        else (lambda f, values: f(*values))
    )

    with _scope(f"{name}_cond") as scope:
        cond_holders = [_placeholder(s) for s in flat_vars]
        test = call(cond, cond_holders)
        if not isinstance(test, Symbol):
            raise TypeError(f"cond of while_loop must return a Symbol, not {type(test).__name__}")
        label = scope.get(None)[SCOPE]
        tests = _own([test], set(), label)
    cond_cut = _Cut(tests, label, cond_holders)

    with _scope(f"{name}_func") as scope:
        func_holders = [_placeholder(s) for s in flat_vars]
        outputs, new_vars = call(func, func_holders)
        flat_out, out_format = flatten([] if outputs is None else outputs, Symbol, "while output")
        flat_new, _ = flatten(new_vars, Symbol, "while loop_vars")
        if len(flat_new) != len(flat_vars):
            raise ValueError("The number of loop_vars should be consistent during the loop")
        label = scope.get(None)[SCOPE]
        collected = _own(flat_out, set(), label)
        handed_on = _own(flat_new, {s.name or "" for s in flat_out}, label)
    func_cut = _Cut([*collected, *handed_on], label, func_holders)

    values = [single(s, "while loop_vars") for s in flat_vars]
    inputs, (cond_numbers, func_numbers) = _union([cond_cut, func_cut], [cond_holders, func_holders], values, False)
    made = _node(
        "_while_loop", [cond_cut.graph, func_cut.graph], inputs, num_outputs=len(collected) + len(handed_on),
        num_out_data=len(collected), max_iterations=max_iterations, cond_input_locs=cond_numbers,
        func_input_locs=func_numbers, func_var_locs=func_cut.places(func_holders, "all loop_vars"),
    )  # fmt: skip
    split = len(collected)
    return regroup(_results(made, 0, split), out_format), regroup(_results(made, split, len(made)), var_format)


def cond(pred: Symbol, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """Choose between the results of two functions by one number.

    Parameters
    ----------
    pred : Symbol
        One number; not 0 means the first.
    then_func, else_func : callables without arguments
        Return a symbol or nested list of symbols, of equal shapes. Both are computed.
    name : str
        Beginning of the subgraphs' names.

    Returns
    -------
    Symbol or nested list of Symbol
    """
    if not isinstance(pred, Symbol) or len(pred) != 1:
        raise ValueError("pred should always be a single output")
    cuts: list[_Cut] = []
    flats: list[list[Symbol]] = []
    formats: list[Any] = []
    parts: Mapping[str, Callable[[], Any]] = {"pred": lambda: pred, "then": then_func, "else": else_func}
    for part, function in parts.items():
        with _scope(f"{name}_{part}") as scope:
            flat, format_ = flatten(function(), Symbol, f"cond {part}")
            label = scope.get(None)[SCOPE]
            flats.append(flat)
            formats.append(format_)
            cuts.append(_Cut(_own(flat, set(), label), label, []))
    if len(flats[1]) != len(flats[2]):
        raise ValueError("Number of outputs differs between then-branch and else-branch")
    if not flats[1]:
        raise MXNetError("cond: the branches have no outputs")
    inputs, numbers = _union(cuts, [[], [], []], [], True)
    made = _node(
        "_cond", [cut.graph for cut in cuts], inputs, num_outputs=len(flats[1]), cond_input_locs=numbers[0],
        then_input_locs=numbers[1], else_input_locs=numbers[2],
    )  # fmt: skip
    return regroup(_results(made, 0, len(made)), formats[1])
