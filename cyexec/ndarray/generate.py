"""The functions of `mx.nd`, made of the operator registry when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..codegen import docstring, input_names, signature
from ..ops.schema import Op
from .imperative import invoke
from .ndarray import NDArray


class NotAnArrayError(AssertionError, TypeError):
    """Something else stands where an array must be. MXNet raises AssertionError; TypeError says it better."""


def make_function(op: Op, public_name: str, module: str) -> Callable[..., Any]:
    """Return the function that runs `op` on arrays.

    Inputs are accepted by position or by name, then parameters likewise, then ``out`` and ``name`` (which is ignored).
    """
    if op.variadic:

        def function(*args: Any, **kwargs: Any) -> Any:
            out = kwargs.pop("out", None)
            kwargs.pop("name", None)
            ctx = _take_context(op, kwargs)
            for value in args:
                if not isinstance(value, NDArray):
                    raise NotAnArrayError(f"Positional arguments must have NDArray type, but got {value!r}")
            return invoke(op, args, kwargs, out, ctx)

    elif op.opaque:

        def function(*args: Any, **kwargs: Any) -> Any:
            out = kwargs.pop("out", None)
            kwargs.pop("name", None)
            named = {k: kwargs.pop(k) for k in [k for k, v in kwargs.items() if isinstance(v, NDArray)]}
            for value in args:
                if not isinstance(value, NDArray):
                    raise NotAnArrayError(f"Positional arguments must have NDArray type, but got {value!r}")
            # Which inputs there are, and in which order, only the parameters tell.
            names = op.input_names(op.params.parse(kwargs, public_name)) if named else ()
            arrays = [*args, *(named.pop(n) for n in names[len(args) :] if n in named)]
            if named:
                raise TypeError(f"{public_name}() got unexpected inputs {', '.join(named)}; it has {', '.join(names)}")
            return invoke(op, arrays, kwargs, out)

    else:
        arguments, aux = input_names(op)
        inputs = (*arguments, *aux)
        known = frozenset(inputs)
        fields = tuple(p for p in op.params.fields if p not in known)
        extras = tuple(e for e in ("out", "name") if e not in known)
        order = (*inputs, *fields, *extras)

        def function(*args: Any, **kwargs: Any) -> Any:
            if args:
                if len(args) > len(order):
                    raise TypeError(f"{public_name}() takes at most {len(order)} positional arguments, got {len(args)}")
                for key, value in zip(order, args):
                    if key in kwargs:
                        raise TypeError(f"{public_name}() got multiple values for argument '{key}'")
                    if value is not None or key in known:
                        kwargs[key] = value
            out, _ = (kwargs.pop(e, None) if e in extras else None for e in ("out", "name"))
            ctx = _take_context(op, kwargs)
            arrays = []
            for key in inputs:
                value = kwargs.pop(key, None)
                if value is not None:
                    if not isinstance(value, NDArray):
                        raise NotAnArrayError(f"Argument {key} must have NDArray type, but got {value!r}")
                    arrays.append(value)
            return invoke(op, arrays, kwargs, out, ctx)

    function.__name__ = function.__qualname__ = public_name
    function.__module__ = module
    function.__doc__ = docstring(op, "ndarray")
    function.__signature__ = signature(op, "ndarray")  # type: ignore[attr-defined]
    return function


def _take_context(op: Op, kwargs: dict[str, Any]) -> Any:
    """The ``ctx`` of operators without inputs: where the result is, not something that changes it."""
    if "ctx" in kwargs and (op.inputs == () or "ctx" in op.params.fields):
        return kwargs.pop("ctx") or None
    return None
