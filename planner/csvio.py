"""Read problems and plans from CSV that nobody has checked: a clear error with its line, never a wrong problem.

Columns are MiniMalloc's: `id,lower,upper,size`, optionally `alignment`, `gaps` ("3-5 8-9"), `offset` and `hint` (not
used); and ours: `arena`, `alias` ("id+bytes"). `start`, `end` and `align` are taken for `lower`, `upper` and
`alignment`. An empty optional cell means none; without the column `alignment`, buffers are aligned to 1 byte.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Iterator

from .model import Buffer, PlannerError, Problem

_SAME = {"start": "lower", "end": "upper", "align": "alignment"}
_NEEDED = ("id", "lower", "upper", "size")
_KNOWN = (*_NEEDED, "alignment", "gaps", "offset", "hint", "arena", "alias")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_GAP = re.compile(r"([+-]?[0-9]{1,19})-([+-]?[0-9]{1,19})")
_SHOWN = 40  # characters of a wrong cell that a message repeats


class CsvError(PlannerError):
    """Input that is no problem; the message begins with the source and the line."""


def read_problem(data: bytes, source: str = "input", capacity: int | None = None) -> Problem:
    """Read a problem; a nonempty cell in the column `offset` fixes the buffer there.

    Parameters
    ----------
    data : bytes
        UTF-8 text, or UTF-16 with a byte order mark.
    source : str
        Name for messages.
    capacity : int, optional
        Bytes of each arena.

    Raises
    ------
    CsvError
    """
    return _problem(data, source, capacity)[0]


def read_plan(data: bytes, source: str = "input", capacity: int | None = None) -> tuple[Problem, dict[Hashable, int]]:
    """Read a problem and, from the column `offset`, where a plan puts each buffer.

    Returns
    -------
    problem : Problem
        Without fixed offsets.
    offsets : dict of id to int
        Bytes; a buffer with an empty cell is missing.

    Raises
    ------
    CsvError
    """
    problem, offsets, columns = _problem(data, source, capacity, as_plan=True)
    if "offset" not in columns:
        raise CsvError(f"{source}:1: there is no column 'offset' to check")
    return problem, offsets


def line_of(data: bytes, name: Hashable) -> int:
    """Return the line on which the buffer `name` of a problem read from `data` is; 1 if on none."""
    rows = _rows(_decode(data, ""), "")
    at = _columns(next(rows)[1], "").index("id")
    return next((line for line, cells in rows if cells[at].strip() == name), 1)


def _problem(
    data: bytes, source: str, capacity: int | None, as_plan: bool = False
) -> tuple[Problem, dict[Hashable, int], list[str]]:
    rows = _rows(_decode(data, source), source)
    columns = _columns(next(rows, (1, []))[1], source)
    buffers: list[Buffer] = []
    offsets: dict[Hashable, int] = {}
    line_of: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != len(columns):
            raise CsvError(f"{source}:{line}: {len(cells)} cells; the header has {len(columns)} columns")
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        if row["id"] in line_of:
            raise CsvError(f"{source}:{line}: id {_show(row['id'])} is already on line {line_of[row['id']]}")
        line_of[row["id"]] = line
        try:
            offset = _integer(row["offset"], "offset") if row.get("offset") else None
            if as_plan and offset is not None:
                offsets[row["id"]] = offset
            buffers.append(_buffer(row, None if as_plan else offset))
        except PlannerError as error:
            raise CsvError(f"{source}:{line}: {error}") from None
    try:
        return Problem(buffers, capacity), offsets, columns
    except PlannerError as error:
        named = re.match(r"buffer '(.*?)':", str(error))
        line = line_of.get(named[1], 1) if named else 1
        raise CsvError(f"{source}:{line}: {error}") from None


def _decode(data: bytes, source: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CsvError(f"{source}:{line}: not {encoding} text (byte {error.start}); save the file as UTF-8") from None


def _rows(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CsvError(f"{source}:{reader.line_num}: {error}") from None
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _columns(header: list[str], source: str) -> list[str]:
    if not header:
        raise CsvError(f"{source}:1: the file is empty; expected a header with {', '.join(_NEEDED)}")
    names = [_SAME.get(cell.strip().lower(), cell.strip().lower()) for cell in header]
    if len(names) > len(_KNOWN):
        raise CsvError(f"{source}:1: {len(names)} columns; at most {len(_KNOWN)} are known: {', '.join(_KNOWN)}")
    for name in names:
        if name not in _KNOWN:
            raise CsvError(f"{source}:1: unknown column {_show(name)}; known are {', '.join(_KNOWN)}")
        if names.count(name) > 1:
            raise CsvError(f"{source}:1: column '{name}' is given twice")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise CsvError(f"{source}:1: no column '{missing[0]}'; expected {', '.join(_NEEDED)}")
    return names


def _buffer(row: dict[str, str], offset: int | None) -> Buffer:
    if not row["id"]:
        raise PlannerError("the id is empty")
    gaps = []
    for gap in row.get("gaps", "").split():
        found = _GAP.fullmatch(gap)
        if found is None:
            raise PlannerError(f"gaps has {_show(gap)}; expected start-end, such as 3-5")
        gaps.append((int(found[1]), int(found[2])))
    alias = None
    if row.get("alias"):
        parent, plus, inside = row["alias"].rpartition("+")
        if not plus:
            raise PlannerError(f"alias is {_show(row['alias'])}; expected id+bytes, such as conv0+64")
        alias = (parent, _integer(inside, "byte offset of the alias"))
    return Buffer(
        row["id"],
        _integer(row["lower"], "lower"),
        _integer(row["upper"], "upper"),
        _integer(row["size"], "size"),
        _integer(row["alignment"], "alignment") if row.get("alignment") else 1,
        None if alias else offset,
        tuple(gaps),
        row.get("arena") or 0,
        alias,
    )


def _integer(cell: str, column: str) -> int:
    if _INTEGER.fullmatch(cell) is None:
        raise PlannerError(f"{column} is {_show(cell)}; expected an integer below 2**62")
    return int(cell)


def _show(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
