/* Gradient of a convolution's weights over blocked activations, for one CPU level (float32).
 *
 *     dw[f, c, ky, kx] = sum over images, rows, columns of dy[f, row, col] * x[c, row * stride + ky * dilate - pad, ...]
 *
 * A tile holds up to WEIGHT_MC channels x WEIGHT_MB blocks of filters of one tap in registers while the positions of some
 * rows pass: for every position the vectors of dy are loaded once and multiplied with one broadcast number of each channel.
 * Positions whose x lies outside the image are left out by the bounds of the loops, so nothing is padded or copied.
 *
 * The batch is cut in chunks, a number that depends on the sizes alone. A chunk has its own sums, which are added in order
 * at the end: teams of any size give the same bits. Sums are laid out (filter block, channel, tap, 16 filters). Where the sums
 * of all filters would take too much memory, slices of filter blocks are done one after the other.
 */
#ifndef CYEXEC_BLOCKED_WEIGHT_H
#define CYEXEC_BLOCKED_WEIGHT_H
#include "blocked.h"

/* Accumulators + vectors of dy + a broadcast fit the register file. */
#if defined(__AVX512F__)
#define WEIGHT_MC 8
#define WEIGHT_MB 2
#elif defined(__AVX2__)
#define WEIGHT_MC 6
#define WEIGHT_MB 1
#else
#define WEIGHT_MC 2
#define WEIGHT_MB 1
#endif
#define WEIGHT_ROWS 24576 /* bytes of x that the taps of a tile pass over before the next rows: half of a first-level cache */

typedef struct {
    blocked_shape s;
    int plain;       /* layout of x */
    long chunks;
    long slice;      /* filter blocks whose sums are in memory at a time */
} weight_plan;

typedef struct {
    const float *x, *dy;
    long x_channel, x_col, x_row; /* steps, in elements */
    long dy_block, dy_row;
    long rows, cols;
    float *sums;
    long sums_channel, sums_block;
} weight_call;

BLOCKED_INLINE void weight_tile(const int channels, const int blocks, const int plain, const weight_call *t) {
    const int vectors = blocks * BLOCKED_NV;
    const long x_channel = plain ? t->x_channel : 1;
    blocked_vec acc[WEIGHT_MC][WEIGHT_MB * BLOCKED_NV];
#define WEIGHT_SUM(c, v) (t->sums + (c) * t->sums_channel + (v) / BLOCKED_NV * t->sums_block + (v) % BLOCKED_NV * BLOCKED_VL)
#pragma GCC unroll 8
    for (int c = 0; c < channels; c++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) acc[c][v] = blocked_load(WEIGHT_SUM(c, v));
    for (long row = 0; row < t->rows; row++) {
        const float *x = t->x + row * t->x_row, *dy = t->dy + row * t->dy_row;
        for (long i = 0; i < t->cols; i++, x += t->x_col, dy += BLOCK) {
            blocked_vec g[WEIGHT_MB * BLOCKED_NV];
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                g[v] = blocked_load(dy + v / BLOCKED_NV * t->dy_block + v % BLOCKED_NV * BLOCKED_VL);
#pragma GCC unroll 8
            for (int c = 0; c < channels; c++) {
                const float b = x[c * x_channel];
#pragma GCC unroll 8
                for (int v = 0; v < vectors; v++) acc[c][v] += b * g[v];
            }
        }
    }
#pragma GCC unroll 8
    for (int c = 0; c < channels; c++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) blocked_store(WEIGHT_SUM(c, v), acc[c][v]);
}

/* One function for each size of tile, as in blocked.h. */
typedef void (*weight_tile_function)(const weight_call *t);
#define WEIGHT_FUNCTION(C, B, P) \
    static __attribute__((noinline)) void weight_tile_##C##_##B##_##P(const weight_call *t) { weight_tile(C, B, P, t); }
