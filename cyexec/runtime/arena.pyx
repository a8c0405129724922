"""The memory that all intermediate values of an executor live in: one aligned block, allocated once."""

import threading

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport calloc, free

cdef enum:
    ALIGNMENT = 4096                # lets the kernel hand out whole pages; 64 would do for the kernels


cdef class Block:
    """`nbytes` bytes of zeroed memory, aligned to 4096 bytes. Owned by this object; views keep it alive.

    All of it is reserved here. The system zeroes the pages of a large block when they are first touched: by the threads that
    work in them, and not at all where nothing does.
    """
    cdef void* allocated
    cdef char* data
    cdef readonly Py_ssize_t nbytes

    def __cinit__(self, Py_ssize_t nbytes):
        if nbytes < 0:
            raise ValueError("Block: negative size")
        self.allocated = calloc(<size_t>nbytes + ALIGNMENT, 1)
        if self.allocated == NULL:
            raise MemoryError(f"cannot allocate an arena of {nbytes} bytes")
        self.data = <char*>(<size_t>self.allocated + (-<size_t>self.allocated & (ALIGNMENT - 1)))
        self.nbytes = nbytes

    def __dealloc__(self):
        free(self.allocated)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.nbytes, 0, flags)

    def __len__(self):
        return self.nbytes

    @property
    def address(self):
        """Where the block begins."""
        return <size_t>self.data


class Arena:
    """One context's block, shared by every program that runs in it (an executor's modes, `reshape`, `shared_exec`).

    It is as large as the largest program needs. When a larger one comes, a new block takes the place of the old one and
    `generation` changes: schedules made over the old block make their steps anew before they next run.
    """

    growths = 0                         # of all arenas: while it stands, no generation has changed

    def __init__(self):
        self.block = Block(0)
        self.generation = 0
        self.lock = threading.Lock()
        self.owner = None               # the program whose forward values are intact here

    def reserve(self, nbytes: int) -> None:
        """Make sure that at least `nbytes` bytes are there."""
        if nbytes > self.block.nbytes:
            self.block = Block(nbytes)
            self.generation += 1
            Arena.growths += 1
            self.owner = None  # the values stayed in the old block

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return self.block.nbytes
