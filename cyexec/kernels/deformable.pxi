# levels: base v3
# dtypes: f32 f64
# flags: -ffp-contract=off
# Deformable convolution (Dai et al., 2017; with masks Zhu et al., 2019): a column matrix whose elements are bilinear samples of
# the image at the kernel's places moved by offsets, and the gradients through it. The product with the weights is a Gemm.
from libc.math cimport floor

from cyexec.kernels.step cimport Span, Step, Team, share


cdef enum:
    CHUNK = 256  # points that are found once for all channels; a channel's are then read and written together


cdef struct Sample:
    # The four pixels around a point, whether they count, and the point's distances from the upper left one; whether the
    # point counts at all, and how much by the mask.
    Py_ssize_t y0, y1, x0, x1
    real down, across, weight
    bint top, bottom, left, right, inner, there


cdef inline bint locate(real y, real x, Py_ssize_t height, Py_ssize_t width, bint clamped, Sample* s) noexcept nogil:
    """Pixels around a point; False if it counts as zero.

    With `clamped` (the first form) points outside [0, extent) are zero and those beyond the last pixel's centre read that
    pixel; without it (the form with masks) the image goes on with zeros, so that points up to a pixel outside read a share.
    """
    cdef real least = <real>0 if clamped else <real>-1
    if not (y < height and x < width):
        return False
    if clamped and not (y >= least and x >= least) or not clamped and not (y > least and x > least):
        return False
    s.y0, s.x0 = <Py_ssize_t>floor(y), <Py_ssize_t>floor(x)
    if clamped and s.y0 >= height - 1:
        s.y0, y = height - 1, <real>(height - 1)
    if clamped and s.x0 >= width - 1:
        s.x0, x = width - 1, <real>(width - 1)
    s.down, s.across = y - <real>s.y0, x - <real>s.x0
    s.y1, s.x1 = s.y0 + 1, s.x0 + 1
    s.top, s.left = s.y0 >= 0, s.x0 >= 0
    s.bottom, s.right = s.y1 < height, s.x1 < width
    s.inner = s.top and s.bottom and s.left and s.right
    return True


cdef inline real pixel(const real* plane, Py_ssize_t y, Py_ssize_t x, Py_ssize_t width, bint there) noexcept nogil:
    return plane[y * width + x] if there else <real>0


cdef inline real value_at(const real* plane, const Sample* s, Py_ssize_t width) noexcept nogil:
    """The interpolated value of one channel."""
    cdef const real* upper = plane + s.y0 * width
    if s.inner:
        return (1 - s.down) * ((1 - s.across) * upper[s.x0] + s.across * upper[s.x1]) + s.down * (
            (1 - s.across) * upper[width + s.x0] + s.across * upper[width + s.x1]
        )
    return (
        (1 - s.down) * (1 - s.across) * pixel(plane, s.y0, s.x0, width, s.top and s.left)
        + (1 - s.down) * s.across * pixel(plane, s.y0, s.x1, width, s.top and s.right)
        + s.down * (1 - s.across) * pixel(plane, s.y1, s.x0, width, s.bottom and s.left)
        + s.down * s.across * pixel(plane, s.y1, s.x1, width, s.bottom and s.right)
    )


