# levels: base v3 v4
# dtypes: f32
# Pooling of blocked activations (batch, ceil(channels / 16), height, width, 16), and what is done to each channel alone.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "blocked_pool.h" nogil:
    enum: BLOCK
    enum: BLOCKED_NONE
    enum: BLOCKED_CLIP
    enum: BLOCKED_SLOPE
    enum: POOL_MAX
    enum: POOL_SUM
    enum: POOL_AVG
    ctypedef struct pool_shape:
        int mode
        int power
        int count_pad
        int fixed
        long step
        long in_ "in"[3]
        long kernel[3]
        long stride[3]
        long pad[3]
        long limit[3]
        long out[3]
    ctypedef struct blocked_act:
        int kind
        float lo
        float hi
        float slope
        const float* slopes
    ctypedef struct blocked_epilogue:
        const float* bias
        blocked_act act1
        blocked_act act2
    ctypedef struct blocked_lanes:
        pass
    void blocked_set_lanes(blocked_lanes* lanes, const blocked_epilogue* e, long f0, long filters) noexcept
    void blocked_pool_row(const pool_shape* s, const float* x, float* y, long row) noexcept
    void blocked_pool_backward(const pool_shape* s, const float* dy, const float* x, float* dx) noexcept
    void blocked_scale_positions(const float* x, const float* scale, const blocked_lanes* lanes, float* y, long n) noexcept

MODES = {"max": POOL_MAX, "sum": POOL_SUM, "avg": POOL_AVG}


cdef inline long blocks_of(long channels) noexcept nogil:
    return (channels + BLOCK - 1) // BLOCK


cdef class PoolBase(Step):
    """Geometry and arguments are those of pool.Pool, over (1, y, x).

    `x_batch`, `y_batch`: elements from one image to the next, where they lie in larger ones; 0: no gap.
    """
    cdef pool_shape shape
    cdef long batch, blocks, x_batch, y_batch, x_size, y_size

    def set_shape(self, *, batch, channels, channels_last, mode, power, count_pad, fixed, in_size, taps, stride, pad, limit,
                  out_size, x_batch=0, y_batch=0):
        cdef pool_shape* s = &self.shape
        cdef int d
        if mode not in MODES or channels_last or in_size[0] != 1 or out_size[0] != 1 or taps[0] != 1:
            raise ValueError(f"Pool: blocked images have no {mode} pooling of {in_size} by {taps}, channels last: "
                             f"{channels_last}")
        s.mode, s.power, s.count_pad, s.fixed, s.step = MODES[mode], 1, count_pad, fixed, BLOCK
        for d in range(3):
            s.in_[d], s.kernel[d], s.stride[d] = in_size[d], taps[d], stride[d]
            s.pad[d], s.limit[d], s.out[d] = pad[d], limit[d], out_size[d]
        self.batch, self.blocks = batch, blocks_of(channels)
        self.x_size, self.y_size = (self.blocks * BLOCK * size[1] * size[2] for size in (in_size, out_size))
        self.x_batch, self.y_batch = x_batch or self.x_size, y_batch or self.y_size
        self.cost = batch * self.y_size * (taps[1] * taps[2] * 0.03 + 0.05) + 20

    def check(self, x, y):
        for name, array, one, gap in (("x", x, self.x_size, self.x_batch), ("y", y, self.y_size, self.y_batch)):
            if array.size != ((self.batch - 1) * gap + one if self.batch else 0):
                raise ValueError(f"{type(self).__name__}: {name} has {array.size} elements; batch={self.batch}, "
                                 f"blocks={self.blocks}, an image {one}")


cdef class Pool(PoolBase):
    """reads: x; writes: y."""
    cdef const float[::1] x           # IN
    cdef float[::1] y                 # OUT

    def __init__(self, reads, writes, **arguments):
        self.set_shape(**arguments)
        self.check(reads[0], writes[0])
        self.x, self.y = reads[0].reshape(-1), writes[0].reshape(-1)

    cdef void run(self, Team* team) noexcept nogil:
        cdef long rows = self.shape.out[1], in_size = self.shape.in_[1] * self.shape.in_[2] * BLOCK
        cdef long out_line = self.shape.out[2] * BLOCK, image, c, u
        cdef Span part = share(team, self.batch * self.blocks * rows, 1)
        if self.x.shape[0] == 0 or self.y.shape[0] == 0:
            return
        for u in range(part.start, part.stop):
            image, c = u // (self.blocks * rows), u // rows % self.blocks
            blocked_pool_row(&self.shape, &self.x[image * self.x_batch + c * in_size],
                             &self.y[image * self.y_batch + u % (self.blocks * rows) * out_line], u % rows)


