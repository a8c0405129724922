# levels: base
# dtypes: f32 f64
# flags: -O2
# Pooling of regions of interest (ROIs): rectangles of feature maps brought to one size. The rectangles are numbers that a
# network computed, so nothing is believed of them: NaN, infinities, reversed corners and images that are not there give
# zeros. Threads share (ROI, channel) pairs forward; backward they share channels, since ROIs overlap.
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport ceil, floor, round

from cyexec.kernels.step cimport Span, Step, Team, share

cdef enum:
    FAR = 1 << 29   # further out than any image; sums of two still fit an int
    BLOCK = 32      # channels that share the search for their samples


cdef inline int whole(double value) noexcept nogil:
    """`value`, already rounded, as an int; NaN and what is too far out stay outside every image."""
    return <int>value if -FAR < value < FAR else FAR if value > 0 else -FAR


cdef inline Py_ssize_t image_of(double number, Py_ssize_t count) noexcept nogil:
    """Which image a ROI lies in, cut to an integer as MXNet does; -1 if there is none such."""
    return <Py_ssize_t>number if -1 < number < count else -1


cdef inline int inside(int at, Py_ssize_t extent) noexcept nogil:
    return 0 if at < 0 else <int>extent if at > extent else at


cdef class RoiMax(Step):
    """y[r, c] = the maximum of each of (height, width) bins of a ROI; `at` (optional) is where it was, or -1.

    Corners are rounded to pixels and belong to the ROI. Bins overlap where the ROI's extent is not a multiple of theirs.
    """
    cdef const real[:, :, :, ::1] x   # IN    (images, channels, height, width)
    cdef const real[:, ::1] rois      # IN    (ROIs, 5): image, x1, y1, x2, y2
    cdef real[:, :, :, ::1] y         # OUT   (ROIs, channels, bins down, bins across)
    cdef int[:, :, :, ::1] at         # OUT, or None
    cdef double scale
    cdef bint keeps

    def __init__(self, reads, writes, *, scale):
        self.x, self.rois = reads
        self.y = writes[0]
        self.keeps = len(writes) > 1
        if self.keeps:
            self.at = writes[1]
        self.scale = scale
        self.cost = 4.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, channels = self.x.shape[1]
        cdef Span part = share(team, self.y.shape[0] * channels, 1)
        for task in range(part.start, part.stop):
            self.one(task // channels, task % channels)

    cdef void one(self, Py_ssize_t r, Py_ssize_t c) noexcept nogil:
        cdef Py_ssize_t bins_y = self.y.shape[2], bins_x = self.y.shape[3], width = self.x.shape[3], height = self.x.shape[2]
        cdef Py_ssize_t image = image_of(self.rois[r, 0], self.x.shape[0]), i, j
        cdef int left, top, y0, y1, x0, x1, u, v, found
        cdef real bin_y, bin_x, best, scale = <real>self.scale
        cdef const real* plane
        left, top = whole(round(self.rois[r, 1] * scale)), whole(round(self.rois[r, 2] * scale))
        bin_x = <real>max(whole(round(self.rois[r, 3] * scale)) - left + 1, 1) / <real>bins_x
        bin_y = <real>max(whole(round(self.rois[r, 4] * scale)) - top + 1, 1) / <real>bins_y
        for i in range(bins_y):
            y0 = inside(whole(floor(<real>i * bin_y)) + top, height)
            y1 = inside(whole(ceil(<real>(i + 1) * bin_y)) + top, height)
            for j in range(bins_x):
                x0 = inside(whole(floor(<real>j * bin_x)) + left, width)
                x1 = inside(whole(ceil(<real>(j + 1) * bin_x)) + left, width)
                best, found = 0, -1
                if image >= 0 and y1 > y0 and x1 > x0:
                    plane = &self.x[image, c, 0, 0]
                    # As MXNet: from below all numbers, so that NaN is never found.
                    best = <real>(-FLT_MAX if IS_F32 else -DBL_MAX)
                    for u in range(y0, y1):
                        for v in range(x0, x1):
                            if plane[u * width + v] > best:
                                best = plane[u * width + v]
                                found = u * <int>width + v
                self.y[r, c, i, j] = best
                if self.keeps:
                    self.at[r, c, i, j] = found


cdef class RoiMaxGradient(Step):
    """dx = the gradients of the bins, added up where their maxima were."""
    cdef const real[:, :, ::1] dy     # IN    (ROIs, channels, bins)
    cdef const real[:, ::1] rois      # IN    (ROIs, 5)
    cdef const int[:, :, ::1] at      # IN    (ROIs, channels, bins)
    cdef real[:, :, ::1] dx           # OUT   (images, channels, pixels)

    def __init__(self, reads, writes):
        dy, self.rois, at = reads
        bins = dy.shape[0], dy.shape[1], dy.shape[2] * dy.shape[3]
        self.dy, self.at = dy.reshape(bins), at.reshape(bins)
        n, channels, height, width = writes[0].shape
        self.dx = writes[0].reshape(n, channels, height * width)
        self.cost = 1.5 * dy.size + 0.1 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t r, c, i, image
        cdef Span part = share(team, self.dx.shape[1], 1)
        for image in range(self.dx.shape[0]):
            for c in range(part.start, part.stop):
                for i in range(self.dx.shape[2]):
                    self.dx[image, c, i] = 0
        for r in range(self.dy.shape[0]):
            image = image_of(self.rois[r, 0], self.dx.shape[0])
            if image < 0:
                continue
            for c in range(part.start, part.stop):
                for i in range(self.dy.shape[2]):
                    if self.at[r, c, i] >= 0:
                        self.dx[image, c, self.at[r, c, i]] += self.dy[r, c, i]


cdef struct Window:
    # One axis of one bin of RoiAlign: its samples are at start + (i + 0.5) * step for i in [first, last).
    real start
    real step
    Py_ssize_t first
    Py_ssize_t last


cdef struct Tap:
    # Linear interpolation along one axis: (1 - weight) of pixel `low`, `weight` of pixel `high`.
    Py_ssize_t low
    Py_ssize_t high
    real weight


cdef inline Window window(real start, real extent, Py_ssize_t bin, Py_ssize_t samples, Py_ssize_t size) noexcept nogil:
    """Samples of a bin. Those that surely lie beyond [-1, size] are left out: a ROI may be larger than any loop."""
    cdef Window w
    cdef double first, last
    w.start = start + <real>bin * extent
    w.step = extent / <real>samples
    w.first, w.last = 0, samples
    if samples > 4:
        first = floor((-1 - w.start) / w.step) - 2
        last = ceil((size - w.start) / w.step) + 2
        if not first <= last:   # infinite extents: NaN
            w.first = w.last = 0
            return w
        w.first = <Py_ssize_t>first if 0 < first < samples else samples if first >= samples else 0
        w.last = <Py_ssize_t>last if 0 < last < samples else 0 if last <= 0 else samples
    return w


cdef inline bint tap(real at, Py_ssize_t size, Tap* t) noexcept nogil:
    """Where a sample reads; False if it is too far outside to count."""
    if not (at >= -1 and at <= size):
        return False
    if at < 0:
        at = 0
    t.low = <Py_ssize_t>at
    if t.low >= size - 1:
        t.low = t.high = size - 1
        t.weight = 0
    else:
        t.high = t.low + 1
        t.weight = at - <real>t.low
    return True


cdef class RoiAlign(Step):
    """y[r, c] = means of samples, bilinearly interpolated, at regular points of each bin (He et al., 2017, section 3).

    With `gradient`, the transpose of it: reads are (dy, ROIs), the write is dx, and `x` below is dx, `y` is dy.
    """
    cdef const real[:, :, :, ::1] x   # IN    (images, channels, height, width)
    cdef const real[:, ::1] rois      # IN    (ROIs, 5): image, x1, y1, x2, y2
    cdef real[:, :, :, ::1] y         # OUT   (ROIs, channels, bins down, bins across)
    cdef const real[:, :, :, ::1] dy  # IN    of the gradient, shaped like y
    cdef real[:, :, :, ::1] dx        # OUT   of the gradient, shaped like x
    cdef Py_ssize_t images, channels, height, width, count, out_channels, bins_y, bins_x
    cdef double scale
    cdef int samples
    cdef bint by_position, aligned, gradient

    def __init__(self, reads, writes, *, scale, samples, by_position, aligned, gradient=False):
        first, self.rois = reads
        image, pooled = (writes[0], first) if gradient else (first, writes[0])
        if gradient:
            self.dy, self.dx = pooled, image
        else:
            self.x, self.y = image, pooled
        self.images, self.channels, self.height, self.width = image.shape
        self.count, self.out_channels, self.bins_y, self.bins_x = pooled.shape
        self.scale, self.samples, self.by_position, self.aligned = scale, samples, by_position, aligned
        self.gradient = gradient
        self.cost = 60.0 * pooled.size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, r, n, group, i, blocks = (self.out_channels + BLOCK - 1) // BLOCK
        cdef Span part
        if not self.gradient:
            part = share(team, self.count * blocks, 1)
            for task in range(part.start, part.stop):
                self.block(task // blocks, task % blocks * BLOCK, min((task % blocks + 1) * BLOCK, self.out_channels))
            return
        part = share(team, self.out_channels, 1)
        blocks = (part.stop - part.start + BLOCK - 1) // BLOCK
        # Channels of x that belong to one of y's lie together.
        group = self.channels // self.out_channels if self.out_channels else 0
        for n in range(self.images):
            for i in range(part.start * group * self.height * self.width, part.stop * group * self.height * self.width):
                (&self.dx[n, 0, 0, 0])[i] = 0
        for r in range(self.count):
            for i in range(blocks):
                self.block(r, part.start + i * BLOCK, min(part.start + (i + 1) * BLOCK, part.stop))

    cdef void block(self, Py_ssize_t r, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
        """Channels [first, last) of one ROI: where samples lie is found once for all of them."""
        cdef Py_ssize_t image = image_of(self.rois[r, 0], self.images), i, j, c, samples_y, samples_x
        cdef real scale = <real>self.scale, shift = <real>0.5 if self.aligned else <real>0
        cdef real left = self.rois[r, 1] * scale - shift, top = self.rois[r, 2] * scale - shift
        cdef real across = self.rois[r, 3] * scale - shift - left, down = self.rois[r, 4] * scale - shift - top
        if not self.aligned:
            across, down = max(across, <real>1), max(down, <real>1)
        cdef real bin_x = across / <real>self.bins_x, bin_y = down / <real>self.bins_y
        samples_y = self.samples if self.samples > 0 else <Py_ssize_t>whole(ceil(bin_y))
        samples_x = self.samples if self.samples > 0 else <Py_ssize_t>whole(ceil(bin_x))
        # A ROI without extent, with NaN or without an image has no samples.
        cdef bint empty = image < 0 or not (across > 0 and down > 0) or self.height < 1 or self.width < 1
        for i in range(self.bins_y):
            for j in range(self.bins_x):
                if not empty:
                    self.bin(
                        r, image, i, j, first, last, window(top, bin_y, i, samples_y, self.height),
                        window(left, bin_x, j, samples_x, self.width), <real>samples_y * <real>samples_x,
                    )
                elif not self.gradient:
                    for c in range(first, last):
                        self.y[r, c, i, j] = 0

    cdef void bin(self, Py_ssize_t r, Py_ssize_t image, Py_ssize_t i, Py_ssize_t j, Py_ssize_t first, Py_ssize_t last,
                  Window down, Window across, real count) noexcept nogil:
        cdef Py_ssize_t u, v, c, plane = self.height * self.width, channel = first, width = self.width
        cdef Tap ty, tx
        cdef real[BLOCK] value            # sums of samples, or each sample's share of the gradient
        cdef const real* x = NULL
        cdef real* dx = NULL
        if self.by_position:
            channel = (first * self.bins_y + i) * self.bins_x + j
            plane *= self.bins_y * self.bins_x
        if self.gradient:
            dx = &self.dx[image, channel, 0, 0]
        else:
            x = &self.x[image, channel, 0, 0]
        for c in range(last - first):
            value[c] = self.dy[r, first + c, i, j] / count if self.gradient else <real>0
        for u in range(down.first, down.last):
            if not tap(down.start + (<real>u + <real>0.5) * down.step, self.height, &ty):
                continue
            for v in range(across.first, across.last):
                if not tap(across.start + (<real>v + <real>0.5) * across.step, width, &tx):
                    continue
                if self.gradient:
                    spread(dx, plane, last - first, width, &ty, &tx, value)
                else:
                    gather(x, plane, last - first, width, &ty, &tx, value)
        if not self.gradient:
            for c in range(last - first):
                self.y[r, first + c, i, j] = value[c] / count


cdef inline void gather(const real* x, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t width, const Tap* ty, const Tap* tx,
                        real* value) noexcept nogil:
    """Add a sample of each channel to `value`."""
    cdef Py_ssize_t c
    cdef const real* low = x + ty.low * width
    cdef const real* high = x + ty.high * width
    cdef real a = (1 - ty.weight) * (1 - tx.weight), b = (1 - ty.weight) * tx.weight
    cdef real d = ty.weight * (1 - tx.weight), e = ty.weight * tx.weight
    for c in range(channels):
        value[c] += a * low[tx.low] + b * low[tx.high] + d * high[tx.low] + e * high[tx.high]
        low += plane
        high += plane


cdef inline void spread(real* dx, Py_ssize_t plane, Py_ssize_t channels, Py_ssize_t width, const Tap* ty, const Tap* tx,
                        const real* value) noexcept nogil:
    """Add each channel's gradient to the pixels of a sample."""
    cdef Py_ssize_t c
    cdef real* low = dx + ty.low * width
    cdef real* high = dx + ty.high * width
    for c in range(channels):
        low[tx.low] += (1 - ty.weight) * (1 - tx.weight) * value[c]
        low[tx.high] += (1 - ty.weight) * tx.weight * value[c]
        high[tx.low] += ty.weight * (1 - tx.weight) * value[c]
        high[tx.high] += ty.weight * tx.weight * value[c]
        low += plane
        high += plane


cdef class PositionSensitiveRoi(Step):
    """y[r, c] = means of bins, each of its own input channel (Dai et al., 2016, R-FCN, equation 1).

    With `gradient`, the transpose of it: reads are (dy, ROIs), the write is dx.
    """
    cdef const real[:, :, :, ::1] x   # IN    (images, channels * group * group, height, width)
    cdef const real[:, ::1] rois      # IN    (ROIs, 5): image, x1, y1, x2, y2
    cdef real[:, :, :, ::1] y         # OUT   (ROIs, channels, bins, bins)
    cdef const real[:, :, :, ::1] dy  # IN    of the gradient, shaped like y
    cdef real[:, :, :, ::1] dx        # OUT   of the gradient, shaped like x
    cdef Py_ssize_t images, height, width, count, channels, bins, group
    cdef double scale
    cdef bint gradient

    def __init__(self, reads, writes, *, scale, group, gradient=False):
        first, self.rois = reads
        image, pooled = (writes[0], first) if gradient else (first, writes[0])
        if gradient:
            self.dy, self.dx = pooled, image
        else:
            self.x, self.y = image, pooled
        self.images, self.height, self.width = image.shape[0], image.shape[2], image.shape[3]
        self.count, self.channels, self.bins = pooled.shape[:3]
        self.scale, self.group, self.gradient = scale, group, gradient
        self.cost = 30.0 * pooled.size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, r, c, n, i, square = self.group * self.group
        cdef Span part
        if not self.gradient:
            part = share(team, self.count * self.channels, 1)
            for task in range(part.start, part.stop):
                self.one(task // self.channels, task % self.channels)
            return
        part = share(team, self.channels, 1)
        for n in range(self.images):
            for c in range(part.start * square, part.stop * square):
                for i in range(self.height * self.width):
                    (&self.dx[n, c, 0, 0])[i] = 0
        for r in range(self.count):
            for c in range(part.start, part.stop):
                self.one(r, c)

    cdef void one(self, Py_ssize_t r, Py_ssize_t c) noexcept nogil:
        cdef Py_ssize_t image = image_of(self.rois[r, 0], self.images), i, j, channel, size
        cdef int y0, y1, x0, x1, u, v
        cdef real scale = <real>self.scale, value
        cdef real left = <real>round(self.rois[r, 1]) * scale, top = <real>round(self.rois[r, 2]) * scale
        cdef real bin_x = max(<real>(round(self.rois[r, 3]) + 1) * scale - left, <real>0.1) / <real>self.bins
        cdef real bin_y = max(<real>(round(self.rois[r, 4]) + 1) * scale - top, <real>0.1) / <real>self.bins
        for i in range(self.bins):
            y0 = inside(whole(floor(<real>i * bin_y + top)), self.height)
            y1 = inside(whole(ceil(<real>(i + 1) * bin_y + top)), self.height)
            for j in range(self.bins):
                x0 = inside(whole(floor(<real>j * bin_x + left)), self.width)
                x1 = inside(whole(ceil(<real>(j + 1) * bin_x + left)), self.width)
                channel = (c * self.group + i * self.group // self.bins) * self.group + j * self.group // self.bins
                value, size = 0, <Py_ssize_t>(y1 - y0) * (x1 - x0)
                if image >= 0 and y1 > y0 and x1 > x0:
                    if self.gradient:
                        value = self.dy[r, c, i, j] / <real>size
                    for u in range(y0, y1):
                        for v in range(x0, x1):
                            if self.gradient:
                                self.dx[image, channel, u, v] += value
                            else:
                                value += self.x[image, channel, u, v]
                    if not self.gradient:
                        value = value / <real>size
                if not self.gradient:
                    self.y[r, c, i, j] = value
