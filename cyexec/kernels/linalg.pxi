# levels: base
# dtypes: f32 f64
# flags: -O2
# Factorisations of small matrices, a batch of them, in double precision whatever the dtype. Threads share matrices, so that
# one thread's order of summation is all there is. (Products are the Gemm kernel's.)
from libc.math cimport copysign, fabs, log, sqrt

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class Factorisation(Step):
    """A step that some matrices have no answer for: whoever runs it asks `take_failure` afterwards."""
    cdef Py_ssize_t failed            # number of the first matrix without an answer, plus 1
    cdef object where

    def take_failure(self):
        """What the last run found wrong, once; "" if nothing."""
        if not self.failed:
            return ""
        number, self.failed = self.failed - 1, 0
        return f"{self.where} (matrix {number} of the batch)"


cdef class Triangle(Step):
    """y = x on and below the diagonal (above, with `upper`), elsewhere 0, or x mirrored."""
    cdef const real[:, :, ::1] x      # IN    (batch, n, n)
    cdef real[:, :, ::1] y            # OUT   (batch, n, n)
    cdef bint upper, mirror

    def __init__(self, reads, writes, *, upper=False, mirror=False):
        self.x, self.y = [a.reshape(-1, *a.shape[a.ndim - 2:]) for a in (reads[0], writes[0])]
        self.upper, self.mirror = upper, mirror
        self.cost = writes[0].size * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j
        cdef Span part = share(team, self.x.shape[0], 1)
        for b in range(part.start, part.stop):
            for i in range(self.x.shape[1]):
                for j in range(self.x.shape[2]):
                    if i == j or (i < j) == self.upper:
                        self.y[b, i, j] = self.x[b, i, j]
                    else:
                        self.y[b, i, j] = self.x[b, j, i] if self.mirror else <real>0


cdef class Cholesky(Factorisation):
    """y = the lower triangular matrix with y y^T = x; x is read on and below its diagonal."""
    cdef const real[:, :, ::1] x      # IN    (batch, n, n)
    cdef real[:, :, ::1] y            # OUT   (batch, n, n)

    def __init__(self, reads, writes, *, where):
        self.x, self.y = [a.reshape(-1, *a.shape[a.ndim - 2:]) for a in (reads[0], writes[0])]
        self.where = where
        self.cost = 0.5 * writes[0].size * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j, k, n = self.x.shape[1]
        cdef double total
        cdef Span part = share(team, self.x.shape[0], 1)
        for b in range(part.start, part.stop):
            for i in range(n):
                for j in range(i + 1):
                    total = self.x[b, i, j]
                    for k in range(j):
                        total -= <double>self.y[b, i, k] * self.y[b, j, k]
                    if i > j:
                        self.y[b, i, j] = <real>(total / self.y[b, j, j])
                        continue
                    if not total > 0:
                        self.failed = b + 1
                    self.y[b, i, i] = <real>sqrt(total)
                for j in range(i + 1, n):
                    self.y[b, i, j] = 0


cdef class TriangularSolve(Step):
    """Solve op(A) x = alpha b for vectors b of n elements that lie `element` apart, one vector every `vector`."""
    cdef const real[:, :, ::1] a      # IN    (batch, n, n)
    cdef const real[:, ::1] b         # IN    (batch, n * vectors)
    cdef real[:, ::1] x               # OUT   may be b
    cdef Py_ssize_t vectors, element, vector
    cdef bint transpose, lower
    cdef double alpha

    def __init__(self, reads, writes, *, vectors, element, vector, transpose, lower, alpha):
        self.a = reads[0].reshape(-1, *reads[0].shape[reads[0].ndim - 2:])
        batch = self.a.shape[0]
        self.b, self.x = reads[1].reshape(batch, -1), writes[0].reshape(batch, -1)
        self.vectors, self.element, self.vector = vectors, element, vector
        self.transpose, self.lower, self.alpha = transpose, lower, alpha
        if self.x.shape[1] != vectors * self.a.shape[1]:
            raise ValueError("TriangularSolve: sizes do not fit")
        self.cost = writes[0].size * 1.0 * self.a.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, b, i, k, step, n = self.a.shape[1], start
        cdef bint forward = self.lower != self.transpose
        cdef double total
        cdef Span part = share(team, self.a.shape[0] * self.vectors, 1)
        for task in range(part.start, part.stop):
            b, start = task // self.vectors, task % self.vectors * self.vector
            for step in range(n):
                i = step if forward else n - 1 - step
                total = self.alpha * self.b[b, start + i * self.element]
                for k in range(0 if forward else i + 1, i if forward else n):
                    total -= <double>(self.a[b, k, i] if self.transpose else self.a[b, i, k]) * self.x[
                        b, start + k * self.element
                    ]
                self.x[b, start + i * self.element] = <real>(total / self.a[b, i, i])


