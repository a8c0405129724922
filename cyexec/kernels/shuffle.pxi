# levels: base
# dtypes: b1 b2 b4 b8
# flags: -O2
# Rows of a matrix in another order. Built by element size.
from libc.string cimport memcpy

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class Rows(Step):
    """y[i] = x[order[i]]. Order holds a permutation: nothing is checked."""
    cdef const real[:, ::1] x         # IN    (rows, width)
    cdef const long long[::1] order   # IN    (rows,)
    cdef real[:, ::1] y               # OUT   (rows, width)

    def __init__(self, reads, writes):
        self.x, self.order = reads[0], reads[1].view("i8")
        self.y, = writes
        self.cost = self.x.shape[0] * (3.0 + 0.1 * self.x.shape[1] * sizeof(real))

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i
        cdef Span part = share(team, self.y.shape[0], 64)
        for i in range(part.start, part.stop):
            memcpy(&self.y[i, 0], &self.x[self.order[i], 0], self.x.shape[1] * sizeof(real))
