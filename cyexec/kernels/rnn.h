/* Recurrent layers, for one dtype (REAL) and one CPU level: what happens after the inputs of all time steps were multiplied.
 *
 *     forward, at each step:   a = h W^T            (batch x gates)    product with a packed matrix, in registers
 *                              h, c = cell(gates of x + a, c)          while those sums are in a first-level cache
 *     backward, at each step:  dh = da W + dy       (batch x units)    the same
 *                              da, dc = cell'(dh, dc)
 *
 * Work at one step is cut into tiles: RNN_ROWS rows of the batch by one panel of units. A panel is a few vectors of columns
 * of the packed matrix: for a cell of several gates the same units of each gate, so that a tile has all that its units
 * need; else up to RNN_NV vectors of neighbouring units. A tile is computed by one thread and its sums run over k in one
 * order, so numbers do not depend on the team. One barrier stands between time steps.
 *
 * Tiles of one panel that a thread has next to each other are a strip: it goes through the panel once, in blocks of k that
 * stay in a second-level cache (and of `a` in a first-level one) while the rows pass.
 */
#ifndef CYEXEC_RNN_H
#define CYEXEC_RNN_H
#include "elementwise_math.h"
#include "gemm.h"

/* RNN_ROWS x RNN_NV accumulators, a vector of the panel for each and a broadcast fit the register file. */
#define RNN_NV 4
#if defined(__AVX512F__)
#define RNN_ROWS 6
#elif defined(__AVX2__)
#define RNN_ROWS 3
#else
#define RNN_ROWS 2
#endif
#define VL GEMM_VL

enum { RNN_RELU, RNN_TANH, RNN_LSTM, RNN_GRU };

/* ---- packed matrices ---- */

/* A matrix of k rows and gates x units columns; element (p, gate, unit) at data[unit * lane_stride + p * k_stride + gate *
 * gate_stride]. With gates == 1, panels are runs of neighbouring vectors, else one vector of each gate. */
typedef struct {
    const REAL *data;
    long lane_stride, k_stride, gate_stride;
    long k, units, gates;
    REAL *packed;
} rnn_matrix;

static inline long rnn_vectors(const rnn_matrix *m) { return (m->units + VL - 1) / VL; }

/* Panels of a matrix of one gate are as many as vectors allow, an even number so that two threads have the same. */
static inline long rnn_panels(const rnn_matrix *m) {
    const long vectors = rnn_vectors(m), panels = (vectors + RNN_NV - 1) / RNN_NV;
    return m->gates > 1 ? vectors : panels % 2 && vectors > panels ? panels + 1 : panels;
}

/* First vector of units of panel `i`. */
static inline long rnn_panel_start(const rnn_matrix *m, long i) {
    return rnn_vectors(m) * i / rnn_panels(m);
}

static inline REAL *rnn_panel(const rnn_matrix *m, long i) {
    return m->packed + rnn_panel_start(m, i) * m->gates * VL * m->k;
}

/* Elements of the packed matrix. */
static inline long rnn_packed_size(const rnn_matrix *m) { return rnn_vectors(m) * VL * m->gates * m->k; }

/* One vector of columns: dst[p * stride + lane]; lanes from `lanes` on become zero. */
static void rnn_pack_vector(const REAL *src, long ls, long ks, long lanes, long k, REAL *dst, long stride) {
    long p = 0;
    if (ls == 1 && lanes == VL) {
        for (; p < k; p++) gemm_store(dst + p * stride, gemm_load(src + p * ks));
    } else if (ks == 1) {
        for (; p + VL <= k; p += VL) {
            gemm_vec r[VL];
#pragma GCC unroll 16
            for (int t = 0; t < VL; t++) r[t] = t < lanes ? gemm_load(src + t * ls + p) : (gemm_vec){0};
            gemm_transpose(r);
#pragma GCC unroll 16
            for (int t = 0; t < VL; t++) gemm_store(dst + (p + t) * stride, r[t]);
        }
    }
    for (; p < k; p++)
        for (long i = 0; i < VL; i++) dst[p * stride + i] = i < lanes ? src[i * ls + p * ks] : 0;
}

/* Pack panels of `m`, shared by the team; a barrier must follow. */
static void rnn_pack(const rnn_matrix *m, const gemm_team *team) {
    long lo, hi;
    gemm_share(team, rnn_panels(m), &lo, &hi);
    for (long i = lo; i < hi; i++) {
        const long first = rnn_panel_start(m, i), count = rnn_panel_start(m, i + 1) - first;
        const long stride = count * m->gates * VL;
        for (long v = 0; v < count; v++)
            for (long g = 0; g < m->gates; g++)
                rnn_pack_vector(m->data + (first + v) * VL * m->lane_stride + g * m->gate_stride, m->lane_stride,
                                m->k_stride, gemm_min(VL, m->units - (first + v) * VL), m->k,
                                rnn_panel(m, i) + (v * m->gates + g) * VL, stride);
    }
}

/* ---- products ---- */

/* sums[r][v] = a[r] panel, over k, or += with `more`. A single row runs two sums for even and odd k, else its additions
 * would wait for each other. Meanwhile what lies `ahead` bytes after the panel comes nearer: the matrix of a large layer is
 * read from a third-level cache at every time step, and one block can be fetched while another is multiplied. */
