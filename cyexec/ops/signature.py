"""Signatures and docstrings of the functions that `mx.sym` and `mx.nd` make of operators."""

from __future__ import annotations

import inspect
from functools import lru_cache

from .params import REQUIRED, Bool, Enum, Params
from .schema import Op


class _NullType:
    """A parameter that the caller does not give: the operator's default counts."""

    def __repr__(self) -> str:
        return "_Null"

    def __bool__(self) -> bool:
        return False


_Null = _NullType()


def _with(cls: type[Params], values: dict[str, object]) -> Params:
    """Parameters with unchecked values, to ask a definition how its inputs depend on them."""
    made = cls.__new__(cls)
    made._values = values
    made._key = (cls.__name__, tuple(values.items()))
    return made


@lru_cache(maxsize=None)
def all_inputs(op: Op) -> tuple[str, ...]:
    """Names of all inputs an operator can have: ``bias`` even though ``no_bias=True`` drops it.

    Inputs that depend on parameters are found by trying the values of each boolean or enumerated parameter.
    """
    if op.variadic:
        return ()
    if not callable(op.inputs) and not callable(op.aux):
        return tuple(op.inputs) + tuple(op.aux)
    values: dict[str, object] = {}
    for name, field in op.params.fields.items():
        values[name] = field.default
        if field.default is REQUIRED:
            values[name] = field.choices[0] if isinstance(field, Enum) else 1

    def names(trial: dict[str, object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        params = _with(op.params, trial)
        return op.arg_names(params), op.aux_names(params)

    try:
        best = names(values)
    except Exception:  # a definition that computes with a required parameter: it has no fixed signature
        return ()
    for name, field in op.params.fields.items():
        choices: tuple[object, ...] = ()
        if isinstance(field, Bool):
            choices = (False, True)
        elif isinstance(field, Enum):
            choices = field.choices
        for choice in choices:
            trial = {**values, name: choice}
            found = names(trial)
            if len(found[0]) + len(found[1]) > len(best[0]) + len(best[1]):
                values, best = trial, found
    return best[0] + best[1]


def signature(op: Op, trailing: dict[str, object]) -> inspect.Signature:
    """Signature of a function: inputs, parameters, then `trailing` names with defaults."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if op.variadic:
        return inspect.Signature(
            [
                inspect.Parameter("data", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
            ]
        )
    names: dict[str, object] = dict.fromkeys(all_inputs(op))
    names.update((name, _Null) for name in op.params.fields if name not in names)
    names.update((name, default) for name, default in trailing.items() if name not in names)
    parameters = [inspect.Parameter(name, kind, default=default) for name, default in names.items()]
    return inspect.Signature([*parameters, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


def docstring(op: Op, public_name: str, array: str, extra: str) -> str:
    """Numpydoc text of a function.

    Parameters
    ----------
    op : Op
    public_name : str
        The name it is called by.
    array : str
        Type of inputs and outputs: "Symbol" or "NDArray".
    extra : str
        Entries of further parameters.
    """
    lines = [op.doc.strip(), ""]
    if public_name != op.name:
        lines += [f"Another name of operator ``{op.name}``.", ""]
    lines += ["Parameters", "----------"]
    if op.variadic:
        lines += [f"*data : {array}", "    Any number of inputs."]
    else:
        lines += [f"{name} : {array}" for name in all_inputs(op)]
    for name, field in op.params.fields.items():
        lines.append(f"{name} : {field.describe()}")
        if field.doc:
            lines += [f"    {line}" for line in field.doc.strip().splitlines()]
    lines += [*extra.strip("\n").splitlines(), "", "Returns", "-------", array, ""]
    return "\n".join(lines)
