/* Products with few rows, part of gemm.h: their time is that of reading B once, from a cache or from memory.
 *
 * `gemm_rows`: B's rows are contiguous. C's rows are sums of B's, eight at a time, over a part of the columns whose sums stay
 * in a first-level cache. `gemm_dots`: k is contiguous in both operands (B holds the weights of a layer). As many products
 * as a vector has lanes are computed side by side, and their lanes are added up together at the end.
 */
#ifndef CYEXEC_GEMM_THIN_H
#define CYEXEC_GEMM_THIN_H

/* Whether `gemm_rows` serves: so few rows that B, whose rows are contiguous, had better be read as it lies in memory. */
static inline int gemm_is_rows(const gemm_problem *g) {
    return !g->a.pack && !g->b.pack && g->b.lane_stride == 1 && g->k_batch == 1 && g->m <= 3;
}

#define GEMM_ROW_PART (32 * GEMM_VL) /* columns whose sums stay in a first-level cache while B passes */

static inline long gemm_rows_tiles(const gemm_problem *g) {
    return (g->n + GEMM_ROW_PART - 1) / GEMM_ROW_PART * g->column_batch;
}

/* sums[i][j] += a(i, p) b(p, j) for `steps` rows of B from number `p` on, `n` columns from `b`. */
GEMM_INLINE void gemm_row_block(const int rows, const int steps, const gemm_problem *g, long p, const REAL *b, long n,
                                REAL sums[][GEMM_ROW_PART]) {
    REAL x[3][8];
    long j = 0;
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int s = 0; s < steps; s++) x[i][s] = g->a.data[i * g->a.lane_stride + (p + s) * g->a.k_stride];
    for (; j + GEMM_VL <= n; j += GEMM_VL) {
        gemm_vec sum[3];
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) sum[i] = gemm_load(sums[i] + j);
#pragma GCC unroll 8
        for (int s = 0; s < steps; s++) {
            const gemm_vec y = gemm_load(b + s * g->b.k_stride + j);
#pragma GCC unroll 3
            for (int i = 0; i < rows; i++) sum[i] += x[i][s] * y;
        }
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) gemm_store(sums[i] + j, sum[i]);
    }
    if (j < n) {
#pragma GCC unroll 8
        for (int s = 0; s < steps; s++) {
            const gemm_vec y = gemm_load_part(b + s * g->b.k_stride + j, n - j);
#pragma GCC unroll 3
            for (int i = 0; i < rows; i++) gemm_store(sums[i] + j, gemm_load(sums[i] + j) + x[i][s] * y);
        }
    }
}

#define GEMM_ROW_FUNCTION(R)                                                                                      \
    static __attribute__((noinline)) void gemm_row_##R(const gemm_problem *g, const REAL *b, long n,             \
                                                       REAL sums[][GEMM_ROW_PART]) {                             \
        long p = 0;                                                                                              \
        for (; p + 8 <= g->k; p += 8) gemm_row_block(R, 8, g, p, b + p * g->b.k_stride, n, sums);                 \
        for (; p < g->k; p++) gemm_row_block(R, 1, g, p, b + p * g->b.k_stride, n, sums);                         \
    }
GEMM_ROW_FUNCTION(1)
GEMM_ROW_FUNCTION(2)
GEMM_ROW_FUNCTION(3)

/* Parts `lo` to `hi` of the columns of all images, all rows. */
static void gemm_rows(const gemm_problem *g, long lo, long hi) {
    const gemm_epilogue *e = &g->epilogue;
    const long per_image = (g->n + GEMM_ROW_PART - 1) / GEMM_ROW_PART;
    for (long t = lo; t < hi; t++) {
        const long image = t / per_image, j0 = t % per_image * GEMM_ROW_PART, n = gemm_min(GEMM_ROW_PART, g->n - j0);
        REAL sums[3][GEMM_ROW_PART];
        for (long i = 0; i < g->m; i++) memset(sums[i], 0, (n + GEMM_VL - 1) / GEMM_VL * sizeof(gemm_vec));
        (g->m == 1 ? gemm_row_1 : g->m == 2 ? gemm_row_2 : gemm_row_3)(g, g->b.data + image * g->b.image_stride + j0, n,
                                                                       sums);
        for (long i = 0; i < g->m; i++) {
            REAL *c = g->c + image * g->c_image_stride + i * g->ldc + j0;
            const REAL row_bias = e->row_bias ? e->row_bias[i] : 0;
            if (e->accumulate)
                for (long j = 0; j < n; j++) sums[i][j] = e->alpha * sums[i][j] + c[j];
            else
                for (long j = 0; j < n; j++) sums[i][j] *= e->alpha;
            if (e->column_bias)
                for (long j = 0; j < n; j++) sums[i][j] += e->column_bias[j0 + j];
            for (long j = 0; j < n; j++) c[j] = sums[i][j] + row_bias;
        }
    }
}

/* Whether `gemm_dots` serves: k is contiguous in both operands, and C has few rows or few elements. */
static inline int gemm_is_dots(const gemm_problem *g) {
    if (g->a.pack || g->b.pack || g->k_batch > 1 || g->column_batch > 1) return 0;
    if (g->a.k_stride != 1 || g->b.k_stride != 1) return 0;
    return g->m <= 4 || g->n <= 4 || (double)g->m * g->n * g->k <= 24. * 24. * 24.;
}

