"""Lifetimes of a program's buffers, as a problem for the planner."""

from __future__ import annotations

from dataclasses import dataclass

from planner import Buffer, Problem

from .program import Program

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


@dataclass(slots=True)
class Life:
    """First and last step (inclusive) that touch a root buffer."""

    first: int
    last: int


def lifetimes(program: Program) -> dict[int, Life]:
    """Lives of all root buffers that a step touches, by buffer id.

    A visible value lives at least until its node's last step, so that a monitor can see it there.
    """
    lives: dict[int, Life] = {}
    home = program.home
    for k, step in enumerate(program.steps):
        for ref in (*step.reads, *step.writes):
            root = home[ref.buffer][0]
            life = lives.get(root)
            if life is None:
                lives[root] = Life(k, k)
            else:
                life.last = k
    for node, _, stop in program.spans:
        if node.op is None:
            continue
        for i in range(len(node.shapes)):
            ref = program.entries[node[i]]
            life = lives.get(home[ref.buffer][0])
            if life is not None and life.last < stop - 1:
                life.last = stop - 1
    return lives


def memory_problem(program: Program, lives: dict[int, Life], guard: int = 0) -> Problem:
    """Return the planning problem of the arenas.

    Parameters
    ----------
    lives : dict of int to Life
        What `lifetimes` gave.
    guard : int
        Bytes added behind every buffer (for CYEXEC_CHECK, which watches them).
    """
    buffers = []
    for root, life in lives.items():
        spec = program.buffers[root]
        if not spec.external and spec.nbytes:
            buffers.append(Buffer(root, life.first, life.last + 1, spec.nbytes + guard, ALIGNMENT, arena=spec.ctx))
    return Problem(buffers)
