# levels: base v3 v4
# dtypes: f32
# Convolution of blocked activations with packed weights, and what packs the weights. The algorithms are blocked_*.h; which
# one, and the sizes of its areas, is decided in cyexec/lowering/blocked.py.
from cyexec.kernels.step cimport Span, Step, Team, cyexec_barrier, share, sync
from libc.stdlib cimport free, malloc

import numpy as np

cdef extern from "blocked_direct.h" nogil:
    enum: BLOCK
    enum: BLOCKED_NONE
    enum: BLOCKED_CLIP
    enum: BLOCKED_SLOPE
    enum: DIRECT_IN_PLACE
    enum: DIRECT_BLOCKED
    enum: DIRECT_PLAIN
    ctypedef struct blocked_team:
        int rank
        int size
        cyexec_barrier* barrier
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
    ctypedef struct blocked_input:
        const float* scale
        const float* shift
    ctypedef struct blocked_weights:
        const float* w
        const float* scale
        int transposed
        long kernel[2]
        long first[2]
        long step[2]
        long merged
    ctypedef struct direct_plan:
        blocked_shape s
        int kind
        long rows
        long cols
        long slots
        long* offsets[2]
        long x_batch
        long y_batch
        long y_size[2]
        long y_first[2]
        long y_stride[2]
    ctypedef struct direct_operands:
        const float* x
        const float* w
        const float* residual
        float* y
        float* scratch
        const blocked_input* input
        const blocked_epilogue* epilogue
    long direct_depth(const blocked_shape* s) noexcept
    void direct_measure(direct_plan* p) noexcept
    long direct_scratch(const direct_plan* p) noexcept
    long direct_run_count(const direct_plan* p) noexcept
    void direct_fill_offsets(direct_plan* p) noexcept
    void direct_run(const direct_plan* p, const direct_operands* o, const blocked_team* team) noexcept
    void direct_pack_weights(const blocked_shape* s, int plain, const blocked_weights* w, float* packed, long f0,
                             long f1) noexcept

cdef extern from "blocked_depthwise.h" nogil:
    ctypedef struct depthwise_plan:
        blocked_shape s
        long x_batch
        long y_batch
    ctypedef struct depthwise_operands:
        const float* x
        const float* w
        const float* residual
        float* y
        const blocked_epilogue* epilogue
    void depthwise_run(const depthwise_plan* p, const depthwise_operands* o, const blocked_team* team) noexcept
    void depthwise_gradient_run(const depthwise_plan* p, const depthwise_operands* o, const blocked_team* team) noexcept
    void depthwise_pack_weights(const blocked_shape* s, const blocked_weights* w, float* packed, long b0,
                                long b1) noexcept

cdef extern from "blocked_winograd.h" nogil:
    ctypedef struct winograd_plan:
        blocked_shape s
        long m
        long together
        long chunk
        long slots
        long* offsets
        long x_batch
        long y_batch
    ctypedef struct winograd_operands:
        const float* x
        const float* w
        const float* residual
        float* y
        float* v
        float* m
        const blocked_input* input
        const blocked_epilogue* epilogue
    void winograd_measure(winograd_plan* p) noexcept
    void winograd_fill_offsets(winograd_plan* p) noexcept
    long winograd_points(const winograd_plan* p) noexcept
    long winograd_v_size(const winograd_plan* p) noexcept
    long winograd_m_size(const winograd_plan* p) noexcept
    void winograd_run(const winograd_plan* p, const winograd_operands* o, const blocked_team* team) noexcept
    void winograd_pack_weights(const blocked_shape* s, int m, const blocked_weights* w, float* packed, long f0,
                               long f1) noexcept

GEOMETRY = ("batch", "channels", "filters", "groups", "in_size", "taps", "stride", "dilate", "pad", "out_size")
WINOGRAD = {"winograd4": 4, "winograd2": 2}  # algorithm: outputs of a patch, in each direction


cdef inline long blocks_of(long channels) noexcept nogil:
    return (channels + BLOCK - 1) // BLOCK


