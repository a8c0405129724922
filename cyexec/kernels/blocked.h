/* Convolution tiles over blocked activations, for one CPU level (float32).
 *
 * Activations are stored in blocks of 16 channels: (batch, ceil(C / 16), height, width, 16), at every level, so that a
 * plan does not depend on the machine. Lanes beyond C in the last block are never read as channels; what is written
 * there is finite. Packed weights are (ceil(F / 16), K, 16): filters in the lanes, k = (channel block, tap, channel).
 *
 *              filters (16 a block, BLOCKED_NV vectors)
 *           +-------------+-------------+
 *   pixels  | accumulators|             |    a tile: up to BLOCKED_MP pixels x BLOCKED_MB blocks, in registers
 *           +-------------+-------------+    while k runs; k is cut in runs of channels of one block and tap,
 *                                            `offsets` says where each run begins for pixel 0
 *
 * For every channel the vectors of weights are loaded once and multiplied with one broadcast number of each pixel. All
 * products of an output are added in the order of k, whatever the tile: sizes of tiles, blocks and teams change no bit.
 */
#ifndef CYEXEC_BLOCKED_H
#define CYEXEC_BLOCKED_H
#include <string.h>
#include <math.h>
#include "team.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BLOCK 16 /* channels; the width of a 512-bit vector of floats */

/* Accumulators + weights + a broadcast fill the register file: 32 of 64 bytes, 16 of 32, 16 of 16. */
#if defined(__AVX512F__)
#define BLOCKED_BYTES 64
#define BLOCKED_MP 14
#define BLOCKED_MB 2
#elif defined(__AVX2__)
#define BLOCKED_BYTES 32
#define BLOCKED_MP 6
#define BLOCKED_MB 1
#else
#define BLOCKED_BYTES 16
#define BLOCKED_MP 2 /* without fused multiply-add a product needs a register of its own */
#define BLOCKED_MB 1
#endif
#define BLOCKED_VL (BLOCKED_BYTES / 4)
#define BLOCKED_NV (BLOCK / BLOCKED_VL) /* vectors of a block */
#define BLOCKED_MV (BLOCKED_MB * BLOCKED_NV)

typedef float blocked_vec __attribute__((vector_size(BLOCKED_BYTES)));
typedef int blocked_mask __attribute__((vector_size(BLOCKED_BYTES)));
typedef float blocked_loose __attribute__((vector_size(BLOCKED_BYTES), aligned(4), may_alias));
#define BLOCKED_INLINE static inline __attribute__((always_inline))

BLOCKED_INLINE blocked_vec blocked_load(const float *p) { return *(const blocked_loose *)p; }
BLOCKED_INLINE void blocked_store(float *p, blocked_vec v) { *(blocked_loose *)p = v; }
BLOCKED_INLINE blocked_vec blocked_splat(float x) { return x - (blocked_vec){0}; }
BLOCKED_INLINE long blocked_min(long a, long b) { return a < b ? a : b; }
BLOCKED_INLINE long blocked_max(long a, long b) { return a > b ? a : b; }
BLOCKED_INLINE long blocked_ceil(long a, long b) { return (a + b - 1) / b; }

/* a where the mask is set, else b. */
BLOCKED_INLINE blocked_vec blocked_select(blocked_mask m, blocked_vec a, blocked_vec b) {
    return (blocked_vec)((m & (blocked_mask)a) | (~m & (blocked_mask)b));
}
/* The larger (smaller) of a bound and v; v where it is NaN, as in the elementwise kernels. */
BLOCKED_INLINE blocked_vec blocked_at_least(blocked_vec bound, blocked_vec v) {
#if defined(__AVX512F__)
    return (blocked_vec)_mm512_max_ps((__m512)bound, (__m512)v);
#elif defined(__AVX2__)
    return (blocked_vec)_mm256_max_ps((__m256)bound, (__m256)v);
#elif defined(__x86_64__)
    return (blocked_vec)_mm_max_ps((__m128)bound, (__m128)v);
#else
    return blocked_select(bound > v, bound, v);
#endif
}
BLOCKED_INLINE blocked_vec blocked_at_most(blocked_vec bound, blocked_vec v) {
#if defined(__AVX512F__)
    return (blocked_vec)_mm512_min_ps((__m512)bound, (__m512)v);
#elif defined(__AVX2__)
    return (blocked_vec)_mm256_min_ps((__m256)bound, (__m256)v);
#elif defined(__x86_64__)
    return (blocked_vec)_mm_min_ps((__m128)bound, (__m128)v);
#else
    return blocked_select(bound < v, bound, v);
#endif
}

