# levels: base
# dtypes: b1 b2 b4 b8
# flags: -O2
# Moving elements without looking at them. Built by element size: the same module serves every dtype of that size.
cimport cython
from libc.string cimport memcpy

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "movement.h" nogil:
    void move_tile(real* y, const real* x, long rows, long columns, long y_row, long x_column) noexcept


cdef class Copy(Step):
    """y = x, contiguous."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT

    def __init__(self, reads, writes):
        self.x = reads[0].reshape(-1)
        self.y = writes[0].reshape(-1)
        if self.x.shape[0] != self.y.shape[0]:
            raise ValueError("Copy: sizes differ")
        self.cost = self.x.shape[0] * sizeof(real) * 0.1

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.y.shape[0], 16384)
        if part.stop > part.start:
            memcpy(&self.y[part.start], &self.x[part.start], (part.stop - part.start) * sizeof(real))


cdef class Fill(Step):
    """Every element becomes the same bit pattern."""
    cdef real[::1] y                  # OUT
    cdef real pattern

    def __init__(self, reads, writes, *, pattern):
        self.y = writes[0].reshape(-1)
        self.pattern = <real>pattern
        self.cost = self.y.shape[0] * sizeof(real) * 0.06

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i
        cdef Span part = share(team, self.y.shape[0], 16384)
        for i in range(part.start, part.stop):
            self.y[i] = self.pattern


# StridedCopy: y[offset + index . y_strides] = x[offset + index . x_strides] for every index of a box.
#
# The box is normalised once, at construction: extents 1 are dropped, dims are ordered by destination stride, and
# neighbours that are one run in both arrays are merged. What remains is one of three inner loops:
#     RUN     both innermost strides are 1: memcpy
#     TILE    a dim contiguous in y and another contiguous in x: square tiles, so that each cache line is used whole
#     STRIDE  anything else, including a broadcast source (stride 0)
# Threads share pieces of at most CHUNK elements of the inner dim (TILE: bands of the dim contiguous in x).

cdef enum:
    MAX_DIMS = 32
    CHUNK = 4096
    BAND = 32               # elements: a 32 x 32 tile of doubles is 8 KB, and two of them stay in L1

ctypedef enum Inner:
    RUN, TILE, STRIDE


@cython.wraparound(True)
def normalize_box(shape, x_strides, y_strides):
    """Return (shape, x_strides, y_strides) of the same copy with as few dims as possible, y's smallest stride last."""
    dims = [d for d in zip(shape, x_strides, y_strides) if d[0] != 1]
    dims.sort(key=lambda d: (-abs(d[2]), -abs(d[1])))
    merged = []
    for n, xs, ys in dims:
        if merged and merged[-1][1] == n * xs and merged[-1][2] == n * ys:
            merged[-1] = (merged[-1][0] * n, xs, ys)
        else:
            merged.append((n, xs, ys))
    return tuple(zip(*(merged or [(1, 1, 1)])))


cdef inline void copy_tile(real* y, const real* x, Py_ssize_t rows, Py_ssize_t columns,
                           Py_ssize_t y_row, Py_ssize_t x_column) noexcept nogil:
    """y[r * y_row + c] = x[r + c * x_column] for one band of `rows` rows and any number of columns, in tiles."""
    cdef Py_ssize_t first = 0
    while first < columns:
        move_tile(y + first, x + first * x_column, rows, min(<Py_ssize_t>BAND, columns - first), y_row, x_column)
        first += BAND


