"""The nouns of the package: `Buffer`, `Problem`, `Plan` and `PlannerError`.

                 offset (bytes)
    total ──▶ ┌──────────────────────┐
              │        ┌───────────┐ │   a buffer is a rectangle:
              │        │     b     │ │     time   [start, end)            steps, half-open
              │   ┌────┴────┐──────┘ │     bytes  [offset, offset + size)
              │   │    a    │        │   a plan chooses offsets so that no two
              └───┴─────────┴────────┘   rectangles of one arena overlap
                                time (steps)

A buffer may be dead for a while (`gaps`), pinned (`offset`), in another arena (`arena`), or a window of another
buffer (`alias`). While a window is alive, the whole buffer it looks into stays reserved.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import Any

LIMIT = 2**62  # sums of two such numbers still fit int64


class PlannerError(ValueError):
    """A problem that cannot be stated: it names the buffer at fault.

    Attributes
    ----------
    buffer : hashable
        Its id, or None when no single one is to blame.
    """

    def __init__(self, message: str, buffer: Hashable = None) -> None:
        super().__init__(message)
        self.buffer = buffer


@dataclass(frozen=True, slots=True)
class Buffer:
    """Describe one buffer: how big it is and when it is alive.

    Parameters
    ----------
    id : hashable
        Name of the buffer, unique in its problem.
    start, end : int
        First step at which it is alive and first step at which it no longer is (steps, half-open).
    size : int
        Bytes, zero allowed.
    align : int, default 64
        The offset is a multiple of this many bytes. Ignored for an alias, whose place is given.
    offset : int, optional
        Fixed offset in bytes; the planner chooses when None.
    gaps : sequence of (start, end), optional
        Half-open intervals inside the lifetime during which the contents are not needed.
    arena : hashable, default 0
        Buffers of different arenas never meet.
    alias : (id, int), optional
        This buffer lives inside the buffer `id`, that many bytes from its start.

    Raises
    ------
    PlannerError
        Negative size, reversed lifetime, gap outside the lifetime, numbers beyond 2**62.
    """

    id: Hashable
    start: int
    end: int
    size: int
    align: int = 64
    offset: int | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    arena: Hashable = 0
    alias: tuple[Hashable, int] | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end", "size", "align"):
            value = getattr(self, name)
            if type(value) is not int:
                object.__setattr__(self, name, self._integer(name, value))
        if not -LIMIT < self.start <= self.end < LIMIT:
            raise PlannerError(f"buffer {self.id!r}: lifetime [{self.start}, {self.end}) is reversed or beyond +-2**62")
        if not 0 <= self.size < LIMIT:
            raise PlannerError(f"buffer {self.id!r}: size is {self.size} bytes; expected 0 <= size < 2**62")
        if not 0 < self.align < LIMIT:
            raise PlannerError(f"buffer {self.id!r}: align is {self.align} bytes; expected at least 1")
        if self.offset is not None or self.gaps != () or self.alias is not None:
            self._check_optional()

    def _integer(self, name: str, value: Any) -> int:
        try:
            return index(value)
        except TypeError:
            raise PlannerError(f"buffer {self.id!r}: {name} is {value!r}; expected an integer") from None

    def _pair(self, name: str, value: Any, what: str) -> tuple[Any, Any]:
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return value[0], value[1]
        raise PlannerError(f"buffer {self.id!r}: {name} {value!r} is not a pair {what}")

    def _check_optional(self) -> None:
        if self.offset is not None:
            object.__setattr__(self, "offset", self._integer("offset", self.offset))
            if self.alias is not None:
                raise PlannerError(f"buffer {self.id!r}: has both a fixed offset and an alias; give one of them")
            if not 0 <= self.offset < LIMIT or self.offset % self.align:
                raise PlannerError(
                    f"buffer {self.id!r}: fixed offset {self.offset} is negative or no multiple of align={self.align}"
                )
        if isinstance(self.gaps, str) or not isinstance(self.gaps, Iterable):
            raise PlannerError(f"buffer {self.id!r}: gaps is {self.gaps!r}; expected pairs (start, end)")
        gaps = []
        for gap in self.gaps:
            low, high = self._pair("gap", gap, "(start, end)")
            low, high = self._integer("gap start", low), self._integer("gap end", high)
            if not self.start <= low <= high <= self.end:
                raise PlannerError(
                    f"buffer {self.id!r}: gap [{low}, {high}) is not inside its lifetime [{self.start}, {self.end})"
                )
            gaps.append((low, high))
        object.__setattr__(self, "gaps", tuple(sorted(gaps)))
        if self.alias is not None:
            parent, inside = self._pair("alias", self.alias, "(id, byte offset)")
            inside = self._integer("byte offset of its alias", inside)
            if inside < 0:
                raise PlannerError(f"buffer {self.id!r}: byte offset {inside} inside {parent!r} is negative")
            object.__setattr__(self, "alias", (parent, inside))

    @property
    def lifetimes(self) -> tuple[tuple[int, int], ...]:
        """The half-open intervals of steps in which the buffer is alive, gaps taken out."""
        if not self.gaps:
            return ((self.start, self.end),)
        pieces, now = [], self.start
        for low, high in self.gaps:
            if now < low:
                pieces.append((now, low))
            now = max(now, high)
        if now < self.end:
            pieces.append((now, self.end))
        return tuple(pieces)


@dataclass(frozen=True, repr=False)
class Problem:
    """Collect the buffers to place together, and the room there is.

    Parameters
    ----------
    buffers : iterable of Buffer
    capacity : int or mapping of arena to int, optional
        Bytes that each arena may have; arenas that a mapping leaves out may have any number. `solve` then also answers
        whether the buffers fit (`Plan.fits`).

    Raises
    ------
    PlannerError
        Something that is no `Buffer`; a negative capacity; duplicate ids; an alias of a buffer that is missing, in
        another arena, too small, or in a cycle; a sum of sizes beyond 2**62.
    """

    buffers: tuple[Buffer, ...]
    capacity: int | Mapping[Hashable, int] | None = field(default=None, hash=False)
    by_id: Mapping[Hashable, Buffer] = field(init=False, repr=False, compare=False)
    _roots: dict[Hashable, tuple[Buffer, int]] = field(init=False, repr=False, compare=False)

    def __init__(self, buffers: Iterable[Buffer] = (), capacity: int | Mapping[Hashable, int] | None = None) -> None:
        buffers = tuple(buffers)
        for buffer in buffers:
            if not isinstance(buffer, Buffer):
                raise PlannerError(f"{buffer!r} is not a Buffer")
        try:
            by_id = {buffer.id: buffer for buffer in buffers}
        except TypeError:
            named = next(buffer for buffer in buffers if not _is_hashable(buffer.id))
            raise PlannerError(f"buffer {named.id!r}: its id is not hashable") from None
        if len(by_id) != len(buffers):
            seen: set[Hashable] = set()
            for buffer in buffers:
                if buffer.id in seen:
                    raise PlannerError(f"buffer {buffer.id!r}: given twice; ids must be unique")
                seen.add(buffer.id)
        if isinstance(capacity, Mapping):
            capacity = {arena: _capacity(room, f" of arena {arena!r}") for arena, room in capacity.items()}
        elif capacity is not None:
            capacity = _capacity(capacity)
        # Rounding every size up to its alignment is the most that any solver adds.
        if sum(buffer.size + buffer.align for buffer in buffers) >= LIMIT:
            raise PlannerError("the sizes add up to 2**62 bytes or more")
        object.__setattr__(self, "buffers", buffers)
        object.__setattr__(self, "capacity", capacity)
        object.__setattr__(self, "by_id", by_id)
        object.__setattr__(self, "_roots", {})
        for buffer in buffers:
            if buffer.alias is not None:
                self._find_root(buffer)

    def __repr__(self) -> str:
        arenas = len({buffer.arena for buffer in self.buffers})
        place = f" in {arenas} arenas" if arenas > 1 else ""
        return f"Problem({len(self.buffers):,} buffers{place}, capacity={self.capacity})"

    def capacity_of(self, arena: Hashable) -> int | None:
        """Return the bytes that `arena` may have; None for any number."""
        return self.capacity.get(arena) if isinstance(self.capacity, Mapping) else self.capacity

    def root(self, buffer: Buffer) -> tuple[Buffer, int]:
        """Return the buffer that `buffer` finally lives in, and its byte offset inside (itself and 0 if no alias)."""
        return self._roots.get(buffer.id, (buffer, 0))

    def _find_root(self, buffer: Buffer) -> None:
        chain: list[Buffer] = []
        on_chain: set[Hashable] = set()
        while buffer.alias is not None and buffer.id not in self._roots:
            if buffer.id in on_chain:
                raise PlannerError(f"buffer {buffer.id!r}: its chain of aliases leads back to itself")
            chain.append(buffer)
            on_chain.add(buffer.id)
            buffer = self._parent(buffer)
        root, inside = self.root(buffer)
        for child in reversed(chain):
            assert child.alias is not None
            inside += child.alias[1]
            self._roots[child.id] = (root, inside)

    def _parent(self, buffer: Buffer) -> Buffer:
        assert buffer.alias is not None
        name, inside = buffer.alias
        parent = self.by_id.get(name)
        if parent is None:
            raise PlannerError(f"buffer {buffer.id!r}: alias of {name!r}, which is not in the problem")
        if parent.arena != buffer.arena:
            raise PlannerError(
                f"buffer {buffer.id!r}: in arena {buffer.arena!r} but alias of {name!r} in arena {parent.arena!r}"
            )
        if inside + buffer.size > parent.size:
            raise PlannerError(
                f"buffer {buffer.id!r}: bytes [{inside}, {inside + buffer.size}) do not fit into {name!r} "
                f"of {parent.size} bytes"
            )
        return parent


def _capacity(value: Any, whose: str = "") -> int:
    try:
        room = index(value)
    except TypeError:
        raise PlannerError(f"capacity{whose} is {value!r}; expected an integer, bytes") from None
    if room < 0:
        raise PlannerError(f"capacity{whose} is {room} bytes; expected at least 0")
    return room


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """Say where every buffer lives, how good that is, and how it was found.

    Attributes
    ----------
    problem : Problem
    offsets : dict of id to int
        Byte offset of each buffer in its arena.
    totals, lower_bounds : dict of arena to int
        Bytes of each arena, and the bytes below which no plan can be (live bytes, raised by what was proved).
    method : str
        How the plan was found; where arenas differ, all ways, joined by "; ".
    """

    problem: Problem
    offsets: dict[Hashable, int]
    totals: dict[Hashable, int]
    lower_bounds: dict[Hashable, int]
    method: str

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.offsets):,} buffers, total={self.total}, lower_bound={self.lower_bound}, "
            f"optimal={self.optimal}, method={self.method!r})"
        )

    @property
    def total(self) -> int:
        """Bytes of all arenas together."""
        return sum(self.totals.values())

    @property
    def lower_bound(self) -> int:
        """Bytes that every plan needs at least, all arenas together."""
        return sum(self.lower_bounds.values())

    @property
    def optimal(self) -> bool:
        """Whether it is proved that no plan is smaller."""
        return self.total == self.lower_bound

    @property
    def fits(self) -> bool | None:
        """Whether the buffers fit `problem.capacity`: True, False (proved), or None when that is not known."""
        rooms = [(arena, room) for arena in self.totals if (room := self.problem.capacity_of(arena)) is not None]
        if all(self.totals[arena] <= room for arena, room in rooms):
            return True
        return False if any(self.lower_bounds[arena] > room for arena, room in rooms) else None

    def peak(self, arena: Hashable | None = None) -> tuple[int, list[Buffer]]:
        """Find the step with most live bytes.

        Parameters
        ----------
        arena : hashable, optional
            Which arena; the largest one when None.

        Returns
        -------
        step : int
            First step at which the live bytes are at their maximum (0 when nothing is ever alive).
        alive : list of Buffer
            Buffers alive then, largest first; aliases are listed too, but cost nothing.
        """
        from .bounds import peak_step  # bounds works on this module's classes

        if arena is None:
            arena = max(self.totals, key=lambda a: self.totals[a], default=0)
        step = peak_step(self.problem, arena)
        alive = [
            b for b in self.problem.buffers if b.arena == arena and any(low <= step < high for low, high in b.lifetimes)
        ]
        return step, sorted(alive, key=lambda b: -b.size)

    def to_svg(self, **options: Any) -> str:
        """Draw the plan as an SVG picture; see `planner.plot.to_svg`."""
        from .plot import to_svg

        return to_svg(self, **options)

    def to_html(self, **options: Any) -> str:
        """Write a self-contained page to look into; see `planner.html.to_html`."""
        from .html import to_html

        return to_html(self, **options)

    def to_text(self, **options: Any) -> str:
        """Draw the plan with characters; see `planner.text.to_text`."""
        from .text import to_text

        return to_text(self, **options)

    def to_json(self) -> str:
        """Write the plan as a JSON object; see `planner.export.to_json`."""
        from .export import to_json

        return to_json(self)

    def to_csv(self) -> str:
        """Write the plan as CSV with an `offset` column; see `planner.export.to_csv`."""
        from .export import to_csv

        return to_csv(self)