/* ---- squares ---- */

#define BLOCKED_LO(j, d) ((j) & (d) ? BLOCKED_VL + (j) - (d) : (j))
#define BLOCKED_HI(j, d) ((j) & (d) ? BLOCKED_VL + (j) : (j) + (d))
#if BLOCKED_VL == 16
#define BLOCKED_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d), F(8, d), \
    F(9, d), F(10, d), F(11, d), F(12, d), F(13, d), F(14, d), F(15, d)}
#elif BLOCKED_VL == 8
#define BLOCKED_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d)}
#else
#define BLOCKED_MASK(F, d) (blocked_mask){F(0, d), F(1, d), F(2, d), F(3, d)}
#endif
/* Exchange the off-diagonal d x d blocks of every 2d x 2d block. */
#define BLOCKED_STAGE(d)                                                    \
    _Pragma("GCC unroll 16") for (int i = 0; i < BLOCKED_VL; i++) {      \
        if (!(i & (d))) {                                                \
            blocked_vec a = r[i], b = r[i + (d)];                        \
            r[i] = __builtin_shuffle(a, b, BLOCKED_MASK(BLOCKED_LO, d));       \
            r[i + (d)] = __builtin_shuffle(a, b, BLOCKED_MASK(BLOCKED_HI, d)); \
        }                                                                \
    }

/* to[i * to_step + j] = from[j * from_step + i] for a square of one vector a side. */
BLOCKED_INLINE void blocked_square(const float *from, long from_step, float *to, long to_step) {
    blocked_vec r[BLOCKED_VL];
#pragma GCC unroll 16
    for (int i = 0; i < BLOCKED_VL; i++) r[i] = blocked_load(from + i * from_step);
#if BLOCKED_VL >= 16
    BLOCKED_STAGE(8)
#endif
#if BLOCKED_VL >= 8
    BLOCKED_STAGE(4)
#endif
    BLOCKED_STAGE(2)
    BLOCKED_STAGE(1)
#pragma GCC unroll 16
    for (int i = 0; i < BLOCKED_VL; i++) blocked_store(to + i * to_step, r[i]);
}

/* ---- geometry ---- */

typedef struct {
    long batch, channels, filters, groups; /* groups > 1: channels and filters of a group are multiples of BLOCK */
    long in[2], kernel[2], stride[2], dilate[2], pad[2], out[2]; /* (y, x) */
} blocked_shape;

/* Positions [*lo, *hi) of range(n) whose input position * stride + base lies in range(extent). */
BLOCKED_INLINE void blocked_valid(long n, long stride, long base, long extent, long *lo, long *hi) {
    const long first = base >= 0 ? 0 : blocked_ceil(-base, stride);
    const long stop = extent > base ? blocked_ceil(extent - base, stride) : 0;
    *lo = blocked_min(first, n);
    *hi = blocked_max(*lo, blocked_min(stop, n));
}

/* ---- teams ---- */

typedef struct {
    int rank, size;
    cyexec_barrier *barrier;
} blocked_team;

BLOCKED_INLINE void blocked_sync(const blocked_team *t) {
    if (t->size > 1) cyexec_barrier_wait(t->barrier, t->size);
}

/* Part of range(n) of member `rank` of `size`. */
BLOCKED_INLINE void blocked_share(long rank, long size, long n, long *start, long *stop) {
    *start = n * rank / size;
    *stop = n * (rank + 1) / size;
}

/* ---- the epilogue: v = act1(sum + bias); v = act2(v + residual) ---- */

enum { BLOCKED_NONE, BLOCKED_CLIP, BLOCKED_SLOPE };

typedef struct {
    int kind;            /* NONE; CLIP to [lo, hi] (relu: 0 to infinity); SLOPE: v > 0 ? v : v * slope */
    float lo, hi, slope;
    const float *slopes; /* one for each filter, or NULL: `slope` for all */
} blocked_act;

typedef struct {
    const float *bias; /* one for each filter, or NULL */
    blocked_act act1, act2;
} blocked_epilogue;

