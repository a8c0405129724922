# levels: base v2 v3 v4
# dtypes: f32 f64
# One layer and direction of a recurrent network over all time steps, forward and backward; the algorithm is rnn.h.
from cyexec.kernels.step cimport Step, Team, cyexec_barrier

cdef extern from "rnn.h" nogil:
    ctypedef struct gemm_team:
        int rank
        int size
        cyexec_barrier* barrier
    ctypedef struct rnn_matrix:
        const real* data
        long lane_stride
        long k_stride
        long gate_stride
        long k
        long units
        long gates
        real* packed
    ctypedef struct rnn_forward:
        int mode
        int reverse
        int save
        long steps
        long batch
        long units
        long width
        rnn_matrix recurrent
        rnn_matrix projection
        const real* bias
        real* gates
        const real* h0
        const real* c0
        real* y
        long y_stride
        real* c
        real* extra
        real* before
        real* full
        real* h_last
        real* c_last
    ctypedef struct rnn_backward:
        int mode
        int reverse
        long steps
        long batch
        long units
        long width
        rnn_matrix recurrent
        rnn_matrix projection
        const real* gates
        const real* c
        const real* extra
        const real* before
        const real* c0
        const real* y
        long y_stride
        const real* dy
        const real* dh_last
        const real* dc_last
        real* da
        real* db
        real* carry
        real* dr
        real* dh0
        real* dc0
    long rnn_packed_size(const rnn_matrix* m) noexcept
    void rnn_run_forward(const rnn_forward* p, const gemm_team* team) noexcept
    void rnn_run_backward(const rnn_backward* p, const gemm_team* team) noexcept

MODES = ("rnn_relu", "rnn_tanh", "lstm", "gru")
GATES = (1, 1, 4, 3)


cdef class Recurrent(Step):
    """What both directions of time share: operands by name, checked against the sizes they must have."""
    cdef dict operands                  # name -> memoryview: keeps the arrays alive that the pointers below go to

    cdef const real* at(self, str name, Py_ssize_t size, Py_ssize_t offset=0) except? NULL:
        """Pointer to element `offset` of an operand; NULL if the step has none of that name."""
        cdef const real[::1] view
        array = self.operands.get(name)
        if array is None:
            return NULL
        if array.size != size:
            raise ValueError(f"{type(self).__name__}: {name} has {array.size} elements, expected {size}")
        if size == 0:
            return NULL
        view = array.reshape(-1)
        return &view[offset]

    cdef int side(self, int direction, int directions) except -1:
        """`direction`, which must be one of the `directions` that y has room for."""
        if not 0 <= direction < directions <= 2:
            raise ValueError(f"{type(self).__name__}: direction {direction} of {directions}")
        return direction

    cdef bint place(self, rnn_matrix* m, str name, str packed) except False:
        """Point a matrix, whose extents are set, at its elements and at the memory it is packed into."""
        m.data = self.at(name, m.k * m.units * m.gates)
        array = self.operands[packed]
        if array.size < rnn_packed_size(m):
            raise ValueError(f"{type(self).__name__}: {packed} has {array.size} elements, needs {rnn_packed_size(m)}")
        m.packed = <real*>self.at(packed, array.size)
        return True


