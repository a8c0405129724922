"""Time cyexec beside its peers: ``python -m benchmarks [--seconds S] [--rounds N] [--readme] [CASE ...]``.

Peers run in processes of their own and take turns, round after round, so that a busy machine slows all of them alike. The
table shows medians and ratios. MXNet is found through ``CYEXEC_BENCH_MXNET`` (the path of a Python that imports it;
`benchmarks/peers/mxnet.sh` makes one) or skipped by name.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from .cases import CASES

HERE = Path(__file__).parent


class Peer:
    """A worker process."""

    def __init__(self, name: str, python: str, threads: int):
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(HERE.parent)}
        self.name = name
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env,
        )  # fmt: skip
        self._read()

    def _read(self) -> dict:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"{self.name}: the worker ended (status {self._process.wait()})")
            if line.startswith("{"):
                return json.loads(line)

    def times(self, case: str, seconds: float) -> list[float] | None:
        """Seconds of single runs, or None where the peer has no such case."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"case": case, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        return self._read().get("times")


def show(seconds: float | None) -> str:
    """A time with a unit."""
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each peer, case and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    unknown = [c for c in options.cases if c not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; cases are {', '.join(CASES)}")

    peers = [Peer("cyexec", sys.executable, options.threads), Peer("numpy", sys.executable, options.threads)]
    mxnet = os.environ.get("CYEXEC_BENCH_MXNET")
    if mxnet:
        peers.insert(1, Peer("mxnet", mxnet, options.threads))
    else:
        print("skipped: mxnet (set CYEXEC_BENCH_MXNET; see benchmarks/peers/mxnet.sh)")
    rows = []
    for case in options.cases or CASES:
        found: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for peer in peers:
                times = peer.times(case, options.seconds)
                if times:
                    found.setdefault(peer.name, []).extend(times)
        medians = {name: statistics.median(times) for name, times in found.items()}
        own = medians["cyexec"]
        cells = [case, show(own)]
        for peer in peers[1:]:
            other = medians.get(peer.name)
            cells += [show(other), f"{own / other:.3f}" if other else "-"]
        rows.append(cells)
        print(" | ".join(cells), flush=True)
    heads = ["case", "cyexec"]
    for peer in peers[1:]:
        heads += [peer.name, f"cyexec / {peer.name}"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(r) + " |" for r in rows]
    note = f"Medians of {options.rounds} interleaved rounds, {options.threads} threads. Below 1: cyexec is faster.\n"
    table = "\n".join(lines) + "\n\n" + note
    print(f"\n{table}")
    if options.readme:
        _into_readme(table)
    return 0


def _into_readme(table: str) -> None:
    path = HERE.parent / "README.md"
    text = path.read_text(encoding="utf-8")
    begin, end = "<!-- benchmarks: begin -->\n", "<!-- benchmarks: end -->"
    before, rest = text.split(begin)
    path.write_text(before + begin + table + end + rest.split(end)[1], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
