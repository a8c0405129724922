# levels: base
# dtypes: i64
# Which rows: kernels that turn index operands into flat, in-range row numbers for Gather, Scatter and ScatterAdd.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef enum:
    MAX_DIMS = 32


cdef class Ravel(Step):
    """rows[n] = position of the point index[:, n] in an array of shape `dims`.

    Negative coordinates count from the end. With ``clip`` what is out of range is clipped; else the sum is taken as it is.
    """
    cdef const long long[::1] index   # IN
    cdef long long[::1] rows          # OUT
    cdef long long dim[MAX_DIMS]
    cdef int ndim
    cdef bint clip

    def __init__(self, reads, writes, *, dims, clip=True):
        self.index = reads[0].reshape(-1)
        self.rows = writes[0].reshape(-1)
        self.ndim, self.clip = len(dims), clip
        if len(dims) > MAX_DIMS or self.index.shape[0] != self.ndim * self.rows.shape[0]:
            raise ValueError("Ravel: sizes do not fit")
        for i, d in enumerate(dims):
            self.dim[i] = d
        self.cost = self.index.shape[0] * 1.5

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, count = self.rows.shape[0]
        cdef int d
        cdef long long i, row
        cdef Span part = share(team, count, 4096)
        for n in range(part.start, part.stop):
            row = 0
            for d in range(self.ndim):
                i = self.index[d * count + n]
                if self.clip:
                    if i < 0:
                        i += self.dim[d]
                    i = 0 if i < 0 else self.dim[d] - 1 if i >= self.dim[d] else i
                row = row * self.dim[d] + i
            self.rows[n] = row


cdef class Unravel(Step):
    """index[:, n] = the point at position rows[n] of an array of shape `dims`."""
    cdef const long long[::1] rows    # IN
    cdef long long[::1] index         # OUT
    cdef long long dim[MAX_DIMS]
    cdef int ndim

    def __init__(self, reads, writes, *, dims):
        self.rows = reads[0].reshape(-1)
        self.index = writes[0].reshape(-1)
        self.ndim = len(dims)
        if len(dims) > MAX_DIMS or self.index.shape[0] != self.ndim * self.rows.shape[0]:
            raise ValueError("Unravel: sizes do not fit")
        for i, d in enumerate(dims):
            self.dim[i] = max(d, 1)
        self.cost = self.index.shape[0] * 3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, count = self.rows.shape[0]
        cdef int d
        cdef long long rest
        cdef Span part = share(team, count, 4096)
        for n in range(part.start, part.stop):
            rest = self.rows[n]
            for d in range(self.ndim - 1, 0, -1):
                self.index[d * count + n] = rest % self.dim[d]
                rest = rest // self.dim[d]
            if self.ndim:
                self.index[n] = rest


