/* What threads that run one schedule share: a sense-reversing spin barrier on GCC atomics.
 *
 * Steps are short (microseconds), so waiting threads spin first; when the machine is busy with other work they
 * yield, so that a thread that lost its core is not waited for by one that burns it.
 */
#ifndef CYEXEC_TEAM_H
#define CYEXEC_TEAM_H
#include <sched.h>

typedef struct {
    int arrived;          /* threads that have reached the barrier in this phase */
    int phase;            /* flips each time all have arrived */
    char pad[56];         /* 64 bytes: a cache line of its own */
} cyexec_barrier;

static inline void cyexec_barrier_init(cyexec_barrier *b) { b->arrived = 0; b->phase = 0; }

static inline void cyexec_barrier_wait(cyexec_barrier *b, int size) {
    int phase = __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE);
    int spins = 0;
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == size) {
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    while (__atomic_load_n(&b->phase, __ATOMIC_ACQUIRE) == phase) {
        if (++spins < 4000) {
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        } else {
            sched_yield();
        }
    }
}
#endif
