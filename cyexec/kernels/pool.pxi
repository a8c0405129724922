# levels: base v3
# dtypes: f32 f64
# Pooling and its gradient, plane by plane. The algorithm is pool.h.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "pool.h" nogil:
    enum:
        POOL_MAX
        POOL_SUM
        POOL_AVG
        POOL_LP
    ctypedef struct pool_shape:
        int mode
        int power
        int count_pad
        int fixed
        long step
        long in_ "in"[3]
        long kernel[3]
        long stride[3]
        long pad[3]
        long limit[3]
        long out[3]
    void pool_merge_axes(pool_shape* s) noexcept
    void pool_forward(const pool_shape* s, const real* x, real* y) noexcept
    void pool_backward(const pool_shape* s, const real* dy, const real* x, const real* y, real* dx) noexcept

MODES = {"max": POOL_MAX, "sum": POOL_SUM, "avg": POOL_AVG, "lp": POOL_LP}


cdef class PoolStep(Step):
    """Geometry: `batch` images of `channels` planes, `in_size` to `out_size`, each (z, y, x); `limit` is the padded end."""
    cdef pool_shape shape
    cdef long planes, channels, in_elements, out_elements

    def set_shape(self, *, batch, channels, channels_last, mode, power, count_pad, fixed, in_size, taps, stride, pad,
                  limit, out_size):
        cdef pool_shape* s = &self.shape
        cdef int d
        s.mode, s.power, s.count_pad, s.fixed = MODES[mode], power, count_pad, fixed
        s.step = channels if channels_last else 1
        self.in_elements = self.out_elements = 1
        for d in range(3):
            s.in_[d], s.kernel[d], s.stride[d] = in_size[d], taps[d], stride[d]
            s.pad[d], s.limit[d], s.out[d] = pad[d], limit[d], out_size[d]
            self.in_elements *= in_size[d]
            self.out_elements *= out_size[d]
        self.planes, self.channels = batch * channels, channels
        if s.step == 1:
            pool_merge_axes(s)
        self.cost = self.planes * self.out_elements * 0.3 * taps[0] * taps[1] * taps[2] + 20

    def check(self, x, y):
        if x.size != self.planes * self.in_elements or y.size != self.planes * self.out_elements:
            raise ValueError(f"input {x.shape} and output {y.shape} do not fit the geometry")

    cdef long place(self, long plane, long elements) noexcept nogil:
        """Where a plane of `elements` begins."""
        if self.shape.step == 1:
            return plane * elements
        return plane // self.channels * self.channels * elements + plane % self.channels


cdef class Pool(PoolStep):
    """reads: x; writes: y."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT

    def __init__(self, reads, writes, **geometry):
        self.set_shape(**geometry)
        self.check(reads[0], writes[0])
        self.x, self.y = reads[0].reshape(-1), writes[0].reshape(-1)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.planes, 1)
        cdef Py_ssize_t i
        if self.x.shape[0] == 0 or self.y.shape[0] == 0:
            return
        for i in range(part.start, part.stop):
            pool_forward(&self.shape, &self.x[self.place(i, self.in_elements)],
                         &self.y[self.place(i, self.out_elements)])


cdef class PoolGradient(PoolStep):
    """reads: dy, x (max, lp), y (lp); writes: dx."""
    cdef const real[::1] dy           # IN
    cdef const real[::1] x            # IN, or not there
    cdef const real[::1] y            # IN, or not there
    cdef real[::1] dx                 # OUT

    def __init__(self, reads, writes, **geometry):
        self.set_shape(**geometry)
        self.check(writes[0], reads[0])
        self.dy, self.dx = reads[0].reshape(-1), writes[0].reshape(-1)
        if len(reads) != {POOL_MAX: 2, POOL_LP: 3}.get(self.shape.mode, 1):
            raise ValueError(f"PoolGradient: {len(reads)} operands")
        if len(reads) > 1:
            self.check(reads[1], reads[0])
            self.x = reads[1].reshape(-1)
        if len(reads) > 2:
            self.check(reads[1], reads[2])
            self.y = reads[2].reshape(-1)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.planes, 1)
        cdef Py_ssize_t i
        cdef long a, b
        if self.dx.shape[0] == 0 or self.dy.shape[0] == 0:
            return
        for i in range(part.start, part.stop):
            a = self.place(i, self.in_elements)
            b = self.place(i, self.out_elements)
            pool_backward(&self.shape, &self.dy[b], &self.x[a] if self.x.shape[0] else NULL,
                          &self.y[b] if self.y.shape[0] else NULL, &self.dx[a])
