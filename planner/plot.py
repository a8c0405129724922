"""Draw a plan as SVG: time to the right, offset upwards, one rectangle per lifetime.

The peak step is a vertical line, the lower bound a dashed horizontal one; hovering over a rectangle names the buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from html import escape
from zlib import crc32

from .model import Buffer, Plan

_MARGIN_LEFT, _MARGIN_TOP, _MARGIN_BOTTOM, _MARGIN_RIGHT = 86, 44, 40, 14
_THINNEST_OUTLINED = 3.0  # pixels
_LABEL_WIDTH, _LABEL_HEIGHT = 6.2, 10.0  # pixels of one character at font size 10, and of a line


def format_bytes(count: int) -> str:
    """Return bytes for people: `1536` is "1.5 KiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"


def colour(name: Hashable) -> str:
    """Return a light colour that depends on the name alone, so that two pictures can be compared."""
    code = crc32(str(name).encode())
    return f"hsl({code % 360},{45 + code // 360 % 30}%,{66 + code // 10800 % 16}%)"


def to_svg(plan: Plan, *, width: int = 1000, height: int = 560, describe: Callable[[Buffer], str] | None = None) -> str:
    """Return the plan as one SVG document, an arena below the other.

    Parameters
    ----------
    width, height : int
        Pixels; the height is that of each arena.
    describe : callable, optional
        Gives a line of text for a buffer, such as its operator, shown when hovering.

    Returns
    -------
    str
    """
    arenas = list(plan.totals) or [0]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height * len(arenas)}" '
        f'viewBox="0 0 {width} {height * len(arenas)}" font-family="sans-serif" font-size="10">',
        "<style>rect.b{stroke:#333;stroke-width:.4;stroke-opacity:.6}rect.b:hover{stroke:#000;stroke-width:1.6;"
        "stroke-opacity:1}text{pointer-events:none}</style>",
        f'<rect width="{width}" height="{height * len(arenas)}" fill="#fff"/>',
    ]
    for i, arena in enumerate(arenas):
        parts.append(f'<g transform="translate(0,{i * height})">')
        parts += _arena(plan, arena, width, height, describe)
        parts.append("</g>")
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _arena(plan: Plan, arena: Hashable, width: int, height: int, describe: Callable[[Buffer], str] | None) -> list[str]:
    buffers = [b for b in plan.problem.buffers if b.arena == arena]
    total, bound = plan.totals.get(arena, 0), plan.lower_bounds.get(arena, 0)
    first = min((b.start for b in buffers), default=0)
    last = max(max((b.end for b in buffers), default=1), first + 1)
    across, up = width - _MARGIN_LEFT - _MARGIN_RIGHT, height - _MARGIN_TOP - _MARGIN_BOTTOM
    bottom = height - _MARGIN_BOTTOM

    def x(step: float) -> float:
        return _MARGIN_LEFT + (step - first) * across / (last - first)

    def y(byte: float) -> float:
        return bottom - byte * up / max(total, 1)

    step, alive = plan.peak(arena)
    name = "" if len(plan.totals) < 2 else f"arena {arena}: "
    state = "optimal" if total == bound or plan.optimal else f"{100 * (total - bound) / max(bound, 1):.2f} % above"
    parts = [
        f'<text x="{_MARGIN_LEFT}" y="16" font-size="13" font-weight="bold">{escape(name)}{total:,} bytes '
        f"({format_bytes(total)}), lower bound {bound:,}, {state}</text>",
        f'<text x="{_MARGIN_LEFT}" y="31" fill="#555">{len(buffers):,} buffers; peak at step {step} with '
        f"{sum(b.alias is None for b in alive):,} alive; {escape(plan.method)}</text>",
        f'<rect x="{_MARGIN_LEFT}" y="{_MARGIN_TOP}" width="{across}" height="{up}" fill="#f6f6f6"/>',
    ]
    for tick in range(5):
        byte, at = total * tick // 4, first + (last - first) * tick // 4
        parts.append(
            f'<text x="{_MARGIN_LEFT - 6}" y="{y(byte) + 3:.1f}" text-anchor="end">{format_bytes(byte)}</text>'
        )
        anchor = "end" if tick == 4 else "middle"
        parts.append(f'<text x="{x(at):.1f}" y="{bottom + 14}" text-anchor="{anchor}">{at}</text>')
    parts.append(f'<text x="{_MARGIN_LEFT + across / 2:.0f}" y="{bottom + 30}" text-anchor="middle">step</text>')
    # Aliases are drawn after, thus over, the buffers they live in.
    for b in sorted(buffers, key=lambda b: b.alias is not None):
        parts += _rectangles(plan, b, x, y, describe)
    if buffers:
        parts.append(
            f'<path d="M{x(step + 0.5):.1f} {_MARGIN_TOP}V{bottom}" stroke="#c00" stroke-width="1.2"/>'
            f'<path d="M{_MARGIN_LEFT} {y(bound):.1f}h{across}" stroke="#06c" stroke-width="1.2" '
            'stroke-dasharray="5 3"/>'
        )
    return parts


def _rectangles(
    plan: Plan,
    b: Buffer,
    x: Callable[[float], float],
    y: Callable[[float], float],
    describe: Callable[[Buffer], str] | None,
) -> list[str]:
    offset, parts = plan.offsets[b.id], []
    note = f"{b.id}\n{b.size:,} bytes ({format_bytes(b.size)}) at {offset:,}\nsteps [{b.start}, {b.end})"
    if b.alias is not None:
        note += f"\ninside {b.alias[0]} at {b.alias[1]:,}"
    if describe is not None:
        note += "\n" + describe(b)
    for low, high in b.lifetimes:
        if not b.size or low >= high:
            continue
        left, wide, top, tall = x(low), x(high) - x(low), y(offset + b.size), y(offset) - y(offset + b.size)
        look = ' fill-opacity=".35" stroke-dasharray="2 2"' if b.alias is not None else ""
        if min(wide, tall) < _THINNEST_OUTLINED:
            look += ' style="stroke:none"'  # thousands of outlines would hide what they outline
        parts.append(
            f'<rect class="b" x="{left:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{tall:.2f}" '
            f'fill="{colour(b.id)}"{look}><title>{escape(note)}</title></rect>'
        )
        label = str(b.id)
        if tall >= _LABEL_HEIGHT and wide >= _LABEL_WIDTH * 3:
            room = int(wide / _LABEL_WIDTH)
            text = label if len(label) <= room else label[: room - 1] + "…"
            middle = f'x="{left + wide / 2:.1f}" y="{top + tall / 2 + 3.5:.1f}" text-anchor="middle"'
            parts.append(f"<text {middle}>{escape(text)}</text>")
    return parts
