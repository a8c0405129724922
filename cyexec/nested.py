"""Nested lists of symbols or arrays, as `foreach` and its relatives take and give them."""

from __future__ import annotations

from typing import Any

# How flat values were nested: None for a single one, else a list with the format of each part.
Format = list[Any] | None


def flatten(values: Any, kind: type, what: str) -> tuple[list[Any], Format]:
    """Return all values in one list, and how they were nested.

    Raises
    ------
    AssertionError
        Something among them is not of class `kind`; `what` says where it is.
    """
    if isinstance(values, kind):
        return [values], None
    if not isinstance(values, (list, tuple)):
        raise AssertionError(
            f"{what} must be (nested) list of {kind.__name__}, but got {values} of type {type(values)}"
        )
    flat: list[Any] = []
    formats: list[Any] = []
    for value in values:
        part, part_format = flatten(value, kind, what)
        flat += part
        formats.append(part_format)
    return flat, formats


def regroup(flat: list[Any], format_: Format) -> Any:
    """Nest flat values again; the inverse of `flatten`, with lists for tuples."""
    values = iter(flat)

    def take(part: Format) -> Any:
        return next(values) if part is None else [take(inner) for inner in part]

    return take(format_)
