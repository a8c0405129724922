/* Batch normalisation of blocked activations: loops over one plane, `n` positions of 16 channels.
 *
 * A lane is a channel, so sums need nothing across lanes. They run in float over pieces of at most BN_PIECE positions, and
 * pieces are added in double: the error does not grow with the plane. The second pass of a variance reads the first-level
 * cache; pieces are combined by Chan, Golub, LeVeque (1983), eq. 1.5. The order of summation depends on nothing but n.
 */
#ifndef CYEXEC_BLOCKED_NORM_H
#define CYEXEC_BLOCKED_NORM_H
#include <math.h>
#include <string.h>

#define BN_LANES 16
#define BN_PIECE 256 /* positions: 16 KB, half of a 32 KB first-level cache */

typedef float bn_vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef int bn_mask __attribute__((vector_size(64)));
typedef double bn_wide __attribute__((vector_size(128), aligned(8), may_alias));

#define bn_load(p) (*(const bn_vec *)(p))
#define bn_store(p, v) (*(bn_vec *)(p) = (v))
/* `v` in the lanes that a comparison found true, zero in the others. */
#define bn_keep(v, where) ((bn_vec)((bn_mask)(v) & (where)))
#define bn_widen(v) __builtin_convertvector(v, bn_wide)

/* Channels `c` and following of a vector of `channels`; zeros beyond its end. */
static inline void bn_channels(const float *v, long c, long channels, float *out) {
    for (long i = 0; i < BN_LANES; i++) out[i] = v && c + i < channels ? v[c + i] : 0;
}

/* Mean and sum of squared deviations of every lane. */
static void bn_moments(const float *x, long n, double *mean, double *m2) {
    bn_wide total = {0}, squares = {0};
    double count = 0;
    for (long at = 0; at < n; at += BN_PIECE) {
        const float *p = x + at * BN_LANES;
        const long m = n - at < BN_PIECE ? n - at : BN_PIECE;
        bn_vec a = {0}, b = {0}, da = {0}, db = {0};
        long i = 0;
        for (; i + 2 <= m; i += 2) {
            a += bn_load(p + i * BN_LANES);
            b += bn_load(p + (i + 1) * BN_LANES);
        }
        if (i < m) a += bn_load(p + i * BN_LANES);
        const bn_vec about = (a + b) / (float)m;
        a = (bn_vec){0}, b = (bn_vec){0};
        for (i = 0; i + 2 <= m; i += 2) {
            bn_vec u = bn_load(p + i * BN_LANES) - about, v = bn_load(p + (i + 1) * BN_LANES) - about;
            da += u, db += v;
            a += u * u, b += v * v;
        }
        if (i < m) {
            bn_vec u = bn_load(p + i * BN_LANES) - about;
            da += u;
            a += u * u;
        }
        /* `about` is rounded: the deviations do not quite add up to nothing. */
        const bn_wide dev = bn_widen(da + db), piece_mean = bn_widen(about) + dev / (double)m;
        const bn_wide piece_m2 = bn_widen(a + b) - dev * dev / (double)m;
        const bn_wide delta = piece_mean - total;
        const double both = count + m;
        total += delta * (m / both);
        squares += piece_m2 + delta * delta * (count * m / both);
        count = both;
    }
    *(bn_wide *)mean = total;
    *(bn_wide *)m2 = squares;
}

/* y = (x - mean) * scale + shift, then max(0, y) with `relu`. y may be x. */
static void bn_apply(const float *x, float *y, const float *mean, const float *scale, const float *shift, long n, int relu) {
    const bn_vec m = bn_load(mean), s = bn_load(scale), t = bn_load(shift), zero = {0};
    if (relu)
        for (long i = 0; i < n; i++) {
            bn_vec v = (bn_load(x + i * BN_LANES) - m) * s + t;
            bn_store(y + i * BN_LANES, bn_keep(v, ~(v <= zero))); /* NaN stays, as in the relu of elementwise_list.h */
        }
    else
        for (long i = 0; i < n; i++) bn_store(y + i * BN_LANES, (bn_load(x + i * BN_LANES) - m) * s + t);
}

/* The head gradient of position i: where `y` is given, that of a relu with output y in between. */
#define bn_head(dy, y, i) \
    ((y) ? bn_keep(bn_load((dy) + (i) * BN_LANES), bn_load((y) + (i) * BN_LANES) > zero) : bn_load((dy) + (i) * BN_LANES))

static inline __attribute__((always_inline)) void bn_sums_of(const float *dy, const float *x, const float *y,
                                                             const float *mean, long n, double *sum, double *dot) {
    const bn_vec m = bn_load(mean), zero = {0};
    bn_wide total = {0}, products = {0};
    for (long at = 0; at < n; at += BN_PIECE) {
        const long end = n - at < BN_PIECE ? n : at + BN_PIECE;
        bn_vec a = {0}, b = {0}, c = {0}, d = {0};
        long i = at;
        for (; i + 2 <= end; i += 2) {
            bn_vec g = bn_head(dy, y, i), h = bn_head(dy, y, i + 1);
            a += g, b += h;
            c += g * (bn_load(x + i * BN_LANES) - m);
            d += h * (bn_load(x + (i + 1) * BN_LANES) - m);
        }
        if (i < end) {
            bn_vec g = bn_head(dy, y, i);
            a += g;
            c += g * (bn_load(x + i * BN_LANES) - m);
        }
        total += bn_widen(a + b);
        products += bn_widen(c + d);
    }
    *(bn_wide *)sum = total;
    *(bn_wide *)dot = products;
}

/* Sums of dy and of dy * (x - mean), of every lane. */
static void bn_sums(const float *dy, const float *x, const float *y, const float *mean, long n, double *sum, double *dot) {
    if (y) bn_sums_of(dy, x, y, mean, n, sum, dot);
    else bn_sums_of(dy, x, NULL, mean, n, sum, dot);
}

/* dx = dy * scale - offset - (x - mean) * slope. dx may be dy or x. */
static void bn_apply_backward(const float *dy, const float *x, const float *y, float *dx, const float *mean,
                              const float *scale, const float *slope, const float *offset, long n) {
    const bn_vec m = bn_load(mean), s = bn_load(scale), k = bn_load(slope), o = bn_load(offset), zero = {0};
    if (y)
        for (long i = 0; i < n; i++)
            bn_store(dx + i * BN_LANES, bn_head(dy, y, i) * s - o - (bn_load(x + i * BN_LANES) - m) * k);
    else
        for (long i = 0; i < n; i++)
            bn_store(dx + i * BN_LANES, bn_head(dy, NULL, i) * s - o - (bn_load(x + i * BN_LANES) - m) * k);
}
#endif
