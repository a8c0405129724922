# levels: base v3 v4
# dtypes: f32 f64
# Normalisation over planes: BatchNorm, InstanceNorm and GroupNorm of (N, C, spatial) data are one computation.
#
# Data is a sequence of `planes`, contiguous rows of `size` elements. Statistics belong to groups of planes and
# plane p is of group (p % period) // run:
#     BatchNorm     planes N*C, period C,   run 1      all images' planes of a channel
#     InstanceNorm  planes N*C, period N*C, run 1      every plane for itself
#     GroupNorm     planes N*C, period N*C, run C/G    neighbouring channels of one image
# Its scale and shift are number (p % channels) // share_run of gamma and beta. Passes over the data go plane by plane,
# in parallel; what is left (a few numbers a plane) is combined in double, in a fixed order.
from libc.math cimport sqrt

from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "norm.h" nogil:
    void norm_moments(const real* x, Py_ssize_t n, double* mean, double* m2)
    void norm_sums(const real* dy, const real* x, real mean, Py_ssize_t n, double* sum, double* dot)
    void norm_apply(const real* x, real* y, real mean, real scale, real shift, Py_ssize_t n)
    void norm_apply_backward(const real* dy, const real* x, real* dx, real mean, real scale, real slope, real offset,
                             Py_ssize_t n)


cdef class InverseStd(Step):
    """inverse = 1 / sqrt(var + eps)."""
    cdef const real[::1] var          # IN
    cdef real[::1] inverse            # OUT
    cdef double eps

    def __init__(self, reads, writes, *, eps):
        self.var, = reads
        self.inverse, = writes
        self.eps = eps
        self.cost = 2.0 * self.var.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.var.shape[0], 64)
        cdef Py_ssize_t i
        for i in range(part.start, part.stop):
            self.inverse[i] = <real>(1 / sqrt(self.var[i] + self.eps))


