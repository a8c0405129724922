/* Samples of distributions from a sequence of random words; all in double. */
#ifndef CYEXEC_DISTRIBUTIONS_H
#define CYEXEC_DISTRIBUTIONS_H

#include "random_bits.h"

/* Normal: Box and Muller (1958). */
static inline double sample_normal(philox_sequence *s, double mean, double deviation)
{
    double radius = sqrt(-2 * log(philox_positive(s)));
    return mean + deviation * radius * cos(6.283185307179586 * philox_uniform(s));
}

static inline double sample_exponential(philox_sequence *s, double rate) { return -log(philox_positive(s)) / rate; }

/* Gamma of shape alpha and scale beta: Marsaglia and Tsang, "A simple method for generating gamma variables",
 * ACM TOMS 26 (2000); shapes below one by Gamma(alpha + 1) * U^(1 / alpha). */
static inline double sample_gamma(philox_sequence *s, double alpha, double beta)
{
    if (!(alpha > 0) || !(beta >= 0) || isinf(alpha))
        return alpha == 0 ? 0 : NAN;
    double boost = 1;
    if (alpha < 1) {
        boost = pow(philox_positive(s), 1 / alpha);
        alpha += 1;
    }
    double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = sample_normal(s, 0, 1), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(philox_positive(s)) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v * beta;
    }
}

/* Poisson: products of uniforms below 10 (Knuth), above by transformed rejection, W. Hoermann, "The transformed
 * rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993), PTRS. */
static inline double sample_poisson(philox_sequence *s, double mean)
{
    if (!(mean >= 0) || isinf(mean))
        return NAN;
    if (mean < 10) {
        double limit = exp(-mean), product = philox_positive(s);
        int k = 0;
        while (product > limit) {
            product *= philox_positive(s);
            k++;
        }
        return k;
    }
    double root = sqrt(mean), log_mean = log(mean);
    double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = philox_uniform(s) - 0.5, v = philox_positive(s), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= v_r)
            return k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -mean + k * log_mean - lgamma(k + 1))
            return k;
    }
}

/* Failures before success number k, each trial succeeding with probability p: Poisson of a gamma variable. */
static inline double sample_negative_binomial(philox_sequence *s, double k, double p)
{
    if (!(p > 0) || p > 1 || k < 0)
        return NAN;
    if (p == 1 || k == 0)
        return 0;
    return sample_poisson(s, sample_gamma(s, k, (1 - p) / p));
}

/* Negative binomial of mean mu and dispersion alpha = 1 / k, k real; Poisson where alpha is 0. */
static inline double sample_generalized_negative_binomial(philox_sequence *s, double mu, double alpha)
{
    return sample_poisson(s, alpha == 0 ? mu : sample_gamma(s, 1 / alpha, mu * alpha));
}

/* Integer in [0, range), range > 0 (0 means 2^64): D. Lemire, "Fast random integer generation in an interval",
 * ACM TOMACS 29 (2019); without bias. */
static inline uint64_t sample_below(philox_sequence *s, uint64_t range)
{
    if (!range)
        return philox_next64(s);
    unsigned __int128 product = (unsigned __int128)philox_next64(s) * range;
    if ((uint64_t)product < range) {
        uint64_t least = -range % range;
        while ((uint64_t)product < least)
            product = (unsigned __int128)philox_next64(s) * range;
    }
    return (uint64_t)(product >> 64);
}

#endif
