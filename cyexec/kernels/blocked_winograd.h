/* Convolution of 3x3 kernels, stride 1, by Winograd's minimal filtering (Winograd 1980; Lavin and Gray, CVPR 2016), for
 * blocked images (blocked.h) and one CPU level (float32).
 *
 *     patch d  (m + 2)^2, every m pixels       V = B^T d B      a matrix for each of the (m + 2)^2 points: patches x channels
 *     filter g  3 x 3                          U = G g G^T      packed once
 *                                              M = V U          by the tiles of blocked.h
 *     output    m x m                          Y = A^T M A      and the epilogue
 *
 * (m + 2)^2 products give m^2 outputs, for which a plain loop needs 9 m^2: a quarter for m = 4, 4/9 for m = 2.
 *
 * The points of m = 4 are 0, +-5/8, +-3/2 and infinity. With them a sum is off by twice what a plain loop is off by (rms),
 * with the customary 0, +-1, +-2 by 4.7 times, worst cases by 15 (measured over 128 channels of normal numbers after a relu);
 * all constants of the transforms are exact. Pairs of opposite points halve the work: even and odd parts are shared.
 *
 * Patches are taken in blocks of WINOGRAD_PATCHES. The team transforms some of these (`together`) into V, meets, and
 * divides what is left to do by blocks of patches or by filters; M belongs to a thread and holds two filter blocks.
 */
#ifndef CYEXEC_BLOCKED_WINOGRAD_H
#define CYEXEC_BLOCKED_WINOGRAD_H
#include "blocked_direct.h"

#define WINOGRAD_PATCHES 14 /* at most: the pixels of the largest tile of any level; the same at all, for plans are */
#define WINOGRAD_FILTERS 2  /* filter blocks that M has room for */
#define WINOGRAD_POINTS 36  /* at most */

typedef struct {
    blocked_shape s;
    long m;               /* 4 or 2 */
    long across, down;    /* patches of an image */
    long blocks;          /* of patches, of all images */
    long width;           /* patches of the largest block */
    long together;        /* of these in V at a time */
    long chunk;           /* of these in M */
    long slots;           /* threads that have an M */
    long *offsets;        /* of channel blocks in V */
    long x_batch, y_batch;
} winograd_plan;

typedef struct {
    const float *x, *w, *residual;
    float *y, *v, *m; /* m: of thread 0 */
    const blocked_input *input;
    const blocked_epilogue *epilogue;
} winograd_operands;

BLOCKED_INLINE long winograd_points(const winograd_plan *p) { return (p->m + 2) * (p->m + 2); }
/* Elements of V for one block of patches: [point][channel block][patch][16]. */
BLOCKED_INLINE long winograd_v_block(const winograd_plan *p) {
    return winograd_points(p) * blocked_ceil(p->s.channels, BLOCK) * p->width * BLOCK;
}
BLOCKED_INLINE long winograd_v_size(const winograd_plan *p) { return p->together * winograd_v_block(p); }
/* Elements of one thread's M: [point][patch][filter block][16]. */
BLOCKED_INLINE long winograd_m_size(const winograd_plan *p) {
    return winograd_points(p) * p->chunk * p->width * WINOGRAD_FILTERS * BLOCK;
}
BLOCKED_INLINE long winograd_patches(const winograd_plan *p) { return p->s.batch * p->across * p->down; }
/* First patch of a block. Blocks are as even as can be. */
BLOCKED_INLINE long winograd_first(const winograd_plan *p, long block) {
    return winograd_patches(p) * block / p->blocks;
}

static void winograd_measure(winograd_plan *p) {
    p->down = blocked_ceil(p->s.out[0], p->m);
    p->across = blocked_ceil(p->s.out[1], p->m);
    p->blocks = blocked_ceil(winograd_patches(p), WINOGRAD_PATCHES);
    p->width = p->blocks ? blocked_ceil(winograd_patches(p), p->blocks) : 1;
}

static void winograd_fill_offsets(winograd_plan *p) {
    for (long c = 0; c < blocked_ceil(p->s.channels, BLOCK); c++) p->offsets[c] = c * p->width * BLOCK;
}

/* ---- transforms in one dimension ---- */

#define WINOGRAD_A 0.625f
#define WINOGRAD_B 1.5f
#define WINOGRAD_A2 (WINOGRAD_A * WINOGRAD_A)
#define WINOGRAD_B2 (WINOGRAD_B * WINOGRAD_B)

