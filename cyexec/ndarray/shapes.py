"""The shape that MXNet's ``reshape`` codes mean."""

from __future__ import annotations

import math

from ..base import MXNetError


def infer_reshape(old: tuple[int, ...], spec: tuple[int, ...], reverse: bool = False) -> tuple[int, ...]:
    """Return the shape that `spec` makes of an array of shape `old`.

    Codes: 0 keeps an extent; -1 is inferred; -2 takes all that remain; -3 merges two; ``-4, a, b`` splits one into
    `a` and `b`, one of which may be -1. With `reverse`, codes are read from the right.

    Raises
    ------
    MXNetError
        For a code that cannot be followed, or a shape of more elements.
    ValueError
        For a shape of fewer elements, or one that no extent can be inferred for.
    """
    if not any(d <= 0 for d in spec):
        shape = list(spec)
    else:
        shape = _follow(old, spec, reverse)
    if -1 in shape:
        known = math.prod(d for d in shape if d != -1)
        size = math.prod(old)
        if known == 0 or size % known:
            raise ValueError(f"Cannot reshape array of size {size} into shape {spec}")
        shape[shape.index(-1)] = size // known
    if math.prod(shape) > math.prod(old):
        raise MXNetError(f"reshape: target shape {tuple(shape)} is larger than the array's, {old}")
    if math.prod(shape) != math.prod(old):
        raise ValueError(f"Cannot reshape array of size {math.prod(old)} into shape {spec}")
    return tuple(shape)


def _follow(old: tuple[int, ...], spec: tuple[int, ...], reverse: bool) -> list[int]:
    if reverse:
        old = old[::-1]
        spec = spec[::-1]
        # A split is written "-4, a, b"; read backwards it must again start with its code.
        items = list(spec)
        for i, code in enumerate(items):
            if code == -4 and i >= 2:
                items[i - 2], items[i] = items[i], items[i - 2]
        spec = tuple(items)

    def extent(i: int) -> int:
        if i >= len(old):
            raise MXNetError(f"reshape: shape {spec} asks for more dimensions than {old} has")
        return old[i]

    out: list[int] = []
    at = 0  # next dimension of `old`
    i = 0
    while i < len(spec):
        code = spec[i]
        if code == 0:
            out.append(extent(at))
            at += 1
        elif code > 0 or code == -1:
            if code == -1 and -1 in out:
                raise MXNetError(f"reshape: only one extent can be inferred, found shape {spec}")
            out.append(code)
            at += 1
        elif code == -2:
            out.extend(old[at:])
            at = len(old)
        elif code == -3:
            out.append(extent(at) * extent(at + 1))
            at += 2
        elif code == -4:
            if i + 2 >= len(spec):
                raise MXNetError(f"reshape: -4 needs two extents after it, found shape {spec}")
            whole, first, second = extent(at), spec[i + 1], spec[i + 2]
            if first == -1 and second == -1:
                raise MXNetError(f"reshape: -4 can infer one of its two extents, found shape {spec}")
            if first == -1 and second > 0:
                first = whole // second
            elif second == -1 and first > 0:
                second = whole // first
            if first <= 0 or second <= 0 or first * second != whole:
                raise MXNetError(f"reshape: -4 splits {whole} into {spec[i + 1]} and {spec[i + 2]}")
            out.extend((second, first) if reverse else (first, second))
            at += 1
            i += 2
        else:
            raise MXNetError(f"reshape: shape codes are -4 to -1, 0 and positive extents, found {spec}")
        i += 1
    return out[::-1] if reverse else out