#if WEIGHT_MB == 2
#define WEIGHT_SIZE(C) WEIGHT_FUNCTION(C, 1, 0) WEIGHT_FUNCTION(C, 2, 0) WEIGHT_FUNCTION(C, 1, 1) WEIGHT_FUNCTION(C, 2, 1)
#define WEIGHT_ENTRY(C) {{weight_tile_##C##_1_0, weight_tile_##C##_2_0}, {weight_tile_##C##_1_1, weight_tile_##C##_2_1}},
#else
#define WEIGHT_SIZE(C) WEIGHT_FUNCTION(C, 1, 0) WEIGHT_FUNCTION(C, 1, 1)
#define WEIGHT_ENTRY(C) {{weight_tile_##C##_1_0}, {weight_tile_##C##_1_1}},
#endif
#if WEIGHT_MC == 8
#define WEIGHT_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#elif WEIGHT_MC == 6
#define WEIGHT_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6)
#else
#define WEIGHT_SIZES(F) F(1) F(2)
#endif
WEIGHT_SIZES(WEIGHT_SIZE)
static const weight_tile_function weight_tiles[WEIGHT_MC][2][WEIGHT_MB] = {WEIGHT_SIZES(WEIGHT_ENTRY)};

BLOCKED_INLINE long weight_taps(const blocked_shape *s) { return s->kernel[0] * s->kernel[1]; }
BLOCKED_INLINE long weight_filter_blocks(const blocked_shape *s) { return blocked_ceil(s->filters, BLOCK); }
BLOCKED_INLINE int weight_is_depthwise(const blocked_shape *s) { return s->groups > 1 && s->groups == s->channels; }

/* Elements of the sums of a filter block. */
BLOCKED_INLINE long weight_block_size(const blocked_shape *s) { return BLOCK * (s->channels / s->groups) * weight_taps(s); }

/* Elements of the sums of one chunk. */
static long weight_sums_size(const weight_plan *p) { return p->slice * weight_block_size(&p->s); }

/* Add to `sums` of filter blocks f0 to f1 (of one group) what the rows r0 to r1 of an image give for one tap. */
static void weight_rows(const weight_plan *p, const float *x, const float *dy, float *sums, long f0, long f1, long r0,
                        long r1, long ky, long kx) {
    const blocked_shape *s = &p->s;
    const long taps = weight_taps(s), channels = s->channels / s->groups, in = s->in[0] * s->in[1];
    const long out = s->out[0] * s->out[1] * BLOCK, pixel = p->plain ? 1 : BLOCK;
    const long group = f0 * BLOCK / (s->filters / s->groups);
    const long y_base = ky * s->dilate[0] - s->pad[0], x_base = kx * s->dilate[1] - s->pad[1];
    long top, bottom, left, right;
    blocked_valid(s->out[0], s->stride[0], y_base, s->in[0], &top, &bottom);
    blocked_valid(s->out[1], s->stride[1], x_base, s->in[1], &left, &right);
    top = blocked_max(top, r0), bottom = blocked_min(bottom, r1);
    if (top >= bottom || left >= right) return;
    const float *corner = x + ((top * s->stride[0] + y_base) * s->in[1] + left * s->stride[1] + x_base) * pixel;
    weight_call call;
    call.x_channel = in;
    call.x_col = s->stride[1] * pixel;
    call.x_row = s->stride[0] * s->in[1] * pixel;
    call.dy_block = out;
    call.dy_row = s->out[1] * BLOCK;
    call.rows = bottom - top, call.cols = right - left;
    call.sums_channel = taps * BLOCK;
    call.sums_block = channels * taps * BLOCK;
    for (long f = f0; f < f1; f += WEIGHT_MB) {
        const long blocks = blocked_min(WEIGHT_MB, f1 - f);
        call.dy = dy + f * out + (top * s->out[1] + left) * BLOCK;
        for (long c = 0; c < channels;) {
            const long in_block = p->plain ? channels - c : blocked_min(BLOCK - c % BLOCK, channels - c);
            const long count = blocked_min(WEIGHT_MC, in_block), at = group * channels + c;
            call.x = corner + (p->plain ? at * in : at / BLOCK * in * BLOCK + at % BLOCK);
            call.sums = sums + (((f - f0) * channels + c) * taps + ky * s->kernel[1] + kx) * BLOCK;
            weight_tiles[count - 1][p->plain][blocks - 1](&call);
            c += count;
        }
    }
}

