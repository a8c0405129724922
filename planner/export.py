"""Write a plan for other programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Hashable
from typing import Any

from .model import Plan


def _name(value: Hashable) -> Any:
    return value if isinstance(value, (str, int)) else str(value)


def to_json(plan: Plan) -> str:
    """Return the plan as a JSON object.

    Returns
    -------
    str
        Keys `total`, `lower_bound`, `optimal`, `fits`, `method`, `arenas` (total and bound of each), `peak` (step and
        ids alive) and `buffers` (id, start, end, size, align, offset, arena, gaps, alias); sizes in bytes.
    """
    step, alive = plan.peak()
    buffers = []
    for b in plan.problem.buffers:
        row: dict[str, Any] = {"id": _name(b.id), "start": b.start, "end": b.end, "size": b.size, "align": b.align}
        row |= {"offset": plan.offsets[b.id], "arena": _name(b.arena)}
        if b.gaps:
            row["gaps"] = [list(gap) for gap in b.gaps]
        if b.alias is not None:
            row["alias"] = [_name(b.alias[0]), b.alias[1]]
        buffers.append(row)
    arenas = [
        {"arena": _name(arena), "total": total, "lower_bound": plan.lower_bounds[arena]}
        for arena, total in plan.totals.items()
    ]
    head = {
        "total": plan.total,
        "lower_bound": plan.lower_bound,
        "optimal": plan.optimal,
        "fits": plan.fits,
        "method": plan.method,
        "arenas": arenas,
        "peak": {"step": step, "alive": [_name(b.id) for b in alive]},
        "buffers": buffers,
    }
    return json.dumps(head, indent=1)


def to_csv(plan: Plan) -> str:
    """Return the plan as CSV in MiniMalloc's columns and `offset`; columns that nobody uses are left out."""
    problem = plan.problem
    columns = ["id", "lower", "upper", "size"]
    optional = {
        "alignment": any(b.align != 1 for b in problem.buffers),
        "gaps": any(b.gaps for b in problem.buffers),
        "arena": any(b.arena != 0 for b in problem.buffers),
        "alias": any(b.alias is not None for b in problem.buffers),
    }
    columns += [name for name, used in optional.items() if used]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, "offset"])
    for b in problem.buffers:
        cells: dict[str, Any] = {"id": b.id, "lower": b.start, "upper": b.end, "size": b.size, "alignment": b.align}
        cells["gaps"] = " ".join(f"{low}-{high}" for low, high in b.gaps)
        cells["arena"] = b.arena
        cells["alias"] = "" if b.alias is None else f"{b.alias[0]}+{b.alias[1]}"
        writer.writerow([*(cells[name] for name in columns), plan.offsets[b.id]])
    return out.getvalue()
