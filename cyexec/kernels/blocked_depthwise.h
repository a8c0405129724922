/* Depthwise convolution of blocked images (blocked.h), one filter a channel, for one CPU level (float32).
 *
 * A vector holds one pixel's channels, so a tap is one vector of weights and a tile some pixels of one output row. Pixels
 * whose window crosses the left or right edge are computed alone, with the taps that lie inside. Each output is the sum
 * of its taps in the order of (ky, kx), however the row is cut.
 */
#ifndef CYEXEC_BLOCKED_DEPTHWISE_H
#define CYEXEC_BLOCKED_DEPTHWISE_H
#include "blocked_pack.h"

typedef struct {
    blocked_shape s; /* channels == filters == groups */
    long x_batch, y_batch;
} depthwise_plan;

typedef struct {
    const float *x, *w, *residual; /* w: (channel block, tap, 16) */
    float *y;
    const blocked_epilogue *epilogue;
} depthwise_operands;

typedef struct {
    const float *x; /* input of tap (y0, x0) of pixel 0 */
    const float *w; /* weights of tap (0, 0) */
    long y0, y1, x0, x1; /* taps inside the image */
    long row, column, pixel; /* elements of x between taps of y, of x, and between pixels */
    long width;     /* taps in a row of w */
    float *y;
    const float *residual; /* laid out as y, or NULL */
    const blocked_lanes *lanes;
} depthwise_call;

BLOCKED_INLINE void depthwise_tile(const int pixels, const depthwise_call *t) {
    const int vectors = BLOCKED_NV;
    blocked_vec acc[BLOCKED_MP][BLOCKED_NV];
    const blocked_lanes *lanes = t->lanes;
#pragma GCC unroll 16
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) acc[i][v] = (blocked_vec){0};
    for (long ky = t->y0; ky < t->y1; ky++) {
        const float *x = t->x + (ky - t->y0) * t->row, *w = t->w + (ky * t->width + t->x0) * BLOCK;
        for (long kx = t->x0; kx < t->x1; kx++, x += t->column, w += BLOCK) {
            blocked_vec wv[BLOCKED_NV];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) wv[v] = blocked_load(w + v * BLOCKED_VL);
#pragma GCC unroll 16
            for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) acc[i][v] += blocked_load(x + i * t->pixel + v * BLOCKED_VL) * wv[v];
        }
    }
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
            for (int v = 0; v < vectors; v++) acc[i][v] += blocked_load(t->residual + i * BLOCK + v * BLOCKED_VL);
        BLOCKED_ACT(lanes->act2, lanes->slope2)
    }
#pragma GCC unroll 16
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) blocked_store(t->y + i * BLOCK + v * BLOCKED_VL, acc[i][v]);
}

/* Pixels of a tile: enough sums at a time to hide the latency of an addition, in half of the registers or more. */
#if BLOCKED_NV == 1
#define DEPTHWISE_PIXELS 8
#elif BLOCKED_NV == 2
#define DEPTHWISE_PIXELS 4
#else
#define DEPTHWISE_PIXELS 2
#endif
static __attribute__((noinline)) void depthwise_many(const depthwise_call *t) { depthwise_tile(DEPTHWISE_PIXELS, t); }
static __attribute__((noinline)) void depthwise_half(const depthwise_call *t) { depthwise_tile(DEPTHWISE_PIXELS / 2, t); }
static __attribute__((noinline)) void depthwise_one(const depthwise_call *t) { depthwise_tile(1, t); }

/* Output row `row` of channel block `c` of an image. */
static void depthwise_row(const depthwise_plan *p, const depthwise_operands *o, const blocked_lanes *lanes, long image,
                          long c, long row) {
    const blocked_shape *s = &p->s;
    const long width = s->out[1], y_base = row * s->stride[0] - s->pad[0];
    const long at = image * p->y_batch + (c * s->out[0] + row) * width * BLOCK;
    depthwise_call t;
    long lo, hi, first;
    blocked_valid(s->kernel[0], s->dilate[0], y_base, s->in[0], &t.y0, &t.y1);
    t.row = s->dilate[0] * s->in[1] * BLOCK;
    t.column = s->dilate[1] * BLOCK;
    t.pixel = s->stride[1] * BLOCK;
    t.width = s->kernel[1];
    t.w = o->w + c * s->kernel[0] * s->kernel[1] * BLOCK;
    t.lanes = lanes;
    const float *line = o->x + image * p->x_batch + (c * s->in[0] + y_base + t.y0 * s->dilate[0]) * s->in[1] * BLOCK;
    /* Pixels lo to hi have all their taps inside: the first tap at 0 or later, the last one before the end. */
    blocked_valid(width, s->stride[1], -s->pad[1], s->in[1], &lo, &hi);
    blocked_valid(width, s->stride[1], (s->kernel[1] - 1) * s->dilate[1] - s->pad[1], s->in[1], &first, &hi);
    for (long x = 0; x < width;) {
        const long base = x * s->stride[1] - s->pad[1], room = x >= lo && x < hi ? hi - x : 0;
        const long count = room >= DEPTHWISE_PIXELS ? DEPTHWISE_PIXELS
                           : room >= DEPTHWISE_PIXELS / 2 ? DEPTHWISE_PIXELS / 2 : 1;
        blocked_valid(s->kernel[1], s->dilate[1], base, s->in[1], &t.x0, &t.x1);
        t.x = line + (base + t.x0 * s->dilate[1]) * BLOCK;
        t.y = o->y + at + x * BLOCK;
        t.residual = o->residual ? o->residual + at + x * BLOCK : NULL;
        if (count == DEPTHWISE_PIXELS) depthwise_many(&t);
        else if (count > 1) depthwise_half(&t);
        else depthwise_one(&t);
        x += count;
    }
}