cdef class StridedCopy(Step):
    """Copy a box of elements between two layouts.

    Parameters
    ----------
    shape : tuple of int
        Extents of the box.
    x_strides, y_strides : tuples of int
        In elements; any sign, and 0 in `x_strides` repeats. No two indices may meet in y.
    x_offset, y_offset : int
        Element that index (0, ...) means.
    """
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t extent[MAX_DIMS]
    cdef Py_ssize_t x_stride[MAX_DIMS]
    cdef Py_ssize_t y_stride[MAX_DIMS]
    cdef int outer                    # dims before the inner ones
    cdef Inner inner
    cdef Py_ssize_t x_offset
    cdef Py_ssize_t y_offset
    cdef Py_ssize_t pieces            # of the divided inner dim
    cdef Py_ssize_t piece             # elements of that dim in one
    cdef Py_ssize_t total             # pieces of the whole box

    @cython.wraparound(True)
    def __init__(self, reads, writes, *, shape, x_strides, y_strides, x_offset=0, y_offset=0):
        self.x = reads[0].reshape(-1)
        self.y = writes[0].reshape(-1)
        self.x_offset, self.y_offset = x_offset, y_offset
        self.total = 0
        if 0 in shape:
            return
        for name, size, strides, offset in (
            ("x", self.x.shape[0], x_strides, x_offset), ("y", self.y.shape[0], y_strides, y_offset)
        ):
            ends = [(n - 1) * s for n, s in zip(shape, strides)]
            low, high = offset + sum(min(e, 0) for e in ends), offset + sum(max(e, 0) for e in ends)
            if len(strides) != len(shape) or low < 0 or high >= size:
                raise ValueError(f"StridedCopy: {name} has {size} elements, the box needs {low} to {high}")
        extents, xs, ys = normalize_box(shape, x_strides, y_strides)
        if len(extents) > MAX_DIMS:
            raise ValueError(f"StridedCopy: more than {MAX_DIMS} dimensions")
        order = list(range(len(extents)))
        # Which dim the source runs along; worth tiles when it has a few elements, be y's lines three colours.
        along = next((i for i in order[:-1] if xs[i] == 1 and extents[i] >= 4), -1)
        if ys[-1] == 1 and xs[-1] == 1:
            self.inner = RUN
        elif ys[-1] == 1 and along >= 0 and xs[-1] != 0:
            self.inner = TILE
            order.remove(along)
            order.insert(len(order) - 1, along)
        else:
            self.inner = STRIDE
        for to, i in enumerate(order):
            self.extent[to], self.x_stride[to], self.y_stride[to] = extents[i], xs[i], ys[i]
        self.outer = len(order) - (2 if self.inner == TILE else 1)
        self.piece = BAND if self.inner == TILE else CHUNK
        self.pieces = (self.extent[self.outer] + self.piece - 1) // self.piece
        self.total = self.pieces
        for i in range(self.outer):
            self.total *= self.extent[i]
        elements = 1
        for n in extents:
            elements *= n
        self.cost = elements * (sizeof(real) * 0.12 if self.inner == RUN else 0.5 if self.inner == TILE else 1.0) + self.total * 3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t index[MAX_DIMS]
        cdef Py_ssize_t at, rest, first, count, i, xs, ys
        cdef int d
        cdef Py_ssize_t grain = 1 + CHUNK // (self.piece if self.inner == TILE else self.extent[self.outer]) \
            if self.total else 1
        cdef Span part = share(team, self.total, grain)
        cdef const real* x
        cdef real* y
        if part.start >= part.stop:
            return
        x = &self.x[0] + self.x_offset
        y = &self.y[0] + self.y_offset
        rest = part.start // self.pieces
        for d in range(self.outer - 1, -1, -1):
            index[d] = rest % self.extent[d]
            rest = rest // self.extent[d]
            x += index[d] * self.x_stride[d]
            y += index[d] * self.y_stride[d]
        first = (part.start % self.pieces) * self.piece
        xs = self.x_stride[self.outer]
        ys = self.y_stride[self.outer]
        for at in range(part.start, part.stop):
            count = self.extent[self.outer] - first
            if count > self.piece:
                count = self.piece
            if self.inner == RUN:
                if count * <Py_ssize_t>sizeof(real) >= 32:
                    memcpy(y + first, x + first, count * sizeof(real))
                else:
                    for i in range(count):
                        y[first + i] = x[first + i]
            elif self.inner == TILE:
                copy_tile(y + first * ys, x + first, count, self.extent[self.outer + 1], ys,
                          self.x_stride[self.outer + 1])
            elif ys == 1:
                if xs == 0:
                    for i in range(first, first + count):
                        y[i] = x[0]
                else:
                    for i in range(first, first + count):
                        y[i] = x[i * xs]
            else:
                for i in range(first, first + count):
                    y[i * ys] = x[i * xs]
            first += self.piece
            if first >= self.extent[self.outer]:
                first = 0
                for d in range(self.outer - 1, -1, -1):
                    index[d] += 1
                    x += self.x_stride[d]
                    y += self.y_stride[d]
                    if index[d] < self.extent[d]:
                        break
                    x -= index[d] * self.x_stride[d]
                    y -= index[d] * self.y_stride[d]
                    index[d] = 0
