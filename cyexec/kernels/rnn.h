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
    if (ks == 1) {
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

/* sums[r][v] = a[r] panel, over k; a single row runs two sums for even and odd k, else its additions wait for each other. */
GEMM_INLINE void rnn_block(const int rows, const int nv, long k, const REAL *a, long lda, const REAL *panel, REAL *sums) {
    gemm_vec acc[RNN_ROWS][RNN_NV], odd[RNN_NV];
#pragma GCC unroll 8
    for (int v = 0; v < nv; v++) {
        odd[v] = (gemm_vec){0};
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) acc[r][v] = (gemm_vec){0};
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
        for (int v = 0; v < nv; v++) b[v] = gemm_load(panel + v * VL);
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

typedef void (*rnn_block_function)(long k, const REAL *a, long lda, const REAL *panel, REAL *sums);
#define RNN_BLOCK(R, V)                                                                                                \
    static __attribute__((noinline)) void rnn_block_##R##_##V(long k, const REAL *a, long lda, const REAL *panel,      \
                                                              REAL *sums) {                                            \
        rnn_block(R, V, k, a, lda, panel, sums);                                                                       \
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

/* Sums of a tile: `rows` rows of `a` times panel `i`; zeros without `a`. Row r, vector v at sums[(r * RNN_NV + v) * VL]. */
static inline void rnn_tile(const rnn_matrix *m, long i, long rows, const REAL *a, long lda, REAL *sums) {
    const long nv = (rnn_panel_start(m, i + 1) - rnn_panel_start(m, i)) * m->gates;
    if (a) rnn_block_table[rows - 1][nv - 1](m->k, a, lda, rnn_panel(m, i), sums);
    else memset(sums, 0, sizeof(REAL) * rows * RNN_NV * VL);
}

/* Tiles of one time step, numbered panel by panel. */
static inline long rnn_row_blocks(long batch) { return (batch + RNN_ROWS - 1) / RNN_ROWS; }

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
