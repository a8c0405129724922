/* Matrix multiplication C (+)= alpha A B with an epilogue, for one dtype (REAL) and one CPU level.
 *
 * The five-loop scheme of Goto and van de Geijn (2008) as laid out in BLIS (Van Zee and van de Geijn, 2015):
 *
 *     C  m x n            for each block of column panels   (up to GEMM_NC columns)
 *   +-----+-----+           for each block of k             (up to GEMM_KC)
 *   |tile | ... |             pack B: panels of GEMM_NR columns, k by k     } the team shares the panels
 *   |MRxNR|     |             pack A: panels of GEMM_MR rows, k by k        }
 *   +-----+-----+             barrier; tiles of C, shared by the team; barrier
 *
 * A tile is held in registers as GCC vectors (GEMM_MR x GEMM_NV of them) while k runs. It is computed wholly by one
 * thread and the blocks of k come in one order, so the numbers do not depend on the size of the team.
 *
 * Columns may come from several images (`column_batch`): a panel never crosses from one into the next, so that a
 * convolution over a batch is one multiplication whose weights are packed once for many images. In the same way k may
 * run over several images (`k_batch`), for the gradient of the weights.
 *
 * An operand is strided, or has a function that packs it (the patches of an image are never stored as a matrix).
 * Three paths do without packing: `gemm_direct` where B's rows are contiguous and C has few rows or few elements,
 * `gemm_rows` where C has three rows at most, and `gemm_dots` where k is contiguous in both (a fully connected layer of a
 * small batch).
 */
#ifndef CYEXEC_GEMM_H
#define CYEXEC_GEMM_H
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#include "team.h"

/* Register block: accumulators + GEMM_NV vectors of B + one of A fill the register file (32, 16, 16 registers).
 * GEMM_AW is GEMM_MR rounded up to vectors: the width of a packed panel of A. */
#if defined(__AVX512F__)
#define GEMM_BYTES 64
#define GEMM_MR 14
#define GEMM_AW 16
#elif defined(__AVX2__)
#define GEMM_BYTES 32
#define GEMM_MR 6
#define GEMM_AW 8
#else
#define GEMM_BYTES 16
#define GEMM_MR 4 /* without fused multiply-add a product needs a register of its own */
#define GEMM_AW 4
#endif
#define GEMM_NV 2
#ifdef REAL_IS_F64
#define GEMM_VL (GEMM_BYTES / 8)
typedef long long gemm_mask __attribute__((vector_size(GEMM_BYTES)));
#else
#define GEMM_VL (GEMM_BYTES / 4)
typedef int gemm_mask __attribute__((vector_size(GEMM_BYTES)));
#endif
#define GEMM_NR (GEMM_NV * GEMM_VL)

/* Cache blocks. KC: a packed panel of B (KC x NR) is 32 KiB at most, so it and one of A stay in a first-level cache.
 * MC rows of packed A (172 KiB of floats) stay in a second-level cache of 256 KiB or more while panels of B pass.
 * NC and MS bound the workspace (2 MiB and 1 MiB of floats) and with it the share of a third-level cache. */
#define GEMM_KC 256
#define GEMM_MC (12 * GEMM_MR)
#define GEMM_NC 2048
#define GEMM_MS 1008 /* a multiple of 14 * 12, 6 * 12 and 4 * 12: rows of A packed at once */

typedef REAL gemm_vec __attribute__((vector_size(GEMM_BYTES)));
typedef REAL gemm_loose __attribute__((vector_size(GEMM_BYTES), aligned(sizeof(REAL)), may_alias));
#define GEMM_INLINE static inline __attribute__((always_inline))

typedef struct {
    int rank, size;
    cyexec_barrier *barrier;
} gemm_team;

/* Write lanes `lane0` .. + `lanes` (rows of A or columns of B), k from `k0` to k0 + kn, of image `image` to
 * dst[k * width + lane]; lanes up to `width` become zero. */
typedef void (*gemm_pack)(const void *source, long image, long lane0, long lanes, long k0, long kn, REAL *dst, long width);

/* Element (lane, k) at data[image * image_stride + lane * lane_stride + k * k_stride], or whatever `pack` writes. */
typedef struct {
    const REAL *data;
    long lane_stride, k_stride, image_stride;
    gemm_pack pack;
    const void *source;
} gemm_operand;

