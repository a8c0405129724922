"""Shapes and dtypes of a symbol's nodes, from what is known of any of them.

Every operator's rule works in both directions, so a rule that learns something about an entry makes the nodes around
that entry worth asking again. A queue holds the nodes to ask, at first all of them, inputs before readers: a
feed-forward network takes one call for each node, a known output takes two, and no graph is walked as a whole again.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import DTypeError, MXNetError, ShapeError, as_dtype
from ..ops.infer import FLOAT32, is_full, same_dtype, unify
from ..ops.schema import DType, Shape
from . import rules
from .graph import topological

if TYPE_CHECKING:
    from ..symbol.node import SymbolNode

Outputs = Iterable[tuple["SymbolNode", int]]


class _Inference:
    """Fixed point of the operators' rules over one property (shape or dtype) of every entry.

    Attributes
    ----------
    values : list
        Of every entry; an entry's number is its node's first number plus its index.
    """

    def __init__(self, nodes: Sequence[SymbolNode], merge: Callable[[Any, Any], Any], error: type[MXNetError]):
        self.nodes = nodes
        self.merge = merge
        self.error = error
        self.number = {node: i for i, node in enumerate(nodes)}
        self.first = [0] * (len(nodes) + 1)
        for i, node in enumerate(nodes):
            self.first[i + 1] = self.first[i] + node.num_outputs
        self.values: list[Any] = [None] * self.first[-1]
        self.inputs = [[self.first[self.number[child]] + index for child, index in node.inputs] for node in nodes]
        # Who to ask again when an entry becomes better known: its readers and its maker.
        self.neighbours: list[list[int]] = [[] for _ in self.values]
        for i, node in enumerate(nodes):
            for entry in set(self.inputs[i]):
                self.neighbours[entry].append(i)
            if node.op is not None:
                for entry in range(self.first[i], self.first[i + 1]):
                    self.neighbours[entry].append(i)
        self.queue: deque[int] = deque()
        self.queued = [False] * len(nodes)

    def ask_all(self) -> None:
        for i, node in enumerate(self.nodes):
            if node.op is not None and not self.queued[i]:
                self.queued[i] = True
                self.queue.append(i)

    def set(self, entry: int, value: Any, by: int = -1) -> None:
        """Note what is known of an entry; the nodes around it, except `by`, are asked again."""
        self.values[entry] = value
        for i in self.neighbours[entry]:
            if i != by and not self.queued[i]:
                self.queued[i] = True
                self.queue.append(i)

    def run(self, rule: Callable[[SymbolNode, list[Any], list[Any]], tuple[Sequence[Any], Sequence[Any]]]) -> None:
        values, queue = self.values, self.queue
        while queue:
            i = queue.popleft()
            self.queued[i] = False
            node = self.nodes[i]
            inputs, first, last = self.inputs[i], self.first[i], self.first[i + 1]
            ins, outs = [values[e] for e in inputs], values[first:last]
            try:
                new_ins, new_outs = rule(node, ins, outs)
            except self.error as error:
                raise self.error(f"{node.describe()}: {error}; {self._found(node, ins, outs)}") from None
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                # Parameters that the rule does not provide for: bad ones all the same, and the place must be told.
                # What a user's own code raises is the user's to catch.
                if not rules.follows_from_arguments(node.op, node.params):  # type: ignore[arg-type]
                    raise
                raise self.error(f"{node.describe()}: {error}; {self._found(node, ins, outs)}") from error
            if len(new_ins) != len(ins) or len(new_outs) != len(outs):
                raise MXNetError(f"{node.describe()}: inference gave {len(new_ins)} inputs, {len(new_outs)} outputs")
            again = False
            for position, (entry, new) in enumerate(zip(inputs, new_ins)):
                old = values[entry]
                if _differs(new, old):
                    again |= self._learn(i, entry, old, new, node, position, True)
            for position, new in enumerate(new_outs):
                old = values[first + position]
                if _differs(new, old):
                    again |= self._learn(i, first + position, old, new, node, position, False)
            if again and not self.queued[i]:
                # A value that meets another use of the same entry can say more than the rule knew when it was asked.
                self.queued[i] = True
                queue.append(i)

    def _learn(self, by: int, entry: int, old: Any, new: Any, node: SymbolNode, position: int, is_input: bool) -> bool:
        try:
            merged = self.merge(old, new)
        except self.error:
            names = node.op.input_names(node.params) if is_input else node.op.output_names(node.params)  # type: ignore[union-attr]
            role = f"{'input' if is_input else 'output'} {names[position]}"
            if is_input:
                child, index = node.inputs[position]
                role += f" ({child.output_name(index)})"
            ins, outs = [self.values[e] for e in self.inputs[by]], self.values[self.first[by] : self.first[by + 1]]
            raise self.error(
                f"{node.describe()}: {role} is {old}, expected {new}; {self._found(node, ins, outs)}"
            ) from None
        if not _differs(merged, old):
            return False
        self.set(entry, merged, by)
        return _differs(merged, new)

    def _found(self, node: SymbolNode, ins: list[Any], outs: list[Any]) -> str:
        op, params = node.op, node.params
        assert op is not None
        named = [f"{name}={value}" for name, value in zip(op.input_names(params), ins)]
        text = f"inputs are {', '.join(named)}" if named else "it has no inputs"
        if any(value is not None for value in outs):
            named = [f"{name}={value}" for name, value in zip(op.output_names(params), outs)]
            text += f"; outputs are {', '.join(named)}"
        return text

    def result(self) -> dict[SymbolNode, list[Any]]:
        return {node: self.values[self.first[i] : self.first[i + 1]] for i, node in enumerate(self.nodes)}


def _differs(new: Any, old: Any) -> bool:
    """Whether `new` says something else than `old`. NumPy holds float64 and None for equal dtypes, so None goes first."""
    return new is not None and (old is None or bool(new != old))


def declared_shape(node: SymbolNode) -> Shape:
    """Shape in a variable's ``__shape__`` attribute, in our convention (MXNet's 0 and () are unknown)."""
    text = node.attrs.get("__shape__")
    if text is None:
        return None
    try:
        value = ast.literal_eval(text.strip().replace("L", ""))
        if isinstance(value, (int, float)):
            value = (value,)
        shape = None if value is None else tuple(int(d) for d in value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, OverflowError):
        raise MXNetError(f"{node.describe()}: __shape__ is {text!r}, expected integers in parentheses") from None
    return from_mxnet_shape(shape)


def from_mxnet_shape(shape: Sequence[int] | None) -> Shape:
    """Translate MXNet's unknowns (extent 0 or -1, rank of ()) into ours (-1, None)."""
    if not shape:
        return None
    return tuple(int(d) if d > 0 else -1 for d in shape)


