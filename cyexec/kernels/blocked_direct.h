/* Direct convolution of blocked or plain images by register tiles (blocked.h), for one CPU level (float32).
 *
 * The output is computed in rectangles of `rows` x `cols` pixels. What a rectangle needs of the input is first copied to
 * a scratch area of the thread (it stays in a second-level cache while all filters pass), so that padding, strides and
 * dilation are gone and the pixels of a tile lie side by side, whatever the width of the image:
 *
 *     blocked image   [channel block][kx][row phase][row][column][16]   a copy for each kx: the rows of a rectangle as
 *                                                                       wide as the image join, a tile may cross them
 *     plain image     [channel][row phase][row][column phase][column]   one copy of a row serves all kx
 *
 * A phase holds the rows (columns) that one residue of ky (kx) modulo the stride meets. Where the rows of a rectangle are
 * fewer than the dilation, most rows between those of the first and the last tap are read by none: each tap has a phase of
 * its own then. A pointwise convolution of stride 1 reads the image where it is.
 */
#ifndef CYEXEC_BLOCKED_DIRECT_H
#define CYEXEC_BLOCKED_DIRECT_H
#include "blocked_pack.h"

/* max(0, x * scale[c] + shift[c]) is convolved in place of x; outside the image are zeros still. */
typedef struct {
    const float *scale, *shift; /* or NULL: nothing is done */
} blocked_input;

#define DIRECT_CACHED (64 * 1024) /* weights that stay in a second-level cache beside a scratch area */

enum { DIRECT_IN_PLACE, DIRECT_BLOCKED, DIRECT_PLAIN };

typedef struct {
    blocked_shape s;
    int kind;
    long rows, cols;             /* of a rectangle, at most */
    long slots;                  /* threads that have a scratch area */
    long phases[2], reach[2];    /* per axis: copies for the taps; rows (columns) beyond the rectangle in each */
    int separate;                /* a phase for each tap of the rows, though the stride is 1 */
    long plane;                  /* elements of a channel (block) in the scratch area, for one kx where it is blocked */
    long *offsets[2];            /* of the runs of k, for rectangles `cols` wide and for the last one of a row */
    long runs, tails, tail;      /* see blocked_call */
    long x_batch, y_batch;       /* elements from one image to the next */
    /* Output (i, j) is pixel first + (i, j) * stride of an image of this size. */
    long y_size[2], y_first[2], y_stride[2];
} direct_plan;

/* ---- where things are in the scratch area ---- */

/* Phase of tap k of an axis, and how many rows further its row lies. */
BLOCKED_INLINE void direct_tap(const direct_plan *p, int axis, long k, long *phase, long *shift) {
    const long stride = p->s.stride[axis], dilate = p->s.dilate[axis];
    if (p->separate && axis == 0) *phase = k, *shift = 0;
    else if (stride == 1) *phase = 0, *shift = k * dilate;
    else if (dilate == 1) *phase = k % stride, *shift = k / stride;
    else *phase = k, *shift = 0; /* rare: a copy for each tap */
}

/* Input row (column) of row 0 of a phase. */
BLOCKED_INLINE long direct_base(const direct_plan *p, int axis, long phase) {
    const long stride = p->s.stride[axis], dilate = p->s.dilate[axis];
    if (p->separate && axis == 0) return phase * dilate - p->s.pad[axis];
    return (stride == 1 ? 0 : dilate == 1 ? phase : phase * dilate) - p->s.pad[axis];
}

BLOCKED_INLINE long direct_channels(const blocked_shape *s) { return s->channels / s->groups; }
BLOCKED_INLINE long direct_channel_blocks(const blocked_shape *s) { return blocked_ceil(direct_channels(s), BLOCK); }
BLOCKED_INLINE long direct_depth(const blocked_shape *s) { return direct_channels(s) * s->kernel[0] * s->kernel[1]; }

/* Fill in separate, phases, reach and plane. */
static void direct_measure(direct_plan *p) {
    const blocked_shape *s = &p->s;
    p->separate = s->stride[0] == 1 && s->dilate[0] > p->rows;
    for (int a = 0; a < 2; a++) {
        p->phases[a] = p->reach[a] = 0;
        for (long k = 0; k < s->kernel[a]; k++) {
            long phase, shift;
            direct_tap(p, a, k, &phase, &shift);
            p->phases[a] = blocked_max(p->phases[a], phase + 1);
            p->reach[a] = blocked_max(p->reach[a], shift);
        }
    }
    if (p->kind == DIRECT_PLAIN)
        p->plane = p->phases[0] * (p->rows + p->reach[0]) * p->phases[1] * (p->cols + p->reach[1]);
    else
        p->plane = p->phases[0] * (p->rows + p->reach[0]) * p->cols * BLOCK;
}