cdef class Lu(Step):
    """LU factorisation with partial pivoting, in place of a copy; `pivots` holds the row exchanges, then their parity."""
    cdef const real[:, :, ::1] x      # IN    (batch, n, n)
    cdef double[:, :, ::1] lu         # OUT   (batch, n, n): the unit lower triangle below U
    cdef long long[:, ::1] pivots     # OUT   (batch, n + 1)

    def __init__(self, reads, writes):
        self.x = reads[0].reshape(-1, *reads[0].shape[reads[0].ndim - 2:])
        self.lu, self.pivots = writes
        self.cost = 1.0 * writes[0].size * self.x.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j, k, best, n = self.x.shape[1]
        cdef double held, factor
        cdef Span part = share(team, self.x.shape[0], 1)
        for b in range(part.start, part.stop):
            self.pivots[b, n] = 1
            for i in range(n):
                for j in range(n):
                    self.lu[b, i, j] = self.x[b, i, j]
            for k in range(n):
                best = k
                for i in range(k + 1, n):
                    if fabs(self.lu[b, i, k]) > fabs(self.lu[b, best, k]):
                        best = i
                self.pivots[b, k] = best
                if best != k:
                    self.pivots[b, n] = -self.pivots[b, n]
                    for j in range(n):
                        held = self.lu[b, k, j]
                        self.lu[b, k, j] = self.lu[b, best, j]
                        self.lu[b, best, j] = held
                if self.lu[b, k, k] == 0:
                    continue
                for i in range(k + 1, n):
                    factor = self.lu[b, i, k] / self.lu[b, k, k]
                    self.lu[b, i, k] = factor
                    for j in range(k + 1, n):
                        self.lu[b, i, j] -= factor * self.lu[b, k, j]


cdef class LuDeterminant(Step):
    """Determinants; with two writes their signs and the logarithms of their absolute values."""
    cdef const double[:, :, ::1] lu   # IN    (batch, n, n)
    cdef const long long[:, ::1] pivots  # IN (batch, n + 1)
    cdef real[::1] det                # OUT   (batch,): or the sign
    cdef real[::1] logarithm          # OUT   (batch,), or None
    cdef bint split

    def __init__(self, reads, writes):
        self.lu, self.pivots = reads
        self.det = writes[0].reshape(-1)
        self.split = len(writes) > 1
        if self.split:
            self.logarithm = writes[1].reshape(-1)
        self.cost = 10.0 * reads[1].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, n = self.lu.shape[1]
        cdef double product, total, sign
        cdef Span part = share(team, self.lu.shape[0], 1)
        for b in range(part.start, part.stop):
            product = sign = <double>self.pivots[b, n]
            total = 0
            for i in range(n):
                product *= self.lu[b, i, i]
                total += log(fabs(self.lu[b, i, i]))
                sign *= 0 if self.lu[b, i, i] == 0 else copysign(1, self.lu[b, i, i])
            self.det[b] = <real>(sign if self.split else product)
            if self.split:
                self.logarithm[b] = <real>total


cdef class LuInverse(Factorisation):
    """y = the inverse of the factorised matrix."""
    cdef const double[:, :, ::1] lu   # IN    (batch, n, n)
    cdef const long long[:, ::1] pivots  # IN (batch, n + 1)
    cdef real[:, :, ::1] y            # OUT   (batch, n, n)
    cdef double[:, ::1] column        # OUT   workspace (batch, n)

    def __init__(self, reads, writes, *, where):
        self.lu, self.pivots = reads
        self.y, self.column = writes[0].reshape(reads[0].shape), writes[1]
        self.where = where
        self.cost = 2.0 * reads[0].size * self.lu.shape[1]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j, k, n = self.lu.shape[1]
        cdef double held
        cdef Span part = share(team, self.lu.shape[0], 1)
        for b in range(part.start, part.stop):
            for i in range(n):
                if self.lu[b, i, i] == 0:
                    self.failed = b + 1
            for j in range(n):
                for i in range(n):
                    self.column[b, i] = 1 if i == j else 0
                for i in range(n):
                    k = self.pivots[b, i]
                    held = self.column[b, i]
                    self.column[b, i] = self.column[b, k]
                    self.column[b, k] = held
                for i in range(n):
                    for k in range(i):
                        self.column[b, i] -= self.lu[b, i, k] * self.column[b, k]
                for i in range(n - 1, -1, -1):
                    for k in range(i + 1, n):
                        self.column[b, i] -= self.lu[b, i, k] * self.column[b, k]
                    self.column[b, i] /= self.lu[b, i, i]
                for i in range(n):
                    self.y[b, i, j] = <real>self.column[b, i]


