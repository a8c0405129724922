"""Custom: operators that users write in Python, with `cyexec.operator`.

A `CustomOpProp` describes the operator: names, shapes, dtypes, what backward reads. It is made when the parameters are parsed,
so one for each node of a symbol. The `CustomOp` that computes may keep something from forward for backward, so each bound
graph has one of its own (`State`), which all its programs share. Steps hand it NDArrays over the very memory of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base import DTYPE_FLAGS, MXNetError
from ..context import cpu
from .infer import is_full, unify, unify_dtype
from .params import Field, Params, Str, is_hidden
from .registry import register
from .schema import DType, Op, Shape

PROPS: dict[str, Callable[..., Any]] = {}  # by `op_type`; filled by `cyexec.operator.register`


class State:
    """What the nodes of one graph that belong to one `Custom` node share.

    Attributes
    ----------
    prop : CustomOpProp
    operator : CustomOp or None
        Made by `ready`, when the graph is lowered.
    """

    def __init__(self, prop: Any):
        self.prop = prop
        self.operator: Any = None

    def ready(self, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype]) -> None:
        """Make the operator for inputs (auxiliary states included) of these shapes and dtypes, once."""
        if self.operator is None:
            flags = [DTYPE_FLAGS[np.dtype(d)] for d in dtypes]
            self.operator = self.prop.create_operator(cpu(), [list(s) for s in shapes], flags)


class CustomParams(Params):
    """`op_type`, and any others: they are the arguments of the property's class, as strings.

    Attributes
    ----------
    state : State
        Takes no part in equality.
    arguments, outputs, aux : tuple of str
        Names.
    """

    __slots__ = ("state", "arguments", "outputs", "aux")
    state: State
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    aux: tuple[str, ...]
    op_type = Str(doc="Name that the operator was registered under with `mx.operator.register`.")

    @classmethod
    def parse(cls, attrs: Mapping[str, Any], where: str) -> Params:
        values = {k: v if isinstance(v, str) else str(v) for k, v in attrs.items() if not is_hidden(k)}
        if "op_type" not in values:
            raise MXNetError(f"{where}: Required parameter op_type of string is not presented")
        made = PROPS.get(values["op_type"])
        if made is None:
            raise MXNetError(
                f"{where}: cannot find custom operator {values['op_type']}; registered are "
                f"{', '.join(sorted(PROPS)) or 'none'}. Its module must be imported before the symbol is made or loaded"
            )
        prop = made(**{k: v for k, v in values.items() if k != "op_type"})
        self = cls.__new__(cls)
        self._values = values
        self._key = (cls.__name__, tuple(sorted(values.items())))
        self.state = State(prop)
        self.arguments = _names(prop.list_arguments(), "list_arguments", where)
        self.outputs = _names(prop.list_outputs(), "list_outputs", where)
        self.aux = _names(prop.list_auxiliary_states(), "list_auxiliary_states", where)
        return self

    def for_graph(self) -> Params:
        """A copy whose operator is yet to be made."""
        copy = type(self).__new__(type(self))
        for slot in ("_values", "_key", "arguments", "outputs", "aux"):
            setattr(copy, slot, getattr(self, slot))
        copy.state = State(self.state.prop)
        return copy


def _names(names: Any, method: str, where: str) -> tuple[str, ...]:
    found = tuple(names)
    if isinstance(names, str) or not all(isinstance(n, str) for n in found):
        raise MXNetError(f"{where}: {method}() gives {names!r}; expected a list of strings")
    return found


class BackwardParams(Params):
    """Of the node that calls `CustomOp.backward`."""

    state = Field(doc="The `State` of the forward node.")
    shapes = Field(doc="Shapes of the forward node's arguments, which its gradients have.")
    dtypes = Field(doc="Dtypes of the forward node's arguments.")
    declared = Field(doc="For each head gradient, argument and output, whether backward reads it.")
    counts = Field(doc="Number of outputs, arguments and auxiliary states of the forward node.")


# Shapes and dtypes


def _parts(p: CustomParams, made: Any, method: str, others: Sequence[Any]) -> tuple[list, list, list]:
    """The 2 or 3 lists that a user's method gave; without the third, `others`."""
    wanted = len(p.arguments), len(p.outputs), len(p.aux)
    if not isinstance(made, (tuple, list)) or len(made) not in (2, 3):
        raise MXNetError(f"{method}() of custom operator {p.op_type} must return 2 or 3 lists, found {made!r}")
    parts = (*made, list(others)) if len(made) == 2 else tuple(made)
    for part, count, what in zip(parts, wanted, ("arguments", "outputs", "auxiliary states")):
        if not isinstance(part, (tuple, list)) or len(part) != count:
            raise MXNetError(
                f"{method}() of custom operator {p.op_type} gives {part!r} for its {what}; there are {count} of them"
            )
    return parts


