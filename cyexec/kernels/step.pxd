"""What a schedule runs: steps, and the team of threads that runs them."""

cdef extern from "team.h" nogil:
    ctypedef struct cyexec_barrier:
        pass
    void cyexec_barrier_init(cyexec_barrier* barrier) noexcept
    void cyexec_barrier_wait(cyexec_barrier* barrier, int size) noexcept


cdef struct Team:
    int rank                        # this thread, 0 <= rank < size
    int size                        # threads running this step; 1 for steps too small to share
    cyexec_barrier* barrier         # NULL when size is 1
    unsigned long long seed         # of this run's random numbers; the same for all threads


cdef struct Span:
    Py_ssize_t start
    Py_ssize_t stop


cdef inline Span share(Team* team, Py_ssize_t n, Py_ssize_t grain) noexcept nogil:
    """Part of range(n) for this thread: contiguous, starting and ending at multiples of `grain` (but the end).

    The parts of a team cover range(n) once. A kernel's numbers must not depend on where the cuts are.
    """
    cdef Span part
    cdef Py_ssize_t blocks, first, last
    if team.size == 1:
        part.start = 0
        part.stop = n
        return part
    blocks = (n + grain - 1) // grain
    first = blocks * team.rank // team.size
    last = blocks * (team.rank + 1) // team.size
    part.start = first * grain
    part.stop = last * grain
    if part.stop > n:
        part.stop = n
    if part.start > n:
        part.start = n
    return part


cdef inline void sync(Team* team) noexcept nogil:
    """Wait until every thread of the team is here (for kernels with phases). All threads must call it."""
    if team.size > 1:
        cyexec_barrier_wait(team.barrier, team.size)


cdef class Step:
    cdef public double cost         # about how many nanoseconds one thread needs; decides whether threads share it
    cdef void run(self, Team* team) noexcept nogil
