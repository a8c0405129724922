"""The functions of `mx.sym`, made of the operator registry when they are first asked for.

`cyexec.codegen.names_of` says which function is in which namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import codegen
from ..codegen import docstring, input_names, names_of, signature
from ..ops.schema import Op
from .compose import create
from .symbol import Symbol, single


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


def lazy_namespace(
    module: str, namespace: str, into: dict[str, Any]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a module of operators; see `cyexec.codegen.lazy_namespace`."""
    return codegen.lazy_namespace(module, namespace, into, make_function)


__all__ = ["lazy_namespace", "make_function", "names_of"]
