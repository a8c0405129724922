/* Update rules. Each is one loop over elements [start, stop): reads an element of weight, gradient and states, then writes it.
 *
 * In every rule G is the gradient times rescale, clipped to [-clip, clip] if clip is on. Numbers stand in the order of the
 * macro's `p[...]`; those that every rule has come first: 0 lr, 1 wd, 2 rescale, 3 clip (off when negative).
 */
#ifndef CYEXEC_OPTIMIZER_H
#define CYEXEC_OPTIMIZER_H
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef void (*update_rule)(const REAL *, const REAL *, const REAL **, REAL *, REAL **, ptrdiff_t, ptrdiff_t,
                            const double *);

#ifdef REAL_IS_F32
#define SQRT sqrtf
#define FABS fabsf
#else
#define SQRT sqrt
#define FABS fabs
#endif

static inline REAL clipped(REAL x, REAL c) { return c < 0 ? x : x > c ? c : x < -c ? -c : x; }
static inline REAL sign_of(REAL x) { return (REAL)((x > 0) - (x < 0)); }

/* in place or not, element i of every array is read before element i of any is written: no dependence between iterations */
#define RULE(NAME, BEFORE, BODY)                                                                                        \
    static void update_##NAME(const REAL *weight, const REAL *grad, const REAL **in, REAL *out, REAL **made,          \
                              ptrdiff_t start, ptrdiff_t stop, const double *p) {                                      \
        const REAL lr = (REAL)p[0], wd = (REAL)p[1], rescale = (REAL)p[2], clip = (REAL)p[3];                          \
        const REAL *s0 = in[0], *s1 = in[1], *s2 = in[2];                                                              \
        REAL *n0 = made[0], *n1 = made[1], *n2 = made[2];                                                              \
        (void)lr, (void)wd, (void)rescale, (void)clip, (void)s0, (void)s1, (void)s2, (void)n0, (void)n1, (void)n2;      \
        BEFORE                                                                                                          \
        _Pragma("GCC ivdep") for (ptrdiff_t i = start; i < stop; i++) {                                                \
            const REAL w = weight[i];                                                                                  \
            BODY                                                                                                        \
        }                                                                                                               \
    }
#define G clipped(rescale * grad[i], clip)
#define G_WD clipped(rescale * grad[i] + wd * w, clip)
#define NUMBER(NAME, I) const REAL NAME = (REAL)p[I];
#define RATE(NAME, I) const REAL NAME = (REAL)p[I], NAME##_rest = 1 - NAME;

RULE(sgd, , out[i] = (1 - lr * wd) * w - lr * G;)
RULE(sgd_mom, NUMBER(momentum, 4), const REAL m = momentum * s0[i] - lr * wd * w - lr * G; n0[i] = m; out[i] = w + m;)
RULE(nag_mom, NUMBER(momentum, 4),
     const REAL g = G + wd * w; const REAL m = momentum * s0[i] - lr * g; n0[i] = m; out[i] = w + (momentum * m - lr * g);)
RULE(adam, RATE(beta1, 4) RATE(beta2, 5) NUMBER(eps, 6),
     const REAL g = G_WD; const REAL m = beta1 * s0[i] + beta1_rest * g; const REAL v = beta2 * s1[i] + beta2_rest * g * g;
     n0[i] = m; n1[i] = v; out[i] = w - lr * m / (SQRT(v) + eps);)
RULE(rmsprop, RATE(gamma1, 4) NUMBER(eps, 5) NUMBER(limit, 6),
     const REAL g = G_WD; const REAL n = gamma1_rest * g * g + gamma1 * s0[i]; n0[i] = n;
     out[i] = clipped(w - lr * g / SQRT(n + eps), limit);)
