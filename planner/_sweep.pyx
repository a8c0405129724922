# cython: cdivision=True, boundscheck=False, wraparound=False
"""Walk once over time, as a memory allocator does: free what ends, place what begins into the tightest hole.

A block conflicts only with blocks alive when it begins, so the memory at that step is all there is to know. Holes are
kept in a treap (Seidel and Aragon, 1996) ordered by size, then offset; blocks and holes are a doubly linked list in
order of offset, so a block that ends melts with the holes beside it. O(n log n) time, O(n) memory.

        ┌───────┬──────┬─────┬────────┬──────────────── ─ ─
        │ block │ hole │block│ block  │ hole without end        areas, linked left and right
        └───────┴──────┴─────┴────────┴──────────────── ─ ─
"""

from cpython.buffer cimport PyBuffer_Release
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free, malloc

from planner._ints cimport open_ints

cdef enum:
    NONE = -1
    PATIENCE = 65535    # blocks between looks for Ctrl-C, a power of two less one: some 50 ms

ctypedef struct Area:
    int64_t low
    int64_t size
    int32_t before      # neighbours in memory
    int32_t after
    int32_t smaller     # children in the treap of holes
    int32_t larger
    uint32_t priority
    bint hole

ctypedef struct Memory:
    Area* areas
    int32_t root
    int32_t unused      # first of the areas not in use, linked by `after`
    uint32_t seed


cdef inline bint less(Memory* m, int32_t a, int64_t size, int64_t low) noexcept nogil:
    return m.areas[a].size < size or (m.areas[a].size == size and m.areas[a].low < low)


cdef void split(Memory* m, int32_t tree, int64_t size, int64_t low, int32_t* left, int32_t* right) noexcept nogil:
    """Cut a treap into the holes before (size, low) and the others."""
    while tree != NONE:
        if less(m, tree, size, low):
            left[0] = tree
            left = &m.areas[tree].larger
            tree = left[0]
        else:
            right[0] = tree
            right = &m.areas[tree].smaller
            tree = right[0]
    left[0] = NONE
    right[0] = NONE


cdef void add_hole(Memory* m, int32_t a) noexcept nogil:
    cdef int32_t* link = &m.root
    # xorshift (Marsaglia, 2003): repeatable, and good enough to keep the treap flat.
    m.seed ^= m.seed << 13
    m.seed ^= m.seed >> 17
    m.seed ^= m.seed << 5
    m.areas[a].priority = m.seed
    m.areas[a].hole = True
    while link[0] != NONE and m.areas[link[0]].priority >= m.areas[a].priority:
        if less(m, link[0], m.areas[a].size, m.areas[a].low):
            link = &m.areas[link[0]].larger
        else:
            link = &m.areas[link[0]].smaller
    split(m, link[0], m.areas[a].size, m.areas[a].low, &m.areas[a].smaller, &m.areas[a].larger)
    link[0] = a


cdef void remove_hole(Memory* m, int32_t a) noexcept nogil:
    cdef int32_t* link = &m.root
    cdef int32_t left = m.areas[a].smaller, right = m.areas[a].larger
    while link[0] != a:
        if less(m, link[0], m.areas[a].size, m.areas[a].low):
            link = &m.areas[link[0]].larger
        else:
            link = &m.areas[link[0]].smaller
    while left != NONE and right != NONE:
        if m.areas[left].priority >= m.areas[right].priority:
            link[0] = left
            link = &m.areas[left].larger
            left = link[0]
        else:
            link[0] = right
            link = &m.areas[right].smaller
            right = link[0]
    link[0] = left if left != NONE else right
    m.areas[a].hole = False


cdef int32_t tightest(Memory* m, int64_t size) noexcept nogil:
    """Return the smallest hole of at least `size` bytes, the lowest of equals; the last hole has no end."""
    cdef int32_t a = m.root, found = NONE
    while a != NONE:
        if m.areas[a].size >= size:
            found = a
            a = m.areas[a].smaller
        else:
            a = m.areas[a].larger
    return found


cdef int32_t new_area(Memory* m, int64_t low, int64_t size, int32_t before, int32_t after) noexcept nogil:
    cdef int32_t a = m.unused
    m.unused = m.areas[a].after
    m.areas[a].low, m.areas[a].size = low, size
    m.areas[a].before, m.areas[a].after = before, after
    m.areas[a].hole = False
    if before != NONE:
        m.areas[before].after = a
    if after != NONE:
        m.areas[after].before = a
    return a


cdef void drop(Memory* m, int32_t a) noexcept nogil:
    """Take an area that is no longer in the treap out of memory."""
    if m.areas[a].before != NONE:
        m.areas[m.areas[a].before].after = m.areas[a].after
    if m.areas[a].after != NONE:
        m.areas[m.areas[a].after].before = m.areas[a].before
    m.areas[a].after = m.unused
    m.unused = a


