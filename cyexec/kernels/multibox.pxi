# levels: base
# dtypes: f32 f64
# flags: -ffp-contract=off -O2
# The three operators of a single-shot detector (Liu et al., 2016, SSD): prior boxes at every pixel of a feature map, what each
# prior should learn, and detections from what it says. Sorting is done by sort.TopK between these steps.
import numpy as np

from libc.math cimport exp, log

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "boxes.h" nogil:
    real box_overlap(const real* a, const real* b)


cdef inline real unit(real x) noexcept nogil:
    return <real>0 if x < 0 else <real>1 if x > 1 else x


cdef class Priors(Step):
    """y[pixel, k] = a box around the pixel's centre with half the extents ``halves[k]``, in fractions of the picture."""
    cdef real[:, :, :, ::1] y         # OUT   (height, width, boxes, 4): corners
    cdef real[:, ::1] halves          # (boxes, 2): half width, half height
    cdef real step_y, step_x, shift_y, shift_x
    cdef bint clip

    def __init__(self, reads, writes, *, height, width, halves, steps, offsets, clip):
        self.y = writes[0].reshape(height, width, len(halves), 4)
        self.halves = np.array(halves, writes[0].dtype)
        self.step_y, self.step_x = steps
        self.shift_y, self.shift_x = offsets
        self.clip = clip
        self.cost = 2.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t row, column, k, i
        cdef real x, y
        cdef real* box
        cdef Span part = share(team, self.y.shape[0], 1)
        for row in range(part.start, part.stop):
            y = (<real>row + self.shift_y) * self.step_y
            for column in range(self.y.shape[1]):
                x = (<real>column + self.shift_x) * self.step_x
                for k in range(self.y.shape[2]):
                    box = &self.y[row, column, k, 0]
                    box[0], box[2] = x - self.halves[k, 0], x + self.halves[k, 0]
                    box[1], box[3] = y - self.halves[k, 1], y + self.halves[k, 1]
                    if self.clip:
                        for i in range(4):
                            box[i] = unit(box[i])


