# cython: cdivision=True, boundscheck=False, wraparound=False
"""Blocks, some placed and some not yet, and what follows from that: the state of the exact search.

A section is a maximal set of blocks alive together. What lies below the `floor` of a section is closed: placed, or wasted.
Every unplaced block has a lowest place (`low`): the highest floor of its sections, aligned, or where it is fixed.

    floor         ┌───┐
      │  ┌──┐     │   │        A valley is a run of sections of one floor between higher ones (or ends). A block over a
      ▼  │  └─────┘   └──      valley section whose lowest place is that floor lies inside the valley, if it has no gaps.
         │   valley
         └──────────────▶ t

Two moves, `place` and `lift` (waste room), raise floors, and everything that follows is done at once: lowest places rise, over
fixed blocks that are in the way too,
floors rise to the lowest place of any block over them, and a section that can no longer take its blocks ends the branch.
Each section is a machine whose jobs (its unplaced blocks) have release dates (their lowest places): the capacity must take
the jobs in order of release. This contains the section inference and the floors of Moffitt, "MiniMalloc" (ASPLOS 2023).

Every change is written to a trail and undone in reverse. Plain C loops over memory that one object owns; heights in units
that divide every size; no GIL.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc


cdef uint64_t mix(uint64_t x) noexcept nogil:
    """Finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef class Skyline:
    """Hold the blocks of one arena, all unplaced at first.

    Parameters
    ----------
    pieces : sequence of sequences of (int, int)
        Sections of each block, half-open ranges in order; more than one range when it has gaps.
    size, align : sequence of int
        In units that divide all of them or 1.
    slack : sequence of int
        Bytes by which a size was rounded up, less than a unit.
    fixed : sequence of int
        Units at which a block must be, or -1.
    sections : int
    release, weights, clear : bool
        Rules of the search, which can be switched off: the order of release; counting failures; lowest places are clear
        of fixed blocks.
    """

    def __cinit__(self, pieces, size, align, slack, fixed, int sections, *, bint release=True, bint weights=True,
                  bint clear=True, **others):
        cdef int32_t n = len(pieces), m = sections, b, s
        cdef int64_t lifetimes = 0, incidences = 0
        self.release, self.weights = release, weights
        self.blocks, self.sections = n, m
        for b, ranges in enumerate(pieces):
            if not ranges or size[b] <= 0 or align[b] <= 0:
                raise ValueError(f"block {b}: sections {ranges}, size {size[b]}, align {align[b]}")
            s = 0
            for low, high in ranges:
                if not s <= low < high <= m:
                    raise ValueError(f"block {b}: sections {ranges} are not in order below {m}")
                s = high
                incidences += high - low
            lifetimes += s - <int32_t>ranges[0][0]
        if lifetimes > 2**30:
            raise MemoryError("the blocks cover more than 2**30 sections together")
        self.first = <int32_t*>self.room(n, sizeof(int32_t))
        self.last = <int32_t*>self.room(n, sizeof(int32_t))
        self.kind = <int32_t*>self.room(n, sizeof(int32_t))
        self.ragged = <bint*>self.room(n, sizeof(bint))
        self.living = <int32_t*>self.room(m, sizeof(int32_t))
        self.joined = <int32_t*>self.room(m, sizeof(int32_t))
        self.head = <int32_t*>self.room(m, sizeof(int32_t))
        self.items = <int32_t*>self.room(incidences, sizeof(int32_t))
        self.base = <int64_t*>self.room(n, sizeof(int64_t))
        self.where = <int32_t*>self.room(lifetimes, sizeof(int32_t))
        self.size = <int64_t*>self.room(n, sizeof(int64_t))
        self.align = <int64_t*>self.room(n, sizeof(int64_t))
        self.slack = <int64_t*>self.room(n, sizeof(int64_t))
        self.fixed = <int64_t*>self.room(n, sizeof(int64_t))
        self.limit = <int64_t*>self.room(n, sizeof(int64_t))
        self.floor = <int64_t*>self.room(m, sizeof(int64_t))
        self.waiting = <int64_t*>self.room(m, sizeof(int64_t))
        self.low = <int64_t*>self.room(n, sizeof(int64_t))
        self.offset = <int64_t*>self.room(n, sizeof(int64_t))
        self.jobs = <int64_t*>self.room(2 * n, sizeof(int64_t))
        self.code = <uint64_t*>self.room(n, sizeof(uint64_t))
        self.codes = <uint64_t*>self.room(m, sizeof(uint64_t))
        self.weight = <double*>self.room(m, sizeof(double))
        self.trail_room = 16 * (<int64_t>n + 2 * m + 16)
        self.trail = <Undo*>malloc(self.trail_room * sizeof(Undo))
        if not self.trail:
            raise MemoryError()
        self._fill(pieces, size, align, slack, fixed)
        self._list_obstacles(clear)

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.rooms_taken):
            free(self.rooms[i])
        free(self.trail)

    cdef void* room(self, int64_t count, size_t size) except NULL:
        """Memory for `count` elements and one more, zeros, freed with the object."""
        cdef void* memory = calloc(count + 1, size)
        if not memory:
            raise MemoryError()
        self.rooms[self.rooms_taken] = memory
        self.rooms_taken += 1
        return memory

    def _fill(self, pieces, size, align, slack, fixed):
        cdef int32_t b, s, low, high
        cdef int64_t k
        numbers = {}
        for b, ranges in enumerate(pieces):
            self.size[b], self.align[b], self.slack[b], self.fixed[b] = size[b], align[b], slack[b], fixed[b]
            self.low[b] = max(self.fixed[b], 0)
            self.first[b], self.last[b] = ranges[0][0], max(high for _, high in ranges)
            self.ragged[b] = len(ranges) > 1
            self.base[b + 1] = self.base[b] + self.last[b] - self.first[b]
            for k in range(self.base[b], self.base[b + 1]):
                self.where[k] = -1
            key = (tuple(ranges), size[b], align[b], slack[b], fixed[b])
            self.kind[b] = numbers.setdefault(key, len(numbers))
            # Twins share a code, for which of them are left makes no difference; a sum counts how many.
            self.code[b] = mix(<uint64_t>self.kind[b] + 1)
            self.codes[self.first[b]] += self.code[b]
            for s in range(self.first[b] + 1, self.last[b]):
                self.joined[s] += 1
            for low, high in ranges:
                for s in range(low, high):
                    self.living[s] += 1
                    self.waiting[s] += self.size[b]
        for s in range(self.sections):
            self.head[s + 1] = self.head[s] + self.living[s]
            self.weight[s] = 1
            self.living[s] = 0
        for b, ranges in enumerate(pieces):
            for low, high in ranges:
                for s in range(low, high):
                    self.where[self.base[b] + s - self.first[b]] = self.head[s] + self.living[s]
                    self.items[self.head[s] + self.living[s]] = b
                    self.living[s] += 1

    def _list_obstacles(self, bint wanted):
        """List for each free block the fixed blocks that it meets, from the lowest, and raise its lowest place clear of them."""
        cdef int32_t b, c, s, i
        cdef int64_t k = 0
        self.obstacle_head = <int64_t*>self.room(self.blocks, sizeof(int64_t))
        met, latest = [[] for _ in range(self.blocks)], [-1] * self.blocks
        pinned = [b for b in range(self.blocks) if self.fixed[b] >= 0] if wanted else []
        for c in sorted(pinned, key=lambda b: self.fixed[b]):
            for s in range(self.first[c], self.last[c]):
                if not self.covers(c, s):
                    continue
                for i in range(self.head[s], self.head[s + 1]):
                    b = self.items[i]
                    if self.fixed[b] < 0 and latest[b] != c:
                        latest[b] = c
                        met[b].append(c)
        self.obstacles = <int32_t*>self.room(sum(map(len, met)), sizeof(int32_t))
        for b in range(self.blocks):
            for c in met[b]:
                self.obstacles[k] = c
                k += 1
            self.obstacle_head[b + 1] = k
            if met[b]:
                self.low[b] = self.clear(b, self.low[b])

    cdef int64_t clear(self, int32_t b, int64_t place) noexcept nogil:
        """Return the lowest place from `place` on at which a block is beside no fixed block that it meets."""
        cdef int64_t k
        cdef int32_t c
        for k in range(self.obstacle_head[b], self.obstacle_head[b + 1]):
            c = self.obstacles[k]
            if self.fixed[c] >= place + self.size[b]:
                break
            if place < self.fixed[c] + self.size[c]:
                place = (self.fixed[c] + self.size[c] + self.align[b] - 1) // self.align[b] * self.align[b]
        return place

    cdef void set_capacity(self, int64_t capacity, int64_t short) noexcept nogil:
        """Let blocks end at `capacity` units, or a unit lower where their slack is less than `short`."""
        cdef int32_t b
        for b in range(self.blocks):
            self.limit[b] = capacity - (self.slack[b] < short)
            if self.fixed[b] >= 0:
                self.limit[b] = min(self.limit[b], self.fixed[b] + self.size[b])

    cdef inline bint covers(self, int32_t b, int32_t s) noexcept nogil:
        return self.first[b] <= s < self.last[b] and self.where[self.base[b] + s - self.first[b]] >= 0

    cdef bint reserve(self) noexcept nogil:
        """Make room for what one move writes to the trail; False when there is no memory."""
        cdef Undo* longer
        # One placement changes at most every floor twice, every low once, and the block itself.
        if self.trail_top + self.blocks + 2 * self.sections + 16 > self.trail_room:
            longer = <Undo*>realloc(self.trail, 2 * self.trail_room * sizeof(Undo))
            if not longer:
                return False
            self.trail = longer
            self.trail_room *= 2
        return True

    cdef bint fits_alone(self) noexcept nogil:
        """Whether every block fits below its limit if it is the only one."""
        cdef int32_t b
        for b in range(self.blocks):
            if self.low[b] + self.size[b] > self.limit[b]:
                return False
        return True

    cdef bint place(self, int32_t b) noexcept nogil:
        """Put a block at its lowest place; False if that cannot be (the caller undoes it)."""
        cdef int32_t s, c, low = self.first[b], high = self.last[b]
        cdef int32_t i, j
        cdef int64_t top = self.low[b] + self.size[b]
        cdef int32_t* where = self.where + self.base[b] - self.first[b]
        self.offset[b] = self.low[b]
        self.trail[self.trail_top].address = NULL
        self.trail[self.trail_top].old = b
        self.trail_top += 1
        self.codes[low] -= self.code[b]
        for s in range(low, high):
            self.joined[s] -= s > self.first[b]
            i = where[s]
            if i < 0:
                continue
            self.living[s] -= 1
            self.waiting[s] -= self.size[b]
            # Swap it behind the living ones; undoing in reverse order needs only the counter.
            j = self.head[s] + self.living[s]
            c = self.items[j]
            self.items[j], self.items[i] = b, c
            where[s] = j
            self.where[self.base[c] + s - self.first[c]] = i
            self.set(&self.floor[s], top)
        for s in range(self.first[b], self.last[b]):
            if where[s] >= 0 and not self.raise_blocks(s, top, &low, &high):
                return False
        return self.settle(low, high)

    cdef bint lift(self, int32_t s, int64_t height) noexcept nogil:
        """Waste the room of a section up to `height`; False if that cannot be."""
        cdef int32_t low = s, high = s + 1
        self.set(&self.floor[s], height)
        return self.raise_blocks(s, height, &low, &high) and self.settle(low, high)

    cdef inline void set(self, int64_t* address, int64_t value) noexcept nogil:
        self.trail[self.trail_top].address = address
        self.trail[self.trail_top].old = address[0]
        self.trail_top += 1
        address[0] = value

    cdef void undo(self, int64_t mark) noexcept nogil:
        """Take back everything since the trail was `mark` long."""
        cdef Undo* u
        cdef int32_t b, s
        cdef int32_t* where
        while self.trail_top > mark:
            self.trail_top -= 1
            u = &self.trail[self.trail_top]
            if u.address:
                u.address[0] = u.old
                continue
            b = <int32_t>u.old
            where = self.where + self.base[b] - self.first[b]
            self.codes[self.first[b]] += self.code[b]
            for s in range(self.first[b], self.last[b]):
                self.joined[s] += s > self.first[b]
                if where[s] >= 0:
                    self.living[s] += 1
                    self.waiting[s] += self.size[b]

    cdef bint raise_blocks(self, int32_t s, int64_t height, int32_t* low, int32_t* high) noexcept nogil:
        """Raise the lowest places of the blocks over `s`; widen [low, high) by the sections they cover."""
        cdef int32_t i, c
        cdef int64_t place
        self.work += self.living[s]
        for i in range(self.head[s], self.head[s] + self.living[s]):
            c = self.items[i]
            place = height
            if self.align[c] != 1:
                place = (height + self.align[c] - 1) // self.align[c] * self.align[c]
            if place > self.low[c]:
                if self.obstacle_head[c] < self.obstacle_head[c + 1]:
                    place = self.clear(c, place)
                if place + self.size[c] > self.limit[c]:
                    self.weight[s] += self.weights
                    return False
                self.set(&self.low[c], place)
                low[0] = min(low[0], self.first[c])
                high[0] = max(high[0], self.last[c])
        return True

    cdef bint settle(self, int32_t low, int32_t high) noexcept nogil:
        """Raise floors to the lowest place of any block over them; False if a section cannot take its blocks.

        A floor that rises to the least of the lowest places moves no block, so one pass is enough.
        """
        cdef int32_t s, i, k, b
        cdef int64_t least, most, place, roof
        for s in range(low, high):
            k = self.living[s]
            if k == 0:
                continue
            self.work += k
            least = most = self.low[self.items[self.head[s]]]
            roof = self.limit[self.items[self.head[s]]]
            for i in range(self.head[s] + 1, self.head[s] + k):
                b = self.items[i]
                place = self.low[b]
                least = min(least, place)
                most = max(most, place)
                roof = max(roof, self.limit[b])
            if least > self.floor[s]:
                self.set(&self.floor[s], least)
            if least + self.waiting[s] > roof or (
                self.release and most + self.waiting[s] > roof and not self.takes_all(s, roof)
            ):
                self.weight[s] += self.weights
                return False
        return True

    cdef bint takes_all(self, int32_t s, int64_t roof) noexcept nogil:
        """Schedule the blocks over `s` by their lowest places (Shell sort: the lists are short)."""
        cdef int32_t i, j, gap, k = self.living[s]
        cdef int64_t place, size, end = 0
        self.work += 4 * k
        for i in range(k):
            self.jobs[2 * i] = self.low[self.items[self.head[s] + i]]
            self.jobs[2 * i + 1] = self.size[self.items[self.head[s] + i]]
        gap = 1
        while gap < k // 3:
            gap = 3 * gap + 1
        while gap:
            for i in range(gap, k):
                place, size = self.jobs[2 * i], self.jobs[2 * i + 1]
                j = i
                while j >= gap and self.jobs[2 * (j - gap)] > place:
                    self.jobs[2 * j] = self.jobs[2 * (j - gap)]
                    self.jobs[2 * j + 1] = self.jobs[2 * (j - gap) + 1]
                    j -= gap
                self.jobs[2 * j], self.jobs[2 * j + 1] = place, size
            gap //= 3
        for i in range(k):
            end = max(end, self.jobs[2 * i]) + self.jobs[2 * i + 1]
        return end <= roof