cdef int32_t take(Memory* m, int64_t size, int64_t align, int64_t grain, bint at_top) noexcept nogil:
    """Make an area of `size` bytes in the tightest hole, at its low or high end."""
    # Every hole begins at a multiple of the grain; this much more room always holds an aligned place.
    cdef int32_t hole = tightest(m, size + align - grain), block
    cdef int64_t low = m.areas[hole].low, end = low + m.areas[hole].size, place
    if at_top and m.areas[hole].after != NONE:
        place = (end - size) // align * align
    else:
        place = (low + align - 1) // align * align
    remove_hole(m, hole)
    block = new_area(m, place, size, m.areas[hole].before, m.areas[hole].after)
    m.areas[hole].after = m.unused
    m.unused = hole
    if place > low:
        add_hole(m, new_area(m, low, place - low, m.areas[block].before, block))
    if end > place + size:
        add_hole(m, new_area(m, place + size, end - place - size, block, m.areas[block].after))
    return block


cdef void give_back(Memory* m, int32_t block) noexcept nogil:
    cdef int32_t beside = m.areas[block].before
    if beside != NONE and m.areas[beside].hole:
        remove_hole(m, beside)
        m.areas[block].low = m.areas[beside].low
        m.areas[block].size += m.areas[beside].size
        drop(m, beside)
    beside = m.areas[block].after
    if beside != NONE and m.areas[beside].hole:
        remove_hole(m, beside)
        m.areas[block].size += m.areas[beside].size
        drop(m, beside)
    add_hole(m, block)


def sweep(by_start, by_end, start, end, size, align, high_end, int64_t grain, int64_t most_alive, int64_t ceiling,
          offsets):
    """Fill `offsets` by one walk over time.

    Parameters
    ----------
    by_start, by_end : buffers of m int64
        The blocks with bytes and a lifetime, in order of start and of end.
    start, end, size, align : buffers of n int64
        Sizes rounded up to the grain.
    high_end : buffer of n int64
        Nonzero: put the block at the high end of its hole.
    grain : int
        Divides all sizes and alignments.
    most_alive : int
        At least the largest number of blocks alive together.
    ceiling : int
        A multiple of the grain at which the first hole ends, with one without end above it; 0 for no ceiling.
    offsets : writable buffer of n int64

    Raises
    ------
    KeyboardInterrupt
    """
    cdef Py_ssize_t count = len(by_start), n = len(start), i, ended = 0
    cdef Py_buffer views[8]
    cdef int64_t* columns[8]
    cdef int32_t* area_of = NULL
    cdef int64_t b, e
    cdef int32_t wall = NONE
    cdef Memory m
    cdef int opened = 0
    cdef int64_t room = 2 * most_alive + 8    # between any two blocks there is at most one hole
    if room > 2**31 - 1 or n > 2**31 - 1:
        raise MemoryError("more than 2**30 blocks are alive together")
    m.areas = <Area*>malloc(room * sizeof(Area))
    area_of = <int32_t*>malloc((n + 1) * sizeof(int32_t))
    try:
        if not m.areas or not area_of:
            raise MemoryError()
        for array, length in ((by_start, count), (by_end, count), (start, n), (end, n), (size, n), (align, n),
                              (high_end, n), (offsets, n)):
            columns[opened] = open_ints(array, &views[opened], length, opened == 7)
            opened += 1
        with nogil:
            for i in range(room):
                m.areas[i].after = <int32_t>i + 1
            m.unused = 0
            m.root = NONE
            m.seed = 2463534242U
            if ceiling:
                # An area without bytes, which never ends, keeps the holes below and above apart.
                add_hole(&m, new_area(&m, 0, ceiling, NONE, NONE))
                wall = new_area(&m, ceiling, 0, m.root, NONE)
            add_hole(&m, new_area(&m, ceiling, (<int64_t>1 << 62) - ceiling, wall, NONE))
            for i in range(count):
                if i & PATIENCE == PATIENCE:
                    with gil:
                        PyErr_CheckSignals()
                b = columns[0][i]
                while ended < count:
                    e = columns[1][ended]
                    if columns[3][e] > columns[2][b]:
                        break
                    give_back(&m, area_of[e])
                    ended += 1
                area_of[b] = take(&m, columns[4][b], columns[5][b], grain, columns[6][b] != 0)
                columns[7][b] = m.areas[area_of[b]].low
    finally:
        free(m.areas)
        free(area_of)
        for i in range(opened):
            PyBuffer_Release(&views[i])
