"""What this installation is and how it will run."""

from __future__ import annotations

import platform

import numpy as np

from .kernels import levels
from .libinfo import release
from .ops import registry
from .runtime.schedule import get_num_threads


def show_config() -> None:
    """Print versions, the CPU level in use, those available, threads and the number of operators."""
    print(f"cyexec {release}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"CPU level: {levels.level} (available: {', '.join(levels.available_levels())})")
    print(f"Threads: {get_num_threads()}")
    print(f"Operators: {sum(not op.hidden for op in registry.all_ops())}")
