/* Pooling of one plane (one channel of one image) in up to three dimensions, for one dtype and CPU level.
 *
 * A window starts at o * stride - pad and has `kernel` elements; it is cut at the padded end (`limit`), which counts for
 * the average's divisor, and at the image, which counts for what is read. Elements of a plane are `step` apart (1, or
 * the number of channels in a channels-last layout). Missing dimensions are extents of 1.
 */
#ifndef CYEXEC_POOL_H
#define CYEXEC_POOL_H
#include <float.h>
#include <math.h>
#ifdef REAL_IS_F64
#define POOL_LOWEST (-DBL_MAX)
#define POOL_SQRT sqrt
#define POOL_CBRT cbrt
#else
#define POOL_LOWEST (-FLT_MAX)
#define POOL_SQRT sqrtf
#define POOL_CBRT cbrtf
#endif

enum { POOL_MAX, POOL_SUM, POOL_AVG, POOL_LP };

typedef struct {
    int mode, power;        /* power: p of Lp pooling, 1 to 3 */
    int count_pad;          /* whether padding counts in an average's divisor */
    int fixed;              /* Pooling_v1: the divisor is the kernel's size, whatever is cut */
    long step;
    long in[3], kernel[3], stride[3], pad[3], limit[3], out[3];
} pool_shape;

typedef struct {
    long start[3], stop[3]; /* inside the image */
    long size;              /* divisor of an average */
} pool_window;

static inline pool_window pool_window_at(const pool_shape *s, const long at[3]) {
    pool_window w;
    long padded = 1, inside = 1;
    for (int d = 0; d < 3; d++) {
        long start = at[d] * s->stride[d] - s->pad[d], stop = start + s->kernel[d];
        if (stop > s->limit[d]) stop = s->limit[d];
        padded *= s->fixed ? s->kernel[d] : stop - start;
        w.start[d] = start < 0 ? 0 : start;
        w.stop[d] = stop > s->in[d] ? s->in[d] : stop;
        if (w.stop[d] < w.start[d]) w.stop[d] = w.start[d];
        inside *= w.stop[d] - w.start[d];
    }
    w.size = s->count_pad ? padded : inside;
    return w;
}

static inline REAL pool_power(REAL v, int power) { return power == 1 ? v : power == 2 ? v * v : v * v * v; }
static inline REAL pool_root(REAL v, int power) { return power == 1 ? v : power == 2 ? POOL_SQRT(v) : POOL_CBRT(v); }

/* Sum or maximum of a contiguous run: 16 partial results, so that the compiler may use vectors. */
static inline REAL pool_run_sum(const REAL *x, long n, int power) {
    REAL part[16] = {0};
    long i = 0;
    if (power == 1)
        for (; i + 16 <= n; i += 16)
            for (int v = 0; v < 16; v++) part[v] += x[i + v];
    else
        for (; i + 16 <= n; i += 16)
            for (int v = 0; v < 16; v++) part[v] += pool_power(x[i + v], power);
    for (int v = 0; i < n; i++, v++) part[v] += pool_power(x[i], power);
    for (int half = 8; half > 0; half /= 2)
        for (int v = 0; v < half; v++) part[v] += part[v + half];
    return part[0];
}

static inline REAL pool_run_max(const REAL *x, long n, REAL most) {
    REAL part[16];
    long i = 0;
    for (int v = 0; v < 16; v++) part[v] = most;
    for (; i + 16 <= n; i += 16)
        for (int v = 0; v < 16; v++) part[v] = x[i + v] > part[v] ? x[i + v] : part[v];
    for (int v = 0; i < n; i++, v++) part[v] = x[i] > part[v] ? x[i] : part[v];
    for (int v = 0; v < 16; v++) most = part[v] > most ? part[v] : most;
    return most;
}

/* Make axes one whose inner window is the whole plane's width, so that windows are long contiguous runs. */
static void pool_merge_axes(pool_shape *s) {
    for (int d = 1; d >= 0; d--) {
        const long width = s->in[2];
        if (s->kernel[2] != width || s->pad[2] != 0 || s->out[2] != 1) return;
        s->in[2] = s->in[1] * width;
        s->kernel[2] = s->kernel[1] * width;
        s->stride[2] = s->stride[1] * width;
        s->pad[2] = s->pad[1] * width;
        s->limit[2] = s->limit[1] * width;
        s->out[2] = s->out[1];
        s->in[1] = s->in[0], s->kernel[1] = s->kernel[0], s->stride[1] = s->stride[0];
        s->pad[1] = s->pad[0], s->limit[1] = s->limit[0], s->out[1] = s->out[0];
        s->in[0] = s->kernel[0] = s->stride[0] = s->limit[0] = s->out[0] = 1;
        s->pad[0] = 0;
    }
}

