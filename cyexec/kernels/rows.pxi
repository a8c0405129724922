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
