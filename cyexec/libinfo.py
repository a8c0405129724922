"""Versions and files of this library.

`release` is the version of cyexec. ``mx.__version__`` is the version of MXNet whose behaviour it has, since that is what
scripts look at when they ask whether a feature is there; symbol files carry the same number.
"""

from __future__ import annotations

from pathlib import Path

release = "0.1.0"
__version__ = "1.7.0"


def find_lib_path(prefix: str = "libmxnet") -> list[str]:
    """Return where the compiled part is that runs schedules; there is no shared library with a C interface."""
    return sorted(map(str, (Path(__file__).parent / "runtime").glob("schedule*.so")))
