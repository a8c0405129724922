"""The arena of each network of `tests.networks` against MXNet's, the lower bound, and all its buffers side by side.

    python -m benchmarks.bench_arena > benchmarks/arena.md

Nothing is run or allocated: plans are made, and MXNet's figures are those of `tests/golden/arena/mxnet.json` (whole
megabytes of intermediate values and outputs; workspaces of its operators come on top, while the arena holds ours).
"""

from __future__ import annotations

from tests.arena_sizes import CASES, of_mxnet, plan

MB = 2**20


def main() -> None:
    """Print the table."""
    theirs = of_mxnet()
    print("Megabytes (2^20 bytes). All buffers: values and workspaces without sharing memory.\n")
    print("| network | batch | arena | MXNet | lower bound | proved least | all buffers |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: |")
    for case in CASES:
        made = plan(case)
        name, mode, batch = case.split()
        everything = made.totals["intermediates"] + made.totals["workspaces"]
        larger = " (larger)" if made.total // MB > theirs[case] else ""
        print(
            f"| {name}, {mode} | {batch} | {made.total / MB:.2f}{larger} | {theirs[case]} | {made.lower_bound / MB:.2f} | "
            f"{'yes' if made.optimal else 'no'} | {everything / MB:.1f} |"
        )


if __name__ == "__main__":
    main()
