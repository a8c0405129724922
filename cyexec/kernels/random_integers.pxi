# levels: base
# dtypes: i32 i64
# Random integers, drawn by counting (random_bits.h).
from libc.stdint cimport uint32_t, uint64_t

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "distributions.h" nogil:
    ctypedef struct philox_sequence:
        pass
    philox_sequence philox_start(uint64_t seed, uint64_t element, uint32_t stream)
    uint64_t sample_below(philox_sequence* s, uint64_t range)


cdef class Randint(Step):
    """Uniform integers in [low, high)."""
    cdef real[::1] y                  # OUT
    cdef long long low
    cdef uint64_t range
    cdef uint32_t stream

    def __init__(self, reads, writes, *, low, high, stream):
        self.y = writes[0].reshape(-1)
        if not low < high:
            raise ValueError("Randint: low must be less than high")
        self.low, self.range, self.stream = low, high - low, stream
        self.cost = 30.0 * self.y.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i
        cdef philox_sequence s
        cdef Span part = share(team, self.y.shape[0], 64)
        for i in range(part.start, part.stop):
            s = philox_start(team.seed, i, self.stream)
            self.y[i] = <real>(<uint64_t>self.low + sample_below(&s, self.range))


cdef class Permutation(Step):
    """The numbers from 0 on in random order: Fisher and Yates, on one thread."""
    cdef real[::1] y                  # OUT
    cdef uint32_t stream

    def __init__(self, reads, writes, *, stream):
        self.y, = writes
        self.stream = stream
        self.cost = 30.0 * self.y.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef philox_sequence s
        cdef real kept
        if team.rank:
            return
        for i in range(self.y.shape[0]):
            s = philox_start(team.seed, i, self.stream)
            j = <Py_ssize_t>sample_below(&s, i + 1)
            kept = self.y[j] if j < i else <real>i
            self.y[j] = <real>i
            self.y[i] = kept
