/* One reduction, included by reduce.h once for each; a C template. The includer defines
 *
 *     NAME            suffix of the functions
 *     LANE            type of the accumulators within a block
 *     WIDE            type that blocks are added up in
 *     IDENTITY        neutral element
 *     MAP(x)          element to LANE
 *     JOIN(a, b)      associative, for LANE and WIDE
 */
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

/* n contiguous elements. LANES independent accumulators become vectors; blocks bound the length of each float sum. */
static inline WIDE CAT(row_, NAME)(const REAL *x, Py_ssize_t n, WIDE total)
{
    while (n > 0) {
        const Py_ssize_t m = n < BLOCK ? n : BLOCK;
        LANE part[LANES];
        Py_ssize_t i = 0;
        if (m < LANES) { /* short rows: the accumulators would cost more than the row */
            LANE sum = IDENTITY;
            for (; i < m; i++)
                sum = JOIN(sum, MAP(x[i]));
            return JOIN(total, (WIDE)sum);
        }
        for (int l = 0; l < LANES; l++)
            part[l] = IDENTITY;
        for (; i + LANES <= m; i += LANES)
            for (int l = 0; l < LANES; l++)
                part[l] = JOIN(part[l], MAP(x[i + l]));
        for (int l = 0; i + l < m; l++)
            part[l] = JOIN(part[l], MAP(x[i + l]));
        for (int half = LANES / 2; half; half /= 2)
            for (int l = 0; l < half; l++)
                part[l] = JOIN(part[l], part[l + half]);
        total = JOIN(total, (WIDE)part[0]);
        x += m;
        n -= m;
    }
    return total;
}

/* Rows first..last of the reduced index for one output: pieces of at most PIECE elements. */
static WIDE CAT(inner_, NAME)(const reduction *r, const REAL *x, Py_ssize_t first, Py_ssize_t last)
{
    WIDE total = IDENTITY;
    const Py_ssize_t cuts = r->cuts;
    for (Py_ssize_t p = first; p < last; p++) {
        const Py_ssize_t row = p / cuts, start = (p % cuts) * PIECE;
        const Py_ssize_t n = r->inner - start < PIECE ? r->inner - start : PIECE;
        total = CAT(row_, NAME)(x + offset_of(row, r->rank_reduced, r->reduced, r->reduced_stride) + start, n, total);
    }
    return total;
}

/* The same for `w` neighbouring outputs (w <= COLUMNS): columns of rows first..last. */
static void CAT(columns_, NAME)(const reduction *r, const REAL *x, Py_ssize_t first, Py_ssize_t last, Py_ssize_t w,
                                WIDE *total)
{
    LANE part[COLUMNS];
    for (Py_ssize_t j = 0; j < w; j++)
        total[j] = IDENTITY;
    for (Py_ssize_t row = first; row < last;) {
        const Py_ssize_t stop = row + ROWS < last ? row + ROWS : last;
        for (Py_ssize_t j = 0; j < w; j++)
            part[j] = IDENTITY;
        for (; row < stop; row++) {
            const REAL *y = x + offset_of(row, r->rank_reduced, r->reduced, r->reduced_stride);
            if (w == COLUMNS) {
                for (int j = 0; j < COLUMNS; j++)
                    part[j] = JOIN(part[j], MAP(y[j]));
            } else {
                for (Py_ssize_t j = 0; j < w; j++)
                    part[j] = JOIN(part[j], MAP(y[j]));
            }
        }
        for (Py_ssize_t j = 0; j < w; j++)
            total[j] = JOIN(total[j], (WIDE)part[j]);
    }
}

/* Tasks first..last. Task t is part t % parts of output group t / parts: one output, or COLUMNS of them. */
static void CAT(tasks_, NAME)(const reduction *r, const REAL *x, REAL *out, double *partial, Py_ssize_t first,
                              Py_ssize_t last)
{
    const Py_ssize_t pieces = r->rows * r->cuts;
    for (Py_ssize_t t = first; t < last; t++) {
        const Py_ssize_t group = t / r->parts, part = t % r->parts;
        const Py_ssize_t from = pieces * part / r->parts, to = pieces * (part + 1) / r->parts;
        if (!r->by_columns) {
            const REAL *y = x + offset_of(group, r->rank_kept, r->kept, r->kept_stride);
            const WIDE total = CAT(inner_, NAME)(r, y, from, to);
            if (r->parts == 1)
                out[group] = finish(r, (WIDE)total);
            else
                ((WIDE *)partial)[part * r->outputs + group] = total;
        } else {
            WIDE total[COLUMNS];
            const Py_ssize_t blocks = (r->inner + COLUMNS - 1) / COLUMNS;
            const Py_ssize_t column = group % blocks * COLUMNS, outer = group / blocks;
            const Py_ssize_t w = r->inner - column < COLUMNS ? r->inner - column : COLUMNS;
            const REAL *y = x + offset_of(outer, r->rank_kept, r->kept, r->kept_stride) + column;
            const Py_ssize_t at = outer * r->inner + column;
            CAT(columns_, NAME)(r, y, from, to, w, total);
            if (r->parts == 1)
                for (Py_ssize_t j = 0; j < w; j++)
                    out[at + j] = finish(r, total[j]);
            else
                for (Py_ssize_t j = 0; j < w; j++)
                    ((WIDE *)partial)[part * r->outputs + at + j] = total[j];
        }
    }
}

/* Join the parts of outputs first..last, in order. */
static void CAT(join_, NAME)(const reduction *r, REAL *out, const double *partial, Py_ssize_t first, Py_ssize_t last)
{
    for (Py_ssize_t o = first; o < last; o++) {
        WIDE total = IDENTITY;
        for (Py_ssize_t p = 0; p < r->parts; p++)
            total = JOIN(total, ((const WIDE *)partial)[p * r->outputs + o]);
        out[o] = finish(r, total);
    }
}

#undef CAT
#undef CAT_
#undef NAME
#undef LANE
#undef IDENTITY
#undef MAP
#undef JOIN
