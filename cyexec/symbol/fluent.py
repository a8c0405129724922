"""Operators as methods: ``x.reshape(shape=(2, 3)).sum(axis=1)`` calls ``mx.sym.reshape`` and ``mx.sym.sum``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Methods of MXNet's Symbol that call the function of the same name with the symbol as first argument.
METHODS = [
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "argmax", "argmax_channel", "argmin",
    "argsort", "broadcast_axes", "broadcast_like", "broadcast_to", "cbrt", "ceil", "clip", "cos", "cosh", "degrees",
    "depth_to_space", "diag", "exp", "expand_dims", "expm1", "fix", "flatten", "flip", "floor", "log", "log10", "log1p",
    "log2", "log_softmax", "max", "mean", "min", "nanprod", "nansum", "norm", "one_hot", "ones_like", "pad", "pick",
    "prod", "radians", "rcbrt", "reciprocal", "relu", "repeat", "reshape", "reshape_like", "rint", "round", "rsqrt",
    "shape_array", "sigmoid", "sign", "sin", "sinh", "size_array", "slice", "slice_axis", "slice_like", "softmax",
    "softmin", "sort", "space_to_depth", "split", "sqrt", "square", "squeeze", "sum", "swapaxes", "take", "tan", "tanh",
    "tile", "topk", "transpose", "trunc", "zeros_like",
]


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        from . import op

        return getattr(op, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"Symbol.{name}"
    method.__doc__ = f"Call `mx.sym.{name}` with this symbol as first argument."
    return method


class FluentMixin:
    """The methods of `METHODS`, and those that need more than a call."""

    __slots__ = ()

    for _name in METHODS:
        locals()[_name] = _method(_name)
    del _name

    def astype(self, dtype: Any) -> Any:
        """Call `mx.sym.cast` with this symbol."""
        from . import op

        return op.cast(self, dtype=dtype)

    def split_v2(self, *args: Any, **kwargs: Any) -> Any:
        """Call `mx.sym.split_v2` with this symbol."""
        from .creation import split_v2

        return split_v2(self, *args, **kwargs)  # type: ignore[arg-type]

    def as_nd_ndarray(self) -> Any:
        """Return this symbol (there is one kind of symbol here)."""
        return self
