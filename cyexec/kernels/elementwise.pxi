# levels: base v2 v3 v4
# dtypes: f32 f64
# base-dtypes: i8 u8 i32 i64
# flags: -ffp-contract=off -fwrapv
#
# A chain of elementwise instructions as one step.
#
# The operands broadcast to the shape of the writes. Dimensions are merged where all operands allow it, which leaves rows:
# within a row an operand is either contiguous or one number ("uniform"). The program runs tile by tile along the rows.
# A value of the chain lives in a tile of a small buffer on the stack (L1), or, when it is written, directly in the
# destination. Values that depend on uniform operands alone are computed once a tile, and instructions that read them
# take them as a scalar.
#
# Flags: contraction is off so that the numbers do not depend on where a vector loop ends and its tail begins (multiply-add
# is written out where wanted); integers wrap.
import numpy as np

from cyexec.kernels.elementwise_program import InstructionInfo, chain_compiler, merge_dimensions
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "elementwise_table.h" nogil:
    ctypedef void (*Loop "ew_loop")(
        Py_ssize_t n, const real* a, const real* b, const real* c, real* out, real s) noexcept nogil
    ctypedef struct Entry "ew_entry":
        const char* name
        Loop loop
        int inputs
        double cost
    const Entry EW_TABLE[]
    const int EW_COUNT

cdef enum:
    TILE_BYTES = 24576       # all tiles of a step together: they share 32 KB or more of L1 with the operands streaming by
    LONGEST_TILE = 2048      # bytes; shorter ones cost calls, with longer ones memory waits while arithmetic works (x2 at 1e7 floats)
    MAX_REGISTERS = 160      # operands, destinations and tiles of one step
    MAX_DIMS = 32
    ALIGNED_TILE_BYTES = TILE_BYTES + 64

# Names of the instructions this dtype has; `levels.supports_instructions` looks here.
TABLE = {
    EW_TABLE[i].name.decode(): InstructionInfo(i, EW_TABLE[i].inputs, EW_TABLE[i].cost) for i in range(EW_COUNT)
}
INSTRUCTIONS = frozenset(TABLE)
COMPILE = chain_compiler(TABLE)


cdef struct Instruction:
    Loop loop
    int a, b, c, out         # registers; see Elementwise.run_rows
    int scalar_from          # register whose first element is the scalar, or -1
    bint uniform             # one element instead of the whole tile
    real scalar


