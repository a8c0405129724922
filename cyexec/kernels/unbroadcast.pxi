# levels: base v3 v4
# dtypes: f32 f64
# base-dtypes: i32 i64
# flags: -fwrapv
#
# The sum over the dimensions along which an array was repeated: the gradient of broadcasting.
#
# Dimensions are merged to kept and summed ones. Every output element is summed by one thread in one order: over the summed
# dimensions outside, the last one in 16 partial sums where it is summed. float32 is summed in double.
import numpy as np

from cyexec.kernels.step cimport Span, Step, Team, share

cdef enum:
    BLOCK = 256                       # output elements that one pass down the columns sums
    MAX_DIMS = 32

cdef extern from *:
    """
    #if defined(REAL_IS_F32)
    #define SUM double
    #else
    #define SUM REAL
    #endif
    static void unbroadcast_columns(Py_ssize_t n, const REAL* x, SUM* sums)
    {
        for (Py_ssize_t i = 0; i < n; i++)
            sums[i] += x[i];
    }
    static SUM unbroadcast_row(Py_ssize_t n, const REAL* x)
    {
        SUM lanes[16] = {0}, total = 0;
        Py_ssize_t i = 0;
        for (; i + 16 <= n; i += 16)
            for (int k = 0; k < 16; k++)
                lanes[k] += x[i + k];
        for (int k = 0; i + k < n; k++)
            lanes[k] += x[i + k];
        for (int k = 0; k < 16; k++)
            total += lanes[k];
        return total;
    }
    """
    ctypedef double Sum_t "SUM"       # long long and int for integers
    void unbroadcast_columns(Py_ssize_t n, const real* x, Sum_t* sums) noexcept nogil
    Sum_t unbroadcast_row(Py_ssize_t n, const real* x) noexcept nogil


cdef class Sum(Step):
    """y = x summed to the shape of y, which broadcasts to that of x."""
    cdef const real[::1] x            # IN
    cdef real[::1] y                  # OUT
    cdef Py_ssize_t last              # elements of the last merged dimension
    cdef bint last_summed
    cdef int num_kept, num_summed     # dimensions above the last
    cdef Py_ssize_t[::1] kept, kept_strides, summed, summed_strides
    cdef Py_ssize_t passes            # size of the summed dimensions above the last
    cdef Py_ssize_t blocks            # of the last dimension when it is kept

    def __init__(self, reads, writes):
        x, y = reads[0], writes[0]
        target = (1,) * (x.ndim - y.ndim) + y.shape
        if y.ndim > x.ndim or any(t not in (1, s) for s, t in zip(x.shape, target)):
            raise ValueError(f"Sum: {y.shape} does not broadcast to {x.shape}")
        self.x = x.reshape(-1)
        self.y = y.reshape(-1)
        # (extent, stride, summed), merged, from the last dimension outwards
        dims = []
        step = 1
        for extent, to in zip(reversed(x.shape), reversed(target)):
            is_summed = to != extent
            if dims and dims[len(dims) - 1][2] == is_summed:
                dims[len(dims) - 1][0] *= extent
            elif extent != 1:
                dims.append([extent, step, is_summed])
            step *= extent
        if not dims:
            dims = [[1, 1, False]]
        self.last, self.last_summed = dims[0][0], dims[0][2]
        outer = dims[:0:-1]
        if len(outer) > MAX_DIMS:
            raise ValueError("Sum: too many dimensions")
        for name in ("kept", "summed"):
            mine = [d for d in outer if d[2] == (name == "summed")]
            extents = np.array([d[0] for d in mine] + [1], np.intp)
            strides = np.array([d[1] for d in mine] + [0], np.intp)
            if name == "kept":
                self.kept, self.kept_strides, self.num_kept = extents, strides, len(mine)
            else:
                self.summed, self.summed_strides, self.num_summed = extents, strides, len(mine)
                self.passes = int(np.prod(extents))
        self.blocks = 1 if self.last_summed else (self.last + BLOCK - 1) // BLOCK
        self.cost = 10 + 0.3 * x.size + 3.0 * x.size / max(1, min(self.last, BLOCK))

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t count = self.y.shape[0], item, rest, n, column
        cdef const real* start
        cdef Span part
        cdef int d
        if count == 0:
            return
        if self.x.shape[0] == 0:
            if team.rank == 0:
                for item in range(count):
                    self.y[item] = 0
            return
        if not self.last_summed:
            count = count // self.last * self.blocks
        part = share(team, count, 1)
        for item in range(part.start, part.stop):
            rest = item // self.blocks
            column = item % self.blocks * BLOCK
            start = &self.x[0] + column
            for d in range(self.num_kept - 1, -1, -1):
                start += rest % self.kept[d] * self.kept_strides[d]
                rest = rest // self.kept[d]
            if self.last_summed:
                self.y[item] = self.sum_rows(start)
            else:
                n = min(self.last - column, <Py_ssize_t>BLOCK)
                self.sum_columns(start, &self.y[item // self.blocks * self.last + column], n)

    cdef Py_ssize_t next(self, Py_ssize_t* index) noexcept nogil:
        """Step through the summed dimensions; return how far to move."""
        cdef int d
        cdef Py_ssize_t move = 0
        for d in range(self.num_summed - 1, -1, -1):
            if index[d] + 1 < self.summed[d]:
                index[d] += 1
                return move + self.summed_strides[d]
            move -= index[d] * self.summed_strides[d]
            index[d] = 0
        return move

    cdef real sum_rows(self, const real* x) noexcept nogil:
        cdef Py_ssize_t index[MAX_DIMS]
        cdef Py_ssize_t k
        cdef Sum_t total = 0
        for k in range(self.num_summed):
            index[k] = 0
        for k in range(self.passes):
            total += unbroadcast_row(self.last, x)
            x += self.next(index)
        return <real>total

    cdef void sum_columns(self, const real* x, real* y, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t index[MAX_DIMS]
        cdef Sum_t sums[BLOCK]
        cdef Py_ssize_t k
        for k in range(n):
            sums[k] = 0
        for k in range(self.num_summed):
            index[k] = 0
        for k in range(self.passes):
            unbroadcast_columns(n, x, sums)
            x += self.next(index)
        for k in range(n):
            y[k] = <real>sums[k]
