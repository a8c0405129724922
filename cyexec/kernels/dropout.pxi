# levels: base v3
# dtypes: f32 f64
# Dropout: a mask of 0 and 1 / (1 - p) drawn by counting (random_bits.h), 64 elements at a time.
from libc.stdint cimport uint32_t, uint64_t

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "random_bits.h" nogil:
    void philox_block(uint64_t seed, uint64_t block, uint32_t stream, uint32_t* out)


cdef class Dropout(Step):
    """mask = 0 with probability p, else 1 / (1 - p); y = x * mask. Without `x` only the mask is drawn."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT   may be x
    cdef real[::1] mask               # OUT
    cdef bint has_x, has_mask
    cdef real scale
    cdef uint32_t stream, limit

    def __init__(self, reads, writes, *, p, stream):
        self.has_x = len(reads) == 1
        if self.has_x:
            self.x = reads[0].reshape(-1)
            self.y = writes[0].reshape(-1)
            if self.x.shape[0] != self.y.shape[0]:
                raise ValueError("Dropout: sizes differ")
        self.has_mask = len(writes) == 1 + self.has_x
        if self.has_mask:
            self.mask = writes[len(writes) - 1].reshape(-1)
        # An element is dropped when its 32 bits are below `limit`; where all are (p = 1) the scale is zero.
        self.limit = min(round(p * 2.0**32), 2**32 - 1)
        self.scale = 1 / (1 - p) if p < 1 else 0
        self.stream = stream
        self.cost = 0.8 * (self.y.shape[0] if self.has_x else self.mask.shape[0])

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, n, size = self.y.shape[0] if self.has_x else self.mask.shape[0]
        cdef Span part = share(team, size, 64)
        cdef uint32_t words[64]
        cdef uint32_t limit = self.limit
        cdef real keep[64]
        cdef real scale = self.scale
        cdef Py_ssize_t at = part.start
        while at < part.stop:
            philox_block(team.seed, at // 64, self.stream, words)
            for i in range(64):
                keep[i] = scale if words[i] >= limit else 0
            n = min(64, part.stop - at)
            if self.has_mask:
                for i in range(n):
                    self.mask[at + i] = keep[i]
            if self.has_x:
                for i in range(n):
                    self.y[at + i] = self.x[at + i] * keep[i]
            at += 64
