"""The functions of `mx.sym`, made of the operator registry when they are first asked for.

MXNet's rule for names: ``_contrib_X`` is ``mx.sym.contrib.X``, likewise ``_linalg_``, ``_random_``, ``_image_`` and
``_sparse_``; every other name with an underscore in front is in ``mx.sym._internal``, the rest in ``mx.sym`` itself and
``mx.sym.op``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..codegen import docstring, input_names, signature
from ..ops import registry
from ..ops.schema import Op
from .compose import create
from .symbol import Symbol, single

PREFIXES = {
    "contrib": ("_contrib_",),
    "linalg": ("_linalg_",),
    "random": ("_random_", "_sample_"),
    "image": ("_image_",),
    "sparse": ("_sparse_",),
}


def make_function(op: Op, public_name: str, module: str) -> Callable[..., Symbol]:
    """Return the function that composes `op`.

    Inputs are accepted by position or by name, then parameters likewise. Missing inputs become variables called
    ``{name}_{input}``.
    """
    hint = public_name.lower()
    arguments, aux = input_names(op)
    inputs = () if op.variadic else (*arguments, *aux)
    order = (*inputs, *(p for p in op.params.fields if p not in inputs), "name", "attr", "out")

    def function(*args: Any, **kwargs: Any) -> Symbol:
        positional: tuple[Any, ...] = ()
        if op.variadic or not inputs and callable(op.inputs):
            for value in args:
                if not isinstance(value, Symbol):
                    raise AssertionError(f"Positional arguments must be Symbol instances, but got {value!r}")
            positional = args
        else:
            if len(args) > len(order):
                raise TypeError(f"{public_name}() takes at most {len(order)} positional arguments, got {len(args)}")
            for name, value in zip(order, args):
                if name in kwargs:
                    raise TypeError(f"{public_name}() got multiple values for argument '{name}'")
                kwargs[name] = value
        name = kwargs.pop("name", None)
        attr = kwargs.pop("attr", None)
        kwargs.pop("out", None)
        symbols: dict[str, Any] = {}
        params: dict[str, Any] = {}
        for key, value in kwargs.items():
            if isinstance(value, Symbol):
                symbols[key] = single(value, f"Keyword Argument {key}")
            elif key in inputs:
                if value is not None:
                    raise AssertionError(f"Argument {key} must be Symbol instances, but got {value}")
            elif key == "dtype":
                if value is not None:
                    params[key] = _dtype_name(value)
            else:
                params[key] = value
        entries = [single(s, f"Argument {i}") for i, s in enumerate(positional)]
        node = create(op, hint, entries, symbols, params, name, attr)
        return Symbol([(node, i) for i in range(node.num_visible)])

    function.__name__ = function.__qualname__ = public_name
    function.__module__ = module
    function.__doc__ = docstring(op, "symbol")
    function.__signature__ = signature(op, "symbol")  # type: ignore[attr-defined]
    return function


def _dtype_name(value: Any) -> str:
    return np.dtype(value).name


def names_of(namespace: str) -> dict[str, str]:
    """Map the function names of a namespace ("op", "_internal" or one of `PREFIXES`) to operator names."""
    found: dict[str, str] = {}
    for name, op in registry.all_names().items():
        if op.hidden:
            if namespace == "_internal" and name.startswith("_"):
                found[name] = name
            continue
        if namespace in PREFIXES:
            for prefix in PREFIXES[namespace]:
                if name.startswith(prefix):
                    found.setdefault(name[len(prefix) :], name)
        elif namespace == "_internal":
            if name.startswith("_"):
                found[name] = name
        elif not name.startswith("_"):
            found[name] = name
    return found


def lazy_namespace(module: str, namespace: str, into: dict[str, Any]) -> tuple[Callable[[str], Any], Callable[[], Any]]:
    """Return ``__getattr__`` and ``__dir__`` of a module whose functions are made on first use.

    Parameters
    ----------
    module : str
        ``__name__`` of the module.
    namespace : str
        See `names_of`.
    into : dict
        The module's ``globals()``, where made functions are kept.
    """

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        op_name = names_of(namespace).get(name)
        if op_name is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        function = into[name] = make_function(registry.get(op_name), name, module)
        return function

    def listing() -> list[str]:
        return sorted({*into, *names_of(namespace)})

    return get, listing
