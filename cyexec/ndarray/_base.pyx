"""The part of NDArray that needs C: its three attributes and the buffer protocol."""

cimport numpy as cnp
from cpython.buffer cimport PyBUF_WRITABLE, PyObject_GetBuffer

cnp.import_array()


def aligned_bytes(Py_ssize_t nbytes, Py_ssize_t alignment):
    """Return a uint8 array of `nbytes` bytes that starts at a multiple of `alignment` (a power of two)."""
    cdef cnp.npy_intp size = nbytes + alignment
    cdef cnp.ndarray raw = cnp.PyArray_SimpleNew(1, &size, cnp.NPY_UINT8)
    cdef Py_ssize_t start = -<Py_ssize_t><size_t>cnp.PyArray_DATA(raw) & (alignment - 1)
    return raw[start : start + nbytes]


cdef class NDArrayBase:
    """Holds an array, the Storage behind it and its context; gives buffers of it.

    Readers (``memoryview(x)``, ``numpy.asarray(x)``) get a read-only buffer without a copy. A consumer that asks for a
    writable one gets it too, and the storage is marked `exposed`: writes can then happen that no version counts.
    """

    cdef public object _array        # C-contiguous numpy.ndarray
    cdef public object _storage      # cyexec.ndarray.storage.Storage, shared by all views of one memory
    cdef public object _ctx          # cyexec.context.Context
    cdef object __weakref__

    def __getbuffer__(self, Py_buffer* view, int flags):
        cdef object array = self._array
        if flags & PyBUF_WRITABLE:
            self._storage.exposed = True
        else:
            array = array.view()
            array.flags.writeable = False
        # The buffer is the array's own; it names the array as its owner, so releasing goes there too.
        PyObject_GetBuffer(array, view, flags)
