# levels: base v3 v4
# dtypes: f32 f64
# Reductions over any set of axes; the loops and their accuracy are described in reduce.h.
# reduce_int.pxi builds the same source for integers.
from cyexec.kernels.step cimport Span, Step, Team, share, sync

cdef extern from "reduce.h" nogil:
    enum: REDUCE_SUM, REDUCE_PROD, REDUCE_NANSUM, REDUCE_NANPROD, REDUCE_MAX, REDUCE_MIN, REDUCE_ABS, REDUCE_SQUARES
    enum: FINISH_PLAIN, FINISH_DIVIDE, FINISH_ROOT
    enum: COLUMNS, PIECE, MAX_DIMS
    ctypedef struct reduction:
        int what, end, by_columns, rank_kept, rank_reduced
        Py_ssize_t inner, rows, cuts, parts, outputs, groups, count
        Py_ssize_t[32] kept, kept_stride, reduced, reduced_stride
    void reduce_tasks(const reduction* r, const real* x, real* out, double* partial, Py_ssize_t first,
                      Py_ssize_t last) noexcept
    void reduce_join(const reduction* r, real* out, const double* partial, Py_ssize_t first, Py_ssize_t last) noexcept
    void reduce_arg(const real* x, real* out, Py_ssize_t n, Py_ssize_t inner, int largest, Py_ssize_t first,
                    Py_ssize_t last) noexcept


def _collapse(shape, axes):
    """Merge neighbouring dimensions that are all kept or all reduced; return [(extent, is reduced, stride)]."""
    merged, last = [], None  # no negative indices: setup.py turns wraparound off
    for d, extent in enumerate(shape):
        if extent == 1:
            continue
        if merged and last[1] == (d in axes):
            last[0] *= extent
        else:
            last = [extent, d in axes]
            merged.append(last)
    stride, out = 1, []
    for extent, is_reduced in reversed(merged):
        out.append((extent, is_reduced, stride))
        stride *= extent
    out.reverse()
    return out


cdef class Reduction(Step):
    """Base of the reductions. Reads x; writes out, whose elements are those of x without the reduced axes.

    A second write, (parts, size of out) of float64, is scratch that lets `parts` tasks share each output.
    """
    cdef reduction r
    cdef const real[::1] x            # IN
    cdef real[::1] out                # OUT
    cdef double[::1] partial          # scratch, (parts, outputs); integers keep long long there

    def __init__(self, reads, writes, *, axes):
        cdef int d
        x, out = reads[0], writes[0]
        axes = {a % x.ndim for a in axes} if x.ndim else set()
        kept = [e for i, e in enumerate(x.shape) if i not in axes]
        outputs, count = 1, 1
        for i, e in enumerate(x.shape):
            if i in axes:
                count *= e
            else:
                outputs *= e
        if outputs != out.size:
            raise ValueError(f"reduction of {x.shape} over {sorted(axes)} has {outputs} results, not {out.size}")
        dims = _collapse(x.shape, axes)
        self.x = x.reshape(-1)
        self.out = out.reshape(-1)
        self.r.outputs, self.r.count = outputs, count
        last = dims.pop() if dims else (1, True, 1)
        self.r.by_columns = not last[1]
        self.r.inner = last[0]
        if len(dims) > MAX_DIMS:
            raise ValueError(f"reduction of more than {MAX_DIMS} dimensions")
        self.r.rows = 1
        for extent, is_reduced, stride in dims:
            if is_reduced:
                d = self.r.rank_reduced
                self.r.reduced[d], self.r.reduced_stride[d] = extent, stride
                self.r.rank_reduced += 1
                self.r.rows *= extent
            else:
                d = self.r.rank_kept
                self.r.kept[d], self.r.kept_stride[d] = extent, stride
                self.r.rank_kept += 1
        self.r.cuts = 1 if self.r.by_columns else (self.r.inner + PIECE - 1) // PIECE
        if count == 0:
            self.r.rows = 0
        self.r.groups = outputs
        if self.r.by_columns and outputs:
            self.r.groups = outputs // self.r.inner * ((self.r.inner + COLUMNS - 1) // COLUMNS)
        self.r.parts = 1
        if len(writes) > 1:
            self.partial = writes[1].reshape(-1)
            self.r.parts = max(writes[1].shape[0], 1)
            if self.r.parts * outputs > self.partial.shape[0]:
                raise ValueError("reduction: scratch is smaller than (parts, outputs)")
        self.cost = x.size * sizeof(real) * 0.06 + outputs * 2
        self.setup()

    def setup(self):
        """Set `r.what` and `r.end`."""
        raise NotImplementedError

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part
        cdef double* partial = NULL
        cdef const real* x = NULL
        if self.x.shape[0] > 0:
            x = &self.x[0]
        if self.r.outputs == 0:
            return
        if self.r.parts > 1:
            partial = &self.partial[0]
        part = share(team, self.r.groups * self.r.parts, 1)
        reduce_tasks(&self.r, x, &self.out[0], partial, part.start, part.stop)
        if self.r.parts > 1:
            sync(team)
            part = share(team, self.r.outputs, 64)
            reduce_join(&self.r, &self.out[0], partial, part.start, part.stop)


cdef class Sum(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_SUM, FINISH_PLAIN


cdef class Mean(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_SUM, FINISH_DIVIDE


cdef class Prod(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_PROD, FINISH_PLAIN


cdef class NanSum(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_NANSUM, FINISH_PLAIN


cdef class NanProd(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_NANPROD, FINISH_PLAIN


cdef class Max(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_MAX, FINISH_PLAIN


cdef class Min(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_MIN, FINISH_PLAIN


cdef class Norm1(Reduction):
    """Sum of magnitudes."""
    def setup(self):
        self.r.what, self.r.end = REDUCE_ABS, FINISH_PLAIN


cdef class SumSquares(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_SQUARES, FINISH_PLAIN


cdef class MeanSquares(Reduction):
    def setup(self):
        self.r.what, self.r.end = REDUCE_SQUARES, FINISH_DIVIDE


cdef class Norm2(Reduction):
    """Root of the sum of squares."""
    def setup(self):
        self.r.what, self.r.end = REDUCE_SQUARES, FINISH_ROOT


cdef class ArgMax(Step):
    """Index of the first largest element (or NaN) along one axis of x, seen as (outer, n, inner)."""
    cdef const real[::1] x            # IN
    cdef real[::1] out                # OUT
    cdef Py_ssize_t n, inner
    cdef int largest

    def __init__(self, reads, writes, *, n, inner):
        self.x = reads[0].reshape(-1)
        self.out = writes[0].reshape(-1)
        self.n, self.inner = n, inner
        self.largest = 1
        if n < 1 or self.out.shape[0] * n != self.x.shape[0]:
            raise ValueError(f"ArgMax: {self.x.shape[0]} elements are not {self.out.shape[0]} times {n}")
        self.cost = self.x.shape[0] * 1.5

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.out.shape[0], 16)
        if part.stop > part.start:
            reduce_arg(&self.x[0], &self.out[0], self.n, self.inner, self.largest, part.start, part.stop)


cdef class ArgMin(ArgMax):
    """Index of the first smallest element (or NaN)."""
    def __init__(self, reads, writes, *, n, inner):
        super().__init__(reads, writes, n=n, inner=inner)
        self.largest = 0
