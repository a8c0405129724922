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

/* One line of outputs, a tap of the window at a time, so that the inner loop runs along the line. */
static void pool_line(const pool_shape *s, const REAL *restrict x, REAL *restrict y, long z, long yy) {
    const long n = s->out[2], stride = s->stride[2];
    const int mode = s->mode, power = mode == POOL_LP ? s->power : 1;
    const REAL start = mode == POOL_MAX ? POOL_LOWEST : 0;
    long at[3] = {z, yy, 0};
    const pool_window w = pool_window_at(s, at);
    for (long i = 0; i < n; i++) y[i * s->step] = start;
    for (long iz = w.start[0]; iz < w.stop[0]; iz++)
        for (long iy = w.start[1]; iy < w.stop[1]; iy++) {
            const REAL *line = x + (iz * s->in[1] + iy) * s->in[2] * s->step;
            if (n == 1 && s->step == 1) { /* one wide window */
                const long run = w.stop[2] - w.start[2];
                if (mode == POOL_MAX) y[0] = pool_run_max(line + w.start[2], run, y[0]);
                else y[0] += pool_run_sum(line + w.start[2], run, power);
                continue;
            }
            for (long k = 0; k < s->kernel[2]; k++) {
                const long offset = k - s->pad[2];
                long lo = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
                long hi = s->in[2] - offset <= 0 ? 0 : (s->in[2] - offset + stride - 1) / stride;
                if (hi > n) hi = n;
                const REAL *from = line + offset * s->step;
                if (s->step != 1) {
                    for (long i = lo; i < hi; i++) {
                        const REAL v = from[i * stride * s->step], old = y[i * s->step];
                        y[i * s->step] = mode == POOL_MAX ? (v > old ? v : old) : old + pool_power(v, power);
                    }
                } else if (mode == POOL_MAX) {
                    if (stride == 1) for (long i = lo; i < hi; i++) y[i] = from[i] > y[i] ? from[i] : y[i];
                    else if (stride == 2) for (long i = lo; i < hi; i++) y[i] = from[2 * i] > y[i] ? from[2 * i] : y[i];
                    else for (long i = lo; i < hi; i++) y[i] = from[i * stride] > y[i] ? from[i * stride] : y[i];
                } else if (power == 1) {
                    if (stride == 1) for (long i = lo; i < hi; i++) y[i] += from[i];
                    else if (stride == 2) for (long i = lo; i < hi; i++) y[i] += from[2 * i];
                    else for (long i = lo; i < hi; i++) y[i] += from[i * stride];
                } else {
                    for (long i = lo; i < hi; i++) y[i] += pool_power(from[i * stride], power);
                }
            }
        }
    if (mode == POOL_LP)
        for (long i = 0; i < n; i++) y[i * s->step] = pool_root(y[i * s->step], power);
    if (mode == POOL_AVG)
        for (long i = 0; i < n; i++) {
            at[2] = i;
            const long size = pool_window_at(s, at).size;
            y[i * s->step] = size > 0 ? y[i * s->step] / size : 0;
        }
}

static void pool_forward(const pool_shape *s, const REAL *x, REAL *y) {
    for (long z = 0; z < s->out[0]; z++)
        for (long line = 0; line < s->out[1]; line++)
            pool_line(s, x, y + (z * s->out[1] + line) * s->out[2] * s->step, z, line);
}

/* dx of one plane. x: for MAX and LP; y: for LP (else NULL). The first maximum of a window gets its gradient. */
static void pool_backward(const pool_shape *s, const REAL *dy, const REAL *x, const REAL *y, REAL *dx) {
    const long size = s->in[0] * s->in[1] * s->in[2], step = s->step;
    long at[3];
    for (long i = 0; i < size; i++) dx[i * step] = 0;
    for (at[0] = 0; at[0] < s->out[0]; at[0]++)
        for (at[1] = 0; at[1] < s->out[1]; at[1]++)
            for (at[2] = 0; at[2] < s->out[2]; at[2]++) {
                const pool_window w = pool_window_at(s, at);
                const long o = ((at[0] * s->out[1] + at[1]) * s->out[2] + at[2]) * step;
                const REAL g = s->mode == POOL_AVG ? (w.size > 0 ? dy[o] / w.size : 0) : dy[o];
                REAL most = POOL_LOWEST;
                long first = -1;
                for (long iz = w.start[0]; iz < w.stop[0]; iz++)
                    for (long iy = w.start[1]; iy < w.stop[1]; iy++) {
                        const long line = (iz * s->in[1] + iy) * s->in[2];
                        if (s->mode == POOL_MAX) {
                            for (long i = line + w.start[2]; i < line + w.stop[2]; i++)
                                if (x[i * step] > most) most = x[i * step], first = i;
                        } else if (s->mode == POOL_LP) {
                            if (y[o] == 0 && s->power > 1) continue; /* as MXNet: no slope there */
                            for (long i = line + w.start[2]; i < line + w.stop[2]; i++) {
                                const REAL r = s->power == 1 ? 1 : x[i * step] / y[o];
                                dx[i * step] += g * (s->power == 3 ? r * r : r);
                            }
                        } else {
                            for (long i = line + w.start[2]; i < line + w.stop[2]; i++) dx[i * step] += g;
                        }
                    }
                if (first >= 0) dx[first * step] += g;
            }
}
#endif