/* The epilogue's numbers for the filters of one tile; lanes that are no filters hold zeros. */
typedef struct {
    float bias[BLOCKED_MB * BLOCK], slope1[BLOCKED_MB * BLOCK], slope2[BLOCKED_MB * BLOCK];
    blocked_act act1, act2;
} blocked_lanes;

BLOCKED_INLINE void blocked_fill_slopes(const blocked_act *a, long f0, long count, float *slopes) {
    for (long i = 0; i < BLOCKED_MB * BLOCK; i++) slopes[i] = i >= count ? 0 : a->slopes ? a->slopes[f0 + i] : a->slope;
}

/* Make `lanes` ready for the filters from f0 on; `filters`: how many there are in all. */
static void blocked_set_lanes(blocked_lanes *lanes, const blocked_epilogue *e, long f0, long filters) {
    const long count = blocked_min(BLOCKED_MB * BLOCK, filters - f0);
    for (long i = 0; i < BLOCKED_MB * BLOCK; i++) lanes->bias[i] = e->bias && i < count ? e->bias[f0 + i] : 0;
    lanes->act1 = e->act1;
    lanes->act2 = e->act2;
    if (e->act1.kind == BLOCKED_SLOPE) blocked_fill_slopes(&e->act1, f0, count, lanes->slope1);
    if (e->act2.kind == BLOCKED_SLOPE) blocked_fill_slopes(&e->act2, f0, count, lanes->slope2);
}

/* acc[i][v], i < pixels, v < vectors, through an activation. */
#define BLOCKED_ACT(A, SLOPES)                                                                              \
    if ((A).kind == BLOCKED_CLIP) {                                                                         \
        const blocked_vec lo = blocked_splat((A).lo), hi = blocked_splat((A).hi);                           \
        _Pragma("GCC unroll 16") for (int i = 0; i < pixels; i++)                                           \
            _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++)                                       \
                acc[i][v] = blocked_at_most(hi, blocked_at_least(lo, acc[i][v]));                           \
    } else if ((A).kind == BLOCKED_SLOPE) {                                                                 \
        _Pragma("GCC unroll 16") for (int i = 0; i < pixels; i++)                                           \
            _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++)                                       \
                acc[i][v] = blocked_select(acc[i][v] > 0, acc[i][v],                                        \
                                           acc[i][v] * blocked_load((SLOPES) + v * BLOCKED_VL));            \
    }

/* ---- the register block ---- */

typedef struct {
    const float *x;        /* pixel 0 */
    const long *offsets;   /* of the runs of channels, in elements */
    long runs, tails;      /* runs of 16 channels, then runs of `tail` channels */
    long tail;
    const float *w;
    long w_step;           /* from one block of filters to the next */
    float *y;
    long y_step;
    const float *residual; /* laid out as y, or NULL */
    float *partial;        /* sums of the k before and after this call, where it is cut */
    int first, last;       /* this call begins (ends) the sums */
    const blocked_lanes *lanes;
    const float *ahead;    /* weights that are needed next: for each run so many lines of a cache are fetched, */
    long ahead_lines;      /* of every block of filters (w_step apart) */
} blocked_call;

/* `pixels` x `blocks` of outputs; the pixels lie `step` elements apart. */
BLOCKED_INLINE void blocked_tile(const int pixels, const int blocks, const int step, const blocked_call *t) {
    const int vectors = blocks * BLOCKED_NV;
    blocked_vec acc[BLOCKED_MP][BLOCKED_MV];
    const float *w = t->w;
    const long w_step = t->w_step;
    const long *offsets = t->offsets;
    const float *ahead = t->ahead;
    if (t->first) {
#pragma GCC unroll 16
        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) acc[i][v] = (blocked_vec){0};
    } else {
#pragma GCC unroll 16
        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) acc[i][v] = blocked_load(t->partial + (i * vectors + v) * BLOCKED_VL);
    }
