"""Time cyexec beside its peers: ``python -m benchmarks [--only SECTION|CASE ...] [--threads N ...] [--readme]``.

Peers run in processes of their own and take turns, round after round, so that a busy machine slows all of them alike. The
tables show medians and ratios of medians. A peer that is not there is skipped by name.
"""

from __future__ import annotations

import argparse
import sys

import cyexec

from . import networks, table
from .cases import ON_REQUEST, SECTIONS
from .harness import ENVIRONMENTS, MissingPeer, Peer, run_case


def chosen(only: list[str]) -> list[tuple[str, str]]:
    """(section, case) of the words given: names of sections or of cases; everything for none.

    Raises
    ------
    ValueError
        A word that is neither.
    """
    everything = [(section, case.name) for section, (_, cases) in SECTIONS.items() for case in cases]
    unknown = [w for w in only if all(w not in pair for pair in everything)]
    if unknown:
        cases = "; ".join(f"{section}: {', '.join(c.name for c in cases)}" for section, (_, cases) in SECTIONS.items())
        raise ValueError(f"no section or case {unknown[0]!r}; {cases}")
    return [pair for pair in everything if (any(w in pair for w in only) if only else pair[0] not in ON_REQUEST)]


def start(names: list[str], threads: int) -> list[Peer]:
    """The peers that can be started; the others are named."""
    peers = []
    for name in names:
        try:
            peers.append(Peer(name, threads))
        except MissingPeer as error:
            print(f"skipped: {name}: {error}")
    return peers


def run(pairs: list[tuple[str, str]], names: list[str], threads: int, options: argparse.Namespace) -> str:
    """All tables for one number of threads."""
    peers = start(names, threads)
    tables = []
    try:
        for section, (title, _) in SECTIONS.items():
            rows = []
            for name in [case for s, case in pairs if s == section]:
                rows.append(run_case(peers, section, name, options.rounds, options.seconds, options.quantile))
                print(name, *(f"{p} {table.show(rows[-1].figure(p), rows[-1].unit)}" for p in rows[-1].figures), sep="  ")
                sys.stdout.flush()
            if rows:
                tables.append(table.table(title, rows, names))
    finally:
        for peer in peers:
            peer.close()
    what = "medians" if options.quantile == 0.5 else f"{options.quantile:g} quantiles"
    plural = "s" if threads > 1 else ""
    note = f"{threads} thread{plural}, {what} of {options.rounds} interleaved rounds; below 1: cyexec is faster.\n"
    return "\n".join([note, *tables])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help=f"cases, or of {', '.join(SECTIONS)}")
    parser.add_argument("--peers", nargs="+", default=list(ENVIRONMENTS), choices=list(ENVIRONMENTS), metavar="PEER")
    parser.add_argument("--threads", nargs="+", type=int, default=[2], metavar="N", help="a run for each; default: 2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each peer, case and round")
    parser.add_argument("--quantile", type=float, default=0.5, metavar="Q", help="instead of the median, on a busy machine")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    options = parser.parse_args()
    try:
        pairs = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    networks.write(cyexec)
    names = ["cyexec", *(p for p in options.peers if p != "cyexec")]
    text = "\n".join(run(pairs, names, n, options) for n in options.threads)
    print(f"\n{text}")
    if options.readme:
        table.into_readme(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
