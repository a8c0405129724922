"""Plan static memory: buffers with sizes and lifetimes in, offsets in one arena out, with a proof or a gap.

    Buffer ─▶ Problem ──blocks──▶ arrays ──greedy──▶ offsets ──exact──▶ Plan ──▶ svg, text, json, csv
                 │                   └────bounds───▶ lower bound ──────────┘
                 └────────────validate──────────────▶ Verdict (shares no code with solvers)

>>> import planner
>>> problem = planner.Problem([planner.Buffer("a", 0, 2, 128), planner.Buffer("b", 1, 3, 64),
...                            planner.Buffer("c", 2, 4, 128)])
>>> plan = planner.solve(problem)
>>> plan.total, plan.lower_bound, plan.optimal
(192, 192, True)

The folder knows nothing of tensors, graphs or executors, allocates no arena and runs nothing: it only chooses numbers.
Lifetimes are half-open intervals of steps, sizes and offsets are bytes.
"""

from .bounds import lower_bound, lower_bounds
from .export import to_csv, to_json
from .model import Buffer, Plan, PlannerError, Problem
from .plot import to_svg
from .solve import plan_arrays, solve
from .text import to_text
from .validate import Verdict, validate, validate_arrays

__all__ = [
    "Buffer",
    "Plan",
    "PlannerError",
    "Problem",
    "Verdict",
    "lower_bound",
    "lower_bounds",
    "plan_arrays",
    "solve",
    "to_csv",
    "to_json",
    "to_svg",
    "to_text",
    "validate",
    "validate_arrays",
]
