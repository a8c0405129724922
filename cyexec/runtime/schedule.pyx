"""Run steps in order: a C array of borrowed steps, one loop, no GIL.

Threads: one parallel region covers the whole range of steps. In it a step that is worth sharing is run by all threads and
followed by a barrier; a run of steps too small to share is run by thread 0 while the others wait at the next barrier.
A range without a step worth sharing opens no region at all. Partitions never change results (see `step.pxd`).

Steps that are functions of Python (`kernels/python.pxi`) divide the steps into segments; they are called between the loops
over two segments, by the thread that runs the schedule.
"""

from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport parallel
from libc.stdlib cimport calloc, free, malloc

from cyexec.kernels.step cimport Step, Team, cyexec_barrier, cyexec_barrier_init, cyexec_barrier_wait

import os
import threading

from ..base import IndexOutOfRange, MXNetError

cdef extern from *:
    """
    #include <time.h>
    static double cyexec_clock(clockid_t id) {
        struct timespec t;
        clock_gettime(id, &t);
        return t.tv_sec + 1e-9 * t.tv_nsec;
    }
    static double cyexec_now(void) { return cyexec_clock(CLOCK_MONOTONIC); }
    static double cyexec_processor_time(void) { return cyexec_clock(CLOCK_PROCESS_CPUTIME_ID); }
    #ifdef _OPENMP
    #include <omp.h>
    static int cyexec_thread_num(void) { return omp_get_thread_num(); }
    static int cyexec_team_size(void) { return omp_get_num_threads(); }
    #else
    static int cyexec_thread_num(void) { return 0; }
    static int cyexec_team_size(void) { return 1; }
    #endif
    """
    double cyexec_now() nogil
    double cyexec_processor_time() nogil
    int cyexec_thread_num() nogil
    int cyexec_team_size() nogil

# Waking a sleeping team takes several microseconds, a barrier between running threads below one, but milliseconds when
# the machine is busy and a thread has lost its core: a step shorter than SHARED is not shared, and a range whose shared
# steps are shorter than REGION together opens no region.
cdef double SHARED = 1e4        # ns
cdef double REGION = 6e4        # ns
# Whether a team is faster depends on what else the machine does: waiting at every step for a thread that has no core can
# cost a hundred times what it saves. Below LONG the clock decides, by trials of both ways. A longer range is shared, until
# a team has got less than STARVED of the processor time that its threads could have had; then it runs alone for a while.
cdef double LONG = 3e6          # ns
cdef double STARVED = 0.6
cdef double WINDOW = 0.1        # s
cdef double WORSE = 1.5         # times what the other way took: the other way is tried at once
cdef int TRIAL = 4              # runs
cdef long FIRST_INTERVAL = 16   # runs until the slower way is tried again; doubles while it stays slower
cdef long LAST_INTERVAL = 8192
cdef double BRIEF = 1e4         # ns; letting go of the GIL and taking it back costs 50: so short a range keeps it
cdef double SIGNALS = 0.05      # s between looks for Ctrl-C

cdef int _threads = 0           # 0: not chosen yet
cdef bint _forked = False


