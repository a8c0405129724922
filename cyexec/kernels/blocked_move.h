/* Reordering between plain and blocked images (blocked.h), 16 channels x 16 positions at a time, by squares of vectors
 * transposed in registers. */
#ifndef CYEXEC_BLOCKED_MOVE_H
#define CYEXEC_BLOCKED_MOVE_H
#include "blocked.h"

#define MOVE_LO(j, d) ((j) & (d) ? BLOCKED_VL + (j) - (d) : (j))
#define MOVE_HI(j, d) ((j) & (d) ? BLOCKED_VL + (j) : (j) + (d))
#if BLOCKED_VL == 16
#define MOVE_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d), F(8, d), \
    F(9, d), F(10, d), F(11, d), F(12, d), F(13, d), F(14, d), F(15, d)}
#elif BLOCKED_VL == 8
#define MOVE_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d)}
#else
#define MOVE_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d)}
#endif
/* Exchange the off-diagonal d x d blocks of every 2d x 2d block. */
#define MOVE_STAGE(d)                                                    \
    _Pragma("GCC unroll 16") for (int i = 0; i < BLOCKED_VL; i++) {      \
        if (!(i & (d))) {                                                \
            blocked_vec a = r[i], b = r[i + (d)];                        \
            r[i] = __builtin_shuffle(a, b, MOVE_MASK(MOVE_LO, d));       \
            r[i + (d)] = __builtin_shuffle(a, b, MOVE_MASK(MOVE_HI, d)); \
        }                                                                \
    }

/* to[i * to_step + j] = from[j * from_step + i] for a square of one vector a side. */
BLOCKED_INLINE void move_square(const float *from, long from_step, float *to, long to_step) {
    blocked_vec r[BLOCKED_VL];
#pragma GCC unroll 16
    for (int i = 0; i < BLOCKED_VL; i++) r[i] = blocked_load(from + i * from_step);
#if BLOCKED_VL >= 16
    MOVE_STAGE(8)
#endif
#if BLOCKED_VL >= 8
    MOVE_STAGE(4)
#endif
    MOVE_STAGE(2)
    MOVE_STAGE(1)
#pragma GCC unroll 16
    for (int i = 0; i < BLOCKED_VL; i++) blocked_store(to + i * to_step, r[i]);
}

/* Positions lo to hi, counted over the channel blocks of one image. */
static void blocked_from_plain(const float *x, float *y, long channels, long size, long lo, long hi) {
    while (lo < hi) {
        const long c = lo / size * BLOCK, i = lo % size;
        const long lanes = blocked_min(BLOCK, channels - c), n = blocked_min(BLOCK, blocked_min(hi - lo, size - i));
        const float *from = x + c * size + i;
        float *to = y + c * size + i * BLOCK;
        if (lanes == BLOCK && n == BLOCK) {
            for (int a = 0; a < BLOCK; a += BLOCKED_VL)
                for (int b = 0; b < BLOCK; b += BLOCKED_VL) move_square(from + a * size + b, size, to + b * BLOCK + a, BLOCK);
        } else {
            for (long p = 0; p < n; p++)
                for (long k = 0; k < BLOCK; k++) to[p * BLOCK + k] = k < lanes ? from[k * size + p] : 0;
        }
        lo += n;
    }
}

static void blocked_to_plain(const float *x, float *y, long channels, long size, long lo, long hi) {
    while (lo < hi) {
        const long c = lo / size * BLOCK, i = lo % size;
        const long lanes = blocked_min(BLOCK, channels - c), n = blocked_min(BLOCK, blocked_min(hi - lo, size - i));
        const float *from = x + c * size + i * BLOCK;
        float *to = y + c * size + i;
        if (lanes == BLOCK && n == BLOCK) {
            for (int a = 0; a < BLOCK; a += BLOCKED_VL)
                for (int b = 0; b < BLOCK; b += BLOCKED_VL) move_square(from + b * BLOCK + a, BLOCK, to + a * size + b, size);
        } else {
            for (long k = 0; k < lanes; k++)
                for (long p = 0; p < n; p++) to[k * size + p] = from[p * BLOCK + k];
        }
        lo += n;
    }
}
#endif
