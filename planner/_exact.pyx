"""Decide by branch and bound whether blocks fit into a capacity.

Built on the canonical solutions of Moffitt, "MiniMalloc" (ASPLOS 2023): every block rests on offset 0 or on a block it
meets in time, and what lies below the lowest free place of a section is closed. The search differs in what it branches
on. A section is a maximal set of blocks alive together; `floor` is the height below which a section is closed:

    floor         ┌───┐
      │  ┌──┐     │   │        A valley is a run of sections of one floor between higher ones (or ends). The lowest
      ▼  │  └─────┘   └──      unplaced block over a valley section either sits exactly on that floor, and then lies
         │   valley            inside the valley, or the section wastes room and its floor rises to the next place
         └──────────────▶ t    where a block could begin. Both kinds of branches exclude each other: no plan twice.

* Fail first: branch on the valley section with the fewest such blocks, weighted by how often a section was the
  reason of a failure (weighted degree of Boussemart, Hemery, Lecoutre and Sais, 2004), over short restarts in which
  several static orders of blocks and two ways of counting take turns.
* Bound: each section is a machine whose jobs (its unplaced blocks) have release dates (their lowest places): the
  capacity must take the jobs in order of release. This contains MiniMalloc's section inference and its floors.
* Components: sections that no unplaced block joins are solved apart; a failure in one never re-searches another.
* Memo: floors and set of unplaced blocks are the state; states that failed are remembered over restarts (128-bit
  hashes). Floors are raised to the lowest place of any block over them first, so equal situations look equal.
* Twins: of blocks with equal lifetime and size only one is tried.

Plain C loops over memory that one object owns; heights in units that divide every size; no GIL while searching.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from time import monotonic

cdef enum:
    MEMO_BITS = 19          # 2**19 states of 16 bytes: 8 MiB, touched only as far as used
    TICK = 4000000          # blocks looked at between looks at the clock: about 10 ms
    ENTER = 0
    AFTER_LEFT = 1
    AFTER_RIGHT = 2
    TRY = 3

cdef double FADING = 0.2

cdef enum:
    FAILED = 0
    FOUND = 1
    STOPPED = -1

ctypedef struct Undo:
    int64_t* address        # NULL: put block `old` back
    int64_t old

ctypedef struct State:
    uint64_t a
    uint64_t b

ctypedef struct Frame:
    int32_t left            # the sections this frame has to solve
    int32_t right
    int32_t phase
    int32_t section         # where it branches or splits
    int32_t first           # its candidates in `choices`
    int32_t next
    int32_t last
    int64_t mark            # of the trail
    State state


cdef inline uint64_t mix(uint64_t x) noexcept nogil:
    """Finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef class Search:
    """Hold the blocks of one arena and search for places below a capacity.

    Parameters
    ----------
    first, last : sequence of int
        Sections of each block, half-open.
    size, align : sequence of int
        In units that divide all of them or 1.
    slack : sequence of int
        Bytes by which a size was rounded up, less than a unit.
    sections : int
    memo, release, twins, hop, weights : bool
        Pruning rules; each can be switched off without changing what is feasible. `hop` raises a wasted section to the
        next possible place instead of by one unit.
    """

    cdef int32_t blocks, sections, tops, choice_top
    cdef int32_t* first
    cdef int32_t* last
    cdef int32_t* rank
    cdef int32_t* living        # unplaced blocks over each section
    cdef int32_t* joined        # unplaced blocks over both section s - 1 and s
    cdef int32_t* head          # start of the section's list in items
    cdef int32_t* items         # blocks over each section, the unplaced ones first
    cdef int32_t* base          # of a block in where
    cdef int32_t* where         # its position in each list
    cdef int32_t* choices
    cdef int64_t* size
    cdef int64_t* align
    cdef int64_t* slack
    cdef int64_t* limit         # where a block must end: the capacity, or a unit less
    cdef int64_t* floor
    cdef int64_t* waiting       # sizes of unplaced blocks over each section
    cdef int64_t* low           # lowest place of each block
    cdef int64_t* offset
    cdef int64_t* jobs
    cdef double* weight
    cdef uint64_t* code
    cdef uint64_t* codes        # sum of the codes of unplaced blocks that begin in the section
    cdef Undo* trail
    cdef int64_t trail_top, trail_room, incidences
    cdef Frame* frames
    cdef int32_t frame_top, frame_room, choice_room
    cdef State* failed
    cdef int64_t capacity, short
    cdef int32_t counting
    cdef bint memo, release, twins, hop, weights, broken
    cdef readonly int64_t nodes
    cdef readonly int64_t work
    cdef int64_t next_look, node_limit
    cdef int32_t turn
    cdef object error           # raised inside the search, to be raised again by run

    def __cinit__(self, first, last, size, align, slack, int sections, *, bint memo=True, bint release=True,
                  bint twins=True, bint hop=True, bint weights=True):
        cdef int32_t n = len(first), m = sections, b, s
        cdef int32_t* fill
        self.memo, self.release, self.twins, self.hop, self.weights = memo, release, twins, hop, weights
        self.blocks, self.sections = n, m
        self.incidences = sum(last) - sum(first)
        if self.incidences > 2**30:
            raise MemoryError("the blocks cover more than 2**30 sections together")
        self.first = <int32_t*>calloc(n + 1, sizeof(int32_t))
        self.last = <int32_t*>calloc(n + 1, sizeof(int32_t))
        self.rank = <int32_t*>calloc(n + 1, sizeof(int32_t))
        self.living = <int32_t*>calloc(m + 1, sizeof(int32_t))
        self.joined = <int32_t*>calloc(m + 1, sizeof(int32_t))
        self.head = <int32_t*>calloc(m + 1, sizeof(int32_t))
        self.items = <int32_t*>calloc(self.incidences + 1, sizeof(int32_t))
        self.base = <int32_t*>calloc(n + 1, sizeof(int32_t))
        self.where = <int32_t*>calloc(self.incidences + 1, sizeof(int32_t))
        self.size = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.align = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.slack = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.limit = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.floor = <int64_t*>calloc(m + 1, sizeof(int64_t))
        self.waiting = <int64_t*>calloc(m + 1, sizeof(int64_t))
        self.low = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.offset = <int64_t*>calloc(n + 1, sizeof(int64_t))
        self.jobs = <int64_t*>calloc(2 * n + 2, sizeof(int64_t))
        self.weight = <double*>calloc(m + 1, sizeof(double))
        self.code = <uint64_t*>calloc(n + 1, sizeof(uint64_t))
        self.codes = <uint64_t*>calloc(m + 1, sizeof(uint64_t))
        self.trail_room = 16 * (n + 2 * m + 16)
        self.trail = <Undo*>malloc(self.trail_room * sizeof(Undo))
        self.frame_room = 2 * n + 64
        self.frames = <Frame*>malloc(self.frame_room * sizeof(Frame))
        self.choice_room = 4 * n + 64
        self.choices = <int32_t*>malloc(self.choice_room * sizeof(int32_t))
        self.failed = <State*>calloc(1 << MEMO_BITS, sizeof(State))
        fill = <int32_t*>calloc(m + 1, sizeof(int32_t))
        if (not self.first or not self.last or not self.rank or not self.living or not self.joined or not self.head
                or not self.items or not self.base or not self.where or not self.size or not self.align
                or not self.slack or not self.limit or not self.floor or not self.waiting or not self.low or not self.offset or not self.jobs
                or not self.weight or not self.code or not self.codes or not self.trail or not self.frames
                or not self.choices or not self.failed or not fill):
            free(fill)
            raise MemoryError()
        for b in range(n):
            self.first[b], self.last[b], self.size[b], self.align[b] = first[b], last[b], size[b], align[b]
            self.slack[b] = slack[b]
            if not 0 <= self.first[b] < self.last[b] <= m or self.size[b] <= 0 or self.align[b] <= 0:
                free(fill)
                raise ValueError(f"block {b}: sections [{first[b]}, {last[b]}), size {size[b]}, align {align[b]}")
            self.base[b + 1] = self.base[b] + self.last[b] - self.first[b]
            # Twins share a code, for which of them are left makes no difference; a sum counts how many.
            self.code[b] = mix(mix(mix(<uint64_t>self.size[b]) + <uint64_t>self.last[b]) + <uint64_t>self.align[b])
            self.code[b] = mix(self.code[b] + <uint64_t>self.slack[b])
            self.codes[self.first[b]] += self.code[b]
            for s in range(self.first[b], self.last[b]):
                self.living[s] += 1
                self.waiting[s] += self.size[b]
                self.joined[s] += s > self.first[b]
        for s in range(m):
            self.head[s + 1] = self.head[s] + self.living[s]
            self.weight[s] = 1
        for b in range(n):
            for s in range(self.first[b], self.last[b]):
                self.items[self.head[s] + fill[s]] = b
                self.where[self.base[b] + s - self.first[b]] = self.head[s] + fill[s]
                fill[s] += 1
        free(fill)

    def __dealloc__(self):
        free(self.first)
        free(self.last)
        free(self.rank)
        free(self.living)
        free(self.joined)
        free(self.head)
        free(self.items)
        free(self.base)
        free(self.where)
        free(self.size)
        free(self.align)
        free(self.slack)
        free(self.limit)
        free(self.floor)
        free(self.waiting)
        free(self.low)
        free(self.offset)
        free(self.jobs)
        free(self.weight)
        free(self.code)
        free(self.codes)
        free(self.trail)
        free(self.frames)
        free(self.choices)
        free(self.failed)

    def run(self, int64_t capacity, int64_t short, ranks, int64_t work_limit, deadline=None):
        """Search for places below `capacity` units less `short` bytes.

        Parameters
        ----------
        capacity, short : int
            The capacity in units, and by how many bytes, less than a unit, it is smaller: only blocks whose size was
            rounded up by as much may end in the last unit.
        ranks : sequence of (sequence of int, int)
            Strategies that take turns: the rank of each block (smaller is tried earlier), and how to count branches
            (0: blocks; 1: blocks times slack).
        work_limit : int
            Stop after looking at about this many blocks; makes a run repeatable.
        deadline : float, optional
            Value of `time.monotonic()` at which to stop.

        The same question asked again goes on where the last answer stopped.

        Returns
        -------
        list of int, False or None
            Offsets in units; False, no plan fits; None, not known within the limits.

        Raises
        ------
        KeyboardInterrupt
        """
        cdef int result = STOPPED
        cdef int32_t b
        cdef int64_t before
        cdef uint64_t noise = 0
        cdef double until = 1e300 if deadline is None else deadline
        if capacity != self.capacity or short != self.short or self.node_limit == 0:
            # Short restarts: the weights they leave behind are worth more than a deep look at one order. But a plan
            # without a wrong turn takes a node for each block.
            self.turn, self.node_limit = 0, max(400, 11 * self.blocks // 10)
        self.capacity, self.short = capacity, short
        for b in range(self.blocks):
            self.limit[b] = capacity - (self.slack[b] < short)
        self.work = self.next_look = 0
        while result == STOPPED and self.work < work_limit and monotonic() < until:
            if self.turn % 2 == 0:
                # What older restarts learned fades: searches that kept all of it got stuck far more often.
                for b in range(self.sections):
                    self.weight[b] = 1 + (self.weight[b] - 1) * FADING
            order, self.counting = ranks[self.turn % len(ranks)]
            noise = mix(<uint64_t>self.turn)
            for b in range(self.blocks):
                self.rank[b] = order[b]
                if self.turn // len(ranks) % 3 == 2:
                    # Every third round disturbs the orders: a search that was unlucky at its root begins elsewhere.
                    noise = mix(noise + 1)
                    self.rank[b] += <int32_t>(noise % <uint64_t>(1 + self.blocks // 5))
            before = self.nodes
            with nogil:
                result = self.search(self.node_limit, work_limit, until)
            if self.nodes - before >= self.node_limit:   # not cut short by the work limit: the next turn begins
                self.turn += 1
                if self.turn % len(ranks) == 0:
                    self.node_limit += self.node_limit // 8
            if self.broken or self.error is not None:
                error, self.error = self.error, None
                self.broken = False
                raise error or MemoryError()
        offsets = [self.offset[b] for b in range(self.blocks)] if result == FOUND else None
        self.undo(0)
        return False if result == FAILED else offsets

    cdef int search(self, int64_t node_limit, int64_t work_limit, double until) noexcept nogil:
        """Run one restart; leaves the trail undone unless FOUND."""
        cdef int result = STOPPED
        cdef int32_t b
        cdef int64_t start = self.nodes
        cdef Frame* f
        self.undo(0)
        for b in range(self.blocks):
            if self.size[b] > self.limit[b]:
                return FAILED
        self.frame_top = 0
        self.choice_top = 0
        # Places that cannot be: raises floors and checks the bound before anything is placed.
        if not self.settle(0, self.sections):
            return FAILED
        self.push(0, self.sections)
        while self.frame_top:
            f = &self.frames[self.frame_top - 1]
            if f.phase == ENTER:
                result = self.enter(f)
                if result != STOPPED:
                    self.frame_top -= 1
                    continue
                if f.phase == AFTER_LEFT:
                    if not self.push(f.left, f.section):
                        return self.give_up()
                    continue
                self.nodes += 1
                if self.nodes - start >= node_limit or self.work >= work_limit:
                    return self.give_up()
                if self.work >= self.next_look:
                    self.next_look = self.work + TICK
                    if not self.may_go_on(until):
                        return self.give_up()
                result = FAILED     # nothing of this frame has been tried
            elif f.phase == AFTER_LEFT:
                if result == FOUND:
                    f.phase = AFTER_RIGHT
                    if not self.push(f.section, f.right):
                        return self.give_up()
                else:
                    self.undo(f.mark)
                    self.frame_top -= 1
                continue
            elif f.phase == AFTER_RIGHT:
                if result != FOUND:
                    self.undo(f.mark)
                self.frame_top -= 1
                continue
            if result == FOUND:
                self.choice_top = f.first
                self.frame_top -= 1
                continue
            self.undo(f.mark)
            if self.branch(f):
                if not self.push(f.left, f.right):
                    return self.give_up()
            else:
                if self.memo:
                    self.failed[f.state.a >> (64 - MEMO_BITS)] = f.state
                self.choice_top = f.first
                self.frame_top -= 1
        return result

    cdef int give_up(self) noexcept nogil:
        self.undo(0)
        return STOPPED

    cdef bint may_go_on(self, double until) noexcept nogil:
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                self.error = error
                return False
            return monotonic() < until

    cdef bint push(self, int32_t left, int32_t right) noexcept nogil:
        cdef Frame* more
        cdef Undo* longer
        cdef int32_t* wider
        if self.frame_top == self.frame_room:
            more = <Frame*>realloc(self.frames, 2 * self.frame_room * sizeof(Frame))
            if not more:
                self.broken = True
                return False
            self.frames = more
            self.frame_room *= 2
        # One placement changes at most every floor twice, every low once, and the block itself.
        if self.trail_top + self.blocks + 2 * self.sections + 16 > self.trail_room:
            longer = <Undo*>realloc(self.trail, 2 * self.trail_room * sizeof(Undo))
            if not longer:
                self.broken = True
                return False
            self.trail = longer
            self.trail_room *= 2
        if self.choice_top + self.blocks + 1 > self.choice_room:
            wider = <int32_t*>realloc(self.choices, 2 * self.choice_room * sizeof(int32_t))
            if not wider:
                self.broken = True
                return False
            self.choices = wider
            self.choice_room *= 2
        self.frames[self.frame_top].left = left
        self.frames[self.frame_top].right = right
        self.frames[self.frame_top].phase = ENTER
        self.frames[self.frame_top].mark = self.trail_top
        self.frame_top += 1
        return True

    cdef int enter(self, Frame* f) noexcept nogil:
        """Look at the sections of a frame: FOUND, FAILED, or STOPPED when it must split or branch."""
        cdef int32_t s
        while f.left < f.right and self.living[f.left] == 0:
            f.left += 1
        while f.left < f.right and self.living[f.right - 1] == 0:
            f.right -= 1
        if f.left == f.right:
            return FOUND
        for s in range(f.left + 1, f.right):
            if self.joined[s] == 0:
                f.section = s
                f.phase = AFTER_LEFT
                return STOPPED
        if self.memo:
            self.read_state(f)
            if self.failed[f.state.a >> (64 - MEMO_BITS)].a == f.state.a:
                if self.failed[f.state.a >> (64 - MEMO_BITS)].b == f.state.b:
                    return FAILED
        f.phase = TRY
        f.section = self.choose(f.left, f.right)
        self.list_choices(f)
        return STOPPED

    cdef void read_state(self, Frame* f) noexcept nogil:
        cdef int32_t s
        cdef uint64_t x, a = mix(mix(<uint64_t>self.capacity) + <uint64_t>self.short), b = 0
        self.work += f.right - f.left
        for s in range(f.left, f.right):
            x = mix(<uint64_t>self.floor[s] * <uint64_t>0x9E3779B97F4A7C15 + <uint64_t>s)
            a += x ^ self.codes[s] * <uint64_t>0xD6E8FEB86659FD93
            b = (b ^ x) * <uint64_t>0x100000001B3 + self.codes[s]
        f.state.a = mix(a + <uint64_t>f.right)
        f.state.b = b | 1       # never the empty slot

    cdef int32_t choose(self, int32_t left, int32_t right) noexcept nogil:
        """Return the valley section with the fewest branches for its weight."""
        cdef int32_t a = left, z, s, i, count, best = left
        cdef int64_t h, slack
        cdef double score, least = 1e300, scale = 1.0 / (self.capacity + 1)
        while a < right:
            h = self.floor[a]
            z = a + 1
            while z < right and self.floor[z] == h:
                z += 1
            if (a == left or self.floor[a - 1] > h) and (z == right or self.floor[z] > h):
                for s in range(a, z):
                    count = 0
                    self.work += self.living[s]
                    for i in range(self.head[s], self.head[s] + self.living[s]):
                        count += self.low[self.items[i]] == h
                    if not count:
                        continue
                    slack = self.capacity - h - self.waiting[s]
                    if self.counting:
                        score = count * (1 + 1024.0 * slack * scale)
                    else:
                        score = count + (slack > 0) + slack * scale
                    score /= self.weight[s]
                    if score < least:
                        least = score
                        best = s
            a = z
        return best

    cdef void list_choices(self, Frame* f) noexcept nogil:
        """Append the blocks that can sit on the floor of the section, by rank, one of each kind of twins."""
        cdef int32_t i, j, b, c, top = self.choice_top, s = f.section
        cdef bint twin
        f.first = f.next = top
        for i in range(self.head[s], self.head[s] + self.living[s]):
            b = self.items[i]
            if self.low[b] != self.floor[s]:
                continue
            twin = False
            if self.twins:
                for j in range(f.first, top):
                    c = self.choices[j]
                    if (self.size[c] == self.size[b] and self.first[c] == self.first[b]
                            and self.last[c] == self.last[b] and self.align[c] == self.align[b]
                            and self.slack[c] == self.slack[b]):
                        twin = True
                        break
            if twin:
                continue
            j = top
            while j > f.first and self.rank[self.choices[j - 1]] > self.rank[b]:
                self.choices[j] = self.choices[j - 1]
                j -= 1
            self.choices[j] = b
            top += 1
        f.last = top
        self.choice_top = top

    cdef bint branch(self, Frame* f) noexcept nogil:
        """Take the next branch that does not fail at once; False when there are no more."""
        cdef int32_t s = f.section
        cdef int64_t height
        while f.next < f.last:
            f.next += 1
            if self.place(self.choices[f.next - 1]):
                return True
            self.undo(f.mark)
        if f.next == f.last:    # once, after all blocks: waste room
            f.next += 1
            if self.floor[s] + self.waiting[s] < self.capacity:
                height = self.next_place(s) if self.hop else self.floor[s] + 1
                if height + self.waiting[s] <= self.capacity and self.lift(s, height):
                    return True
                self.undo(f.mark)
        return False

    cdef bint place(self, int32_t b) noexcept nogil:
        cdef int32_t s, i, j, c, low = self.first[b], high = self.last[b]
        cdef int64_t top = self.low[b] + self.size[b]
        self.offset[b] = self.low[b]
        self.trail[self.trail_top].address = NULL
        self.trail[self.trail_top].old = b
        self.trail_top += 1
        self.codes[low] -= self.code[b]
        for s in range(low, high):
            self.living[s] -= 1
            self.waiting[s] -= self.size[b]
            self.joined[s] -= s > self.first[b]
            # Swap it behind the living ones; undoing in reverse order needs only the counter.
            i = self.where[self.base[b] + s - self.first[b]]
            j = self.head[s] + self.living[s]
            c = self.items[j]
            self.items[j], self.items[i] = b, c
            self.where[self.base[b] + s - self.first[b]] = j
            self.where[self.base[c] + s - self.first[c]] = i
            self.set(&self.floor[s], top)
        for s in range(self.first[b], self.last[b]):
            if not self.raise_blocks(s, top, &low, &high):
                return False
        return self.settle(low, high)

    cdef bint lift(self, int32_t s, int64_t height) noexcept nogil:
        cdef int32_t low = s, high = s + 1
        self.set(&self.floor[s], height)
        return self.raise_blocks(s, height, &low, &high) and self.settle(low, high)

    cdef inline void set(self, int64_t* address, int64_t value) noexcept nogil:
        self.trail[self.trail_top].address = address
        self.trail[self.trail_top].old = address[0]
        self.trail_top += 1
        address[0] = value

    cdef void undo(self, int64_t mark) noexcept nogil:
        cdef Undo* u
        cdef int32_t b, s
        while self.trail_top > mark:
            self.trail_top -= 1
            u = &self.trail[self.trail_top]
            if u.address:
                u.address[0] = u.old
                continue
            b = <int32_t>u.old
            self.codes[self.first[b]] += self.code[b]
            for s in range(self.first[b], self.last[b]):
                self.living[s] += 1
                self.waiting[s] += self.size[b]
                self.joined[s] += s > self.first[b]

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

    cdef int64_t next_place(self, int32_t s) noexcept nogil:
        """Return the lowest place above the floor of `s` at which a block over `s` can sit, if none sits on the floor.

        Such a block was kept up before, or rests on a block that is not over `s` and is still to be placed.
        """
        cdef int32_t i, t, b, left = s, right = s + 1
        cdef int64_t h = self.floor[s], best = self.capacity + 1, top
        for i in range(self.head[s], self.head[s] + self.living[s]):
            b = self.items[i]
            if self.low[b] > h:
                best = min(best, self.low[b])
            else:
                left = min(left, self.first[b])
                right = max(right, self.last[b])
        for t in range(left, right):
            if t == s:
                continue
            self.work += self.living[t]
            for i in range(self.head[t], self.head[t] + self.living[t]):
                b = self.items[i]
                top = self.low[b] + self.size[b]
                if top < best and not self.first[b] <= s < self.last[b]:
                    best = top
        return best
