"""Draw a plan with characters, for terminals and test failures."""

from __future__ import annotations

from .model import Plan

_GLYPHS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def to_text(plan: Plan, *, width: int = 72, height: int = 20) -> str:
    """Return a picture of `height` lines: time to the right, offset upwards, one letter per buffer.

    A cell shows the buffer at its centre; `.` is free. Letters repeat when there are more than 62 buffers.

    Parameters
    ----------
    width, height : int
        Characters and lines of each arena at most; small problems take fewer.
    """
    lines = []
    for arena, total in plan.totals.items():
        buffers = [b for b in plan.problem.buffers if b.arena == arena and b.alias is None]
        bound = plan.lower_bounds[arena]
        lines.append(f"arena {arena}: {total} bytes, lower bound {bound}, {len(buffers)} buffers, {plan.method}")
        first = min((b.start for b in buffers), default=0)
        steps = max((b.end for b in buffers), default=0) - first
        if not total or not steps:
            continue  # nothing to see
        columns, rows = min(width, steps), min(height, total)
        grid = [["."] * columns for _ in range(rows)]
        for i, b in enumerate(buffers):
            low, high = plan.offsets[b.id], plan.offsets[b.id] + b.size
            # Cell r covers bytes around (r + 1/2) * total / rows; integers avoid rounding differences.
            covered = range(_centre(low, rows, total), _centre(high, rows, total))
            for start, end in b.lifetimes:
                across = range(_centre(start - first, columns, steps), _centre(end - first, columns, steps))
                for r in covered:
                    for c in across:
                        grid[r][c] = _GLYPHS[i % len(_GLYPHS)]
        lines += ["".join(row) for row in reversed(grid)]
    return "\n".join(lines) + "\n"


def _centre(value: int, cells: int, whole: int) -> int:
    """Return the first cell whose centre is at or past `value`."""
    return max(0, -(-(2 * value * cells - whole) // (2 * whole)))