cdef class Lq(Step):
    """x = l q with orthonormal rows of q, by Householder reflections (signs as LAPACK's gelqf has them)."""
    cdef const real[:, :, ::1] x      # IN    (batch, m, n), m <= n
    cdef real[:, :, ::1] q            # OUT   (batch, m, n)
    cdef real[:, :, ::1] l            # OUT   (batch, m, m)
    cdef double[:, :, ::1] w          # OUT   workspace (batch, m, n): l, and the reflections' vectors beside it
    cdef double[:, :, ::1] rows       # OUT   workspace (batch, m, n)
    cdef double[:, ::1] tau           # OUT   workspace (batch, m)

    def __init__(self, reads, writes):
        self.x = reads[0].reshape(-1, *reads[0].shape[reads[0].ndim - 2:])
        self.q, self.l = [a.reshape(-1, *a.shape[a.ndim - 2:]) for a in writes[:2]]
        self.w, self.rows, self.tau = writes[2:]
        self.cost = 4.0 * reads[0].size * self.x.shape[1]

    cdef void reflect(self, double* row, const double* v, double tau, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
        """row -= tau (row . v) v over [first, n), where v[first] counts as 1."""
        cdef Py_ssize_t k
        cdef double total = row[first]
        for k in range(first + 1, n):
            total += row[k] * v[k]
        row[first] -= tau * total
        for k in range(first + 1, n):
            row[k] -= tau * total * v[k]

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j, m = self.x.shape[1], n = self.x.shape[2]
        cdef double tail, alpha, beta
        cdef Span part = share(team, self.x.shape[0], 1)
        for b in range(part.start, part.stop):
            for i in range(m):
                for j in range(n):
                    self.w[b, i, j] = self.x[b, i, j]
                    self.rows[b, i, j] = 1 if i == j else 0
            for i in range(m):
                tail, alpha = 0, self.w[b, i, i]
                for j in range(i + 1, n):
                    tail += self.w[b, i, j] * self.w[b, i, j]
                self.tau[b, i] = 0
                if tail > 0:
                    beta = -copysign(sqrt(alpha * alpha + tail), alpha)
                    self.tau[b, i] = (beta - alpha) / beta
                    for j in range(i + 1, n):
                        self.w[b, i, j] /= alpha - beta
                    self.w[b, i, i] = beta
                    for j in range(i + 1, m):
                        self.reflect(&self.w[b, j, 0], &self.w[b, i, 0], self.tau[b, i], i, n)
            for i in range(m - 1, -1, -1):
                for j in range(m):
                    self.reflect(&self.rows[b, j, 0], &self.w[b, i, 0], self.tau[b, i], i, n)
            for i in range(m):
                for j in range(m):
                    self.l[b, i, j] = <real>self.w[b, i, j] if j <= i else <real>0
                for j in range(n):
                    self.q[b, i, j] = <real>self.rows[b, i, j]


cdef class SymmetricEigen(Step):
    """Rows of u are eigenvectors of x (read on and below its diagonal), values their eigenvalues, ascending.

    By Jacobi rotations; of each vector the largest element is positive.
    """
    cdef const real[:, :, ::1] x      # IN    (batch, n, n)
    cdef real[:, :, ::1] u            # OUT   (batch, n, n)
    cdef real[:, ::1] values          # OUT   (batch, n)
    cdef double[:, :, ::1] a, v       # OUT   workspaces (batch, n, n): the matrix as it becomes diagonal; eigenvectors as rows

    def __init__(self, reads, writes):
        n = reads[0].shape[reads[0].ndim - 1]
        self.x, self.u = reads[0].reshape(-1, n, n), writes[0].reshape(-1, n, n)
        self.values = writes[1].reshape(-1, n)
        self.a, self.v = writes[2:]
        self.cost = 50.0 * reads[0].size * n

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b
        cdef Span part = share(team, self.x.shape[0], 1)
        for b in range(part.start, part.stop):
            self.one(b)

    cdef void rotate(self, Py_ssize_t b, Py_ssize_t p, Py_ssize_t q) noexcept nogil:
        """Make a[p, q] zero."""
        cdef double theta, t, c, s, x, y
        cdef Py_ssize_t k
        theta = (self.a[b, q, q] - self.a[b, p, p]) / (2 * self.a[b, p, q])
        t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1))
        c = 1 / sqrt(t * t + 1)
        s = t * c
        for k in range(self.a.shape[1]):
            x, y = self.a[b, k, p], self.a[b, k, q]
            self.a[b, k, p], self.a[b, k, q] = c * x - s * y, s * x + c * y
        for k in range(self.a.shape[1]):
            x, y = self.a[b, p, k], self.a[b, q, k]
            self.a[b, p, k], self.a[b, q, k] = c * x - s * y, s * x + c * y
            x, y = self.v[b, p, k], self.v[b, q, k]
            self.v[b, p, k], self.v[b, q, k] = c * x - s * y, s * x + c * y

    cdef void one(self, Py_ssize_t b) noexcept nogil:
        cdef Py_ssize_t i, j, k, n = self.a.shape[1], best, sweep
        cdef double off, whole, held
        for i in range(n):
            for j in range(n):
                self.a[b, i, j] = self.x[b, i, j] if j <= i else self.x[b, j, i]
                self.v[b, i, j] = 1 if i == j else 0
        for sweep in range(64):  # converges quadratically: ten sweeps are many
            off = whole = 0
            for i in range(n):
                for j in range(n):
                    whole += self.a[b, i, j] * self.a[b, i, j]
                    if i != j:
                        off += self.a[b, i, j] * self.a[b, i, j]
            if not off > whole * 1e-34:
                break
            for i in range(n):
                for j in range(i + 1, n):
                    if self.a[b, i, j] != 0:
                        self.rotate(b, i, j)
        for i in range(n):
            best = i
            for k in range(i + 1, n):
                if self.a[b, k, k] < self.a[b, best, best]:
                    best = k
            if best != i:
                held = self.a[b, i, i]
                self.a[b, i, i] = self.a[b, best, best]
                self.a[b, best, best] = held
                for k in range(n):
                    held = self.v[b, i, k]
                    self.v[b, i, k] = self.v[b, best, k]
                    self.v[b, best, k] = held
            best = 0
            for k in range(1, n):
                if fabs(self.v[b, i, k]) > fabs(self.v[b, i, best]):
                    best = k
            self.values[b, i] = <real>self.a[b, i, i]
            for k in range(n):
                self.u[b, i, k] = <real>(-self.v[b, i, k] if self.v[b, i, best] < 0 else self.v[b, i, k])