/* What happens to a tile before it is stored: v = alpha * sum (+ c) + row_bias[i] + column_bias[j]. */
typedef struct {
    REAL alpha;
    int accumulate;
    const REAL *row_bias, *column_bias; /* or NULL */
} gemm_epilogue;

typedef struct {
    long m, n, k;                  /* n: columns of one image; k: of one image */
    long column_batch, k_batch;    /* images; at most one of the two is more than 1 */
    gemm_operand a, b;
    REAL *c;
    long ldc, c_image_stride;
    gemm_epilogue epilogue;
} gemm_problem;

GEMM_INLINE gemm_vec gemm_load(const REAL *p) { return *(const gemm_loose *)p; }
GEMM_INLINE void gemm_store(REAL *p, gemm_vec v) { *(gemm_loose *)p = v; }
/* The first `n` numbers (fewer than a vector), then zeros. */
GEMM_INLINE gemm_vec gemm_load_part(const REAL *p, long n) {
#if GEMM_BYTES == 64 && defined(REAL_IS_F32)
    return (gemm_vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif GEMM_BYTES == 64
    return (gemm_vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#else
    REAL part[GEMM_VL] = {0};
    for (long i = 0; i < n; i++) part[i] = p[i];
    return gemm_load(part);
#endif
}

/* The first `n` numbers of a vector, fewer than all. */
GEMM_INLINE void gemm_store_part(REAL *p, gemm_vec v, long n) {
#if GEMM_BYTES == 64 && defined(REAL_IS_F32)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif GEMM_BYTES == 64
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#else
    REAL part[GEMM_VL];
    gemm_store(part, v);
    for (long i = 0; i < n; i++) p[i] = part[i];
#endif
}

GEMM_INLINE long gemm_min(long a, long b) { return a < b ? a : b; }
GEMM_INLINE long gemm_max(long a, long b) { return a > b ? a : b; }

/* ---- the register block ---- */

/* Store `rows` x `n` of a tile; `last`: this was the last block of k, the bias is added now. */
GEMM_INLINE void gemm_put(const int rows, const int nv, gemm_vec acc[][GEMM_NV], REAL *c, long ldc, long n,
                          const gemm_epilogue *e, int accumulate, int last, long i0, long j0) {
    const REAL *row_bias = last && e->row_bias ? e->row_bias + i0 : NULL;
    const REAL *column_bias = last && e->column_bias ? e->column_bias + j0 : NULL;
    const int whole = n == nv * GEMM_VL;
    const long left = n - (nv - 1) * GEMM_VL; /* columns of the last vector */
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        REAL *ci = c + i * ldc;
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) {
            const int part = v == nv - 1 && !whole;
            gemm_vec x = acc[i][v] * e->alpha;
            if (accumulate) x += part ? gemm_load_part(ci + v * GEMM_VL, left) : gemm_load(ci + v * GEMM_VL);
            if (row_bias) x += row_bias[i];
            if (column_bias)
                x += part ? gemm_load_part(column_bias + v * GEMM_VL, left) : gemm_load(column_bias + v * GEMM_VL);
            if (part) gemm_store_part(ci + v * GEMM_VL, x, left);
            else gemm_store(ci + v * GEMM_VL, x);
        }
    }
}

/* rows x (nv vectors) of C: a(i, p) = a[i * ars + p * acs], b(p, j) = b[p * brs + j]. */
GEMM_INLINE void gemm_block(const int rows, const int nv, long k, const REAL *a, long ars, long acs, const REAL *b,
                            long brs, REAL *c, long ldc, long n, const gemm_epilogue *e, int accumulate, int last,
                            long i0, long j0) {
    gemm_vec acc[GEMM_MR][GEMM_NV];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) acc[i][v] = (gemm_vec){0};
    /* C comes from afar where it is large: it is asked for now, to be there when the sums are. */
    if (k >= 64)
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++) __builtin_prefetch(c + i * ldc + v * GEMM_VL, 1);
    for (long p = 0; p < k; p++) {
        gemm_vec bv[GEMM_NV];
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) bv[v] = gemm_load(b + v * GEMM_VL);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            REAL x = a[i * ars];
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++) acc[i][v] += x * bv[v];
        }
        a += acs;
        b += brs;
    }
    gemm_put(rows, nv, acc, c, ldc, n, e, accumulate, last, i0, j0);
}

typedef void (*gemm_tile)(long k, const REAL *a, long ars, long acs, const REAL *b, long brs, REAL *c, long ldc, long n,
                          const gemm_epilogue *e, int accumulate, int last, long i0, long j0);

