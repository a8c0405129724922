# levels: base v3
# dtypes: f32 f64
# Local response normalisation across channels: every element is divided by a power of a sum of squares over the window
# of `nsize` channels around it. Vectors run along the spatial axes; threads share planes.
from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "lrn.h" nogil:
    void lrn_forward(const real* x, real* y, real* norm, Py_ssize_t size, Py_ssize_t c, Py_ssize_t first,
                     Py_ssize_t last, real alpha, real knorm, double beta)
    void lrn_ratio(const real* dy, const real* x, const real* norm, real* ratio, Py_ssize_t size, double beta)
    void lrn_backward(const real* dy, const real* x, const real* norm, const real* ratio, real* dx, Py_ssize_t size,
                      Py_ssize_t first, Py_ssize_t last, real factor, double beta)


cdef class LRN(Step):
    """norm = knorm + alpha / nsize * sum of squares; y = x * norm ** -beta."""
    cdef const real[:, :, ::1] x      # IN    (batch, channels, size)
    cdef real[:, :, ::1] y, norm      # OUT   not x: the neighbours' windows read it
    cdef Py_ssize_t half
    cdef double alpha, knorm, beta

    def __init__(self, reads, writes, *, nsize, alpha, knorm, beta):
        self.x, = reads
        self.y, self.norm = writes
        self.half, self.alpha, self.knorm, self.beta = nsize // 2, alpha / nsize, knorm, beta
        self.cost = (1.0 + 0.1 * nsize) * reads[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t p, n, c, channels = self.x.shape[1]
        cdef Span part = share(team, self.x.shape[0] * channels, 1)
        for p in range(part.start, part.stop):
            n = p // channels
            c = p % channels
            lrn_forward(&self.x[n, 0, 0], &self.y[n, c, 0], &self.norm[n, c, 0], self.x.shape[2], c,
                        max(c - self.half, 0), min(c + self.half, channels - 1), <real>self.alpha, <real>self.knorm,
                        self.beta)


cdef class LRNGradient(Step):
    """dx = dy * norm ** -beta - 2 alpha beta / nsize * x * sum over the window of dy * x * norm ** (-beta - 1)."""
    cdef const real[:, :, ::1] dy, x, norm   # IN    (batch, channels, size)
    cdef real[:, :, ::1] dx           # OUT
    cdef real[:, :, ::1] ratio        # OUT   workspace
    cdef Py_ssize_t half
    cdef double factor, beta

    def __init__(self, reads, writes, *, nsize, alpha, beta):
        self.dy, self.x, self.norm = reads
        self.dx, self.ratio = writes
        self.half, self.factor, self.beta = nsize // 2, 2 * alpha * beta / nsize, beta
        self.cost = (2.0 + 0.1 * nsize) * reads[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t p, n, c, channels = self.x.shape[1], size = self.x.shape[2]
        cdef Span part = share(team, self.x.shape[0] * channels, 1)
        for p in range(part.start, part.stop):
            n = p // channels
            c = p % channels
            lrn_ratio(&self.dy[n, c, 0], &self.x[n, c, 0], &self.norm[n, c, 0], &self.ratio[n, c, 0], size, self.beta)
        sync(team)
        for p in range(part.start, part.stop):
            n = p // channels
            c = p % channels
            lrn_backward(&self.dy[n, c, 0], &self.x[n, c, 0], &self.norm[n, c, 0], &self.ratio[n, 0, 0],
                         &self.dx[n, c, 0], size, max(c - self.half, 0), min(c + self.half, channels - 1),
                         <real>self.factor, self.beta)
