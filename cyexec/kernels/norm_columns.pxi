# levels: base v3 v4
# dtypes: f32 f64
# Normalisation of matrices (rows, width) by column: BatchNorm with the channels last, or without spatial axes.
#
# Rows are cut in blocks of `block` rows, whatever the number of threads; each block's sums stand in a workspace
# and are combined in the blocks' order. Columns are the vector lanes.
from libc.math cimport sqrt

from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "norm.h" nogil:
    void norm_columns(const real* x, Py_ssize_t rows, Py_ssize_t width, double* mean, double* m2)
    void norm_column_sums(const real* dy, const real* x, const real* mean, Py_ssize_t rows, Py_ssize_t width,
                          double* sum, double* dot)
    void norm_apply_row(const real* x, real* y, const real* mean, const real* scale, const real* gamma,
                        const real* beta, Py_ssize_t n)
    void norm_apply_row_backward(const real* dy, const real* x, real* dx, const real* mean, const real* scale,
                                 const real* slope, const real* offset, Py_ssize_t n)


cdef class ColumnMoments(Step):
    """Mean and 1 / sqrt(variance + eps) of every column."""
    cdef const real[:, ::1] x         # IN    (rows, width)
    cdef real[::1] mean, inverse      # OUT   (width,)
    cdef double[:, :, ::1] partial    # OUT   (blocks, 2, width) workspace
    cdef Py_ssize_t block
    cdef double eps

    def __init__(self, reads, writes, *, block, eps):
        self.x, = reads
        self.mean, self.inverse, self.partial = writes
        self.block, self.eps = block, eps
        if self.partial.shape[0] != (self.x.shape[0] + self.block - 1) // self.block:
            raise ValueError("ColumnMoments: wrong number of blocks")
        self.cost = 0.5 * self.x.shape[0] * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t rows = self.x.shape[0], width = self.x.shape[1], blocks = self.partial.shape[0]
        cdef Py_ssize_t b, k, count
        cdef double mean, m2, delta
        cdef Span part = share(team, blocks, 1)
        for b in range(part.start, part.stop):
            norm_columns(&self.x[b * self.block, 0], min(self.block, rows - b * self.block), width,
                         &self.partial[b, 0, 0], &self.partial[b, 1, 0])
        sync(team)
        part = share(team, width, 16)
        for k in range(part.start, part.stop):
            mean = m2 = 0
            for b in range(blocks):
                mean += self.partial[b, 0, k] * min(self.block, rows - b * self.block)
            mean = mean / rows
            for b in range(blocks):
                count = min(self.block, rows - b * self.block)
                delta = self.partial[b, 0, k] - mean
                m2 += self.partial[b, 1, k] + delta * delta * count
            self.mean[k] = <real>mean
            self.inverse[k] = <real>(1 / sqrt(m2 / rows + self.eps))


cdef class ColumnNormalize(Step):
    """y = (x - mean) * inverse * gamma + beta, all by column; without gamma where it is fixed to one."""
    cdef const real[:, ::1] x         # IN    (rows, width)
    cdef const real[::1] mean, inverse, beta, gamma    # IN
    cdef real[:, ::1] y               # OUT   may be x
    cdef bint has_gamma

    def __init__(self, reads, writes):
        self.x, self.mean, self.inverse, self.beta = reads[:4]
        self.has_gamma = len(reads) == 5
        if self.has_gamma:
            self.gamma = reads[4]
        self.y, = writes
        self.cost = 0.2 * self.x.shape[0] * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r
        cdef const real* gamma = &self.gamma[0] if self.has_gamma else NULL
        cdef Span part = share(team, self.x.shape[0], 1)
        for r in range(part.start, part.stop):
            norm_apply_row(&self.x[r, 0], &self.y[r, 0], &self.mean[0], &self.inverse[0], gamma, &self.beta[0],
                           self.x.shape[1])


cdef class ColumnSums(Step):
    """For every column the sums of dy and of dy * normalised x."""
    cdef const real[:, ::1] dy, x     # IN    (rows, width)
    cdef const real[::1] mean, inverse    # IN
    cdef double[:, ::1] sums          # OUT   (2, width)
    cdef double[:, :, ::1] partial    # OUT   (blocks, 2, width) workspace
    cdef Py_ssize_t block

    def __init__(self, reads, writes, *, block):
        self.dy, self.x, self.mean, self.inverse = reads
        self.sums, self.partial = writes
        self.block = block
        if self.partial.shape[0] != (self.x.shape[0] + self.block - 1) // self.block:
            raise ValueError("ColumnSums: wrong number of blocks")
        self.cost = 0.5 * self.x.shape[0] * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t rows = self.x.shape[0], width = self.x.shape[1], blocks = self.partial.shape[0]
        cdef Py_ssize_t b, k
        cdef double sum, dot
        cdef Span part = share(team, blocks, 1)
        for b in range(part.start, part.stop):
            norm_column_sums(&self.dy[b * self.block, 0], &self.x[b * self.block, 0], &self.mean[0],
                             min(self.block, rows - b * self.block), width,
                             &self.partial[b, 0, 0], &self.partial[b, 1, 0])
        sync(team)
        part = share(team, width, 16)
        for k in range(part.start, part.stop):
            sum = dot = 0
            for b in range(blocks):
                sum += self.partial[b, 0, k]
                dot += self.partial[b, 1, k]
            self.sums[0, k] = sum
            self.sums[1, k] = dot * self.inverse[k]


cdef class ColumnGradient(Step):
    """dx = inverse * gamma * (dy - mean of dy - normalised x * mean of dy * normalised x), by column.

    Without `sums` the statistics are constants and the two means are not subtracted.
    """
    cdef const real[:, ::1] dy, x     # IN    (rows, width)
    cdef const real[::1] mean, inverse, gamma    # IN
    cdef const double[:, ::1] sums    # IN    (2, width) of ColumnSums
    cdef real[:, ::1] dx              # OUT   may be dy or x
    cdef real[:, ::1] factors         # OUT   (3, width) workspace: scale, slope, offset
    cdef bint has_gamma, has_sums

    def __init__(self, reads, writes, *, has_gamma, has_sums):
        self.dy, self.x, self.mean, self.inverse = reads[:4]
        self.has_gamma, self.has_sums = has_gamma, has_sums
        if has_sums:
            self.sums = reads[4]
        if has_gamma:
            self.gamma = reads[len(reads) - 1]
        self.dx, self.factors = writes
        self.cost = 0.3 * self.x.shape[0] * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, k, rows = self.x.shape[0], width = self.x.shape[1]
        cdef double scale, inverse
        cdef Span part = share(team, width, 16)
        for k in range(part.start, part.stop):
            inverse = self.inverse[k]
            scale = inverse * (self.gamma[k] if self.has_gamma else 1)
            self.factors[0, k] = <real>scale
            self.factors[1, k] = <real>(scale * inverse * self.sums[1, k] / rows) if self.has_sums else 0
            self.factors[2, k] = <real>(scale * self.sums[0, k] / rows) if self.has_sums else 0
        sync(team)
        part = share(team, rows, 1)
        for r in range(part.start, part.stop):
            norm_apply_row_backward(&self.dy[r, 0], &self.x[r, 0], &self.dx[r, 0], &self.mean[0],
                                    &self.factors[0, 0], &self.factors[1, 0], &self.factors[2, 0], width)