/* Elements of the scratch area of one thread. */
static long direct_scratch(const direct_plan *p) {
    if (p->kind == DIRECT_IN_PLACE) return 0;
    if (p->kind == DIRECT_PLAIN) return p->s.channels * p->plane;
    return direct_channel_blocks(&p->s) * p->s.kernel[1] * p->plane;
}

BLOCKED_INLINE long direct_row_pitch(const direct_plan *p, long cols) {
    return p->kind == DIRECT_PLAIN ? p->phases[1] * (cols + p->reach[1]) : cols * BLOCK;
}

/* Offset of tap (ky, kx) of channel (block) c, in a rectangle `cols` wide. */
static long direct_offset(const direct_plan *p, long cols, long c, long ky, long kx) {
    const blocked_shape *s = &p->s;
    long py, sy, px, sx;
    if (p->kind == DIRECT_IN_PLACE) return c * s->in[0] * s->in[1] * BLOCK;
    direct_tap(p, 0, ky, &py, &sy);
    if (p->kind == DIRECT_PLAIN) {
        direct_tap(p, 1, kx, &px, &sx);
        return c * p->plane + (py * (p->rows + p->reach[0]) + sy) * direct_row_pitch(p, cols) +
               px * (cols + p->reach[1]) + sx;
    }
    return (c * s->kernel[1] + kx) * p->plane + (py * (p->rows + p->reach[0]) + sy) * direct_row_pitch(p, cols);
}

/* How many runs k has in all; `offsets` hold that many. */
static long direct_run_count(const direct_plan *p) {
    return (p->kind == DIRECT_PLAIN ? p->s.channels : direct_channel_blocks(&p->s)) * p->s.kernel[0] * p->s.kernel[1];
}

static void direct_fill_offsets(direct_plan *p) {
    const blocked_shape *s = &p->s;
    const long taps = s->kernel[0] * s->kernel[1], units = direct_run_count(p) / taps, channels = direct_channels(s);
    const long last = s->out[1] - (blocked_ceil(s->out[1], p->cols) - 1) * p->cols;
    long n = 0;
    for (long c = 0; c < units; c++)
        for (long ky = 0; ky < s->kernel[0]; ky++)
            for (long kx = 0; kx < s->kernel[1]; kx++, n++) {
                p->offsets[0][n] = direct_offset(p, p->cols, c, ky, kx);
                p->offsets[1][n] = direct_offset(p, last, c, ky, kx);
            }
    p->runs = p->kind == DIRECT_PLAIN ? 0 : channels / BLOCK * taps;
    p->tails = n - p->runs;
    p->tail = p->kind == DIRECT_PLAIN ? 1 : channels % BLOCK;
}

/* ---- copying ---- */

typedef struct {
    long image, row, rows, col, cols; /* of the output */
} direct_rectangle;

BLOCKED_INLINE void direct_copy_block(float *to, const float *from, int transformed, const float *scale,
                                      const float *shift) {
#pragma GCC unroll 4
    for (int v = 0; v < BLOCK; v += BLOCKED_VL) {
        blocked_vec value = blocked_load(from + v);
        if (transformed)
            value = blocked_at_least(blocked_splat(0), value * blocked_load(scale + v) + blocked_load(shift + v));
        blocked_store(to + v, value);
    }
}

/* One line of a blocked image. */
BLOCKED_INLINE void direct_copy_line(float *to, const float *from, long n, long lo, long hi, long stride,
                                     const int transformed, const float *scale, const float *shift) {
    if (lo > 0) memset(to, 0, lo * BLOCK * sizeof(float));
    for (long i = lo; i < hi; i++) direct_copy_block(to + i * BLOCK, from + i * stride * BLOCK, transformed, scale, shift);
    if (hi < n) memset(to + hi * BLOCK, 0, (n - hi) * BLOCK * sizeof(float));
}

