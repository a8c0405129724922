# levels: base v3
# dtypes: f32 f64
# Correlation of two feature maps (Fischer et al., 2015, FlowNet, equation 1): patches of the first are compared with patches of
# the second around the same place. Both come padded, so the loops know no border. For stride 1 they run along rows.
from libc.math cimport fabs

from cyexec.kernels.step cimport Span, Step, Team, share


cdef inline real sign(real x) noexcept nogil:
    # As MXNet: the slope of |x| at 0 is 1.
    return <real>1 if x >= 0 else <real>-1


cdef class Correlation(Step):
    """y[n, shift, i, j] = mean over a patch and channels of products (or absolute differences) of a and shifted b."""
    cdef const real[:, :, :, ::1] a, b  # IN  (images, channels, padded height, padded width)
    cdef real[:, :, :, ::1] y         # OUT   (images, shifts * shifts, height, width)
    cdef Py_ssize_t patch, shift, stride, shift_stride, around
    cdef bint multiply

    def __init__(self, reads, writes, *, patch, shift, stride, shift_stride, multiply):
        self.a, self.b = reads
        self.y = writes[0]
        self.patch, self.shift, self.stride, self.shift_stride = patch, shift, stride, shift_stride
        self.around, self.multiply = shift // shift_stride, multiply
        self.cost = 0.3 * writes[0].size * reads[0].shape[1] * patch * patch

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, n, s, i, j, c, u, v, x, wide = 2 * self.around + 1, width = self.y.shape[3]
        cdef Py_ssize_t shifts = wide * wide, rows = self.y.shape[2], shift_y, shift_x
        cdef real count = <real>(self.patch * self.patch * self.a.shape[1])
        cdef const real* a
        cdef const real* b
        cdef real* y
        cdef Span part = share(team, self.y.shape[0] * shifts * rows, 1)
        if width == 0:
            return
        for task in range(part.start, part.stop):
            n, s, i = task // (shifts * rows), task // rows % shifts, task % rows
            shift_y = (s // wide - self.around) * self.shift_stride
            shift_x = (s % wide - self.around) * self.shift_stride
            y = &self.y[n, s, i, 0]
            for j in range(width):
                y[j] = 0
            for c in range(self.a.shape[1]):
                for u in range(self.patch):
                    x = i * self.stride + self.shift + u
                    a, b = &self.a[n, c, x, self.shift], &self.b[n, c, x + shift_y, self.shift + shift_x]
                    for v in range(self.patch):
                        if self.stride == 1 and self.multiply:
                            for j in range(width):
                                y[j] += a[j + v] * b[j + v]
                        elif self.multiply:
                            for j in range(width):
                                y[j] += a[j * self.stride + v] * b[j * self.stride + v]
                        else:
                            for j in range(width):
                                y[j] += <real>fabs(a[j * self.stride + v] - b[j * self.stride + v])
            for j in range(width):
                y[j] /= count


cdef class CorrelationGradient(Step):
    """Gradients of both (padded) feature maps. Threads take channels: patches overlap."""
    cdef const real[:, :, :, ::1] dy  # IN    (images, shifts * shifts, height, width)
    cdef const real[:, :, :, ::1] a, b  # IN  (images, channels, padded height, padded width)
    cdef real[:, :, :, ::1] da, db    # OUT   the same
    cdef Py_ssize_t patch, shift, stride, shift_stride, around
    cdef bint multiply

    def __init__(self, reads, writes, *, patch, shift, stride, shift_stride, multiply):
        self.dy, self.a, self.b = reads
        self.da, self.db = writes
        self.patch, self.shift, self.stride, self.shift_stride = patch, shift, stride, shift_stride
        self.around, self.multiply = shift // shift_stride, multiply
        self.cost = 0.6 * reads[0].size * reads[1].shape[1] * patch * patch

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, c, i, channels = self.a.shape[1], pixels = self.a.shape[2] * self.a.shape[3]
        cdef Span part = share(team, channels, 1)
        if pixels == 0:
            return
        for n in range(self.a.shape[0]):
            for c in range(part.start, part.stop):
                for i in range(pixels):
                    (&self.da[n, c, 0, 0])[i] = (&self.db[n, c, 0, 0])[i] = 0
                if self.dy.shape[2] * self.dy.shape[3]:
                    self.one(n, c)

    cdef void one(self, Py_ssize_t n, Py_ssize_t c) noexcept nogil:
        cdef Py_ssize_t s, i, j, u, v, x, k, wide = 2 * self.around + 1, shift_y, shift_x
        cdef real count = <real>(self.patch * self.patch * self.a.shape[1]), g
        cdef const real* a
        cdef const real* b
        cdef real* da
        cdef real* db
        for s in range(wide * wide):
            shift_y = (s // wide - self.around) * self.shift_stride
            shift_x = (s % wide - self.around) * self.shift_stride
            for i in range(self.dy.shape[2]):
                for u in range(self.patch):
                    x = i * self.stride + self.shift + u
                    a, b = &self.a[n, c, x, self.shift], &self.b[n, c, x + shift_y, self.shift + shift_x]
                    da, db = &self.da[n, c, x, self.shift], &self.db[n, c, x + shift_y, self.shift + shift_x]
                    for j in range(self.dy.shape[3]):
                        g = self.dy[n, s, i, j] / count
                        for v in range(self.patch):
                            k = j * self.stride + v
                            if self.multiply:
                                da[k] += g * b[k]
                                db[k] += g * a[k]
                            else:
                                da[k] += g * sign(a[k] - b[k])
                                db[k] -= g * sign(a[k] - b[k])
