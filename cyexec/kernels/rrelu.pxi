# levels: base
# dtypes: f32 f64
# Random slopes of LeakyReLU (rrelu), counted: element i has the same slope for every team size.
from libc.stdint cimport uint32_t, uint64_t

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "random_bits.h" nogil:
    void philox_block(uint64_t seed, uint64_t block, uint32_t stream, uint32_t* out)


cdef class Slopes(Step):
    """y = 1 where x > 0, elsewhere uniform in [low, high)."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT
    cdef real low, width
    cdef uint32_t stream

    def __init__(self, reads, writes, *, low, high, stream):
        self.x = reads[0].reshape(-1)
        self.y = writes[0].reshape(-1)
        if self.x.shape[0] != self.y.shape[0]:
            raise ValueError("Slopes: sizes differ")
        self.low, self.width, self.stream = low, high - low, stream
        self.cost = self.y.shape[0] * 2.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef uint32_t[64] words
        cdef Py_ssize_t at, i
        cdef Span part = share(team, self.y.shape[0], 64)
        for at in range(part.start, part.stop, 64):
            philox_block(team.seed, at // 64, self.stream, words)
            for i in range(at, min(at + 64, part.stop)):
                if self.x[i] > 0:
                    self.y[i] = 1
                else:
                    # 24 bits: exact in float32, so that the upper bound is not reached by rounding.
                    self.y[i] = self.low + self.width * <real>((words[i - at] >> 8) * 5.9604644775390625e-8)
