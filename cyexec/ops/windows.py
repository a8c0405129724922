"""Windows that slide over the spatial axes of an image: what Convolution, Deconvolution and Pooling share."""

from __future__ import annotations

from typing import Any

from ..base import DTypeError, ShapeError
from .infer import unify_dtype
from .schema import DType

LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def spread(values: tuple[int, ...], rank: int, default: int, name: str) -> tuple[int, ...]:
    """Return a spatial parameter with one value for each axis; an empty one means `default` everywhere."""
    if not values:
        return (default,) * rank
    if len(values) != rank:
        raise ShapeError(f"{name}={values} has {len(values)} values for {rank} spatial axes")
    return values


def three(values: tuple[int, ...], missing: int) -> tuple[int, int, int]:
    """Return (z, y, x) for the kernels, with `missing` for the axes that are not there."""
    return (missing,) * (3 - len(values)) + tuple(values)  # type: ignore[return-value]


def check_layout(layout: str | None, rank: int, op: str) -> None:
    """Raise ShapeError for a layout that is not channels-first, or not of this rank."""
    if layout is not None and layout != LAYOUTS.get(rank):
        raise ShapeError(
            f"layout {layout} with {rank} spatial axes is not supported on CPU; {op} takes {LAYOUTS[rank]}"
        )


def check_positive(values: tuple[int, ...], name: str) -> None:
    """Raise ShapeError unless all values are at least 1."""
    if any(v < 1 for v in values):
        raise ShapeError(f"{name} must be positive, found {values}")


def float_dtype(params: Any, ins: list[DType], outs: list[DType]) -> tuple[list[DType], list[DType]]:
    """All inputs and outputs have one dtype, and a floating-point one."""
    dtype = unify_dtype([*ins, *outs], "input and output dtypes")
    if dtype is not None and dtype.kind != "f":
        raise DTypeError(f"only floating-point dtypes are supported, not {dtype}")
    return [dtype] * len(ins), [dtype] * len(outs)