GEMM_INLINE void rnn_block(const int rows, const int nv, long k, const REAL *a, long lda, const REAL *panel, long ahead,
                           int more, REAL *sums) {
    gemm_vec acc[RNN_ROWS][RNN_NV], odd[RNN_NV];
#pragma GCC unroll 8
    for (int v = 0; v < nv; v++) {
        odd[v] = (gemm_vec){0};
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) acc[r][v] = more ? gemm_load(sums + (r * RNN_NV + v) * VL) : (gemm_vec){0};
    }
    long p = 0;
    if (rows == 1) {
        for (; p + 2 <= k; p += 2) {
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) {
                acc[0][v] += a[p] * gemm_load(panel + v * VL);
                odd[v] += a[p + 1] * gemm_load(panel + (nv + v) * VL);
            }
            panel += 2 * nv * VL;
        }
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) acc[0][v] += odd[v];
    }
    for (; p < k; p++) {
        gemm_vec b[RNN_NV];
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) {
            b[v] = gemm_load(panel + v * VL);
            if (rows > 1) __builtin_prefetch((const char *)(panel + v * VL) + ahead, 0, 2);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const REAL x = a[r * lda + p];
#pragma GCC unroll 8
            for (int v = 0; v < nv; v++) acc[r][v] += x * b[v];
        }
        panel += nv * VL;
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < nv; v++) gemm_store(sums + (r * RNN_NV + v) * VL, acc[r][v]);
}

typedef void (*rnn_block_function)(long k, const REAL *a, long lda, const REAL *panel, long ahead, int more, REAL *sums);
#define RNN_BLOCK(R, V)                                                                                                \
    static __attribute__((noinline)) void rnn_block_##R##_##V(long k, const REAL *a, long lda, const REAL *panel,      \
                                                              long ahead, int more, REAL *sums) {                      \
        rnn_block(R, V, k, a, lda, panel, ahead, more, sums);                                                          \
    }
#define RNN_BLOCKS(R) RNN_BLOCK(R, 1) RNN_BLOCK(R, 2) RNN_BLOCK(R, 3) RNN_BLOCK(R, 4)
#define RNN_ROW(R) {rnn_block_##R##_1, rnn_block_##R##_2, rnn_block_##R##_3, rnn_block_##R##_4},
#if RNN_ROWS == 6
#define RNN_SIZES(F) F(1) F(2) F(3) F(4) F(5) F(6)
#elif RNN_ROWS == 3
#define RNN_SIZES(F) F(1) F(2) F(3)
#else
#define RNN_SIZES(F) F(1) F(2)
#endif
RNN_SIZES(RNN_BLOCKS)
static const rnn_block_function rnn_block_table[RNN_ROWS][RNN_NV] = {RNN_SIZES(RNN_ROW)};

/* A block of k: 512 rows of four vectors are 128 KiB, and 12 KiB of `a` pass by them. A strip's sums are 12 KiB. */
#define RNN_KC 512
#define RNN_STRIP 8
#define RNN_SUMS (RNN_STRIP * RNN_ROWS * RNN_NV * VL)

/* Tiles of one time step are numbered panel by panel. */
static inline long rnn_row_blocks(long batch) { return (batch + RNN_ROWS - 1) / RNN_ROWS; }

typedef struct {
    long first, count; /* vectors of units */
    long row, rows;
} rnn_strip;

/* The strip that begins with tile `tile` and ends before `hi`; `next` gets the tile after it. */
static inline rnn_strip rnn_strip_at(const rnn_matrix *m, long batch, long tile, long hi, long *next) {
    const long blocks = rnn_row_blocks(batch), panel = tile / blocks, block = tile % blocks;
    const long end = gemm_min(block + RNN_STRIP, gemm_min(blocks, block + hi - tile));
    rnn_strip s;
    s.first = rnn_panel_start(m, panel);
    s.count = rnn_panel_start(m, panel + 1) - s.first;
    s.row = block * RNN_ROWS;
    s.rows = gemm_min(end * RNN_ROWS, batch) - s.row;
    *next = tile + end - block;
    return s;
}

/* Sums of a strip: its rows of `a` times its panel; zeros without `a`. Row r, vector v at sums[(r * RNN_NV + v) * VL]. */
static inline void rnn_multiply(const rnn_matrix *m, const rnn_strip *s, const REAL *a, long lda, REAL *sums) {
    const long nv = s->count * m->gates, kblocks = (m->k + RNN_KC - 1) / RNN_KC;
    const REAL *const panel = m->packed + s->first * m->gates * VL * m->k;
    if (!a) {
        memset(sums, 0, sizeof(REAL) * s->rows * RNN_NV * VL);
        return;
    }
    for (long b = 0; b < kblocks; b++) {
        const long k0 = m->k * b / kblocks, kn = m->k * (b + 1) / kblocks - k0;
        for (long r = 0; r < s->rows; r += RNN_ROWS)
            rnn_block_table[gemm_min(RNN_ROWS, s->rows - r) - 1][nv - 1](
                kn, a + (s->row + r) * lda + k0, lda, panel + k0 * nv * VL, kn * nv * VL * (long)sizeof(REAL), b > 0,
                sums + r * RNN_NV * VL);
    }
}

/* A vector's worth of numbers, `n` of which are there; constant `n` becomes one move. */
GEMM_INLINE void rnn_get(REAL *dst, const REAL *src, long n) {
    if (n == VL) memcpy(dst, src, sizeof(REAL) * VL);
    else
        for (long i = 0; i < VL; i++) dst[i] = i < n ? src[i] : 0;
}
GEMM_INLINE void rnn_put(REAL *dst, const REAL *src, long n) {
    if (n == VL) memcpy(dst, src, sizeof(REAL) * VL);
    else
        for (long i = 0; i < n; i++) dst[i] = src[i];
}
#define LANES _Pragma("GCC ivdep") for (int j = 0; j < VL; j++)

#include "rnn_forward.h"
#include "rnn_backward.h"
#endif