cdef class MatchAnchors(Step):
    """Which object each anchor should find, and how hard anchors without one are.

    First every object takes the free anchor that overlaps most with it, best pairs first; then every other anchor takes the
    object that it overlaps with by more than `least`. `match` is the object's row or -1. With `ratio` above 0 negatives are
    mined: `hardness` is the probability that an anchor without object gives the background, NaN for anchors that are no
    candidates, and `wanted` of the least are negative. `wanted` is -1 for images without objects.
    """
    cdef const real[:, ::1] anchors   # IN    (anchors, 4)
    cdef const real[:, :, ::1] labels # IN    (batch, objects, numbers): class, corners; -1 ends the list
    cdef const real[:, :, ::1] scores # IN    (batch, classes, anchors)
    cdef long long[:, ::1] match      # OUT   (batch, anchors)
    cdef long long[::1] wanted        # OUT   (batch,)
    cdef real[:, ::1] hardness        # OUT   (batch, anchors)
    cdef real[:, ::1] best            # OUT   workspace (batch, anchors): the most that an anchor overlaps
    cdef long long[:, ::1] nearest    # OUT   workspace (batch, anchors): the object it overlaps most with
    cdef long long[:, ::1] taken      # OUT   workspace (batch, objects): whether an anchor has it
    cdef real least, ratio, easy

    def __init__(self, reads, writes, *, least, ratio, easy):
        anchors, self.labels, self.scores = reads
        self.anchors = anchors.reshape(-1, 4)
        self.match, self.wanted, self.hardness, self.best, self.nearest, self.taken = writes
        self.least, self.ratio, self.easy = least, ratio, easy
        self.cost = 10.0 * writes[0].size * (1 + reads[1].shape[1])

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n
        cdef Span part = share(team, self.labels.shape[0], 1)
        for n in range(part.start, part.stop):
            self.one(n)

    cdef void one(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i, k, objects = 0, count = self.anchors.shape[0], best_anchor, best_object, positive = 0
        cdef real most, found, nan = <real>0
        nan = nan / nan
        while objects < self.labels.shape[1] and self.labels[n, objects, 0] != -1:
            self.taken[n, objects] = 0
            objects += 1
        for i in range(count):
            self.match[n, i] = self.nearest[n, i] = -1
            self.hardness[n, i] = nan
            self.best[n, i] = -1
        self.wanted[n] = -1
        if objects == 0:
            return
        for i in range(count):
            for k in range(objects):
                found = box_overlap(&self.anchors[i, 0], &self.labels[n, k, 1])
                if found > self.best[n, i]:
                    self.best[n, i], self.nearest[n, i] = found, k
        # `best` and `nearest` are of free objects here; an anchor whose object went to another one looks again.
        while True:
            most, best_anchor, best_object = <real>1e-6, -1, -1
            for i in range(count):
                if self.match[n, i] < 0 and self.best[n, i] > most:
                    most, best_anchor, best_object = self.best[n, i], i, self.nearest[n, i]
            if best_anchor < 0:
                break
            self.match[n, best_anchor] = best_object
            self.taken[n, best_object] = 1
            positive += 1
            for i in range(count):
                if self.match[n, i] < 0 and self.nearest[n, i] == best_object:
                    self.best[n, i] = -1
                    for k in range(objects):
                        if not self.taken[n, k]:
                            found = box_overlap(&self.anchors[i, 0], &self.labels[n, k, 1])
                            if found > self.best[n, i]:
                                self.best[n, i], self.nearest[n, i] = found, k
        for i in range(count):
            if self.match[n, i] >= 0:
                continue
            self.best[n, i] = -1
            for k in range(objects):
                found = box_overlap(&self.anchors[i, 0], &self.labels[n, k, 1])
                if found > self.best[n, i]:
                    self.best[n, i], self.nearest[n, i] = found, k
            if self.least > 0 and self.best[n, i] > self.least:
                self.match[n, i] = self.nearest[n, i]
                positive += 1
        self.wanted[n] = count
        if self.ratio > 0:
            self.mine(n, positive)

    cdef void mine(self, Py_ssize_t n, Py_ssize_t positive) noexcept nogil:
        cdef Py_ssize_t i, k, classes = self.scores.shape[1], candidates = 0, count = self.anchors.shape[0]
        cdef double wanted = <double>positive * self.ratio
        cdef real top, total
        for i in range(count):
            # Nothing is known of anchors that no object was asked for: as MXNet, overlaps of -1 count as easy.
            if self.match[n, i] >= 0 or not self.best[n, i] < self.easy:
                continue
            top, total = self.scores[n, 0, i], 0
            for k in range(1, classes):
                top = max(top, self.scores[n, k, i])
            for k in range(classes):
                total += <real>exp(self.scores[n, k, i] - top)
            self.hardness[n, i] = <real>exp(self.scores[n, 0, i] - top) / total
            candidates += 1
        self.wanted[n] = <long long>wanted if wanted < candidates else candidates


cdef class AssignTargets(Step):
    """Targets of training from `MatchAnchors`: box offsets, which of them count, and classes.

    `order` lists the candidates for negatives; without it all anchors without object are negative.
    """
    cdef const real[:, ::1] anchors   # IN    (anchors, 4)
    cdef const real[:, :, ::1] labels # IN    (batch, objects, numbers)
    cdef const long long[:, ::1] match  # IN  (batch, anchors)
    cdef const long long[::1] wanted  # IN    (batch,)
    cdef const long long[:, ::1] order  # IN  (batch, anchors), or None
    cdef real[:, :, ::1] offsets, mask  # OUT (batch, anchors, 4)
    cdef real[:, ::1] classes         # OUT   (batch, anchors)
    cdef real[::1] variances
    cdef real ignore
    cdef bint mined

    def __init__(self, reads, writes, *, variances, ignore):
        self.anchors = reads[0].reshape(-1, 4)
        self.labels, self.match, self.wanted = reads[1:4]
        self.mined = len(reads) > 4
        if self.mined:
            self.order = reads[4]
        batch, count = reads[2].shape
        self.offsets, self.mask = [w.reshape(batch, count, 4) for w in writes[:2]]
        self.classes = writes[2]
        self.variances = np.array(variances, writes[0].dtype)
        self.ignore = ignore
        self.cost = 20.0 * reads[2].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, i, k, row
        cdef real mine, other
        cdef const real* box
        cdef const real* anchor
        cdef Span part = share(team, self.match.shape[0], 1)
        for n in range(part.start, part.stop):
            for i in range(self.match.shape[1]):
                row = self.match[n, i]
                self.classes[n, i] = self.ignore if self.mined or self.wanted[n] < 0 else <real>0
                for k in range(4):
                    self.offsets[n, i, k], self.mask[n, i, k] = 0, <real>1 if row >= 0 else <real>0
                if row < 0:
                    continue
                self.classes[n, i] = self.labels[n, row, 0] + 1
                box, anchor = &self.labels[n, row, 1], &self.anchors[i, 0]
                for k in range(2):
                    mine, other = anchor[k + 2] - anchor[k], box[k + 2] - box[k]
                    self.offsets[n, i, k] = (
                        ((box[k] + box[k + 2]) / 2 - (anchor[k] + anchor[k + 2]) / 2) / mine / self.variances[k]
                    )
                    self.offsets[n, i, k + 2] = <real>log(other / mine) / self.variances[k + 2]
            if self.mined:
                for i in range(self.wanted[n]):
                    self.classes[n, self.order[n, i]] = 0


cdef class DecodeDetections(Step):
    """Rows (class, score, corners) of all anchors that see an object, in their order, then rows of -1.

    `scores` repeats the scores, NaN after the rows that there are.
    """
    cdef const real[:, :, ::1] probs  # IN    (batch, classes, anchors), the background first
    cdef const real[:, :, ::1] offsets  # IN  (batch, anchors, 4)
    cdef const real[:, ::1] anchors   # IN    (anchors, 4)
    cdef real[:, :, ::1] y            # OUT   (batch, anchors, 6)
    cdef real[:, ::1] scores          # OUT   (batch, anchors)
    cdef real[::1] variances
    cdef real least
    cdef bint clip

    def __init__(self, reads, writes, *, least, clip, variances):
        self.probs = reads[0]
        self.offsets = reads[1].reshape(reads[0].shape[0], -1, 4)
        self.anchors = reads[2].reshape(-1, 4)
        self.y, self.scores = writes
        self.variances = np.array(variances, writes[0].dtype)
        self.least, self.clip = least, clip
        self.cost = reads[0].size * 1.0 + writes[0].size * 10.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, i, k, which, rows
        cdef real score, nan = <real>0
        cdef Span part = share(team, self.y.shape[0], 1)
        nan = nan / nan
        for n in range(part.start, part.stop):
            rows = 0
            for i in range(self.anchors.shape[0]):
                score, which = -1, 0
                for k in range(1, self.probs.shape[1]):
                    if self.probs[n, k, i] > score:
                        score, which = self.probs[n, k, i], k
                if which > 0 and not score < self.least:
                    self.y[n, rows, 0], self.y[n, rows, 1] = <real>(which - 1), score
                    self.scores[n, rows] = score
                    self.decode(n, i, &self.y[n, rows, 2])
                    rows += 1
            for i in range(rows, self.y.shape[1]):
                self.scores[n, i] = nan
                for k in range(6):
                    self.y[n, i, k] = -1

    cdef void decode(self, Py_ssize_t n, Py_ssize_t i, real* box) noexcept nogil:
        cdef Py_ssize_t k
        cdef real size, middle, half
        for k in range(2):
            size = self.anchors[i, k + 2] - self.anchors[i, k]
            middle = self.offsets[n, i, k] * self.variances[k] * size + (self.anchors[i, k] + self.anchors[i, k + 2]) / 2
            half = <real>exp(self.offsets[n, i, k + 2] * self.variances[k + 2]) * size / 2
            box[k], box[k + 2] = middle - half, middle + half
        if self.clip:
            for k in range(4):
                box[k] = unit(box[k])


cdef class SelectDetections(Step):
    """Detections in the order of their scores; those that overlap with a better one of their class get class -1.

    Of more than `limit` the rest gets class -1 too, and stays where it was (as in MXNet).
    """
    cdef const real[:, :, ::1] x      # IN    (batch, anchors, 6)
    cdef const real[:, ::1] scores    # IN    (batch, anchors), sorted; NaN after the rows that there are
    cdef const long long[:, ::1] order  # IN  (batch, anchors)
    cdef real[:, :, ::1] y            # OUT   (batch, anchors, 6)
    cdef long long[:, ::1] taken      # OUT   workspace (batch, anchors): rows that are not suppressed
    cdef real most
    cdef bint force
    cdef Py_ssize_t limit

    def __init__(self, reads, writes, *, most, force, limit):
        self.x, self.scores, self.order = reads
        self.y, self.taken = writes
        self.most, self.force, self.limit = most, force, limit
        self.cost = 30.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, i, j, rows, kept, taken
        cdef const real* box
        cdef Span part = share(team, self.x.shape[0], 1)
        for n in range(part.start, part.stop):
            rows = 0
            while rows < self.scores.shape[1] and self.scores[n, rows] == self.scores[n, rows]:
                rows += 1
            kept = self.limit if 0 < self.limit < rows else rows
            for i in range(self.x.shape[1]):
                for j in range(6):
                    self.y[n, i, j] = self.x[n, self.order[n, i] if i < kept else i, j]
                if kept <= i < rows:
                    self.y[n, i, 0] = -1
            taken = 0
            for i in range(kept):
                for j in range(taken):
                    box = &self.y[n, self.taken[n, j], 0]
                    if (self.force or box[0] == self.y[n, i, 0]) and box_overlap(box + 2, &self.y[n, i, 2]) >= self.most:
                        self.y[n, i, 0] = -1
                        break
                else:
                    self.taken[n, taken] = i
                    taken += 1