cdef class Elementwise(Step):
    """``register[R + k] = instruction k``, elementwise; the writes hold the registers `results`.

    Parameters
    ----------
    reads : list of R arrays
        They broadcast (NumPy's rule) to the writes' shape.
    writes : list of arrays
        All of one shape. A write may share the memory of a read of its shape.
    code : tuple of (name, registers, scalar)
    results : tuple of int
    """

    cdef list _arrays                     # keeps the operands and the program alive
    cdef Py_ssize_t size                  # elements of a write
    cdef Py_ssize_t row                   # elements of a row
    cdef Py_ssize_t tile                  # elements of a tile
    cdef int num_outer                    # dimensions above the rows
    cdef int num_reads, num_writes, num_tiles, count
    cdef Py_ssize_t[::1] extents          # of the outer dimensions
    cdef Py_ssize_t[:, ::1] strides       # by operand: of the outer dimensions, then 0 or 1 along the row
    cdef Instruction* code
    cdef real** bases                     # of operands, then destinations
    cdef bint direct                      # one instruction, one row: no tiles, no walk
    cdef Instruction first

    def __init__(self, reads, writes, *, code, results):
        shape = writes[0].shape
        if any(w.shape != shape for w in writes):
            raise ValueError("Elementwise: writes of different shapes")
        self.num_reads = len(reads)
        self.num_writes = len(writes)
        outer, self.row, strides = merge_dimensions([r.shape for r in reads], shape)
        self.size = writes[0].size
        self.num_outer = len(outer)
        if self.num_outer > MAX_DIMS:
            raise ValueError("Elementwise: too many dimensions")
        self.extents = np.array(outer, np.intp)
        self.strides = np.array(strides, np.intp).reshape(len(reads), len(outer) + 1)

        cdef const real[::1] source
        cdef real[::1] target
        bases = np.zeros(len(reads) + len(writes) + 1, np.uintp)
        addresses = []
        for i, array in enumerate(reads):
            source = _flat(array)
            bases[i] = <size_t>&source[0] if array.size else 0
        for i, array in enumerate(writes):
            target = _flat(array)
            bases[len(reads) + i] = <size_t>&target[0] if array.size else 0
        cdef size_t[::1] base_view = bases
        self.bases = <real**>&base_view[0]

        uniform = [s[len(outer)] == 0 for s in strides]
        shared = [
            {w for w in range(len(writes)) if bases[len(reads) + w] == bases[r]} for r in range(len(reads))
        ]
        program, self.num_tiles, weight = COMPILE(code, results, uniform, shared, len(writes))
        self.count = len(program)
        if len(reads) + len(writes) + self.num_tiles > MAX_REGISTERS:
            raise ValueError(f"Elementwise: chain of {len(code)} instructions is too long")
        packed = np.zeros(max(1, self.count) * sizeof(Instruction), np.uint8)
        cdef unsigned char[::1] packed_view = packed
        self.code = <Instruction*>&packed_view[0]
        cdef Instruction* ins
        for k, (name, args, scalar, scalar_from, one, out) in enumerate(program):
            ins = &self.code[k]
            ins.loop = EW_TABLE[<int>TABLE[name].number].loop
            ins.a, ins.b, ins.c = (*args, 0, 0, 0)[:3]
            ins.out = out
            ins.scalar_from = scalar_from
            ins.uniform = one
            ins.scalar = _scalar(scalar)
        self._arrays = [list(reads), list(writes), bases, packed]

        self.direct = self.count == 1 and self.num_outer == 0
        self.first = self.code[0]
        if self.num_tiles == 0 and self.count == 1:
            self.tile = self.row
        else:
            tile = min(LONGEST_TILE, TILE_BYTES // max(self.num_tiles, 1)) // 64 * 64
            self.tile = tile // sizeof(real)
        if self.size == 1:
            self.tile = 1
        moved = (len(reads) + len(writes)) * sizeof(real)
        # 100 GB/s from a second-level cache, and what additions and exponentials were measured to take.
        self.cost = 5 + self.size * (0.01 * moved + 0.003 * weight * sizeof(real))
        if self.num_outer and self.row:
            self.cost += 4.0 * self.size / self.row * self.count

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.size, 2048)
        cdef Py_ssize_t n = part.stop - part.start
        cdef Instruction* ins
        cdef real** at
        if n <= 0:
            return
        if not self.direct:
            if self.num_tiles == 0:
                self.walk(NULL, part)
            else:
                self.walk_with_tiles(part)
            return
        ins = &self.first
        at = self.bases
        # An operand read as a scalar is not shifted; `b` and `c` of instructions that have none are harmless addresses.
        ins.loop(n, at[ins.a] + part.start, at[ins.b] + part.start, at[ins.c] + part.start, at[ins.out] + part.start,
                 ins.scalar if ins.scalar_from < 0 else at[ins.scalar_from][0])

    cdef void walk_with_tiles(self, Span part) noexcept nogil:
        cdef char memory[ALIGNED_TILE_BYTES]
        cdef size_t start = (<size_t>&memory[0] + 63) & ~(<size_t>63)
        self.walk(<real*>start, part)

    cdef void walk(self, real* tiles, Span part) noexcept nogil:
        """Run the program on elements part.start to part.stop of the writes.

        Registers are addresses: operands and destinations at their next element, then the tiles.
        """
        cdef real* at[MAX_REGISTERS]
        cdef Py_ssize_t index[MAX_DIMS]
        cdef Py_ssize_t row = self.row, column = 0, left, n, rest = 0, stride
        cdef Py_ssize_t done = part.start
        cdef int r, d, k, first_tile = self.num_reads + self.num_writes
        cdef Instruction* ins
        cdef real s
        for k in range(self.num_tiles):
            at[first_tile + k] = tiles + k * self.tile
        for k in range(self.num_writes):
            at[self.num_reads + k] = self.bases[self.num_reads + k] + part.start
        if part.start:  # else everything is 0, and a small step has no time for divisions
            column = part.start % row
            rest = part.start // row
        for d in range(self.num_outer - 1, -1, -1):
            index[d] = rest % self.extents[d] if rest else 0
            rest = rest // self.extents[d] if rest else 0
        for r in range(self.num_reads):
            at[r] = self.bases[r] + column * self.strides[r, self.num_outer]
            for d in range(self.num_outer):
                at[r] += index[d] * self.strides[r, d]
        while True:
            left = min(row - column, part.stop - done)
            column += left
            done += left
            while left > 0:
                n = min(left, self.tile)
                for k in range(self.count):
                    ins = &self.code[k]
                    s = ins.scalar if ins.scalar_from < 0 else at[ins.scalar_from][0]
                    ins.loop(1 if ins.uniform else n, at[ins.a], at[ins.b], at[ins.c], at[ins.out], s)
                left -= n
                for r in range(self.num_reads):
                    at[r] += n * self.strides[r, self.num_outer]
                for k in range(self.num_reads, first_tile):
                    at[k] += n
            if done >= part.stop:
                return
            # Next row: the operands that moved along this one go back, then on by the outer dimension that steps.
            column = 0
            d = self.num_outer - 1
            while d > 0 and index[d] + 1 == self.extents[d]:
                d -= 1
            for r in range(self.num_reads):
                stride = self.strides[r, d] - row * self.strides[r, self.num_outer]
                for k in range(d + 1, self.num_outer):
                    stride -= index[k] * self.strides[r, k]
                at[r] += stride
            for k in range(d + 1, self.num_outer):
                index[k] = 0
            index[d] += 1


cdef real _scalar(value):
    """The scalar as this dtype: integers drop the fraction and wrap, as MXNet's do."""
    if IS_FLOATING:
        return <real><double>value
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        return 0
    return <real><long long>((int(value) + 2**63) % 2**64 - 2**63)


def _flat(array):
    """The elements in one row; bool as the bytes it is."""
    flat = array.reshape(-1)
    return flat.view(np.uint8) if flat.dtype == np.bool_ else flat
