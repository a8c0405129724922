"""Signatures and docstrings of the functions that are generated for operators, for `mx.nd` and `mx.sym` alike."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

from .ops import registry
from .ops.params import REQUIRED, Bool, Enum, Params
from .ops.schema import Op

_WIDTH = 116

# MXNet's rule for names: `_contrib_X` is `mx.nd.contrib.X` and so on; every other name with an underscore in front is in
# `_internal`, the rest in `mx.nd` itself and `mx.nd.op`. The same holds for `mx.sym`.
PREFIXES = {
    "contrib": ("_contrib_",),
    "linalg": ("_linalg_",),
    "random": ("_random_", "_sample_"),
    "image": ("_image_",),
    "sparse": ("_sparse_",),
}


def _is_internal(name: str) -> bool:
    """Whether the operator called `name` is in `_internal`. Some of the random ones are in `random` as well."""
    if name.startswith("_random_"):
        return not name.endswith("_like")
    return name.startswith("_") and not name.startswith(("_contrib_", "_linalg_", "_image_", "_sparse_"))


def names_of(namespace: str) -> dict[str, str]:
    """Map the function names of a namespace ("op", "_internal" or one of `PREFIXES`) to operator names."""
    found: dict[str, str] = {}
    for name, op in registry.all_names().items():
        if namespace == "_internal":
            if _is_internal(name):
                found[name] = name
        elif op.hidden:
            continue
        elif namespace in PREFIXES:
            for prefix in PREFIXES[namespace]:
                if name.startswith(prefix):
                    found.setdefault(name[len(prefix) :], name)
        elif not name.startswith("_"):
            found[name] = name
    return found


def lazy_namespace(
    module: str, namespace: str, into: dict[str, Any], make: Callable[[Op, str, str], Any]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a module whose functions are made when they are first asked for.

    Parameters
    ----------
    module : str
        ``__name__`` of the module.
    namespace : str
        See `names_of`.
    into : dict
        The module's ``globals()``, where made functions are kept.
    make : callable
        (operator, public name, module name) -> function
    """

    def get(name: str) -> Any:
        op_name = None if name.startswith("__") else names_of(namespace).get(name)
        if op_name is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        function = into[name] = make(registry.get(op_name), name, module)
        return function

    def listing() -> list[str]:
        return sorted({*into, *names_of(namespace)})

    return get, listing


@cache
def input_names(op: Op) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every argument and every auxiliary state that `op` can have, whatever its parameters; in order.

    For an operator with any number of inputs: just ``("data",)``.
    """
    if op.variadic:
        return ("data",), ()
    found = []
    for params in _variants(op.params):
        try:
            found.append((op.arg_names(params), op.aux_names(params)))
        except (TypeError, ValueError, IndexError):  # the rule needs a parameter that has no default
            continue
    args: list[str] = []
    aux: list[str] = []
    # The most inputs first: they show the order of those that only some parameters bring.
    for some_args, some_aux in sorted(found, key=lambda names: -len(names[0])):
        _merge(args, some_args)
        _merge(aux, some_aux)
    return tuple(args), tuple(aux)


def _merge(into: list[str], names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        if name not in into:
            into.insert(i, name)


def _variants(cls: type[Params]) -> list[Params]:
    """The default parameters, and all that differ from them in one or two booleans or choices (``no_bias``, ``act_type``)."""
    defaults = {n: None if f.default is REQUIRED else f.default for n, f in cls.fields.items()}
    changes: list[dict[str, Any]] = []
    for name, field in cls.fields.items():
        if isinstance(field, Bool):
            changes.append({name: not defaults[name]})
        elif isinstance(field, Enum):
            changes.extend({name: choice} for choice in field.choices)
    pairs = [{**a, **b} for a, b in combinations(changes, 2)]
    variants = [defaults, *({**defaults, **change} for change in changes + pairs)]
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
    parameter = inspect.Parameter
    word: Any = parameter.POSITIONAL_OR_KEYWORD
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
    # Gradient operators may have inputs called ``out``.
    taken = {p.name for p in found}
    found.extend(parameter(n, word, default=None) for n in extras if n not in taken)
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