def to_mxnet_shape(shape: Shape) -> tuple[int, ...]:
    """Translate our unknowns into MXNet's."""
    return () if shape is None else tuple(max(d, 0) for d in shape)


def declared_dtype(node: SymbolNode) -> DType:
    """Dtype in a variable's ``__dtype__`` attribute (MXNet's type flag)."""
    text = node.attrs.get("__dtype__")
    if text is None or text == "-1":
        return None
    try:
        return as_dtype(int(text) if text.strip().isdigit() else text)
    except TypeError as error:
        raise MXNetError(f"{node.describe()}: __dtype__ is {text!r}: {error}") from None


def infer_shapes(
    outputs: Outputs, known: Mapping[str, Sequence[int] | None], partial: bool = False
) -> dict[SymbolNode, list[Shape]]:
    """Infer the shape of every output of every node.

    Parameters
    ----------
    outputs : iterable of (SymbolNode, int)
    known : mapping of variable name to shape
        -1 is an unknown extent, None an unknown rank. Overrides a variable's ``__shape__``.
    partial : bool
        Whether unknown shapes may remain.

    Raises
    ------
    ShapeError
        For contradicting shapes, and, unless `partial`, for one that cannot be told.
    """
    nodes = topological(outputs)
    state = _Inference(nodes, unify, ShapeError)
    for i, node in enumerate(nodes):
        if node.op is None:
            shape = known.get(node.name)
            shape = declared_shape(node) if shape is None else tuple(shape)
            if shape is not None:
                state.values[state.first[i]] = shape
    state.ask_all()
    state.run(lambda node, ins, outs: rules.shapes(node.op, node.params, ins, outs))  # type: ignore[arg-type]
    result = state.result()
    if not partial:
        missing = [node for node in nodes if not all(is_full(s) for s in result[node])]
        if missing:
            variables = [n.name for n in missing if n.op is None]
            what = f"arguments {', '.join(variables)}" if variables else missing[0].describe()
            raise ShapeError(f"shapes cannot be inferred completely: unknown are those of {what}")
    return result


def infer_dtypes(
    outputs: Outputs, known: Mapping[str, np.dtype], default: DType = FLOAT32
) -> dict[SymbolNode, list[DType]]:
    """Infer the dtype of every output of every node.

    Parameters
    ----------
    outputs : iterable of (SymbolNode, int)
    known : mapping of variable name to dtype
        Overrides a variable's ``__dtype__``.
    default : dtype, optional
        Of variables that nothing is known of, and what is still unknown then. None: unknown ones stay None.

    Raises
    ------
    DTypeError
        For contradicting dtypes.
    """
    nodes = topological(outputs)
    state = _Inference(nodes, _same, DTypeError)
    for i, node in enumerate(nodes):
        if node.op is None:
            dtype = known.get(node.name)
            dtype = declared_dtype(node) if dtype is None else np.dtype(dtype)
            if dtype is not None:
                state.values[state.first[i]] = dtype
    state.ask_all()
    state.run(_dtype_rule)
    if default is not None:
        # Variables in the order of the arguments: each may tell the dtype of later ones.
        for entry, value in enumerate(list(state.values)):
            if value is None and state.values[entry] is None:
                state.set(entry, default)
                state.run(_dtype_rule)
    return state.result()


def _dtype_rule(node: SymbolNode, ins: list[DType], outs: list[DType]) -> tuple[Sequence[DType], Sequence[DType]]:
    assert node.op is not None
    return (node.op.infer_dtype or same_dtype)(node.params, ins, outs)


def _same(old: DType, new: DType) -> DType:
    if old is not None and new is not None and old != new:
        raise DTypeError(f"found {old} and {new}")
    return new if old is None else old