cdef class PickRows(Step):
    """rows[o, j, i] = position of element (o, index[o, j, i], i) of an array of shape (outer, extent, inner)."""
    cdef const long long[::1] index   # IN
    cdef long long[::1] rows          # OUT
    cdef Py_ssize_t block             # elements of one o in the index operand
    cdef Py_ssize_t extent, inner
    cdef bint wrap

    def __init__(self, reads, writes, *, outer, extent, inner, count=1, wrap=False):
        self.index = reads[0].reshape(-1)
        self.rows = writes[0].reshape(-1)
        self.block, self.extent, self.inner, self.wrap = count * inner, extent, inner, wrap
        if self.index.shape[0] != outer * self.block or self.rows.shape[0] != outer * self.block:
            raise ValueError("PickRows: sizes do not fit")
        if extent == 0 and self.rows.shape[0]:
            raise ValueError("PickRows: cannot pick from an axis of extent 0")
        self.cost = self.rows.shape[0] * 3

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t at
        cdef long long i
        cdef Span part = share(team, self.rows.shape[0], 4096)
        for at in range(part.start, part.stop):
            i = self.index[at]
            if self.wrap:
                i = i % self.extent
                if i < 0:
                    i += self.extent
            else:
                i = 0 if i < 0 else self.extent - 1 if i >= self.extent else i
            self.rows[at] = (at // self.block * self.extent + i) * self.inner + at % self.inner


cdef class SequenceRows(Step):
    """Rows of an array of shape (time, batch, ...), or (batch, time, ...) with ``batch_major``.

    kind 0, last: rows[b] is the last time step of sequence b.
    kind 1, reverse: rows[t, b] is the time step that comes to t when the first length[b] steps are reversed.
    """
    cdef const long long[::1] length  # IN
    cdef long long[::1] rows          # OUT
    cdef Py_ssize_t time, batch
    cdef bint batch_major
    cdef int kind

    def __init__(self, reads, writes, *, time, batch, batch_major, kind):
        self.length = reads[0].reshape(-1)
        self.rows = writes[0].reshape(-1)
        self.time, self.batch, self.batch_major, self.kind = time, batch, batch_major, kind
        if self.length.shape[0] != batch or self.rows.shape[0] != (batch if kind == 0 else time * batch):
            raise ValueError("SequenceRows: one length is needed for each sequence")
        self.cost = self.rows.shape[0] * 2

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t b, t
        cdef long long length, source
        cdef Span part = share(team, self.batch, 64)
        for b in range(part.start, part.stop):
            length = self.length[b]
            length = 0 if length < 0 else self.time if length > self.time else length
            if self.kind == 0:
                source = length - 1 if length > 0 else 0
                self.rows[b] = b * self.time + source if self.batch_major else source * self.batch + b
            else:
                for t in range(self.time):
                    source = length - 1 - t if t < length else t
                    if self.batch_major:
                        self.rows[b * self.time + t] = b * self.time + source
                    else:
                        self.rows[t * self.batch + b] = source * self.batch + b


cdef class Positions(Step):
    """rows[n] = n // repeat."""
    cdef long long[::1] rows          # OUT
    cdef Py_ssize_t repeat

    def __init__(self, reads, writes, *, repeat=1):
        self.rows = writes[0].reshape(-1)
        self.repeat = repeat
        self.cost = self.rows.shape[0] * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n
        cdef Span part = share(team, self.rows.shape[0], 4096)
        for n in range(part.start, part.stop):
            self.rows[n] = n // self.repeat


cdef class Bounds(Step):
    """Note the first of index[d, :] outside [lows[d], highs[d]); whoever runs the step asks `take_failure` afterwards.

    The kernels that use the indices clip them: nothing is read or written out of bounds before the error is raised.
    """
    cdef const long long[::1] index   # IN
    cdef long long[::1] found         # OUT  how many are outside
    cdef long long low[MAX_DIMS]
    cdef long long high[MAX_DIMS]
    cdef int ndim
    cdef bint failed
    cdef int axis                     # of the first one outside
    cdef long long value
    cdef object where

    def __init__(self, reads, writes, *, lows, highs, where):
        self.index = reads[0].reshape(-1)
        self.found = writes[0].reshape(-1)
        self.ndim, self.where = len(lows), where
        if len(lows) > MAX_DIMS or self.found.shape[0] != 1 or self.ndim and self.index.shape[0] % self.ndim:
            raise ValueError("Bounds: sizes do not fit")
        for i, (low, high) in enumerate(zip(lows, highs)):
            self.low[i], self.high[i] = low, high
        self.cost = self.index.shape[0] * 1.0

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t i, count = self.index.shape[0] // self.ndim if self.ndim else 0
        cdef int d
        if team.rank != 0:
            return
        self.found[0] = 0
        for d in range(self.ndim):
            for i in range(d * count, (d + 1) * count):
                if self.index[i] < self.low[d] or self.index[i] >= self.high[d]:
                    if self.found[0] == 0:
                        self.axis = d
                        self.value = self.index[i]
                    self.found[0] += 1
        self.failed = self.found[0] > 0

    def take_failure(self):
        """What the last run found wrong, once; "" if nothing."""
        if not self.failed:
            return ""
        self.failed = False
        return (f"{self.where}: index {self.value} is out of bounds for axis {self.axis} with size "
                f"{self.high[self.axis]}")
