# levels: base
# dtypes: any
# Call: a step that is a function of Python, for the user's own operators.
#
# The loop over steps stays free of Python: a schedule ends it before such a step, calls the function with the GIL, outside of
# any parallel region, and goes on behind it. So an exception is raised where it belongs, and what the function itself runs
# (imperative operators, other executors) may use all threads.

from cyexec.kernels.step cimport Step


cdef class Call(Step):
    """Call a function without arguments."""
    cdef readonly object python_call

    def __init__(self, reads, writes, *, make):
        """`make` gets the operands, as two lists of arrays, and returns the function."""
        self.python_call = make(reads, writes)
        self.cost = 0

    def __call__(self, seed=0):
        self.python_call()
