/* The forward pass over time; see rnn.h. */

typedef struct {
    int mode, reverse, save; /* save: keep what the backward pass reads */
    long steps, batch, units, width; /* width: of the state that recurs; `units`, unless it is projected */
    rnn_matrix recurrent, projection; /* width -> gates x units; units -> width, or k == 0 */
    const REAL *bias;        /* gates x units, beside the recurrent product */
    REAL *gates;             /* steps x batch x gates x units: of the inputs, and after a saving run their activations */
    const REAL *h0, *c0;     /* batch x width, batch x units (LSTM) */
    REAL *y;                 /* steps x batch x y_stride: this direction's part of each row is `width` wide */
    long y_stride;
    REAL *c;                 /* LSTM: steps x batch x units when saving, else batch x units */
    REAL *extra;             /* GRU when saving: steps x batch x units, the recurrent half of the new gate */
    REAL *before;            /* when saving: steps x batch x width, the state each step began with */
    REAL *full;              /* with projection: steps x batch x units when saving, else batch x units; h unprojected */
    REAL *h_last, *c_last;   /* final states, or NULL */
} rnn_forward;

/* Where a tile's units stand at one time step; every pointer is at the row's first unit of this vector. */
typedef struct {
    REAL *gates;             /* gate g at gates[g * units] */
    const REAL *bias, *h_before, *c_before;
    REAL *h, *c, *extra;
} rnn_place;

GEMM_INLINE void rnn_cell_lstm(const long n, const REAL *sums, const rnn_place *x, long units, int save) {
    REAL a[4][VL], c[VL], h[VL];
    for (int g = 0; g < 4; g++) {
        REAL gate[VL], bias[VL];
        rnn_get(gate, x->gates + g * units, n);
        rnn_get(bias, x->bias + g * units, n);
        LANES a[g][j] = gate[j] + sums[g * VL + j] + bias[j];
    }
    rnn_get(c, x->c_before, n);
    LANES a[0][j] = real_sigmoid(a[0][j]);
    LANES a[1][j] = real_sigmoid(a[1][j]);
    LANES a[2][j] = real_tanh(a[2][j]);
    LANES a[3][j] = real_sigmoid(a[3][j]);
    LANES c[j] = a[1][j] * c[j] + a[0][j] * a[2][j];
    LANES h[j] = a[3][j] * real_tanh(c[j]);
    rnn_put(x->c, c, n);
    rnn_put(x->h, h, n);
    if (save)
        for (int g = 0; g < 4; g++) rnn_put(x->gates + g * units, a[g], n);
}

GEMM_INLINE void rnn_cell_gru(const long n, const REAL *sums, const rnn_place *x, long units, int save) {
    REAL a[3][VL], b[3][VL], h[VL];
    for (int g = 0; g < 3; g++) {
        REAL bias[VL];
        rnn_get(a[g], x->gates + g * units, n);
        rnn_get(bias, x->bias + g * units, n);
        LANES b[g][j] = sums[g * VL + j] + bias[j];
    }
    rnn_get(h, x->h_before, n);
    LANES a[0][j] = real_sigmoid(a[0][j] + b[0][j]);
    LANES a[1][j] = real_sigmoid(a[1][j] + b[1][j]);
    LANES a[2][j] = real_tanh(a[2][j] + a[0][j] * b[2][j]);
    LANES h[j] = (1 - a[1][j]) * a[2][j] + a[1][j] * h[j];
    rnn_put(x->h, h, n);
    if (save) {
        for (int g = 0; g < 3; g++) rnn_put(x->gates + g * units, a[g], n);
        rnn_put(x->extra, b[2], n);
    }
}

GEMM_INLINE void rnn_cell_plain(const long n, const REAL *sums, const rnn_place *x, int relu) {
    REAL gate[VL], bias[VL], h[VL];
    rnn_get(gate, x->gates, n);
    rnn_get(bias, x->bias, n);
    LANES h[j] = gate[j] + sums[j] + bias[j];
    if (relu) LANES h[j] = h[j] > 0 || h[j] != h[j] ? h[j] : 0;
    else LANES h[j] = real_tanh(h[j]);
    rnn_put(x->h, h, n);
}

GEMM_INLINE void rnn_cell_of(int mode, const long n, const REAL *sums, const rnn_place *x, long units, int save) {
    if (mode == RNN_LSTM) rnn_cell_lstm(n, sums, x, units, save);
    else if (mode == RNN_GRU) rnn_cell_gru(n, sums, x, units, save);
    else rnn_cell_plain(n, sums, x, mode == RNN_RELU);
}

static void rnn_cell(int mode, long n, const REAL *sums, const rnn_place *x, long units, int save) {
    if (n == VL) rnn_cell_of(mode, VL, sums, x, units, save);
    else rnn_cell_of(mode, n, sums, x, units, save);
}

