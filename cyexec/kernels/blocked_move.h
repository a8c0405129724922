/* Reordering between plain and blocked images (blocked.h), 16 channels x 16 positions at a time, by squares of vectors
 * transposed in registers. */
#ifndef CYEXEC_BLOCKED_MOVE_H
#define CYEXEC_BLOCKED_MOVE_H
#include "blocked.h"

/* Positions lo to hi, counted over the channel blocks of one image. */
static void blocked_from_plain(const float *x, float *y, long channels, long size, long lo, long hi) {
    while (lo < hi) {
        const long c = lo / size * BLOCK, i = lo % size;
        const long lanes = blocked_min(BLOCK, channels - c), n = blocked_min(BLOCK, blocked_min(hi - lo, size - i));
        const float *from = x + c * size + i;
        float *to = y + c * size + i * BLOCK;
        if (lanes == BLOCK && n == BLOCK) {
            for (int a = 0; a < BLOCK; a += BLOCKED_VL)
                for (int b = 0; b < BLOCK; b += BLOCKED_VL) blocked_square(from + a * size + b, size, to + b * BLOCK + a, BLOCK);
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
                for (int b = 0; b < BLOCK; b += BLOCKED_VL) blocked_square(from + b * BLOCK + a, BLOCK, to + a * size + b, size);
        } else {
            for (long k = 0; k < lanes; k++)
                for (long p = 0; p < n; p++) to[k * size + p] = from[p * BLOCK + k];
        }
        lo += n;
    }
}
#endif