/* Halve the number of vectors: the sum of lanes `l` and `l ^ d` of r[i] stands in lane `l & ~d`, that of r[i + d] in `l | d`. */
#define GEMM_FOLD(d)                                                                             \
    _Pragma("GCC unroll 16") for (int i = 0; i < (d); i++)                                       \
        r[i] = __builtin_shuffle(r[i], r[i + (d)], GEMM_MASK(GEMM_LO, d)) +                      \
               __builtin_shuffle(r[i], r[i + (d)], GEMM_MASK(GEMM_HI, d));

/* Sums of the lanes of as many vectors as a vector has lanes: r[0] has that of r[i] in lane i. Every sum is added up in the
 * same order. */
GEMM_INLINE void gemm_sum_lanes(gemm_vec r[GEMM_VL]) {
#if GEMM_VL >= 16
    GEMM_FOLD(8)
#endif
#if GEMM_VL >= 8
    GEMM_FOLD(4)
#endif
#if GEMM_VL >= 4
    GEMM_FOLD(2)
#endif
    GEMM_FOLD(1)
}

/* rows x columns dot products of length k, as many as a vector has lanes; vectors run along k. Of the columns `count` are
 * there; the others repeat the last one. */
GEMM_INLINE void gemm_dot_block(const int rows, const gemm_problem *g, long i0, long j0, long count) {
    enum { MOST = GEMM_VL };
    const int columns = GEMM_VL / rows;
    const REAL *a = g->a.data + i0 * g->a.lane_stride, *b[MOST];
    const long ars = g->a.lane_stride;
    gemm_vec acc[GEMM_VL];
    REAL sums[GEMM_VL];
    long p = 0;
#pragma GCC unroll 16
    for (int j = 0; j < columns; j++) b[j] = g->b.data + (j0 + gemm_min(j, count - 1)) * g->b.lane_stride;
#pragma GCC unroll 16
    for (int i = 0; i < GEMM_VL; i++) acc[i] = (gemm_vec){0};
    for (; p + GEMM_VL <= g->k; p += GEMM_VL) {
        gemm_vec x[4];
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) x[i] = gemm_load(a + i * ars + p);
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++) {
            const gemm_vec y = gemm_load(b[j] + p);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) acc[i * columns + j] += x[i] * y;
        }
    }
    if (p < g->k) {
#pragma GCC unroll 16
        for (int j = 0; j < columns; j++) {
            const gemm_vec y = gemm_load_part(b[j] + p, g->k - p);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) acc[i * columns + j] += gemm_load_part(a + i * ars + p, g->k - p) * y;
        }
    }
    gemm_sum_lanes(acc);
    gemm_store(sums, acc[0] * g->epilogue.alpha);
    for (int i = 0; i < rows; i++) {
        REAL *c = g->c + (i0 + i) * g->ldc + j0;
        for (long j = 0; j < count; j++) {
            REAL x = sums[i * columns + j];
            if (g->epilogue.accumulate) x += c[j];
            if (g->epilogue.row_bias) x += g->epilogue.row_bias[i0 + i];
            if (g->epilogue.column_bias) x += g->epilogue.column_bias[j0 + j];
            c[j] = x;
        }
    }
}

/* Rows of a block: with one row a vector of A serves GEMM_VL of B, with four fewer loads do. */
#define GEMM_DOT_ROWS (GEMM_VL < 4 ? GEMM_VL : 4)

#define GEMM_DOT_FUNCTION(R)                                                                                  \
    static __attribute__((noinline)) void gemm_dot_##R(const gemm_problem *g, long i, long j, long count) {  \
        gemm_dot_block(R, g, i, j, count);                                                                   \
    }
GEMM_DOT_FUNCTION(1)
GEMM_DOT_FUNCTION(2)
#if GEMM_VL >= 4
GEMM_DOT_FUNCTION(4)
#else
#define gemm_dot_4 gemm_dot_2
#endif

static inline long gemm_dots_tiles(const gemm_problem *g) { return (g->n + GEMM_VL - 1) / GEMM_VL; }

/* Columns GEMM_VL lo to GEMM_VL hi, all rows. */
static void gemm_dots(const gemm_problem *g, long lo, long hi) {
    const long last = gemm_min(hi * GEMM_VL, g->n);
    for (long j0 = lo * GEMM_VL; j0 < last; j0 += GEMM_VL) {
        for (long i = 0, rows; i < g->m; i += rows) {
            rows = g->m - i >= GEMM_DOT_ROWS ? GEMM_DOT_ROWS : g->m - i >= 2 ? 2 : 1;
            const long columns = GEMM_VL / rows, stop = gemm_min(j0 + GEMM_VL, last);
            for (long j = j0; j < stop; j += columns)
                (rows == 1 ? gemm_dot_1 : rows == 2 ? gemm_dot_2 : gemm_dot_4)(g, i, j, gemm_min(columns, stop - j));
        }
    }
}

#endif