/* to = B^T from: values of the patch's polynomial at the points, times the other points' factors. */
BLOCKED_INLINE void winograd_input(const int m, const blocked_vec *d, blocked_vec *to) {
    if (m == 4) {
        const blocked_vec even_a = d[4] - WINOGRAD_B2 * d[2], odd_a = d[3] - WINOGRAD_B2 * d[1];
        const blocked_vec even_b = d[4] - WINOGRAD_A2 * d[2], odd_b = d[3] - WINOGRAD_A2 * d[1];
        to[0] = (d[4] - (WINOGRAD_A2 + WINOGRAD_B2) * d[2]) + WINOGRAD_A2 * WINOGRAD_B2 * d[0];
        to[1] = even_a + WINOGRAD_A * odd_a;
        to[2] = even_a - WINOGRAD_A * odd_a;
        to[3] = even_b + WINOGRAD_B * odd_b;
        to[4] = even_b - WINOGRAD_B * odd_b;
        to[5] = (d[5] - (WINOGRAD_A2 + WINOGRAD_B2) * d[3]) + WINOGRAD_A2 * WINOGRAD_B2 * d[1];
    } else { /* points 0, 1, -1, infinity */
        to[0] = d[0] - d[2];
        to[1] = d[2] + d[1];
        to[2] = d[2] - d[1];
        to[3] = d[3] - d[1];
    }
}

/* to = A^T from. */
BLOCKED_INLINE void winograd_output(const int m, const blocked_vec *v, blocked_vec *to) {
    const blocked_vec sum_a = v[1] + v[2], odd_a = v[1] - v[2];
    if (m == 4) {
        const blocked_vec sum_b = v[3] + v[4], odd_b = v[3] - v[4];
        to[0] = v[0] + sum_a + sum_b;
        to[1] = WINOGRAD_A * odd_a + WINOGRAD_B * odd_b;
        to[2] = WINOGRAD_A2 * sum_a + WINOGRAD_B2 * sum_b;
        to[3] = (WINOGRAD_A * WINOGRAD_A2 * odd_a + v[5]) + WINOGRAD_B * WINOGRAD_B2 * odd_b;
    } else {
        to[0] = v[0] + sum_a;
        to[1] = odd_a + v[3];
    }
}

/* Rows of G for a block of filters, in double: packing happens once. `g`, `to`: a number for each filter and tap (point). */
BLOCKED_INLINE void winograd_filter(const int m, const double g[3][BLOCK], double to[6][BLOCK]) {
    const double a = WINOGRAD_A, a2 = WINOGRAD_A2, b = WINOGRAD_B, b2 = WINOGRAD_B2; /* folded into the factors below */
    for (int l = 0; l < BLOCK; l++) {
        to[0][l] = m == 4 ? g[0][l] * (1 / (a2 * b2)) : g[0][l];
        to[m + 1][l] = g[2][l];
        if (m == 4) {
            const double even_a = (g[0][l] + a2 * g[2][l]) * (1 / (2 * a2 * (a2 - b2)));
            const double even_b = (g[0][l] + b2 * g[2][l]) * (1 / (2 * b2 * (b2 - a2)));
            const double odd_a = g[1][l] * (1 / (2 * a * (a2 - b2))), odd_b = g[1][l] * (1 / (2 * b * (b2 - a2)));
            to[1][l] = even_a + odd_a;
            to[2][l] = even_a - odd_a;
            to[3][l] = even_b + odd_b;
            to[4][l] = even_b - odd_b;
        } else {
            to[1][l] = (g[0][l] + g[2][l] + g[1][l]) / 2;
            to[2][l] = (g[0][l] + g[2][l] - g[1][l]) / 2;
        }
    }
}

/* ---- V ---- */

/* One patch, rows `pitch` elements apart, to V; the points are `step` elements apart there. */
BLOCKED_INLINE void winograd_transform(const int m, const float *x, long pitch, float *to, long step) {
    const int n = m + 2;
    for (int lane = 0; lane < BLOCK; lane += BLOCKED_VL) {
        blocked_vec half[6][6];
#pragma GCC unroll 6
        for (int j = 0; j < n; j++) {
            blocked_vec d[6], made[6];
#pragma GCC unroll 6
            for (int i = 0; i < n; i++) d[i] = blocked_load(x + i * pitch + j * BLOCK + lane);
            winograd_input(m, d, made);
#pragma GCC unroll 6
            for (int i = 0; i < n; i++) half[i][j] = made[i];
        }
#pragma GCC unroll 6
        for (int i = 0; i < n; i++) {
            blocked_vec made[6];
            winograd_input(m, half[i], made);
#pragma GCC unroll 6
            for (int j = 0; j < n; j++) blocked_store(to + (i * n + j) * step + lane, made[j]);
        }
    }
}