/* The same for one block where every channel has a filter of its own: products of vectors. Filter blocks are channel blocks. */
static void weight_rows_depthwise(const weight_plan *p, const float *x, const float *dy, float *sums, long f, long r0,
                                  long r1, long ky, long kx) {
    const blocked_shape *s = &p->s;
    const long y_base = ky * s->dilate[0] - s->pad[0], x_base = kx * s->dilate[1] - s->pad[1], step = s->stride[1] * BLOCK;
    float *to = sums + (ky * s->kernel[1] + kx) * BLOCK;
    long top, bottom, left, right;
    blocked_valid(s->out[0], s->stride[0], y_base, s->in[0], &top, &bottom);
    blocked_valid(s->out[1], s->stride[1], x_base, s->in[1], &left, &right);
    top = blocked_max(top, r0), bottom = blocked_min(bottom, r1);
    for (long v = 0; v < BLOCK; v += BLOCKED_VL) {
        blocked_vec acc[4] = {{0}};
        acc[0] = blocked_load(to + v);
        for (long row = top; row < bottom; row++) {
            const float *a = x + ((f * s->in[0] + row * s->stride[0] + y_base) * s->in[1] + x_base) * BLOCK + v;
            const float *g = dy + (f * s->out[0] + row) * s->out[1] * BLOCK + v;
            long i = left;
            for (; i + 4 <= right; i += 4)
#pragma GCC unroll 4
                for (long u = 0; u < 4; u++) acc[u] += blocked_load(a + (i + u) * step) * blocked_load(g + (i + u) * BLOCK);
            for (; i < right; i++) acc[0] += blocked_load(a + i * step) * blocked_load(g + i * BLOCK);
        }
        blocked_store(to + v, (acc[0] + acc[1]) + (acc[2] + acc[3]));
    }
}

/* `sums` of one chunk of images for filter blocks f0 to f1. */
static void weight_chunk(const weight_plan *p, const float *x, const float *dy, float *sums, long chunk, long f0, long f1) {
    const blocked_shape *s = &p->s;
    const long filters = weight_filter_blocks(s), channels = s->channels / s->groups, size = weight_block_size(s);
    const long x_image = (p->plain ? s->channels : blocked_ceil(s->channels, BLOCK) * BLOCK) * s->in[0] * s->in[1];
    const long dy_image = filters * BLOCK * s->out[0] * s->out[1];
    const long line = s->stride[0] * s->in[1] * (p->plain ? channels : BLOCK) * (long)sizeof(float);
    const long rows = blocked_max(1, WEIGHT_ROWS / line);
    long n0, n1;
    blocked_share(chunk, p->chunks, s->batch, &n0, &n1);
    memset(sums, 0, (f1 - f0) * size * sizeof(float));
    for (long n = n0; n < n1; n++)
        for (long f = f0; f < f1; f += WEIGHT_MB)
            for (long r = 0; r < s->out[0]; r += rows) {
                const long r1 = blocked_min(r + rows, s->out[0]), end = blocked_min(f + WEIGHT_MB, f1);
                for (long ky = 0; ky < s->kernel[0]; ky++)
                    for (long kx = 0; kx < s->kernel[1]; kx++) {
                        if (weight_is_depthwise(s)) {
                            for (long b = f; b < end; b++)
                                weight_rows_depthwise(p, x + n * x_image, dy + n * dy_image, sums + (b - f0) * size, b, r, r1,
                                                      ky, kx);
                        } else {
                            weight_rows(p, x + n * x_image, dy + n * dy_image, sums + (f - f0) * size, f, end, r, r1, ky,
                                        kx);
                        }
                    }
            }
}

