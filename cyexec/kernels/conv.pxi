# levels: base v3 v4
# dtypes: f32 f64
# Convolution and its gradients. The algorithms are conv.h; Deconvolution is the same steps with the roles exchanged.
from cyexec.kernels.step cimport Span, Step, Team, cyexec_barrier, share

import numpy as np

cdef extern from "conv.h" nogil:
    ctypedef struct gemm_team:
        int rank
        int size
        cyexec_barrier* barrier
    ctypedef struct conv_shape:
        long batch
        long channels
        long filters
        long groups
        long in_ "in"[3]
        long kernel[3]
        long stride[3]
        long dilate[3]
        long pad[3]
        long out[3]
    bint conv_is_pointwise(const conv_shape* s) noexcept
    bint conv_is_depthwise(const conv_shape* s) noexcept
    ctypedef struct conv_area:
        real* data
        long size
    long conv_forward_workspace(const conv_shape* s) noexcept
    long conv_weight_workspace(const conv_shape* s) noexcept
    long conv_data_workspace(const conv_shape* s, long room) noexcept
    long conv_kernel_size(const conv_shape* s) noexcept
    long conv_out_size(const conv_shape* s) noexcept
    long conv_in_size(const conv_shape* s) noexcept
    void conv_forward(const conv_shape* s, const real* x, const real* w, const real* bias, real* y, conv_area work,
                      const gemm_team* team) noexcept
    void conv_weight_gradient(const conv_shape* s, const real* x, const real* dy, real* dw, conv_area work,
                              const gemm_team* team) noexcept
    void conv_data_gradient(const conv_shape* s, const real* dy, const real* w, const real* bias, real* dx, conv_area work,
                            conv_area columns, const gemm_team* team) noexcept
    void conv_channel_sums(const real* x, long batch, long channels, long size, real* out, long lo, long hi) noexcept


cdef inline conv_area area(real[::1] memory) noexcept nogil:
    cdef conv_area a
    a.data, a.size = &memory[0] if memory.shape[0] else NULL, memory.shape[0]
    return a


