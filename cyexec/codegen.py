"""Signatures and docstrings of the functions that are generated for operators, for `mx.nd` and `mx.sym` alike."""

from __future__ import annotations

import inspect
import textwrap
from functools import cache
from typing import Any

from .ops.params import REQUIRED, Bool, Enum, Params
from .ops.schema import Op

_WIDTH = 116


@cache
def input_names(op: Op) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every argument and every auxiliary state that `op` can have, whatever its parameters; in order.

    For an operator with any number of inputs: just ``("data",)``.
    """
    if op.variadic:
        return ("data",), ()
    args: list[str] = []
    aux: list[str] = []
    for params in _variants(op.params):
        try:
            found = op.arg_names(params), op.aux_names(params)
        except (TypeError, ValueError, IndexError):  # the rule needs a parameter that has no default
            continue
        _merge(args, found[0])
        _merge(aux, found[1])
    return tuple(args), tuple(aux)


def _merge(into: list[str], names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        if name not in into:
            into.insert(i, name)


def _variants(cls: type[Params]) -> list[Params]:
    """The default parameters, and all that differ from them in one boolean or choice (``no_bias``, ``act_type``)."""
    defaults = {n: None if f.default is REQUIRED else f.default for n, f in cls.fields.items()}
    variants = [defaults]
    for name, field in cls.fields.items():
        if isinstance(field, Bool):
            variants.append({**defaults, name: not defaults[name]})
        elif isinstance(field, Enum):
            variants.extend({**defaults, name: choice} for choice in field.choices)
    made = []
    for values in variants:
        params = cls.__new__(cls)
        params._values = values
        params._key = (cls.__name__, tuple(values.values()))
        made.append(params)
    return made


@cache
def signature(op: Op, kind: str = "ndarray") -> inspect.Signature:
    """Signature of the function for `op`, in MXNet's order: inputs, parameters, then what the `kind` of function adds.

    Parameters
    ----------
    op : Op
    kind : str
        "ndarray" (adds ``out``, ``name``) or "symbol" (adds ``name``, ``attr``, ``out``).
    """
    parameter, word = inspect.Parameter, inspect.Parameter.POSITIONAL_OR_KEYWORD
    extras = ("out", "name") if kind == "ndarray" else ("name", "attr", "out")
    found = []
    if op.variadic:
        found.append(parameter("data", parameter.VAR_POSITIONAL))
        word = parameter.KEYWORD_ONLY
        fields = {n: f for n, f in op.params.fields.items() if n != op.variadic}
    else:
        args, aux = input_names(op)
        found.extend(parameter(n, word, default=None) for n in (*args, *aux))
        fields = {n: f for n, f in op.params.fields.items() if n not in args}
    for name, field in fields.items():
        if name not in extras:
            found.append(parameter(name, word, default=None if field.default is REQUIRED else field.default))
    found.extend(parameter(n, word, default=None) for n in extras)
    found.append(parameter("kwargs", parameter.VAR_KEYWORD))
    return inspect.Signature(found)


@cache
def docstring(op: Op, kind: str = "ndarray") -> str:
    """Documentation of the function for `op`, in numpydoc. `kind` as in `signature`."""
    array = "NDArray" if kind == "ndarray" else "Symbol"
    lines = [inspect.cleandoc(op.doc), "", "Parameters", "----------"]

    def entry(head: str, text: str) -> None:
        lines.append(head)
        lines.extend(textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent="    ", subsequent_indent="    "))

    args, aux = input_names(op)
    if op.variadic:
        entry(f"*data : {array}", "Any number of inputs.")
    elif args:
        entry(f"{', '.join(args)} : {array}", "Input." if len(args) == 1 else "Inputs.")
    if aux:
        entry(f"{', '.join(aux)} : {array}", "Auxiliary states, updated in training.")
    for name, field in op.params.fields.items():
        entry(f"{name} : {field.describe()}", field.doc)
    if kind == "ndarray":
        entry("out : NDArray, optional", "Where to write the result.")
    else:
        entry("name : str, optional", "Name of the node.")
        entry("attr : dict of str to str, optional", "Attributes of the node.")
    several = _may_have_several_outputs(op)
    lines += ["", "Returns", "-------"]
    entry(f"{array} or list of NDArray" if several and kind == "ndarray" else array, "The result.")
    return "\n".join(lines) + "\n"


def _may_have_several_outputs(op: Op) -> bool:
    return callable(op.outputs) or callable(op.visible) or len(op.outputs) > 1


def bind_arguments(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> tuple[dict, dict]:
    """Sort the arguments of a call into inputs by name and parameters by name.

    Parameters
    ----------
    op : Op
        Not variadic.
    args, kwargs
        As given to the generated function; `kwargs` without its extras (``out``, ``name``, ``attr``).
    where : str
        Function name, for messages.

    Returns
    -------
    inputs, params : dicts
        Only what was given and is not None among the inputs.
    """
    names, aux = input_names(op)
    order = [*names, *aux, *(n for n in op.params.fields if n not in names)]
    if len(args) > len(order):
        raise TypeError(f"{where}() takes at most {len(order)} positional arguments, {len(args)} were given")
    inputs: dict[str, Any] = {}
    params: dict[str, Any] = {}
    known = {*names, *aux}
    for name, value in zip(order, args):
        (inputs if name in known else params)[name] = value
    for name, value in kwargs.items():
        if name in inputs or name in params:
            raise TypeError(f"{where}() got multiple values for argument '{name}'")
        (inputs if name in known else params)[name] = value
    return {n: v for n, v in inputs.items() if v is not None}, params
