# levels: base
# dtypes: b1 b2 b4 b8
# flags: -O2
# Rows chosen by int64 indices. Every index is brought into range first (clipped, or wrapped), so that no value of the
# user's reads or writes outside an array. Which rows is computed by the kernels of rows.pxi. (Where the data are int64
# too, all operands come as uint64, and indices are viewed back.)
from libc.string cimport memcpy

from cyexec.kernels.step cimport Span, Step, Team, share


cdef inline Py_ssize_t in_range(long long i, Py_ssize_t n, bint wrap) noexcept nogil:
    """`i` as an index below `n` (which is not 0)."""
    if wrap:
        i = i % n
        return i + n if i < 0 else i
    return 0 if i < 0 else n - 1 if i >= n else i


cdef inline void copy_row(real* y, const real* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if n * <Py_ssize_t>sizeof(real) >= 32:
        memcpy(y, x, n * sizeof(real))
    else:
        for i in range(n):
            y[i] = x[i]


cdef class Gather(Step):
    """y[o, i, :] = x[o, rows[i], :] for x of shape (outer, extent, inner)."""
    cdef const real[::1] x            # IN
    cdef const long long[::1] rows    # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t outer, extent, inner, count
    cdef bint wrap

    def __init__(self, reads, writes, *, outer, extent, inner, wrap=False):
        self.x = reads[0].reshape(-1)
        self.rows = reads[1].view("i8").reshape(-1)
        self.y = writes[0].reshape(-1)
        self.outer, self.extent, self.inner, self.wrap = outer, extent, inner, wrap
        self.count = self.rows.shape[0]
        if self.x.shape[0] != outer * extent * inner or self.y.shape[0] != outer * self.count * inner:
            raise ValueError("Gather: sizes do not fit")
        if extent == 0 and self.y.shape[0]:
            raise ValueError("Gather: cannot take from an axis of extent 0")
        self.cost = self.y.shape[0] * sizeof(real) * 0.1 + outer * self.count * 3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t at, o, i
        cdef Span part = share(team, self.outer * self.count if self.inner else 0, 1 + 4096 // (self.inner + 1))
        for at in range(part.start, part.stop):
            o = at // self.count
            i = at % self.count
            i = in_range(self.rows[i], self.extent, self.wrap)
            copy_row(&self.y[at * self.inner], &self.x[(o * self.extent + i) * self.inner], self.inner)


cdef class Scatter(Step):
    """y[rows[i], :] = x[i, :] in the order of i (the last one stays); other rows of y are left alone."""
    cdef const real[::1] x            # IN
    cdef const long long[::1] rows    # IN
    cdef real[::1] y                  # INOUT
    cdef Py_ssize_t extent, inner, count

    def __init__(self, reads, writes, *, extent, inner):
        self.x = reads[0].reshape(-1)
        self.rows = reads[1].view("i8").reshape(-1)
        self.y = writes[0].reshape(-1)
        self.extent, self.inner, self.count = extent, inner, self.rows.shape[0]
        if self.x.shape[0] != self.count * inner or self.y.shape[0] != extent * inner:
            raise ValueError("Scatter: sizes do not fit")
        if extent == 0 and self.x.shape[0]:
            raise ValueError("Scatter: cannot write to an axis of extent 0")
        self.cost = self.x.shape[0] * sizeof(real) * 0.1 + self.count * 3

    cdef void run(self, Team* team) noexcept nogil:
        # Threads take columns: rows may meet.
        cdef Py_ssize_t i, row
        cdef Span part = share(team, self.inner, 64)
        if part.stop == part.start:
            return
        for i in range(self.count):
            row = in_range(self.rows[i], self.extent, False)
            copy_row(&self.y[row * self.inner + part.start], &self.x[i * self.inner + part.start],
                     part.stop - part.start)


cdef class OneHot(Step):
    """y[i, j] = on if j == index[i] else off."""
    cdef const long long[::1] index   # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t depth
    cdef real on, off

    def __init__(self, reads, writes, *, on, off):
        self.index = reads[0].view("i8").reshape(-1)
        self.y = writes[0].reshape(-1)
        self.depth = writes[0].shape[writes[0].ndim - 1]
        self.on, self.off = <real>on, <real>off
        if self.index.shape[0] * self.depth != self.y.shape[0]:
            raise ValueError("OneHot: sizes do not fit")
        self.cost = self.y.shape[0] * sizeof(real) * 0.08 + self.index.shape[0] * 2

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef long long at
        cdef Span part = share(team, self.index.shape[0] if self.depth else 0, 1 + 4096 // (self.depth + 1))
        for i in range(part.start, part.stop):
            for j in range(i * self.depth, (i + 1) * self.depth):
                self.y[j] = self.off
            at = self.index[i]
            if 0 <= at < self.depth:
                self.y[i * self.depth + at] = self.on


cdef class SequenceMask(Step):
    """y = x where the time step is below the sequence's length, else a constant.

    x has shape (time, batch, inner), or (batch, time, inner) with ``batch_major``.
    """
    cdef const real[::1] x            # IN
    cdef const long long[::1] length  # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t first, second, inner
    cdef bint batch_major
    cdef real pattern

    def __init__(self, reads, writes, *, first, second, inner, batch_major, pattern):
        self.x = reads[0].reshape(-1)
        self.length = reads[1].view("i8").reshape(-1)
        self.y = writes[0].reshape(-1)
        self.first, self.second, self.inner = first, second, inner
        self.batch_major, self.pattern = batch_major, <real>pattern
        if self.x.shape[0] != first * second * inner or self.y.shape[0] != self.x.shape[0]:
            raise ValueError("SequenceMask: sizes do not fit")
        if self.length.shape[0] != (first if batch_major else second):
            raise ValueError("SequenceMask: one length is needed for each sequence")
        self.cost = self.y.shape[0] * sizeof(real) * 0.12

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t at, i, a, b
        cdef bint kept
        cdef Span part = share(team, self.first * self.second if self.inner else 0, 1 + 4096 // (self.inner + 1))
        for at in range(part.start, part.stop):
            a = at // self.second
            b = at % self.second
            kept = b < self.length[a] if self.batch_major else a < self.length[b]
            if kept:
                copy_row(&self.y[at * self.inner], &self.x[at * self.inner], self.inner)
            else:
                for i in range(at * self.inner, (at + 1) * self.inner):
                    self.y[i] = self.pattern
