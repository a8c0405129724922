"""The memory plan: the one object that `debug_str` prints, `Executor.plan` is, and the arena is made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import planner

from .liveness import lifetimes, memory_problem
from .padding import unpadded_peak
from .program import BufferSpec, Program
from .room import allowed, limit_workspaces, values_peak


@dataclass(frozen=True, slots=True)
class PlannedBuffer:
    """One buffer of a plan.

    Attributes
    ----------
    name : str
        Of the variable or node output ("conv0_output"), or of the workspace.
    operator : str
        The operator that writes it; empty for variables.
    kind : str
        "arg", "aux", "head_grad", "output", "grad" (the user's arrays), "const" (folded and prepacked parameters; these are
        outside the arena), "value" or "workspace".
    nbytes : int
        Size in bytes.
    shape, dtype : tuple of int, str
    first_step, last_step : int
        Steps that touch it, inclusive; -1 when none does.
    offset : int
        Bytes from the start of its arena; -1 for the user's arrays.
    alias : str
        Name of the buffer whose memory it uses; empty when it has memory of its own.
    context : int
        Number of the arena.
    """

    name: str
    operator: str
    kind: str
    nbytes: int
    shape: tuple[int, ...]
    dtype: str
    first_step: int
    last_step: int
    offset: int
    alias: str
    context: int


class MemoryPlan:
    """Where every value of a program is.

    Attributes
    ----------
    program : Program
    plan : planner.Plan
        Offsets of root buffers, by buffer number.
    buffers : tuple of PlannedBuffer
        Every value and workspace; the user's arrays too.
    """

    def __init__(self, program: Program, time_limit: float = 0.0, guard: int = 0):
        self.program = program
        self._lives = lifetimes(program)
        limit_workspaces(program, self._lives)
        self.plan = planner.solve(memory_problem(program, self._lives, guard), time_limit=time_limit)
        self._buffers: tuple[PlannedBuffer, ...] | None = None

    def offset(self, root: int) -> int:
        """Byte offset of root buffer `root` in its arena."""
        return self.plan.offsets.get(root, 0)

    def is_placed(self, root: int) -> bool:
        """Whether root buffer `root` has a place in the arena: one that no step touches has none."""
        return root in self.plan.offsets

    @property
    def arena_bytes(self) -> dict[int, int]:
        """Bytes of each context's arena."""
        return {int(c): int(t) for c, t in self.plan.totals.items()}  # type: ignore[call-overload]

    @property
    def total(self) -> int:
        """Bytes of all arenas."""
        return sum(self.arena_bytes.values())

    @property
    def lower_bound(self) -> int:
        """Bytes that no plan of these lifetimes can go below."""
        return self.plan.lower_bound

    @property
    def optimal(self) -> bool:
        """Whether the total is proved to be the least possible."""
        return self.plan.optimal

    def limit_without_padding(self) -> int:
        """Bytes that the arenas could do with if channels were not padded to whole blocks.

        `total` where padding takes no more than workspaces may.
        """
        limit = allowed(unpadded_peak(self.program, self._lives))
        return limit if allowed(values_peak(self.program, self._lives)) > limit else self.total

    @property
    def num_workspaces(self) -> int:
        """Workspaces that steps asked for (MXNet's TempSpace requests)."""
        used = {r.buffer for s in self.program.steps for r in (*s.reads, *s.writes)}
        return sum(b.kind == "workspace" and b.nbytes > 0 and b.id in used for b in self.program.buffers)

    @property
    def buffers(self) -> tuple[PlannedBuffer, ...]:
        if self._buffers is None:
            self._buffers = tuple(self._describe())
        return self._buffers

    def _describe(self) -> list[PlannedBuffer]:
        program = self.program
        touched: dict[int, tuple[int, int]] = {}
        for k, step in enumerate(program.steps):
            for ref in (*step.reads, *step.writes):
                first, _ = touched.get(ref.buffer, (k, k))
                touched[ref.buffer] = (first, k)
        out = []
        for spec in program.buffers:
            root, shift = program.home[spec.id]
            # Copies that were dropped leave a buffer untouched although its value is there: in its root.
            life = touched.get(spec.id)
            if life is None and root != spec.id and root in self._lives:
                life = (self._lives[root].first, self._lives[root].last)
            holder = program.buffers[root]
            inside = not holder.external and root in self.plan.offsets
            out.append(
                PlannedBuffer(
                    name=spec.name,
                    operator=spec.op,
                    kind=spec.kind,
                    nbytes=spec.nbytes,
                    shape=spec.shape,
                    dtype=str(spec.dtype),
                    first_step=life[0] if life else -1,
                    last_step=life[1] if life else -1,
                    offset=self.plan.offsets[root] + shift if inside else -1,
                    alias=holder.name if root != spec.id else "",
                    context=spec.ctx,
                )
            )
        return out

    @property
    def totals(self) -> dict[str, int]:
        """Bytes by class: arguments, gradients, auxiliary states, outputs, constants (folded and prepacked
        parameters, where there are any), intermediates, workspaces, and the arena.

        Intermediates and workspaces are sums over buffers; the arena is what they take after sharing.
        """
        names = {
            "arg": "arguments", "grad": "gradients", "aux": "auxiliary states", "output": "outputs",
            "head_grad": "head gradients", "const": "constants", "value": "intermediates", "workspace": "workspaces",
        }  # fmt: skip
        sums = dict.fromkeys(names.values(), 0)
        for spec in self.program.buffers:
            sums[names[spec.kind]] += spec.nbytes
        if not sums["constants"]:  # most programs have none, and then nobody need know of them
            del sums["constants"]
        sums["arena"] = self.total
        return sums

    def peak(self) -> tuple[int, list[PlannedBuffer]]:
        """The step with most bytes alive in the arenas, and the buffers alive then."""
        if not self.plan.offsets:
            return 0, []
        step, alive = self.plan.peak()
        by_id = self.buffers
        return step, [by_id[int(b.id)] for b in alive]  # type: ignore[call-overload]

    def to_svg(self, **options: Any) -> str:
        """Picture of the arena: time to the right, offset upwards. Options as `planner.Plan.to_svg`."""
        plan, describe = self._named()
        return plan.to_svg(describe=describe, **options)

    def to_html(self, **options: Any) -> str:
        """The picture as one self-contained page to look into. Options as `planner.Plan.to_html`."""
        plan, describe = self._named()
        return plan.to_html(describe=describe, **options)

    def _named(self) -> tuple[planner.Plan, Callable[[planner.Buffer], str]]:
        """The planner's plan with buffers called by their names, and what to say of each."""
        names: dict[Any, str] = {}
        specs: dict[str, BufferSpec] = {}
        for b in self.plan.problem.buffers:
            spec = self.program.buffers[b.id]  # type: ignore[call-overload]  # the planner takes any hashable id
            name = spec.name if spec.name not in specs else f"{spec.name} #{spec.id}"
            names[b.id], specs[name] = name, spec
        problem = planner.Problem(replace(b, id=names[b.id]) for b in self.plan.problem.buffers)
        plan = replace(self.plan, problem=problem, offsets={names[i]: o for i, o in self.plan.offsets.items()})

        def describe(buffer: planner.Buffer) -> str:
            spec = specs[str(buffer.id)]
            return f"{spec.op or spec.kind} {spec.shape} {spec.dtype}"

        return plan, describe

    def to_json(self, indent: int | None = 2) -> str:
        """All of the plan as JSON."""
        return json.dumps(
            {
                "total_bytes": self.total,
                "lower_bound_bytes": self.lower_bound,
                "optimal": self.optimal,
                "method": self.plan.method,
                "totals_bytes": self.totals,
                "steps": [
                    {"kernel": s.kernel, "node": s.node.name if s.node else "", "dtype": str(s.dtype)}
                    for s in self.program.steps
                ],
                "num_forward_steps": self.program.num_forward,
                "buffers": [asdict(b) for b in self.buffers],
            },
            indent=indent,
        )

    def to_text(self) -> str:
        """The plan as a table: one line for each buffer of the arena, in order of time."""
        rows = [("buffer", "operator", "bytes", "steps", "offset", "in")]
        for b in sorted(self.buffers, key=lambda b: (b.first_step, b.offset)):
            if b.kind in ("value", "workspace") and b.first_step >= 0:
                place = str(b.offset) if b.offset >= 0 else "-"
                rows.append(
                    (b.name, b.operator, f"{b.nbytes}", f"{b.first_step}..{b.last_step}", place, b.alias)
                )  # fmt: skip
        widths = [max(len(r[i]) for r in rows) for i in range(6)]
        lines = ["Memory plan:"]
        for r in rows:
            cells = [r[0].ljust(widths[0]), r[1].ljust(widths[1]), *(r[i].rjust(widths[i]) for i in (2, 3, 4)), r[5]]
            lines.append("  " + "  ".join(cells).rstrip())
        lines.append("Totals in bytes: " + ", ".join(f"{name} {size}" for name, size in self.totals.items()))
        proof = "optimal" if self.optimal else f"lower bound {self.lower_bound}"
        lines.append(
            f"Steps: {self.program.num_forward} forward, {len(self.program.steps) - self.program.num_forward} backward; "
            f"arena {self.total} bytes, {proof} ({self.plan.method})"
        )
        step, alive = self.peak()
        if alive:
            names = ", ".join(b.name for b in sorted(alive, key=lambda b: -b.nbytes)[:8])
            more = f" and {len(alive) - 8} more" if len(alive) > 8 else ""
            lines.append(f"Peak at step {step}: {names}{more}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<MemoryPlan {self.total} bytes, lower bound {self.lower_bound}, {len(self.program.steps)} steps>"
