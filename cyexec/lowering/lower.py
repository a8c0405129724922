"""Walk a graph and let every operator write its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..base import MXNetError
from ..graph.graph import Entry, Graph, Node
from ..kernels import levels
from ..ops.infer import product
from .program import BufferSpec, Program, Ref, StepSpec, Variants

FLOAT16 = np.dtype(np.float16)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)


class Instr(NamedTuple):
    """One instruction of an elementwise program: ``register[n] = name(*registers[args], scalar)``.

    Registers 0 to R-1 are the R operands read; R + k is the result of instruction k. The kernels'
    instruction names are listed in `cyexec/kernels/elementwise.pxi`.
    """

    name: str
    args: tuple[int, ...]
    scalar: float = 0.0


class OperandScalar(float):
    """A scalar that stands for an array, as in ``x + 0.1``: it is rounded to the array's dtype before anything is computed.

    Constants of a formula are plain floats: they keep the precision of the kernel.
    """


# What a comparison of anything with a scalar beyond all integers of its dtype is: (scalar too large, too small, NaN).
_BEYOND = {
    "equal_s": (0, 0, 0), "not_equal_s": (1, 1, 1), "lesser_s": (1, 0, 0), "lesser_equal_s": (1, 0, 0),
    "greater_s": (0, 1, 0), "greater_equal_s": (0, 1, 0),
}  # fmt: skip


def with_scalar_of(instr: Instr, dtype: np.dtype) -> Instr:
    """`instr` with an operand scalar as a number of `dtype`; integers drop the fraction, as MXNet's do.

    MXNet also wraps what is out of range, so ``uint8 < 256`` is nowhere true; here comparisons and extremes tell the truth.
    """
    scalar = instr.scalar
    if not isinstance(scalar, OperandScalar):
        return instr
    if dtype == FLOAT16:
        with np.errstate(over="ignore"):
            return instr._replace(scalar=float(np.float16(scalar)))
    if dtype.kind not in "iu":
        return instr._replace(scalar=float(scalar))
    range_ = np.iinfo(dtype)
    if not range_.min - 1 < scalar < range_.max + 1:
        if instr.name in _BEYOND:
            large, small, nan = _BEYOND[instr.name]
            return Instr("const", (), large if scalar > 0 else small if scalar < 0 else nan)
        if instr.name in ("maximum_s", "minimum_s") and not np.isnan(scalar):
            if (instr.name == "maximum_s") != (scalar > 0):
                return Instr("copy", instr.args)
            # As a double, the largest int64 would be one too many.
            return Instr("const", (), float(min(range_.max, 2**63 - 1024)) if scalar > 0 else float(range_.min))
        if not np.isfinite(scalar):
            return instr._replace(scalar=0.0)
        return instr._replace(scalar=float((int(scalar) - range_.min) % 2**range_.bits + range_.min))
    return instr._replace(scalar=float(int(scalar)))


class Lowering:
    """What an operator's ``lower(low, node)`` works with.

    Attributes
    ----------
    ins, outs : list of Ref
        The node's inputs (auxiliary states last) and outputs. Every output that is `used` must be written.
    is_train : bool
        Mode of the program.
    """

    def __init__(self, graph: Graph, compute_all: bool = False):
        self.graph = graph
        self._compute_all = compute_all
        self.is_train = graph.is_train
        self.program = Program(graph)
        self.node: Node | None = None
        self.ins: list[Ref] = []
        self.outs: list[Ref] = []
        self._used: set[Entry] = set()
        self._streams: dict[int, int] = {}  # how many streams the node of a number has drawn from

    # What operators call

    def used(self, output: int) -> bool:
        """Whether anything reads output number `output` of the node (or the user sees it)."""
        return self._compute_all or (self.node, output) in self._used

    def step(
        self,
        kernel: str,
        reads: Sequence[Ref],
        writes: Sequence[Ref],
        dtype: np.dtype | None = None,
        inplace: Sequence[tuple[int, int]] = (),
        **args: Any,
    ) -> None:
        """Add a kernel call.

        Parameters
        ----------
        kernel : str
            "family.Class": class `Class` of ``cyexec/kernels/family.pxi``.
        reads, writes : sequences of Ref
            Operands. What a kernel changes in place is listed in both, at the same Ref.
        dtype : dtype, optional
            Which build of the kernel; by default the dtype of the first write. If the kernel was not built for it,
            operands of that dtype are converted: float16 to float32, integers to float64, and results back.
        inplace : pairs (write, read)
            That write may use that read's memory: equal in bytes, and each element is read before it is written.
        args
            Passed to the class.
        """
        dtype = writes[0].dtype if dtype is None else dtype
        if not levels.has(kernel, dtype):
            wide = FLOAT32 if dtype == FLOAT16 else FLOAT64
            if not levels.has(kernel, wide):
                raise MXNetError(f"{self._where()}: no kernel {kernel} for {dtype}")
            self._step_in(wide, kernel, reads, writes, dtype, args)
            return
        self._add(kernel, dtype, tuple(reads), tuple(writes), args, tuple(inplace))

    def scratch_step(
        self,
        kernel: str,
        variants: Variants,
        reads: Sequence[Ref],
        writes: Sequence[Ref],
        inplace: Sequence[tuple[int, int]] = (),
        **args: Any,
    ) -> None:
        """Add a kernel call that works in scratch memory, of which it can do with less.

        Parameters
        ----------
        variants : Variants
            The workspace becomes the last of the writes. It has the dtype in which the kernel computes.
        kernel, reads, writes, inplace, args
            As for `step`; `variants` adds arguments.
        """
        made, dtype = variants(None), writes[0].dtype
        if not levels.has(kernel, dtype):
            dtype = FLOAT32 if dtype == FLOAT16 else FLOAT64
        self.step(kernel, reads, [*writes, self.workspace((made.size,), dtype)], inplace=inplace, **args, **made.args)
        step = next(s for s in reversed(self.program.steps) if s.kernel == kernel)  # conversions of results follow it
        step.variants = variants

    def elementwise(
        self,
        code: Sequence[Instr],
        reads: Sequence[Ref],
        writes: Sequence[Ref],
        results: Sequence[int] | None = None,
        dtype: np.dtype | None = None,
    ) -> None:
        """Add an elementwise step.

        All operands have one dtype; `reads` broadcast (NumPy's rule) to the shape that all `writes` have.
        `results` are the registers that the writes hold; by default the last instruction's.
        """
        shape = writes[0].shape
        dtype = writes[0].dtype if dtype is None else dtype
        code = [with_scalar_of(instr, dtype) for instr in code]
        results = tuple(results) if results is not None else (len(reads) + len(code) - 1,)
        kernel = "elementwise.Elementwise"
        supported = levels.supports_instructions(dtype, tuple(i.name for i in code))
        pairs = tuple((w, r) for w in range(len(writes)) for r, ref in enumerate(reads) if ref.shape == shape)
        args = {"code": tuple(tuple(i) for i in code), "results": results}
        if supported:
            self._add(kernel, dtype, tuple(reads), tuple(writes), args, pairs)
        else:
            self._step_in(FLOAT32 if dtype == FLOAT16 else FLOAT64, kernel, reads, writes, dtype, args, pairs)

    def copy(self, dst: Ref, src: Ref) -> None:
        """Copy all bytes of `src` to `dst` (equal sizes). Costs nothing where `alias.py` can make them one memory."""
        assert dst.nbytes == src.nbytes, (dst, src)
        if dst.nbytes:
            flat_src = src._replace(shape=(src.nbytes,), dtype=np.dtype(np.uint8))
            flat_dst = dst._replace(shape=(dst.nbytes,), dtype=np.dtype(np.uint8))
            self._add("movement.Copy", flat_dst.dtype, (flat_src,), (flat_dst,), {}, ())

    def fill(self, dst: Ref, value: float) -> None:
        """Set every element of `dst` to `value`."""
        bits = np.asarray(value).astype(dst.dtype).view(f"u{dst.dtype.itemsize}")
        self._add("movement.Fill", dst.dtype, (), (dst,), {"pattern": int(bits)}, ())

    def cast(self, src: Ref, dtype: np.dtype, dst: Ref | None = None) -> Ref:
        """Return `src` converted to `dtype` (itself, when it has that dtype and no `dst` is given)."""
        if dst is None:
            if src.dtype == dtype:
                return src
            dst = self.workspace(src.shape, dtype)
        if src.dtype == dst.dtype:
            self.copy(dst, src)
        else:
            self._add("cast.Cast", dst.dtype, (src,), (dst,), {}, ())
        return dst

    def workspace(self, shape: Sequence[int], dtype: np.dtype) -> Ref:
        """Scratch memory of this node's steps, planned like any buffer."""
        node = self.node
        name = node.name if node is not None else ""
        op = node.op.name if node is not None and node.op else ""
        return self._buffer("workspace", f"{name}_workspace", op, node.ctx if node else 0, tuple(shape), np.dtype(dtype))

    def random_stream(self) -> int:
        """Return a number that no other random step of this program has: each draws from a stream of its own.

        It follows from the node's number in the user's graph, so neither order nor recomputation changes what is drawn.
        """
        number = self.node.number if self.node is not None else -1
        self._streams[number] = self._streams.get(number, 0) + 1
        return ((number + 1) << 8) + self._streams[number]

    # How it is done

    def _where(self) -> str:
        return self.node.describe() if self.node is not None else "program"

    def _add(self, kernel: str, dtype: np.dtype, reads: tuple, writes: tuple, args: dict, inplace: tuple) -> None:
        self.program.steps.append(StepSpec(kernel, dtype, reads, writes, args, inplace, self.node))

    def _step_in(self, wide, kernel, reads, writes, dtype, args, pairs=()) -> None:
        """Run a step in dtype `wide`: operands of `dtype` are converted to it and results back."""
        converted: dict[Ref, Ref] = {}
        for ref in reads:
            if ref.dtype == dtype and ref not in converted:
                converted[ref] = self.cast(ref, wide)
        back = [(ref, self.workspace(ref.shape, wide)) if ref.dtype == dtype else (ref, ref) for ref in writes]
        self._add(
            kernel, wide, tuple(converted.get(r, r) for r in reads), tuple(w for _, w in back), args, tuple(pairs)
        )
        for ref, made in back:
            if made is not ref:
                self.cast(made, dtype, ref)

    def _buffer(
        self, kind: str, name: str, op: str, ctx: int, shape: tuple[int, ...], dtype: np.dtype, number: int = -1
    ) -> Ref:
        new = len(self.program.buffers)
        nbytes = product(shape) * dtype.itemsize
        self.program.buffers.append(BufferSpec(new, nbytes, kind, name, op, ctx, shape, dtype, number))
        return Ref(new, dtype, shape)

    def run(self) -> Program:
        """Lower the whole graph."""
        graph, program = self.graph, self.program
        self._used = {entry for node in graph.nodes for entry in node.inputs}
        self._used.update(graph.outputs)
        self._used.update(t.entry for t in graph.targets)

        # The first user of an entry's memory is the user's own array: outputs and gradients are born there.
        late_outputs: list[tuple[Ref, Entry]] = []
        late_grads: list[tuple[Ref, Entry, str]] = []
        born: dict[Entry, Ref] = {}
        for i, entry in enumerate(graph.outputs):
            ref = self._buffer("output", str(i), "", entry.node.ctx, entry.shape, entry.dtype, i)
            if entry.node.is_variable or entry in born:
                late_outputs.append((ref, entry))
            else:
                born[entry] = ref
        for i, target in enumerate(graph.targets):
            entry = target.entry
            ref = self._buffer("grad", target.name, "", entry.node.ctx, entry.shape, entry.dtype, i)
            if target.req == "add" or entry.node.is_variable or entry in born:
                late_grads.append((ref, entry, target.req))
            else:
                born[entry] = ref

        for count, node in enumerate(graph.nodes):
            if count == graph.num_forward:
                self._finish_forward(late_outputs)
            first = len(program.steps)
            self._lower_node(node, born)
            program.spans.append((node, first, len(program.steps)))
        if len(graph.nodes) == graph.num_forward:
            self._finish_forward(late_outputs)

        self.node = None
        for ref, entry, req in late_grads:
            value = program.entries[entry]
            if req == "add":
                self.elementwise([Instr("add", (0, 1))], [ref, value], [ref])
            else:
                self.copy(ref, value)
        program.home = [(b.id, 0) for b in program.buffers]
        self._note_needed_heads()
        return program

    def _finish_forward(self, late_outputs: list[tuple[Ref, Entry]]) -> None:
        self.node = None
        for ref, entry in late_outputs:
            self.copy(ref, self.program.entries[entry])
        self.program.num_forward = len(self.program.steps)

    def _lower_node(self, node: Node, born: dict[Entry, Ref]) -> None:
        entries = self.program.entries
        self.node = node
        if node.number >= 0:
            self._streams.pop(node.number, None)  # a node computed again draws the same numbers again
        if node.is_variable:
            entries[node[0]] = self._buffer(
                node.kind, node.name, "", node.ctx, node.shapes[0], node.dtypes[0], node.number
            )
            return
        op = node.op
        assert op is not None and node.params is not None
        names = op.output_names(node.params)
        self.ins = [entries[e] for e in node.inputs]
        self.outs = []
        for i, (shape, dtype) in enumerate(zip(node.shapes, node.dtypes)):
            entry = Entry(node, i)
            ref = born.get(entry)
            if ref is None:
                ref = self._buffer("value", f"{node.name}_{names[i]}", op.name, node.ctx, shape, dtype)
            else:
                spec = self.program.buffers[ref.buffer]
                spec.op = op.name
                if spec.kind == "output":
                    spec.name = f"{node.name}_{names[i]}"
            entries[entry] = ref
            self.outs.append(ref)
        try:
            if op.lower is not None:
                op.lower(self, node)
            elif op.elementwise is not None:
                self.elementwise(op.elementwise(node.params), self.ins, self.outs)
            else:
                raise MXNetError(f"{node.describe()}: operator {op.name} has no kernel")
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Parameters that are impossible in a way the rule of shapes does not see.
            found = ", ".join(f"{n}={r.shape}" for n, r in zip(op.input_names(node.params), self.ins))
            raise MXNetError(f"{node.describe()}: {error}; inputs are {found}") from error

    def _note_needed_heads(self) -> None:
        read = [e.node for n in self.graph.nodes for e in n.inputs] + [t.entry.node for t in self.graph.targets]
        self.program.needed_heads = tuple(sorted({n.number for n in read if n.kind == "head_grad"}))


def lower(graph: Graph, compute_all: bool = False) -> Program:
    """Return the program of `graph`: every value in a buffer of its own, before aliasing.

    With `compute_all` operators compute outputs that nobody reads too: a monitor sees them.
    """
    return Lowering(graph, compute_all).run()
