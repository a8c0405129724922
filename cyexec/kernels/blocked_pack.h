/* Weights as users see them, (filters, channels / groups, ky, kx), brought into rows of the 16 filters of a block.
 *
 * All packings are made of such rows: blocked_direct.h orders them, blocked_winograd.h transforms them. Squares of 16 x 16
 * numbers are transposed in registers, for gathering them one by one takes 15 times as long.
 */
#ifndef CYEXEC_BLOCKED_PACK_H
#define CYEXEC_BLOCKED_PACK_H
#include "blocked.h"

typedef struct {
    const float *w;
    const float *scale; /* a factor for each filter, or NULL */
    /* For the gradient of the data filters and channels are exchanged, and the taps reversed: of `kernel` taps those from
     * `first` on, `step` apart. */
    int transposed;
    long kernel[2], first[2], step[2];
    /* So many groups of the user's are one of the shape's: between their channels and filters are zeros. */
    long merged;
} blocked_weights;

/* Weight of filter `f`, channel `c` of its group, and tap number `tap` of the convolution of shape `s`. */
BLOCKED_INLINE float blocked_weight(const blocked_shape *s, const blocked_weights *w, long f, long c, long tap) {
    const long channels = s->channels / s->groups / w->merged, filters = s->filters / s->groups / w->merged;
    const long group = f / filters; /* the user's */
    if (f / (filters * w->merged) * w->merged + c / channels != group) return 0;
    c %= channels;
    if (!w->transposed)
        return w->w[(f * channels + c) * s->kernel[0] * s->kernel[1] + tap] * (w->scale ? w->scale[f] : 1);
    const long ky = w->first[0] + w->step[0] * (s->kernel[0] - 1 - tap / s->kernel[1]);
    const long kx = w->first[1] + w->step[1] * (s->kernel[1] - 1 - tap % s->kernel[1]);
    return w->w[(((group * channels + c) * filters + f % filters) * w->kernel[0] + ky) * w->kernel[1] + kx];
}

#define PACK_ROWS 256 /* at a time: 16 KiB, in a first-level cache */

/* to[j * 16 + l] = from[l * step + j] for l < lanes, j < n, and 0 in the other lanes; reads nothing from `end` on. */
static void pack_columns(const float *from, long step, long lanes, long n, const float *end, float *to) {
    float square[BLOCK * BLOCK];
    long j = 0;
    if (lanes == BLOCK && step == 1 && n == 1) {
        memcpy(to, from, BLOCK * sizeof(float));
        return;
    }
    for (; lanes == BLOCK && j < n && end - from >= (BLOCK - 1) * step + j + BLOCK; j += BLOCK) {
        float *made = j + BLOCK <= n ? to + j * BLOCK : square;
        for (int a = 0; a < BLOCK; a += BLOCKED_VL)
            for (int b = 0; b < BLOCK; b += BLOCKED_VL)
                blocked_square(from + a * step + j + b, step, made + b * BLOCK + a, BLOCK);
        if (made == square) memcpy(to + j * BLOCK, square, (n - j) * BLOCK * sizeof(float));
    }
    for (; j < n; j++)
        for (long l = 0; l < BLOCK; l++) to[j * BLOCK + l] = l < lanes ? from[l * step + j] : 0;
}

/* rows[(c - c0) * taps + tap][lane] = the weight of filter f * 16 + lane, channel c, for c0 <= c < c1; PACK_ROWS at most. */
static void pack_rows(const blocked_shape *s, const blocked_weights *w, long f, long c0, long c1, float *rows) {
    const long channels = s->channels / s->groups, filters = s->filters / s->groups, f0 = f * BLOCK;
    const long taps = s->kernel[0] * s->kernel[1], all = w->kernel[0] * w->kernel[1];
    const long lanes = blocked_min(BLOCK, s->filters - f0);
    const float *end = w->w + s->filters * channels * all;
    const int apart = w->merged > 1 || (s->groups > 1 && filters % BLOCK); /* lanes of several groups */
    if (all > PACK_ROWS || apart) {
        for (long c = c0; c < c1; c++)
            for (long tap = 0; tap < taps; tap++, rows += BLOCK)
                for (long l = 0; l < BLOCK; l++) rows[l] = l < lanes ? blocked_weight(s, w, f0 + l, c, tap) : 0;
        return;
    }
    if (!w->transposed) {
        const long n = (c1 - c0) * taps;
        pack_columns(w->w + (f0 * channels + c0) * taps, channels * taps, lanes, n, end, rows);
        for (long i = 0; w->scale && i < n; i++)
            for (long l = 0; l < lanes; l++) rows[i * BLOCK + l] *= w->scale[f0 + l];
        return;
    }
    float columns[PACK_ROWS * BLOCK];
    for (long c = c0; c < c1; c++) {
        const float *from = w->w + ((f0 / filters * channels + c) * filters + f0 % filters) * all;
        pack_columns(from, all, lanes, all, end, columns);
        for (long y = s->kernel[0] - 1; y >= 0; y--)
            for (long x = s->kernel[1] - 1; x >= 0; x--, rows += BLOCK) {
                const long tap = (w->first[0] + y * w->step[0]) * w->kernel[1] + w->first[1] + x * w->step[1];
                memcpy(rows, columns + tap * BLOCK, BLOCK * sizeof(float));
            }
    }
}
#endif
