# levels: base v3 v4
# dtypes: f32
# Batch normalisation of blocked activations (images, blocks, positions, 16) while training, and its gradient.
#
# Passes over the data go plane by plane, in parallel; what is left, a few numbers a plane, is combined in double in a
# fixed order. A relu between the normalisation and its reader is part of both passes: forward applies it, backward takes
# the head gradient where the relu's output is positive.
from libc.math cimport sqrt

from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "blocked_norm.h" nogil:
    enum: BN_LANES
    void bn_channels(const float* v, long c, long channels, float* out) noexcept
    void bn_moments(const float* x, long n, double* mean, double* m2) noexcept
    void bn_apply(const float* x, float* y, const float* mean, const float* scale, const float* shift, long n,
                  int relu) noexcept
    void bn_sums(const float* dy, const float* x, const float* y, const float* mean, long n, double* sum,
                 double* dot) noexcept
    void bn_apply_backward(const float* dy, const float* x, const float* y, float* dx, const float* mean,
                           const float* scale, const float* slope, const float* offset, long n) noexcept


cdef class Planes(Step):
    """A step over planes: image n and block b are plane n * blocks + b of `positions` times 16 numbers."""
    cdef long images, blocks, positions, channels

    def set_planes(self, shape, channels, *same):
        self.images, self.blocks, self.positions = shape[0], shape[1], 1
        for extent in shape[2 : len(shape) - 1]:
            self.positions *= extent
        self.channels = channels
        if shape[len(shape) - 1] != BN_LANES or self.blocks != (channels + BN_LANES - 1) // BN_LANES:
            raise ValueError(f"{type(self).__name__}: {channels} channels in a blocked array of shape {tuple(shape)}")
        if any(other.shape != shape for other in same):
            raise ValueError(f"{type(self).__name__}: blocked arrays of different shapes")

    cdef const float* vector(self, const float[::1] v) noexcept nogil:
        return &v[0] if v.shape[0] else NULL


cdef class Moments(Planes):
    """Mean and 1 / sqrt(variance + eps) of every channel. reads: x; writes: mean, inverse, partial (2, planes, 16)."""
    cdef const float[::1] x           # IN
    cdef float[::1] mean, inverse     # OUT   (channels)
    cdef double[:, :, ::1] partial    # workspace: mean and squared deviations of every plane
    cdef double eps

    def __init__(self, reads, writes, *, eps):
        x, (mean, inverse, partial) = reads[0], writes
        self.set_planes(x.shape, mean.shape[0])
        self.x, self.mean, self.inverse, self.partial = x.reshape(-1), mean, inverse, partial
        self.eps = eps
        if partial.shape != (2, self.images * self.blocks, BN_LANES) or inverse.shape != mean.shape:
            raise ValueError("Moments: sizes of statistics and workspace do not fit")
        self.cost = 0.1 * self.x.shape[0] + 100.0 * self.images * self.blocks

    cdef void run(self, Team* team) noexcept nogil:
        cdef long n, p, b, c, i, size = self.positions * BN_LANES
        cdef double mean, m2, delta
        cdef Span part = share(team, self.images * self.blocks, 1)
        for p in range(part.start, part.stop):
            bn_moments(&self.x[p * size], self.positions, &self.partial[0, p, 0], &self.partial[1, p, 0])
        sync(team)
        part = share(team, self.channels, BN_LANES)
        for c in range(part.start, part.stop):
            b, i = c // BN_LANES, c % BN_LANES
            mean = m2 = 0
            # Planes have equal sizes: the mean is the mean of means (Chan et al. for equal parts).
            for n in range(self.images):
                mean += self.partial[0, n * self.blocks + b, i]
            mean /= self.images
            for n in range(self.images):
                p = n * self.blocks + b
                delta = self.partial[0, p, i] - mean
                m2 += self.partial[1, p, i] + delta * delta * self.positions
            self.mean[c] = <float>mean
            self.inverse[c] = <float>(1 / sqrt(m2 / (self.images * self.positions) + self.eps))


