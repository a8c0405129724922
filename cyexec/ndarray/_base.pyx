"""The part of NDArray that needs C: its three attributes and the buffer protocol."""

import numpy as np

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


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