/* Channel block `c` of one block of patches to V. */
BLOCKED_INLINE void winograd_gather_block(const int m, const winograd_plan *p, const winograd_operands *o, long block,
                                          long c, float *v) {
    const blocked_shape *s = &p->s;
    const long n = m + 2, channel_blocks = blocked_ceil(s->channels, BLOCK), size = s->in[0] * s->in[1] * BLOCK;
    const long first = winograd_first(p, block), count = winograd_first(p, block + 1) - first;
    const long step = channel_blocks * p->width * BLOCK;
    float scale[BLOCK] = {0}, shift[BLOCK] = {0}, edge[WINOGRAD_POINTS * BLOCK];
    if (o->input->scale)
        for (long i = 0; i < blocked_min(BLOCK, s->channels - c * BLOCK); i++)
            scale[i] = o->input->scale[c * BLOCK + i], shift[i] = o->input->shift[c * BLOCK + i];
    for (long t = 0; t < count; t++) {
        const long patch = first + t, image = patch / (p->across * p->down);
        const long y = patch / p->across % p->down * m - s->pad[0], x = patch % p->across * m - s->pad[1];
        const float *plane = o->x + image * p->x_batch + c * size;
        float *to = v + (c * p->width + t) * BLOCK;
        if (y >= 0 && x >= 0 && y + n <= s->in[0] && x + n <= s->in[1] && !o->input->scale) {
            winograd_transform(m, plane + (y * s->in[1] + x) * BLOCK, s->in[1] * BLOCK, to, step);
            continue;
        }
        long lo, hi; /* a patch that crosses the edge, or is transformed on its way, is copied first */
        blocked_valid(n, 1, x, s->in[1], &lo, &hi);
        for (long i = 0; i < n; i++) {
            float *line = edge + i * n * BLOCK;
            const float *from = plane + ((y + i) * s->in[1] + x) * BLOCK;
            if (y + i < 0 || y + i >= s->in[0]) memset(line, 0, n * BLOCK * sizeof(float));
            else if (o->input->scale) direct_copy_line(line, from, n, lo, hi, 1, 1, scale, shift);
            else direct_copy_line(line, from, n, lo, hi, 1, 0, NULL, NULL);
        }
        winograd_transform(m, edge, n * BLOCK, to, step);
    }
}

static __attribute__((noinline)) void winograd_gather(const winograd_plan *p, const winograd_operands *o, long block,
                                                      long c, float *v) {
    if (p->m == 4) winograd_gather_block(4, p, o, block, c, v);
    else winograd_gather_block(2, p, o, block, c, v);
}

/* ---- outputs ---- */

/* One patch of one filter block: M at `from`, points `step` apart, to rows x cols pixels of y. */
BLOCKED_INLINE void winograd_finish(const int m, const float *from, long step, const blocked_lanes *lanes, long lane0,
                                    long rows, long cols, long pitch, const float *residual, float *y) {
    const int n = m + 2, pixels = m, vectors = 1;
    for (int lane = 0; lane < BLOCK; lane += BLOCKED_VL) {
        blocked_vec half[4][6];
#pragma GCC unroll 6
        for (int j = 0; j < n; j++) {
            blocked_vec v[6], made[4];
#pragma GCC unroll 6
            for (int i = 0; i < n; i++) v[i] = blocked_load(from + (i * n + j) * step + lane);
            winograd_output(m, v, made);
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) half[i][j] = made[i];
        }
        const blocked_vec bias = blocked_load(lanes->bias + lane0 + lane);
#pragma GCC unroll 4
        for (int r = 0; r < m; r++) {
            blocked_vec acc[4][1], made[4];
            if (r >= rows) break;
            winograd_output(m, half[r], made);
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) acc[i][0] = made[i] + bias;
            BLOCKED_ACT(lanes->act1, lanes->slope1 + lane0 + lane)
            if (residual) {
                for (int i = 0; i < cols; i++) acc[i][0] += blocked_load(residual + r * pitch + i * BLOCK + lane);
                BLOCKED_ACT(lanes->act2, lanes->slope2 + lane0 + lane)
            }
            if (cols == m) {
#pragma GCC unroll 4
                for (int i = 0; i < m; i++) blocked_store(y + r * pitch + i * BLOCK + lane, acc[i][0]);
            } else {
                for (int i = 0; i < cols; i++) blocked_store(y + r * pitch + i * BLOCK + lane, acc[i][0]);
            }
        }
    }
}

