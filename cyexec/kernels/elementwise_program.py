"""Turn a chain of elementwise instructions into what the kernel `elementwise.Elementwise` runs.

Done once, at bind. A value of the chain is ("read", operand), ("write", destination), ("made", instruction) or
("saved", operand): a copy of an operand made before a write to the same memory overtakes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import copysign
from typing import NamedTuple

Value = tuple[str, int]


class InstructionInfo(NamedTuple):
    """A row of the kernel's table: where it is, how many operands it reads, its cost in additions an element."""

    number: int
    inputs: int
    cost: float


@dataclass(slots=True)
class Line:
    """One loop: ``out = name(*args, scalar)``; the scalar is the first element of `scalar_from` where that is given.

    ``uniform``: one element instead of a tile.
    """

    name: str
    args: list[Value]
    scalar: float
    scalar_from: Value | None
    uniform: bool
    out: Value


def merge_dimensions(
    shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]
) -> tuple[list[int], int, list[list[int]]]:
    """Merge dimensions where all operands allow it.

    Parameters
    ----------
    shapes : sequence of shapes
        Of C-contiguous operands that broadcast to `shape`.

    Returns
    -------
    outer : list of int
        Extents above the rows.
    row : int
        Elements of a row.
    strides : list of lists of int
        For each operand, in elements, by outer dimension and then along the row; 0 where it repeats, so 0 or 1 at last.

    Raises
    ------
    ValueError
        An operand does not broadcast.
    """
    for s in shapes:
        if len(s) > len(shape) or any(a not in (1, b) for a, b in zip(s[::-1], shape[::-1])):
            raise ValueError(f"Elementwise: {s} does not broadcast to {shape}")
    if 0 in shape:
        return [], 0, [[1] for _ in shapes]
    strides: list[list[int]] = []
    for s in shapes:
        own = []
        step = 1
        for extent in reversed(s):
            own.append(0 if extent == 1 else step)
            step *= extent
        strides.append(own[::-1])
    extents: list[int] = []
    merged: list[list[int]] = [[] for _ in shapes]
    for d in range(len(shape) - 1, -1, -1):
        if shape[d] == 1:
            continue
        here = []
        for own in strides:
            position = d - (len(shape) - len(own))
            here.append(own[position] if position >= 0 else 0)
        if extents and all(h == m[-1] * extents[-1] for h, m in zip(here, merged)):
            extents[-1] *= shape[d]
        else:
            extents.append(shape[d])
            for m, h in zip(merged, here):
                m.append(h)
    if not extents:
        return [], 1, [[1] for _ in shapes]
    return extents[:0:-1], extents[0], [m[::-1] for m in merged]


def compile_chain(
    code: Sequence[tuple[str, tuple[int, ...], float]],
    results: Sequence[int],
    uniform_reads: Sequence[bool],
    shared: Sequence[set[int]],
    table: Mapping[str, InstructionInfo],
) -> tuple[list[Line], float]:
    """Choose a loop for every instruction and place the results.

    Parameters
    ----------
    code, results
        As `Elementwise` takes them.
    uniform_reads : sequence of bool
        Which operands are one number along a row.
    shared : sequence of sets
        For each operand, the writes at the same address.
    table : mapping
        The kernel's instructions.

    Returns
    -------
    program : list of Line
    weight : float
        Cost of an element, in additions.
    """
    num_reads = len(uniform_reads)
    values: list[Value] = [("read", r) for r in range(num_reads)]
    uniform = dict(zip(values, uniform_reads))
    program: list[Line] = []
    weight = 0.0

    def emit(name: str, args: list[Value], scalar: float, scalar_from: Value | None, one: bool) -> Value:
        value = ("made", len(program))
        program.append(Line(name, args, scalar, scalar_from, one, value))
        uniform[value] = one
        return value

    for name, registers, scalar in code:
        if name not in table:
            raise ValueError(f"Elementwise: no instruction {name}")
        if table[name].inputs != len(registers) or any(not 0 <= r < len(values) for r in registers):
            raise ValueError(f"Elementwise: {name}{tuple(registers)} with {len(values)} registers")
        name = _simpler(name, scalar)
        args = [values[r] for r in registers]
        flat = [uniform[a] for a in args]
        scalar_from = None
        if not all(flat):
            weight += table[name].cost
            if len(args) == 2 and any(flat):
                scalar_from = args[0] if flat[0] else args[1]
                name, args = (f"r{name}_s", args[1:]) if flat[0] else (f"{name}_s", args[:1])
            elif len(args) == 3:
                args = [emit("const", [], 0.0, a, False) if f else a for a, f in zip(args, flat)]
        values.append(emit(name, args, scalar, scalar_from, all(flat)))

    # A read that shares memory with a write is saved first when something reads it after that write.
    written = {}
    producer = {line.out: k for k, line in enumerate(program)}
    last_read = _last_readers(program)
    saves = {}
    for w, register in enumerate(results):
        if not 0 <= register < len(values):
            raise ValueError(f"Elementwise: write {w} holds register {register} of {len(values)}")
        value = values[register]
        clobbers = any(w in shared[r] and last_read.get(("read", r), -1) > producer.get(value, -1) for r in range(num_reads))
        if value in written or value[0] == "read" or uniform[value] or clobbers:
            if value[0] == "read" and shared[value[1]] and not uniform[value] and len(results) > 1:
                if value not in saves:
                    saves[value] = Line("copy", [value], 0.0, None, False, ("saved", value[1]))
                value = saves[value].out
            if uniform.get(value, False):
                program.append(Line("const", [], 0.0, value, False, ("write", w)))
            else:
                program.append(Line("copy", [value], 0.0, None, False, ("write", w)))
        else:
            written[value] = ("write", w)
    program = [*saves.values(), *program]
    for line in program:
        line.out = written.get(line.out, line.out)
        line.args = [written.get(a, a) for a in line.args]
    return program, max(weight, 1.0)


