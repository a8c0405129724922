# levels: base v3
# dtypes: f32 f64
# Gradients of losses against class numbers. Labels are real numbers, cut to integers as MXNet does; one that names no
# class matches none.
from libc.math cimport log

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class SoftmaxOutputGrad(Step):
    """dx = scale * (y - target), zero where the label is ignored; times a head gradient, if there is a third read.

    y is (outer, n, inner) with a label for each (outer, inner). The target of class k is `hit` where k is the label and
    `miss` elsewhere. With `count_valid`, scale is also divided by the number of labels that are not `ignore`.
    """
    cdef const real[::1] y            # IN
    cdef const real[::1] label        # IN
    cdef const real[::1] head         # IN, or None
    cdef real[::1] dx                 # OUT, may be y or head
    cdef Py_ssize_t n, inner, rows
    cdef real scale, hit, miss
    cdef long long ignore
    cdef bint use_ignore, count_valid, has_head

    def __init__(self, reads, writes, *, n, inner, scale, hit=1.0, miss=0.0, ignore=-1, use_ignore=False,
                 count_valid=False):
        self.y, self.label = reads[0].reshape(-1), reads[1].reshape(-1)
        self.dx = writes[0].reshape(-1)
        self.has_head = len(reads) > 2
        if self.has_head:
            self.head = reads[2].reshape(-1)
            if self.head.shape[0] != self.dx.shape[0]:
                raise ValueError("SoftmaxOutputGrad: head gradient and output differ in size")
        self.n, self.inner, self.scale, self.hit, self.miss = n, inner, scale, hit, miss
        self.ignore, self.use_ignore, self.count_valid = ignore, use_ignore, count_valid
        self.rows = self.dx.shape[0] // n if n else 0
        if self.y.shape[0] != self.dx.shape[0] or self.rows % max(inner, 1) or self.label.shape[0] < self.rows:
            raise ValueError("SoftmaxOutputGrad: sizes differ")
        self.cost = self.dx.shape[0] * 0.3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, k, i, base, valid
        cdef real scale = self.scale
        cdef long long which
        cdef Span part = share(team, self.rows, 1)
        if part.stop <= part.start:
            return
        if self.count_valid:
            valid = 0
            for r in range(self.label.shape[0]):
                valid += <long long>self.label[r] != self.ignore
            scale = scale / (valid if valid > 0 else 1)
        for r in range(part.start, part.stop):
            which = <long long>self.label[r]
            base = r // self.inner * self.n * self.inner + r % self.inner
            if self.use_ignore and which == self.ignore:
                i = base
                for k in range(self.n):
                    self.dx[i] = 0
                    i += self.inner
                continue
            if self.inner == 1 and not self.has_head:
                target_row(&self.y[base], &self.dx[base], self.n, which, scale, self.hit, self.miss)
                continue
            i = base
            for k in range(self.n):
                if self.has_head:
                    self.dx[i] = scale * (self.y[i] - (self.hit if k == which else self.miss)) * self.head[i]
                else:
                    self.dx[i] = scale * (self.y[i] - (self.hit if k == which else self.miss))
                i += self.inner


cdef inline void target_row(const real* y, real* dx, Py_ssize_t n, long long which, real scale, real hit,
                            real miss) noexcept nogil:
    cdef Py_ssize_t k
    cdef real mine = 0
    if 0 <= which < n:
        mine = y[which]
    for k in range(n):
        dx[k] = scale * (y[k] - miss)
    if 0 <= which < n:
        dx[which] = scale * (mine - hit)


cdef class CrossEntropy(Step):
    """out = -sum over rows of log(max(p[row, label], 1e-8)); the floor is MXNet's."""
    cdef const real[::1] p            # IN
    cdef const real[::1] label        # IN
    cdef real[::1] out                # OUT
    cdef Py_ssize_t n

    def __init__(self, reads, writes, *, n):
        self.p, self.label = reads[0].reshape(-1), reads[1].reshape(-1)
        self.out = writes[0].reshape(-1)
        self.n = n
        if self.p.shape[0] != self.label.shape[0] * n or self.out.shape[0] != 1:
            raise ValueError("CrossEntropy: sizes differ")
        self.cost = self.label.shape[0] * 10.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r
        cdef long long which
        cdef double total = 0, value
        if team.rank != 0:
            return
        for r in range(self.label.shape[0]):
            which = <long long>self.label[r]
            value = self.p[r * self.n + which] if 0 <= which < self.n else 0
            total -= log(value if value > 1e-8 or value != value else 1e-8)
        self.out[0] = <real>total


cdef class SvmGrad(Step):
    """Gradient of the hinge loss (linear) or its square: one class against all others, on rows of n scores."""
    cdef const real[::1] x            # IN
    cdef const real[::1] label        # IN
    cdef real[::1] dx                 # OUT, may be x
    cdef Py_ssize_t n
    cdef real margin, weight
    cdef bint linear

    def __init__(self, reads, writes, *, n, margin, weight, linear):
        self.x, self.label = reads[0].reshape(-1), reads[1].reshape(-1)
        self.dx = writes[0].reshape(-1)
        self.n, self.margin, self.weight, self.linear = n, margin, weight, linear
        if self.x.shape[0] != self.dx.shape[0] or self.label.shape[0] * n != self.dx.shape[0]:
            raise ValueError("SvmGrad: sizes differ")
        self.cost = self.dx.shape[0] * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, k, i
        cdef long long which
        cdef real sign, slack
        cdef Span part = share(team, self.label.shape[0], 1)
        for r in range(part.start, part.stop):
            which = <long long>self.label[r]
            for k in range(self.n):
                i = r * self.n + k
                sign = -1 if k == which else 1
                slack = self.margin + sign * self.x[i]
                if slack <= 0:
                    self.dx[i] = 0
                else:
                    self.dx[i] = sign * self.weight * (1 if self.linear else 2 * slack)
