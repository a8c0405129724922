# levels: base
# dtypes: f32 f64 i8 u8 i32 i64
# flags: -O2
# Cumulative sums along an axis, forwards or (their gradient) backwards. Sums of floats are kept in double precision.
from cyexec.kernels.step cimport Span, Step, Team, share


cdef class CumulativeSum(Step):
    """y[o, i, :] = sum of x[o, k, :] for k <= i (k >= i with `backwards`), for x of shape (outer, extent, inner)."""
    cdef const real[:, :, ::1] x      # IN
    cdef real[:, :, ::1] y            # OUT   may be x
    cdef bint backwards

    def __init__(self, reads, writes, *, outer, extent, inner, backwards=False):
        self.x = reads[0].reshape(outer, extent, inner)
        self.y = writes[0].reshape(outer, extent, inner)
        self.backwards = backwards
        self.cost = 1.5 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, i, k, o, n, extent = self.x.shape[1], inner = self.x.shape[2]
        cdef double total
        cdef long long whole
        cdef Span part = share(team, self.x.shape[0] * inner, 16)
        for task in range(part.start, part.stop):
            o, n = task // inner, task % inner
            total, whole = 0, 0
            for i in range(extent):
                k = extent - 1 - i if self.backwards else i
                if IS_FLOATING:
                    total += self.x[o, k, n]
                    self.y[o, k, n] = <real>total
                else:
                    whole += <long long>self.x[o, k, n]
                    self.y[o, k, n] = <real>whole