/* Patches first to stop, `blocks` filter blocks from `f` on; M begins at patch `first`. */
BLOCKED_INLINE void winograd_scatter_patches(const int m, const winograd_plan *p, const winograd_operands *o,
                                             const blocked_lanes *lanes, const float *made, long first, long stop,
                                             long f, long blocks) {
    const blocked_shape *s = &p->s;
    const long size = s->out[0] * s->out[1] * BLOCK, step = p->chunk * p->width * blocks * BLOCK;
    for (long b = 0; b < blocks; b++)
        for (long patch = first; patch < stop; patch++) {
            const long image = patch / (p->across * p->down);
            const long y = patch / p->across % p->down * m, x = patch % p->across * m;
            const long to = image * p->y_batch + (f + b) * size + (y * s->out[1] + x) * BLOCK;
            winograd_finish(m, made + ((patch - first) * blocks + b) * BLOCK, step, lanes, b * BLOCK,
                            blocked_min(m, s->out[0] - y), blocked_min(m, s->out[1] - x), s->out[1] * BLOCK,
                            o->residual ? o->residual + to : NULL, o->y + to);
        }
}

static __attribute__((noinline)) void winograd_scatter(const winograd_plan *p, const winograd_operands *o,
                                                       const blocked_lanes *lanes, const float *made, long first,
                                                       long stop, long f, long blocks) {
    if (p->m == 4) winograd_scatter_patches(4, p, o, lanes, made, first, stop, f, blocks);
    else winograd_scatter_patches(2, p, o, lanes, made, first, stop, f, blocks);
}

/* ---- the products ---- */

/* Patch blocks b0 to b1 (at most `chunk`) and `blocks` filter blocks from `f` on; V begins at patch block `base`. */
static void winograd_multiply(const winograd_plan *p, const winograd_operands *o, float *made, long base, long b0, long b1,
                              long f, long blocks) {
    const long channels = p->s.channels, channel_blocks = blocked_ceil(channels, BLOCK), points = winograd_points(p);
    const long start = winograd_first(p, b0);
    blocked_call call;
    blocked_lanes lanes;
    memset(&call, 0, sizeof call);
    call.offsets = p->offsets;
    call.runs = channels / BLOCK;
    call.tails = channels % BLOCK != 0;
    call.tail = channels % BLOCK;
    call.w_step = points * channels * BLOCK;
    call.first = 1;
    if (p->s.filters * channels * points > DIRECT_CACHED && channels >= BLOCK)
        call.ahead_lines = blocked_ceil(BLOCK, b1 - b0); /* the next point's */
    for (long point = 0; point < points; point++) {
        call.w = o->w + (f * points + point) * channels * BLOCK;
        for (long b = b0; b < b1; b++) {
            const long first = winograd_first(p, b), count = winograd_first(p, b + 1) - first;
            const long tiles = blocked_ceil(count, BLOCKED_MP);
            const float *v = o->v + (b - base) * winograd_v_block(p) +
                             point * channel_blocks * p->width * BLOCK;
            for (long t = 0; t < tiles; t++) {
                const long lo = count * t / tiles, n = count * (t + 1) / tiles - lo;
                call.x = v + lo * BLOCK;
                call.ahead = call.w + (channels + (b - b0) * call.runs * call.ahead_lines) * BLOCK;
                call.partial = made + (point * p->chunk * p->width + first - start + lo) * blocks * BLOCK;
                blocked_run_tile(n, blocks, 1, &call);
            }
        }
    }
    blocked_set_lanes(&lanes, o->epilogue, f * BLOCK, p->s.filters);
    winograd_scatter(p, o, &lanes, made, start, winograd_first(p, b1), f, blocks);
}

