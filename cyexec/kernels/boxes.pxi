# levels: base
# dtypes: f32 f64
# flags: -O2
# Boxes: how far they overlap, which of those that overlap stays (non-maximum suppression), how they are encoded. A box is four
# numbers, corners (x1, y1, x2, y2) or a centre with extents (x, y, width, height). Sorting is done by sort.TopK before.
# Every comparison is written so that NaN overlaps with nothing.
from libc.math cimport exp, log

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "boxes.h" nogil:
    real box_overlap(const real* a, const real* b)


cdef inline void corners(const real* box, bint center, real* out) noexcept nogil:
    """The box as (x1, y1, x2, y2)."""
    if center:
        out[0], out[2] = box[0] - box[2] / 2, box[0] + box[2] / 2
        out[1], out[3] = box[1] - box[3] / 2, box[1] + box[3] / 2
    else:
        out[0], out[1], out[2], out[3] = box[0], box[1], box[2], box[3]


cdef class BoxIou(Step):
    """y[i, j] = overlap of a[i] and b[j]."""
    cdef const real[:, ::1] a         # IN    (boxes, 4)
    cdef const real[:, ::1] b         # IN    (boxes, 4)
    cdef real[:, ::1] y               # OUT   (boxes of a, boxes of b)
    cdef bint center

    def __init__(self, reads, writes, *, center):
        self.a, self.b = reads[0].reshape(-1, 4), reads[1].reshape(-1, 4)
        self.y = writes[0].reshape(self.a.shape[0], self.b.shape[0])
        self.center = center
        self.cost = 5.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, j
        cdef Span part = share(team, self.a.shape[0], 1)
        cdef real[4] a
        cdef real[4] b
        for i in range(part.start, part.stop):
            corners(&self.a[i, 0], self.center, a)
            for j in range(self.b.shape[0]):
                corners(&self.b[j, 0], self.center, b)
                self.y[i, j] = box_overlap(a, b)


cdef class ValidScores(Step):
    """y = a row's score where the row takes part in suppression, NaN elsewhere: NaN is sorted last."""
    cdef const real[:, ::1] x         # IN    (boxes, numbers)
    cdef real[::1] y                  # OUT   (boxes,)
    cdef int score, class_, background
    cdef real least

    def __init__(self, reads, writes, *, score, least, class_, background):
        self.x = reads[0].reshape(-1, reads[0].shape[reads[0].ndim - 1])
        self.y = writes[0].reshape(-1)
        self.score, self.least, self.class_, self.background = score, least, class_, background
        self.cost = 2.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i
        cdef real nan = <real>0
        cdef Span part = share(team, self.y.shape[0], 64)
        nan = nan / nan
        for i in range(part.start, part.stop):
            self.y[i] = nan
            if self.x[i, self.score] > self.least and not (
                self.background >= 0 and self.class_ >= 0 and self.x[i, self.class_] == self.background
            ):
                self.y[i] = self.x[i, self.score]


