"""Chooses the CPU level at import and hands out step classes.

``CYEXEC_CPU_LEVEL`` (base, v2, v3 or v4) forces a level; without it the best one that this CPU runs and that was built
is taken. A family that was not built for the level, or for a dtype at that level, falls back to its next lower one.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache

import numpy as np

from . import _cpu
from .step import Step

LEVELS = ("base", "v2", "v3", "v4")
DTYPE_CODES = {
    np.dtype(np.float32): "f32", np.dtype(np.float64): "f64", np.dtype(np.int8): "i8", np.dtype(np.uint8): "u8",
    np.dtype(np.int32): "i32", np.dtype(np.int64): "i64", np.dtype(np.bool_): "u8",
}  # fmt: skip


def _choose() -> str:
    best = LEVELS[_cpu.level() - 1]
    forced = os.environ.get("CYEXEC_CPU_LEVEL")
    if not forced:
        return best
    if forced == "generic":
        forced = "base"
    if forced not in LEVELS:
        raise ImportError(f"CYEXEC_CPU_LEVEL={forced!r}: expected one of {', '.join(LEVELS)}")
    if LEVELS.index(forced) > LEVELS.index(best):
        raise ImportError(f"CYEXEC_CPU_LEVEL={forced!r}: this CPU runs levels up to {best!r}")
    return forced


level = _choose()


def set_level(name: str) -> None:
    """Use level `name` for schedules made from now on (for tests; the environment variable is the user's way)."""
    global level
    if name not in LEVELS or LEVELS.index(name) > _cpu.level() - 1:
        raise ValueError(f"level {name!r} does not run here; the CPU's best is {LEVELS[_cpu.level() - 1]!r}")
    level = name


def available_levels() -> list[str]:
    """Levels that this CPU runs and that were built."""
    return [n for n in LEVELS[: _cpu.level()] if importlib.util.find_spec(f"cyexec.kernels._elementwise_f32_{n}")]


@cache
def _module(family: str, code: str, at: str):
    for name in reversed(LEVELS[: LEVELS.index(at) + 1]):
        full = f"cyexec.kernels._{family}_{code}_{name}"
        if importlib.util.find_spec(full) is not None:
            return importlib.import_module(full)
    return None


@cache
def _find(kernel: str, dtype: np.dtype, at: str) -> tuple[type[Step], np.dtype | None] | None:
    family, cls = kernel.split(".")
    # Kernels that only move data are built by size ("b4") and serve every dtype of that size.
    size_code = f"b{dtype.itemsize}"
    # "any" kernels look at their operands' dtypes themselves (casts).
    codes = ((DTYPE_CODES.get(dtype), None), (size_code, np.dtype(f"u{dtype.itemsize}")), ("any", None))
    for code, view in codes:
        module = _module(family, code, at) if code else None
        if module is not None and hasattr(module, cls):
            return getattr(module, cls), view
    return None


def has(kernel: str, dtype: np.dtype) -> bool:
    """Whether `kernel` ("family.Class") was built for `dtype`."""
    return _find(kernel, np.dtype(dtype), level) is not None


def resolve(kernel: str, dtype: np.dtype) -> tuple[type[Step], np.dtype | None]:
    """Step class `kernel` ("family.Class") for `dtype` at the current level.

    Returns
    -------
    cls : type
    view : dtype or None
        The unsigned integer dtype that operands must be viewed as, for kernels built by size.

    Raises
    ------
    KeyError
        There is no such kernel.
    """
    found = _find(kernel, np.dtype(dtype), level)
    if found is None:
        raise KeyError(f"no kernel {kernel} for {np.dtype(dtype)} at level {level}")
    return found


@cache
def supports_instructions(dtype: np.dtype, names: tuple[str, ...]) -> bool:
    """Whether the elementwise kernel of `dtype` has all these instructions."""
    code = DTYPE_CODES.get(dtype)
    module = _module("elementwise", code, "base") if code else None
    return module is not None and all(name in module.INSTRUCTIONS for name in names)
