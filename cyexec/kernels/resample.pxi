# levels: base v3
# dtypes: f32 f64
# flags: -ffp-contract=off
# Linear resampling along one axis: every output is a weighted sum of a few neighbouring inputs. The weights depend on
# positions alone, so they are computed at bind; resizing an image is two of these steps, and gradients are two others.
import numpy as np

from cyexec.kernels.step cimport Span, Step, Team, share


cdef class Resample(Step):
    """y[o, i, :] = sum over k of weights[k, i] * x[o, first[i] + k, :] for x of shape (outer, extent, inner).

    ``used[i]`` of the weights are used; a position without any gives 0.
    """
    cdef const real[:, :, ::1] x      # IN    (outer, extent, inner)
    cdef real[:, :, ::1] y            # OUT   (outer, positions, inner)
    cdef Py_ssize_t[::1] first, used
    cdef real[:, ::1] weights

    def __init__(self, reads, writes, *, outer, inner, first, used, weights):
        self.x = reads[0].reshape(outer, -1, inner)
        self.y = writes[0].reshape(outer, -1, inner)
        self.first = np.array(first, np.intp)
        self.used = np.array(used, np.intp)
        self.weights = np.array(weights, writes[0].dtype)
        n = self.y.shape[1]
        if self.first.shape[0] != n or self.used.shape[0] != n or self.weights.shape[1] != n:
            raise ValueError("Resample: each position needs a first input, a count and weights")
        for i in range(n):
            if not 0 <= self.first[i] <= self.first[i] + self.used[i] <= self.x.shape[1]:
                raise ValueError("Resample: a position reads outside the input")
            if self.used[i] > self.weights.shape[0]:
                raise ValueError("Resample: a position needs more weights than there are")
        self.cost = writes[0].size * (0.5 + 0.3 * self.weights.shape[0])

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, n = self.y.shape[1], i, k, j, first, inner = self.x.shape[2]
        cdef Span part = share(team, self.x.shape[0] * n, 1 + 64 // (inner + 1))
        cdef const real* x
        cdef real* y
        cdef real weight, total
        if inner == 0:
            return
        for task in range(part.start, part.stop):
            i = task % n
            first = self.first[i]
            y = &self.y[task // n, i, 0]
            if inner == 1:
                total = 0
                for k in range(self.used[i]):
                    total += self.weights[k, i] * self.x[task // n, first + k, 0]
                y[0] = total
                continue
            for j in range(inner):
                y[j] = 0
            for k in range(self.used[i]):
                x, weight = &self.x[task // n, first + k, 0], self.weights[k, i]
                for j in range(inner):
                    y[j] += weight * x[j]
