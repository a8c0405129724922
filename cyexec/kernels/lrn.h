/* Loops of local response normalisation over a part of one plane. */
#ifndef CYEXEC_LRN_H
#define CYEXEC_LRN_H

#include <tgmath.h>
#include <stddef.h>

/* power = t ^ -beta. The exponents that networks use are square roots, which vectorise; others cost a pow each. */
static inline REAL lrn_power(REAL t, double beta, int kind)
{
    if (kind == 3) /* roots and divisions are what takes time: three of them */
        return sqrt(sqrt(t)) / t;
    if (kind == 2)
        return 1 / sqrt(t);
    if (kind == 4)
        return 1 / t;
    return (REAL)pow(t, -beta);
}

static inline int lrn_kind(double beta) { return beta == 0.75 ? 3 : beta == 0.5 ? 2 : beta == 1 ? 4 : 0; }

enum { LRN_BLOCK = 64 }; /* neighbours in a plane whose sums stay in registers or a first-level cache */

/* The sum over planes first..last, of `square`: the squares, of elements i to i + n of each. */
static inline __attribute__((always_inline)) void lrn_sum(const REAL *x, REAL *sum, ptrdiff_t size, ptrdiff_t i,
                                                          ptrdiff_t n, ptrdiff_t first, ptrdiff_t last, const int square)
{
    for (ptrdiff_t j = 0; j < n; j++)
        sum[j] = 0;
    for (ptrdiff_t k = first; k <= last; k++) {
        const REAL *from = x + k * size + i;
        for (ptrdiff_t j = 0; j < n; j++)
            sum[j] += square ? from[j] * from[j] : from[j];
    }
}

/* norm = knorm + alpha * sum of squares of planes first..last; y = x * norm ^ -beta for plane c. */
static inline void lrn_forward(const REAL *x, REAL *y, REAL *norm, ptrdiff_t size, ptrdiff_t c, ptrdiff_t first,
                               ptrdiff_t last, REAL alpha, REAL knorm, double beta)
{
    const REAL *own = x + c * size;
    int kind = lrn_kind(beta);
    for (ptrdiff_t i = 0; i < size; i += LRN_BLOCK) {
        const ptrdiff_t n = size - i < LRN_BLOCK ? size - i : LRN_BLOCK;
        REAL sum[LRN_BLOCK];
        if (n == LRN_BLOCK)
            lrn_sum(x, sum, size, i, LRN_BLOCK, first, last, 1);
        else
            lrn_sum(x, sum, size, i, n, first, last, 1);
        for (ptrdiff_t j = 0; j < n; j++)
            norm[i + j] = sum[j] = knorm + alpha * sum[j];
        if (kind == 3) /* of its own, so that the compiler sees the constant */
            for (ptrdiff_t j = 0; j < n; j++)
                y[i + j] = own[i + j] * lrn_power(sum[j], beta, 3);
        else
            for (ptrdiff_t j = 0; j < n; j++)
                y[i + j] = own[i + j] * lrn_power(sum[j], beta, kind);
    }
}

/* ratio = dy * x * norm ^ (-beta - 1). */
static inline void lrn_ratio(const REAL *dy, const REAL *x, const REAL *norm, REAL *ratio, ptrdiff_t size, double beta)
{
    int kind = lrn_kind(beta);
    if (kind == 3)
        for (ptrdiff_t i = 0; i < size; i++)
            ratio[i] = dy[i] * x[i] * lrn_power(norm[i], beta, 3) / norm[i];
    else
        for (ptrdiff_t i = 0; i < size; i++)
            ratio[i] = dy[i] * x[i] * lrn_power(norm[i], beta, kind) / norm[i];
}

/* dx = dy * norm ^ -beta - factor * x * sum of `ratio` of planes first..last. */
static inline void lrn_backward(const REAL *dy, const REAL *x, const REAL *norm, const REAL *ratio, REAL *dx,
                                ptrdiff_t size, ptrdiff_t first, ptrdiff_t last, REAL factor, double beta)
{
    int kind = lrn_kind(beta);
    for (ptrdiff_t i = 0; i < size; i += LRN_BLOCK) {
        const ptrdiff_t n = size - i < LRN_BLOCK ? size - i : LRN_BLOCK;
        REAL sum[LRN_BLOCK];
        if (n == LRN_BLOCK)
            lrn_sum(ratio, sum, size, i, LRN_BLOCK, first, last, 0);
        else
            lrn_sum(ratio, sum, size, i, n, first, last, 0);
        if (kind == 3)
            for (ptrdiff_t j = 0; j < n; j++)
                dx[i + j] = dy[i + j] * lrn_power(norm[i + j], beta, 3) - factor * x[i + j] * sum[j];
        else
            for (ptrdiff_t j = 0; j < n; j++)
                dx[i + j] = dy[i + j] * lrn_power(norm[i + j], beta, kind) - factor * x[i + j] * sum[j];
    }
}

#endif
