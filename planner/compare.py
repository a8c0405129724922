"""Say what changed between two plans: totals, buffers that came and went, grew, moved or live otherwise."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from .model import Buffer, Plan


@dataclass(frozen=True)
class Difference:
    """What changed from one plan to another; false if nothing did.

    Attributes
    ----------
    total, lower_bound : int
        Bytes gained (negative: saved).
    added, removed : list of Buffer
    resized, relived, moved : list of (Buffer, Buffer)
        Buffers of one id whose bytes, lifetime, or offset (of two of the same bytes and lifetime) differ.
    """

    total: int
    lower_bound: int
    added: list[Buffer]
    removed: list[Buffer]
    resized: list[tuple[Buffer, Buffer]]
    relived: list[tuple[Buffer, Buffer]]
    moved: list[tuple[Buffer, Buffer]]
    offsets: tuple[dict[Hashable, int], dict[Hashable, int]] = field(repr=False)

    def __bool__(self) -> bool:
        changed = self.total or self.lower_bound
        return bool(changed or self.added or self.removed or self.resized or self.relived or self.moved)

    def __str__(self) -> str:
        lines = [f"total {self.total:+,} bytes, lower bound {self.lower_bound:+,} bytes"]
        lines += [f"- {b.id}: {b.size:,} bytes, steps {_life(b)}" for b in self.removed]
        lines += [f"+ {b.id}: {b.size:,} bytes, steps {_life(b)}" for b in self.added]
        lines += [f"~ {a.id}: {a.size:,} -> {b.size:,} bytes" for a, b in self.resized]
        lines += [f"~ {a.id}: steps {_life(a)} -> {_life(b)}" for a, b in self.relived]
        before, after = self.offsets
        lines += [f"~ {a.id}: offset {before[a.id]:,} -> {after[b.id]:,}" for a, b in self.moved]
        return "\n".join(lines)


def _life(b: Buffer) -> str:
    return " ".join(f"[{low}, {high})" for low, high in b.lifetimes)


def diff(before: Plan, after: Plan) -> Difference:
    """Compare two plans buffer by buffer, by id; `str()` of the result is a report."""
    old, new = before.problem.by_id, after.problem.by_id
    both = [(b, new[b.id]) for b in before.problem.buffers if b.id in new]
    same = [(a, b) for a, b in both if a.size == b.size and a.lifetimes == b.lifetimes]
    return Difference(
        after.total - before.total,
        after.lower_bound - before.lower_bound,
        [b for b in after.problem.buffers if b.id not in old],
        [b for b in before.problem.buffers if b.id not in new],
        [(a, b) for a, b in both if a.size != b.size],
        [(a, b) for a, b in both if a.lifetimes != b.lifetimes],
        [(a, b) for a, b in same if before.offsets[a.id] != after.offsets[b.id]],
        (before.offsets, after.offsets),
    )