def _ask(method: Callable[[list], Any], known: list, complete: bool, first_is_known: bool) -> Any:
    """What a user's method answers; None where it cannot tell yet: it stumbles over an input that is not known."""
    try:
        return method(known)
    except (IndexError, TypeError):
        if complete:
            raise
    except Exception:
        if complete or first_is_known:
            raise
    return None


def _shape(given: Any, complete: bool) -> Shape:
    """A shape that a user's method gave; as in MXNet an empty one and extents of 0 are unknown, unless all inputs are known."""
    if given is None:
        return None
    shape = tuple(int(d) for d in (given if isinstance(given, (tuple, list)) else (given,)))
    if complete:
        return shape
    return tuple(d if d > 0 else -1 for d in shape) or None


def custom_shape(p: CustomParams, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    arguments = ins[: len(p.arguments)]
    complete = all(is_full(s) for s in arguments)
    if arguments and all(s is None for s in arguments):
        return ins, outs
    known = [[] if s is None else [max(d, 0) for d in s] for s in arguments]
    made = _ask(p.state.prop.infer_shape, known, complete, is_full(arguments[0]) if arguments else True)
    if made is None:
        return ins, outs
    new_args, new_outs, new_aux = _parts(p, made, "infer_shape", ins[len(p.arguments) :])

    def agree(old: list[Shape], new: list, names: Sequence[str]) -> list[Shape]:
        what = f"infer_shape() of custom operator {p.op_type}"
        return [unify(o, _shape(n, complete), f"{what}: shapes of {name}") for o, n, name in zip(old, new, names)]

    return agree(ins, [*new_args, *new_aux], [*p.arguments, *p.aux]), agree(outs, new_outs, p.outputs)


def custom_dtype(p: CustomParams, ins: list[DType], outs: list[DType]) -> tuple[list[DType], list[DType]]:
    arguments = ins[: len(p.arguments)]
    complete = all(d is not None for d in arguments)
    if arguments and all(d is None for d in arguments):
        return ins, outs
    known = [None if d is None else d.type for d in arguments]
    first_is_known = not arguments or known[0] is not None
    made = _ask(p.state.prop.infer_type, known, complete, first_is_known)
    if made is None:
        return ins, outs
    new_args, new_outs, new_aux = _parts(p, made, "infer_type", ins[len(p.arguments) :])

    def agree(old: list[DType], new: list, names: Sequence[str]) -> list[DType]:
        what = f"infer_type() of custom operator {p.op_type}"
        return [
            unify_dtype([o, None if n is None else np.dtype(n)], f"{what}: dtypes of {name}")
            for o, n, name in zip(old, new, names)
        ]

    return agree(ins, [*new_args, *new_aux], [*p.arguments, *p.aux]), agree(outs, new_outs, p.outputs)


def backward_shape(p: BackwardParams, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    return ins, list(p.shapes)


def backward_dtype(p: BackwardParams, ins: list[DType], outs: list[DType]) -> tuple[list[DType], list[DType]]:
    return ins, list(p.dtypes)


# Steps


class Undeclared:
    """Stands for an array that backward gets nothing of, since `declare_backward_dependency` does not name it."""

    def __init__(self, what: str):
        self._what = what

    def __getattr__(self, name: str) -> Any:
        raise MXNetError(f"{self._what} is not there: declare_backward_dependency() of the operator does not name it")


def _wrap(arrays: Sequence[np.ndarray]) -> list[Any]:
    from ..ndarray import NDArray

    return [NDArray._wrap(array, cpu()) for array in arrays]


def _forward_call(state: State, is_train: bool, num_args: int) -> Callable[..., Callable[[], None]]:
    def make(reads: Sequence[np.ndarray], writes: Sequence[np.ndarray]) -> Callable[[], None]:
        ins = _wrap(reads)
        outs = _wrap(writes[: len(writes) - (len(reads) - num_args)])

        def call() -> None:
            with _mode(is_train):
                state.operator.forward(
                    is_train=is_train,
                    req=["write"] * len(outs),
                    in_data=ins[:num_args],
                    out_data=list(outs),
                    aux=ins[num_args:],
                )

        return call

    return make


def _backward_call(p: BackwardParams, requests: list[str], is_train: bool) -> Callable[..., Callable[[], None]]:
    def make(reads: Sequence[np.ndarray], writes: Sequence[np.ndarray]) -> Callable[[], None]:
        num_outs, num_args, num_aux = p.counts
        given = iter(_wrap(reads[: len(reads) - num_aux]))
        names = [f"{kind}[{i}]" for kind, n in _groups(p.counts) for i in range(n)]
        arrays = [next(given) if read else Undeclared(name) for read, name in zip(p.declared, names)]
        grads, aux = _wrap(writes[:num_args]), _wrap(writes[num_args:])

        def call() -> None:
            with _mode(is_train):
                p.state.operator.backward(
                    req=list(requests),
                    out_grad=arrays[:num_outs],
                    in_data=arrays[num_outs : num_outs + num_args],
                    out_data=arrays[num_outs + num_args :],
                    in_grad=list(grads),
                    aux=list(aux),
                )

        return call

    return make


def _groups(counts: tuple[int, int, int]) -> list[tuple[str, int]]:
    """The arrays that backward may read, in the order of `declared`."""
    return [("out_grad", counts[0]), ("in_data", counts[1]), ("out_data", counts[0])]


def _mode(is_train: bool) -> Any:
    """A scope in which imperative operators that the user's code calls run in the program's mode."""
    from ..autograd import predict_mode, train_mode

    return train_mode() if is_train else predict_mode()


def custom_lower(low: Any, node: Any) -> None:
    p, num_args = node.params, len(node.params.arguments)
    p.state.ready(node.in_shapes, node.in_dtypes)
    # An operator may change its auxiliary states in either mode.
    writes = [*low.outs, *low.ins[num_args:]]
    low.step("python.Call", low.ins, writes, dtype=_BYTES, make=_forward_call(p.state, low.is_train, num_args))


def backward_lower(low: Any, node: Any) -> None:
    p = node.params
    requests = ["write" if low.used(i) else "null" for i in range(len(low.outs))]
    aux = low.ins[len(low.ins) - p.counts[2] :]
    make = _backward_call(p, requests, low.is_train)
    low.step("python.Call", low.ins, [*low.outs, *aux], dtype=_BYTES, make=make)


_BYTES = np.dtype(np.uint8)  # "any" kernels are built once; which dtype asks for one does not matter


def declared(p: CustomParams) -> list[bool]:
    """For each head gradient, argument and output, whether backward reads it."""
    numbers = iter(range(2 * len(p.outputs) + len(p.arguments)))
    groups = [[next(numbers) for _ in names] for names in (p.outputs, p.arguments, p.outputs)]
    needed = set(p.state.prop.declare_backward_dependency(*groups))
    given = [n for group in groups for n in group]
    if not needed <= set(given):
        raise MXNetError(
            f"declare_backward_dependency() of custom operator {p.op_type} gives {sorted(needed)}; expected some of {given}"
        )
    return [n in needed for n in given]


def custom_gradient(g: Any, node: Any, ograds: list[Any]) -> list[Any]:
    p = node.params
    counts = len(p.outputs), len(p.arguments), len(p.aux)
    reads = declared(p)
    heads = [g.zeros_like(node[i]) if grad is None and reads[i] else grad for i, grad in enumerate(ograds)]
    entries = [*heads, *node.inputs[: counts[1]], *(node[i] for i in range(counts[0]))]
    made = g.node(
        "_backward_Custom",
        *(entry for entry, read in zip(entries, reads) if read),
        *node.inputs[counts[1] :],
        state=p.state,
        shapes=tuple(node.in_shapes[: counts[1]]),
        dtypes=tuple(node.in_dtypes[: counts[1]]),
        declared=tuple(reads),
        counts=counts,
    )
    return [made[i] for i in range(counts[1])] + [None] * counts[2]


def _of(kind: str) -> Callable[[Any], tuple[str, ...]]:
    """Names of one kind; ValueError while there is no `op_type` (documentation asks without one)."""

    def names(p: Any) -> tuple[str, ...]:
        found = getattr(p, kind, None)
        if found is None:
            raise ValueError("names follow from op_type")
        return found

    return names


register(
    Op(
        name="Custom",
        doc="""Apply an operator written in Python, registered with `mx.operator.register`.

        Its inputs are those that its `list_arguments` names, then its auxiliary states. Further parameters go to the
        registered class, as strings.
        """,
        params=CustomParams,
        inputs=_of("arguments"),
        aux=_of("aux"),
        outputs=_of("outputs"),
        infer_shape=custom_shape,
        infer_dtype=custom_dtype,
        gradient=custom_gradient,
        lower=custom_lower,
        opaque=True,
    )
)
register(
    Op(
        name="_backward_Custom",
        doc="Call the backward method of an operator written in Python.",
        params=BackwardParams,
        inputs=lambda p: [f"input{i}" for i in range(sum(p.declared))],
        aux=lambda p: [f"aux{i}" for i in range(p.counts[2])],
        outputs=lambda p: [f"output{i}" for i in range(p.counts[1])],
        infer_shape=backward_shape,
        infer_dtype=backward_dtype,
        lower=backward_lower,
        hidden=True,
        opaque=True,
    )
)
