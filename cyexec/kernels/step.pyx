"""The base of all steps. A step is made at bind with views of its operands and is then run many times, without the GIL."""


cdef class Step:
    """One kernel call at fixed addresses.

    Subclasses take ``(reads, writes, **args)``: two lists of C-contiguous arrays, and numbers. They check shapes and
    dtypes there, keep typed memoryviews, and set `cost`. ``run`` checks nothing and allocates nothing.
    """

    cdef void run(self, Team* team) noexcept nogil:
        pass

    def __call__(self, unsigned long long seed=0):
        """Run the step on the calling thread (imperative calls, the monitor, tests)."""
        cdef Team team
        team.rank = 0
        team.size = 1
        team.barrier = NULL
        team.seed = seed
        with nogil:
            self.run(&team)
