"""Strided views of references: how operators that move elements say what goes where.

`View` slices, transposes and broadcasts like a NumPy array without touching memory; `move` writes the step that copies one
view to another, a plain copy (which `alias.py` may make free) where both are contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .infer import product

if TYPE_CHECKING:
    from ..lowering.lower import Lowering
    from ..lowering.program import Ref


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous array."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


class View(NamedTuple):
    """Some elements of `ref` in a layout of its own; strides and offset in elements."""

    ref: Ref
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, ref: Ref, shape: Sequence[int] | None = None) -> View:
        """The whole of `ref`, seen with another shape where `shape` is given."""
        shape = tuple(ref.shape if shape is None else shape)
        assert product(shape) == ref.size, (ref, shape)
        return cls(ref, shape, contiguous_strides(shape))

    def transpose(self, axes: Sequence[int]) -> View:
        """Axis i is this view's axis ``axes[i]``."""
        return self._replace(shape=tuple(self.shape[a] for a in axes), strides=tuple(self.strides[a] for a in axes))

    def cut(self, axis: int, start: int, extent: int, step: int = 1) -> View:
        """`extent` elements of `axis`, from `start` on, `step` (of any sign) apart."""
        shape, strides = list(self.shape), list(self.strides)
        shape[axis] = extent
        strides[axis] *= step
        offset = self.offset + (start * self.strides[axis] if extent else 0)
        return View(self.ref, tuple(shape), tuple(strides), offset)

    def box(self, starts: Sequence[int], shape: Sequence[int], steps: Sequence[int] | None = None) -> View:
        """`cut` on every axis."""
        view = self
        for axis, (start, extent) in enumerate(zip(starts, shape)):
            view = view.cut(axis, start, extent, steps[axis] if steps is not None else 1)
        return view

    def flip(self, axis: int) -> View:
        """Read `axis` from its end."""
        return self.cut(axis, self.shape[axis] - 1, self.shape[axis], -1)

    def insert(self, axis: int, extent: int = 1) -> View:
        """A new axis along which the elements repeat."""
        shape = (*self.shape[:axis], extent, *self.shape[axis:])
        return self._replace(shape=shape, strides=(*self.strides[:axis], 0, *self.strides[axis:]))

    def drop(self, axis: int) -> View:
        """Without `axis`, at its index 0."""
        shape = self.shape[:axis] + self.shape[axis + 1 :]
        return self._replace(shape=shape, strides=self.strides[:axis] + self.strides[axis + 1 :])

    def broadcast(self, shape: Sequence[int]) -> View:
        """NumPy's rule: missing leading axes and extents of 1 repeat."""
        lead = len(shape) - len(self.shape)
        have, strides = (1,) * lead + self.shape, (0,) * lead + self.strides
        assert all(h in (1, n) for h, n in zip(have, shape)), (self.shape, shape)
        kept = tuple(0 if h == 1 and n != 1 else s for h, n, s in zip(have, shape, strides))
        return View(self.ref, tuple(shape), kept, self.offset)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie in order without gaps."""
        expected = contiguous_strides(self.shape)
        return all(n == 1 or s == e for n, s, e in zip(self.shape, self.strides, expected))


def move(low: Lowering, dst: View, src: View) -> None:
    """Write the step that copies `src` to `dst`, views of equal shape and dtype."""
    assert dst.shape == src.shape and dst.ref.dtype == src.ref.dtype, (dst, src)
    if product(dst.shape) == 0:
        return
    if dst.is_contiguous and src.is_contiguous:
        low.copy(dst.ref.part(dst.offset, dst.shape), src.ref.part(src.offset, src.shape))
        return
    low.step(
        "movement.StridedCopy", [src.ref], [dst.ref], shape=dst.shape, x_strides=src.strides, y_strides=dst.strides,
        x_offset=src.offset, y_offset=dst.offset,
    )  # fmt: skip
