# levels: base
# dtypes: f32 f64 i8 u8 i32 i64
# flags: -O2
# The order of the elements along an axis; the algorithm is sort.h. The same for any team, since each row is one thread's.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "sort.h" nogil:
    ctypedef struct sort_item:
        pass
    void sort_first(const real* x, long stride, long n, long k, int ascend, sort_item* items, sort_item* spare,
                    long long* positions, long step) noexcept


cdef class TopK(Step):
    """The first k elements in order, along the middle axis of x, of shape (outer, extent, inner).

    Writes values (outer, k, inner), their positions (the same shape, int64), and two workspaces of an item for each element:
    (outer * inner, extent, words) of int64, 2 words for dtypes of 8 bytes and 1 for others.
    """
    cdef const real[::1] x            # IN
    cdef real[::1] values             # OUT
    cdef long long[::1] positions     # OUT
    cdef long long[::1] items         # OUT  workspace
    cdef long long[::1] spare         # OUT  workspace
    cdef Py_ssize_t outer, extent, inner, k, words
    cdef bint ascend

    def __init__(self, reads, writes, *, outer, extent, inner, k, ascend):
        self.x = reads[0].reshape(-1)
        self.values, self.positions, self.items, self.spare = [w.reshape(-1) for w in writes]
        self.outer, self.extent, self.inner, self.k, self.ascend = outer, extent, inner, k, ascend
        if not 0 <= k <= extent or self.x.shape[0] != outer * extent * inner:
            raise ValueError("TopK: sizes do not fit")
        if self.values.shape[0] != outer * k * inner or self.positions.shape[0] != outer * k * inner:
            raise ValueError("TopK: sizes do not fit")
        if extent >= 1 << 32:
            raise ValueError(f"TopK: an axis of {extent} elements; positions have 32 bits")
        self.words = sizeof(sort_item) // sizeof(long long)
        if self.items.shape[0] != self.words * self.x.shape[0] or self.spare.shape[0] != self.items.shape[0]:
            raise ValueError("TopK: the workspaces need an item for each element of x")
        self.cost = self.x.shape[0] * (2.0 if k * 16 <= extent else 10.0) + 20

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t row, i, o, r, at, work
        cdef const real* x
        cdef Span part = share(team, self.outer * self.inner if self.k else 0, 1)
        for row in range(part.start, part.stop):
            o = row // self.inner
            r = row % self.inner
            x = &self.x[o * self.extent * self.inner + r]
            at = o * self.k * self.inner + r
            work = row * self.extent * self.words
            sort_first(x, self.inner, self.extent, self.k, self.ascend, <sort_item*>&self.items[work],
                       <sort_item*>&self.spare[work], &self.positions[at], self.inner)
            for i in range(self.k):
                self.values[at + i * self.inner] = x[self.positions[at + i * self.inner] * self.inner]