def _simpler(name: str, scalar: float) -> str:
    """An exactly equal instruction that is faster: x^1, x^2 and x^-1 need no logarithm."""
    if name == "power_s":
        return {1.0: "copy", 2.0: "square", -1.0: "reciprocal"}.get(float(scalar), name)
    return name


def _last_readers(program: Sequence[Line]) -> dict[Value | None, int]:
    return {value: k for k, line in enumerate(program) for value in (*line.args, line.scalar_from)}


def assign_tiles(program: Sequence[Line], num_reads: int, num_writes: int) -> tuple[list[tuple], int]:
    """Give every value a register: operands, destinations, then tiles, reused after a value's last reader.

    Returns
    -------
    placed : list of (name, argument registers, scalar, scalar register or -1, uniform, result register)
    num_tiles : int
    """
    last_read = _last_readers(program)
    tiles: dict[Value, int] = {}
    free: list[int] = []
    num_tiles = 0
    placed = []

    def register(value: Value) -> int:
        if value in tiles:
            return num_reads + num_writes + tiles[value]
        return value[1] + (num_reads if value[0] == "write" else 0)

    for k, line in enumerate(program):
        args = [register(a) for a in line.args]
        scalar_from = -1 if line.scalar_from is None else register(line.scalar_from)
        # A tile whose last reader this is may take the result: loops read an element before they write it.
        free += [tiles[a] for a in {*line.args, line.scalar_from} if a in tiles and last_read[a] == k]
        if line.out[0] != "write":
            if line.out not in last_read:
                continue
            if not free:
                free.append(num_tiles)
                num_tiles += 1
            tiles[line.out] = free.pop()
        placed.append((line.name, args, line.scalar, scalar_from, line.uniform, register(line.out)))
    return placed, num_tiles


Placed = tuple[list[tuple], int, float]


def chain_compiler(table: Mapping[str, InstructionInfo]) -> Callable[..., Placed]:
    """Return ``compile(code, results, uniform_reads, shared)``: `compile_chain`, then `assign_tiles`.

    Equal chains are compiled once: a network has many layers of a kind. The results are shared and must not be changed.
    """

    @lru_cache(maxsize=1024)
    def compiled(code: tuple, signs: tuple, results: tuple, uniform: tuple, shared: tuple, num_writes: int) -> Placed:
        program, weight = compile_chain(code, results, uniform, shared, table)
        placed, num_tiles = assign_tiles(program, len(uniform), num_writes)
        return placed, num_tiles, weight

    def compile(code: tuple, results: tuple, uniform: Sequence[bool], shared: Sequence[set[int]], num_writes: int) -> Placed:
        signs = tuple([copysign(1.0, scalar) for _, _, scalar in code])  # 0.0 and -0.0 are equal
        return compiled(code, signs, results, tuple(uniform), tuple(map(frozenset, shared)), num_writes)

    return compile
