# levels: base
# dtypes: f32 f64
# Deformable position-sensitive pooling of regions of interest (Dai et al., 2017, Deformable ConvNets, section 2.2): each bin is the
# mean of bilinear samples of a channel of its own, and bins move by offsets that the network computed. The same walk over the
# samples gives the result and both gradients.
from libc.math cimport ceil, floor, round

from cyexec.kernels.step cimport Span, Step, Team, share

cdef enum:
    FORWARD, IMAGE_GRADIENT, OFFSET_GRADIENT


cdef class DeformableRoi(Step):
    """Forward: y = means of samples. "image": dx from dy. "offset": dtrans from dy, summed over the channels of a class."""
    cdef const real[:, :, :, ::1] x   # IN    (images, channels * group * group, height, width), but in "image"
    cdef const real[:, ::1] rois      # IN    (ROIs, 5)
    cdef const real[:, :, :, ::1] trans  # IN (ROIs, classes * 2, parts, parts): x, y; or None
    cdef const real[:, :, :, ::1] dy  # IN    of the gradients, shaped like y
    cdef real[:, :, :, ::1] y         # OUT   (ROIs, channels, bins, bins)
    cdef real[:, :, :, ::1] dx        # OUT   of "image", shaped like x
    cdef real[:, :, :, ::1] dtrans    # OUT   of "offset", shaped like trans
    cdef Py_ssize_t images, height, width, count, channels, bins, group, parts, samples, per_class
    cdef double scale, spread
    cdef bint moved
    cdef int mode

    def __init__(self, reads, writes, *, mode, shape, channels, bins, group, parts, samples, scale, spread, moved):
        reads = list(reads)
        self.mode = {"forward": FORWARD, "image": IMAGE_GRADIENT, "offset": OFFSET_GRADIENT}[mode]
        if self.mode != FORWARD:
            self.dy = reads.pop(0)
        if self.mode != IMAGE_GRADIENT:
            self.x = reads.pop(0)
        self.rois = reads.pop(0)
        self.moved, classes = moved, 1
        if moved:
            self.trans = reads.pop(0)
            classes = max(self.trans.shape[1] // 2, 1)
        if self.mode == FORWARD:
            self.y = writes[0]
        elif self.mode == IMAGE_GRADIENT:
            self.dx = writes[0]
        else:
            self.dtrans = writes[0]
        self.images, self.height, self.width = shape[0], shape[2], shape[3]
        self.count, self.channels, self.bins = self.rois.shape[0], channels, bins
        self.group, self.parts, self.samples, self.per_class = group, parts, samples, channels // classes
        self.scale, self.spread = scale, spread
        self.cost = 20.0 * self.count * channels * bins * bins * samples * samples

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, r, c, n, i, square = self.group * self.group
        cdef Span part
        if self.mode == FORWARD:
            part = share(team, self.count * self.channels, 1)
            for task in range(part.start, part.stop):
                self.one(task // self.channels, task % self.channels)
        elif self.mode == IMAGE_GRADIENT:
            part = share(team, self.channels, 1)
            for n in range(self.images):
                for c in range(part.start * square, part.stop * square):
                    for i in range(self.height * self.width):
                        (&self.dx[n, c, 0, 0])[i] = 0
            for r in range(self.count):
                for c in range(part.start, part.stop):
                    self.one(r, c)
        else:
            part = share(team, self.count, 1)
            for r in range(part.start, part.stop):
                for c in range(self.dtrans.shape[1]):
                    for i in range(self.parts * self.parts):
                        (&self.dtrans[r, c, 0, 0])[i] = 0
                for c in range(self.channels):
                    self.one(r, c)

    cdef void one(self, Py_ssize_t r, Py_ssize_t c) noexcept nogil:
        cdef real scale = <real>self.scale, half = <real>0.5
        cdef real left = <real>round(self.rois[r, 1]) * scale - half, top = <real>round(self.rois[r, 2]) * scale - half
        cdef real across = max(<real>(round(self.rois[r, 3]) + 1) * scale - half - left, <real>0.1)
        cdef real down = max(<real>(round(self.rois[r, 4]) + 1) * scale - half - top, <real>0.1)
        cdef Py_ssize_t i, j, class_ = c // self.per_class, part_y, part_x
        cdef real x, y
        for i in range(self.bins):
            part_y = i * self.parts // self.bins
            for j in range(self.bins):
                part_x = j * self.parts // self.bins
                x, y = <real>j * across / <real>self.bins + left, <real>i * down / <real>self.bins + top
                if self.moved:
                    x += self.trans[r, 2 * class_, part_y, part_x] * <real>self.spread * across
                    y += self.trans[r, 2 * class_ + 1, part_y, part_x] * <real>self.spread * down
                self.bin(r, c, i, j, class_, part_y, part_x, y, x, down, across)

    cdef void bin(self, Py_ssize_t r, Py_ssize_t c, Py_ssize_t i, Py_ssize_t j, Py_ssize_t class_, Py_ssize_t part_y,
                  Py_ssize_t part_x, real top, real left, real down, real across) noexcept nogil:
        cdef Py_ssize_t u, v, y0, y1, x0, x1, found = 0, width = self.width
        cdef Py_ssize_t image = <Py_ssize_t>self.rois[r, 0] if -1 < self.rois[r, 0] < self.images else -1
        cdef Py_ssize_t channel = (c * self.group + i * self.group // self.bins) * self.group + j * self.group // self.bins
        cdef real step_y = down / <real>(self.bins * self.samples), step_x = across / <real>(self.bins * self.samples)
        cdef real x, y, fy, fx, total = 0, g = 0, slope_y = 0, slope_x = 0
        cdef const real* p = NULL
        cdef real* dp = NULL
        if self.mode == FORWARD:
            self.y[r, c, i, j] = 0
        if image < 0:
            return
        for u in range(self.samples):
            for v in range(self.samples):
                found += self.inside(top + <real>u * step_y, left + <real>v * step_x)
        if found == 0:
            return
        if self.mode != FORWARD:
            g = self.dy[r, c, i, j] / <real>found
        if self.mode == IMAGE_GRADIENT:
            dp = &self.dx[image, channel, 0, 0]
        else:
            p = &self.x[image, channel, 0, 0]
        for u in range(self.samples):
            for v in range(self.samples):
                y, x = top + <real>u * step_y, left + <real>v * step_x
                if not self.inside(y, x):
                    continue
                y, x = min(max(y, <real>0), <real>(self.height - 1)), min(max(x, <real>0), <real>(width - 1))
                y0, x0 = <Py_ssize_t>floor(y), <Py_ssize_t>floor(x)
                y1, x1 = <Py_ssize_t>ceil(y), <Py_ssize_t>ceil(x)
                fy, fx = y - <real>y0, x - <real>x0
                if self.mode == IMAGE_GRADIENT:
                    dp[y0 * width + x0] += g * (1 - fy) * (1 - fx)
                    dp[y0 * width + x1] += g * (1 - fy) * fx
                    dp[y1 * width + x0] += g * fy * (1 - fx)
                    dp[y1 * width + x1] += g * fy * fx
                elif self.mode == FORWARD:
                    total += (1 - fy) * ((1 - fx) * p[y0 * width + x0] + fx * p[y0 * width + x1]) + fy * (
                        (1 - fx) * p[y1 * width + x0] + fx * p[y1 * width + x1]
                    )
                else:
                    slope_x += (1 - fy) * (p[y0 * width + x1] - p[y0 * width + x0]) + fy * (
                        p[y1 * width + x1] - p[y1 * width + x0]
                    )
                    slope_y += (1 - fx) * (p[y1 * width + x0] - p[y0 * width + x0]) + fx * (
                        p[y1 * width + x1] - p[y0 * width + x1]
                    )
        if self.mode == FORWARD:
            self.y[r, c, i, j] = total / <real>found
        elif self.mode == OFFSET_GRADIENT:
            self.dtrans[r, 2 * class_, part_y, part_x] += g * slope_x * <real>self.spread * across
            self.dtrans[r, 2 * class_ + 1, part_y, part_x] += g * slope_y * <real>self.spread * down

    cdef bint inside(self, real y, real x) noexcept nogil:
        return (
            x >= <real>-0.5 and x <= <real>self.width - <real>0.5 and y >= <real>-0.5 and y <= <real>self.height - <real>0.5
        )