/* Group `group` of a rectangle of a blocked image. */
static void direct_copy_blocked(const direct_plan *p, const direct_rectangle *r, long group, const float *x,
                                const blocked_input *input, float *scratch) {
    const blocked_shape *s = &p->s;
    const long blocks = direct_channel_blocks(s), size = s->in[0] * s->in[1] * BLOCK, pitch = r->cols * BLOCK;
    float scale[BLOCK] = {0}, shift[BLOCK] = {0};
    for (long c = 0; c < blocks; c++) {
        const float *plane = x + r->image * p->x_batch + (group * blocks + c) * size;
        if (input->scale) {
            const long c0 = (group * blocks + c) * BLOCK;
            for (long i = 0; i < blocked_min(BLOCK, s->channels - c0); i++)
                scale[i] = input->scale[c0 + i], shift[i] = input->shift[c0 + i];
        }
        for (long kx = 0; kx < s->kernel[1]; kx++) {
            const long x_base = r->col * s->stride[1] + kx * s->dilate[1] - s->pad[1];
            float *to = scratch + (c * s->kernel[1] + kx) * p->plane;
            long lo, hi;
            blocked_valid(r->cols, s->stride[1], x_base, s->in[1], &lo, &hi);
            for (long phase = 0; phase < p->phases[0]; phase++) {
                float *line = to + phase * (p->rows + p->reach[0]) * pitch;
                for (long t = 0; t < r->rows + p->reach[0]; t++, line += pitch) {
                    const long y = (r->row + t) * s->stride[0] + direct_base(p, 0, phase);
                    if (y < 0 || y >= s->in[0]) {
                        memset(line, 0, pitch * sizeof(float));
                        continue;
                    }
                    const float *from = plane + (y * s->in[1] + x_base) * BLOCK;
                    if (input->scale) direct_copy_line(line, from, r->cols, lo, hi, s->stride[1], 1, scale, shift);
                    else direct_copy_line(line, from, r->cols, lo, hi, s->stride[1], 0, NULL, NULL);
                }
            }
        }
    }
}

static void direct_copy_plain(const direct_plan *p, const direct_rectangle *r, const float *x, float *scratch) {
    const blocked_shape *s = &p->s;
    const long width = r->cols + p->reach[1], stride = s->stride[1], pitch = direct_row_pitch(p, r->cols);
    for (long c = 0; c < s->channels; c++) {
        const float *plane = x + r->image * p->x_batch + c * s->in[0] * s->in[1];
        for (long phase = 0; phase < p->phases[0]; phase++) {
            float *line = scratch + c * p->plane + phase * (p->rows + p->reach[0]) * pitch;
            for (long t = 0; t < r->rows + p->reach[0]; t++, line += pitch) {
                const long y = (r->row + t) * s->stride[0] + direct_base(p, 0, phase);
                if (y < 0 || y >= s->in[0]) {
                    memset(line, 0, pitch * sizeof(float));
                    continue;
                }
                for (long across = 0; across < p->phases[1]; across++) {
                    const long base = r->col * stride + direct_base(p, 1, across);
                    const float *restrict from = plane + y * s->in[1] + base;
                    float *restrict to = line + across * width;
                    long lo, hi;
                    blocked_valid(width, stride, base, s->in[1], &lo, &hi);
                    for (long i = 0; i < lo; i++) to[i] = 0;
                    if (stride == 1) for (long i = lo; i < hi; i++) to[i] = from[i];
                    else if (stride == 2) for (long i = lo; i < hi; i++) to[i] = from[2 * i];
                    else for (long i = lo; i < hi; i++) to[i] = from[i * stride];
                    for (long i = hi; i < width; i++) to[i] = 0;
                }
            }
        }
    }
}

/* ---- computing ---- */

typedef struct {
    const float *x, *w, *residual;
    float *y, *scratch;
    const blocked_input *input;
    const blocked_epilogue *epilogue;
} direct_operands;

/* Where output (row, col) of filter block 0 is. */
BLOCKED_INLINE long direct_pixel(const direct_plan *p, long row, long col) {
    return ((row * p->y_stride[0] + p->y_first[0]) * p->y_size[1] + col * p->y_stride[1] + p->y_first[1]) * BLOCK;
}