cdef class Places(Step):
    """What the three steps share: how positions of the output, kernel places and offsets lead to points of the image."""
    cdef const real[:, :, ::1] x      # IN    (channels, height, width), one image; None where it is written
    cdef const real[:, :, ::1] offset # IN    (groups * kernel places * 2, out height, out width): y, x
    cdef const real[:, :, ::1] mask   # IN    (groups * kernel places, out height, out width), or None
    cdef Py_ssize_t channels, height, width, out_height, out_width, groups, places
    cdef Py_ssize_t kernel_x, stride_y, stride_x, dilate_y, dilate_x, pad_y, pad_x
    cdef bint clamped, masked

    def _take(self, image_shape, offset, mask, *, groups, window, stride, dilate, pad, clamped):
        self.channels, self.height, self.width = image_shape
        self.offset, self.masked = offset, mask is not None
        if self.masked:
            self.mask = mask
        self.out_height, self.out_width = offset.shape[1:]
        self.groups, self.places, self.kernel_x = groups, window[0] * window[1], window[1]
        self.stride_y, self.stride_x = stride
        self.dilate_y, self.dilate_x = dilate
        self.pad_y, self.pad_x = pad
        self.clamped = clamped
        if offset.shape[0] != 2 * groups * self.places or self.channels % groups:
            raise ValueError("deformable convolution: channels and offsets do not fit")

    cdef bint point(self, Py_ssize_t group, Py_ssize_t k, Py_ssize_t i, Py_ssize_t j, Sample* s) noexcept nogil:
        cdef Py_ssize_t at = 2 * (group * self.places + k)
        cdef real y = <real>(i * self.stride_y - self.pad_y + k // self.kernel_x * self.dilate_y) + self.offset[at, i, j]
        cdef real x = <real>(j * self.stride_x - self.pad_x + k % self.kernel_x * self.dilate_x) + self.offset[at + 1, i, j]
        return locate(y, x, self.height, self.width, self.clamped, s)

    cdef real weight(self, Py_ssize_t group, Py_ssize_t k, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
        return self.mask[group * self.places + k, i, j] if self.masked else <real>1


    cdef Py_ssize_t find(self, Py_ssize_t group, Py_ssize_t k, Py_ssize_t first, Sample* samples) noexcept nogil:
        """Points of up to CHUNK positions of the output, from position `first` on; returns how many."""
        cdef Py_ssize_t j, row, column, size = min(CHUNK, self.out_height * self.out_width - first)
        for j in range(size):
            row, column = (first + j) // self.out_width, (first + j) % self.out_width
            samples[j].y0 = samples[j].x0 = 0
            samples[j].down = samples[j].across = 0
            samples[j].inner = False
            samples[j].there = self.point(group, k, row, column, &samples[j])
            samples[j].weight = self.weight(group, k, row, column)
        return size


cdef class DeformableColumns(Places):
    """columns[c, k, position] = image channel c, sampled at kernel place k moved by its offset."""
    cdef real[:, :, ::1] columns      # OUT   (channels, kernel places, positions)

    def __init__(self, reads, writes, **args):
        self.x = reads[0]
        self._take(reads[0].shape, reads[1], reads[2] if len(reads) > 2 else None, **args)
        self.columns = writes[0].reshape(self.channels, self.places, self.out_height * self.out_width)
        self.cost = 6.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, c, k, j, group, first, size, wide = self.channels // self.groups
        cdef Py_ssize_t chunks = (self.out_height * self.out_width + CHUNK - 1) // CHUNK
        cdef Span part = share(team, self.groups * self.places * chunks, 1)
        cdef Sample[CHUNK] samples
        cdef Sample* s
        cdef Py_ssize_t[CHUNK] place
        cdef real[CHUNK] a, b, d, e       # weights of the four pixels
        cdef bint inner                   # whether all points of the chunk have all four
        cdef const real* plane
        cdef real* column
        for task in range(part.start, part.stop):
            group, k, first = task // chunks // self.places, task // chunks % self.places, task % chunks * CHUNK
            size = self.find(group, k, first, samples)
            inner = True
            for j in range(size):
                s = &samples[j]
                inner = inner and s.there and s.inner
                place[j] = s.y0 * self.width + s.x0
                a[j], b[j] = s.weight * (1 - s.down) * (1 - s.across), s.weight * (1 - s.down) * s.across
                d[j], e[j] = s.weight * s.down * (1 - s.across), s.weight * s.down * s.across
            for c in range(group * wide, (group + 1) * wide):
                plane, column = &self.x[c, 0, 0], &self.columns[c, k, first]
                for j in range(size):
                    s = &samples[j]
                    if inner or s.there and s.inner:
                        column[j] = (
                            a[j] * plane[place[j]] + b[j] * plane[place[j] + 1]
                            + d[j] * plane[place[j] + self.width] + e[j] * plane[place[j] + self.width + 1]
                        )
                    else:
                        column[j] = s.weight * value_at(plane, s, self.width) if s.there else <real>0


cdef class DeformableImageGradient(Places):
    """dx = gradients of the columns, shared among the pixels that they were sampled from. Threads take channels."""
    cdef const real[:, :, ::1] dcolumns  # IN  (channels, kernel places, positions)
    cdef real[:, :, ::1] dx           # OUT   (channels, height, width)

    def __init__(self, reads, writes, **args):
        self._take(writes[0].shape, reads[1], reads[2] if len(reads) > 2 else None, **args)
        self.dx = writes[0]
        self.dcolumns = reads[0].reshape(self.channels, self.places, self.out_height * self.out_width)
        self.cost = 6.0 * reads[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t c, k, i, j, group, chunk, size, wide = self.channels // self.groups, low, high
        cdef Py_ssize_t chunks = (self.out_height * self.out_width + CHUNK - 1) // CHUNK
        cdef Span part = share(team, self.channels, 1)
        cdef Sample[CHUNK] samples
        for c in range(part.start, part.stop):
            for i in range(self.height * self.width):
                (&self.dx[c, 0, 0])[i] = 0
        for group in range(self.groups):
            low, high = max(part.start, group * wide), min(part.stop, (group + 1) * wide)
            for k in range(self.places if low < high else 0):
                for chunk in range(chunks):
                    size = self.find(group, k, chunk * CHUNK, samples)
                    for c in range(low, high):
                        spread(&self.dx[c, 0, 0], &self.dcolumns[c, k, chunk * CHUNK], samples, size, self.width)


cdef inline void spread(real* plane, const real* grad, const Sample* samples, Py_ssize_t size,
                        Py_ssize_t width) noexcept nogil:
    """Add gradients of points to the pixels around them."""
    cdef Py_ssize_t j
    cdef const Sample* s
    cdef real g
    for j in range(size):
        s = &samples[j]
        if not s.there:
            continue
        g = grad[j] * s.weight
        if s.top and s.left:
            plane[s.y0 * width + s.x0] += g * (1 - s.down) * (1 - s.across)
        if s.top and s.right:
            plane[s.y0 * width + s.x1] += g * (1 - s.down) * s.across
        if s.bottom and s.left:
            plane[s.y1 * width + s.x0] += g * s.down * (1 - s.across)
        if s.bottom and s.right:
            plane[s.y1 * width + s.x1] += g * s.down * s.across


cdef class DeformableOffsetGradient(Places):
    """Gradients of the offsets (slopes of the interpolation) and of the mask, summed over the channels of a group."""
    cdef const real[:, :, :, ::1] dcolumns  # IN
    cdef real[:, :, ::1] doffset      # OUT   like offset
    cdef real[:, :, ::1] dmask        # OUT   like mask, or None

    def __init__(self, reads, writes, **args):
        self.x = reads[1]
        self._take(reads[1].shape, reads[2], reads[3] if len(reads) > 3 else None, **args)
        self.dcolumns = reads[0].reshape(self.channels, self.places, self.out_height, self.out_width)
        self.doffset = writes[0]
        if self.masked:
            self.dmask = writes[1]
        self.cost = 8.0 * reads[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, c, i, j, group, k, wide = self.channels // self.groups
        cdef Span part = share(team, self.groups * self.places * self.out_height, 1)
        cdef Sample s
        cdef const real* plane
        cdef real a, b, d, e, down, across, value, g
        for task in range(part.start, part.stop):
            i = task % self.out_height
            group, k = task // self.out_height // self.places, task // self.out_height % self.places
            for j in range(self.out_width):
                down = across = value = 0
                if self.point(group, k, i, j, &s):
                    for c in range(group * wide, (group + 1) * wide):
                        plane, g = &self.x[c, 0, 0], self.dcolumns[c, k, i, j]
                        a = pixel(plane, s.y0, s.x0, self.width, s.top and s.left)
                        b = pixel(plane, s.y0, s.x1, self.width, s.top and s.right)
                        d = pixel(plane, s.y1, s.x0, self.width, s.bottom and s.left)
                        e = pixel(plane, s.y1, s.x1, self.width, s.bottom and s.right)
                        # Beyond the last pixel's centre the first form reads a constant.
                        if s.bottom or not self.clamped:
                            down += g * ((d - a) * (1 - s.across) + (e - b) * s.across)
                        if s.right or not self.clamped:
                            across += g * ((b - a) * (1 - s.down) + (e - d) * s.down)
                        value += g * (
                            (1 - s.down) * ((1 - s.across) * a + s.across * b) + s.down * ((1 - s.across) * d + s.across * e)
                        )
                g = self.weight(group, k, i, j)
                self.doffset[2 * (group * self.places + k), i, j] = down * g
                self.doffset[2 * (group * self.places + k) + 1, i, j] = across * g
                if self.masked:
                    self.dmask[group * self.places + k, i, j] = value
