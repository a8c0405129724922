/* Connectionist temporal classification (Graves et al., 2006) for one sequence.
 *
 * The label l of n classes is spelled with blanks around them, S = 2 n + 1 symbols; a path goes through the symbols one
 * after the other, may stay, and may leave out a blank between two different classes:
 *
 *     alpha[t][s] = logsum(alpha[t-1][s], alpha[t-1][s-1], alpha[t-1][s-2] if it may be skipped to) + log p[t][l_s]
 *
 * beta is the same from the end. All of it is in logarithms and in double: products of hundreds of probabilities have no
 * other place, and normalising rows instead loses paths that only become likely at their end. Zero is -1e30 and not
 * -infinity, which would give differences that are no numbers; two columns of zeros before alpha, and behind beta, stand
 * for what is not there, so that loops over s have no branches and are vectors.
 */
#ifndef CYEXEC_CTC_H
#define CYEXEC_CTC_H
#include "math_double.h"

#define CTC_ZERO -1e30
#define CTC_NONE -1e29 /* below it, nothing but sums of zeros */

typedef struct {
    long steps, classes;   /* of this sequence; p[t][k] from x[t * stride + k] */
    long stride;
    long symbols;          /* S */
    const long *spelled;   /* S classes */
    const double *skip;    /* S + 2: 0 where symbol s may follow symbol s - 2, else CTC_ZERO */
    double *total;         /* steps: log of the sum of exp(x[t]) */
    double *alpha;         /* steps x (S + 2), two columns of zeros first */
    double *beta;          /* 2 x (S + 2), two columns of zeros last */
    double *emit;          /* S + 2 */
} ctc_sequence;

/* Doubles of work for one sequence; `spelled` and `skip` are among them. */
static inline long ctc_workspace(long steps, long labels) {
    const long width = 2 * labels + 3;
    return steps * (width + 1) + 5 * width;
}

static inline double ctc_logsum(double a, double b, double c) {
    const double most = a > b ? (a > c ? a : c) : b > c ? b : c;
    return most + log_double(exp_double(a - most) + exp_double(b - most) + exp_double(c - most));
}

static inline double ctc_log_normaliser(const REAL *x, long n) {
    double most = x[0], sum = 0;
    for (long k = 1; k < n; k++) most = x[k] > most ? x[k] : most;
    for (long k = 0; k < n; k++) sum += exp_double(x[k] - most);
    return most + log_double(sum);
}

static void ctc_emit(const ctc_sequence *q, const REAL *x, long t) {
    for (long s = 0; s < q->symbols; s++) q->emit[s] = x[t * q->stride + q->spelled[s]] - q->total[t];
}

/* Logarithm of the label's probability; fills `total` and `alpha`. */
static double ctc_forward(const ctc_sequence *q, const REAL *x) {
    const long n = q->symbols, width = n + 2;
    if (q->steps == 0) return n == 1 ? 0 : CTC_ZERO;
    for (long t = 0; t < q->steps; t++) {
        double *const now = q->alpha + t * width, *const before = now - width;
        q->total[t] = ctc_log_normaliser(x + t * q->stride, q->classes);
        ctc_emit(q, x, t);
        now[0] = now[1] = CTC_ZERO;
        if (t == 0)
            for (long s = 0; s < n; s++) now[s + 2] = s < 2 ? q->emit[s] : CTC_ZERO;
        else
#pragma GCC ivdep
            for (long s = 0; s < n; s++)
                now[s + 2] = q->emit[s] + ctc_logsum(before[s + 2], before[s + 1], before[s] + q->skip[s]);
    }
    const double *const last = q->alpha + (q->steps - 1) * width;
    return ctc_logsum(last[n + 1], n > 1 ? last[n] : CTC_ZERO, CTC_ZERO);
}

/* grad[t * stride + k] = p[t][k] - sum over s with l_s = k of the probability of being at symbol s at time t. */
static void ctc_backward(const ctc_sequence *q, const REAL *x, double log_probability, REAL *grad) {
    const long n = q->symbols, width = n + 2;
    double *after = q->beta, *now = q->beta + width; /* after: beta + emit of the step behind t */
    for (long t = q->steps - 1; t >= 0; t--) {
        REAL *const g = grad + t * q->stride;
        const double *const alpha = q->alpha + t * width + 2;
        if (t == q->steps - 1)
            for (long s = 0; s < n; s++) now[s] = s >= n - 2 ? 0 : CTC_ZERO;
        else
#pragma GCC ivdep
            for (long s = 0; s < n; s++)
                now[s] = ctc_logsum(after[s], after[s + 1], after[s + 2] + q->skip[s + 2]);
        for (long k = 0; k < q->classes; k++) g[k] = (REAL)exp_double(x[t * q->stride + k] - q->total[t]);
        ctc_emit(q, x, t);
        for (long s = 0; s < n; s++) {
            g[q->spelled[s]] -= (REAL)exp_double(alpha[s] + now[s] - log_probability);
            after[s] = now[s] + q->emit[s];
        }
        after[n] = after[n + 1] = CTC_ZERO;
    }
}

/* Spell `count` labels with blanks; whether each of them is a class. */
static int ctc_spell(const double *labels, long count, long blank, long classes, long *spelled, double *skip) {
    for (long s = 0; s < 2 * count + 3; s++) skip[s] = CTC_ZERO;
    for (long i = 0; i < count; i++) {
        if (!(labels[i] >= 0 && labels[i] < classes)) return 0;
        spelled[2 * i] = blank;
        spelled[2 * i + 1] = (long)labels[i];
        if (i > 0 && spelled[2 * i + 1] != spelled[2 * i - 1]) skip[2 * i + 1] = 0;
    }
    spelled[2 * count] = blank;
    return 1;
}

/* Loss and, where `grad` is not NULL, its gradient over `all_steps` steps; `work` has ctc_workspace doubles. A label that
 * no path spells has the loss 0 and no gradient. */
static REAL ctc_loss(const REAL *x, long all_steps, long steps, long stride, long classes, const double *labels, long count,
                     long blank, REAL *grad, double *work) {
    const long width = 2 * count + 3;
    ctc_sequence q;
    double log_probability = CTC_ZERO;
    q.steps = steps;
    q.classes = classes;
    q.stride = stride;
    q.symbols = 2 * count + 1;
    q.spelled = (long *)work;
    q.skip = work + width;
    q.emit = work + 2 * width;
    q.beta = work + 3 * width;
    q.total = work + 5 * width;
    q.alpha = q.total + steps;
    if (ctc_spell(labels, count, blank, classes, (long *)work, work + width)) log_probability = ctc_forward(&q, x);
    if (grad) {
        const int possible = log_probability > CTC_NONE;
        if (possible) ctc_backward(&q, x, log_probability, grad);
        for (long t = possible ? steps : 0; t < all_steps; t++)
            for (long k = 0; k < classes; k++) grad[t * stride + k] = 0;
    }
    return log_probability > CTC_NONE ? (REAL)-log_probability : 0;
}
#endif
