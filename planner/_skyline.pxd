"""What `_exact` needs of a `Skyline`: its numbers to read, and its moves."""

from libc.stdint cimport int32_t, int64_t, uint64_t

ctypedef struct Undo:
    int64_t* address        # NULL: put block `old` back
    int64_t old

cdef enum:
    MOST_ROOMS = 32

cdef uint64_t mix(uint64_t x) noexcept nogil

cdef class Skyline:
    cdef int32_t blocks, sections
    cdef int32_t* first         # of each block: the sections of its whole lifetime, [first, last)
    cdef int32_t* last
    cdef int32_t* kind          # blocks of one kind could change places
    cdef bint* ragged           # has gaps
    cdef int32_t* living        # unplaced blocks over each section
    cdef int32_t* joined        # lifetimes of unplaced blocks over both section s - 1 and s
    cdef int32_t* head          # start of the section's list in items
    cdef int32_t* items         # blocks over each section, the unplaced ones first
    cdef int64_t* base          # of a block in where
    cdef int32_t* where         # its position in the list of each section of its lifetime; -1 in a gap
    cdef int64_t* size
    cdef int64_t* align
    cdef int64_t* slack
    cdef int64_t* fixed         # where a block must be, or -1
    cdef int64_t* obstacle_head # of a block: start of its list in obstacles
    cdef int32_t* obstacles     # fixed blocks that a free block meets, by where they are
    cdef int64_t* limit         # where a block must end
    cdef int64_t* floor
    cdef int64_t* waiting       # sizes of unplaced blocks over each section
    cdef int64_t* low           # lowest place of each block
    cdef int64_t* offset
    cdef int64_t* jobs
    cdef uint64_t* code
    cdef uint64_t* codes        # sum of the codes of unplaced blocks that begin in the section
    cdef double* weight         # how often the section was the reason of a failure
    cdef Undo* trail
    cdef int64_t trail_top, trail_room
    cdef bint release, weights
    cdef readonly int64_t work
    cdef void* rooms[MOST_ROOMS]
    cdef int32_t rooms_taken

    cdef void* room(self, int64_t count, size_t size) except NULL
    cdef void set_capacity(self, int64_t capacity, int64_t short) noexcept nogil
    cdef int64_t clear(self, int32_t b, int64_t place) noexcept nogil
    cdef bint covers(self, int32_t b, int32_t s) noexcept nogil
    cdef bint reserve(self) noexcept nogil
    cdef bint fits_alone(self) noexcept nogil
    cdef bint place(self, int32_t b) noexcept nogil
    cdef bint lift(self, int32_t s, int64_t height) noexcept nogil
    cdef void set(self, int64_t* address, int64_t value) noexcept nogil
    cdef void undo(self, int64_t mark) noexcept nogil
    cdef bint raise_blocks(self, int32_t s, int64_t height, int32_t* low, int32_t* high) noexcept nogil
    cdef bint settle(self, int32_t low, int32_t high) noexcept nogil
    cdef bint takes_all(self, int32_t s, int64_t roof) noexcept nogil
