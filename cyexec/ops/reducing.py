"""What operators that reduce over axes share: which axes, the result's shape, the steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, product

if TYPE_CHECKING:
    from ..lowering.lower import Lowering
    from ..lowering.program import Ref

# For bool arrays (0 and 1), whose sums and products MXNet turns back into bool.
_OF_BOOL = {
    "Sum": "Max",
    "NanSum": "Max",
    "Mean": "Max",
    "Norm1": "Max",
    "Norm2": "Max",
    "Prod": "Min",
    "NanProd": "Min",
}
# Elements that one task should have before it is worth splitting: some 10 us of work.
_PART = 32768


def reduced_axes(axis: Iterable[int] | None, ndim: int, exclude: bool = False, name: str = "axis") -> tuple[int, ...]:
    """Return the axes to reduce, sorted and counted from the front. None and () mean all of them, excluded or not.

    Raises
    ------
    ShapeError
        For an axis out of range or given twice.
    """
    axis = tuple(axis) if axis is not None else ()
    if not axis:
        return tuple(range(ndim))
    axes = sorted(normalize_axis(a, ndim, name) for a in axis)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}={axis} names an axis twice")
    if exclude:
        return tuple(a for a in range(ndim) if a not in axes)
    return tuple(axes)


def reduced_shape(shape: Sequence[int], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """Return the shape without `axes` ((1,) if nothing is left), or with ones there."""
    if keepdims:
        return tuple(1 if i in axes else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes) or (1,)


def parts(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many tasks should share each output of a reduction. Depends on the shape alone, so results do too."""
    size = product(shape)
    outputs = max(1, product(d for i, d in enumerate(shape) if i not in axes))
    by_columns = bool(shape) and len(shape) - 1 not in axes
    tasks = max(1, outputs // 128) if by_columns else outputs
    if tasks >= 16 or size < 2 * _PART:
        return 1
    return min(size // _PART, 64)


def reduce_step(low: Lowering, kind: str, src: Ref, dst: Ref, axes: tuple[int, ...]) -> None:
    """Add the step that writes reduction `kind` (a class of ``kernels/reduce.pxi``) of `src` over `axes` to `dst`.

    `dst` has `src`'s dtype and as many elements as `src` has without the axes.
    """
    dtype = src.dtype
    if dtype == np.bool_:
        kind, dtype = _OF_BOOL.get(kind, kind), np.dtype(np.uint8)
        src, dst = src._replace(dtype=dtype), dst._replace(dtype=dtype)
    if all(src.shape[a] == 1 for a in axes) and kind in ("Sum", "Prod", "Mean", "Max", "Min"):
        low.copy(dst, src)
        return
    family = "reduce" if dtype.kind == "f" else "reduce_int"
    count = parts(src.shape, axes)
    scratch = [low.workspace((count, dst.size), np.dtype(np.float64))] if count > 1 else []
    low.step(f"{family}.{kind}", reads=[src], writes=[dst, *scratch], axes=axes)
