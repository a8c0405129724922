/* Products read from the matrices as they lie, part of gemm.h: of few rows, or so small that packing costs more than it brings.
 *
 * The tiles are those of the packed path. A last panel of columns that no whole number of vectors covers is copied to `edge`;
 * if it has few columns, their products are sums along k instead (`gemm_dots`): a vector of columns would be mostly empty.
 */
#ifndef CYEXEC_GEMM_DIRECT_H
#define CYEXEC_GEMM_DIRECT_H
#ifndef GEMM_READS_DIRECTLY
#define GEMM_READS_DIRECTLY 1
#endif

/* Whether `gemm_direct` serves: B has contiguous rows, and packing would cost more than it brings.
 *
 * Up to 200^3 products (and at 256^3 still) reading matrices as they lie is 5 to 20 % faster, unless many rows of B fall
 * into one set of a cache. `unpacked` in cyexec/lowering/gemm.py says the same. */
static inline int gemm_is_direct(const gemm_problem *g) {
    if (!GEMM_READS_DIRECTLY || g->a.pack || g->b.pack || g->b.lane_stride != 1 || g->k_batch > 1) return 0;
    if (g->m <= GEMM_MR) return 1;
    if (g->b.k_stride % 1024 == 0 && g->k > 64) return 0;
    return (double)g->m * g->n * g->k <= 200. * 200. * 200.;
}

static inline long gemm_direct_tiles(const gemm_problem *g) {
    return (g->n + GEMM_NR - 1) / GEMM_NR * g->column_batch * ((g->m + GEMM_MR - 1) / GEMM_MR);
}

#define GEMM_FEW 4 /* columns that are better summed along k than side by side in a vector */

/* `rows` rows from number i on of the last, few columns; edge[column * kn + p] holds block k0 .. k0 + kn of B. */
static void gemm_few_columns(const gemm_problem *g, long i, long rows, long image, long j0, const REAL *edge, long k0,
                             long kn) {
    const int last = k0 + kn == g->k;
    const gemm_epilogue *e = &g->epilogue;
    gemm_problem part = *g;
    part.m = rows;
    part.n = g->n - j0;
    part.k = kn;
    part.a.data += i * g->a.lane_stride + k0;
    part.b.data = edge;
    part.b.lane_stride = kn;
    part.b.k_stride = 1;
    part.c += image * g->c_image_stride + i * g->ldc + j0;
    part.epilogue.accumulate = k0 > 0 || e->accumulate;
    part.epilogue.row_bias = last && e->row_bias ? e->row_bias + i : NULL;
    part.epilogue.column_bias = last && e->column_bias ? e->column_bias + j0 : NULL;
    gemm_dots(&part, 0, 1);
}

/* Tiles `lo` to `hi`, all rows of a column panel one after the other, panels of all images. */
static void gemm_direct(const gemm_problem *g, long lo, long hi) {
    REAL edge[GEMM_KC * GEMM_NR]; /* a last, narrow panel: reading a whole vector there would leave the matrix */
    const REAL *held = NULL;      /* what of B is in `edge` */
    const long per_image = (g->n + GEMM_NR - 1) / GEMM_NR, row_tiles = (g->m + GEMM_MR - 1) / GEMM_MR;
    for (long t = lo; t < hi; t++) {
        const long panel = t / row_tiles, tile = t % row_tiles, image = panel / per_image;
        const long i = g->m * tile / row_tiles, rows = g->m * (tile + 1) / row_tiles - i; /* no tile of a row or two */
        const long j0 = panel % per_image * GEMM_NR, n = gemm_min(GEMM_NR, g->n - j0);
        const int few = n <= GEMM_FEW && GEMM_VL >= 2 * GEMM_FEW && g->a.k_stride == 1 && g->m > GEMM_FEW;
        for (long k0 = 0; k0 < g->k; k0 += GEMM_KC) {
            const long kn = gemm_min(GEMM_KC, g->k - k0);
            const REAL *b = g->b.data + image * g->b.image_stride + j0 + k0 * g->b.k_stride;
            long brs = g->b.k_stride;
            if (n != GEMM_NR && n != GEMM_VL) {
                if (b != held && few)
                    for (long p = 0; p < kn; p++)
                        for (long j = 0; j < n; j++) edge[j * kn + p] = b[p * brs + j];
                else if (b != held)
                    gemm_pack_strided(b, 1, brs, n, kn, edge, GEMM_NR);
                held = b;
                b = edge;
                brs = GEMM_NR;
            }
            if (few)
                gemm_few_columns(g, i, rows, image, j0, edge, k0, kn);
            else
                gemm_tile_strided(rows, kn, g->a.data + i * g->a.lane_stride + k0 * g->a.k_stride, g->a.lane_stride,
                                  g->a.k_stride, b, brs, g->c + image * g->c_image_stride + i * g->ldc + j0, g->ldc, n,
                                  &g->epilogue, k0 > 0 || g->epilogue.accumulate, k0 + kn == g->k, i, j0);
        }
    }
}

#endif
