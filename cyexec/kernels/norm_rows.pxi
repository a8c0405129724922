# levels: base v3 v4
# dtypes: f32 f64
# Normalisation of the rows of a matrix with a scale and a shift for every column: LayerNorm.
#
# `std` is sqrt(variance + eps), what MXNet gives as an output; its inverse is computed again where it is needed.
from libc.math cimport sqrt

from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "norm.h" nogil:
    void norm_moments(const real* x, Py_ssize_t n, double* mean, double* m2)
    void norm_scaled_sums(const real* dy, const real* x, const real* gamma, real mean, Py_ssize_t n, double* sum,
                          double* dot)
    void norm_scaled_apply(const real* x, real* y, real mean, real scale, const real* gamma, const real* beta,
                           Py_ssize_t n)
    void norm_scaled_backward(const real* dy, const real* x, const real* gamma, real* dx, real mean, real scale,
                              real slope, real offset, Py_ssize_t n)
    void norm_add_row(const real* dy, const real* x, real mean, real scale, double* sum, double* dot, Py_ssize_t n)


cdef class RowNormalize(Step):
    """y = (x - mean) / std * gamma + beta with the mean and standard deviation of each row."""
    cdef const real[:, ::1] x         # IN    (rows, width)
    cdef const real[::1] gamma, beta  # IN    (width,)
    cdef real[:, ::1] y               # OUT   may be x
    cdef real[::1] mean, std          # OUT   (rows,)
    cdef double eps

    def __init__(self, reads, writes, *, eps):
        self.x, self.gamma, self.beta = reads
        self.y, self.mean, self.std = writes
        self.eps = eps
        if self.gamma.shape[0] != self.x.shape[1] or self.mean.shape[0] != self.x.shape[0]:
            raise ValueError("RowNormalize: sizes of rows and parameters differ")
        self.cost = 0.3 * self.x.shape[0] * self.x.shape[1] + 20.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, width = self.x.shape[1]
        cdef double mean, m2, variance
        cdef Span part = share(team, self.x.shape[0], 1)
        for r in range(part.start, part.stop):
            norm_moments(&self.x[r, 0], width, &mean, &m2)
            variance = m2 / width + self.eps
            self.mean[r] = <real>mean
            self.std[r] = <real>sqrt(variance)
            norm_scaled_apply(&self.x[r, 0], &self.y[r, 0], <real>mean, <real>(1 / sqrt(variance)), &self.gamma[0],
                              &self.beta[0], width)


cdef class RowGradient(Step):
    """dx = (gamma * dy - its mean - normalised x * mean of their product) / std, by row."""
    cdef const real[:, ::1] dy, x     # IN    (rows, width)
    cdef const real[::1] gamma        # IN    (width,)
    cdef const real[::1] mean, std    # IN    (rows,)
    cdef real[:, ::1] dx              # OUT   may be dy or x

    def __init__(self, reads, writes):
        self.dy, self.x, self.gamma, self.mean, self.std = reads
        self.dx, = writes
        self.cost = 0.4 * self.x.shape[0] * self.x.shape[1] + 20.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, width = self.x.shape[1]
        cdef double total, dot, inverse
        cdef Span part = share(team, self.x.shape[0], 1)
        for r in range(part.start, part.stop):
            inverse = 1 / <double>self.std[r]
            norm_scaled_sums(&self.dy[r, 0], &self.x[r, 0], &self.gamma[0], self.mean[r], width, &total, &dot)
            norm_scaled_backward(&self.dy[r, 0], &self.x[r, 0], &self.gamma[0], &self.dx[r, 0], self.mean[r],
                                 <real>inverse, <real>(inverse * inverse * inverse * dot / width),
                                 <real>(inverse * total / width), width)


cdef class RowScaleShiftGradient(Step):
    """Gradients of gamma and beta: column sums of dy * normalised x and of dy, over blocks of rows."""
    cdef const real[:, ::1] dy, x     # IN    (rows, width)
    cdef const real[::1] mean, std    # IN    (rows,)
    cdef real[::1] dgamma, dbeta      # OUT   (width,)
    cdef double[:, :, ::1] partial    # OUT   (blocks, 2, width) workspace
    cdef Py_ssize_t block

    def __init__(self, reads, writes, *, block):
        self.dy, self.x, self.mean, self.std = reads
        self.dgamma, self.dbeta, self.partial = writes
        self.block = block
        if self.partial.shape[0] != (self.x.shape[0] + block - 1) // block:
            raise ValueError("RowScaleShiftGradient: wrong number of blocks")
        self.cost = 0.5 * self.x.shape[0] * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, r, k, rows = self.x.shape[0], width = self.x.shape[1], blocks = self.partial.shape[0]
        cdef double total, dot
        cdef Span part = share(team, blocks, 1)
        for b in range(part.start, part.stop):
            for k in range(width):
                self.partial[b, 0, k] = 0
                self.partial[b, 1, k] = 0
            for r in range(b * self.block, min(rows, (b + 1) * self.block)):
                norm_add_row(&self.dy[r, 0], &self.x[r, 0], self.mean[r], <real>(1 / <double>self.std[r]),
                             &self.partial[b, 0, 0], &self.partial[b, 1, 0], width)
        sync(team)
        part = share(team, width, 16)
        for k in range(part.start, part.stop):
            total = dot = 0
            for b in range(blocks):
                total += self.partial[b, 0, k]
                dot += self.partial[b, 1, k]
            self.dgamma[k] = <real>dot
            self.dbeta[k] = <real>total
