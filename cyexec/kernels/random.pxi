# levels: base v3 v4
# dtypes: f32 f64
# Random numbers of many distributions, drawn by counting (random_bits.h): element i of the output has a sequence of
# its own, so neither threads nor the other elements change it. Uniform numbers, 64 at a time, are vectorised.
from libc.math cimport log
from libc.stdint cimport uint32_t, uint64_t

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "distributions.h" nogil:
    ctypedef struct philox_sequence:
        pass
    void philox_block(uint64_t seed, uint64_t block, uint32_t stream, uint32_t* out)
    philox_sequence philox_start(uint64_t seed, uint64_t element, uint32_t stream)
    double philox_uniform(philox_sequence* s)
    double sample_normal(philox_sequence* s, double mean, double deviation)
    double sample_exponential(philox_sequence* s, double rate)
    double sample_gamma(philox_sequence* s, double alpha, double beta)
    double sample_poisson(philox_sequence* s, double mean)
    double sample_negative_binomial(philox_sequence* s, double k, double p)
    double sample_generalized_negative_binomial(philox_sequence* s, double mu, double alpha)

cdef enum:
    UNIFORM, NORMAL, EXPONENTIAL, GAMMA, POISSON, NEGATIVE_BINOMIAL, GENERALIZED_NEGATIVE_BINOMIAL

NAMES = ("uniform", "normal", "exponential", "gamma", "poisson", "negative_binomial", "generalized_negative_binomial")


cdef inline real below(real value, real low, real high) noexcept nogil:
    """Keep `value` out of `high`, where rounding has brought it there: intervals are half open."""
    return low if value >= high and high > low else value


cdef class Sample(Step):
    """Draw from one distribution, of one or two parameters.

    Parameters are numbers `a` and `b`, or, as `reads`, arrays that hold those of `per` successive elements each.
    """
    cdef const real[::1] a_array, b_array    # IN
    cdef real[::1] y                  # OUT
    cdef int distribution
    cdef double a, b
    cdef Py_ssize_t per
    cdef uint32_t stream
    cdef bint has_a, has_b

    def __init__(self, reads, writes, *, distribution, stream, a=0.0, b=0.0, per=1):
        self.y = writes[0].reshape(-1)
        self.distribution = NAMES.index(distribution)
        self.a, self.b, self.per, self.stream = a, b, per, stream
        self.has_a, self.has_b = len(reads) > 0, len(reads) > 1
        if self.has_a:
            self.a_array = reads[0].reshape(-1)
        if self.has_b:
            self.b_array = reads[1].reshape(-1)
        for array in reads:
            if array.size * per != self.y.shape[0]:
                raise ValueError("Sample: sizes of parameters and output differ")
        self.cost = (1.5 if self.distribution == UNIFORM else 80.0) * self.y.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, k
        cdef philox_sequence s
        cdef double a = self.a, b = self.b, value = 0
        cdef Span part = share(team, self.y.shape[0], 64)
        if self.distribution == UNIFORM:
            self.uniform(team.seed, part)
            return
        for i in range(part.start, part.stop):
            if self.has_a:
                k = i // self.per
                a = self.a_array[k]
                if self.has_b:
                    b = self.b_array[k]
            s = philox_start(team.seed, i, self.stream)
            if self.distribution == NORMAL:
                value = sample_normal(&s, a, b)
            elif self.distribution == EXPONENTIAL:
                value = sample_exponential(&s, a)
            elif self.distribution == GAMMA:
                value = sample_gamma(&s, a, b)
            elif self.distribution == POISSON:
                value = sample_poisson(&s, a)
            elif self.distribution == NEGATIVE_BINOMIAL:
                value = sample_negative_binomial(&s, a, b)
            else:
                value = sample_generalized_negative_binomial(&s, a, b)
            self.y[i] = <real>value

    cdef void uniform(self, uint64_t seed, Span part) noexcept nogil:
        # float32 takes the upper 24 bits of a word. float64 takes 53 bits of two words: an element's second word
        # comes from the block of the same number in the upper half of the counter's range.
        cdef uint32_t words[64]
        cdef uint32_t more[64]
        cdef real unit[64]
        cdef real low, high
        cdef Py_ssize_t i, n, at = part.start
        while at < part.stop:
            n = min(64, part.stop - at)
            philox_block(seed, at // 64, self.stream, words)
            if IS_F64:
                philox_block(seed, at // 64 + (<uint64_t>1 << 59), self.stream, more)
                for i in range(64):
                    unit[i] = <real>((<uint64_t>words[i] << 21 | more[i] >> 11) * (1.0 / 9007199254740992.0))
            else:
                for i in range(64):
                    unit[i] = <real>((words[i] >> 8) * (1.0 / 16777216.0))
            if self.has_a:
                for i in range(n):
                    low = self.a_array[(at + i) // self.per]
                    high = self.b_array[(at + i) // self.per]
                    self.y[at + i] = below(low + unit[i] * (high - low), low, high)
            else:
                low = <real>self.a
                high = <real>self.b
                for i in range(n):
                    self.y[at + i] = below(low + unit[i] * (high - low), low, high)
            at += 64


cdef class Multinomial(Step):
    """Draw indices with the probabilities of each row; and the logarithms of the probabilities of what was drawn."""
    cdef const real[:, ::1] p         # IN    (rows, outcomes); a row sums to one
    cdef long long[:, ::1] y          # OUT   (rows, draws)
    cdef real[:, ::1] log_p           # OUT   (rows, draws), optional
    cdef bint has_log
    cdef uint32_t stream

    def __init__(self, reads, writes, *, stream):
        self.p, = reads
        self.y = writes[0]
        self.has_log = len(writes) == 2
        if self.has_log:
            self.log_p = writes[1]
        self.stream = stream
        self.cost = self.y.shape[0] * self.y.shape[1] * (50.0 + self.p.shape[1])

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, k, row, outcomes = self.p.shape[1], draws = self.y.shape[1]
        cdef philox_sequence s
        cdef double left
        cdef Span part = share(team, self.y.shape[0] * draws, 16)
        for i in range(part.start, part.stop):
            row = i // draws
            s = philox_start(team.seed, i, self.stream)
            left = philox_uniform(&s)
            for k in range(outcomes):
                left -= self.p[row, k]
                if left < 0:
                    break
            else:
                # The row sums to less than one by rounding: the last outcome that can be.
                k = outcomes - 1
                while k > 0 and not self.p[row, k] > 0:
                    k -= 1
            self.y[row, i % draws] = k
            if self.has_log:
                self.log_p[row, i % draws] = <real>log(self.p[row, k])


cdef class MultinomialGradient(Step):
    """dp[row, k] = sum of dlog / p[row, k] over the draws of k."""
    cdef const real[:, ::1] dlog      # IN    (rows, draws)
    cdef const real[:, ::1] p         # IN    (rows, outcomes)
    cdef const long long[:, ::1] y    # IN    (rows, draws)
    cdef real[:, ::1] dp              # OUT   (rows, outcomes)

    def __init__(self, reads, writes):
        self.dlog, self.p, self.y = reads
        self.dp, = writes
        self.cost = 3.0 * self.y.shape[0] * self.y.shape[1] + self.p.shape[0] * self.p.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t row, i, k
        cdef Span part = share(team, self.p.shape[0], 1)
        for row in range(part.start, part.stop):
            for k in range(self.p.shape[1]):
                self.dp[row, k] = 0
            for i in range(self.y.shape[1]):
                k = self.y[row, i]
                if 0 <= k < self.p.shape[1]:
                    self.dp[row, k] += self.dlog[row, i] / self.p[row, k]