/* Copy a tile that was made side by side to pixels that lie apart. */
static void direct_spread(const direct_plan *p, const float *made, long pixels, long blocks, long row, long col,
                          long col0, long cols, float *y) {
    for (long i = 0; i < pixels; i++) {
        for (long b = 0; b < blocks; b++)
            memcpy(y + b * p->y_size[0] * p->y_size[1] * BLOCK + direct_pixel(p, row, col),
                   made + (b * pixels + i) * BLOCK, BLOCK * sizeof(float));
        if (++col == col0 + cols) col = col0, row++;
    }
}

/* Filter blocks f0 to f1 (of one group) of a rectangle; `x`: its pixel 0, lines `x_pitch` apart. */
static void direct_compute(const direct_plan *p, const direct_rectangle *r, const direct_operands *o, const float *x,
                           long x_pitch, long f0, long f1) {
    const blocked_shape *s = &p->s;
    const long size = p->y_size[0] * p->y_size[1] * BLOCK, depth = direct_depth(s);
    const int joined = p->kind != DIRECT_PLAIN && r->cols == s->out[1], blocked = p->kind != DIRECT_PLAIN;
    const int apart = p->y_stride[0] != 1 || p->y_stride[1] != 1 || s->out[1] != p->y_size[1];
    const long lines = joined ? 1 : r->rows, pixels = joined ? r->rows * r->cols : r->cols;
    const long tiles = blocked_ceil(pixels, BLOCKED_MP), step = blocked ? BLOCK : 1;
    float made[BLOCKED_MP * BLOCKED_MB * BLOCK];
    blocked_lanes lanes;
    blocked_call call;
    call.offsets = p->offsets[r->cols != p->cols];
    call.runs = p->runs, call.tails = p->tails, call.tail = p->tail;
    call.w_step = depth * BLOCK;
    call.y_step = size;
    call.first = call.last = 1;
    call.partial = NULL;
    call.lanes = &lanes;
    for (long f = f0; f < f1; f += BLOCKED_MB) {
        const long blocks = blocked_min(BLOCKED_MB, f1 - f), at = f * size + r->image * p->y_batch;
        blocked_set_lanes(&lanes, o->epilogue, f * BLOCK, s->filters);
        call.w = o->w + f * depth * BLOCK;
        /* Weights that a second-level cache does not hold come while the filters before them are at work. */
        const int fetch = f + BLOCKED_MB < f1 && (f1 - f0) * depth * BLOCK > DIRECT_CACHED && p->runs > 0;
        call.ahead_lines = 0;
        if (fetch) call.ahead_lines = blocked_ceil(depth, p->runs * lines * tiles);
        for (long line = 0; line < lines; line++)
            for (long t = 0; t < tiles; t++) {
                const long first = pixels * t / tiles, count = pixels * (t + 1) / tiles - first;
                const long row = r->row + line + first / r->cols, col = r->col + first % r->cols;
                const long to = at + direct_pixel(p, row, col);
                call.x = x + line * x_pitch + first * step;
                call.y = apart ? made : o->y + to;
                call.y_step = apart ? count * BLOCK : size;
                call.residual = o->residual ? o->residual + to : NULL;
                call.ahead = call.w + (BLOCKED_MB * depth + (line * tiles + t) * p->runs * call.ahead_lines) * BLOCK;
                blocked_run_tile(count, blocks, blocked, &call);
                if (apart) direct_spread(p, made, count, blocks, row, col, r->col, r->cols, o->y + at);
            }
    }
}

/* Filter blocks f0 to f1 of a rectangle. */
static void direct_rectangle_run(const direct_plan *p, const direct_rectangle *r, const direct_operands *o,
                                 float *scratch, long f0, long f1) {
    const blocked_shape *s = &p->s;
    if (p->kind == DIRECT_PLAIN) {
        direct_copy_plain(p, r, o->x, scratch);
        direct_compute(p, r, o, scratch, direct_row_pitch(p, r->cols), f0, f1);
        return;
    }
    const long group_filters = blocked_ceil(s->filters / s->groups, BLOCK);
    for (long g = f0 / group_filters; g * group_filters < f1; g++) {
        const long lo = blocked_max(f0, g * group_filters), hi = blocked_min(f1, (g + 1) * group_filters);
        if (p->kind == DIRECT_IN_PLACE) {
            const float *x = o->x + r->image * p->x_batch + (r->row * s->in[1] + r->col) * BLOCK +
                             g * direct_channel_blocks(s) * s->in[0] * s->in[1] * BLOCK;
            direct_compute(p, r, o, x, s->in[1] * BLOCK, lo, hi);
        } else {
            direct_copy_blocked(p, r, g, o->x, o->input, scratch);
            direct_compute(p, r, o, scratch, direct_row_pitch(p, r->cols), lo, hi);
        }
    }
}

