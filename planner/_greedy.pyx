# cython: cdivision=True, boundscheck=False, wraparound=False
"""Place blocks one by one into a hole among the placed ones that they meet in time.

The placed intervals are kept sorted by offset; one walk upwards over them finds the lowest hole (first fit) or the
tightest (best fit). Quadratic in the worst case, but a step takes a nanosecond: an interval tree and a heap in place of
the walk took twice as long for 10,000 blocks.

        offset ▲   ┌────────┐            the walk keeps `floor`, the highest end so far of intervals
               │   │ placed │            that meet the new block in time; a hole is the room between
               │ ┌─┴──────┬─┘            it and the next such interval
               │ │ placed │  ← floor
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove

from planner._ints cimport open_ints

cdef enum:
    NOWHERE = -1
    PATIENCE = 1023     # blocks between looks for Ctrl-C, a power of two less one

ctypedef struct Placed:
    int64_t low
    int64_t high
    int64_t start
    int64_t end
    int64_t owner

ctypedef struct Shelf:
    Placed* items
    int64_t count


cdef inline bint meets(Placed* p, int64_t* starts, int64_t* ends, int64_t rows) noexcept nogil:
    cdef int64_t r
    for r in range(rows):
        if p.start < ends[r] and starts[r] < p.end:
            return True
    return False


cdef int64_t find_hole(Shelf* shelf, int64_t size, int64_t align, int64_t* starts, int64_t* ends, int64_t rows,
                       bint best_fit) noexcept nogil:
    cdef int64_t i, floor = 0, room, tightest = 0, found = NOWHERE
    cdef Placed* p
    for i in range(shelf.count):
        p = &shelf.items[i]
        if p.high <= floor or not meets(p, starts, ends, rows):
            continue
        room = p.low - floor
        if room >= size and (found == NOWHERE or room < tightest):
            if not best_fit:
                return floor
            found, tightest = floor, room
        floor = (p.high + align - 1) // align * align
    return floor if found == NOWHERE else found


cdef int64_t find_clash(Shelf* shelf, int64_t offset, int64_t size, int64_t* starts, int64_t* ends,
                        int64_t rows) noexcept nogil:
    cdef int64_t i
    cdef Placed* p
    for i in range(shelf.count):
        p = &shelf.items[i]
        if p.low < offset + size and offset < p.high and meets(p, starts, ends, rows):
            return p.owner
    return NOWHERE


cdef void put(Shelf* shelf, int64_t owner, int64_t offset, int64_t size, int64_t start, int64_t end) noexcept nogil:
    cdef int64_t left = 0, right = shelf.count, middle
    cdef Placed* p
    while left < right:
        middle = (left + right) // 2
        if shelf.items[middle].low < offset:
            left = middle + 1
        else:
            right = middle
    p = &shelf.items[left]
    memmove(p + 1, p, (shelf.count - left) * sizeof(Placed))
    p.low, p.high, p.start, p.end, p.owner = offset, offset + size, start, end, owner
    shelf.count += 1


def place_in_order(order, size, align, fixed, first_row, row_start, row_end, offsets, bint best_fit):
    """Fill `offsets`, placing the blocks in `order`.

    Parameters
    ----------
    order, size, align, fixed : buffers of n int64
        Fixed offsets are -1 where there is none; fixed blocks must come first in `order`.
    first_row : buffer of n + 1 int64
        Block b lives in the intervals `first_row[b]` to `first_row[b + 1]`.
    row_start, row_end : buffers of int64
    offsets : writable buffer of n int64
    best_fit : bool
        Take the tightest hole instead of the lowest.

    Returns
    -------
    (int, int) or None
        The first two fixed blocks that overlap, if any.

    Raises
    ------
    KeyboardInterrupt
    """
    cdef Py_ssize_t n = len(order), rows = len(row_start), i
    cdef Py_buffer views[8]
    cdef int64_t* columns[8]
    cdef int64_t b = 0, row, count, clash = NOWHERE
    cdef Shelf shelf
    cdef int opened = 0
    if n == 0:
        return None
    shelf.count = 0
    shelf.items = <Placed*>malloc((rows + 1) * sizeof(Placed))
    try:
        if not shelf.items:
            raise MemoryError()
        for array, length in ((order, n), (size, n), (align, n), (fixed, n), (first_row, n + 1), (row_start, rows),
                              (row_end, rows), (offsets, n)):
            columns[opened] = open_ints(array, &views[opened], length, opened == 7)
            opened += 1
        with nogil:
            for i in range(n):
                if i & PATIENCE == PATIENCE:
                    with gil:
                        PyErr_CheckSignals()
                b = columns[0][i]
                row = columns[4][b]
                count = columns[4][b + 1] - row
                if columns[3][b] >= 0:
                    columns[7][b] = columns[3][b]
                    clash = find_clash(&shelf, columns[3][b], columns[1][b], columns[5] + row, columns[6] + row, count)
                    if clash != NOWHERE:
                        break
                elif count == 0:
                    columns[7][b] = 0   # never alive or no bytes
                else:
                    columns[7][b] = find_hole(&shelf, columns[1][b], columns[2][b], columns[5] + row,
                                              columns[6] + row, count, best_fit)
                for row in range(row, row + count):
                    put(&shelf, b, columns[7][b], columns[1][b], columns[5][row], columns[6][row])
        return None if clash == NOWHERE else (clash, b)
    finally:
        free(shelf.items)
        for i in range(opened):
            PyBuffer_Release(&views[i])