cdef class PoolGradient(PoolBase):
    """reads: dy [, x for maxima]; writes: dx. Threads share images and blocks of channels."""
    cdef const float[::1] dy          # IN
    cdef const float[::1] x           # IN, or empty
    cdef float[::1] dx                # OUT

    def __init__(self, reads, writes, **arguments):
        self.set_shape(**arguments)
        self.cost *= 3
        if len(reads) != (2 if self.shape.mode == POOL_MAX else 1):
            raise ValueError(f"PoolGradient: {len(reads)} operands")
        for x in (*reads[1:], writes[0]):
            self.check(x, reads[0])
        self.dy, self.dx = reads[0].reshape(-1), writes[0].reshape(-1)
        if len(reads) > 1:
            self.x = reads[1].reshape(-1)

    cdef void run(self, Team* team) noexcept nogil:
        cdef long image, at_x, at_y, u
        cdef Span part = share(team, self.batch * self.blocks, 1)
        if self.dx.shape[0] == 0 or self.dy.shape[0] == 0:
            return
        for u in range(part.start, part.stop):
            image = u // self.blocks
            at_x = image * self.x_batch + u % self.blocks * (self.x_size // self.blocks)
            at_y = image * self.y_batch + u % self.blocks * (self.y_size // self.blocks)
            blocked_pool_backward(&self.shape, &self.dy[at_y], &self.x[at_x] if self.x.shape[0] else NULL,
                                  &self.dx[at_x])


cdef class ScaleShift(Step):
    """y = act(x * scale[c] + shift[c]); y may be x. reads: x, then those of `operands`: "scale", "shift", "slopes"; writes: y.

    `act` as in blocked_conv: ("none",), ("clip", lo, hi), ("slope", s) or ("slopes",), whose numbers are `slopes`.
    """
    cdef const float[::1] x           # IN
    cdef const float[::1] scale, shift, slopes  # IN, (channels) or empty
    cdef float[::1] y                 # OUT
    cdef long batch, channels, size
    cdef blocked_epilogue epilogue

    def __init__(self, reads, writes, *, batch, channels, size, operands=(), act=("none",)):
        cdef blocked_act* a = &self.epilogue.act1
        reads = dict(zip(("x", *operands), reads, strict=True))
        self.batch, self.channels, self.size = batch, channels, size
        count = batch * blocks_of(channels) * BLOCK * size
        for name, array in (*reads.items(), ("y", writes[0])):
            if array.size != (count if name in ("x", "y") else channels):
                raise ValueError(f"ScaleShift: {name} has {array.size} elements; batch={batch}, channels={channels}, "
                                 f"size={size}")
        self.x, self.y = reads["x"].reshape(-1), writes[0].reshape(-1)
        if "scale" in reads:
            self.scale = reads["scale"].reshape(-1)
        if "shift" in reads:
            self.shift = reads["shift"].reshape(-1)
            self.epilogue.bias = &self.shift[0]
        if "slopes" in reads:
            self.slopes = reads["slopes"].reshape(-1)
        a.kind = {"none": BLOCKED_NONE, "clip": BLOCKED_CLIP, "slope": BLOCKED_SLOPE, "slopes": BLOCKED_SLOPE}[act[0]]
        if act[0] == "clip":
            a.lo, a.hi = act[1], act[2]
        elif act[0] == "slope":
            a.slope = act[1]
        elif act[0] == "slopes":
            a.slopes = &self.slopes[0]
        self.cost = count * 0.08 + 20

    cdef void run(self, Team* team) noexcept nogil:
        cdef long blocks = blocks_of(self.channels), u, n, c, i
        cdef blocked_lanes lanes
        cdef float scale[16]
        cdef Span part = share(team, self.batch * blocks * self.size, 16)
        if self.x.shape[0] == 0:
            return
        while part.start < part.stop:
            u = part.start // self.size
            n = min((u + 1) * self.size, part.stop) - part.start
            c = u % blocks * BLOCK
            blocked_set_lanes(&lanes, &self.epilogue, c, self.channels)
            for i in range(BLOCK):
                scale[i] = 0 if c + i >= self.channels else self.scale[c + i] if self.scale.shape[0] else 1
            blocked_scale_positions(&self.x[part.start * BLOCK], scale, &lanes, &self.y[part.start * BLOCK], n)
            part.start += n