cdef class EigenGradient(Step):
    """y[i, j] = (m[i, j] - m[j, i]) / (values[i] - values[j]) / 2, and dvalues on the diagonal."""
    cdef const real[:, :, ::1] m      # IN    (batch, n, n): gradients of eigenvectors times eigenvectors
    cdef const real[:, ::1] values, dvalues  # IN (batch, n)
    cdef real[:, :, ::1] y            # OUT   (batch, n, n)

    def __init__(self, reads, writes):
        n = writes[0].shape[writes[0].ndim - 1]
        self.m, self.y = reads[0].reshape(-1, n, n), writes[0].reshape(-1, n, n)
        self.values, self.dvalues = [r.reshape(-1, n) for r in reads[1:]]
        self.cost = 2.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, i, j
        cdef real apart
        cdef Span part = share(team, self.m.shape[0], 1)
        for b in range(part.start, part.stop):
            for i in range(self.m.shape[1]):
                for j in range(self.m.shape[1]):
                    apart = self.values[b, i] - self.values[b, j]
                    # Vectors of equal eigenvalues are not determined, nor is their derivative.
                    self.y[b, i, j] = (self.m[b, i, j] - self.m[b, j, i]) / (2 * apart) if apart != 0 else <real>0
                self.y[b, i, i] = self.dvalues[b, i]