RULE(rmspropalex, RATE(gamma1, 4) NUMBER(gamma2, 5) NUMBER(eps, 6) NUMBER(limit, 7),
     const REAL g = G_WD; const REAL n = gamma1_rest * g * g + gamma1 * s0[i];
     const REAL mean = gamma1_rest * g + gamma1 * s1[i];
     const REAL delta = gamma2 * s2[i] - lr * g / SQRT(n - mean * mean + eps);
     n0[i] = n; n1[i] = mean; n2[i] = delta; out[i] = clipped(w + delta, limit);)
RULE(ftrl, NUMBER(lamda1, 4) NUMBER(beta, 5),
     const REAL g = G; const REAL n = s1[i] + g * g; const REAL z = s0[i] + g - (SQRT(n) - SQRT(s1[i])) * w / lr;
     n0[i] = z; n1[i] = n;
     out[i] = FABS(z) > lamda1 ? (sign_of(z) * lamda1 - z) / ((beta + SQRT(n)) / lr + wd) : 0;)
RULE(ftml, RATE(beta1, 4) RATE(beta2, 5) NUMBER(eps, 6) NUMBER(power1, 7) NUMBER(power2, 8),
     const REAL g = G_WD; const REAL v = beta2 * s1[i] + beta2_rest * g * g;
     const REAL d = (1 - power1) / lr * (SQRT(v / (1 - power2)) + eps);
     const REAL z = beta1 * s2[i] + beta1_rest * g - (d - beta1 * s0[i]) * w;
     n0[i] = d; n1[i] = v; n2[i] = z; out[i] = -z / d;)
RULE(signsgd, , out[i] = (1 - lr * wd) * w - lr * sign_of(grad[i]);)
RULE(signum, RATE(momentum, 4) NUMBER(wd_lh, 5),
     const REAL m = momentum * s0[i] - momentum_rest * wd * w - momentum_rest * G; n0[i] = m;
     out[i] = (1 - lr * wd_lh) * w + lr * sign_of(m);)
RULE(lamb_phase1, RATE(beta1, 4) RATE(beta2, 5) NUMBER(eps, 6) NUMBER(correct1, 7) NUMBER(correct2, 8),
     const REAL g = G; const REAL m = beta1 * s0[i] + beta1_rest * g; const REAL v = beta2 * s1[i] + beta2_rest * g * g;
     n0[i] = m; n1[i] = v; out[i] = m / correct1 / (SQRT(v / correct2) + eps) + wd * w;)

/* of a layer whose weight has norm r1 and whose direction (in the gradient's place) has norm r2 */
RULE(lamb_phase2, NUMBER(lower, 4) NUMBER(upper, 5) NUMBER(r2, 7) REAL r1 = (REAL)p[6]; if (lower >= 0 && r1 < lower) r1 = lower;
     if (upper >= 0 && r1 > upper) r1 = upper; const REAL rate = r1 == 0 || r2 == 0 ? lr : lr * (r1 / r2);
     , out[i] = w - rate * grad[i];)
/* decay apart from the gradient (Loshchilov, Hutter 2019); nothing happens where a loss scale has over- or underflowed */
RULE(adamw, RATE(beta1, 4) RATE(beta2, 5) NUMBER(eps, 6) NUMBER(eta, 7) const int off = !(rescale - rescale == 0) || rescale == 0;
     , const REAL g = off ? 0 : G; const REAL m = beta1 * s0[i] + beta1_rest * g; const REAL v = beta2 * s1[i] + beta2_rest * g * g;
     n0[i] = off ? s0[i] : m; n1[i] = off ? s1[i] : v; out[i] = off ? w : w - eta * (lr * m / (SQRT(v) + eps) + wd * w);)

static update_rule find_update(const char *name) {
#define FIND(NAME) \
    if (!strcmp(name, #NAME)) return update_##NAME;
    FIND(sgd) FIND(sgd_mom) FIND(nag_mom) FIND(adam) FIND(rmsprop) FIND(rmspropalex) FIND(ftrl) FIND(ftml) FIND(signsgd)
    FIND(signum) FIND(lamb_phase1) FIND(lamb_phase2) FIND(adamw)
    return 0;
}
#endif