/* Divide a team of `size` in `across` parts for filters; what remains divides the rows. The least work of any thread,
 * and of equals the one that reads less of the larger operand twice. */
static long direct_split(const direct_plan *p, long size) {
    const blocked_shape *s = &p->s;
    const long rows = s->batch * blocked_ceil(s->out[1], p->cols) * s->out[0];
    const long filters = blocked_ceil(blocked_ceil(s->filters, BLOCK), BLOCKED_MB);
    const int heavy = direct_depth(s) * s->filters > s->batch * s->channels * s->in[0] * s->in[1];
    long best = 1, least = -1;
    for (long n = 1; n <= size; n++) {
        if (size % n) continue;
        const long work = blocked_ceil(rows, size / n) * blocked_ceil(filters, n);
        if (least < 0 || work < least || (work == least && heavy)) best = n, least = work;
    }
    return best;
}

static void direct_run(const direct_plan *p, const direct_operands *o, const blocked_team *team) {
    const blocked_shape *s = &p->s;
    const long size = blocked_min(team->size, p->slots), col_blocks = blocked_ceil(s->out[1], p->cols);
    if (team->rank >= size) return;
    const long across = direct_split(p, size), down = size / across;
    long f0, f1, u0, u1;
    blocked_share(team->rank % across, across, blocked_ceil(blocked_ceil(s->filters, BLOCK), BLOCKED_MB), &f0, &f1);
    f0 *= BLOCKED_MB;
    f1 = blocked_min(f1 * BLOCKED_MB, blocked_ceil(s->filters, BLOCK));
    blocked_share(team->rank / across, down, s->batch * col_blocks * s->out[0], &u0, &u1);
    while (u0 < u1) { /* rows u of (image, block of columns) */
        const long strip = u0 / s->out[0], row = u0 % s->out[0];
        const long left = blocked_min(u1 - u0, s->out[0] - row), parts = blocked_ceil(left, p->rows);
        direct_rectangle r;
        r.image = strip / col_blocks;
        r.col = strip % col_blocks * p->cols;
        r.cols = blocked_min(p->cols, s->out[1] - r.col);
        r.row = row;
        r.rows = blocked_ceil(left, parts);
        if (f0 < f1) direct_rectangle_run(p, &r, o, o->scratch + team->rank * direct_scratch(p), f0, f1);
        u0 += r.rows;
    }
}

/* ---- weights to (filter block, k, 16) ---- */

/* Filter blocks f0 to f1. */
static void direct_pack_weights(const blocked_shape *s, int plain, const blocked_weights *w, float *packed, long f0,
                                long f1) {
    const long channels = direct_channels(s), taps = s->kernel[0] * s->kernel[1], width = plain ? 1 : BLOCK;
    const long together = blocked_max(1, PACK_ROWS / taps); /* channels */
    float rows[PACK_ROWS * BLOCK];
    for (long f = f0; f < f1; f++)
        for (long c0 = 0; c0 < channels; c0 += width) {
            const long count = blocked_min(width, channels - c0);
            float *to = packed + (f * channels + c0) * taps * BLOCK;
            for (long c = 0; c < count; c += together) {
                const long n = blocked_min(together, count - c);
                if (taps > PACK_ROWS) {
                    for (long tap = 0; tap < taps; tap++)
                        for (long l = 0; l < BLOCK; l++)
                            to[(tap * count + c) * BLOCK + l] =
                                f * BLOCK + l < s->filters ? blocked_weight(s, w, f * BLOCK + l, c0 + c, tap) : 0;
                    continue;
                }
                pack_rows(s, w, f, c0 + c, c0 + c + n, rows);
                for (long i = 0; i < n; i++)
                    for (long tap = 0; tap < taps; tap++)
                        memcpy(to + (tap * count + c + i) * BLOCK, rows + (i * taps + tap) * BLOCK, BLOCK * sizeof(float));
            }
        }
}
#endif
