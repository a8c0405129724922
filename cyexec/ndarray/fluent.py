"""Operators as methods: ``x.exp().sum(axis=1)`` calls ``mx.nd.exp`` and ``mx.nd.sum``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .ndarray import NDArray

# Methods of MXNet's NDArray that call the function of the same name with the array as first argument.
METHODS = [
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "argmax",
    "argmax_channel",
    "argmin",
    "argsort",
    "broadcast_axes",
    "broadcast_like",
    "cbrt",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "degrees",
    "depth_to_space",
    "diag",
    "exp",
    "expm1",
    "fix",
    "flip",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "max",
    "mean",
    "min",
    "nanprod",
    "nansum",
    "norm",
    "one_hot",
    "ones_like",
    "pad",
    "pick",
    "prod",
    "radians",
    "rcbrt",
    "reciprocal",
    "relu",
    "repeat",
    "reshape_like",
    "rint",
    "round",
    "rsqrt",
    "shape_array",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size_array",
    "slice",
    "slice_axis",
    "slice_like",
    "softmax",
    "softmin",
    "sort",
    "space_to_depth",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "sum",
    "swapaxes",
    "take",
    "tan",
    "tanh",
    "tile",
    "topk",
    "transpose",
    "trunc",
    "zeros_like",
]


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        from . import op

        if kwargs.get("dtype", "") is None:  # numpy.mean(array) passes it on
            del kwargs["dtype"]
        return getattr(op, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"NDArray.{name}"
    method.__doc__ = f"Call `mx.nd.{name}` with this array as first argument."
    return method


def _flatten(self: Any, inplace: bool = False, **kwargs: Any) -> Any:
    """Call `mx.nd.flatten` with this array; ``inplace=True`` gives a view of it instead."""
    if inplace:
        return self.reshape((self.shape[0], -1))
    return _method("flatten")(self, **kwargs)


def _expand_dims(self: Any, axis: int, inplace: bool = False, **kwargs: Any) -> Any:
    """Call `mx.nd.expand_dims` with this array; ``inplace=True`` gives a view of it instead."""
    if inplace:
        at = axis + self.ndim + 1 if axis < 0 else axis
        return self.reshape((*self.shape[:at], 1, *self.shape[at:]))
    return _method("expand_dims")(self, axis=axis, **kwargs)


def _split_v2(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call `mx.nd.split_v2` with this array as first argument."""
    from .creation import split_v2

    return split_v2(self, *args, **kwargs)


def _slice_assign(self: Any, rhs: Any, begin: Any, end: Any, step: Any = None) -> Any:
    """Set ``[begin:end:step]`` to the array `rhs`, and return the array."""
    steps = step or (None,) * len(begin)
    self[tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps))] = rhs
    return self


def _slice_assign_scalar(self: Any, value: Any, begin: Any, end: Any, step: Any = None) -> Any:
    """Set ``[begin:end:step]`` to the number `value`, and return the array."""
    steps = step or (None,) * len(begin)
    self[tuple(slice(b, e, s) for b, e, s in zip(begin, end, steps))] = value
    return self


def install() -> None:
    """Give NDArray its methods."""
    for name in METHODS:
        setattr(NDArray, name, _method(name))
    for name, function in (
        ("split_v2", _split_v2), ("slice_assign", _slice_assign), ("slice_assign_scalar", _slice_assign_scalar),
        ("flatten", _flatten), ("expand_dims", _expand_dims),
    ):  # fmt: skip
        function.__name__ = name
        function.__qualname__ = f"NDArray.{name}"
        setattr(NDArray, name, function)
