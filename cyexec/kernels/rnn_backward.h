/* The backward pass over time; see rnn.h. */

typedef struct {
    int mode, reverse;
    long steps, batch, units, width;
    rnn_matrix recurrent, projection; /* gates x units -> width; width -> units, or k == 0 */
    const REAL *gates, *c, *extra, *before; /* what the forward pass saved */
    const REAL *c0, *y;
    long y_stride;
    const REAL *dy, *dh_last, *dc_last; /* or NULL; dy has rows of y_stride */
    REAL *da;                /* steps x batch x gates x units: gradient of the input's product */
    REAL *db;                /* GRU: of the recurrent product; otherwise da */
    REAL *carry;             /* LSTM: dc; GRU: the part of dh that bypasses the gates; batch x units */
    REAL *dr;                /* with projection: steps x batch x width, gradient of the projected state */
    REAL *dh0, *dc0;         /* or NULL */
} rnn_backward;

/* Every pointer is at the row's first unit of this vector; gates lie `units` apart. */
typedef struct {
    const REAL *gates, *c, *c_before, *extra, *h_before, *h, *carry_in;
    REAL *da, *db, *carry;
} rnn_back_place;

GEMM_INLINE void rnn_get_or_zero(REAL *dst, const REAL *src, long n) {
    if (src) rnn_get(dst, src, n);
    else memset(dst, 0, sizeof(REAL) * VL);
}

GEMM_INLINE void rnn_back_lstm(const long n, const REAL *dh, const rnn_back_place *x, long units) {
    REAL a[4][VL], c[VL], old[VL], dc[VL], d[4][VL];
    for (int g = 0; g < 4; g++) rnn_get(a[g], x->gates + g * units, n);
    rnn_get(c, x->c, n);
    rnn_get(old, x->c_before, n);
    rnn_get_or_zero(dc, x->carry_in, n);
    LANES {
        const REAL squashed = real_tanh(c[j]);
        dc[j] += dh[j] * a[3][j] * (1 - squashed * squashed);
        d[0][j] = dc[j] * a[2][j] * a[0][j] * (1 - a[0][j]);
        d[1][j] = dc[j] * old[j] * a[1][j] * (1 - a[1][j]);
        d[2][j] = dc[j] * a[0][j] * (1 - a[2][j] * a[2][j]);
        d[3][j] = dh[j] * squashed * a[3][j] * (1 - a[3][j]);
        dc[j] *= a[1][j];
    }
    for (int g = 0; g < 4; g++) rnn_put(x->da + g * units, d[g], n);
    rnn_put(x->carry, dc, n);
}

GEMM_INLINE void rnn_back_gru(const long n, const REAL *dh, const rnn_back_place *x, long units) {
    REAL a[3][VL], extra[VL], old[VL], carry[VL], d[3][VL], last[VL];
    for (int g = 0; g < 3; g++) rnn_get(a[g], x->gates + g * units, n);
    rnn_get(extra, x->extra, n);
    rnn_get(old, x->h_before, n);
    LANES {
        d[2][j] = dh[j] * (1 - a[1][j]) * (1 - a[2][j] * a[2][j]);
        d[1][j] = dh[j] * (old[j] - a[2][j]) * a[1][j] * (1 - a[1][j]);
        d[0][j] = d[2][j] * extra[j] * a[0][j] * (1 - a[0][j]);
        last[j] = d[2][j] * a[0][j];
        carry[j] = dh[j] * a[1][j];
    }
    for (int g = 0; g < 3; g++) {
        rnn_put(x->da + g * units, d[g], n);
        rnn_put(x->db + g * units, g < 2 ? d[g] : last, n);
    }
    rnn_put(x->carry, carry, n);
}

GEMM_INLINE void rnn_back_plain(const long n, const REAL *dh, const rnn_back_place *x, int relu) {
    REAL h[VL], d[VL];
    rnn_get(h, x->h, n);
    if (relu) LANES d[j] = h[j] > 0 ? dh[j] : 0;
    else LANES d[j] = dh[j] * (1 - h[j] * h[j]);
    rnn_put(x->da, d, n);
}

GEMM_INLINE void rnn_back_of(int mode, const long n, const REAL *dh, const rnn_back_place *x, long units) {
    if (mode == RNN_LSTM) rnn_back_lstm(n, dh, x, units);
    else if (mode == RNN_GRU) rnn_back_gru(n, dh, x, units);
    else rnn_back_plain(n, dh, x, mode == RNN_RELU);
}

