"""Records as a Chrome trace, and as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import Record


def trace(records: Iterable[Record]) -> dict[str, Any]:
    """Return the object form of Chrome's trace format; times are microseconds.

    References
    ----------
    Google, "Trace Event Format" (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
    """
    records = list(records)
    pid = os.getpid()
    events: list[dict[str, Any]] = [{"ph": "M", "pid": pid, "tid": 0, "name": "process_name", "args": {"name": "cyexec"}}]
    # Threads have numbers of 64 bits, which JavaScript cannot hold.
    threads = {ident: i for i, ident in enumerate(dict.fromkeys(r.thread for r in records))}
    for i in threads.values():
        events.append({"ph": "M", "pid": pid, "tid": i, "name": "thread_name", "args": {"name": f"thread {i}"}})
    for r in records:
        event = {"ph": r.phase, "cat": r.category, "name": r.name, "ts": r.begin / 1e3, "pid": pid, "tid": threads[r.thread]}
        if r.phase == "X":
            event["dur"] = (r.end - r.begin) / 1e3
        args = dict(r.args) if r.args else {}
        if r.phase == "i":
            event["s"] = args.pop("scope", "p")
        if args:
            event["args"] = args
        events.append(event)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_json(path: str, content: Any) -> None:
    """Write a file, in one piece: beside its place first."""
    beside = f"{path}.{os.getpid()}.tmp"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(beside, path)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of everything with one name; times in milliseconds."""

    count: int
    total: float
    min: float
    max: float

    @property
    def avg(self) -> float:
        return self.total / self.count


def collect(records: Iterable[Record]) -> dict[str, dict[str, Statistics]]:
    """Statistics by category and name, of what lasted."""
    found: dict[str, dict[str, Statistics]] = {}
    for r in records:
        if r.phase != "X":
            continue
        took = (r.end - r.begin) / 1e6
        names = found.setdefault(r.category, {})
        old = names.get(r.name)
        if old is None:
            names[r.name] = Statistics(1, took, took, took)
        else:
            names[r.name] = Statistics(old.count + 1, old.total + took, min(old.min, took), max(old.max, took))
    return found


_HEADS = ("Name", "Total Count", "Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)")


def table(records: Iterable[Record], format: str, sort_by: str, ascending: bool) -> str:
    """Return statistics as MXNet prints them, or as JSON."""
    found = {
        category: dict(sorted(names.items(), key=lambda item: getattr(item[1], sort_by), reverse=not ascending))
        for category, names in collect(records).items()
    }
    if format == "json":
        times = {
            category: {
                name: {"Count": s.count, "Total": s.total, "Min": s.min, "Max": s.max, "Avg": s.avg}
                for name, s in names.items()
            }
            for category, names in found.items()
        }
        return json.dumps({"Time": times, "Unit": {"Time": "ms"}}, indent=4)
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    for category, names in found.items():
        width = max(25, *map(len, names))
        lines += ["", category, "=" * 17, _row(width, _HEADS), _row(width, ["-" * len(h) for h in _HEADS])]
        for name, s in names.items():
            numbers = [f"{v:.4f}" for v in (s.total, s.min, s.max, s.avg)]
            lines.append(_row(width, (name, str(s.count), *numbers)))
    return "\n".join(lines) + "\n"


def _row(width: int, cells: Iterable[str]) -> str:
    name, count, *rest = cells
    return name.ljust(width) + count.rjust(16) + "".join(cell.rjust(17) for cell in rest)