cdef class ConvStep(Step):
    """What the three products share: geometry and workspace.

    The shape is always that of the convolution: `in_size` its input, `out_size` its output, (z, y, x) each.
    """
    cdef conv_shape shape
    cdef real[::1] work               # workspace

    def set_shape(self, *, batch, channels, filters, groups, in_size, taps, stride, dilate, pad, out_size):
        cdef conv_shape* s = &self.shape
        cdef int d
        s.batch, s.channels, s.filters, s.groups = batch, channels, filters, groups
        for d in range(3):
            s.in_[d], s.kernel[d], s.stride[d] = in_size[d], taps[d], stride[d]
            s.dilate[d], s.pad[d], s.out[d] = dilate[d], pad[d], out_size[d]
            reach = (out_size[d] - 1) * stride[d] + (taps[d] - 1) * dilate[d]
            if min(in_size[d], taps[d], stride[d], dilate[d], out_size[d]) < 1 or reach >= in_size[d] + 2 * pad[d]:
                raise ValueError(f"convolution geometry: in={in_size} kernel={taps} stride={stride} "
                                 f"dilate={dilate} pad={pad} out={out_size}")
        if channels % groups or filters % groups:
            raise ValueError(f"{channels} channels and {filters} filters in {groups} groups")
        self.cost = (2.0 * batch * filters * conv_out_size(s) * (channels // groups) * conv_kernel_size(s)
                     / (8 if conv_is_depthwise(s) else 50) + 100)

    def set_work(self, work, long needed):
        self.work = work.reshape(-1)
        if self.work.shape[0] < needed:
            raise ValueError(f"workspace of {self.work.shape[0]} elements; needs {needed}")

    def check(self, x, w, y, bias, biases):
        cdef conv_shape* s = &self.shape
        if x.size != s.batch * s.channels * conv_in_size(s) or y.size != s.batch * s.filters * conv_out_size(s):
            raise ValueError(f"input {x.shape} and output {y.shape} do not fit the geometry")
        if w.size != s.filters * (s.channels // s.groups) * conv_kernel_size(s):
            raise ValueError(f"weight {w.shape} does not fit the geometry")
        if bias is not None and bias.size != biases:
            raise ValueError(f"{bias.size} bias values, expected {biases}")

    cdef conv_area scratch(self) noexcept nogil:
        return area(self.work)


cdef class Forward(ConvStep):
    """y = convolution of x with w (+ bias). reads: x, w [, bias]; writes: y, workspace."""
    cdef const real[::1] x            # IN     (batch, channels, z, y, x)
    cdef const real[::1] w            # IN     (filters, channels / groups, kz, ky, kx)
    cdef const real[::1] bias         # IN     (filters)
    cdef real[::1] y                  # OUT    (batch, filters, z, y, x)

    def __init__(self, reads, writes, **geometry):
        self.set_shape(**geometry)
        bias = reads[2] if len(reads) > 2 else None
        self.check(reads[0], reads[1], writes[0], bias, self.shape.filters)
        self.x, self.w, self.y = reads[0].reshape(-1), reads[1].reshape(-1), writes[0].reshape(-1)
        if bias is not None:
            self.bias = bias.reshape(-1)
        self.set_work(writes[1], conv_forward_workspace(&self.shape))

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_team members
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        if self.y.shape[0] and self.x.shape[0]:
            conv_forward(&self.shape, &self.x[0], &self.w[0], &self.bias[0] if self.bias.shape[0] else NULL,
                         &self.y[0], self.scratch(), &members)


cdef class DataGradient(ConvStep):
    """dx = what convolution with w makes of dy, transposed (+ bias). reads: dy, w [, bias]; writes: dx, workspace.

    The workspace begins with `columns` elements for part of the matrix of patches; none when pointwise or depthwise.
    """
    cdef const real[::1] dy           # IN     (batch, filters, z, y, x)
    cdef const real[::1] w            # IN
    cdef const real[::1] bias         # IN     (channels): Deconvolution's
    cdef real[::1] dx                 # OUT    (batch, channels, z, y, x)
    cdef real[::1] columns            # workspace: part of the matrix of patches

    def __init__(self, reads, writes, *, columns=0, **geometry):
        cdef conv_shape* s = &self.shape
        self.set_shape(**geometry)
        bias = reads[2] if len(reads) > 2 else None
        self.check(writes[0], reads[1], reads[0], bias, s.channels)
        self.dy, self.w, self.dx = reads[0].reshape(-1), reads[1].reshape(-1), writes[0].reshape(-1)
        if bias is not None:
            self.bias = bias.reshape(-1)
        self.columns, work = np.split(writes[1].reshape(-1), [columns])
        if not conv_is_pointwise(s) and not conv_is_depthwise(s):
            if self.columns.shape[0] < conv_kernel_size(s) * conv_out_size(s):
                raise ValueError(f"columns: {self.columns.shape[0]} elements do not hold one channel")
        self.set_work(work, conv_data_workspace(s, self.columns.shape[0]))

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_team members
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        if self.dx.shape[0] and self.dy.shape[0]:
            conv_data_gradient(&self.shape, &self.dy[0], &self.w[0], &self.bias[0] if self.bias.shape[0] else NULL,
                               &self.dx[0], self.scratch(), area(self.columns), &members)


cdef class WeightGradient(ConvStep):
    """dw of a convolution. reads: x, dy; writes: dw, workspace."""
    cdef const real[::1] x            # IN
    cdef const real[::1] dy           # IN
    cdef real[::1] dw                 # OUT

    def __init__(self, reads, writes, **geometry):
        self.set_shape(**geometry)
        self.check(reads[0], writes[0], reads[1], None, 0)
        self.x, self.dy, self.dw = reads[0].reshape(-1), reads[1].reshape(-1), writes[0].reshape(-1)
        self.set_work(writes[1], conv_weight_workspace(&self.shape))

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_team members
        cdef Py_ssize_t i
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        if self.x.shape[0] and self.dy.shape[0]:
            conv_weight_gradient(&self.shape, &self.x[0], &self.dy[0], &self.dw[0], self.scratch(), &members)
        elif team.rank == 0:
            for i in range(self.dw.shape[0]):
                self.dw[i] = 0


cdef class ChannelSums(Step):
    """out[c] = sum of x[n, c, i] over n and i: the gradient of a bias. reads: x; writes: out."""
    cdef const real[::1] x            # IN     (batch, channels, size)
    cdef real[::1] out                # OUT    (channels)
    cdef long batch, channels, size

    def __init__(self, reads, writes, *, batch, channels, size):
        self.x, self.out = reads[0].reshape(-1), writes[0].reshape(-1)
        self.batch, self.channels, self.size = batch, channels, size
        if self.x.shape[0] != batch * channels * size or self.out.shape[0] != channels:
            raise ValueError(f"ChannelSums: sizes do not fit ({batch}, {channels}, {size})")
        self.cost = self.x.shape[0] * 0.15 + 10

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.channels, 16 if self.size == 1 else 1)
        cdef Py_ssize_t c
        if self.x.shape[0] == 0:
            for c in range(part.start, part.stop):
                self.out[c] = 0
        elif part.start < part.stop:
            conv_channel_sums(&self.x[0], self.batch, self.channels, self.size, &self.out[0], part.start, part.stop)
