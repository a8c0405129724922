# levels: base v3 v4
# dtypes: f32
# Reordering between plain images (batch, channels, size) and blocked ones (batch, ceil(channels / 16), size, 16).
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "blocked_move.h" nogil:
    enum: BLOCK
    void blocked_from_plain(const float* x, float* y, long channels, long size, long lo, long hi) noexcept
    void blocked_to_plain(const float* x, float* y, long channels, long size, long lo, long hi) noexcept


cdef class Reorder(Step):
    """Common to both directions: tiles of 16 channels x 16 positions are shared by the team.

    `x_batch`, `y_batch`: elements from one image to the next, where they lie in larger ones; 0: no gap.
    """
    cdef const float[::1] x           # IN
    cdef float[::1] y                 # OUT
    cdef long batch, channels, size, x_batch, y_batch
    cdef bint to_plain

    def set_up(self, reads, writes, batch, channels, size, x_batch, y_batch):
        cdef long plain = channels * size, blocked = (channels + BLOCK - 1) // BLOCK * BLOCK * size
        self.x, self.y = reads[0].reshape(-1), writes[0].reshape(-1)
        self.batch, self.channels, self.size = batch, channels, size
        x_size, y_size = (blocked, plain) if self.to_plain else (plain, blocked)
        self.x_batch, self.y_batch = x_batch or x_size, y_batch or y_size
        for name, count, one, step in (("x", self.x.shape[0], x_size, self.x_batch),
                                       ("y", self.y.shape[0], y_size, self.y_batch)):
            if count != ((batch - 1) * step + one if batch else 0):
                raise ValueError(f"{type(self).__name__}: {name} has {count} elements; batch={batch}, "
                                 f"channels={channels}, size={size}")
        self.cost = batch * blocked * 0.1 + 20

    cdef void run(self, Team* team) noexcept nogil:
        cdef long blocks = (self.channels + BLOCK - 1) // BLOCK, image, lo, hi, each
        cdef Span part
        if self.x.shape[0] == 0 or self.y.shape[0] == 0:
            return
        each = blocks * self.size
        part = share(team, self.batch * each, BLOCK)
        while part.start < part.stop:
            image = part.start // each
            lo = part.start - image * each
            hi = min(each, part.stop - image * each)
            if self.to_plain:
                blocked_to_plain(&self.x[image * self.x_batch], &self.y[image * self.y_batch], self.channels, self.size,
                                 lo, hi)
            else:
                blocked_from_plain(&self.x[image * self.x_batch], &self.y[image * self.y_batch], self.channels,
                                   self.size, lo, hi)
            part.start += hi - lo


cdef class FromPlain(Reorder):
    """y, blocked = x, plain. Lanes that are no channels become zero. reads: x; writes: y."""

    def __init__(self, reads, writes, *, batch, channels, size, x_batch=0, y_batch=0):
        self.to_plain = False
        self.set_up(reads, writes, batch, channels, size, x_batch, y_batch)


cdef class ToPlain(Reorder):
    """y, plain = x, blocked. reads: x; writes: y."""

    def __init__(self, reads, writes, *, batch, channels, size, x_batch=0, y_batch=0):
        self.to_plain = True
        self.set_up(reads, writes, batch, channels, size, x_batch, y_batch)