cdef class Suppress(Step):
    """Rows that overlap with none of higher score, in the order of their scores; then rows of -1.

    `rows` are the numbers of the rows taken, then -1. Only rows of the same class suppress each other, if `class_` says
    where it stands.
    """
    cdef const real[:, :, ::1] x      # IN    (batch, boxes, numbers)
    cdef const real[:, ::1] scores    # IN    (batch, limit), sorted, NaN last
    cdef const long long[:, ::1] order  # IN  (batch, limit), the boxes that the scores are of
    cdef real[:, :, ::1] y            # OUT   (batch, boxes, numbers)
    cdef long long[:, ::1] rows       # OUT   (batch, boxes)
    cdef int box, class_
    cdef bint from_center, to_center
    cdef real most

    def __init__(self, reads, writes, *, box, class_, most, from_center, to_center):
        x, scores, order = reads
        self.x = x.reshape(-1, *x.shape[x.ndim - 2:])
        self.scores, self.order = scores, order
        self.y = writes[0].reshape(-1, *x.shape[x.ndim - 2:])
        self.rows = writes[1].reshape(-1, x.shape[x.ndim - 2])
        self.box, self.class_, self.most = box, class_, most
        self.from_center, self.to_center = from_center, to_center
        self.cost = 20.0 * x.size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n
        cdef Span part = share(team, self.x.shape[0], 1)
        for n in range(part.start, part.stop):
            self.one(n)

    cdef void one(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i, k, row, taken = 0, width = self.x.shape[2]
        cdef real[4] a
        cdef real[4] b
        cdef bint stays
        for i in range(self.order.shape[1]):
            if self.scores[n, i] != self.scores[n, i]:
                break
            row = self.order[n, i]
            corners(&self.x[n, row, self.box], self.from_center, a)
            stays = True
            for k in range(taken):
                if self.class_ >= 0 and self.x[n, self.rows[n, k], self.class_] != self.x[n, row, self.class_]:
                    continue
                corners(&self.x[n, self.rows[n, k], self.box], self.from_center, b)
                if box_overlap(a, b) > self.most:
                    stays = False
                    break
            if stays:
                self.rows[n, taken] = row
                taken += 1
        for i in range(taken):
            for k in range(width):
                self.y[n, i, k] = self.x[n, self.rows[n, i], k]
            if self.from_center != self.to_center:
                corners(&self.x[n, self.rows[n, i], self.box], self.from_center, a)
                if self.to_center:
                    a[0], a[2] = (a[0] + a[2]) / 2, a[2] - a[0]
                    a[1], a[3] = (a[1] + a[3]) / 2, a[3] - a[1]
                for k in range(4):
                    self.y[n, i, self.box + k] = a[k]
        for i in range(taken, self.x.shape[1]):
            self.rows[n, i] = -1
            for k in range(width):
                self.y[n, i, k] = -1


cdef class SuppressGradient(Step):
    """dx = rows of dy where they were taken from; zeros elsewhere. Boxes that changed their form get its derivative."""
    cdef const real[:, :, ::1] dy     # IN    (batch, boxes, numbers)
    cdef const long long[:, ::1] rows # IN    (batch, boxes)
    cdef real[:, :, ::1] dx           # OUT   (batch, boxes, numbers)
    cdef int box
    cdef bint from_center, to_center

    def __init__(self, reads, writes, *, box, from_center, to_center):
        dy, rows = reads
        self.dy = dy.reshape(-1, *dy.shape[dy.ndim - 2:])
        self.rows = rows.reshape(-1, dy.shape[dy.ndim - 2])
        self.dx = writes[0].reshape(-1, *dy.shape[dy.ndim - 2:])
        self.box, self.from_center, self.to_center = box, from_center, to_center
        self.cost = 2.0 * dy.size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, i, k, row
        cdef real first, last
        cdef Span part = share(team, self.dx.shape[0], 1)
        for n in range(part.start, part.stop):
            for i in range(self.dx.shape[1]):
                for k in range(self.dx.shape[2]):
                    self.dx[n, i, k] = 0
            for i in range(self.rows.shape[1]):
                row = self.rows[n, i]
                if row < 0:
                    break
                for k in range(self.dx.shape[2]):
                    self.dx[n, row, k] = self.dy[n, i, k]
                if self.from_center == self.to_center:
                    continue
                for k in range(self.box, self.box + 2):
                    first, last = self.dy[n, i, k], self.dy[n, i, k + 2]
                    if self.from_center:   # x1 = x - w / 2, x2 = x + w / 2
                        self.dx[n, row, k], self.dx[n, row, k + 2] = first + last, (last - first) / 2
                    else:                  # x = (x1 + x2) / 2, w = x2 - x1
                        self.dx[n, row, k], self.dx[n, row, k + 2] = first / 2 - last, first / 2 + last


cdef class BipartiteMatching(Step):
    """Pair rows with columns, best scores first; a row or column without a partner gets -1.

    Ends at the first score that is not better than `threshold`, or after more than `limit` pairs (as MXNet counts).
    """
    cdef const real[:, ::1] scores    # IN    (batch, rows * columns), best first
    cdef const long long[:, ::1] order  # IN  the positions that the scores are of
    cdef real[:, ::1] row, column     # OUT   (batch, rows), (batch, columns)
    cdef real threshold
    cdef bint ascend
    cdef Py_ssize_t limit

    def __init__(self, reads, writes, *, threshold, ascend, limit):
        self.scores, self.order = reads
        self.row, self.column = [w.reshape(-1, w.shape[w.ndim - 1]) for w in writes]
        self.threshold, self.ascend, self.limit = threshold, ascend, limit
        self.cost = 3.0 * reads[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, i, r, c, pairs, columns = self.column.shape[1]
        cdef Span part = share(team, self.scores.shape[0], 1)
        for n in range(part.start, part.stop):
            for i in range(self.row.shape[1]):
                self.row[n, i] = -1
            for i in range(columns):
                self.column[n, i] = -1
            pairs = 0
            for i in range(self.scores.shape[1]):
                r, c = self.order[n, i] // columns, self.order[n, i] % columns
                if self.row[n, r] >= 0 or self.column[n, c] >= 0:
                    continue
                if not (self.scores[n, i] < self.threshold if self.ascend else self.scores[n, i] > self.threshold):
                    break
                self.row[n, r], self.column[n, c] = <real>c, <real>r
                pairs += 1
                if 0 < self.limit < pairs:
                    break


cdef class BoxEncode(Step):
    """Offsets from anchors to the boxes that they are matched with, normalised; and ones where there are any."""
    cdef const real[:, ::1] samples, matches   # IN    (batch, anchors)
    cdef const real[:, :, ::1] anchors, refs   # IN    (batch, anchors, 4), (batch, boxes, 4), corners
    cdef const real[::1] means, stds           # IN    (4,)
    cdef real[:, :, ::1] targets, masks        # OUT   (batch, anchors, 4)

    def __init__(self, reads, writes):
        self.samples, self.matches, self.anchors, self.refs, self.means, self.stds = reads
        self.targets, self.masks = writes
        self.cost = 30.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, n, i, k, ref, count = self.samples.shape[1]
        cdef Span part = share(team, self.samples.shape[0] * count, 16)
        cdef real size, ref_size, value
        for task in range(part.start, part.stop):
            n, i = task // count, task % count
            # What cannot name a box, NaN included, is no match.
            ref = <Py_ssize_t>self.matches[n, i] if -1 < self.matches[n, i] < self.refs.shape[1] else -1
            for k in range(4):
                self.targets[n, i, k] = self.masks[n, i, k] = 0
            if not self.samples[n, i] > <real>0.5 or ref < 0:
                continue
            for k in range(2):
                size = self.anchors[n, i, k + 2] - self.anchors[n, i, k]
                ref_size = self.refs[n, ref, k + 2] - self.refs[n, ref, k]
                value = (self.refs[n, ref, k] + ref_size / 2 - self.anchors[n, i, k] - size / 2) / size
                self.targets[n, i, k] = (value - self.means[k]) / self.stds[k]
                self.targets[n, i, k + 2] = (<real>log(ref_size / size) - self.means[k + 2]) / self.stds[k + 2]
            for k in range(4):
                self.masks[n, i, k] = 1


cdef class BoxDecode(Step):
    """y = boxes (corners) that lie where offsets `x` from anchors say."""
    cdef const real[:, :, ::1] x      # IN    (batch, anchors, 4)
    cdef const real[:, ::1] anchors   # IN    (anchors, 4)
    cdef real[:, :, ::1] y            # OUT   (batch, anchors, 4)
    cdef double[4] stds
    cdef real clip
    cdef bint center

    def __init__(self, reads, writes, *, stds, clip, center):
        self.x = reads[0]
        self.anchors = reads[1].reshape(-1, 4)
        self.y = writes[0]
        for i in range(4):
            self.stds[i] = stds[i]
        self.clip, self.center = clip, center
        self.cost = 20.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, n, i, k, count = self.y.shape[1]
        cdef Span part = share(team, self.y.shape[0] * count, 16)
        cdef real size, middle, wide, half
        cdef real[4] a
        for task in range(part.start, part.stop):
            n, i = task // count, task % count
            corners(&self.anchors[i, 0], self.center, a)
            for k in range(2):
                size = a[k + 2] - a[k]
                middle = self.x[n, i, k] * <real>self.stds[k] * size + a[k] + size / 2
                wide = self.x[n, i, k + 2] * <real>self.stds[k + 2]
                if self.clip > 0 and wide > self.clip:
                    wide = self.clip
                half = <real>exp(wide) * size / 2
                self.y[n, i, k], self.y[n, i, k + 2] = middle - half, middle + half
