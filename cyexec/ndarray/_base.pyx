"""The part of arrays that needs C: aligned memory, what a view shares, and the buffer protocol."""

cimport numpy as cnp
from cpython.buffer cimport PyBUF_WRITABLE, PyObject_GetBuffer
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_INCREF

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(PyTypeObject* subtype, cnp.dtype descr, int nd, cnp.npy_intp* dims,
                                cnp.npy_intp* strides, void* data, int flags, object obj)

cdef Py_ssize_t ALIGNMENT = 64      # a cache line, and the widest vector register


cdef class Storage:
    """One piece of memory. Views of one array share its Storage.

    Attributes
    ----------
    array : ndarray
        What owns the memory: a 1-D uint8 array of ours, or a foreign array that we look into.
    version : int
        Goes up with every write that passes through an NDArray or an executor. Folded or prepacked copies of a
        parameter are remade when its version has changed.
    exposed : bool
        Whether someone else can write to this memory (DLPack, the buffer protocol, ``from_numpy``). Then `version`
        proves nothing, and the contents must be compared or copied anew.
    """

    cdef public object array
    cdef public long long version
    cdef public bint exposed

    def __init__(self, array, exposed=False):
        self.array = array
        self.exposed = exposed


def note_writes(list storages):
    """Say that the memory of `storages` is being written: every version goes up."""
    for storage in storages:
        (<Storage?>storage).version += 1


cdef class Watch:
    """Notices writes to some storages.

    ``changed()`` is true until ``mark()`` has been called, and again after a write. Memory that is `exposed` may have been
    written by someone who tells nobody: it always counts as changed.
    """
    cdef list _storages
    cdef list _seen
    cdef bint _marked

    def __init__(self, list storages):
        self._storages = storages
        self._seen = [None] * len(storages)
        self._marked = False

    def changed(self) -> bool:
        """Whether a storage has been written since `mark`."""
        cdef Storage storage
        cdef Py_ssize_t i
        if not self._marked:
            return True
        for i in range(len(self._storages)):
            storage = <Storage>self._storages[i]
            if storage.exposed or storage.version != <long long>self._seen[i]:
                return True
        return False

    def mark(self) -> None:
        """Take the contents as they are now for known."""
        cdef Py_ssize_t i
        for i in range(len(self._storages)):
            self._seen[i] = (<Storage>self._storages[i]).version
        self._marked = True

    def forget(self) -> None:
        """Count as changed until the next `mark`."""
        self._marked = False


cdef cnp.ndarray aligned(tuple shape, cnp.dtype dtype):
    """A new C-contiguous array at a multiple of ALIGNMENT; its base is the 1-D uint8 array that owns the memory."""
    cdef cnp.npy_intp dims[64]
    cdef cnp.npy_intp nbytes = dtype.itemsize
    cdef Py_ssize_t start
    cdef int ndim = len(shape)
    cdef int i
    cdef cnp.ndarray raw, array
    if ndim > 32:
        raise ValueError(f"arrays have at most 32 dimensions, found {ndim}")
    for i in range(ndim):
        dims[i] = shape[i]
        if dims[i] < 0 or (dims[i] > 0 and nbytes > (<cnp.npy_intp>1 << 60) // dims[i]):
            raise ValueError(f"shape {shape} is larger than any memory")
        nbytes *= dims[i]
    nbytes += ALIGNMENT
    raw = cnp.PyArray_SimpleNew(1, &nbytes, cnp.NPY_UINT8)
    start = -<Py_ssize_t><size_t>cnp.PyArray_DATA(raw) & (ALIGNMENT - 1)
    Py_INCREF(dtype)                # PyArray_NewFromDescr takes it
    array = PyArray_NewFromDescr(<PyTypeObject*>cnp.ndarray, dtype, ndim, dims, NULL,
                                 <char*>cnp.PyArray_DATA(raw) + start, cnp.NPY_ARRAY_CARRAY, None)
    cnp.set_array_base(array, raw)
    return array


def allocate(tuple shape, cnp.dtype dtype):
    """Return an uninitialised C-contiguous array that starts at a multiple of 64 bytes, and its Storage.

    Raises
    ------
    ValueError, MemoryError
        When there can be no such array.
    """
    cdef cnp.ndarray array = aligned(shape, dtype)
    cdef Storage storage = Storage.__new__(Storage)
    storage.array = cnp.get_array_base(array)
    return array, storage


cdef class NDArrayBase:
    """Holds an array, the Storage behind it and its context; gives buffers of it.

    Readers (``memoryview(x)``, ``numpy.asarray(x)``) get a read-only buffer without a copy. A consumer that asks for a
    writable one gets it too, and the storage is marked `exposed`: writes can then happen that no version counts.
    """

    cdef public object _array        # C-contiguous numpy.ndarray
    cdef public Storage _storage     # shared by all views of one memory
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


def new_array(cls, tuple shape, cnp.dtype dtype, ctx):
    """Return an uninitialised NDArray of class `cls`. Raises as `allocate`."""
    cdef NDArrayBase made = cls.__new__(cls)
    cdef cnp.ndarray array = aligned(shape, dtype)
    cdef Storage storage = Storage.__new__(Storage)
    storage.array = cnp.get_array_base(array)
    made._array = array
    made._storage = storage
    made._ctx = ctx
    return made
