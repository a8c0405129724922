/* Row loops of the normalisation kernels.
 *
 * REAL is float or double. Sums run in sixteen (eight) lanes over pieces of at most PIECE elements and pieces are added
 * in double: the error does not grow with the number of elements, and the order of summation depends on nothing but
 * the sizes. Variances are two-pass inside a piece (the second pass reads the first-level cache) and pieces are
 * combined by Chan, Golub, LeVeque (1983), eq. 1.5: no cancellation however large the mean is.
 */
#ifndef CYEXEC_NORM_H
#define CYEXEC_NORM_H

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef REAL norm_vec __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
#define LANES ((ptrdiff_t)(64 / sizeof(REAL)))
#define PIECE 4096 /* 16 KB of float32: half of a 32 KB first-level cache */

#define norm_load(x) (*(const norm_vec *)(x))

/* Sum of all lanes. Vectors go by address: how they are passed by value depends on the level. */
static inline double norm_total(const norm_vec *v)
{
    REAL t[64 / sizeof(REAL)];
    memcpy(t, v, sizeof t);
    for (int w = (int)LANES / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++)
            t[i] += t[i + w];
    return t[0];
}

/* Mean and sum of squared deviations of n elements. */
static inline void norm_moments(const REAL *x, ptrdiff_t n, double *mean, double *m2)
{
    double total_mean = 0, total_m2 = 0, count = 0;
    for (ptrdiff_t at = 0; at < n; at += PIECE) {
        const REAL *p = x + at;
        ptrdiff_t m = n - at < PIECE ? n - at : PIECE, i = 0;
        norm_vec a = {0}, b = {0};
        double sum = 0, dev = 0, square = 0;
        for (; i + 2 * LANES <= m; i += 2 * LANES) {
            a += norm_load(p + i);
            b += norm_load(p + i + LANES);
        }
        for (; i + LANES <= m; i += LANES)
            a += norm_load(p + i);
        if (i)
            a += b, sum = norm_total(&a);
        for (; i < m; i++)
            sum += p[i];
        REAL about = (REAL)(sum / m);
        norm_vec da = {0}, db = {0};
        a = (norm_vec){0}, b = (norm_vec){0}, i = 0;
        for (; i + 2 * LANES <= m; i += 2 * LANES) {
            norm_vec u = norm_load(p + i) - about, v = norm_load(p + i + LANES) - about;
            da += u, db += v;
            a += u * u, b += v * v;
        }
        for (; i + LANES <= m; i += LANES) {
            norm_vec u = norm_load(p + i) - about;
            da += u;
            a += u * u;
        }
        if (i)
            da += db, a += b, dev = norm_total(&da), square = norm_total(&a);
        for (; i < m; i++) {
            double u = p[i] - about;
            dev += u;
            square += u * u;
        }
        /* `about` is rounded: the deviations do not quite add up to nothing. */
        double piece_mean = about + dev / m, piece_m2 = square - dev * dev / m;
        double delta = piece_mean - total_mean, both = count + m;
        total_mean += delta * (m / both);
        total_m2 += piece_m2 + delta * delta * (count * m / both);
        count = both;
    }
    *mean = total_mean;
    *m2 = total_m2 > 0 || total_m2 != total_m2 ? total_m2 : 0;
}

/* Sums of dy and of dy * (x - mean). */
static inline void norm_sums(const REAL *dy, const REAL *x, REAL mean, ptrdiff_t n, double *sum, double *dot)
{
    double total = 0, total_dot = 0;
    for (ptrdiff_t at = 0; at < n; at += PIECE) {
        const REAL *g = dy + at, *p = x + at;
        ptrdiff_t m = n - at < PIECE ? n - at : PIECE, i = 0;
        norm_vec a = {0}, b = {0}, c = {0}, d = {0};
        for (; i + 2 * LANES <= m; i += 2 * LANES) {
            norm_vec u = norm_load(g + i), v = norm_load(g + i + LANES);
            a += u, b += v;
            c += u * (norm_load(p + i) - mean);
            d += v * (norm_load(p + i + LANES) - mean);
        }
        for (; i + LANES <= m; i += LANES) {
            norm_vec u = norm_load(g + i);
            a += u;
            c += u * (norm_load(p + i) - mean);
        }
        if (i)
            a += b, c += d, total += norm_total(&a), total_dot += norm_total(&c);
        for (; i < m; i++) {
            total += g[i];
            total_dot += (double)g[i] * (p[i] - mean);
        }
    }
    *sum = total;
    *dot = total_dot;
}

/* The loops below may run in place, which GCC's overlap checks would send to scalar code: ivdep says that each element
 * is read before it is written. */

/* y = (x - mean) * scale + shift; y may be x. */
static inline void norm_apply(const REAL *x, REAL *y, REAL mean, REAL scale, REAL shift, ptrdiff_t n)
{
#pragma GCC ivdep
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale + shift;
}

