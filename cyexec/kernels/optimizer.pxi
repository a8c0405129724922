# levels: base v3
# dtypes: f32 f64
# flags: -ffp-contract=off
# Updates of weights by gradients, one pass over memory each. They wait for memory, so fused multiply-adds would gain
# nothing; without them every level gives the same bits.
from cyexec.kernels.step cimport Span, Step, Team, share

cdef extern from "optimizer.h" nogil:
    ctypedef void (*update_rule)(const real*, const real*, const real**, real*, real**, Py_ssize_t, Py_ssize_t,
                                 const double*) noexcept nogil
    update_rule find_update(const char* name) noexcept


cdef class Update(Step):
    """new weight, new states = rule(weight, gradient, states; numbers), element by element; all may be in place.

    reads: weight, gradient, states, scalars. writes: new weight (or whatever the rule gives), new states. `numbers` are what
    the rule takes in its order (see `optimizer.h`); `set_numbers` changes them between runs. `scalars` says which numbers
    come from the last reads instead, arrays of one element, when the step runs.
    """
    cdef object kept                  # the arrays, alive
    cdef const real* weight
    cdef const real* grad
    cdef real* out
    cdef const real* states[4]
    cdef real* new_states[4]
    cdef Py_ssize_t size
    cdef double numbers[12]
    cdef const real* scalars[2]
    cdef int slots[2]                 # of the numbers that `scalars` hold
    cdef int num_scalars
    cdef update_rule rule

    def __init__(self, reads, writes, *, rule, numbers, scalars=()):
        cdef const real[::1] given
        cdef real[::1] made
        cdef Py_ssize_t i
        self.kept = (reads, writes)
        self.rule = find_update(rule.encode())
        self.num_scalars = len(scalars)
        if self.num_scalars > 2 or any(not 0 <= slot < 12 for slot in scalars):
            raise ValueError(f"Update: scalars {scalars}")
        for i in range(self.num_scalars):
            given = reads[len(reads) - self.num_scalars + i].reshape(-1)
            if given.shape[0] != 1:
                raise ValueError("Update: a scalar must have one element")
            self.scalars[i] = &given[0]
            self.slots[i] = scalars[i]
        reads = reads[: len(reads) - self.num_scalars]
        if self.rule == NULL or not 2 <= len(reads) <= 6 or len(writes) != len(reads) - 1:
            raise ValueError(f"Update: no rule {rule} with {len(reads)} reads and {len(writes)} writes")
        self.size = reads[0].size
        for array in (*reads, *writes):
            if array.size != self.size:
                raise ValueError("Update: sizes differ")
        self.set_numbers(numbers)
        self.cost = self.size * 0.5 * len(reads)
        if self.size == 0:
            return
        given = reads[0].reshape(-1)
        self.weight = &given[0]
        given = reads[1].reshape(-1)
        self.grad = &given[0]
        made = writes[0].reshape(-1)
        self.out = &made[0]
        for i in range(len(reads) - 2):
            given = reads[2 + i].reshape(-1)
            self.states[i] = &given[0]
            made = writes[1 + i].reshape(-1)
            self.new_states[i] = &made[0]

    def set_numbers(self, numbers):
        """Use these numbers from the next run on."""
        cdef Py_ssize_t i
        if len(numbers) > 12:
            raise ValueError("Update: too many numbers")
        for i in range(len(numbers)):
            self.numbers[i] = numbers[i]

    def set_rates(self, double lr, double wd):
        """Use these two from the next run on, rounded to float32 as all numbers of MXNet's are."""
        self.numbers[0] = <float>lr
        self.numbers[1] = <float>wd

    cdef void run(self, Team* team) noexcept nogil:
        cdef Span part = share(team, self.size, 4096)
        cdef double numbers[12]
        cdef int i
        if part.stop > part.start:
            for i in range(12):
                numbers[i] = self.numbers[i]
            for i in range(self.num_scalars):
                numbers[self.slots[i]] = self.scalars[i][0]
            self.rule(self.weight, self.grad, self.states, self.out, self.new_states, part.start, part.stop, numbers)