cdef int set_shape(blocked_shape* s, g) except -1:
    """Geometry as `conv_arguments` gives it, two-dimensional."""
    cdef int d
    s.batch, s.channels, s.filters, s.groups = g["batch"], g["channels"], g["filters"], g["groups"]
    for d in range(2):
        s.in_[d], s.kernel[d], s.stride[d] = g["in_size"][d + 1], g["taps"][d + 1], g["stride"][d + 1]
        s.dilate[d], s.pad[d], s.out[d] = g["dilate"][d + 1], g["pad"][d + 1], g["out_size"][d + 1]
        if min(s.in_[d], s.kernel[d], s.stride[d], s.dilate[d], s.out[d]) < 1:
            raise ValueError(f"convolution geometry: {g}")
    if g["in_size"][0] != 1 or g["taps"][0] != 1 or g["pad"][0] != 0:
        raise ValueError(f"blocked convolution has two dimensions: {g}")
    if s.groups < 1 or s.channels % s.groups or s.filters % s.groups:
        raise ValueError(f"{s.channels} channels and {s.filters} filters in {s.groups} groups")
    return 0


cdef class PackWeights(Step):
    """Weights as `algorithm` reads them. reads: w (filters, channels / groups, ky, kx) [, scale (filters)]; writes: packed.

    Each filter is multiplied with its `scale`. With `transposed` the geometry is that of the data gradient: its filters are
    the channels of w and the other way round, the taps are reversed. It says which taps, (y, x) each: of how many, the
    first, and the distance of the others. `merged`: groups of the weights that are one of the geometry's, with zeros
    between them. `blocks`: the first filter block that is packed and the one behind the last; by default all.
    """
    cdef blocked_shape shape
    cdef blocked_weights weights
    cdef const float[::1] w           # IN
    cdef const float[::1] scale       # IN, or empty
    cdef float[::1] packed            # OUT
    cdef bint plain, depthwise
    cdef int winograd                 # outputs of a patch, or 0
    cdef long first, count            # filter blocks
    cdef long block_size              # packed elements of one

    def __init__(self, reads, writes, *, algorithm, transposed=None, merged=1, blocks=None, **geometry):
        cdef blocked_shape* s = &self.shape
        cdef blocked_weights* w = &self.weights
        cdef int d
        set_shape(s, geometry)
        self.w, self.packed = reads[0].reshape(-1), writes[0].reshape(-1)
        self.plain, self.depthwise = algorithm == "plain", algorithm == "depthwise"
        self.winograd = WINOGRAD.get(algorithm, 0)
        w.transposed, w.merged = transposed is not None, merged
        if merged < 1 or (s.channels // s.groups) % merged or (s.filters // s.groups) % merged or (
                merged > 1 and algorithm != "direct"):
            raise ValueError(f"PackWeights: {merged} groups in one, {algorithm}, {geometry}")
        for d in range(2):
            w.kernel[d], w.first[d], w.step[d] = s.kernel[d], 0, 1
            if transposed is not None:
                w.kernel[d], w.first[d], w.step[d] = transposed[0][d], transposed[1][d], transposed[2][d]
            if w.first[d] < 0 or w.first[d] + w.step[d] * (s.kernel[d] - 1) >= w.kernel[d]:
                raise ValueError(f"PackWeights: taps {transposed} for {geometry}")
        count = s.filters * (s.channels // s.groups // merged) * w.kernel[0] * w.kernel[1]
        taps = (self.winograd + 2) ** 2 if self.winograd else s.kernel[0] * s.kernel[1]
        if self.winograd and tuple(s.kernel) != (3, 3):
            raise ValueError(f"PackWeights: {algorithm} for {geometry}")
        if self.w.shape[0] != count:
            raise ValueError(f"PackWeights: {self.w.shape[0]} weights, expected {count}")
        if len(reads) > 1:
            self.scale = reads[1].reshape(-1)
            if self.scale.shape[0] != s.filters or w.transposed:
                raise ValueError(f"PackWeights: {self.scale.shape[0]} factors for {s.filters} filters, "
                                 f"transposed={transposed}")
            w.scale = &self.scale[0]
        self.first, stop = blocks or (0, blocks_of(s.filters))
        self.count, self.block_size = stop - self.first, BLOCK * (s.channels // s.groups) * taps
        if not 0 <= self.first < stop <= blocks_of(s.filters):
            raise ValueError(f"PackWeights: filter blocks {blocks} of {blocks_of(s.filters)}")
        if self.packed.shape[0] != self.count * self.block_size:
            raise ValueError(f"PackWeights: room for {self.packed.shape[0]} packed weights")
        w.w = &self.w[0]
        self.cost = self.packed.shape[0] * 0.3 + 20

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.count, 1)
        cdef float* to = &self.packed[0] - self.first * self.block_size  # where block 0 would be
        cdef long start = self.first + part.start, stop = self.first + part.stop
        if self.depthwise:
            depthwise_pack_weights(&self.shape, &self.weights, to, start, stop)
        elif self.winograd:
            winograd_pack_weights(&self.shape, self.winograd, &self.weights, to, start, stop)
        else:
            direct_pack_weights(&self.shape, self.plain, &self.weights, to, start, stop)


cdef class ConvBase(Step):
    """Operands and epilogue, which all algorithms have: y = act2(act1(conv(x) + bias) + residual).

    reads: x, packed weights, then those of `operands`, in this order: "bias" (filters), "slopes" (filters; of the activation
    that is "slopes"), "scale", "shift" (channels: max(0, x * scale + shift) is convolved in place of x), "residual" (as y).
    writes: y, workspace. An activation is ("none",), ("clip", lo, hi), ("slope", s) or ("slopes",).
    `x_batch`, `y_batch`: elements from one image to the next, where they lie in larger ones; 0: no gap.
    """
    cdef blocked_shape shape
    cdef blocked_epilogue epilogue
    cdef blocked_input input
    cdef const float[::1] x           # IN
    cdef const float[::1] w           # IN     packed
    cdef const float[::1] bias, slopes, scale, shift  # IN, or empty
    cdef const float[::1] residual    # IN, or empty; may be y
    cdef float[::1] y                 # OUT
    cdef float[::1] work              # workspace
    cdef long x_batch, y_batch

    def set_operands(self, reads, writes, operands, act1, act2, long x_batch, long y_batch, bint plain=False,
                     image=None):
        cdef blocked_shape* s = &self.shape
        cdef long x_size, y_size
        height, width = image or (s.out[0], s.out[1])
        reads = dict(zip(("x", "w", *operands), reads, strict=True))
        x_size = (s.channels if plain else blocks_of(s.channels) * BLOCK) * s.in_[0] * s.in_[1]
        y_size = blocks_of(s.filters) * BLOCK * height * width
        self.x_batch, self.y_batch = x_batch or x_size, y_batch or y_size
        sizes = {
            "x": self.span(x_size, self.x_batch), "residual": self.span(y_size, self.y_batch),
            "bias": s.filters, "slopes": s.filters, "scale": s.channels, "shift": s.channels,
        }
        for name, size in sizes.items():
            if name in reads and reads[name].size != size:
                raise ValueError(f"{type(self).__name__}: {name} has {reads[name].size} elements, expected {size}")
        if writes[0].size != sizes["residual"]:
            raise ValueError(f"{type(self).__name__}: y has {writes[0].size} elements, expected {sizes['residual']}")
        self.x, self.w, self.y = reads["x"].reshape(-1), reads["w"].reshape(-1), writes[0].reshape(-1)
        self.work = writes[1].reshape(-1)
        if "bias" in reads:
            self.bias = reads["bias"].reshape(-1)
            self.epilogue.bias = &self.bias[0]
        if "slopes" in reads:
            self.slopes = reads["slopes"].reshape(-1)
        if "scale" in reads:
            self.scale, self.shift = reads["scale"].reshape(-1), reads["shift"].reshape(-1)
            self.input.scale, self.input.shift = &self.scale[0], &self.shift[0]
        if "residual" in reads:
            self.residual = reads["residual"].reshape(-1)
        self.set_act(&self.epilogue.act1, act1)
        self.set_act(&self.epilogue.act2, act2)
        if image and "residual" in reads:
            raise ValueError(f"{type(self).__name__}: a residual of outputs that lie apart")
        if self.epilogue.act2.kind != BLOCKED_NONE and "residual" not in reads:
            raise ValueError(f"{type(self).__name__}: a second activation without a residual")

    cdef long span(self, long size, long batch):
        return (self.shape.batch - 1) * batch + size if self.shape.batch else 0

    cdef int set_act(self, blocked_act* a, act) except -1:
        a.kind = {"none": BLOCKED_NONE, "clip": BLOCKED_CLIP, "slope": BLOCKED_SLOPE, "slopes": BLOCKED_SLOPE}[act[0]]
        if act[0] == "clip":
            a.lo, a.hi = act[1], act[2]
        elif act[0] == "slope":
            a.slope = act[1]
        elif act[0] == "slopes":
            a.slopes = &self.slopes[0]
        return 0

    cdef double products(self):
        cdef blocked_shape* s = &self.shape
        return 2.0 * s.batch * s.filters * s.out[0] * s.out[1] * direct_depth(s)


cdef class Direct(ConvBase):
    """Convolution by register tiles. `algorithm`: "pointwise", "direct" (blocked x) or "plain" (x is NCHW).

    `plans`: (rows, columns, slots) of a rectangle of the output and of the threads that have a scratch area in the
    workspace; the first one with enough for the team counts, else the last one. With `image` (height, width) the outputs are some pixels of an image of that size: the `first`, and others `spread` apart, (y, x)
    each; an operand "y" says that the others were written before.
    """
    cdef direct_plan plans[2]
    cdef int count                    # of plans

    def __init__(self, reads, writes, *, algorithm, plans, operands=(), act1=("none",), act2=("none",), x_batch=0, y_batch=0,
                 image=None, first=(0, 0), spread=(1, 1), **geometry):
        cdef int i
        kind = {"pointwise": DIRECT_IN_PLACE, "direct": DIRECT_BLOCKED, "plain": DIRECT_PLAIN}[algorithm]
        cdef blocked_shape* s = &self.shape
        set_shape(s, geometry)
        if s.groups > 1 and (kind == DIRECT_PLAIN or (s.channels // s.groups) % BLOCK or (s.filters // s.groups) % BLOCK):
            raise ValueError(f"Direct: {s.channels} channels and {s.filters} filters in {s.groups} groups")
        self.set_operands(reads, writes, operands, act1, act2, x_batch, y_batch, kind == DIRECT_PLAIN, image)
        if kind == DIRECT_IN_PLACE:
            if (tuple(s.kernel) != (1, 1) or tuple(s.stride) != (1, 1) or tuple(s.pad) != (0, 0)
                    or tuple(s.in_) != tuple(s.out) or self.input.scale != NULL):
                raise ValueError(f"Direct: not pointwise: {geometry}")
        if kind == DIRECT_PLAIN and self.input.scale != NULL:
            raise ValueError("Direct: the transformation of the input needs blocked channels")
        if self.w.shape[0] != blocks_of(s.filters) * BLOCK * direct_depth(s):
            raise ValueError(f"Direct: {self.w.shape[0]} packed weights do not fit the geometry")
        if not 1 <= len(plans) <= 2:
            raise ValueError(f"Direct: plans={plans}")
        for i in range(len(plans)):
            self.set_plan(&self.plans[i], kind, plans[i], image or tuple(s.out), first, spread)
            self.count = i + 1
        self.cost = self.products() / 200 + 100

    cdef int set_plan(self, direct_plan* p, int kind, plan, image, first, spread) except -1:
        cdef int d
        rows, cols, slots = plan
        if min(plan) < 1:
            raise ValueError(f"Direct: a plan of {rows} rows, {cols} columns and {slots} slots")
        p.s, p.kind, p.slots, p.x_batch, p.y_batch = self.shape, kind, slots, self.x_batch, self.y_batch
        p.rows, p.cols = min(rows, p.s.out[0]), min(cols, p.s.out[1])
        for d in range(2):
            p.y_size[d], p.y_first[d], p.y_stride[d] = image[d], first[d], spread[d]
            if first[d] < 0 or spread[d] < 1 or first[d] + (p.s.out[d] - 1) * spread[d] >= p.y_size[d]:
                raise ValueError(f"Direct: outputs at {first}, {spread} apart, of an image of {image}")
        direct_measure(p)
        if self.work.shape[0] < slots * direct_scratch(p):
            raise ValueError(f"workspace of {self.work.shape[0]} elements; needs {slots * direct_scratch(p)}")
        p.offsets[0] = <long*>malloc(2 * direct_run_count(p) * sizeof(long))
        if p.offsets[0] == NULL:
            raise MemoryError("cannot allocate the offsets of a convolution")
        p.offsets[1] = p.offsets[0] + direct_run_count(p)
        direct_fill_offsets(p)
        return 0

    def __dealloc__(self):
        free(self.plans[0].offsets[0])
        free(self.plans[1].offsets[0])

    cdef void run(self, Team* team) noexcept nogil:
        cdef blocked_team members
        cdef direct_operands o
        cdef int chosen = 0
        if self.y.shape[0] == 0:
            return
        if team.size > self.plans[0].slots:
            chosen = self.count - 1
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        o.x, o.w, o.y = &self.x[0], &self.w[0], &self.y[0]
        o.residual = &self.residual[0] if self.residual.shape[0] else NULL
        o.scratch = &self.work[0] if self.work.shape[0] else NULL
        o.input, o.epilogue = &self.input, &self.epilogue
        direct_run(&self.plans[chosen], &o, &members)


cdef class Depthwise(ConvBase):
    """Convolution of each channel with a filter of its own."""
    cdef depthwise_plan plan

    def __init__(self, reads, writes, *, operands=(), act1=("none",), act2=("none",), x_batch=0, y_batch=0, **geometry):
        cdef depthwise_plan* p = &self.plan
        set_shape(&self.shape, geometry)
        p.s = self.shape
        if not p.s.channels == p.s.filters == p.s.groups:
            raise ValueError(f"Depthwise: {p.s.channels} channels and {p.s.filters} filters in {p.s.groups} groups")
        self.set_operands(reads, writes, operands, act1, act2, x_batch, y_batch)
        if self.input.scale != NULL:
            raise ValueError("Depthwise: no transformation of the input")
        if self.w.shape[0] != blocks_of(p.s.filters) * BLOCK * direct_depth(&p.s):
            raise ValueError(f"Depthwise: {self.w.shape[0]} packed weights do not fit the geometry")
        p.x_batch, p.y_batch = self.x_batch, self.y_batch
        self.cost = self.products() / 30 + 100

    cdef void run(self, Team* team) noexcept nogil:
        cdef blocked_team members
        cdef depthwise_operands o
        if self.y.shape[0] == 0:
            return
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        o.x, o.w, o.y = &self.x[0], &self.w[0], &self.y[0]
        o.residual = &self.residual[0] if self.residual.shape[0] else NULL
        o.epilogue = &self.epilogue
        depthwise_run(&self.plan, &o, &members)


cdef class DepthwiseGradient(Step):
    """dx of a depthwise convolution of any stride. reads: dy, weights packed as for the convolution; writes: dx."""
    cdef depthwise_plan plan
    cdef const float[::1] dy          # IN
    cdef const float[::1] w           # IN
    cdef float[::1] dx                # OUT

    def __init__(self, reads, writes, **geometry):
        cdef blocked_shape* s = &self.plan.s
        set_shape(s, geometry)
        self.dy, self.w, self.dx = reads[0].reshape(-1), reads[1].reshape(-1), writes[0].reshape(-1)
        self.plan.x_batch = blocks_of(s.channels) * BLOCK * s.in_[0] * s.in_[1]
        self.plan.y_batch = blocks_of(s.channels) * BLOCK * s.out[0] * s.out[1]
        if not s.channels == s.filters == s.groups:
            raise ValueError(f"DepthwiseGradient: {s.channels} channels, {s.filters} filters, {s.groups} groups")
        if self.dy.shape[0] != s.batch * self.plan.y_batch or self.dx.shape[0] != s.batch * self.plan.x_batch:
            raise ValueError(f"DepthwiseGradient: dy has {self.dy.shape[0]} elements, dx {self.dx.shape[0]}: {geometry}")
        if self.w.shape[0] != blocks_of(s.channels) * BLOCK * s.kernel[0] * s.kernel[1]:
            raise ValueError(f"DepthwiseGradient: {self.w.shape[0]} packed weights do not fit the geometry")
        self.cost = self.dx.shape[0] * s.kernel[0] * s.kernel[1] * 0.1 + 100

    cdef void run(self, Team* team) noexcept nogil:
        cdef blocked_team members
        cdef depthwise_operands o
        if self.dx.shape[0] == 0:
            return
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        o.x, o.w, o.y, o.residual, o.epilogue = &self.dy[0], &self.w[0], &self.dx[0], NULL, NULL
        depthwise_gradient_run(&self.plan, &o, &members)


cdef class Winograd(ConvBase):
    """Convolution of 3x3 kernels with stride 1. `algorithm`: "winograd4" or "winograd2", the outputs of a patch each way.

    `together`: blocks of patches that are transformed at a time; `plans`: (chunk, slots), of these that a thread multiplies at
    a time, and of threads that have an area for products. The first plan with enough of these counts, else the last one.
    """
    cdef winograd_plan plans[2]
    cdef int count                    # of plans

    def __init__(self, reads, writes, *, algorithm, together, plans, operands=(), act1=("none",), act2=("none",),
                 x_batch=0, y_batch=0, **geometry):
        cdef winograd_plan* p
        cdef long needed
        cdef blocked_shape* s = &self.shape
        set_shape(s, geometry)
        if (tuple(s.kernel) != (3, 3) or tuple(s.stride) != (1, 1) or tuple(s.dilate) != (1, 1) or s.groups != 1):
            raise ValueError(f"Winograd: not a 3x3 convolution of stride 1: {geometry}")
        self.set_operands(reads, writes, operands, act1, act2, x_batch, y_batch)
        if not 1 <= len(plans) <= 2 or together < 1:
            raise ValueError(f"Winograd: together={together}, plans={plans}")
        for chunk, slots in plans:
            p = &self.plans[self.count]
            p.s, p.m, p.together, p.chunk, p.slots = s[0], WINOGRAD[algorithm], together, chunk, slots
            p.x_batch, p.y_batch = self.x_batch, self.y_batch
            if min(chunk, slots) < 1:
                raise ValueError(f"Winograd: a plan of {chunk} blocks and {slots} slots")
            winograd_measure(p)
            needed = winograd_v_size(p) + slots * winograd_m_size(p)
            if self.work.shape[0] < needed:
                raise ValueError(f"workspace of {self.work.shape[0]} elements; needs {needed}")
            p.offsets = <long*>malloc(blocks_of(s.channels) * sizeof(long))
            if p.offsets == NULL:
                raise MemoryError("cannot allocate the offsets of a convolution")
            winograd_fill_offsets(p)
            self.count += 1
        if self.w.shape[0] != blocks_of(s.filters) * BLOCK * s.channels * winograd_points(&self.plans[0]):
            raise ValueError(f"Winograd: {self.w.shape[0]} packed weights do not fit the geometry")
        self.cost = self.products() / 500 + 1000

    def __dealloc__(self):
        free(self.plans[0].offsets)
        free(self.plans[1].offsets)

    cdef void run(self, Team* team) noexcept nogil:
        cdef blocked_team members
        cdef winograd_operands o
        cdef winograd_plan* p = &self.plans[0]
        if self.y.shape[0] == 0:
            return
        if team.size > p.slots:
            p = &self.plans[self.count - 1]
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        o.x, o.w, o.y = &self.x[0], &self.w[0], &self.y[0]
        o.residual = &self.residual[0] if self.residual.shape[0] else NULL
        o.v = &self.work[0]
        o.m = o.v + winograd_v_size(p)
        o.input, o.epilogue = &self.input, &self.epilogue
        winograd_run(p, &o, &members)


cdef class Packing(Step):
    """Convolution whose weights change from run to run: those of some filters are packed and used, then those of others.

    reads: x, w (filters, channels / groups, ky, kx) [, operands]; writes: y, workspace: packed weights, then what the
    convolution works in. `uses`: name of its class here, `slice`: filter blocks at a time (all, with groups; no number
    depends on it), `transposed` and `merged` as for PackWeights, the rest as for the convolution.
    """
    cdef list parts
    cdef void** steps
    cdef int count

    def __init__(self, reads, writes, *, uses, algorithm, slice, transposed=None, merged=1, operands=(), act1=("none",),
                 act2=("none",), x_batch=0, y_batch=0, **args):
        geometry = {name: args[name] for name in GEOMETRY}
        cls = {"Direct": Direct, "Winograd": Winograd, "Depthwise": Depthwise}[uses]
        height, width = args.get("image") or geometry["out_size"][1:]
        blocks, plane = blocks_of(geometry["filters"]), height * width * BLOCK
        y_batch = y_batch or blocks * plane
        if not 1 <= slice <= blocks or slice < blocks and geometry["groups"] > 1:
            raise ValueError(f"Packing: {slice} of {blocks} filter blocks at a time, {geometry['groups']} groups")
        depth = geometry["channels"] // geometry["groups"]
        taps = (WINOGRAD[algorithm] + 2) ** 2 if algorithm in WINOGRAD else geometry["taps"][1] * geometry["taps"][2]
        x, w, *others = reads
        y, work = writes[0].reshape(-1), writes[1].reshape(-1)
        self.parts, self.cost = [], 0
        for first in range(0, blocks, slice):
            stop = min(first + slice, blocks)
            lo, hi = first * BLOCK, min(stop * BLOCK, geometry["filters"])
            packed, rest = np.split(work, [(stop - first) * BLOCK * depth * taps])
            own = [
                o[lo:hi] if name in ("bias", "slopes") else
                self.planes(o.reshape(-1), first, stop, plane, y_batch, geometry) if name in ("residual", "y") else o
                for name, o in zip(operands, others, strict=True)
            ]
            part = {**args, "filters": hi - lo}
            if cls is not Depthwise:
                part["algorithm"] = algorithm
            self.parts += [
                PackWeights([w], [packed], algorithm=algorithm, transposed=transposed, merged=merged,
                            blocks=(first, stop), **geometry),
                cls([x, packed, *own], [self.planes(y, first, stop, plane, y_batch, geometry), rest],
                    operands=operands, act1=act1, act2=act2, x_batch=x_batch, y_batch=y_batch, **part),
            ]
        self.cost = sum([(<Step>part).cost for part in self.parts])
        self.count = len(self.parts)
        self.steps = <void**>malloc(self.count * sizeof(void*))
        if self.steps == NULL:
            raise MemoryError("cannot allocate the parts of a convolution")
        for i in range(self.count):
            self.steps[i] = <void*>self.parts[i]

    def planes(self, array, long first, long stop, long plane, long batch, geometry):
        """Filter blocks `first` to `stop` of all images."""
        return array[first * plane:first * plane + (geometry["batch"] - 1) * batch + (stop - first) * plane]

    def __dealloc__(self):
        free(self.steps)

    cdef void run(self, Team* team) noexcept nogil:
        cdef int i
        for i in range(self.count):
            if i:
                sync(team)
            (<Step>self.steps[i]).run(team)