/* dw of filters f0 to f1 from the sums of all chunks, of filter blocks from `first` on. */
static void weight_collect(const weight_plan *p, const float *sums, float *dw, long first, long f0, long f1) {
    const blocked_shape *s = &p->s;
    const long depth = s->channels / s->groups * weight_taps(s), size = weight_sums_size(p);
    for (long f = f0; f < f1; f++) {
        const float *from = sums + (f / BLOCK - first) * depth * BLOCK + f % BLOCK;
        float *to = dw + f * depth;
        for (long k = 0; k < depth; k++) to[k] = from[k * BLOCK];
        for (long chunk = 1; chunk < p->chunks; chunk++) {
            from += size;
            for (long k = 0; k < depth; k++) to[k] += from[k * BLOCK];
        }
    }
}

/* A team's work on filter blocks b0 to b1: parts are (chunk, pair of filter blocks); then filters. */
static void weight_slice(const weight_plan *p, const float *x, const float *dy, float *dw, float *sums, long b0, long b1,
                         const blocked_team *team) {
    const blocked_shape *s = &p->s;
    const long width = s->groups > 1 ? 1 : WEIGHT_MB; /* a pair of blocks must not lie in two groups */
    const long pairs = blocked_ceil(b1 - b0, width), size = weight_block_size(s), all = weight_sums_size(p);
    long u0, u1;
    blocked_share(team->rank, team->size, p->chunks * pairs, &u0, &u1);
    while (u0 < u1) {
        const long chunk = u0 / pairs, first = u0 % pairs * width, count = blocked_min(u1 - u0, pairs - u0 % pairs);
        const long end = blocked_min(b0 + first + count * width, b1);
        float *const of_chunk = sums + chunk * all;
        if (s->groups > 1)
            for (long f = b0 + first; f < end; f++) weight_chunk(p, x, dy, of_chunk + (f - b0) * size, chunk, f, f + 1);
        else
            weight_chunk(p, x, dy, of_chunk + first * size, chunk, b0 + first, end);
        u0 += count;
    }
    blocked_sync(team);
    blocked_share(team->rank, team->size, blocked_min(b1 * BLOCK, s->filters) - b0 * BLOCK, &u0, &u1);
    weight_collect(p, sums, dw, b0, b0 * BLOCK + u0, b0 * BLOCK + u1);
}

static void weight_run(const weight_plan *p, const float *x, const float *dy, float *dw, float *sums, const blocked_team *team) {
    const long filters = weight_filter_blocks(&p->s);
    for (long b = 0; b < filters; b += p->slice) {
        if (b) blocked_sync(team);
        weight_slice(p, x, dy, dw, sums, b, blocked_min(b + p->slice, filters), team);
    }
}

/* Sums of every lane of a plane of n positions, in float over pieces of 256 positions, in double over pieces. */
static void weight_plane_sums(const float *dy, long n, double *out) {
    for (long i = 0; i < BLOCK; i++) out[i] = 0;
    for (long at = 0; at < n; at += 256) {
        const long end = blocked_min(at + 256, n);
        float part[BLOCK];
        for (long v = 0; v < BLOCK; v += BLOCKED_VL) {
            blocked_vec a = {0}, b = {0};
            long i = at;
            for (; i + 2 <= end; i += 2) a += blocked_load(dy + i * BLOCK + v), b += blocked_load(dy + (i + 1) * BLOCK + v);
            if (i < end) a += blocked_load(dy + i * BLOCK + v);
            blocked_store(part + v, a + b);
        }
        for (long i = 0; i < BLOCK; i++) out[i] += part[i];
    }
}
#endif