#define BLOCKED_CHANNEL(x, c)                                                                                        \
    {                                                                                                                \
        blocked_vec wv[BLOCKED_MV];                                                                                  \
        _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++)                                                    \
            wv[v] = blocked_load(w + (v / BLOCKED_NV) * w_step + (c)*BLOCK + v % BLOCKED_NV * BLOCKED_VL);            \
        _Pragma("GCC unroll 16") for (int i = 0; i < pixels; i++) {                                                  \
            const float b = (x)[i * step + (c)];                                                                     \
            _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) acc[i][v] += b * wv[v];                        \
        }                                                                                                            \
    }
    if (step == BLOCK) {
        for (long r = t->runs; r > 0; r--) {
            const float *x = t->x + *offsets++;
            for (long j = t->ahead_lines; j > 0; j--, ahead += BLOCK) {
                __builtin_prefetch(ahead, 0, 2);
                if (blocks > 1) __builtin_prefetch(ahead + w_step, 0, 2);
            }
            for (int q = 0; q < BLOCK / 4; q++) {
                BLOCKED_CHANNEL(x, 0)
                BLOCKED_CHANNEL(x, 1)
                BLOCKED_CHANNEL(x, 2)
                BLOCKED_CHANNEL(x, 3)
                x += 4;
                w += 4 * BLOCK;
            }
        }
        for (long r = t->tails; r > 0; r--) {
            const float *x = t->x + *offsets++;
            for (long c = t->tail; c > 0; c--) {
                BLOCKED_CHANNEL(x, 0)
                x++;
                w += BLOCK;
            }
        }
    } else {
        for (long r = t->tails; r > 0; r--) {
            const float *x = t->x + *offsets++;
            BLOCKED_CHANNEL(x, 0)
            w += BLOCK;
        }
    }
    if (!t->last) {
#pragma GCC unroll 16
        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) blocked_store(t->partial + (i * vectors + v) * BLOCKED_VL, acc[i][v]);
        return;
    }
    const blocked_lanes *lanes = t->lanes;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const blocked_vec bias = blocked_load(lanes->bias + v * BLOCKED_VL);
#pragma GCC unroll 16
        for (int i = 0; i < pixels; i++) acc[i][v] += bias;
    }
    BLOCKED_ACT(lanes->act1, lanes->slope1)
    if (t->residual) {
#pragma GCC unroll 16
        for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                acc[i][v] += blocked_load(t->residual + (v / BLOCKED_NV) * t->y_step + i * BLOCK +
                                          v % BLOCKED_NV * BLOCKED_VL);
        BLOCKED_ACT(lanes->act2, lanes->slope2)
    }
#pragma GCC unroll 16
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            blocked_store(t->y + (v / BLOCKED_NV) * t->y_step + i * BLOCK + v % BLOCKED_NV * BLOCKED_VL, acc[i][v]);
}

typedef void (*blocked_tile_function)(const blocked_call *t);

/* One function for each size of tile: a single function with all of them takes GCC several times as long. Pixels lie 16
 * elements apart in blocked images, 1 apart in plain ones. */
#define BLOCKED_FUNCTION(P, B, S) \
    static __attribute__((noinline)) void blocked_tile_##P##_##B##_##S(const blocked_call *t) { blocked_tile(P, B, S, t); }
#if BLOCKED_MB == 2
#define BLOCKED_SIZE(P) \
    BLOCKED_FUNCTION(P, 1, 1) BLOCKED_FUNCTION(P, 2, 1) BLOCKED_FUNCTION(P, 1, 16) BLOCKED_FUNCTION(P, 2, 16)
#define BLOCKED_ENTRY(P)                                       \
    {{blocked_tile_##P##_1_1, blocked_tile_##P##_2_1}, {blocked_tile_##P##_1_16, blocked_tile_##P##_2_16}},
#else
#define BLOCKED_SIZE(P) BLOCKED_FUNCTION(P, 1, 1) BLOCKED_FUNCTION(P, 1, 16)
#define BLOCKED_ENTRY(P) {{blocked_tile_##P##_1_1}, {blocked_tile_##P##_1_16}},
#endif
#if BLOCKED_MP == 14
#define BLOCKED_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#elif BLOCKED_MP == 6
#define BLOCKED_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6)
#else
#define BLOCKED_SIZES(F) F(1) F(2)
#endif
BLOCKED_SIZES(BLOCKED_SIZE)
/* [pixels - 1][blocked image][blocks - 1] */
static const blocked_tile_function blocked_tiles[BLOCKED_MP][2][BLOCKED_MB] = {BLOCKED_SIZES(BLOCKED_ENTRY)};

BLOCKED_INLINE void blocked_run_tile(long pixels, long blocks, int blocked, const blocked_call *t) {
    blocked_tiles[pixels - 1][blocked][blocks - 1](t);
}
#endif