def _default_threads() -> int:
    for name in ("CYEXEC_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "")
        if text.strip().isdigit() and int(text) > 0:
            return int(text)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def set_num_threads(int n) -> None:
    """Use `n` threads for schedules from now on; 0 means one for each core this process may use.

    Numbers do not depend on it. Calling it in a forked child allows threads there again.
    """
    global _threads, _forked
    if n < 0:
        raise ValueError(f"number of threads must not be negative, found {n}")
    _threads = n if n else _default_threads()
    _forked = False


def get_num_threads() -> int:
    """How many threads schedules use."""
    return number_of_threads()


cdef inline int number_of_threads():
    global _threads
    if _forked:
        return 1
    if _threads == 0:
        _threads = _default_threads()
    return _threads


def set_sharing_thresholds(double shared_ns, double region_ns):
    """Change from which cost on (estimated ns on one thread) steps are shared; returns the old pair.

    For tests, which share even the smallest steps so that every kernel is run by teams. Holds for schedules made later.
    """
    global SHARED, REGION
    old = (SHARED, REGION)
    SHARED, REGION = shared_ns, region_ns
    return old


def _after_fork() -> None:
    # libgomp's workers do not exist in the child, and opening a region there would wait for them for ever.
    global _forked
    _forked = True


os.register_at_fork(after_in_child=_after_fork)


cdef struct Choice:
    # What runs of one range take, alone [0] and as a team [1], and which way is tried now.
    double seconds[2]               # moving averages, 0 until known; of long ranges, sums: passed, and of processor time
    bint team                       # the way of the next run
    int trial                       # runs left of a trial of that way; 0 when none is under way
    long until                      # runs left until the slower way is tried again
    long interval                   # that many between the next trials


cdef void learn(Choice* choice, double seconds) noexcept nogil:
    """Take in what a run took, and decide how the next one is done: the faster way, with a trial of the other at times.

    Of a trial the first run wakes threads and warms caches and does not count; the best of the others does. Later a single
    run that something else held up moves the average by no more than a third: two in a row make a way worse.
    """
    cdef double* average = &choice.seconds[choice.team]
    cdef bint faster
    if choice.trial == TRIAL:
        choice.trial -= 1
        return
    if average[0] == 0 or choice.trial == TRIAL - 1:
        average[0] = seconds
    elif choice.trial > 0:
        average[0] = min(average[0], seconds)
    else:
        average[0] = 0.7 * average[0] + 0.3 * min(seconds, 2 * average[0])
    if choice.trial > 1:
        choice.trial -= 1
    elif choice.trial == 1:
        choice.trial = 0
        if choice.seconds[0] == 0 or choice.seconds[1] == 0:
            choice.team = not choice.team
            choice.trial = TRIAL
            choice.interval = FIRST_INTERVAL
            return
        faster = choice.seconds[1] < choice.seconds[0]
        choice.interval = FIRST_INTERVAL if faster == choice.team else min(2 * choice.interval, LAST_INTERVAL)
        choice.team = faster
        choice.until = choice.interval
    else:
        choice.until -= 1
        if choice.until <= 0 or average[0] > WORSE * choice.seconds[not choice.team]:
            choice.team = not choice.team
            choice.trial = TRIAL


cdef void note_long(Choice* choice, bint as_team, double seconds, double processor, int threads) noexcept nogil:
    """Take in how a run of a long range went: after a starved team, `until` runs are done alone, twice as many each time.

    What the system says of other threads' time is some milliseconds old, so runs are added up before they are judged.
    """
    if not as_team:
        choice.until -= 1
        return
    choice.seconds[0] += seconds
    choice.seconds[1] += processor
    if choice.seconds[0] < WINDOW:
        return
    if choice.seconds[1] < STARVED * threads * choice.seconds[0]:
        choice.interval = min(max(2 * choice.interval, 8), LAST_INTERVAL)
        choice.until = choice.interval
    else:
        choice.interval = 0
    choice.seconds[0] = choice.seconds[1] = 0


cdef class Schedule:
    """Steps made ready to run.

    Parameters
    ----------
    steps : list of Step
        Kept alive here; the loop uses borrowed pointers to them.
    lock : threading.Lock, optional
        Held while steps run: schedules that use one arena share one, so that Python threads take turns.
    """
    cdef list _steps
    cdef void** _array
    cdef Py_ssize_t _count
    cdef bint* _shared
    cdef double* _cost              # running total of the costs of steps
    cdef double* _shared_cost       # the same of those that are shared
    cdef Choice* _choices           # two a segment: of ranges that begin where it begins (forward parts), and of others
    cdef list _calls                # (position, function) of the steps of Python; almost always none
    cdef object _lock
    cdef list _checks               # steps that look at the user's numbers and may find them wrong; almost always none

    def __cinit__(self, list steps, lock=None):
        cdef Py_ssize_t i
        cdef Step step
        self._steps = list(steps)
        self._count = len(steps)
        self._checks = [step for step in self._steps if hasattr(step, "take_failure")]
        self._calls = [(i, step.python_call) for i, step in enumerate(self._steps) if hasattr(step, "python_call")]
        self._choices = <Choice*>calloc(2 * (len(self._calls) + 1), sizeof(Choice))
        self._array = <void**>malloc((self._count + 1) * sizeof(void*))
        self._shared = <bint*>malloc((self._count + 1) * sizeof(bint))
        self._cost = <double*>malloc(2 * (self._count + 1) * sizeof(double))
        if self._array == NULL or self._shared == NULL or self._cost == NULL or self._choices == NULL:
            raise MemoryError("cannot allocate a schedule")
        self._shared_cost = self._cost + self._count + 1
        self._cost[0] = self._shared_cost[0] = 0
        for i in range(self._count):
            step = self._steps[i]
            self._array[i] = <void*>step
            self._shared[i] = step.cost >= SHARED
            self._cost[i + 1] = self._cost[i] + step.cost
            self._shared_cost[i + 1] = self._shared_cost[i] + (step.cost if step.cost >= SHARED else 0)
        for i in range(2 * (len(self._calls) + 1)):
            self._choices[i].trial = TRIAL
        self._lock = lock if lock is not None else threading.Lock()

    def __dealloc__(self):
        free(self._array)
        free(self._shared)
        free(self._cost)
        free(self._choices)

    def __len__(self):
        return self._count

    def run(self, Py_ssize_t start, Py_ssize_t stop, unsigned long long seed=0):
        """Run steps `start` to `stop` (exclusive).

        Raises
        ------
        IndexError
            Outside the schedule; or a step found an index of the user's out of range, where the operator refuses that.
        KeyboardInterrupt
            After Ctrl-C; steps that had begun are finished, later ones are not run.
        BaseException
            Whatever a step of Python raises, as it was raised; later steps are not run.
        """
        cdef bint interrupted
        if not 0 <= start <= stop <= self._count:
            raise IndexError(f"steps {start} to {stop} of {self._count}")
        if not self._lock.acquire(False):
            self._wait_for_lock()
        try:
            if self._calls:
                interrupted = self._run_segments(start, stop, seed)
            else:
                interrupted = self._run_native(start, stop, &self._choices[start > 0], seed)
        finally:
            self._lock.release()
        if self._checks:
            raise_failures(self._checks)
        if interrupted:
            _raise_pending()

    cdef bint _run_native(self, Py_ssize_t start, Py_ssize_t stop, Choice* choice, unsigned long long seed) noexcept:
        """Run steps that need no GIL, alone or as a team; whether a signal interrupted them."""
        cdef int threads = number_of_threads()
        cdef bint interrupted, measured = False, is_long = False
        cdef double cost, begin = 0, processor = 0
        if self._cost[stop] - self._cost[start] < min(BRIEF, REGION):
            return run_alone(self._array, start, stop, seed)
        if threads > 1:
            cost = self._shared_cost[stop] - self._shared_cost[start]
            if cost < REGION:
                threads = 1
            elif 0 < REGION and cost < LONG:
                measured = True
                if not choice.team:
                    threads = 1
            elif 0 < REGION:
                is_long = True
                if choice.until > 0:
                    threads = 1
        with nogil:
            if measured or is_long:
                begin = cyexec_now()
            if is_long:
                processor = cyexec_processor_time()
            if threads == 1:
                interrupted = run_alone(self._array, start, stop, seed)
            else:
                interrupted = run_team(self._array, self._shared, start, stop, seed, threads)
            if measured:
                learn(choice, cyexec_now() - begin)
            if is_long:
                note_long(choice, threads > 1, cyexec_now() - begin, cyexec_processor_time() - processor, threads)
        return interrupted

    def _run_segments(self, Py_ssize_t start, Py_ssize_t stop, unsigned long long seed):
        """Run steps among which there are functions of Python; whether a signal interrupted the others."""
        cdef Py_ssize_t at, segment = 0, begin = 0
        for at, call in self._calls:
            if at >= stop:
                break
            if at >= start:
                if self._run_native(start, at, &self._choices[2 * segment + (start > begin)], seed):
                    return True
                _calling[id(self._lock)] = threading.get_ident()
                try:
                    call()
                finally:
                    del _calling[id(self._lock)]
                start = at + 1
            begin = at + 1
            segment += 1
        return self._run_native(start, stop, &self._choices[2 * segment + (start > begin)], seed)

    def _wait_for_lock(self):
        """Take the lock when another thread gives it back. Raises MXNetError where that would never be."""
        if _calling.get(id(self._lock)) == threading.get_ident():
            raise MXNetError(SHARED_WITH_ITSELF)
        self._lock.acquire()


SHARED_WITH_ITSELF = (
    "an operator of Python runs an executor that shares the memory of the executor it is itself part of"
)
_calling = {}  # for each lock held while a step of Python runs, by identity: the thread that it runs in


def raise_failures(list steps):
    """Raise what `steps` found since they were last asked (all have run: their outputs are made of clipped indices)."""
    failures = [failure for failure in [step.take_failure() for step in steps] if failure]
    if failures:
        raise IndexOutOfRange(failures[0])


cdef object _pending = None         # what a signal handler raised; signals are handled in the main thread alone


cdef bint signalled() noexcept with gil:
    """Run Python-level signal handlers that are due; whether one raised (Ctrl-C)."""
    global _pending
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        _pending = error
        return True
    return False


def _raise_pending():
    global _pending
    error, _pending = _pending, None
    raise error


cdef bint run_alone(void** steps, Py_ssize_t start, Py_ssize_t stop, unsigned long long seed) noexcept nogil:
    cdef Team team
    cdef Py_ssize_t i
    cdef double then = 0, now
    team.rank = 0
    team.size = 1
    team.barrier = NULL
    team.seed = seed
    for i in range(start, stop):
        (<Step>steps[i]).run(&team)
        # Reading the clock costs 20 ns; a long step is what makes it worth while, and 64 tiny ones are short.
        if (i & 63) == 63 or (<Step>steps[i]).cost > 1e5:
            now = cyexec_now()
            if then == 0:
                then = now
            elif now - then > SIGNALS:
                then = now
                if signalled():
                    return True
    return False


cdef bint run_team(void** steps, const bint* shared, Py_ssize_t start, Py_ssize_t stop, unsigned long long seed,
                   int threads) noexcept nogil:
    cdef cyexec_barrier barrier
    cdef Py_ssize_t interrupted_at = -1
    cyexec_barrier_init(&barrier)
    with parallel(num_threads=threads):
        run_as_member(steps, shared, start, stop, seed, &barrier, &interrupted_at)
    return interrupted_at >= 0


cdef void run_as_member(void** steps, const bint* shared, Py_ssize_t start, Py_ssize_t stop, unsigned long long seed,
                        cyexec_barrier* barrier, Py_ssize_t* interrupted_at) noexcept nogil:
    """One thread's walk over the steps. All threads take the same decisions, from the same data.

    Thread 0 writes the number of the step at which all stop, before that step's barrier. The number, not a flag: a slow
    thread that looks after barrier i must not take for its own what thread 0 has meanwhile found at i + 1.
    """
    cdef Team team, alone
    cdef Py_ssize_t i
    cdef double then, now
    cdef bint pending = False       # thread 0 ran steps by itself since the last barrier
    team.rank = cyexec_thread_num()
    team.size = cyexec_team_size()
    team.barrier = barrier
    team.seed = seed
    alone.rank = 0
    alone.size = 1
    alone.barrier = NULL
    alone.seed = seed
    then = cyexec_now()
    for i in range(start, stop):
        if not shared[i]:
            if team.rank == 0:
                (<Step>steps[i]).run(&alone)
            pending = True
            continue
        if pending:
            if team.rank == 0:
                now = cyexec_now()
                if now - then > SIGNALS:
                    then = now
                    if signalled():
                        interrupted_at[0] = i - 1
            cyexec_barrier_wait(barrier, team.size)
            pending = False
            if interrupted_at[0] == i - 1:
                return
        (<Step>steps[i]).run(&team)
        if team.rank == 0:
            now = cyexec_now()
            if now - then > SIGNALS:
                then = now
                if signalled():
                    interrupted_at[0] = i
        cyexec_barrier_wait(barrier, team.size)
        if interrupted_at[0] == i:
            return
