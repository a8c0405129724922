"""Let the workspaces of a program answer to its memory: none raises the peak that the values themselves have.

Steps ask for the scratch memory with which they are fastest. Below the peak of the values that costs nothing, for the
memory is there; at the peak it makes the arena larger than what is computed needs. There the steps that can do with less
(`program.Variants`: fewer weights packed at a time, smaller areas of a convolution) take the fastest way that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate

from .liveness import ALIGNMENT, Life
from .program import Program

# What workspaces may add to what the values need is worth no slower step: up to the next whole megabyte, or this part of
# the values where that is more.
GRAIN = 1 << 20
PART = 50


def padded(nbytes: int) -> int:
    """Bytes that a buffer of `nbytes` takes in an arena."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def allowed(nbytes: int) -> int:
    """Bytes that an arena may take whose values take `nbytes` at their peak."""
    more = nbytes // PART
    return padded(nbytes + more) if more >= GRAIN else (nbytes // GRAIN + 1) * GRAIN - ALIGNMENT


def arenas(program: Program, lives: dict[int, Life]) -> set[int]:
    """Contexts that root buffers live in."""
    return {program.buffers[root].ctx for root in lives if not program.buffers[root].external}


def profile(program: Program, lives: dict[int, Life], ctx: int, sizes: Mapping[int, int]) -> list[int]:
    """Bytes of one arena that are alive at each step, of root buffers with these sizes."""
    change = [0] * (len(program.steps) + 1)
    for root, nbytes in sizes.items():
        if program.buffers[root].ctx == ctx:
            change[lives[root].first] += padded(nbytes)
            change[lives[root].last + 1] -= padded(nbytes)
    return list(accumulate(change))


def alive(program: Program, lives: dict[int, Life], ctx: int, *kinds: str) -> list[int]:
    """Bytes of one arena that are alive at each step, of root buffers of these kinds."""
    buffers = program.buffers
    return profile(program, lives, ctx, {root: buffers[root].nbytes for root in lives if buffers[root].kind in kinds})


def values_peak(program: Program, lives: dict[int, Life]) -> int:
    """Bytes of the values at the peak, all arenas together."""
    return sum(max(alive(program, lives, ctx, "value")) for ctx in arenas(program, lives))


def limit_workspaces(program: Program, lives: dict[int, Life], limit_of: Callable[[int], int] = allowed) -> None:
    """Choose ways with less workspace for the steps of `program` at which it would raise the peak. Changes `program`.

    Parameters
    ----------
    program : Program
        Its memory has been shared.
    lives : dict of int to Life
        Of its root buffers (`liveness.lifetimes`).
    limit_of : callable
        From the bytes of the values at their peak to those that an arena may take.
    """
    for ctx in arenas(program, lives):
        values = alive(program, lives, ctx, "value")
        limit = limit_of(max(values))
        total = alive(program, lives, ctx, "value", "workspace")
        if max(total) <= limit:
            continue
        for k, step in enumerate(program.steps):
            if total[k] <= limit or step.variants is None:
                continue
            ref = step.writes[-1]
            spec = program.buffers[ref.buffer]
            if spec.ctx != ctx or not spec.nbytes:
                continue
            left = limit - (total[k] - padded(spec.nbytes))
            made = step.variants(max(0, left) // ref.dtype.itemsize)
            shape = (made.size,)
            writes = (*step.writes[:-1], ref._replace(shape=shape))
            # In other orders of this program they may have room: nothing that is shared with those may change.
            program.steps[k] = replace(step, args={**step.args, **made.args}, writes=writes)
            program.buffers[spec.id] = replace(spec, shape=shape, nbytes=made.size * ref.dtype.itemsize)
