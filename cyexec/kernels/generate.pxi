# levels: base
# dtypes: f32 f64
# base-dtypes: i8 u8 i32 i64
# flags: -O2
#
# Arrays that are made from a few numbers.
from cyexec.kernels.step cimport Span, Step, Team, share


cdef class Arange(Step):
    """y[i] = start + (i // repeat) * step, with start and step of y's dtype (a step of 0.5 is 0 among integers)."""
    cdef real[::1] y                  # OUT
    cdef real start, step
    cdef Py_ssize_t repeat

    def __init__(self, reads, writes, *, start, step, repeat=1):
        self.y = writes[0].reshape(-1)
        if IS_FLOATING:
            self.start, self.step = <real><double>start, <real><double>step
        else:
            self.start, self.step = <real><long long>int(start), <real><long long>int(step)
        self.repeat = repeat
        self.cost = self.y.shape[0] * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i
        cdef Span part = share(team, self.y.shape[0], 4096)
        for i in range(part.start, part.stop):
            self.y[i] = self.start + <real>(i // self.repeat) * self.step


cdef class Eye(Step):
    """y[i, j] = 1 where j == i + k, else 0."""
    cdef real[:, ::1] y               # OUT
    cdef Py_ssize_t k

    def __init__(self, reads, writes, *, k):
        self.y = writes[0]
        self.k = k
        self.cost = self.y.shape[0] * self.y.shape[1] * 0.3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef Span part = share(team, self.y.shape[0], 16)
        for i in range(part.start, part.stop):
            for j in range(self.y.shape[1]):
                self.y[i, j] = j == i + self.k
