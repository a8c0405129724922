# levels: base v3
# dtypes: any
# flags: -fwrapv
#
# Conversion between dtypes; the loops are in cast.h.
import numpy as np

from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "cast.h" nogil:
    ctypedef void (*Loop "cast_loop")(Py_ssize_t n, const void* source, void* destination) noexcept nogil
    const Loop CAST_TABLE[8][8]

# In the order of cast.h's table.
CODES = {np.dtype(d): i for i, d in enumerate(("f2", "f4", "f8", "i1", "u1", "i4", "i8", "?"))}


cdef class Cast(Step):
    """y = x as another dtype; both contiguous, of equal size. Their memory must not overlap."""
    cdef const unsigned char[::1] x   # IN   bytes
    cdef unsigned char[::1] y         # OUT  bytes
    cdef Loop loop
    cdef Py_ssize_t n, x_size, y_size

    def __init__(self, reads, writes):
        x, y = reads[0], writes[0]
        if x.size != y.size:
            raise ValueError("Cast: sizes differ")
        self.loop = CAST_TABLE[<int>CODES[x.dtype]][<int>CODES[y.dtype]]
        self.n, self.x_size, self.y_size = x.size, x.itemsize, y.itemsize
        self.x = x.reshape(-1).view(np.uint8)
        self.y = y.reshape(-1).view(np.uint8)
        self.cost = 5 + 0.1 * self.n * (self.x_size + self.y_size)

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.n, 8192)
        if part.stop > part.start:
            self.loop(part.stop - part.start, &self.x[part.start * self.x_size], &self.y[part.start * self.y_size])