cdef class RecurrentForward(Recurrent):
    """States of all time steps from the products of the inputs.

    reads and writes are named by `names`, a pair of tuples:
    gates (steps, batch, gates * units; INOUT when saving), weight (gates * units, width), bias, h0, c0 (LSTM), projection
    (width, units), packed, packed_projection; y (steps, batch, directions * width), cells, extra, before, full, h_last, c_last.
    What is not named is not there; see `rnn_forward` in rnn_forward.h.
    """
    cdef rnn_forward problem

    def __init__(self, reads, writes, *, names, mode, steps, batch, units, width, direction=0, directions=1, save=False):
        cdef rnn_forward* p = &self.problem
        self.operands = {**dict(zip(names[0], reads)), **dict(zip(names[1], writes))}
        cdef int number = MODES.index(mode)
        cdef long gates = GATES[number], kept = steps if save else 1, rows = steps * batch, size = batch * units
        p.mode, p.reverse, p.save = number, self.side(direction, directions), save
        p.steps, p.batch, p.units, p.width, p.y_stride = steps, batch, units, width, directions * width
        p.recurrent.k, p.recurrent.units, p.recurrent.gates = width, units, gates
        p.recurrent.lane_stride, p.recurrent.k_stride, p.recurrent.gate_stride = width, 1, units * width
        self.cost = 0
        if batch == 0:
            return
        self.place(&p.recurrent, "weight", "packed")
        if "projection" in self.operands:
            p.projection.k, p.projection.units, p.projection.gates = units, width, 1
            p.projection.lane_stride, p.projection.k_stride = units, 1
            self.place(&p.projection, "projection", "packed_projection")
            p.full = <real*>self.at("full", kept * size)
        elif width != units:
            raise ValueError(f"RecurrentForward: {width} states of {units} units without a projection")
        p.bias = self.at("bias", gates * units)
        p.gates = <real*>self.at("gates", rows * gates * units)
        p.h0, p.c0 = self.at("h0", batch * width), self.at("c0", size)
        p.y = <real*>self.at("y", rows * p.y_stride, direction * width)
        p.c, p.extra = <real*>self.at("cells", kept * size), <real*>self.at("extra", kept * size)
        p.before = <real*>self.at("before", rows * width)
        p.h_last, p.c_last = <real*>self.at("h_last", batch * width), <real*>self.at("c_last", size)
        self.cost = rows * units * gates * (width / 25.0 + 1.0) + units * gates * width * 0.2

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_team members
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        if self.problem.batch:
            rnn_run_forward(&self.problem, &members)


cdef class RecurrentBackward(Recurrent):
    """Gradients of the products of the inputs, and of the initial states, from those of the states.

    Named as for `RecurrentForward`: weight, projection, gates, cells, extra, before, c0, y, dy, dh_last, dc_last, packed,
    packed_projection; da, db (GRU), carry, dr (projection), dh0, dc0. See `rnn_backward` in rnn_backward.h.
    """
    cdef rnn_backward problem

    def __init__(self, reads, writes, *, names, mode, steps, batch, units, width, direction=0, directions=1):
        cdef rnn_backward* p = &self.problem
        self.operands = {**dict(zip(names[0], reads)), **dict(zip(names[1], writes))}
        cdef int number = MODES.index(mode)
        cdef long gates = GATES[number], rows = steps * batch, size = batch * units
        p.mode, p.reverse = number, self.side(direction, directions)
        p.steps, p.batch, p.units, p.width, p.y_stride = steps, batch, units, width, directions * width
        p.recurrent.k, p.recurrent.units, p.recurrent.gates = gates * units, width, 1
        p.recurrent.lane_stride, p.recurrent.k_stride = 1, width
        self.cost = 0
        if batch == 0:
            return
        self.place(&p.recurrent, "weight", "packed")
        if "projection" in self.operands:
            p.projection.k, p.projection.units, p.projection.gates = width, units, 1
            p.projection.lane_stride, p.projection.k_stride = 1, units
            self.place(&p.projection, "projection", "packed_projection")
            p.dr = <real*>self.at("dr", rows * width)
        p.gates, p.c = self.at("gates", rows * gates * units), self.at("cells", steps * size)
        p.extra, p.before = self.at("extra", steps * size), self.at("before", rows * width)
        p.c0, p.y = self.at("c0", size), self.at("y", rows * p.y_stride, direction * width)
        p.dy = self.at("dy", rows * p.y_stride, direction * width)
        p.dh_last, p.dc_last = self.at("dh_last", batch * width), self.at("dc_last", size)
        p.da = <real*>self.at("da", rows * gates * units)
        p.db = <real*>self.at("db", rows * gates * units) if "db" in self.operands else p.da
        p.carry = <real*>self.at("carry", size)
        p.dh0, p.dc0 = <real*>self.at("dh0", batch * width), <real*>self.at("dc0", size)
        self.cost = rows * units * gates * (width / 25.0 + 1.0) + units * gates * width * 0.2

    cdef void run(self, Team* team) noexcept nogil:
        cdef gemm_team members
        members.rank, members.size, members.barrier = team.rank, team.size, team.barrier
        if self.problem.batch:
            rnn_run_backward(&self.problem, &members)