/* Outputs lo to hi of a line whose windows lie wholly inside it. */
static inline void pool_inner(const pool_shape *s, long *lo, long *hi) {
    const long last = s->in[2] - s->kernel[2] + s->pad[2]; /* start of the last window that does, plus pad */
    *lo = (s->pad[2] + s->stride[2] - 1) / s->stride[2];
    *hi = last < 0 ? 0 : last / s->stride[2] + 1;
    if (*hi > s->out[2]) *hi = s->out[2];
    if (*lo > *hi) *lo = *hi;
}

/* Outputs that have an element number `offset` of their windows (counted from the window of output 0) in the line. */
static inline void pool_reach(const pool_shape *s, long offset, long *lo, long *hi) {
    const long stride = s->stride[2];
    *lo = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *hi = s->in[2] - offset <= 0 ? 0 : (s->in[2] - offset + stride - 1) / stride;
    if (*hi > s->out[2]) *hi = s->out[2];
}

/* y[i] (+)= from[i * stride], or the larger of the two. */
static void pool_take(const REAL *restrict from, REAL *restrict y, long n, long stride, int maximum) {
    if (maximum) {
        if (stride == 1) for (long i = 0; i < n; i++) y[i] = from[i] > y[i] ? from[i] : y[i];
        else if (stride == 2) for (long i = 0; i < n; i++) y[i] = from[2 * i] > y[i] ? from[2 * i] : y[i];
        else for (long i = 0; i < n; i++) y[i] = from[i * stride] > y[i] ? from[i * stride] : y[i];
    } else {
        if (stride == 1) for (long i = 0; i < n; i++) y[i] += from[i];
        else if (stride == 2) for (long i = 0; i < n; i++) y[i] += from[2 * i];
        else for (long i = 0; i < n; i++) y[i] += from[i * stride];
    }
}

/* Divide a line of sums by the numbers of elements. */
static void pool_divide(const pool_shape *s, const long line[2], const REAL *from, REAL *y) {
    long lo, hi, at[3] = {line[0], line[1], 0};
    pool_inner(s, &lo, &hi);
    for (long i = 0; i < s->out[2]; i++) {
        long size;
        at[2] = i;
        size = pool_window_at(s, at).size;
        if (i >= lo && i < hi) { /* as many in all of them */
            const REAL divisor = size;
            if (size > 0 && s->step == 1) for (; i < hi; i++) y[i] = from[i] / divisor;
            else for (; i < hi; i++) y[i * s->step] = size > 0 ? from[i * s->step] / divisor : 0;
            i--;
        } else {
            y[i * s->step] = size > 0 ? from[i * s->step] / size : 0;
        }
    }
}

#define POOL_WIDEST 1024 /* elements of a line whose sums or maxima over the rows of a window are kept */

/* One line of outputs. The rows of its windows are put together first, then their columns, a tap at a time, so that the
 * inner loops run along the line. */
static void pool_line(const pool_shape *s, const REAL *restrict x, REAL *restrict y, long z, long yy) {
    const long n = s->out[2], width = s->in[2], step = s->step;
    const int maximum = s->mode == POOL_MAX, power = s->mode == POOL_LP ? s->power : 1;
    const long at[3] = {z, yy, 0};
    const pool_window w = pool_window_at(s, at);
    const int together = step == 1 && width <= POOL_WIDEST && n > 1;
    REAL rows[POOL_WIDEST];
    if (together)
        for (long i = 0; i < width; i++) rows[i] = maximum ? POOL_LOWEST : 0;
    for (long i = 0; i < n; i++) y[i * step] = maximum ? POOL_LOWEST : 0;
    for (long iz = w.start[0]; iz < w.stop[0]; iz++)
        for (long iy = w.start[1]; iy < w.stop[1]; iy++) {
            const REAL *line = x + (iz * s->in[1] + iy) * width * step;
            if (n == 1 && step == 1) { /* one wide window */
                const long run = w.stop[2] - w.start[2];
                if (maximum) y[0] = pool_run_max(line + w.start[2], run, y[0]);
                else y[0] += pool_run_sum(line + w.start[2], run, power);
            } else if (together) {
                if (power == 1) pool_take(line, rows, width, 1, maximum);
                else for (long i = 0; i < width; i++) rows[i] += pool_power(line[i], power);
            } else {
                for (long k = 0; k < s->kernel[2]; k++) {
                    const long offset = k - s->pad[2];
                    long lo, hi;
                    pool_reach(s, offset, &lo, &hi);
                    for (long i = lo; i < hi; i++) {
                        const REAL v = line[(i * s->stride[2] + offset) * step], old = y[i * step];
                        y[i * step] = maximum ? (v > old ? v : old) : old + pool_power(v, power);
                    }
                }
            }
        }
    if (together)
        for (long k = 0; k < s->kernel[2]; k++) {
            const long offset = k - s->pad[2];
            long lo, hi;
            pool_reach(s, offset, &lo, &hi);
            if (lo < hi) pool_take(rows + lo * s->stride[2] + offset, y + lo, hi - lo, s->stride[2], maximum);
        }
    if (s->mode == POOL_LP)
        for (long i = 0; i < n; i++) y[i * step] = pool_root(y[i * step], power);
    if (s->mode == POOL_AVG) pool_divide(s, at, y, y);
}

