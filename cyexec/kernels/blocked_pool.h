/* Pooling of blocked images (blocked.h) in two dimensions, and per-channel scaling, for one CPU level (float32).
 *
 * Windows and divisors are those of pool.h. A vector holds one pixel's channels; pixels whose windows lie inside the
 * image's width are computed several at a time. A window's elements are added in the order of (y, x).
 */
#ifndef CYEXEC_BLOCKED_POOL_H
#define CYEXEC_BLOCKED_POOL_H
#include "blocked.h"
#include "pool.h"

#if BLOCKED_NV == 1
#define POOL_PIXELS 8
#elif BLOCKED_NV == 2
#define POOL_PIXELS 4
#else
#define POOL_PIXELS 2
#endif

/* Results of `pixels` windows of rows x cols elements; `from`: the first element of the first. */
BLOCKED_INLINE void blocked_pool_tile(const int pixels, const int maximum, const float *from, long rows, long cols,
                                      long row_step, long pixel_step, float divisor, float *y) {
    blocked_vec acc[POOL_PIXELS][BLOCKED_NV];
#pragma GCC unroll 16
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < BLOCKED_NV; v++) acc[i][v] = blocked_splat(maximum ? POOL_LOWEST : 0);
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < cols; c++) {
            const float *x = from + r * row_step + c * BLOCK;
#pragma GCC unroll 16
            for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
                for (int v = 0; v < BLOCKED_NV; v++) {
                    const blocked_vec value = blocked_load(x + i * pixel_step + v * BLOCKED_VL);
                    /* a NaN is passed over, as in pool.h */
                    acc[i][v] = maximum ? blocked_at_least(value, acc[i][v]) : acc[i][v] + value;
                }
        }
#pragma GCC unroll 16
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < BLOCKED_NV; v++)
            blocked_store(y + i * BLOCK + v * BLOCKED_VL, divisor == 1 ? acc[i][v] : acc[i][v] / divisor);
}

#define POOL_FUNCTION(NAME, PIXELS, MAXIMUM)                                                                            \
    static __attribute__((noinline)) void NAME(const float *from, long rows, long cols, long row_step, long pixel_step, \
                                               float divisor, float *y) {                                               \
        blocked_pool_tile(PIXELS, MAXIMUM, from, rows, cols, row_step, pixel_step, divisor, y);                         \
    }
POOL_FUNCTION(blocked_max_many, POOL_PIXELS, 1)
POOL_FUNCTION(blocked_max_one, 1, 1)
POOL_FUNCTION(blocked_sum_many, POOL_PIXELS, 0)
POOL_FUNCTION(blocked_sum_one, 1, 0)

/* Output row `row` of one channel block; `step` of the shape is not looked at. */
static void blocked_pool_row(const pool_shape *s, const float *x, float *y, long row) {
    const long width = s->out[2], pitch = s->in[2] * BLOCK;
    long lo, hi, first;
    /* Windows lo to hi begin at column 0 or later and end inside. */
    blocked_valid(width, s->stride[2], -s->pad[2], s->in[2], &lo, &hi);
    blocked_valid(width, s->stride[2], s->kernel[2] - 1 - s->pad[2], s->in[2], &first, &hi);
    for (long o = 0; o < width;) {
        const long at[3] = {0, row, o};
        const pool_window w = pool_window_at(s, at);
        const long rows = w.stop[1] - w.start[1], cols = w.stop[2] - w.start[2];
        const float *from = x + w.start[1] * pitch + w.start[2] * BLOCK;
        const int many = o >= lo && o + POOL_PIXELS <= hi;
        const float divisor = s->mode == POOL_AVG && w.size > 0 ? w.size : 1;
        if (s->mode == POOL_MAX)
            (many ? blocked_max_many : blocked_max_one)(from, rows, cols, pitch, s->stride[2] * BLOCK, 1, y + o * BLOCK);
        else
            (many ? blocked_sum_many : blocked_sum_one)(from, rows, cols, pitch, s->stride[2] * BLOCK, divisor,
                                                        y + o * BLOCK);
        o += many ? POOL_PIXELS : 1;
    }
}

/* dx of one channel block; x for maxima alone. As in pool.h, the first maximum of a window gets its gradient. */
static void blocked_pool_backward(const pool_shape *s, const float *dy, const float *x, float *dx) {
    const long pitch = s->in[2] * BLOCK;
    long at[3] = {0, 0, 0};
    memset(dx, 0, s->in[1] * pitch * sizeof(float));
    for (at[1] = 0; at[1] < s->out[1]; at[1]++)
        for (at[2] = 0; at[2] < s->out[2]; at[2]++, dy += BLOCK) {
            const pool_window w = pool_window_at(s, at);
            for (int lane = 0; lane < BLOCK; lane += BLOCKED_VL) {
                const long first = w.start[1] * pitch + w.start[2] * BLOCK + lane;
                const long rows = w.stop[1] - w.start[1], cols = w.stop[2] - w.start[2];
                blocked_vec g = blocked_load(dy + lane);
                if (s->mode != POOL_MAX) {
                    if (s->mode == POOL_AVG) g = w.size > 0 ? g / (float)w.size : blocked_splat(0);
                    for (long r = 0; r < rows; r++)
                        for (long c = 0; c < cols; c++) {
                            float *to = dx + first + r * pitch + c * BLOCK;
                            blocked_store(to, blocked_load(to) + g);
                        }
                    continue;
                }
                blocked_vec most = blocked_splat(POOL_LOWEST);
                for (long r = 0; r < rows; r++)
                    for (long c = 0; c < cols; c++)
                        most = blocked_at_least(blocked_load(x + first + r * pitch + c * BLOCK), most);
                blocked_mask open = most > POOL_LOWEST; /* lanes whose maximum was not met yet */
                for (long r = 0; r < rows; r++)
                    for (long c = 0; c < cols; c++) {
                        const long i = first + r * pitch + c * BLOCK;
                        const blocked_mask here = open & (blocked_load(x + i) == most);
                        blocked_store(dx + i, blocked_load(dx + i) + (blocked_vec)(here & (blocked_mask)g));
                        open &= ~here;
                    }
            }
        }
}

/* y = act(x * scale + shift) for `n` positions of one channel block; x and y may be the same. `lanes` holds the
 * activation and, in place of the bias, the shift. */
static void blocked_scale_positions(const float *x, const float *scale, const blocked_lanes *lanes, float *y, long n) {
    enum { pixels = 1, vectors = 1 };
    for (int v = 0; v < BLOCK; v += BLOCKED_VL) {
        const blocked_vec a = blocked_load(scale + v), b = blocked_load(lanes->bias + v);
        const float *slopes = lanes->slope1 + v;
        for (long i = 0; i < n; i++) {
            blocked_vec acc[1][1] = {{blocked_load(x + i * BLOCK + v) * a + b}};
            BLOCKED_ACT(lanes->act1, slopes)
            blocked_store(y + i * BLOCK + v, acc[0][0]);
        }
    }
}
#endif