/* How many parts of the team divide the filters: see direct_split. */
static long winograd_split(const winograd_plan *p, long blocks, long size) {
    const long filters = blocked_ceil(blocked_ceil(p->s.filters, BLOCK), BLOCKED_MB);
    long best = 1, least = -1;
    for (long n = 1; n <= size; n++) {
        if (size % n) continue;
        const long work = blocked_ceil(blocks, size / n) * blocked_ceil(filters, n);
        if (least < 0 || work < least) best = n, least = work;
    }
    return best;
}

static void winograd_run(const winograd_plan *p, const winograd_operands *o, const blocked_team *team) {
    const long channel_blocks = blocked_ceil(p->s.channels, BLOCK), filter_blocks = blocked_ceil(p->s.filters, BLOCK);
    const long size = blocked_min(team->size, p->slots);
    for (long base = 0; base < p->blocks; base += p->together) {
        const long count = blocked_min(p->together, p->blocks - base);
        long lo, hi;
        if (base) blocked_sync(team); /* V is read no more */
        blocked_share(team->rank, team->size, count * channel_blocks, &lo, &hi);
        for (long u = lo; u < hi; u++) {
            const long block = u / channel_blocks;
            winograd_gather(p, o, base + block, u % channel_blocks, o->v + block * winograd_v_block(p));
        }
        blocked_sync(team);
        if (team->rank >= size) continue;
        const long across = winograd_split(p, count, size);
        long f0, f1, b0, b1;
        blocked_share(team->rank % across, across, blocked_ceil(filter_blocks, BLOCKED_MB), &f0, &f1);
        blocked_share(team->rank / across, size / across, count, &b0, &b1);
        f0 *= BLOCKED_MB;
        f1 = blocked_min(f1 * BLOCKED_MB, filter_blocks);
        for (long b = b0; b < b1; b += p->chunk)
            for (long f = f0; f < f1; f += BLOCKED_MB)
                winograd_multiply(p, o, o->m + team->rank * winograd_m_size(p), base, base + b,
                                  base + blocked_min(b + p->chunk, b1), f, blocked_min(BLOCKED_MB, f1 - f));
    }
}

#define WINOGRAD_TOGETHER 8 /* channels: written one by one, the points' lines would fall into few sets of the caches */

/* `count` channels of a filter block: the rows of blocked_pack.h to made[point][channel][16]. */
BLOCKED_INLINE void winograd_pack_channels(const int m, const float *rows, long count, float *made) {
    const long n = m + 2;
    for (long c = 0; c < count; c++, rows += 9 * BLOCK) {
        double g[3][3][BLOCK], half[3][6][BLOCK], column[3][BLOCK], points[6][BLOCK];
        for (int tap = 0; tap < 9; tap++)
            for (int l = 0; l < BLOCK; l++) g[tap / 3][tap % 3][l] = rows[tap * BLOCK + l];
        for (int ky = 0; ky < 3; ky++) winograd_filter(m, g[ky], half[ky]);
        for (int j = 0; j < n; j++) {
            for (int ky = 0; ky < 3; ky++)
                for (int l = 0; l < BLOCK; l++) column[ky][l] = half[ky][j][l];
            winograd_filter(m, column, points);
            for (int i = 0; i < n; i++)
                for (int l = 0; l < BLOCK; l++)
                    made[((i * n + j) * WINOGRAD_TOGETHER + c) * BLOCK + l] = points[i][l];
        }
    }
}

/* Weights (filters, channels, 3, 3) to (filter block, point, channel, 16), filter blocks f0 to f1. */
static void winograd_pack_weights(const blocked_shape *s, int m, const blocked_weights *w, float *packed, long f0,
                                  long f1) {
    const long points = (m + 2) * (m + 2);
    float rows[WINOGRAD_TOGETHER * 9 * BLOCK], made[WINOGRAD_POINTS * WINOGRAD_TOGETHER * BLOCK];
    for (long f = f0; f < f1; f++)
        for (long c = 0; c < s->channels; c += WINOGRAD_TOGETHER) {
            const long count = blocked_min(WINOGRAD_TOGETHER, s->channels - c);
            pack_rows(s, w, f, c, c + count, rows);
            if (m == 4) winograd_pack_channels(4, rows, count, made);
            else winograd_pack_channels(2, rows, count, made);
            for (long point = 0; point < points; point++)
                memcpy(packed + ((f * points + point) * s->channels + c) * BLOCK, made + point * WINOGRAD_TOGETHER * BLOCK,
                       count * BLOCK * sizeof(float));
        }
}
#endif
