"""A sequence of time steps: one symbol with an axis of time, or a list with a symbol for each step."""

from __future__ import annotations

from typing import Any

from .. import symbol as sym
from ..symbol import Symbol
from .errors import CellError


def time_axis(layout: str) -> int:
    """Where T is in a layout such as NTC. Raises CellError if it is nowhere."""
    axis = layout.find("T")
    if axis < 0:
        raise CellError(f"layout {layout!r} has no T, the axis of time")
    return axis


def split_steps(sequence: Symbol, length: int, axis: int) -> list[Symbol]:
    """The steps of a sequence in one symbol."""
    if len(sequence.list_outputs()) != 1:
        raise CellError(
            "unroll doesn't allow grouped symbol as input. Please convert to list with list(inputs) first or let "
            "unroll handle splitting."
        )
    return list(sym.split(sequence, axis=axis, num_outputs=length, squeeze_axis=1))


def merge_steps(steps: list[Symbol], axis: int) -> Symbol:
    """The sequence of some steps as one symbol."""
    return sym.Concat(*[sym.expand_dims(step, axis=axis) for step in steps], dim=axis)


def arranged(sequence: Any, length: int | None, axis: int, merge: bool | None) -> Any:
    """Return `sequence` as one symbol (`merge` is True), as a list (False), or as it is (None).

    Raises
    ------
    CellError
        A list that has not `length` steps, or a group that stands for one symbol.
    """
    if isinstance(sequence, Symbol):
        if merge is False:
            assert length is not None
            return split_steps(sequence, length, axis)
        return sequence
    steps = list(sequence)
    if length is not None and len(steps) != length:
        raise CellError(f"unroll was asked for {length} steps, but there are {len(steps)} inputs")
    return merge_steps(steps, axis) if merge else steps
