/* Softmax along one dimension of an array seen as (outer, n, inner), its logarithm, and their gradients.
 *
 * inner = 1: rows, each a vector loop. Otherwise WIDTH neighbouring columns side by side, so that memory is read in order.
 * Nothing depends on how rows or column blocks are shared among threads.
 */
#ifndef CYEXEC_SOFTMAX_H
#define CYEXEC_SOFTMAX_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <Python.h>

enum { SOFTMAX_LANES = 32, SOFTMAX_BLOCK = 1024, WIDTH = 64 };

/* e^x for x <= 0, branch-free: x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r, and 2^k in two factors so that
 * denormal results are rounded once. Adding `shift` rounds to an integer in the low bits of the mantissa. -inf gives 0,
 * NaN stays NaN. <= 2 ulp. */
#ifdef REAL_IS_F32
static inline float exp_negative(float x)
{
    const float shift = 12582912.0f; /* 1.5 * 2^23 */
    float y = x < -110.0f ? -110.0f : x;
    const float k = y * 1.44269504088896341f + shift;
    const float n = k - shift;
    const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    int32_t bits, low, high;
    float p = 1.9875691500e-4f, a, b; /* coefficients: Cephes expf, S. Moshier */
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    memcpy(&bits, &k, 4);
    bits -= 0x4B400000;
    low = ((bits >> 1) + 127) << 23;
    high = (bits - (bits >> 1) + 127) << 23;
    memcpy(&a, &low, 4);
    memcpy(&b, &high, 4);
    return p * a * b;
}
#define real_log logf
#else
static inline double exp_negative(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    double y = x < -760.0 ? -760.0 : x;
    const double k = y * 1.4426950408889634074 + shift;
    const double n = k - shift;
    const double r = (y - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    int64_t bits, low, high;
    double p = 1.0 / 6227020800.0, a, b; /* Taylor: the first term left out is below 5e-18 */
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    memcpy(&bits, &k, 8);
    bits -= 0x4338000000000000LL;
    low = ((bits >> 1) + 1023) << 52;
    high = (bits - (bits >> 1) + 1023) << 52;
    memcpy(&a, &low, 8);
    memcpy(&b, &high, 8);
    return p * a * b;
}
#define real_log log
#endif

static inline REAL row_max(const REAL *x, REAL scale, Py_ssize_t n)
{
    REAL part[SOFTMAX_LANES];
    Py_ssize_t i = 0;
    for (int l = 0; l < SOFTMAX_LANES; l++)
        part[l] = -INFINITY;
    for (; i + SOFTMAX_LANES <= n; i += SOFTMAX_LANES)
        for (int l = 0; l < SOFTMAX_LANES; l++)
            part[l] = x[i + l] * scale > part[l] ? x[i + l] * scale : part[l];
    for (int l = 0; i + l < n; l++)
        part[l] = x[i + l] * scale > part[l] ? x[i + l] * scale : part[l];
    for (int half = SOFTMAX_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            part[l] = part[l + half] > part[l] ? part[l + half] : part[l];
    return part[0];
}

/* Sum over i of TERM, which may have side effects on element i: vector lanes within blocks, blocks in double. */
#define ROW_SUM(total, n, TERM)                                                                                        \
    double total = 0;                                                                                                  \
    for (Py_ssize_t from = 0; from < (n); from += SOFTMAX_BLOCK) {                                                     \
        const Py_ssize_t to = from + SOFTMAX_BLOCK < (n) ? from + SOFTMAX_BLOCK : (n);                                 \
        REAL part[SOFTMAX_LANES] = {0};                                                                                \
        Py_ssize_t at = from;                                                                                          \
        for (; at + SOFTMAX_LANES <= to; at += SOFTMAX_LANES)                                                          \
            for (int l = 0; l < SOFTMAX_LANES; l++) {                                                                  \
                const Py_ssize_t i = at + l;                                                                           \
                part[l] += TERM;                                                                                       \
            }                                                                                                          \
        for (int l = 0; at + l < to; l++) {                                                                            \
            const Py_ssize_t i = at + l;                                                                               \
            part[l] += TERM;                                                                                           \
        }                                                                                                              \
        for (int half = SOFTMAX_LANES / 2; half; half /= 2)                                                            \
            for (int l = 0; l < half; l++)                                                                             \
                part[l] += part[l + half];                                                                             \
        total += part[0];                                                                                              \
    }

static inline void softmax_row(const REAL *x, REAL *y, Py_ssize_t n, Py_ssize_t length, REAL scale, int logarithm)
{
    const Py_ssize_t m = length < n ? length : n;
    const REAL top = row_max(x, scale, m);
    if (logarithm) {
        ROW_SUM(total, m, exp_negative(x[i] * scale - top))
        const REAL norm = real_log((REAL)total);
        for (Py_ssize_t i = 0; i < m; i++)
            y[i] = (x[i] * scale - top) - norm;
    } else {
        /* x may be y: i is read before it is written. */
        ROW_SUM(total, m, (y[i] = exp_negative(x[i] * scale - top)))
        const REAL factor = (REAL)(1 / total);
        for (Py_ssize_t i = 0; i < m; i++)
            y[i] *= factor;
    }
    for (Py_ssize_t i = m; i < n; i++)
        y[i] = 0;
}

/* `w` columns side by side. `masked` (there are lengths) and `logarithm` are constants where this is called, so that the
 * loops hold no test that keeps them from being vectorised. */
static inline __attribute__((always_inline)) void softmax_side_by_side(const REAL *x, REAL *y, Py_ssize_t n,
                                                                       Py_ssize_t inner, Py_ssize_t w,
                                                                       const int64_t *length, REAL scale,
                                                                       const int masked, const int logarithm)
{
    REAL top[WIDTH], sum[WIDTH];
    for (Py_ssize_t j = 0; j < w; j++) {
        top[j] = -INFINITY;
        sum[j] = 0;
    }
    for (Py_ssize_t k = 0; k < n; k++)
        for (Py_ssize_t j = 0; j < w; j++) {
            const REAL z = x[k * inner + j] * scale;
            top[j] = (z > top[j]) & (!masked || k < length[j]) ? z : top[j];
        }
    for (Py_ssize_t k = 0; k < n; k++)
        for (Py_ssize_t j = 0; j < w; j++) {
            REAL e = exp_negative(x[k * inner + j] * scale - top[j]);
            if (masked)
                e = k < length[j] ? e : 0;
            sum[j] += e;
            if (!logarithm)
                y[k * inner + j] = e;
        }
    for (Py_ssize_t j = 0; j < w; j++)
        sum[j] = logarithm ? real_log(sum[j]) : sum[j] != 0 ? 1 / sum[j] : 0;
    for (Py_ssize_t k = 0; k < n; k++)
        for (Py_ssize_t j = 0; j < w; j++) {
            REAL *to = y + k * inner + j;
            if (!logarithm)
                *to *= sum[j];
            else
                *to = (x[k * inner + j] * scale - top[j]) - sum[j];
            if (logarithm && masked && k >= length[j])
                *to = 0;
        }
}

static void softmax_columns(const REAL *x, REAL *y, Py_ssize_t n, Py_ssize_t inner, Py_ssize_t w, const int64_t *length,
                            REAL scale, int logarithm)
{
    if (length)
        softmax_side_by_side(x, y, n, inner, w, length, scale, 1, logarithm);
    else if (logarithm)
        softmax_side_by_side(x, y, n, inner, w, length, scale, 0, 1);
    else
        softmax_side_by_side(x, y, n, inner, w, length, scale, 0, 0);
}

/* Tasks: rows (inner = 1), or blocks of WIDTH columns. `length` (outer * inner of them) may be NULL. */
static void softmax_tasks(const REAL *x, REAL *y, const int64_t *length, Py_ssize_t n, Py_ssize_t inner, REAL scale,
                          int logarithm, Py_ssize_t first, Py_ssize_t last)
{
    const Py_ssize_t blocks = (inner + WIDTH - 1) / WIDTH;
    for (Py_ssize_t t = first; t < last; t++) {
        if (inner == 1) {
            softmax_row(x + t * n, y + t * n, n, length ? length[t] : n, scale, logarithm);
        } else {
            const Py_ssize_t outer = t / blocks, column = t % blocks * WIDTH;
            const Py_ssize_t w = inner - column < WIDTH ? inner - column : WIDTH, at = outer * n * inner + column;
            softmax_columns(x + at, y + at, n, inner, w, length ? length + outer * inner + column : NULL, scale,
                            logarithm);
        }
    }
}

/* dx = scale * y (g - sum(g y)), or for the logarithm scale * (g - e^y sum(g)); dx may be g or y. */
static void softmax_grad_tasks(const REAL *g, const REAL *y, REAL *dx, Py_ssize_t n, Py_ssize_t inner, REAL scale,
                               int logarithm, Py_ssize_t first, Py_ssize_t last)
{
    const Py_ssize_t blocks = (inner + WIDTH - 1) / WIDTH;
    for (Py_ssize_t t = first; t < last; t++) {
        if (inner == 1) {
            const REAL *a = g + t * n, *b = y + t * n;
            REAL *to = dx + t * n;
            if (logarithm) {
                ROW_SUM(total, n, a[i])
                const REAL sum = (REAL)total;
                for (Py_ssize_t i = 0; i < n; i++)
                    to[i] = scale * (a[i] - exp_negative(b[i]) * sum);
            } else {
                ROW_SUM(total, n, a[i] * b[i])
                const REAL sum = (REAL)total;
                for (Py_ssize_t i = 0; i < n; i++)
                    to[i] = scale * b[i] * (a[i] - sum);
            }
        } else {
            const Py_ssize_t outer = t / blocks, column = t % blocks * WIDTH;
            const Py_ssize_t w = inner - column < WIDTH ? inner - column : WIDTH, at = outer * n * inner + column;
            REAL sum[WIDTH] = {0};
            for (Py_ssize_t k = 0; k < n; k++)
                for (Py_ssize_t j = 0; j < w; j++) {
                    const Py_ssize_t i = at + k * inner + j;
                    sum[j] += logarithm ? g[i] : g[i] * y[i];
                }
            for (Py_ssize_t k = 0; k < n; k++)
                for (Py_ssize_t j = 0; j < w; j++) {
                    const Py_ssize_t i = at + k * inner + j;
                    dx[i] = logarithm ? scale * (g[i] - exp_negative(y[i]) * sum[j]) : scale * y[i] * (g[i] - sum[j]);
                }
        }
    }
}
#endif
