# levels: base v2 v3 v4
# dtypes: f32 f64
# Softmax, log-softmax and their gradients along one axis; the loops are in softmax.h.
from libc.stdint cimport int64_t

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "softmax.h" nogil:
    enum: WIDTH
    void softmax_tasks(const real* x, real* y, const int64_t* length, Py_ssize_t n, Py_ssize_t inner, real scale,
                       int logarithm, Py_ssize_t first, Py_ssize_t last) noexcept
    void softmax_grad_tasks(const real* g, const real* y, real* dx, Py_ssize_t n, Py_ssize_t inner, real scale,
                            int logarithm, Py_ssize_t first, Py_ssize_t last) noexcept


cdef class Softmax(Step):
    """y = softmax(scale * x), or its logarithm, along the middle dimension of (outer, n, inner).

    A second read, int64 of size outer * inner, gives how many of the n elements count; the others become 0.
    """
    cdef const real[::1] x            # IN
    cdef const int64_t[::1] length    # IN, or None
    cdef real[::1] y                  # OUT, may be x
    cdef Py_ssize_t n, inner, tasks
    cdef real scale
    cdef int logarithm, masked

    def __init__(self, reads, writes, *, n, inner, scale=1.0, logarithm=False):
        self.x = reads[0].reshape(-1)
        self.y = writes[0].reshape(-1)
        self.n, self.inner, self.scale, self.logarithm = n, inner, scale, logarithm
        size = self.x.shape[0]
        if self.y.shape[0] != size or size and size % (n * inner):
            raise ValueError(f"Softmax: {size} elements are not (outer, {n}, {inner}) in and out")
        outer = size // (n * inner) if size else 0
        self.tasks = outer if inner == 1 else outer * ((inner + WIDTH - 1) // WIDTH)
        self.masked = len(reads) > 1
        if self.masked:
            self.length = reads[1].reshape(-1)
            if self.length.shape[0] != outer * inner and size:
                raise ValueError("Softmax: one length is needed for each softmax")
        self.cost = size * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.tasks, 1)
        if part.stop > part.start:
            softmax_tasks(&self.x[0], &self.y[0], &self.length[0] if self.masked else NULL, self.n, self.inner,
                          self.scale, self.logarithm, part.start, part.stop)


cdef class SoftmaxGrad(Step):
    """Gradient of Softmax from the head gradient and its result y."""
    cdef const real[::1] g            # IN
    cdef const real[::1] y            # IN
    cdef real[::1] dx                 # OUT, may be g or y
    cdef Py_ssize_t n, inner, tasks
    cdef real scale
    cdef int logarithm

    def __init__(self, reads, writes, *, n, inner, scale=1.0, logarithm=False):
        self.g, self.y = reads[0].reshape(-1), reads[1].reshape(-1)
        self.dx = writes[0].reshape(-1)
        self.n, self.inner, self.scale, self.logarithm = n, inner, scale, logarithm
        size = self.dx.shape[0]
        if self.g.shape[0] != size or self.y.shape[0] != size or size and size % (n * inner):
            raise ValueError("SoftmaxGrad: sizes differ")
        outer = size // (n * inner) if size else 0
        self.tasks = outer if inner == 1 else outer * ((inner + WIDTH - 1) // WIDTH)
        self.cost = size * 0.5

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.tasks, 1)
        if part.stop > part.start:
            softmax_grad_tasks(&self.g[0], &self.y[0], &self.dx[0], self.n, self.inner, self.scale, self.logarithm,
                               part.start, part.stop)
