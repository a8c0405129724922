# levels: base v3
# dtypes: f32 f64
# Discrete Fourier transforms of rows, in double precision: radix 2 where the length is a power of two (Cooley and Tukey, 1965),
# the plain sum elsewhere. Real numbers on one side, pairs (real, imaginary) on the other.
import numpy as np

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class Fourier(Step):
    """y = sums of x[k] exp(-2 pi i j k / n); inverse: real parts of the sums with the other sign, not divided by n."""
    cdef const real[:, ::1] x         # IN    (rows, n), or (rows, 2 n) of the inverse
    cdef real[:, ::1] y               # OUT   (rows, 2 n), or (rows, n) of the inverse
    cdef double[:, ::1] re, im        # OUT   workspaces (rows, n)
    cdef double[::1] cosine, sine     # of 2 pi j / n
    cdef Py_ssize_t n
    cdef bint inverse, by_halves

    def __init__(self, reads, writes, *, n, inverse):
        rows = reads[0].size // (n * (2 if inverse else 1))
        self.x = reads[0].reshape(rows, n * (2 if inverse else 1))
        self.y = writes[0].reshape(rows, n * (1 if inverse else 2))
        self.re, self.im = [w.reshape(rows, n) for w in writes[1:]]
        self.n, self.inverse, self.by_halves = n, inverse, n & (n - 1) == 0
        angle = 2 * np.pi * np.arange(n) / n
        self.cosine, self.sine = np.cos(angle), np.sin(angle)
        self.cost = rows * n * (4.0 * len(bin(n)) if self.by_halves else 2.0 * n)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t row, j
        cdef Span part = share(team, self.x.shape[0], 1)
        for row in range(part.start, part.stop):
            for j in range(self.n):
                self.re[row, j] = self.x[row, 2 * j] if self.inverse else self.x[row, j]
                self.im[row, j] = self.x[row, 2 * j + 1] if self.inverse else 0
            if self.by_halves:
                self.halves(&self.re[row, 0], &self.im[row, 0])
                for j in range(self.n):
                    if self.inverse:
                        self.y[row, j] = <real>self.re[row, j]
                    else:
                        self.y[row, 2 * j], self.y[row, 2 * j + 1] = <real>self.re[row, j], <real>self.im[row, j]
            else:
                self.sums(row)

    cdef void sums(self, Py_ssize_t row) noexcept nogil:
        """The definition."""
        cdef Py_ssize_t j, k, at
        cdef double re, im
        for j in range(self.n):
            re, im, at = 0, 0, 0
            for k in range(self.n):
                if self.inverse:
                    re += self.re[row, k] * self.cosine[at] - self.im[row, k] * self.sine[at]
                else:
                    re += self.re[row, k] * self.cosine[at]
                    im -= self.re[row, k] * self.sine[at]
                at += j
                if at >= self.n:
                    at -= self.n
            if self.inverse:
                self.y[row, j] = <real>re
            else:
                self.y[row, 2 * j], self.y[row, 2 * j + 1] = <real>re, <real>im

    cdef void halves(self, double* re, double* im) noexcept nogil:
        """In place: elements in bit-reversed order, then butterflies of growing width."""
        cdef Py_ssize_t i, j = 0, k, bit, width = 1, start, n = self.n
        cdef double c, s, x, y
        for i in range(1, n):
            bit = n >> 1
            while j & bit:
                j ^= bit
                bit >>= 1
            j |= bit
            if i < j:
                x, y = re[i], im[i]
                re[i], im[i] = re[j], im[j]
                re[j], im[j] = x, y
        while width < n:
            for start in range(0, n // (2 * width)):
                for k in range(width):
                    i = start * 2 * width + k
                    c = self.cosine[k * (n // (2 * width))]
                    s = self.sine[k * (n // (2 * width))]
                    if not self.inverse:
                        s = -s
                    x = re[i + width] * c - im[i + width] * s
                    y = re[i + width] * s + im[i + width] * c
                    re[i + width], im[i + width] = re[i] - x, im[i] - y
                    re[i] += x
                    im[i] += y
            width *= 2
