/* Loops of local response normalisation over a part of one plane. */
#ifndef CYEXEC_LRN_H
#define CYEXEC_LRN_H

#include <tgmath.h>
#include <stddef.h>

/* power = t ^ -beta. The exponents that networks use are square roots, which vectorise; others cost a pow each. */
static inline REAL lrn_power(REAL t, double beta, int kind)
{
    if (kind == 3)
        return 1 / (sqrt(t) * sqrt(sqrt(t)));
    if (kind == 2)
        return 1 / sqrt(t);
    if (kind == 4)
        return 1 / t;
    return (REAL)pow(t, -beta);
}

static inline int lrn_kind(double beta) { return beta == 0.75 ? 3 : beta == 0.5 ? 2 : beta == 1 ? 4 : 0; }

/* norm = knorm + alpha * sum of squares of planes first..last; y = x * norm ^ -beta for plane c. */
static inline void lrn_forward(const REAL *x, REAL *y, REAL *norm, ptrdiff_t size, ptrdiff_t c, ptrdiff_t first,
                               ptrdiff_t last, REAL alpha, REAL knorm, double beta)
{
    const REAL *own = x + c * size;
    int kind = lrn_kind(beta);
    for (ptrdiff_t i = 0; i < size; i++)
        norm[i] = 0;
    for (ptrdiff_t k = first; k <= last; k++)
        for (ptrdiff_t i = 0; i < size; i++)
            norm[i] += x[k * size + i] * x[k * size + i];
    for (ptrdiff_t i = 0; i < size; i++)
        norm[i] = knorm + alpha * norm[i];
    if (kind == 3) /* of its own, so that the compiler sees the constant */
        for (ptrdiff_t i = 0; i < size; i++)
            y[i] = own[i] * lrn_power(norm[i], beta, 3);
    else
        for (ptrdiff_t i = 0; i < size; i++)
            y[i] = own[i] * lrn_power(norm[i], beta, kind);
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
    for (ptrdiff_t i = 0; i < size; i++)
        dx[i] = 0;
    for (ptrdiff_t k = first; k <= last; k++)
        for (ptrdiff_t i = 0; i < size; i++)
            dx[i] += ratio[k * size + i];
    if (kind == 3)
        for (ptrdiff_t i = 0; i < size; i++)
            dx[i] = dy[i] * lrn_power(norm[i], beta, 3) - factor * x[i] * dx[i];
    else
        for (ptrdiff_t i = 0; i < size; i++)
            dx[i] = dy[i] * lrn_power(norm[i], beta, kind) - factor * x[i] * dx[i];
}

#endif
