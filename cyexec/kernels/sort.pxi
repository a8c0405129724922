# levels: base
# dtypes: f32 f64 i8 u8 i32 i64
# flags: -O2
# The order of the elements along an axis. A bottom-up merge sort of positions: stable, without recursion, and the same
# for any team, since each row is one thread's. NaN comes last either way.
from cyexec.kernels.step cimport Span, Step, Team, share


cdef inline bint comes_first(real a, real b, bint ascend) noexcept nogil:
    """Whether `a` goes before `b` even when it stands after it."""
    if IS_FLOATING and b != b:
        return a == a
    return a < b if ascend else a > b


cdef long long* sort_positions(const real* x, Py_ssize_t stride, Py_ssize_t n, long long* order, long long* spare,
                               bint ascend) noexcept nogil:
    """Sort positions 0 to n - 1 by the values x[position * stride]; returns `order` or `spare`, which holds them."""
    cdef Py_ssize_t i, j, k, width, middle, end, start
    cdef long long* swap
    cdef long long held
    # Runs of eight by insertion, then merges.
    for start in range(0, n, 8):
        end = start + 8 if start + 8 < n else n
        for i in range(start, end):
            held = i
            j = i
            while j > start and comes_first(x[held * stride], x[order[j - 1] * stride], ascend):
                order[j] = order[j - 1]
                j -= 1
            order[j] = held
    width = 8
    while width < n:
        start = 0
        while start < n:
            middle = start + width if start + width < n else n
            end = start + 2 * width if start + 2 * width < n else n
            i = start
            j = middle
            for k in range(start, end):
                if i < middle and (j >= end or not comes_first(x[order[j] * stride], x[order[i] * stride], ascend)):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
            start = end
        swap = order
        order = spare
        spare = swap
        width *= 2
    return order


cdef class TopK(Step):
    """The first k elements in order, along the middle axis of x, of shape (outer, extent, inner).

    Writes values (outer, k, inner), their positions (the same shape, int64), and two workspaces (outer * inner, extent).
    """
    cdef const real[::1] x            # IN
    cdef real[::1] values             # OUT
    cdef long long[::1] positions     # OUT
    cdef long long[::1] order         # OUT  workspace
    cdef long long[::1] spare         # OUT  workspace
    cdef Py_ssize_t outer, extent, inner, k
    cdef bint ascend

    def __init__(self, reads, writes, *, outer, extent, inner, k, ascend):
        self.x = reads[0].reshape(-1)
        self.values, self.positions, self.order, self.spare = [w.reshape(-1) for w in writes]
        self.outer, self.extent, self.inner, self.k, self.ascend = outer, extent, inner, k, ascend
        if not 0 <= k <= extent or self.x.shape[0] != outer * extent * inner:
            raise ValueError("TopK: sizes do not fit")
        if self.values.shape[0] != outer * k * inner or self.positions.shape[0] != outer * k * inner:
            raise ValueError("TopK: sizes do not fit")
        if self.order.shape[0] != self.x.shape[0] or self.spare.shape[0] != self.x.shape[0]:
            raise ValueError("TopK: the workspaces need an element for each of x")
        self.cost = self.x.shape[0] * 4.0 * (1 + len(bin(extent)))

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t row, i, o, r, at
        cdef const real* x
        cdef long long* order
        cdef Span part = share(team, self.outer * self.inner if self.extent else 0, 1)
        for row in range(part.start, part.stop):
            o = row // self.inner
            r = row % self.inner
            x = &self.x[o * self.extent * self.inner + r]
            order = sort_positions(x, self.inner, self.extent, &self.order[row * self.extent],
                                   &self.spare[row * self.extent], self.ascend)
            for i in range(self.k):
                at = (o * self.k + i) * self.inner + r
                self.positions[at] = order[i]
                self.values[at] = x[order[i] * self.inner]
