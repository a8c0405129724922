"""Shape and dtype rules that many operators share, and helpers to write others. -1 is an unknown extent."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from ..base import DTypeError, ShapeError
from .schema import DType, Shape


def is_full(shape: Shape) -> bool:
    """Whether rank and all extents are known."""
    return shape is not None and all(d >= 0 for d in shape)


def unify(a: Shape, b: Shape, what: str = "shapes") -> Shape:
    """Return what two partial descriptions of one shape say together. Raises ShapeError if they contradict."""
    if a is None or a == b:
        return b
    if b is None:
        return a
    if len(a) == len(b):
        out = []
        for x, y in zip(a, b):
            if x != y and x >= 0 and y >= 0:
                break
            out.append(x if y < 0 else y)
        else:
            return tuple(out)
    raise ShapeError(f"{what} must agree, found {a} and {b}")


def unify_all(shapes: Iterable[Shape], what: str = "shapes") -> Shape:
    """Unify any number of shapes."""
    out: Shape = None
    for shape in shapes:
        out = unify(out, shape, what)
    return out


def same_shape(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    """All inputs and outputs have one shape."""
    shape = unify_all([*ins, *outs], "input and output shapes")
    return [shape] * len(ins), [shape] * len(outs)


def first_shape(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    """The first input and all outputs have one shape; other inputs are not inferred."""
    shape = unify_all([ins[0], *outs], "data and output shapes")
    return [shape, *ins[1:]], [shape] * len(outs)


def unify_dtype(dtypes: Iterable[DType], what: str = "dtypes") -> DType:
    """The one dtype among `dtypes` (None: unknown). Raises DTypeError if there are two."""
    out: DType = None
    for dtype in dtypes:
        if dtype is not None:
            if out is not None and dtype != out:
                raise DTypeError(f"{what} must be the same, found {out} and {dtype}")
            out = dtype
    return out


def same_dtype(params: Any, ins: list[DType], outs: list[DType]) -> tuple[list[DType], list[DType]]:
    """All inputs and outputs have one dtype (the default rule)."""
    dtype = unify_dtype([*ins, *outs], "input and output dtypes")
    return [dtype] * len(ins), [dtype] * len(outs)


def first_dtype(params: Any, ins: list[DType], outs: list[DType]) -> tuple[list[DType], list[DType]]:
    """The first input and all outputs have one dtype; other inputs may have any."""
    dtype = unify_dtype([ins[0], *outs], "data and output dtypes")
    return [dtype, *ins[1:]], [dtype] * len(outs)


def zero_gradient(g: Any, node: Any, ograds: list[Any]) -> list[Any]:
    """No gradient flows to any input."""
    return [None] * len(node.inputs)


def normalize_axis(axis: int, ndim: int, name: str = "axis") -> int:
    """Return `axis` counted from the front. Raises ShapeError outside [-ndim, ndim)."""
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}={axis} is out of range for {ndim} dimensions")
    return axis % ndim


def product(extents: Iterable[int]) -> int:
    """Product of known extents (1 for none), as a Python int."""
    return int(prod(extents))


FLOAT32 = np.dtype(np.float32)
