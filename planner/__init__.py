"""Plan static memory: buffers with sizes and lifetimes in, offsets in one arena out, with a proof or a gap.

    Buffer ─▶ Problem ──blocks──▶ arrays ──greedy, sweep──▶ offsets ──local, exact──▶ Plan ──▶ pictures, json, csv
                 │                   └─────bounds────▶ lower bound ─────────────────────┘
                 └─────────────validate──────────────▶ Verdict (shares no code with solvers)

    Node ─▶ Dag ──order──▶ Order, an order of steps with a lower peak
             └──rematerialize──▶ Rematerialization, a program that computes some values twice to fit a limit

>>> import planner
>>> problem = planner.Problem([planner.Buffer("a", 0, 2, 128), planner.Buffer("b", 1, 3, 64),
...                            planner.Buffer("c", 2, 4, 128)])
>>> plan = planner.solve(problem)
>>> plan.total, plan.lower_bound, plan.optimal
(192, 192, True)

The same on the command line: `python -m planner solve problem.csv --html plan.html`.

The folder knows nothing of tensors or executors, allocates no arena and runs nothing: it only chooses numbers.
Lifetimes are half-open intervals of steps, sizes and offsets are bytes.
"""

from .bounds import lower_bound, lower_bounds
from .compare import Difference, diff
from .csvio import CsvError, read_plan, read_problem
from .dag import Dag, Node
from .export import to_csv, to_json
from .html import to_html
from .model import Buffer, Plan, PlannerError, Problem
from .order import Order, order
from .plot import to_svg
from .remat import Again, Rematerialization, rematerialize
from .solve import plan_arrays, solve
from .text import to_text
from .validate import Verdict, validate, validate_arrays

__all__ = [
    "Again",
    "Buffer",
    "CsvError",
    "Dag",
    "Difference",
    "Node",
    "Order",
    "Plan",
    "PlannerError",
    "Problem",
    "Rematerialization",
    "Verdict",
    "diff",
    "lower_bound",
    "lower_bounds",
    "order",
    "plan_arrays",
    "read_plan",
    "read_problem",
    "rematerialize",
    "solve",
    "to_csv",
    "to_html",
    "to_json",
    "to_svg",
    "to_text",
    "validate",
    "validate_arrays",
]
