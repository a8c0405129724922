# levels: base
# dtypes: f32 f64 i8 u8 i32 i64
# flags: -O2
# Sums of rows by index. Rows may meet, so threads take columns (or outer parts) and each adds in the order of the
# indices: the same sums, bit for bit, for any team.
from libc.string cimport memset

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class ScatterAdd(Step):
    """y[o, rows[i], :] = sum of x[o, i, :] over the i that point there; y has shape (outer, extent, inner)."""
    cdef const real[::1] x            # IN
    cdef const long long[::1] rows    # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t outer, extent, inner, count
    cdef Py_ssize_t piece, pieces     # columns in one share, and shares of a row
    cdef bint wrap

    def __init__(self, reads, writes, *, outer, extent, inner, wrap=False):
        self.x = reads[0].reshape(-1)
        self.rows = reads[1].reshape(-1)
        self.y = writes[0].reshape(-1)
        self.outer, self.extent, self.inner, self.wrap = outer, extent, inner, wrap
        self.count = self.rows.shape[0]
        if self.x.shape[0] != outer * self.count * inner or self.y.shape[0] != outer * extent * inner:
            raise ValueError("ScatterAdd: sizes do not fit")
        if extent == 0 and self.x.shape[0]:
            raise ValueError("ScatterAdd: cannot add to an axis of extent 0")
        # 64 columns: whole cache lines for every dtype of four bytes or less, and at least four lines otherwise.
        self.piece = 64
        self.pieces = (inner + self.piece - 1) // self.piece
        self.cost = self.y.shape[0] * sizeof(real) * 0.06 + self.x.shape[0] * 0.4 + outer * self.count * 3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t at, o, i, j, first, last
        cdef long long row
        cdef real* y
        cdef const real* x
        cdef Span part = share(team, self.outer * self.pieces, 1)
        at = part.start
        while at < part.stop:
            # Neighbouring pieces of one row are one run of columns.
            o = at // self.pieces
            first = at % self.pieces * self.piece
            last = self.pieces if (o + 1) * self.pieces <= part.stop else part.stop - o * self.pieces
            at = o * self.pieces + last
            last = last * self.piece if last * self.piece < self.inner else self.inner
            for i in range(self.extent):
                memset(&self.y[(o * self.extent + i) * self.inner + first], 0, (last - first) * sizeof(real))
            for i in range(self.count):
                row = self.rows[i]
                if self.wrap:
                    row = row % self.extent
                    if row < 0:
                        row += self.extent
                else:
                    row = 0 if row < 0 else self.extent - 1 if row >= self.extent else row
                y = &self.y[(o * self.extent + row) * self.inner]
                x = &self.x[(o * self.count + i) * self.inner]
                for j in range(first, last):
                    y[j] = y[j] + x[j]