cdef class Normalize(Planes):
    """y = (x - mean) * inverse * gamma + beta, then a relu with `relu`. reads: x, mean, inverse, beta [, gamma]; writes: y."""
    cdef const float[::1] x           # IN
    cdef const float[::1] mean, inverse, beta, gamma  # IN    (channels); gamma may be empty: ones
    cdef float[::1] y                 # OUT   may be x
    cdef bint relu

    def __init__(self, reads, writes, *, relu):
        x, y = reads[0], writes[0]
        self.set_planes(x.shape, reads[1].shape[0], y)
        self.x, self.mean, self.inverse, self.beta, self.y = x.reshape(-1), reads[1], reads[2], reads[3], y.reshape(-1)
        if len(reads) > 4:
            self.gamma = reads[4]
        self.relu = relu
        if any(r.shape != reads[1].shape for r in reads[2:]):
            raise ValueError("Normalize: vectors of different lengths")
        self.cost = 0.12 * self.x.shape[0] + 50.0 * self.images * self.blocks

    cdef void run(self, Team* team) noexcept nogil:
        cdef long p, c, size = self.positions * BN_LANES
        cdef float mean[BN_LANES]
        cdef float scale[BN_LANES]
        cdef float factor[BN_LANES]
        cdef float shift[BN_LANES]
        cdef Span part = share(team, self.images * self.blocks, 1)
        for p in range(part.start, part.stop):
            c = p % self.blocks * BN_LANES
            bn_channels(&self.mean[0], c, self.channels, mean)
            bn_channels(&self.inverse[0], c, self.channels, scale)
            bn_channels(&self.beta[0], c, self.channels, shift)
            if self.gamma.shape[0]:
                bn_channels(&self.gamma[0], c, self.channels, factor)
                for c in range(BN_LANES):
                    scale[c] *= factor[c]
            bn_apply(&self.x[p * size], &self.y[p * size], mean, scale, shift, self.positions, self.relu)


cdef class Sums(Planes):
    """Sums over a channel of dy and dy * (x - mean). reads: dy, x, mean [, output of a relu]; writes: sums, partial.

    sums: (2, channels); partial: (2, planes, 16), workspace; both in double.
    """
    cdef const float[::1] dy, x, y    # IN    y may be empty
    cdef const float[::1] mean        # IN
    cdef double[:, ::1] sums          # OUT
    cdef double[:, :, ::1] partial    # workspace

    def __init__(self, reads, writes):
        dy, x, mean = reads[:3]
        self.set_planes(x.shape, mean.shape[0], dy, *reads[3:])
        self.dy, self.x, self.mean = dy.reshape(-1), x.reshape(-1), mean
        if len(reads) > 3:
            self.y = reads[3].reshape(-1)
        self.sums, self.partial = writes
        if writes[0].shape != (2, self.channels) or writes[1].shape != (2, self.images * self.blocks, BN_LANES):
            raise ValueError("Sums: sizes of sums and workspace do not fit")
        self.cost = 0.15 * self.x.shape[0] + 100.0 * self.images * self.blocks

    cdef void run(self, Team* team) noexcept nogil:
        cdef long n, p, c, i, size = self.positions * BN_LANES
        cdef const float* y = self.vector(self.y)
        cdef float mean[BN_LANES]
        cdef double sum, dot
        cdef Span part = share(team, self.images * self.blocks, 1)
        for p in range(part.start, part.stop):
            bn_channels(&self.mean[0], p % self.blocks * BN_LANES, self.channels, mean)
            bn_sums(&self.dy[p * size], &self.x[p * size], y + p * size if y != NULL else NULL, mean, self.positions,
                    &self.partial[0, p, 0], &self.partial[1, p, 0])
        sync(team)
        part = share(team, self.channels, BN_LANES)
        for c in range(part.start, part.stop):
            i, sum, dot = c % BN_LANES, 0, 0
            for n in range(self.images):
                p = n * self.blocks + c // BN_LANES
                sum += self.partial[0, p, i]
                dot += self.partial[1, p, i]
            self.sums[0, c] = sum
            self.sums[1, c] = dot