/* The cell's gradient for one row and vector at time t, from the gradient of its h. `first`: of this walk (no carry yet). */
static void rnn_back_cell(const rnn_backward *p, long t, long t_before, long row, long u, const REAL *dh, int first) {
    const long n = gemm_min(VL, p->units - u), at = row * p->units + u, size = p->batch * p->units;
    const long gates = (p->mode == RNN_LSTM ? 4 : p->mode == RNN_GRU ? 3 : 1) * p->units;
    const long gate_at = (t * p->batch + row) * gates + u;
    rnn_back_place x = {0};
    x.da = p->da + gate_at;
    x.db = p->db + gate_at;
    if (p->carry) x.carry = p->carry + at;
    if (p->mode == RNN_LSTM) {
        x.gates = p->gates + gate_at;
        x.c = p->c + t * size + at;
        x.c_before = (t_before < 0 ? p->c0 : p->c + t_before * size) + at;
        x.carry_in = !first ? x.carry : p->dc_last ? p->dc_last + at : NULL;
    } else if (p->mode == RNN_GRU) {
        x.gates = p->gates + gate_at;
        x.extra = p->extra + t * size + at;
        x.h_before = p->before + t * size + at;
    } else {
        x.h = p->y + (t * p->batch + row) * p->y_stride + u;
    }
    if (n == VL) rnn_back_of(p->mode, VL, dh, &x, p->units);
    else rnn_back_of(p->mode, n, dh, &x, p->units);
}

/* What arrives at the state after time t: sums from the next step, the head gradients, and what bypassed the gates. */
static void rnn_add_heads(const rnn_backward *p, long t, long row, long u, REAL *dh, int first) {
    const long n = gemm_min(VL, p->width - u), at = row * p->width + u;
    REAL part[VL];
    if (t >= 0 && p->dy) {
        rnn_get(part, p->dy + (t * p->batch + row) * p->y_stride + u, n);
        LANES dh[j] += part[j];
    }
    if (first && p->dh_last) {
        rnn_get(part, p->dh_last + at, n);
        LANES dh[j] += part[j];
    }
    if (!first && p->mode == RNN_GRU) {
        rnn_get(part, p->carry + at, n);
        LANES dh[j] += part[j];
    }
}

/* Gradient of the state after time t (of the initial state for t < 0), by tiles of the recurrent matrix; `da`: of the
 * step after it, or NULL. */
static void rnn_state_tiles(const rnn_backward *p, long t, long t_before, const REAL *da, int first, long lo, long hi) {
    const rnn_matrix *m = &p->recurrent;
    REAL *const store = t < 0 ? p->dh0 : p->projection.k ? p->dr + t * p->batch * p->width : NULL;
    REAL sums[RNN_SUMS];
    while (lo < hi) {
        const rnn_strip s = rnn_strip_at(m, p->batch, lo, hi, &lo);
        rnn_multiply(m, &s, da, m->k, sums);
        for (long r = 0; r < s.rows; r++)
            for (long v = 0; v < s.count; v++) {
                const long row = s.row + r, u = (s.first + v) * VL;
                REAL *const dh = sums + (r * RNN_NV + v) * VL;
                rnn_add_heads(p, t, row, u, dh, first);
                if (store) rnn_put(store + row * p->width + u, dh, gemm_min(VL, p->width - u));
                else rnn_back_cell(p, t, t_before, row, u, dh, first);
            }
    }
}

/* With projection: from the gradient of the projected state to the cell's. */
static void rnn_unproject_tiles(const rnn_backward *p, long t, long t_before, int first, long lo, long hi) {
    const rnn_matrix *m = &p->projection;
    REAL sums[RNN_SUMS];
    while (lo < hi) {
        const rnn_strip s = rnn_strip_at(m, p->batch, lo, hi, &lo);
        rnn_multiply(m, &s, p->dr + t * p->batch * p->width, p->width, sums);
        for (long r = 0; r < s.rows; r++)
            for (long v = 0; v < s.count; v++)
                rnn_back_cell(p, t, t_before, s.row + r, (s.first + v) * VL, sums + (r * RNN_NV + v) * VL, first);
    }
}

static void rnn_run_backward(const rnn_backward *p, const gemm_team *team) {
    const rnn_matrix *m = &p->recurrent, *q = &p->projection;
    const long blocks = rnn_row_blocks(p->batch);
    const REAL *da = NULL;
    long lo, hi, from, to;
    if (p->steps) {
        rnn_pack(m, team);
        if (q->k) rnn_pack(q, team);
        gemm_sync(team);
    }
    gemm_share(team, rnn_panels(m) * blocks, &lo, &hi);
    for (long s = p->steps - 1; s >= 0; s--) {
        const long t = p->reverse ? p->steps - 1 - s : s, t_before = s == 0 ? -1 : p->reverse ? t + 1 : t - 1;
        const int first = s == p->steps - 1;
        rnn_state_tiles(p, t, t_before, da, first, lo, hi);
        gemm_sync(team);
        if (q->k) {
            gemm_share(team, rnn_panels(q) * blocks, &from, &to);
            rnn_unproject_tiles(p, t, t_before, first, from, to);
            gemm_sync(team);
        }
        da = p->db + t * p->batch * m->k;
    }
    if (p->dh0) rnn_state_tiles(p, -1, -1, da, p->steps == 0, lo, hi);
    gemm_share(team, p->batch, &lo, &hi);
    if (p->dc0) {
        const REAL *const dc = p->steps ? p->carry : p->dc_last;
        for (long i = lo * p->units; i < hi * p->units; i++) p->dc0[i] = dc ? dc[i] : 0;
    }
}