static void pool_forward(const pool_shape *s, const REAL *x, REAL *y) {
    for (long z = 0; z < s->out[0]; z++)
        for (long line = 0; line < s->out[1]; line++)
            pool_line(s, x, y + (z * s->out[1] + line) * s->out[2] * s->step, z, line);
}

/* dx of one line of outputs, where every element of a window gets the same: sums and averages of contiguous lines. */
static void pool_spread_line(const pool_shape *s, const REAL *dy, REAL *dx, long z, long yy) {
    const long n = s->out[2], stride = s->stride[2], at[3] = {z, yy, 0};
    const pool_window w = pool_window_at(s, at);
    REAL shares[POOL_WIDEST];
    if (s->mode == POOL_AVG) {
        pool_divide(s, at, dy, shares);
        dy = shares;
    }
    for (long iz = w.start[0]; iz < w.stop[0]; iz++)
        for (long iy = w.start[1]; iy < w.stop[1]; iy++) {
            REAL *line = dx + (iz * s->in[1] + iy) * s->in[2];
            if (n == 1) {
                const REAL g = dy[0];
                for (long i = w.start[2]; i < w.stop[2]; i++) line[i] += g;
                continue;
            }
            for (long k = 0; k < s->kernel[2]; k++) {
                const long offset = k - s->pad[2];
                long lo, hi;
                pool_reach(s, offset, &lo, &hi);
                if (stride == 1) for (long i = lo; i < hi; i++) line[i + offset] += dy[i];
                else for (long i = lo; i < hi; i++) line[i * stride + offset] += dy[i];
            }
        }
}

/* The position of the first maximum of a window, -1 if nothing in it is above the lowest number. */
static inline long pool_first_maximum(const pool_shape *s, const pool_window *w, const REAL *x) {
    REAL most = POOL_LOWEST;
    long first = -1;
    for (long iz = w->start[0]; iz < w->stop[0]; iz++)
        for (long iy = w->start[1]; iy < w->stop[1]; iy++) {
            const long line = (iz * s->in[1] + iy) * s->in[2];
            for (long i = line + w->start[2]; i < line + w->stop[2]; i++) {
                const REAL v = x[i * s->step];
                first = v > most ? i : first;
                most = v > most ? v : most;
            }
        }
    return first;
}

/* dx of one plane. x: for MAX and LP; y: for LP (else NULL). The first maximum of a window gets its gradient. */
static void pool_backward(const pool_shape *s, const REAL *dy, const REAL *x, const REAL *y, REAL *dx) {
    const long size = s->in[0] * s->in[1] * s->in[2], step = s->step, stride = s->stride[2];
    const int spreads = (s->mode == POOL_SUM || s->mode == POOL_AVG) && step == 1 && s->out[2] <= POOL_WIDEST;
    long at[3];
    for (long i = 0; i < size; i++) dx[i * step] = 0;
    for (at[0] = 0; at[0] < s->out[0]; at[0]++)
        for (at[1] = 0; at[1] < s->out[1]; at[1]++) {
            const REAL *from = dy + (at[0] * s->out[1] + at[1]) * s->out[2] * step;
            if (spreads) {
                pool_spread_line(s, from, dx, at[0], at[1]);
                continue;
            }
            at[2] = 0;
            pool_window w = pool_window_at(s, at);
            for (; at[2] < s->out[2]; at[2]++) {
                const long o = at[2] * step, start = at[2] * stride - s->pad[2], stop = start + s->kernel[2];
                if (s->mode == POOL_MAX) { /* of the window only what changes along the line */
                    w.start[2] = start < 0 ? 0 : start;
                    w.stop[2] = stop > s->in[2] ? s->in[2] : stop;
                    const long first = pool_first_maximum(s, &w, x);
                    if (first >= 0) dx[first * step] += from[o];
                    continue;
                }
                w = pool_window_at(s, at);
                const REAL g = s->mode == POOL_AVG ? (w.size > 0 ? from[o] / w.size : 0) : from[o];
                const REAL root = s->mode == POOL_LP ? y[from - dy + o] : 1;
                if (root == 0 && s->power > 1) continue; /* as MXNet: no slope there */
                for (long iz = w.start[0]; iz < w.stop[0]; iz++)
                    for (long iy = w.start[1]; iy < w.stop[1]; iy++) {
                        const long line = (iz * s->in[1] + iy) * s->in[2];
                        for (long i = line + w.start[2]; i < line + w.stop[2]; i++) {
                            const REAL r = s->mode != POOL_LP || s->power == 1 ? 1 : x[i * step] / root;
                            dx[i * step] += g * (s->mode == POOL_LP && s->power == 3 ? r * r : r);
                        }
                    }
            }
        }
}
#endif
