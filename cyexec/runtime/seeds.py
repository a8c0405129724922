"""Seeds of random operators: one for each run, from one stream that ``mx.random.seed`` restarts."""

from __future__ import annotations

import itertools

_MASK = (1 << 64) - 1

# As in MXNet, a process that never calls seed() draws the same numbers each time.
_base = 0
_count = itertools.count(1)  # next() on it is atomic, so threads need no lock


def seed(value: int) -> None:
    """Restart the stream of seeds at `value`."""
    global _base, _count
    _base = value & _MASK
    _count = itertools.count(1)


def next_seed() -> int:
    """Return a 64-bit seed that no earlier run had: SplitMix64 (Steele, Lea and Flood, 2014) of the number of the run."""
    z = (_base + next(_count) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