static void depthwise_run(const depthwise_plan *p, const depthwise_operands *o, const blocked_team *team) {
    const blocked_shape *s = &p->s;
    const long blocks = blocked_ceil(s->channels, BLOCK);
    blocked_lanes lanes;
    long lo, hi, known = -1;
    blocked_share(team->rank, team->size, s->batch * blocks * s->out[0], &lo, &hi);
    for (long u = lo; u < hi; u++) {
        const long c = u / s->out[0] % blocks;
        if (c != known) blocked_set_lanes(&lanes, o->epilogue, c * BLOCK, s->filters);
        known = c;
        depthwise_row(p, o, &lanes, u / s->out[0] / blocks, c, u % s->out[0]);
    }
}

/* Row `row` of the gradient of the data, channel block `c` of an image: o->x is the gradient of the output, o->y that of the
 * data. For strides other than 1; one pixel at a time. */
static void depthwise_gradient_row(const depthwise_plan *p, const depthwise_operands *o, long image, long c, long row) {
    const blocked_shape *s = &p->s;
    const float *dy = o->x + image * p->y_batch + c * s->out[0] * s->out[1] * BLOCK;
    const float *w = o->w + c * s->kernel[0] * s->kernel[1] * BLOCK;
    float *to = o->y + image * p->x_batch + (c * s->in[0] + row) * s->in[1] * BLOCK;
    for (long col = 0; col < s->in[1]; col++, to += BLOCK) {
        blocked_vec acc[BLOCKED_NV];
        for (int v = 0; v < BLOCKED_NV; v++) acc[v] = (blocked_vec){0};
        for (long ky = 0; ky < s->kernel[0]; ky++) {
            const long y = row + s->pad[0] - ky * s->dilate[0];
            if (y < 0 || y % s->stride[0] || y / s->stride[0] >= s->out[0]) continue;
            for (long kx = 0; kx < s->kernel[1]; kx++) {
                const long x = col + s->pad[1] - kx * s->dilate[1];
                if (x < 0 || x % s->stride[1] || x / s->stride[1] >= s->out[1]) continue;
                const float *from = dy + (y / s->stride[0] * s->out[1] + x / s->stride[1]) * BLOCK;
                for (int v = 0; v < BLOCKED_NV; v++)
                    acc[v] += blocked_load(from + v * BLOCKED_VL) *
                              blocked_load(w + (ky * s->kernel[1] + kx) * BLOCK + v * BLOCKED_VL);
            }
        }
        for (int v = 0; v < BLOCKED_NV; v++) blocked_store(to + v * BLOCKED_VL, acc[v]);
    }
}

static void depthwise_gradient_run(const depthwise_plan *p, const depthwise_operands *o, const blocked_team *team) {
    const blocked_shape *s = &p->s;
    const long blocks = blocked_ceil(s->channels, BLOCK);
    long lo, hi;
    blocked_share(team->rank, team->size, s->batch * blocks * s->in[0], &lo, &hi);
    for (long u = lo; u < hi; u++)
        depthwise_gradient_row(p, o, u / s->in[0] / blocks, u / s->in[0] % blocks, u % s->in[0]);
}

/* Weights to (channel block, tap, 16), blocks b0 to b1. */
static void depthwise_pack_weights(const blocked_shape *s, const blocked_weights *w, float *packed, long b0, long b1) {
    const long taps = s->kernel[0] * s->kernel[1];
    for (long c = b0 * BLOCK; c < b1 * BLOCK; c++)
        for (long tap = 0; tap < taps; tap++)
            packed[(c / BLOCK * taps + tap) * BLOCK + c % BLOCK] =
                c < s->channels ? blocked_weight(s, w, c, 0, tap) : 0;
}
#endif
