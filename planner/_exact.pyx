# cython: cdivision=True, boundscheck=False, wraparound=False
"""Decide by branch and bound whether blocks fit into a capacity.

Built on the canonical solutions of Moffitt, "MiniMalloc" (ASPLOS 2023): every block rests on offset 0 or on a block it
meets in time (or is fixed), and what lies below the lowest free place of a section is closed. The search differs in what
it branches on: the lowest unplaced block over a valley section (see `_skyline`) either sits exactly on that floor, and then
lies inside the valley, or the section wastes room and its floor rises to the next place where a block could begin. Both
kinds of branches exclude each other: no plan twice.

* Fail first: branch on the valley section with the fewest such blocks, weighted by how often a section was the
  reason of a failure (weighted degree of Boussemart, Hemery, Lecoutre and Sais, 2004), over short restarts in which
  several static orders of blocks and two ways of counting take turns.
* Components: sections that no unplaced block joins are solved apart; a failure in one never re-searches another.
* Memo: floors and set of unplaced blocks are the state; states that failed are remembered over restarts (128-bit
  hashes). Floors are raised to the lowest place of any block over them first, so equal situations look equal.
* Twins: of blocks with equal lifetime and size only one is tried.
* Spans: a block that lives as long as all others left, over a level floor, lies on it: what is below could lie above.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

from ._skyline cimport Skyline, mix

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
    bint only               # its one candidate needs no alternative
    int64_t mark            # of the trail
    State state


cdef class Search(Skyline):
    """Search for places below a capacity.

    Parameters
    ----------
    pieces, size, align, slack, fixed, sections, release, weights
        As for `Skyline`.
    memo, twins, hop, spans : bool
        Pruning rules; each can be switched off without changing what is feasible. `hop` raises a wasted section to the
        next possible place instead of by one unit.
    """

    cdef int32_t* rank
    cdef int64_t* key           # of each candidate: its rank and what the strategy adds
    cdef int32_t* choices
    cdef Frame* frames
    cdef State* failed
    cdef int32_t frame_top, frame_room, choice_top, choice_room
    cdef int64_t capacity, short
    cdef bint counting, flush
    cdef bint memo, twins, hop, spans, broken
    cdef readonly int64_t nodes
    cdef int64_t next_look, node_limit
    cdef int32_t turn
    cdef object error           # raised inside the search, to be raised again by run

    def __cinit__(self, *args, bint memo=True, bint twins=True, bint hop=True, bint spans=True, **others):
        cdef int32_t b
        self.memo, self.twins, self.hop, self.spans = memo, twins, hop, spans
        for b in range(self.blocks):
            # What must be somewhere, or at multiples of something, cannot change places with what is below it.
            self.spans = self.spans and self.fixed[b] < 0 and self.align[b] == 1
        self.rank = <int32_t*>self.room(self.blocks, sizeof(int32_t))
        self.key = <int64_t*>self.room(self.blocks, sizeof(int64_t))
        self.failed = <State*>self.room(1 << MEMO_BITS, sizeof(State))
        self.frame_room = 2 * self.blocks + 64
        self.frames = <Frame*>malloc(self.frame_room * sizeof(Frame))
        self.choice_room = 4 * self.blocks + 64
        self.choices = <int32_t*>malloc(self.choice_room * sizeof(int32_t))
        if not self.frames or not self.choices:
            raise MemoryError()

    def __dealloc__(self):
        free(self.frames)
        free(self.choices)

    def run(self, int64_t capacity, int64_t short, strategies, int64_t work_limit, deadline=None):
        """Search for places below `capacity` units less `short` bytes.

        Parameters
        ----------
        capacity, short : int
            The capacity in units, and by how many bytes, less than a unit, it is smaller: only blocks whose size was
            rounded up by as much may end in the last unit.
        strategies : sequence of (sequence of int, bool, bool)
            They take turns: the rank of each block (smaller is tried earlier); whether branches are counted times slack;
            whether blocks whose top is flush with what is beside them are tried first.
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
        self.set_capacity(capacity, short)
        self.work = self.next_look = 0
        while result == STOPPED and self.work < work_limit and monotonic() < until:
            if self.turn % 2 == 0:
                # What older restarts learned fades: searches that kept all of it got stuck far more often.
                for b in range(self.sections):
                    self.weight[b] = 1 + (self.weight[b] - 1) * FADING
            order, self.counting, self.flush = strategies[self.turn % len(strategies)]
            noise = mix(<uint64_t>self.turn)
            for b in range(self.blocks):
                self.rank[b] = order[b]
                if self.turn // len(strategies) % 2 == 1:
                    # Every other round disturbs the orders: a search that was unlucky at its root begins elsewhere.
                    noise = mix(noise + 1)
                    self.rank[b] += <int32_t>(noise % <uint64_t>(1 + self.blocks // 5))
            before = self.nodes
            with nogil:
                result = self.search(self.node_limit, work_limit, until)
            if self.nodes - before >= self.node_limit:   # not cut short by the work limit: the next turn begins
                self.turn += 1
                if self.turn % len(strategies) == 0:
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
        cdef int64_t start = self.nodes
        cdef Frame* f
        self.undo(0)
        if not self.fits_alone():
            return FAILED
        self.frame_top = 0
        self.choice_top = 0
        # Checks the bound before anything is placed, and raises floors to fixed blocks with nothing below.
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
        cdef int32_t* wider
        if self.frame_top == self.frame_room:
            more = <Frame*>realloc(self.frames, 2 * self.frame_room * sizeof(Frame))
            if not more:
                self.broken = True
                return False
            self.frames = more
            self.frame_room *= 2
        if self.choice_top + self.blocks + 1 > self.choice_room:
            wider = <int32_t*>realloc(self.choices, 2 * self.choice_room * sizeof(int32_t))
            if not wider:
                self.broken = True
                return False
            self.choices = wider
            self.choice_room *= 2
        if not self.reserve():
            self.broken = True
            return False
        self.frames[self.frame_top].left = left
        self.frames[self.frame_top].right = right
        self.frames[self.frame_top].phase = ENTER
        self.frames[self.frame_top].mark = self.trail_top
        self.frame_top += 1
        return True

    cdef int enter(self, Frame* f) noexcept nogil:
        """Look at the sections of a frame: FOUND, FAILED, or STOPPED when it must split or branch."""
        cdef int32_t s
        # (Inside, sections that only lie in gaps of unplaced blocks are empty too, but join what is beside them.)
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

    cdef inline int64_t height(self, int32_t s) noexcept nogil:
        """Floor of a section; one without unplaced blocks bounds valleys like a wall."""
        return self.floor[s] if self.living[s] else self.capacity + 1

    cdef int32_t choose(self, int32_t left, int32_t right) noexcept nogil:
        """Return the valley section with the fewest branches for its weight."""
        cdef int32_t a = left, z, s, count, best = left
        cdef int64_t h, slack
        cdef double score, least = 1e300, scale = 1.0 / (self.capacity + 1)
        while a < right:
            h = self.height(a)
            z = a + 1
            while z < right and self.height(z) == h:
                z += 1
            if (a == left or self.height(a - 1) > h) and (z == right or self.height(z) > h):
                for s in range(a, z):
                    count = self.count_choices(s, h)
                    if count <= 0:
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

    cdef int32_t count_choices(self, int32_t s, int64_t h) noexcept nogil:
        """Count the unplaced blocks over `s` that can sit on its floor `h`; -1 if one has a lower floor elsewhere.

        That one would close room below it. Where floors are lowest there is none, so some section can always be chosen.
        """
        cdef int32_t i, b, t, count = 0
        self.work += self.living[s]
        for i in range(self.head[s], self.head[s] + self.living[s]):
            b = self.items[i]
            if self.low[b] != h:
                continue
            count += 1
            if self.ragged[b]:
                for t in range(self.first[b], self.last[b]):
                    if self.floor[t] < h and self.covers(b, t):
                        return -1
        return count

    cdef void list_choices(self, Frame* f) noexcept nogil:
        """Append the blocks that can sit on the floor of the section, by rank, one of each kind of twins."""
        cdef int32_t i, j, b, top = self.choice_top, s = f.section
        cdef bint twin
        f.first = f.next = top
        f.only = False
        for i in range(self.head[s], self.head[s] + self.living[s]):
            b = self.items[i]
            if self.low[b] != self.floor[s]:
                continue
            if self.spans and self.lies_below_all(b, f):
                self.choices[f.first] = b
                f.last = self.choice_top = f.first + 1
                f.only = True
                return
            twin = False
            if self.twins:
                for j in range(f.first, top):
                    if self.kind[self.choices[j]] == self.kind[b]:
                        twin = True
                        break
            if twin:
                continue
            self.key[b] = self.rank[b]
            if self.flush:
                self.key[b] -= 2 * self.blocks * self.count_flush(b, f.left, f.right)
            j = top
            while j > f.first and self.key[self.choices[j - 1]] > self.key[b]:
                self.choices[j] = self.choices[j - 1]
                j -= 1
            self.choices[j] = b
            top += 1
        f.last = top
        self.choice_top = top

    cdef bint lies_below_all(self, int32_t b, Frame* f) noexcept nogil:
        """Whether a candidate is over all sections of the frame, which are level, so that it can lie below all others."""
        cdef int32_t s
        if self.first[b] > f.left or self.last[b] < f.right or self.ragged[b]:
            return False
        # What was below it may end where it ended.
        if self.short and self.slack[b] >= self.short:
            return False
        self.work += f.right - f.left
        for s in range(f.left, f.right):
            if self.floor[s] != self.low[b]:
                return False
        return True

    cdef int32_t count_flush(self, int32_t b, int32_t left, int32_t right) noexcept nogil:
        """Count where the top of a candidate would be level with the floor beside it, or the capacity.

        Where sizes are of many kinds this is rarely by chance: a plan without holes is made of such places.
        """
        cdef int64_t top = self.low[b] + self.size[b]
        return (
            (self.first[b] > left and self.height(self.first[b] - 1) == top)
            + (self.last[b] < right and self.height(self.last[b]) == top)
            + (top == self.capacity)
        )

    cdef bint branch(self, Frame* f) noexcept nogil:
        """Take the next branch that does not fail at once; False when there are no more."""
        cdef int32_t s = f.section
        cdef int64_t height
        while f.next < f.last:
            f.next += 1
            if self.place(self.choices[f.next - 1]):
                return True
            self.undo(f.mark)
        if f.next == f.last and not f.only:    # once, after all blocks: waste room
            f.next += 1
            if self.floor[s] + self.waiting[s] < self.capacity:
                height = self.next_place(s) if self.hop else self.floor[s] + 1
                if height + self.waiting[s] <= self.capacity and self.lift(s, height):
                    return True
                self.undo(f.mark)
        return False

    cdef int64_t next_place(self, int32_t s) noexcept nogil:
        """Return the lowest place above the floor of `s` at which a block over `s` can sit, if none sits on the floor.

        Such a block was kept up before, or rests on a block that is not over `s` and is still to be placed.
        """
        cdef int32_t i, t, b, left = s, right = s + 1
        cdef int64_t h = self.floor[s], best = self.capacity + 1
        for i in range(self.head[s], self.head[s] + self.living[s]):
            b = self.items[i]
            if self.low[b] > h:
                best = min(best, self.low[b])
            elif self.ragged[b]:    # not the sections in its gaps: floors may be lower there
                for t in range(self.first[b], self.last[b]):
                    if self.covers(b, t):
                        best = self.lowest_top(t, s, best)
            else:
                left = min(left, self.first[b])
                right = max(right, self.last[b])
        for t in range(left, right):
            best = self.lowest_top(t, s, best)
        return best

    cdef inline int64_t lowest_top(self, int32_t t, int32_t s, int64_t best) noexcept nogil:
        """Return the lowest height at which an unplaced block over `t`, not over `s`, can end, or `best`."""
        cdef int32_t i, b
        cdef int64_t top
        if t == s:
            return best
        self.work += self.living[t]
        for i in range(self.head[t], self.head[t] + self.living[t]):
            b = self.items[i]
            top = self.low[b] + self.size[b]
            if top < best and not self.covers(b, s):
                best = top
        return best