/* One time step's tiles `lo` to `hi`: h and c at time t from h before (rows of `ld`) and c before. */
static void rnn_forward_tiles(const rnn_forward *p, long t, const REAL *h_before, long ld, const REAL *c_before, long lo,
                              long hi) {
    const rnn_matrix *m = &p->recurrent;
    const long size = p->batch * p->units, gates = m->gates * p->units;
    const int projected = p->projection.k > 0;
    REAL *const h = projected ? p->full + (p->save ? t * size : 0) : p->y + t * p->batch * p->y_stride;
    const long h_stride = projected ? p->units : p->y_stride;
    REAL *const c = p->c ? p->c + (p->save ? t * size : 0) : NULL;
    REAL sums[RNN_SUMS];
    while (lo < hi) {
        const rnn_strip s = rnn_strip_at(m, p->batch, lo, hi, &lo);
        /* These lines lie far from each other: no hardware sees them coming, and the product leaves time to fetch them. */
        for (long r = s.row; r < s.row + s.rows; r++)
            for (long g = 0; g < m->gates; g++)
                __builtin_prefetch(p->gates + (t * p->batch + r) * gates + g * p->units + s.first * VL);
        rnn_multiply(m, &s, h_before, ld, sums);
        for (long r = 0; r < s.rows; r++)
            for (long v = 0; v < s.count; v++) {
                const long row = s.row + r, u = (s.first + v) * VL, at = row * p->units + u;
                rnn_place x = {0};
                x.gates = p->gates + (t * p->batch + row) * gates + u;
                x.bias = p->bias + u;
                x.h_before = h_before + row * ld + u;
                x.h = h + row * h_stride + u;
                if (c) x.c_before = c_before + at, x.c = c + at;
                if (p->save && p->extra) x.extra = p->extra + t * size + at;
                rnn_cell(p->mode, gemm_min(VL, p->units - u), sums + (r * RNN_NV + v) * VL, &x, p->units, p->save);
            }
    }
}

/* y = full projection^T at time t. */
static void rnn_project_tiles(const rnn_forward *p, long t, long lo, long hi) {
    const rnn_matrix *m = &p->projection;
    const REAL *const full = p->full + (p->save ? t * p->batch * p->units : 0);
    REAL sums[RNN_SUMS];
    while (lo < hi) {
        const rnn_strip s = rnn_strip_at(m, p->batch, lo, hi, &lo);
        const long u = s.first * VL, n = gemm_min(s.count * VL, m->units - u);
        rnn_multiply(m, &s, full, p->units, sums);
        for (long r = 0; r < s.rows; r++)
            memcpy(p->y + (t * p->batch + s.row + r) * p->y_stride + u, sums + r * RNN_NV * VL, sizeof(REAL) * n);
    }
}

static void rnn_copy_rows(REAL *dst, const REAL *src, long stride, long width, long lo, long hi) {
    for (long r = lo; r < hi; r++) memcpy(dst + r * width, src + r * stride, sizeof(REAL) * width);
}

static void rnn_run_forward(const rnn_forward *p, const gemm_team *team) {
    const rnn_matrix *m = &p->recurrent, *q = &p->projection;
    const long blocks = rnn_row_blocks(p->batch), size = p->batch * p->units;
    const REAL *h = p->h0, *c = p->c0;
    long ld = p->width, lo, hi, from, to, rows_from, rows_to;
    gemm_share(team, p->batch, &rows_from, &rows_to);
    if (p->steps) {
        rnn_pack(m, team);
        if (q->k) rnn_pack(q, team);
        gemm_sync(team);
    }
    gemm_share(team, rnn_panels(m) * blocks, &lo, &hi);
    for (long s = 0; s < p->steps; s++) {
        const long t = p->reverse ? p->steps - 1 - s : s;
        if (p->save)
            rnn_copy_rows(p->before + t * p->batch * p->width, h, ld, p->width, rows_from, rows_to);
        rnn_forward_tiles(p, t, h, ld, c, lo, hi);
        gemm_sync(team);
        if (q->k) {
            gemm_share(team, rnn_panels(q) * blocks, &from, &to);
            rnn_project_tiles(p, t, from, to);
            gemm_sync(team);
        }
        h = p->y + t * p->batch * p->y_stride;
        ld = p->y_stride;
        if (p->c) c = p->c + (p->save ? t * size : 0);
    }
    if (p->h_last) rnn_copy_rows(p->h_last, h, ld, p->width, rows_from, rows_to);
    if (p->c_last) rnn_copy_rows(p->c_last, c, p->units, p->units, rows_from, rows_to);
}