cdef class Reciprocal(Step):
    """y = 1 / x, for the standard deviations that some operators show and their inverses that they work with."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT

    def __init__(self, reads, writes):
        self.x, = reads
        self.y, = writes
        self.cost = 1.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.x.shape[0], 64)
        cdef Py_ssize_t i
        for i in range(part.start, part.stop):
            self.y[i] = 1 / self.x[i]


cdef class UpdateMoving(Step):
    """moving_mean and moving_var take a step of 1 - momentum to the mean and variance of a batch."""
    cdef const real[::1] mean         # IN
    cdef const real[::1] inverse      # IN    1 / sqrt(var + eps)
    cdef real[::1] moving_mean        # INOUT
    cdef real[::1] moving_var         # INOUT
    cdef double momentum, eps

    def __init__(self, reads, writes, *, momentum, eps):
        self.mean, self.inverse = reads[:2]
        self.moving_mean, self.moving_var = writes
        self.momentum = momentum
        self.eps = eps
        self.cost = 2.0 * self.mean.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.mean.shape[0], 64)
        cdef Py_ssize_t i
        cdef double inverse, keep = self.momentum
        for i in range(part.start, part.stop):
            inverse = self.inverse[i]
            self.moving_mean[i] = <real>(keep * self.moving_mean[i] + (1 - keep) * self.mean[i])
            self.moving_var[i] = <real>(keep * self.moving_var[i] + (1 - keep) * (1 / (inverse * inverse) - self.eps))


cdef class PlaneMoments(Step):
    """Mean and 1 / sqrt(variance + eps) of every group."""
    cdef const real[:, ::1] x         # IN    (planes, size)
    cdef real[::1] mean, inverse      # OUT   (groups,)
    cdef double[:, ::1] partial       # OUT   (2, planes) workspace: mean and squared deviations of each plane
    cdef Py_ssize_t period, run_length
    cdef double eps

    def __init__(self, reads, writes, *, period, run_length, eps):
        self.x, = reads
        self.mean, self.inverse, self.partial = writes
        self.period, self.run_length, self.eps = period, run_length, eps
        if self.partial.shape[1] != self.x.shape[0] or self.mean.shape[0] * run_length != period:
            raise ValueError("PlaneMoments: sizes of groups and planes differ")
        self.cost = 0.2 * self.x.shape[0] * self.x.shape[1] + 20.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t planes = self.x.shape[0], size = self.x.shape[1], groups = self.mean.shape[0]
        cdef Py_ssize_t g, i, first, p
        cdef double count, mean, m2, delta
        cdef Span part = share(team, planes, 1)
        for p in range(part.start, part.stop):
            norm_moments(&self.x[p, 0], size, &self.partial[0, p], &self.partial[1, p])
        sync(team)
        part = share(team, groups, 8)
        for g in range(part.start, part.stop):
            # Planes have equal sizes: the mean is the mean of means (Chan et al. for k equal parts).
            mean = m2 = count = 0
            for i in range(planes // self.period):
                first = i * self.period + g * self.run_length
                for p in range(first, first + self.run_length):
                    mean += self.partial[0, p]
                    count += 1
            mean = mean / count
            for i in range(planes // self.period):
                first = i * self.period + g * self.run_length
                for p in range(first, first + self.run_length):
                    delta = self.partial[0, p] - mean
                    m2 += self.partial[1, p] + delta * delta * size
            self.mean[g] = <real>mean
            self.inverse[g] = <real>(1 / sqrt(m2 / (count * size) + self.eps))


cdef class PlaneNormalize(Step):
    """y = (x - mean) * inverse * gamma + beta; without gamma where it is fixed to one."""
    cdef const real[:, ::1] x         # IN    (planes, size)
    cdef const real[::1] mean, inverse, beta, gamma    # IN
    cdef real[:, ::1] y               # OUT   may be x
    cdef Py_ssize_t period, run_length, channels, share_run
    cdef bint has_gamma

    def __init__(self, reads, writes, *, period, run_length, channels, share_run=1):
        self.x, self.mean, self.inverse, self.beta = reads[:4]
        self.has_gamma = len(reads) == 5
        if self.has_gamma:
            self.gamma = reads[4]
        self.y, = writes
        self.period, self.run_length, self.channels, self.share_run = period, run_length, channels, share_run
        if self.mean.shape[0] * run_length != period or self.beta.shape[0] * share_run != channels:
            raise ValueError("PlaneNormalize: sizes of statistics and planes differ")
        self.cost = 0.15 * self.x.shape[0] * self.x.shape[1] + 5.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t p, g, c
        cdef real scale
        cdef Span part = share(team, self.x.shape[0], 1)
        for p in range(part.start, part.stop):
            g = (p % self.period) // self.run_length
            c = (p % self.channels) // self.share_run
            scale = self.inverse[g]
            if self.has_gamma:
                scale = scale * self.gamma[c]
            norm_apply(&self.x[p, 0], &self.y[p, 0], self.mean[g], scale, self.beta[c], self.x.shape[1])


cdef class PlaneSums(Step):
    """For every plane the sums of dy and of dy * normalised x."""
    cdef const real[:, ::1] dy, x     # IN    (planes, size)
    cdef const real[::1] mean, inverse    # IN
    cdef double[:, ::1] sums          # OUT   (2, planes)
    cdef Py_ssize_t period, run_length

    def __init__(self, reads, writes, *, period, run_length):
        self.dy, self.x, self.mean, self.inverse = reads
        self.sums, = writes
        self.period, self.run_length = period, run_length
        self.cost = 0.25 * self.x.shape[0] * self.x.shape[1] + 20.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t p, g
        cdef Span part = share(team, self.x.shape[0], 1)
        for p in range(part.start, part.stop):
            g = (p % self.period) // self.run_length
            norm_sums(&self.dy[p, 0], &self.x[p, 0], self.mean[g], self.x.shape[1], &self.sums[0, p], &self.sums[1, p])
            self.sums[1, p] = self.sums[1, p] * self.inverse[g]


cdef class ScaleShiftGradient(Step):
    """Gradients of gamma and beta from the sums of planes."""
    cdef const double[:, ::1] sums    # IN    (2, planes)
    cdef real[::1] dgamma, dbeta      # OUT
    cdef Py_ssize_t channels, share_run

    def __init__(self, reads, writes, *, channels, share_run=1):
        self.sums, = reads
        self.dgamma, self.dbeta = writes
        self.channels, self.share_run = channels, share_run
        self.cost = 2.0 * self.sums.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t c, i, p, first
        cdef double a, b
        cdef Span part = share(team, self.dgamma.shape[0], 8)
        for c in range(part.start, part.stop):
            a = b = 0
            for i in range(self.sums.shape[1] // self.channels):
                first = i * self.channels + c * self.share_run
                for p in range(first, first + self.share_run):
                    b += self.sums[0, p]
                    a += self.sums[1, p]
            self.dgamma[c] = <real>a
            self.dbeta[c] = <real>b


cdef class PlaneGradient(Step):
    """dx = inverse * (gamma * dy - mean of that over the group - normalised x * mean of its product with that).

    Without `sums` the statistics are constants and the two means are not subtracted.
    """
    cdef const real[:, ::1] dy, x     # IN    (planes, size)
    cdef const real[::1] mean, inverse, gamma    # IN
    cdef const double[:, ::1] sums    # IN    (2, planes) of PlaneSums
    cdef real[:, ::1] dx              # OUT   may be dy or x
    cdef double[:, ::1] means         # OUT   (2, groups) workspace
    cdef Py_ssize_t period, run_length, channels, share_run
    cdef bint has_gamma, has_sums

    def __init__(self, reads, writes, *, period, run_length, channels, share_run=1, has_gamma, has_sums):
        self.dy, self.x, self.mean, self.inverse = reads[:4]
        self.has_gamma, self.has_sums = has_gamma, has_sums
        if has_sums:
            self.sums = reads[4]
            self.means = writes[1]
        if has_gamma:
            self.gamma = reads[len(reads) - 1]
        self.dx = writes[0]
        self.period, self.run_length, self.channels, self.share_run = period, run_length, channels, share_run
        self.cost = 0.3 * self.x.shape[0] * self.x.shape[1] + 10.0 * self.x.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t planes = self.x.shape[0], size = self.x.shape[1]
        cdef Py_ssize_t p, g, c, i, first
        cdef double a, b, count, gamma, inverse, slope = 0, offset = 0
        cdef Span part
        if self.has_sums:
            part = share(team, self.mean.shape[0], 8)
            for g in range(part.start, part.stop):
                a = b = count = 0
                for i in range(planes // self.period):
                    first = i * self.period + g * self.run_length
                    for p in range(first, first + self.run_length):
                        gamma = self.gamma[(p % self.channels) // self.share_run] if self.has_gamma else 1
                        a += gamma * self.sums[0, p]
                        b += gamma * self.sums[1, p]
                        count += size
                self.means[0, g] = a / count
                self.means[1, g] = b / count
            sync(team)
        part = share(team, planes, 1)
        for p in range(part.start, part.stop):
            g = (p % self.period) // self.run_length
            gamma = self.gamma[(p % self.channels) // self.share_run] if self.has_gamma else 1
            inverse = self.inverse[g]
            if self.has_sums:
                slope = inverse * inverse * self.means[1, g]
                offset = inverse * self.means[0, g]
            norm_apply_backward(&self.dy[p, 0], &self.x[p, 0], &self.dx[p, 0], self.mean[g], <real>(gamma * inverse),
                                <real>slope, <real>offset, size)
