"""What files of earlier MXNet versions say differently.

* Until 0.9, auxiliary states (and inputs that composition had made by itself) are not listed.
* ``lr_mult`` and the other well-known attributes have no underscores; ``weight_lr_mult`` on an operator means
  ``__lr_mult__`` of its variable ``weight``.
* Until 0.9.4, variables do not tell the initializers of moving averages and slopes.
* Until 0.9.5, ``argmax`` and ``argmin`` write ``axis=-1`` where they mean "no axis".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..base import MXNetError
from ..ops.params import NoParams, Params
from ..ops.schema import Op
from .compose import HIDDEN_KEYS, INITIALIZERS
from .node import SymbolNode, parse_params

OLDEST = 800  # files without a version

# Operators that were renamed; `Softmax` is SoftmaxOutput in all versions that have both.
RENAMED = {"Softmax": "SoftmaxOutput", "ElementWiseSum": "add_n"}


class Upgraded(NamedTuple):
    """A node's attributes in today's form."""

    attrs: dict[str, str]
    params: Params
    for_inputs: list[tuple[str, str, str]]  # (input, key, value): attributes that belong to the input's variable


def attributes(op: Op | None, attrs: dict[str, str], version: int, where: str) -> Upgraded:
    """Bring a node's attributes into today's form and parse them. Raises MXNetError for those it cannot take."""
    new: dict[str, str] = {}
    others: list[tuple[str, str, str]] = []
    for key, value in attrs.items():
        if key in HIDDEN_KEYS:
            new[f"__{key}__"] = value
            continue
        hidden = next((h for h in HIDDEN_KEYS if key.endswith(f"_{h}")), None)
        if op is not None and hidden is not None:
            others.append((key[: -len(hidden) - 1], hidden, value))
        else:
            new[key] = value
    if op is None:
        return Upgraded(new, parse_params(None, new, where), [])
    if version < 905 and op.name in ("argmax", "argmin") and new.get("axis") == "-1":
        del new["axis"]
    params = parse_params(op, new, where)
    names = op.input_names(params)
    for_inputs = []
    for name, hidden, value in others:
        if name in names:
            for_inputs.append((name, f"__{hidden}__", value))
        elif op.params is NoParams:
            new[f"{name}_{hidden}"] = value  # nothing reads the attributes of such an operator: any may stand there
        else:
            raise MXNetError(f"{where}: attribute {name}_{hidden} names no input; inputs are {', '.join(names)}")
    return Upgraded(new, params, for_inputs)


def complete(
    op: Op,
    name: str,
    up: Upgraded,
    inputs: list[tuple[SymbolNode, int]],
    versions: list[int],
    version: int,
    where: str,
) -> SymbolNode:
    """Make a node; inputs that files before 0.9 leave out become variables.

    Raises
    ------
    MXNetError
        When inputs are too many or missing, or an auxiliary state is not a variable.
    """
    names = op.input_names(up.params)
    num_args = len(op.arg_names(up.params))
    if len(inputs) < len(names) and version < 900:
        for missing in names[len(inputs) :]:
            inputs.append((SymbolNode(None, f"{name}_{missing}", dict(up.attrs)), 0))
            versions.append(0)
    if len(inputs) != len(names):
        raise MXNetError(f"{where}: {op.name} takes {len(names)} inputs ({', '.join(names)}), found {len(inputs)}")
    for (child, _), aux_name in zip(inputs[num_args:], names[num_args:]):
        if child.op is not None:
            raise MXNetError(f"{where}: auxiliary state {aux_name} must be a variable, but is {child.describe()}")
    for input_name, init in INITIALIZERS.get(op.name, {}).items() if version < 904 else ():
        if input_name in names:
            child = inputs[names.index(input_name)][0]
            if child.op is None:
                child.attrs.setdefault("__init__", init)
    return SymbolNode(op, name, up.attrs, inputs, _trim(versions), up.params)


def _trim(versions: Sequence[int]) -> tuple[int, ...]:
    return tuple(versions) if any(versions) else ()
