# levels: base v3 v4
# dtypes: f32 f64
# Matrix multiplication, one or a batch of them. The algorithm is gemm.h; here strides are made from flags.
from cyexec.kernels.step cimport Span, Step, Team, cyexec_barrier, share

cdef extern from "gemm.h" nogil:
    ctypedef struct gemm_team:
        int rank
        int size
        cyexec_barrier* barrier
    ctypedef struct gemm_operand:
        const real* data
        long lane_stride
        long k_stride
        long image_stride
    ctypedef struct gemm_epilogue:
        real alpha
        int accumulate
        const real* row_bias
        const real* column_bias
    ctypedef struct gemm_problem:
        long m
        long n
        long k
        long column_batch
        long k_batch
        gemm_operand a
        gemm_operand b
        real* c
        long ldc
        long c_image_stride
        gemm_epilogue epilogue
    long gemm_least_workspace(const gemm_problem* g) noexcept
    void gemm_canonical(gemm_problem* g) noexcept
    long gemm_free_tiles(const gemm_problem* g) noexcept
    void gemm_run_tiles(const gemm_problem* g, long lo, long hi) noexcept
    void gemm_run(const gemm_problem* g, real* work, long room, const gemm_team* team) noexcept


cdef class Gemm(Step):
    """C = alpha op(A) op(B) [+ C] [+ bias], for each matrix of a batch.

    reads: A, B [, bias]; with `accumulate` C stands among the reads too, last. writes: C, workspace.
    A is (batch, m, k), or (batch, k, m) when `transpose_a`; B and C likewise. `bias`: "row" (m numbers), "column" (n) or "".
    """
    cdef gemm_problem problem
    cdef long batch, a_step, b_step, c_step
    cdef const real[::1] a            # IN
    cdef const real[::1] b            # IN
    cdef const real[::1] bias         # IN
    cdef real[::1] c                  # OUT, or INOUT with accumulate
    cdef real[::1] work               # workspace

    def __init__(self, reads, writes, *, m, n, k, batch=1, transpose_a=False, transpose_b=False, alpha=1.0,
                 accumulate=False, bias=""):
        cdef gemm_problem* g = &self.problem
        if reads[0].size != batch * m * k or reads[1].size != batch * k * n or writes[0].size != batch * m * n:
            raise ValueError(f"Gemm: sizes do not fit m={m}, n={n}, k={k}, batch={batch}")
        self.a = reads[0].reshape(-1)
        self.b = reads[1].reshape(-1)
        self.c = writes[0].reshape(-1)
        self.work = writes[1].reshape(-1)
        g.m, g.n, g.k = m, n, k
        g.column_batch = g.k_batch = 1
        self.batch, self.a_step, self.b_step, self.c_step = batch, m * k, k * n, m * n
        g.a.lane_stride, g.a.k_stride = (1, m) if transpose_a else (k, 1)
        g.b.lane_stride, g.b.k_stride = (k, 1) if transpose_b else (1, n)
        g.ldc = n
        g.epilogue.alpha = alpha
        g.epilogue.accumulate = accumulate
        if batch * m * n == 0:
            self.batch = 0
            return
        if m * k:
            g.a.data = &self.a[0]
        if k * n:
            g.b.data = &self.b[0]
        g.c = &self.c[0]
        if bias:
            self.bias = reads[2].reshape(-1)
            if self.bias.shape[0] != (m if bias == "row" else n):
                raise ValueError(f"Gemm: {self.bias.shape[0]} bias values for m={m}, n={n}")
            if bias == "row":
                g.epilogue.row_bias = &self.bias[0]
            else:
                g.epilogue.column_bias = &self.bias[0]
        if k:
            gemm_canonical(g)
            if n == 1 and m > 1:  # it has exchanged a and b
                self.a_step, self.b_step = k * n, m * k
            if self.work.shape[0] < gemm_least_workspace(g) and not gemm_free_tiles(g):
                raise ValueError(f"Gemm: workspace of {self.work.shape[0]} elements, needs {gemm_least_workspace(g)}")
        self.cost = batch * (2.0 * m * n * k / 50 + 20)

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_problem g = self.problem
        cdef gemm_team members
        cdef long i, tiles = 0, lo, hi
        cdef Span part
        if self.batch == 0:
            return
        if g.k:
            tiles = gemm_free_tiles(&g)
        if tiles:
            part = share(team, self.batch * tiles, 1)
            lo = part.start
            while lo < part.stop:
                i = lo // tiles
                hi = min((i + 1) * tiles, part.stop)
                self.place(&g, i)
                gemm_run_tiles(&g, lo - i * tiles, hi - i * tiles)
                lo = hi
            return
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        for i in range(self.batch):
            self.place(&g, i)
            gemm_run(&g, &self.work[0] if self.work.shape[0] else NULL, self.work.shape[0], &members)

    cdef void place(self, gemm_problem* g, long i) noexcept nogil:
        """Point `g` at matrix number `i` of the batch."""
        g.a.data = self.problem.a.data + i * self.a_step
        g.b.data = self.problem.b.data + i * self.b_step
        g.c = self.problem.c + i * self.c_step
