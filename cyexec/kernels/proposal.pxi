# levels: base
# dtypes: f32 f64
# flags: -ffp-contract=off -O2
# Region proposals (Ren et al., 2015, Faster R-CNN): anchors moved by predicted offsets, then the best that do not overlap.
# Corners are pixels that belong to a box, so its extents are differences plus 1. Sorting is done by sort.TopK between the steps.
from libc.math cimport exp

from cyexec.kernels.step cimport Span, Step, Team, share

import numpy as np


cdef inline real within(real x, real most) noexcept nogil:
    x = most if x > most else x
    return <real>0 if x < 0 else x


cdef class MoveAnchors(Step):
    """A box and its score for each pixel and anchor; -1 for boxes that are too small or begin beyond the picture."""
    cdef const real[:, :, :, ::1] probs    # IN    (batch, 2 * anchors, height, width): backgrounds, then objects
    cdef const real[:, :, :, ::1] offsets  # IN    (batch, 4 * anchors, height, width)
    cdef const real[:, ::1] info      # IN    (batch, 3): height, width and scale of the picture
    cdef real[:, :, ::1] boxes        # OUT   (batch, height * width * anchors, 4)
    cdef real[:, ::1] scores          # OUT   (batch, height * width * anchors)
    cdef real[:, ::1] anchors         # (anchors, 4)
    cdef real stride, least
    cdef bint corners

    def __init__(self, reads, writes, *, anchors, stride, least, corners):
        self.probs, self.offsets, self.info = reads
        self.boxes, self.scores = writes
        self.anchors = np.array(anchors, writes[0].dtype)
        self.stride, self.least, self.corners = stride, least, corners
        self.cost = 20.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, pixels = self.probs.shape[2] * self.probs.shape[3], count = self.anchors.shape[0]
        cdef Py_ssize_t n, row, column, a, at
        cdef Span part = share(team, self.probs.shape[0] * pixels, 16)
        cdef real least
        cdef real* box
        for task in range(part.start, part.stop):
            n = task // pixels
            row, column = task % pixels // self.probs.shape[3], task % self.probs.shape[3]
            least = self.least * self.info[n, 2]
            for a in range(count):
                at = task % pixels * count + a
                box = &self.boxes[n, at, 0]
                self.scores[n, at] = self.probs[n, count + a, row, column]
                self.move(n, a, row, column, box)
                # What lies beyond the picture is padding of the batch.
                if <real>row >= self.rows(n, 0) or <real>column >= self.rows(n, 1):
                    self.scores[n, at] = -1
                if box[2] - box[0] + 1 < least or box[3] - box[1] + 1 < least:
                    box[0], box[1], box[2], box[3] = (
                        box[0] - least / 2, box[1] - least / 2, box[2] + least / 2, box[3] + least / 2
                    )
                    self.scores[n, at] = -1

    cdef real rows(self, Py_ssize_t n, int axis) noexcept nogil:
        """How many rows (or columns) of the feature map the picture fills; MXNet cuts to an integer."""
        cdef real filled = self.info[n, axis] / self.stride
        return <real><long long>filled if -1e9 < filled < 1e9 else filled

    cdef void move(self, Py_ssize_t n, Py_ssize_t a, Py_ssize_t row, Py_ssize_t column, real* box) noexcept nogil:
        cdef real first, last, size, middle, wide
        cdef int k
        for k in range(2):
            first = self.anchors[a, k] + <real>(row if k else column) * self.stride
            last = self.anchors[a, k + 2] + <real>(row if k else column) * self.stride
            middle, wide = self.offsets[n, 4 * a + k, row, column], self.offsets[n, 4 * a + k + 2, row, column]
            if self.corners:
                first, last = first + middle, last + wide
            else:
                size = last - first + 1
                middle = middle * size + first + <real>0.5 * (size - 1)
                wide = <real>exp(wide) * size
                first, last = middle - <real>0.5 * (wide - 1), middle + <real>0.5 * (wide - 1)
            box[k] = within(first, self.info[n, 1 - k] - 1)
            box[k + 2] = within(last, self.info[n, 1 - k] - 1)


cdef class KeepProposals(Step):
    """The best boxes that overlap with no better one by more than `most`; where there are too few they repeat."""
    cdef const real[:, :, ::1] boxes  # IN    (batch, boxes, 4)
    cdef const real[:, ::1] scores    # IN    (batch, tried), best first
    cdef const long long[:, ::1] order  # IN  (batch, tried)
    cdef real[:, :, ::1] rois         # OUT   (batch, kept, 5): image, corners
    cdef real[:, ::1] kept_scores     # OUT   (batch, kept)
    cdef long long[:, ::1] kept       # OUT   workspace (batch, kept): places in `order`
    cdef real most

    def __init__(self, reads, writes, *, most):
        self.boxes, self.scores, self.order = reads
        rois, scores, self.kept = writes
        self.rois = rois.reshape(reads[0].shape[0], -1, 5)
        self.kept_scores = scores.reshape(reads[0].shape[0], -1)
        self.most = most
        self.cost = 3.0 * reads[1].size * (1 + self.rois.shape[1] // 4)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n
        cdef Span part = share(team, self.boxes.shape[0], 1)
        for n in range(part.start, part.stop):
            self.one(n)

    cdef void one(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i, k, found = 0, wanted = self.kept.shape[1]
        cdef bint stays
        cdef const real* box
        for i in range(self.order.shape[1]):
            if found == wanted:
                break
            box = &self.boxes[n, self.order[n, i], 0]
            stays = True
            for k in range(found):
                if overlap(&self.boxes[n, self.order[n, self.kept[n, k]], 0], box) > self.most:
                    stays = False
                    break
            if stays:
                self.kept[n, found] = i
                found += 1
        for i in range(self.rois.shape[1]):
            self.rois[n, i, 0] = <real>n
            self.kept_scores[n, i] = 0
            for k in range(4):
                self.rois[n, i, 1 + k] = 0
            if found == 0:
                continue
            k = self.kept[n, i % found]
            box = &self.boxes[n, self.order[n, k], 0]
            self.kept_scores[n, i] = self.scores[n, k]
            for k in range(4):
                self.rois[n, i, 1 + k] = box[k]


cdef inline real overlap(const real* a, const real* b) noexcept nogil:
    """Intersection over union of two boxes of whole pixels."""
    cdef real wide = min(a[2], b[2]) - max(a[0], b[0]) + 1, high = min(a[3], b[3]) - max(a[1], b[1]) + 1, both
    if not (wide > 0 and high > 0):
        return 0
    both = wide * high
    return both / ((a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - both)
