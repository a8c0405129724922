# levels: base v3 v4
# dtypes: f32
# Gradients of a convolution's weights and bias over blocked activations. The loops are blocked_weight.h; sizes of areas are
# decided in cyexec/lowering/blocked_gradient.py.
from cyexec.kernels.step cimport Span, Step, Team, cyexec_barrier, share, sync

cdef extern from "blocked_weight.h" nogil:
    enum: BLOCK
    ctypedef struct blocked_team:
        int rank
        int size
        cyexec_barrier* barrier
    ctypedef struct blocked_shape:
        long batch
        long channels
        long filters
        long groups
        long in_ "in"[2]
        long kernel[2]
        long stride[2]
        long dilate[2]
        long pad[2]
        long out[2]
    ctypedef struct weight_plan:
        blocked_shape s
        int plain
        long chunks
        long slice
    long weight_sums_size(const weight_plan* p) noexcept
    void weight_run(const weight_plan* p, const float* x, const float* dy, float* dw, float* sums,
                    const blocked_team* team) noexcept
    void weight_plane_sums(const float* dy, long n, double* out) noexcept


cdef inline long blocks_of(long channels) noexcept nogil:
    return (channels + BLOCK - 1) // BLOCK


cdef class WeightGradient(Step):
    """dw of a convolution. reads: x (blocked, or plain), dy (blocked); writes: dw (filters, channels / groups, ky, kx), sums.

    `chunks`: parts of the batch with sums of their own; `slice`: filter blocks whose sums are in memory at a time, which
    changes no number; geometry as `ops.convolution.conv_arguments` gives it.
    """
    cdef weight_plan plan
    cdef const float[::1] x, dy       # IN
    cdef float[::1] dw                # OUT
    cdef float[::1] sums              # workspace

    def __init__(self, reads, writes, *, plain, chunks, slice, **geometry):
        cdef blocked_shape* s = &self.plan.s
        cdef int d
        g = geometry
        s.batch, s.channels, s.filters, s.groups = g["batch"], g["channels"], g["filters"], g["groups"]
        for d in range(2):
            s.in_[d], s.kernel[d], s.stride[d] = g["in_size"][d + 1], g["taps"][d + 1], g["stride"][d + 1]
            s.dilate[d], s.pad[d], s.out[d] = g["dilate"][d + 1], g["pad"][d + 1], g["out_size"][d + 1]
            reach = (s.out[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilate[d]
            if min(s.in_[d], s.kernel[d], s.stride[d], s.dilate[d], s.out[d]) < 1 or reach >= s.in_[d] + 2 * s.pad[d]:
                raise ValueError(f"convolution geometry: {g}")
        if g["in_size"][0] != 1 or g["taps"][0] != 1 or s.groups < 1 or s.channels % s.groups or s.filters % s.groups:
            raise ValueError(f"WeightGradient: no such convolution in blocked layout: {g}")
        self.plan.plain, self.plan.chunks, self.plan.slice = plain, chunks, slice
        self.x, self.dy = reads[0].reshape(-1), reads[1].reshape(-1)
        self.dw, self.sums = writes[0].reshape(-1), writes[1].reshape(-1)
        channels = s.channels if plain else blocks_of(s.channels) * BLOCK
        sizes = (
            s.batch * channels * s.in_[0] * s.in_[1], s.batch * blocks_of(s.filters) * BLOCK * s.out[0] * s.out[1],
            s.filters * (s.channels // s.groups) * s.kernel[0] * s.kernel[1], chunks * weight_sums_size(&self.plan),
        )
        found = (self.x.shape[0], self.dy.shape[0], self.dw.shape[0], self.sums.shape[0])
        if found != sizes or not 1 <= chunks <= s.batch or not 1 <= slice <= blocks_of(s.filters):
            raise ValueError(f"WeightGradient: operands have {found} elements, expected {sizes} in {chunks} chunks, "
                             f"{slice} filter blocks at a time")
        self.cost = 2.0 * s.batch * self.dw.shape[0] * s.out[0] * s.out[1] / 100 + 1.0 * chunks * self.dw.shape[0] + 100

    cdef void run(self, Team* team) noexcept nogil:
        cdef blocked_team members
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        weight_run(&self.plan, &self.x[0], &self.dy[0], &self.dw[0], &self.sums[0], &members)


cdef class ChannelSums(Step):
    """out[c] = sum of dy over images and positions: the gradient of a bias. reads: dy (blocked); writes: out, partial."""
    cdef const float[::1] dy          # IN    (images, blocks, positions, 16)
    cdef float[::1] out               # OUT   (channels)
    cdef double[:, ::1] partial       # workspace: (images * blocks, 16)
    cdef long images, blocks, positions

    def __init__(self, reads, writes):
        shape = reads[0].shape
        self.dy, self.out, self.partial = reads[0].reshape(-1), writes[0].reshape(-1), writes[1]
        self.images, self.blocks = shape[0], shape[1]
        self.positions = self.dy.shape[0] // (shape[0] * shape[1] * BLOCK)
        if self.blocks != blocks_of(self.out.shape[0]) or writes[1].shape != (shape[0] * shape[1], BLOCK):
            raise ValueError(f"ChannelSums: {self.out.shape[0]} channels in a blocked array of shape {tuple(shape)}")
        self.cost = 0.05 * self.dy.shape[0] + 50.0 * self.images * self.blocks

    cdef void run(self, Team* team) noexcept nogil:
        cdef long p, n, c
        cdef double sum
        cdef Span part = share(team, self.images * self.blocks, 1)
        for p in range(part.start, part.stop):
            weight_plane_sums(&self.dy[p * self.positions * BLOCK], self.positions, &self.partial[p, 0])
        sync(team)
        part = share(team, self.out.shape[0], BLOCK)
        for c in range(part.start, part.stop):
            sum = 0
            for n in range(self.images):
                sum += self.partial[n * self.blocks + c // BLOCK, c % BLOCK]
            self.out[c] = <float>sum
