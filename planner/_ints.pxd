"""Read and write one-dimensional int64 arrays of any library as plain pointers (no memoryview machinery needed)."""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

cdef inline int64_t* open_ints(object array, Py_buffer* view, Py_ssize_t count, bint writable) except? NULL:
    """Fill `view`, to be released by the caller, and return the address of its first number."""
    PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    if view.itemsize != 8 or view.len < 8 * count:
        PyBuffer_Release(view)
        raise ValueError(f"expected {count} numbers of 8 bytes, got {view.len} bytes in items of {view.itemsize}")
    return <int64_t*>view.buf
