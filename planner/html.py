"""Write a plan as one self-contained page: the picture, what lies under the pointer, the buffers at the peak.

A canvas draws thousands of rectangles at once and redraws them when zoomed, which thousands of SVG elements do not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from html import escape
from importlib.resources import files
from typing import Any

from .model import Buffer, Plan
from .plot import colour


def to_html(plan: Plan, *, title: str = "Memory plan", describe: Callable[[Buffer], str] | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    title : str
    describe : callable, optional
        Gives a line of text for a buffer, such as its operator.
    """
    data = {
        "arenas": [_arena(plan, arena, describe) for arena in plan.totals],
        "method": plan.method,
        "optimal": plan.optimal,
    }
    # "</" would end the script element, wherever it stands.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return page.replace("@TITLE@", escape(title)).replace("@DATA@", text)


def _arena(plan: Plan, arena: Hashable, describe: Callable[[Buffer], str] | None) -> dict[str, Any]:
    step, alive = plan.peak(arena)
    buffers = [b for b in plan.problem.buffers if b.arena == arena]
    # Windows come last, so that they are drawn over the buffers they look into.
    buffers.sort(key=lambda b: b.alias is not None)
    rows = [
        [
            str(b.id),
            plan.offsets[b.id],
            b.size,
            b.lifetimes,
            colour(b.id),
            None if b.alias is None else f"inside {b.alias[0]} at {b.alias[1]:,}",
            describe(b) if describe is not None else None,
        ]
        for b in buffers
    ]
    return {
        "name": str(arena),
        "total": plan.totals[arena],
        "bound": plan.lower_bounds[arena],
        "first": min((b.start for b in buffers), default=0),
        "last": max((b.end for b in buffers), default=1),
        "peak": step,
        "alive": [[str(b.id), b.size, plan.offsets[b.id]] for b in alive if b.alias is None],
        "rows": rows,
    }
