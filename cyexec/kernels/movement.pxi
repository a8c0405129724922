# levels: base
# dtypes: b1 b2 b4 b8
# Moving elements without looking at them. Built by element size: the same module serves every dtype of that size.
from libc.string cimport memcpy

from cyexec.kernels.step cimport Span, Step, Team, share


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
