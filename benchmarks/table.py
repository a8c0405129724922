"""Results as Markdown, and their place in README.md."""

from __future__ import annotations

import math
from pathlib import Path

from .harness import Row

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->"


def show(figure: float | None, unit: str = "s") -> str:
    """A figure with a unit, three digits."""
    if figure is None:
        return "-"
    if unit == "B":
        return f"{figure / 2**20:.3g} MB"
    for name, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if figure * scale >= 1:
            return f"{figure * scale:.3g} {name}"
    return f"{figure * 1e9:.3g} ns"


def ratio(own: float | None, other: float | None) -> str:
    """own / other."""
    return "-" if not own or not other else f"{own / other:.2f}"


def mean_ratio(pairs: list[tuple[float | None, float | None]]) -> str:
    """The geometric mean of the ratios of the pairs that are complete."""
    logs = [math.log(own / other) for own, other in pairs if own and other]
    return f"{math.exp(sum(logs) / len(logs)):.2f}" if logs else "-"


def table(title: str, rows: list[Row], peers: list[str]) -> str:
    """One section: figures of every peer that has any, and cyexec's ratios to MXNet and to the best of the others."""
    shown = [p for p in peers if any(row.figures.get(p) for row in rows)]
    with_mxnet = "mxnet" in shown
    heads = [title, *shown, *(["/ mxnet"] if with_mxnet else []), *(["/ best"] if len(shown) > 1 else [])]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        own = row.figure("cyexec")
        cells = [row.name, *(show(row.figure(p), row.unit) for p in shown)]
        cells += [ratio(own, row.figure("mxnet"))] if with_mxnet else []
        cells += [ratio(own, row.best)] if len(shown) > 1 else []
        lines.append("| " + " | ".join(cells) + " |")
    if len(rows) > 1 and len(shown) > 1:
        cells = ["geometric mean", *("" for _ in shown)]
        if with_mxnet:
            cells.append(mean_ratio([(row.figure("cyexec"), row.figure("mxnet")) for row in rows]))
        cells.append(mean_ratio([(row.figure("cyexec"), row.best) for row in rows]))
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"* {row.name}: {note}" for row in rows for note in row.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def into_readme(text: str) -> None:
    """Put the text between the marks."""
    readme = README.read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    README.write_text(before + BEGIN + text + END + rest.split(END)[1], encoding="utf-8")
