"""The command line: `python -m planner solve|check|bounds|generate`.

Exit status: 0 solved (or the check passed), 1 proved infeasible (or the check failed), 2 not solved in the time given,
3 bad input. Results go to standard output, what is to be said about them to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import NoReturn

from . import generate
from .bounds import lower_bounds
from .csvio import CsvError, line_of, read_plan, read_problem
from .export import to_csv, to_json
from .html import to_html
from .model import Buffer, Plan, PlannerError, Problem
from .plot import format_bytes, to_svg
from .solve import Progress, solve
from .text import to_text
from .validate import validate

SOLVED, INFEASIBLE, UNKNOWN, BAD_INPUT = range(4)


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that ends with our status for bad input; its own, 2, means something else here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(BAD_INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m planner", description="Place buffers with known lifetimes in one arena.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    one = commands.add_parser("solve", help="choose offsets; status 0 solved, 1 proved infeasible, 2 not in time")
    one.add_argument("input", help="CSV with id,lower,upper,size; - for standard input")
    one.add_argument("--capacity", type=_bytes, help="bytes that each arena may have")
    one.add_argument("--time-limit", type=_seconds, default=10.0, metavar="S", help="seconds to search (default 10)")
    one.add_argument("--output", metavar="F", help="write the plan as CSV there instead of to standard output")
    for name, what in (("svg", "a picture"), ("html", "a page to look into"), ("json", "all of the plan")):
        one.add_argument(f"--{name}", metavar="F", help=f"write {what}")
    one.add_argument("--text", action="store_true", help="draw the plan on standard error")
    one.add_argument("--verbose", action="store_true", help="say what is found while searching")
    one.set_defaults(run=_solve)

    one = commands.add_parser("check", help="judge the column offset of a CSV; status 0 right, 1 wrong")
    one.add_argument("input")
    one.add_argument("--capacity", type=_bytes)
    one.set_defaults(run=_check)

    one = commands.add_parser("bounds", help="say what every plan needs at least")
    one.add_argument("input")
    one.set_defaults(run=_bounds)

    one = commands.add_parser("generate", help="make a problem from a seed")
    one.add_argument("kind", choices=("dissection", "program"), help="hard but known to fit 1024 bytes; program-like")
    one.add_argument("--count", type=_count, default=200, help="buffers, about (default 200)")
    one.add_argument("--seed", type=_count, default=0)
    one.add_argument("--output", metavar="F")
    one.set_defaults(run=_generate)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (PlannerError, MemoryError) as error:
        print(f"error: {error or 'out of memory'}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has left; keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"error: {error.filename or 'input'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return UNKNOWN
    return BAD_INPUT


def _solve(options: argparse.Namespace) -> int:
    def say(method: str, total: int, bound: int) -> None:
        if options.verbose:
            print(f"{total} bytes, at least {bound}: {method}", file=sys.stderr)

    plan = _plan(options.input, options.capacity, options.time_limit, say)
    problem = plan.problem
    verdict = "optimal" if plan.optimal else f"at least {plan.lower_bound}"
    print(f"{plan.total} bytes ({format_bytes(plan.total)}), {verdict}; {plan.method}", file=sys.stderr)
    if options.text:
        print(to_text(plan), end="", file=sys.stderr)
    for target, write in ((options.svg, to_svg), (options.html, to_html), (options.json, to_json)):
        if target:
            _write(target, write(plan))
    if plan.fits is False:
        print(f"proved: {_room(problem)} are not enough", file=sys.stderr)
        return INFEASIBLE
    if plan.fits is None:
        print(f"not known in {options.time_limit:g} s whether {_room(problem)} are enough", file=sys.stderr)
        return UNKNOWN
    _write(options.output, to_csv(plan))
    return SOLVED


def _plan(source: str, capacity: int | None = None, time_limit: float = 0.0, progress: Progress | None = None) -> Plan:
    """Read a problem and solve it; what only the solver sees wrong gets its line too."""
    data = _read(source)
    problem = read_problem(data, source, capacity)
    try:
        return solve(problem, time_limit=time_limit, progress=progress)
    except PlannerError as error:
        raise CsvError(f"{source}:{line_of(data, error.buffer)}: {error}") from None


def _check(options: argparse.Namespace) -> int:
    problem, offsets = read_plan(_read(options.input), options.input, options.capacity)
    totals: dict[Hashable, int] = {}
    for b in problem.buffers:
        totals[b.arena] = max(totals.get(b.arena, 0), offsets.get(b.id, 0) + b.size)
    plan = Plan(problem, offsets, totals, lower_bounds(problem), "read from a file")
    verdict = validate(problem, plan)
    if verdict:
        print(f"right: {len(offsets)} buffers in {plan.total} bytes, at least {plan.lower_bound} are needed")
        return SOLVED
    print(f"wrong ({verdict.kind}): {verdict.message}")
    return INFEASIBLE


def _bounds(options: argparse.Namespace) -> int:
    plan = _plan(options.input)
    problem = plan.problem
    for arena, bound in lower_bounds(problem).items():
        step, alive = plan.peak(arena)
        everything = sum(b.size for b in problem.buffers if b.arena == arena and b.alias is None)
        print(f"arena {arena}: lower bound {bound} bytes; {len(alive)} buffers alive at the peak, step {step};")
        print(f"  all buffers together {everything} bytes; quick plan {plan.totals[arena]} bytes")
    return SOLVED


def _generate(options: argparse.Namespace) -> int:
    make = generate.dissection if options.kind == "dissection" else generate.program
    rows = zip(*(column.tolist() for column in make(options.count, options.seed)), strict=True)
    align = 1 if options.kind == "dissection" else 64
    problem = Problem(Buffer(i, start, end, size, align) for i, (start, end, size) in enumerate(rows))
    nowhere = {b.id: 0 for b in problem.buffers}
    lines = to_csv(Plan(problem, nowhere, {}, {}, "")).splitlines()
    _write(options.output, "".join(line.rpartition(",")[0] + "\n" for line in lines))
    return SOLVED


def _room(problem: Problem) -> str:
    return f"{problem.capacity} bytes" if problem.capacity is not None else "the bytes there are"


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _write(name: str | None, text: str) -> None:
    if name and name != "-":
        Path(name).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _bytes(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**62:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 2**62")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 10,000,000")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
