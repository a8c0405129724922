/* Reductions of a C-contiguous array over any of its axes.
 *
 * The caller collapses the shape to kept and reduced dimensions. If the last one is reduced, an output is a sum over
 * `rows` contiguous runs of `inner` elements; if it is kept, `inner` neighbouring outputs are summed side by side
 * (column sums). Both read memory in order and vectorise.
 *
 * Accuracy and repeatability: float sums run in REAL over at most BLOCK / LANES (ROWS, for columns) terms; these are
 * added up in double. Where outputs are few, `parts` tasks share one output; the cuts depend on the shape alone, so the
 * result has the same bits for every team size.
 */
#ifndef CYEXEC_REDUCE_H
#define CYEXEC_REDUCE_H

#include <math.h>
#include <Python.h>

enum { LANES = 64, BLOCK = 2048, PIECE = 8192, COLUMNS = 128, ROWS = 32, MAX_DIMS = 32 };
enum { REDUCE_SUM, REDUCE_PROD, REDUCE_NANSUM, REDUCE_NANPROD, REDUCE_MAX, REDUCE_MIN, REDUCE_ABS, REDUCE_SQUARES };
enum { FINISH_PLAIN, FINISH_DIVIDE, FINISH_ROOT };

#if defined(REAL_IS_F32) || defined(REAL_IS_F64)
#define FLOATING 1
typedef double wide;
#define NARROW REAL
#else
#define FLOATING 0
typedef long long wide; /* wraps like the integers it stands for */
#define NARROW wide /* means of int8 must not wrap half-way */
#endif
#define WIDE wide

typedef struct {
    int what, end;                                       /* REDUCE_*, FINISH_* */
    int by_columns;                                      /* the last dimension is kept */
    Py_ssize_t inner;                                    /* elements of the last dimension */
    Py_ssize_t rows, cuts;                               /* reduced runs for an output, and pieces of a run */
    Py_ssize_t parts;                                    /* tasks that share an output */
    Py_ssize_t outputs, groups;
    Py_ssize_t count;                                    /* elements that one output is made of */
    int rank_kept, rank_reduced;                         /* without the last dimension */
    Py_ssize_t kept[MAX_DIMS], kept_stride[MAX_DIMS], reduced[MAX_DIMS], reduced_stride[MAX_DIMS];
} reduction;

static inline Py_ssize_t offset_of(Py_ssize_t index, int rank, const Py_ssize_t *extent, const Py_ssize_t *stride)
{
    Py_ssize_t offset = 0;
    for (int d = rank - 1; d > 0; d--) {
        offset += index % extent[d] * stride[d];
        index /= extent[d];
    }
    return rank ? offset + index * stride[0] : 0;
}

static inline REAL finish(const reduction *r, wide total)
{
    if (r->end == FINISH_DIVIDE) {
#if FLOATING
        return (REAL)(total / (double)r->count);
#else
        return (REAL)(r->count ? total / r->count : 0);
#endif
    }
    if (r->end == FINISH_ROOT)
        return (REAL)sqrt((double)total);
    return (REAL)total;
}

#define ADD(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
/* A NaN on either side stays. */
#define LARGER(a, b) (((b) > (a)) | ((b) != (b)) ? (b) : (a))
#define SMALLER(a, b) (((b) < (a)) | ((b) != (b)) ? (b) : (a))

#define NAME sum
#define LANE NARROW
#define IDENTITY 0
#define MAP(x) (x)
#define JOIN ADD
#include "reduce_loops.h"

#define NAME prod
#define LANE NARROW
#define IDENTITY 1
#define MAP(x) (x)
#define JOIN TIMES
#include "reduce_loops.h"

#if FLOATING
#define NAME nansum
#define LANE NARROW
#define IDENTITY 0
#define MAP(x) ((x) == (x) ? (x) : 0)
#define JOIN ADD
#include "reduce_loops.h"

#define NAME nanprod
#define LANE NARROW
#define IDENTITY 1
#define MAP(x) ((x) == (x) ? (x) : 1)
#define JOIN TIMES
#include "reduce_loops.h"
#define LOWEST ((REAL)-INFINITY)
#define HIGHEST ((REAL)INFINITY)
#define MAGNITUDE(x) ((REAL)__builtin_fabs(x))
#else
#define tasks_nansum tasks_sum
#define join_nansum join_sum
#define tasks_nanprod tasks_prod
#define join_nanprod join_prod
#define UNSIGNED_REAL ((REAL)-1 > 0)
#define HIGHEST ((REAL)(UNSIGNED_REAL ? (REAL)-1 : (REAL)((1ULL << (8 * sizeof(REAL) - 1)) - 1)))
#define LOWEST ((REAL)(UNSIGNED_REAL ? 0 : -HIGHEST - 1))
#define MAGNITUDE(x) ((wide)((x) < 0 ? -(wide)(x) : (wide)(x)))
#endif

#define NAME max
#define LANE NARROW
#define IDENTITY LOWEST
#define MAP(x) (x)
#define JOIN LARGER
#include "reduce_loops.h"

#define NAME min
#define LANE NARROW
#define IDENTITY HIGHEST
#define MAP(x) (x)
#define JOIN SMALLER
#include "reduce_loops.h"

#define NAME abs
#define LANE wide
#define IDENTITY 0
#define MAP(x) ((wide)MAGNITUDE(x))
#define JOIN ADD
#include "reduce_loops.h"

/* In double throughout: squares of floats neither overflow nor vanish there. */
#define NAME squares
#define LANE wide
#define IDENTITY 0
#define MAP(x) ((wide)(x) * (wide)(x))
#define JOIN ADD
#include "reduce_loops.h"

#define EACH(call)                                                                                                     \
    switch (r->what) {                                                                                                 \
    case REDUCE_SUM: call(sum); break;                                                                                 \
    case REDUCE_PROD: call(prod); break;                                                                               \
    case REDUCE_NANSUM: call(nansum); break;                                                                           \
    case REDUCE_NANPROD: call(nanprod); break;                                                                         \
    case REDUCE_MAX: call(max); break;                                                                                 \
    case REDUCE_MIN: call(min); break;                                                                                 \
    case REDUCE_ABS: call(abs); break;                                                                                 \
    default: call(squares);                                                                                            \
    }
#define TASKS(name) tasks_##name(r, x, out, partial, first, last)
#define JOINS(name) join_##name(r, out, partial, first, last)

static void reduce_tasks(const reduction *r, const REAL *x, REAL *out, double *partial, Py_ssize_t first,
                         Py_ssize_t last)
{
    EACH(TASKS)
}

static void reduce_join(const reduction *r, REAL *out, const double *partial, Py_ssize_t first, Py_ssize_t last)
{
    EACH(JOINS)
}

/* Index of the largest (sign = 1) or smallest (sign = -1) of n elements `stride` apart, for outputs o = (outer, inner);
 * the first one of equals; the first NaN, if there is one. */
static void reduce_arg(const REAL *x, REAL *out, Py_ssize_t n, Py_ssize_t inner, int largest, Py_ssize_t first,
                       Py_ssize_t last)
{
    for (Py_ssize_t o = first; o < last; o++) {
        const REAL *y = x + o / inner * n * inner + o % inner;
        REAL best = y[0];
        Py_ssize_t at = 0;
        for (Py_ssize_t i = 1; i < n && best == best; i++) {
            const REAL v = y[i * inner];
            if ((largest ? v > best : v < best) || v != v) {
                best = v;
                at = i;
            }
        }
        out[o] = (REAL)at;
    }
}
#endif