/* dx = dy * scale - (x - mean) * slope - offset; dx may be dy or x. */
static inline void norm_apply_backward(const REAL *dy, const REAL *x, REAL *dx, REAL mean, REAL scale, REAL slope,
                                       REAL offset, ptrdiff_t n)
{
#pragma GCC ivdep
    for (ptrdiff_t i = 0; i < n; i++)
        dx[i] = dy[i] * scale - ((x[i] - mean) * slope + offset);
}

/* Column moments of a block of rows: mean[k], m2[k] over `rows` rows of `width` elements. */
static inline void norm_columns(const REAL *x, ptrdiff_t rows, ptrdiff_t width, double *restrict mean,
                                double *restrict m2)
{
    for (ptrdiff_t k = 0; k < width; k++)
        mean[k] = m2[k] = 0;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t k = 0; k < width; k++)
            mean[k] += x[r * width + k];
    for (ptrdiff_t k = 0; k < width; k++)
        mean[k] /= rows;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t k = 0; k < width; k++) {
            double u = x[r * width + k] - mean[k];
            m2[k] += u * u;
        }
}

/* Column sums of dy and of dy * (x - mean[k]) over a block of rows. */
static inline void norm_column_sums(const REAL *dy, const REAL *x, const REAL *mean, ptrdiff_t rows, ptrdiff_t width,
                                    double *restrict sum, double *restrict dot)
{
    for (ptrdiff_t k = 0; k < width; k++)
        sum[k] = dot[k] = 0;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t k = 0; k < width; k++) {
            sum[k] += dy[r * width + k];
            dot[k] += (double)dy[r * width + k] * (x[r * width + k] - mean[k]);
        }
}

/* y = (x - mean) * scale * gamma + beta with arrays; gamma may be NULL (one); y may be x. */
static inline void norm_apply_row(const REAL *x, REAL *y, const REAL *mean, const REAL *scale, const REAL *gamma,
                                  const REAL *beta, ptrdiff_t n)
{
    if (gamma) {
#pragma GCC ivdep
        for (ptrdiff_t k = 0; k < n; k++)
            y[k] = (x[k] - mean[k]) * (scale[k] * gamma[k]) + beta[k];
    } else {
#pragma GCC ivdep
        for (ptrdiff_t k = 0; k < n; k++)
            y[k] = (x[k] - mean[k]) * scale[k] + beta[k];
    }
}

/* dx = dy * scale - (x - mean) * slope - offset with arrays; dx may be dy or x. */
static inline void norm_apply_row_backward(const REAL *dy, const REAL *x, REAL *dx, const REAL *mean,
                                           const REAL *scale, const REAL *slope, const REAL *offset, ptrdiff_t n)
{
#pragma GCC ivdep
    for (ptrdiff_t k = 0; k < n; k++)
        dx[k] = dy[k] * scale[k] - ((x[k] - mean[k]) * slope[k] + offset[k]);
}

/* Rows with a scale for every element (LayerNorm). */

/* Sums of gamma * dy and of gamma * dy * (x - mean) over a row. */
static inline void norm_scaled_sums(const REAL *dy, const REAL *x, const REAL *gamma, REAL mean, ptrdiff_t n,
                                    double *sum, double *dot)
{
    double total = 0, total_dot = 0;
    for (ptrdiff_t at = 0; at < n; at += PIECE) {
        ptrdiff_t end = n - at < PIECE ? n : at + PIECE, i = at;
        norm_vec a = {0}, c = {0};
        for (; i + LANES <= end; i += LANES) {
            norm_vec u = norm_load(dy + i) * norm_load(gamma + i);
            a += u;
            c += u * (norm_load(x + i) - mean);
        }
        total += norm_total(&a), total_dot += norm_total(&c);
        for (; i < end; i++) {
            double u = (double)dy[i] * gamma[i];
            total += u;
            total_dot += u * (x[i] - mean);
        }
    }
    *sum = total;
    *dot = total_dot;
}

/* y = (x - mean) * scale * gamma + beta; y may be x. */
static inline void norm_scaled_apply(const REAL *x, REAL *y, REAL mean, REAL scale, const REAL *gamma,
                                     const REAL *beta, ptrdiff_t n)
{
#pragma GCC ivdep
    for (ptrdiff_t k = 0; k < n; k++)
        y[k] = (x[k] - mean) * scale * gamma[k] + beta[k];
}

/* dx = dy * gamma * scale - (x - mean) * slope - offset; dx may be dy or x. */
static inline void norm_scaled_backward(const REAL *dy, const REAL *x, const REAL *gamma, REAL *dx, REAL mean,
                                        REAL scale, REAL slope, REAL offset, ptrdiff_t n)
{
#pragma GCC ivdep
    for (ptrdiff_t k = 0; k < n; k++)
        dx[k] = dy[k] * gamma[k] * scale - ((x[k] - mean) * slope + offset);
}

/* Add a row of dy, and of dy * normalised x, to sums by column. */
static inline void norm_add_row(const REAL *dy, const REAL *x, REAL mean, REAL scale, double *restrict sum,
                                double *restrict dot, ptrdiff_t n)
{
    for (ptrdiff_t k = 0; k < n; k++) {
        sum[k] += dy[k];
        dot[k] += (double)dy[k] * ((x[k] - mean) * scale);
    }
}

#endif
