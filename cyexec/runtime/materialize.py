"""Make the step objects of a program over given memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..base import IndexOutOfRange, MXNetError
from ..kernels import levels
from ..kernels.step import Step
from ..lowering.program import Program, Ref

# A buffer's memory: anything with the buffer protocol, and the byte in it where the buffer begins.
Memory = tuple[Any, int]


def materialize(program: Program, memory: Callable[[int], Memory]) -> list[Step]:
    """Return one step for each of `program.steps`, with views of the memory that `memory(root buffer)` gives.

    Views are made and checked here, once; running the steps checks nothing.
    """
    steps = []
    views: dict[tuple, np.ndarray] = {}

    def view(ref: Ref, as_dtype: np.dtype | None) -> np.ndarray:
        dtype = as_dtype or ref.dtype
        root = program.resolve(ref)
        key = (root.buffer, root.offset, root.shape, dtype)
        array = views.get(key)
        if array is None:
            base, start = memory(root.buffer)
            array = np.ndarray(root.shape, dtype, buffer=base, offset=start + root.offset)
            views[key] = array
        return array

    for spec in program.steps:
        cls, size_dtype = levels.resolve(spec.kernel, spec.dtype)
        reads = [view(r, size_dtype if r.dtype == spec.dtype else None) for r in spec.reads]
        writes = [view(w, size_dtype if w.dtype == spec.dtype else None) for w in spec.writes]
        try:
            steps.append(cls(reads, writes, **spec.args))
        except (ValueError, TypeError) as error:
            where = spec.node.describe() if spec.node else "program"
            raise MXNetError(f"{where}: step {spec.kernel} {[r.shape for r in reads]}: {error}") from error
    return steps


def run_unplanned(program: Program, external: dict[int, np.ndarray], seed: int = 0) -> None:
    """Run a program with a separate array for each buffer: no plan, no aliases, one thread. The tests' yardstick.

    `external` maps the ids of the user's buffers to their arrays.
    """
    arrays: dict[int, np.ndarray] = {}

    def memory(buffer: int) -> Memory:
        if buffer in external:
            return external[buffer], 0
        if buffer not in arrays:
            arrays[buffer] = np.full(max(program.buffers[buffer].nbytes, 1), 0xCD, np.uint8)
        return arrays[buffer], 0

    for step in materialize(program, memory):
        step(seed)
        failure = step.take_failure() if hasattr(step, "take_failure") else ""
        if failure:
            raise IndexOutOfRange(failure)