cdef class ParameterGradients(Step):
    """dgamma = inverse * sum of dy * (x - mean), dbeta = sum of dy. reads: sums, inverse; writes: dgamma, dbeta."""
    cdef const double[:, ::1] sums    # IN
    cdef const float[::1] inverse     # IN
    cdef float[::1] dgamma, dbeta     # OUT

    def __init__(self, reads, writes):
        self.sums, self.inverse = reads
        self.dgamma, self.dbeta = writes
        if self.sums.shape[1] != self.inverse.shape[0]:
            raise ValueError("ParameterGradients: sums and statistics of different channels")
        self.cost = 2.0 * self.inverse.shape[0]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.inverse.shape[0], 64)
        cdef Py_ssize_t c
        for c in range(part.start, part.stop):
            self.dgamma[c] = <float>(self.sums[1, c] * self.inverse[c])
            self.dbeta[c] = <float>self.sums[0, c]


cdef class DataGradient(Planes):
    """Gradient of the data. reads: dy, x, mean, inverse, sums [, gamma] [, output of a relu]; writes: dx.

    With M = images * positions: dx = gamma * inverse * (dy - sum(dy) / M - (x - mean) * inverse^2 * sum(dy * (x - mean)) / M).
    """
    cdef const float[::1] dy, x, y    # IN    y may be empty
    cdef const float[::1] mean, inverse, gamma  # IN
    cdef const double[:, ::1] sums    # IN
    cdef float[::1] dx                # OUT   may be dy or x

    def __init__(self, reads, writes, *, has_gamma, has_relu):
        dy, x, mean, inverse, sums = reads[:5]
        rest = list(reads[5:])
        dx = writes[0]
        self.set_planes(x.shape, mean.shape[0], dy, dx, *rest[has_gamma:])
        self.dy, self.x, self.mean, self.inverse, self.sums = dy.reshape(-1), x.reshape(-1), mean, inverse, sums
        self.dx = dx.reshape(-1)
        if has_gamma:
            self.gamma = rest.pop(0)
        if has_relu:
            self.y = rest.pop(0).reshape(-1)
        if rest or inverse.shape != mean.shape or sums.shape != (2, self.channels):
            raise ValueError("DataGradient: operands do not fit")
        self.cost = 0.2 * self.x.shape[0] + 50.0 * self.images * self.blocks

    cdef void run(self, Team* team) noexcept nogil:
        cdef long p, c, i, first, size = self.positions * BN_LANES
        cdef const float* y = self.vector(self.y)
        cdef double scale_of, count = <double>self.images * self.positions
        cdef float mean[BN_LANES]
        cdef float scale[BN_LANES]
        cdef float slope[BN_LANES]
        cdef float offset[BN_LANES]
        cdef Span part = share(team, self.images * self.blocks, 1)
        for p in range(part.start, part.stop):
            first = p % self.blocks * BN_LANES
            for i in range(BN_LANES):
                mean[i] = scale[i] = slope[i] = offset[i] = 0
                c = first + i
                if c < self.channels:
                    scale_of = <double>self.inverse[c] * (self.gamma[c] if self.gamma.shape[0] else 1)
                    mean[i] = self.mean[c]
                    scale[i] = <float>scale_of
                    offset[i] = <float>(scale_of * self.sums[0, c] / count)
                    slope[i] = <float>(scale_of * self.inverse[c] * self.inverse[c] * self.sums[1, c] / count)
            bn_apply_backward(&self.dy[p * size], &self.x[p * size], y + p * size if y != NULL else NULL,
                              &self.dx[p * size], mean, scale, slope, offset, self.positions)