/* One function for each size of tile: a single function with all of them takes GCC several times as long. Each is there
 * twice, for packed panels (the strides are constants) and for the matrices as they lie. */
#define GEMM_FUNCTION(NAME, R, V, ARS, ACS, BRS)                                                                      \
    static __attribute__((noinline)) void NAME(long k, const REAL *a, long ars, long acs, const REAL *b, long brs,    \
                                               REAL *c, long ldc, long n, const gemm_epilogue *e, int accumulate,     \
                                               int last, long i0, long j0) {                                          \
        gemm_block(R, V, k, a, ARS, ACS, b, BRS, c, ldc, n, e, accumulate, last, i0, j0);                             \
    }
#define GEMM_SIZE(R)                                                    \
    GEMM_FUNCTION(gemm_packed_##R##_1, R, 1, 1, GEMM_AW, GEMM_NR)       \
    GEMM_FUNCTION(gemm_packed_##R##_2, R, 2, 1, GEMM_AW, GEMM_NR)       \
    GEMM_FUNCTION(gemm_strided_##R##_1, R, 1, ars, acs, brs)            \
    GEMM_FUNCTION(gemm_strided_##R##_2, R, 2, ars, acs, brs)
#define GEMM_PACKED(R) {gemm_packed_##R##_1, gemm_packed_##R##_2},
#define GEMM_STRIDED(R) {gemm_strided_##R##_1, gemm_strided_##R##_2},
#if GEMM_MR == 14
#define GEMM_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#elif GEMM_MR == 6
#define GEMM_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6)
#else
#define GEMM_SIZES(F) F(1) F(2) F(3) F(4)
#endif
GEMM_SIZES(GEMM_SIZE)
static const gemm_tile gemm_packed_tiles[GEMM_MR][GEMM_NV] = {GEMM_SIZES(GEMM_PACKED)};
static const gemm_tile gemm_strided_tiles[GEMM_MR][GEMM_NV] = {GEMM_SIZES(GEMM_STRIDED)};

/* A tile from packed panels. */
GEMM_INLINE void gemm_tile_packed(long rows, long k, const REAL *a, const REAL *b, REAL *c, long ldc, long n,
                                  const gemm_epilogue *e, int accumulate, int last, long i0, long j0) {
    gemm_packed_tiles[rows - 1][n > GEMM_VL](k, a, 1, GEMM_AW, b, GEMM_NR, c, ldc, n, e, accumulate, last, i0, j0);
}

/* A tile from the matrices as they lie; b must be readable for a whole vector, or two when n > GEMM_VL. */
GEMM_INLINE void gemm_tile_strided(long rows, long k, const REAL *a, long ars, long acs, const REAL *b, long brs,
                                   REAL *c, long ldc, long n, const gemm_epilogue *e, int accumulate, int last,
                                   long i0, long j0) {
    gemm_strided_tiles[rows - 1][n > GEMM_VL](k, a, ars, acs, b, brs, c, ldc, n, e, accumulate, last, i0, j0);
}

/* ---- packing ---- */

#define GEMM_LO(j, d) ((j) & (d) ? GEMM_VL + (j) - (d) : (j))
#define GEMM_HI(j, d) ((j) & (d) ? GEMM_VL + (j) : (j) + (d))
#if GEMM_VL == 16
#define GEMM_MASK(F, d) (gemm_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d), F(8, d), \
    F(9, d), F(10, d), F(11, d), F(12, d), F(13, d), F(14, d), F(15, d)}
#elif GEMM_VL == 8
#define GEMM_MASK(F, d) (gemm_mask){F(0, d), F(1, d), F(2, d), F(3, d), F(4, d), F(5, d), F(6, d), F(7, d)}
#elif GEMM_VL == 4
#define GEMM_MASK(F, d) (gemm_mask){F(0, d), F(1, d), F(2, d), F(3, d)}
#else
#define GEMM_MASK(F, d) (gemm_mask){F(0, d), F(1, d)}
#endif
/* Exchange the off-diagonal d x d blocks of every 2d x 2d block. */
#define GEMM_STAGE(d)                                                   \
    _Pragma("GCC unroll 16") for (int i = 0; i < GEMM_VL; i++) {        \
        if (!(i & (d))) {                                               \
            gemm_vec x = r[i], y = r[i + (d)];                          \
            r[i] = __builtin_shuffle(x, y, GEMM_MASK(GEMM_LO, d));      \
            r[i + (d)] = __builtin_shuffle(x, y, GEMM_MASK(GEMM_HI, d)); \
        }                                                               \
    }

/* Transpose a square of vectors in registers. */
GEMM_INLINE void gemm_transpose(gemm_vec r[GEMM_VL]) {
#if GEMM_VL >= 16
    GEMM_STAGE(8)
#endif
#if GEMM_VL >= 8
    GEMM_STAGE(4)
#endif
#if GEMM_VL >= 4
    GEMM_STAGE(2)
#endif
    GEMM_STAGE(1)
}

/* dst[k * width + lane] = src[lane * ls + k * ks] for a strided matrix; lanes up to width become zero. */
GEMM_INLINE void gemm_pack_strided(const REAL *src, long ls, long ks, long lanes, long kn, REAL *dst, const long width) {
    if (ls == 1) {
        if (lanes == width) {
            for (long p = 0; p < kn; p++)
                for (long i = 0; i < width; i += GEMM_VL) gemm_store(dst + p * width + i, gemm_load(src + p * ks + i));
        } else if (width == GEMM_AW && lanes == GEMM_MR) {
            /* Of a known size: a few moves instead of a loop. Lanes beyond a tile's rows are never read. */
            for (long p = 0; p < kn; p++) memcpy(dst + p * width, src + p * ks, GEMM_MR * sizeof(REAL));
        } else if (width == GEMM_NR) {
            const long whole = lanes / GEMM_VL * GEMM_VL;
            for (long p = 0; p < kn; p++)
                for (long i = 0; i < width; i += GEMM_VL)
                    gemm_store(dst + p * width + i, i < whole   ? gemm_load(src + p * ks + i)
                                                    : i > whole ? (gemm_vec){0}
                                                                : gemm_load_part(src + p * ks + i, lanes - whole));
        } else {
            for (long p = 0; p < kn; p++) {
                for (long i = 0; i < lanes; i++) dst[p * width + i] = src[p * ks + i];
                for (long i = lanes; i < width; i++) dst[p * width + i] = 0;
            }
        }
        return;
    }
    long p = 0;
    if (ks == 1) {
        for (; p + GEMM_VL <= kn; p += GEMM_VL) {
            for (long i = 0; i < width; i += GEMM_VL) {
                gemm_vec r[GEMM_VL];
#pragma GCC unroll 16
                for (int t = 0; t < GEMM_VL; t++)
                    r[t] = i + t < lanes ? gemm_load(src + (i + t) * ls + p) : (gemm_vec){0};
                gemm_transpose(r);
#pragma GCC unroll 16
                for (int t = 0; t < GEMM_VL; t++) gemm_store(dst + (p + t) * width + i, r[t]);
            }
        }
    }
    for (; p < kn; p++) {
        for (long i = 0; i < lanes; i++) dst[p * width + i] = src[i * ls + p * ks];
        for (long i = lanes; i < width; i++) dst[p * width + i] = 0;
    }
}

static void gemm_pack_a(const gemm_operand *x, long image, long i0, long lanes, long k0, long kn, REAL *dst) {
    if (x->pack) x->pack(x->source, image, i0, lanes, k0, kn, dst, GEMM_AW);
    else
        gemm_pack_strided(x->data + image * x->image_stride + i0 * x->lane_stride + k0 * x->k_stride, x->lane_stride,
                          x->k_stride, lanes, kn, dst, GEMM_AW);
}

static void gemm_pack_b(const gemm_operand *x, long image, long j0, long lanes, long k0, long kn, REAL *dst) {
    if (x->pack) x->pack(x->source, image, j0, lanes, k0, kn, dst, GEMM_NR);
    else
        gemm_pack_strided(x->data + image * x->image_stride + j0 * x->lane_stride + k0 * x->k_stride, x->lane_stride,
                          x->k_stride, lanes, kn, dst, GEMM_NR);
}

/* ---- the packed path ---- */

/* Numbers of k that are packed at a time, at most. */
GEMM_INLINE long gemm_depth(const gemm_problem *g) { return gemm_min(g->k * g->k_batch, GEMM_KC); }

/* How much is packed at a time: panels of B, and tiles of rows of A. */
typedef struct {
    long panels, tiles;
} gemm_areas;

/* All that the caches are for. */
static inline gemm_areas gemm_full_areas(const gemm_problem *g) {
    const long panels = (g->n + GEMM_NR - 1) / GEMM_NR * g->column_batch;
    return (gemm_areas){gemm_min(panels, GEMM_NC / GEMM_NR),
                        (gemm_min(g->m, GEMM_MS) + GEMM_MR - 1) / GEMM_MR};
}

static inline long gemm_areas_size(const gemm_problem *g, gemm_areas a) {
    return gemm_depth(g) * (a.tiles * GEMM_AW + a.panels * GEMM_NR);
}

/* Elements of workspace with which `gemm_packed` is fastest, and without which it does not work. Numbers are the same. */
static inline long gemm_workspace(const gemm_problem *g) { return gemm_areas_size(g, gemm_full_areas(g)); }
static inline long gemm_least_workspace(const gemm_problem *g) { return gemm_areas_size(g, (gemm_areas){1, 1}); }

/* What fits in `room` elements: half of it for either operand, and what one leaves for the other. */
static inline gemm_areas gemm_fit_areas(const gemm_problem *g, long room) {
    const gemm_areas full = gemm_full_areas(g);
    if (room >= gemm_areas_size(g, full)) return full;
    const long width = room / gemm_depth(g);
    gemm_areas a;
    a.tiles = gemm_max(1, gemm_min(full.tiles, width / 2 / GEMM_AW));
    a.panels = gemm_max(1, gemm_min(full.panels, (width - a.tiles * GEMM_AW) / GEMM_NR));
    a.tiles = gemm_max(1, gemm_min(full.tiles, (width - a.panels * GEMM_NR) / GEMM_AW));
    return a;
}

typedef struct {
    long image, start, count, images; /* of `images` images, k from start to start + count */
} gemm_kblock;

/* Block number `b` of k: whole images while several fit in GEMM_KC, else an even part of one. */
static inline long gemm_kblocks(const gemm_problem *g) {
    if (g->k_batch > 1 && g->k * 2 <= GEMM_KC) {
        long each = GEMM_KC / g->k;
        return (g->k_batch + each - 1) / each;
    }
    return g->k_batch * ((g->k + GEMM_KC - 1) / GEMM_KC);
}

static inline gemm_kblock gemm_kblock_at(const gemm_problem *g, long b) {
    gemm_kblock r;
    if (g->k_batch > 1 && g->k * 2 <= GEMM_KC) {
        long each = GEMM_KC / g->k;
        r.image = b * each;
        r.images = gemm_min(each, g->k_batch - r.image);
        r.start = 0;
        r.count = g->k;
    } else {
        long parts = (g->k + GEMM_KC - 1) / GEMM_KC, part = b % parts;
        r.image = b / parts;
        r.images = 1;
        r.start = g->k * part / parts;
        r.count = g->k * (part + 1) / parts - r.start;
    }
    return r;
}

/* Part of range(n) of this thread. */
static inline void gemm_share(const gemm_team *t, long n, long *start, long *stop) {
    *start = n * t->rank / t->size;
    *stop = n * (t->rank + 1) / t->size;
}

static inline void gemm_sync(const gemm_team *t) {
    if (t->size > 1) cyexec_barrier_wait(t->barrier, t->size);
}

static void gemm_packed(const gemm_problem *g, REAL *work, long room, const gemm_team *team) {
    const long per_image = (g->n + GEMM_NR - 1) / GEMM_NR, panels = per_image * g->column_batch;
    const gemm_areas areas = gemm_fit_areas(g, room);
    const long kblocks = gemm_kblocks(g), block_panels = areas.panels, strip = areas.tiles * GEMM_MR;
    long lo, hi;
    for (long jb = 0; jb < panels; jb += block_panels) {
        const long jn = gemm_min(block_panels, panels - jb);
        for (long kb = 0; kb < kblocks; kb++) {
            const gemm_kblock block = gemm_kblock_at(g, kb);
            const long kn = block.count * block.images;
            const int accumulate = kb > 0 || g->epilogue.accumulate, last = kb == kblocks - 1;
            REAL *const bpack = work, *const apack = work + block_panels * GEMM_NR * kn;
            gemm_share(team, jn, &lo, &hi);
            for (long t = lo; t < hi; t++) {
                const long panel = jb + t, image = panel / per_image, j0 = panel % per_image * GEMM_NR;
                for (long s = 0; s < block.images; s++)
                    gemm_pack_b(&g->b, image + block.image + s, j0, gemm_min(GEMM_NR, g->n - j0), block.start,
                                block.count, bpack + (t * kn + s * block.count) * GEMM_NR);
            }
            for (long is = 0; is < g->m; is += strip) {
                const long mn = gemm_min(strip, g->m - is), mp = (mn + GEMM_MR - 1) / GEMM_MR;
                gemm_share(team, mp, &lo, &hi);
                for (long t = lo; t < hi; t++)
                    for (long s = 0; s < block.images; s++)
                        gemm_pack_a(&g->a, block.image + s, is + t * GEMM_MR, gemm_min(GEMM_MR, mn - t * GEMM_MR),
                                    block.start, block.count, apack + (t * kn + s * block.count) * GEMM_AW);
                gemm_sync(team);
                for (long ic = 0; ic < mp; ic += GEMM_MC / GEMM_MR) {
                    const long ip = gemm_min(GEMM_MC / GEMM_MR, mp - ic);
                    gemm_share(team, jn * ip, &lo, &hi);
                    for (long t = lo; t < hi; t++) {
                        const long jt = t / ip, it = ic + t % ip;
                        const long panel = jb + jt, image = panel / per_image, j0 = panel % per_image * GEMM_NR;
                        const long i0 = is + it * GEMM_MR;
                        gemm_tile_packed(gemm_min(GEMM_MR, g->m - i0), kn, apack + it * kn * GEMM_AW,
                                         bpack + jt * kn * GEMM_NR,
                                         g->c + image * g->c_image_stride + i0 * g->ldc + j0, g->ldc,
                                         gemm_min(GEMM_NR, g->n - j0), &g->epilogue, accumulate, last, i0, j0);
                    }
                }
                gemm_sync(team);
            }
        }
    }
}

/* ---- without packing ---- */

#include "gemm_thin.h"
#include "gemm_direct.h"

/* ---- the way in ---- */

/* C without any product (k == 0): bias alone. */
static void gemm_empty(const gemm_problem *g) {
    const gemm_epilogue *e = &g->epilogue;
    for (long image = 0; image < g->column_batch; image++)
        for (long i = 0; i < g->m; i++) {
            REAL *c = g->c + image * g->c_image_stride + i * g->ldc;
            for (long j = 0; j < g->n; j++)
                c[j] = (e->accumulate ? c[j] : 0) + (e->row_bias ? e->row_bias[i] : 0) +
                       (e->column_bias ? e->column_bias[j] : 0);
        }
}

/* A matrix-vector product is the product of a row and a matrix: one row is what the unpacked paths are good at. */
static inline void gemm_canonical(gemm_problem *g) {
    if (g->n == 1 && g->m > 1 && g->ldc == 1 && g->column_batch == 1 && !g->a.pack && !g->b.pack) {
        gemm_operand a = g->a;
        const REAL *bias = g->epilogue.row_bias;
        g->a = g->b;
        g->b = a;
        g->n = g->m;
        g->m = 1;
        g->ldc = g->n;
        g->epilogue.row_bias = g->epilogue.column_bias;
        g->epilogue.column_bias = bias;
    }
}

/* Number of tiles that threads may share without a barrier; 0: the packed path, for the whole team. */
static inline long gemm_free_tiles(const gemm_problem *g) {
    return gemm_is_dots(g)     ? gemm_dots_tiles(g)
           : gemm_is_rows(g)   ? gemm_rows_tiles(g)
           : gemm_is_direct(g) ? gemm_direct_tiles(g)
                               : 0;
}

static inline void gemm_run_tiles(const gemm_problem *g, long lo, long hi) {
    if (gemm_is_dots(g)) gemm_dots(g, lo, hi);
    else if (gemm_is_rows(g)) gemm_rows(g, lo, hi);
    else if (GEMM_READS_DIRECTLY) gemm_direct(g, lo, hi);
}

/* One multiplication by the whole team, with `room` elements of workspace. On return each thread has done its part; a caller
 * that reads C syncs. */
static void gemm_run(const gemm_problem *problem, REAL *work, long room, const gemm_team *team) {
    gemm_problem g = *problem;
    long lo, hi, tiles;
    if (g.m == 0 || g.n == 0 || g.column_batch == 0) return;
    if (g.k == 0 || g.k_batch == 0) {
        if (team->rank == 0) gemm_empty(&g);
        return;
    }
    gemm_canonical(&g);
    tiles = gemm_free_tiles(&g);
    if (tiles) {
        gemm_share(team, tiles, &lo, &hi);
        gemm_run_tiles(&g, lo, hi);
    } else {
        gemm_packed(&g, work, room, team);
    }
}
#endif
