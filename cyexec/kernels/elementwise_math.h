/* Scalar functions of the elementwise instructions, for the one dtype REAL that the including module is built for.
 *
 * M(name) is libm's function for REAL. The real_* functions are written so that GCC can vectorise the loop around them
 * where this pays; the others call libm.
 */
#ifndef CYEXEC_ELEMENTWISE_MATH_H
#define CYEXEC_ELEMENTWISE_MATH_H

#include <math.h>

#ifdef REAL_IS_F32
#define M(name) name##f
#define BELOW_HALF 0x1.fffffep-2f
#define REAL_IS_FLOATING 1
#elif defined(REAL_IS_F64)
#define M(name) name
#define BELOW_HALF 0x1.fffffffffffffp-2
#define REAL_IS_FLOATING 1
#else
#define REAL_IS_FLOATING 0
#endif

#if REAL_IS_FLOATING

static inline REAL real_exp(REAL x) { return M(exp)(x); }
static inline REAL real_expm1(REAL x) { return M(expm1)(x); }
static inline REAL real_log(REAL x) { return M(log)(x); }
static inline REAL real_log2(REAL x) { return M(log2)(x); }
static inline REAL real_log10(REAL x) { return M(log10)(x); }
static inline REAL real_log1p(REAL x) { return M(log1p)(x); }
static inline REAL real_tanh(REAL x) { return M(tanh)(x); }
static inline REAL real_sin(REAL x) { return M(sin)(x); }
static inline REAL real_cos(REAL x) { return M(cos)(x); }
static inline REAL real_tan(REAL x) { return M(tan)(x); }
static inline REAL real_asin(REAL x) { return M(asin)(x); }
static inline REAL real_acos(REAL x) { return M(acos)(x); }
static inline REAL real_atan(REAL x) { return M(atan)(x); }
static inline REAL real_sinh(REAL x) { return M(sinh)(x); }
static inline REAL real_cosh(REAL x) { return M(cosh)(x); }
static inline REAL real_asinh(REAL x) { return M(asinh)(x); }
static inline REAL real_acosh(REAL x) { return M(acosh)(x); }
static inline REAL real_atanh(REAL x) { return M(atanh)(x); }
static inline REAL real_erf(REAL x) { return M(erf)(x); }
static inline REAL real_pow(REAL x, REAL y) { return M(pow)(x, y); }

/* e^-|x| never overflows, and both branches keep full relative accuracy. */
static inline REAL real_sigmoid(REAL x)
{
    const REAL e = real_exp(-M(fabs)(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
static inline REAL real_softrelu(REAL x)
{
    return (0 > x ? 0 : x) + real_log1p(real_exp(-M(fabs)(x)));
}

/* Remainder with the sign of the divisor; 0 for division by zero, as MXNet has it. */
static inline REAL real_mod(REAL x, REAL y)
{
    if (y == 0)
        return 0;
    REAL r = M(fmod)(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

/* Inverse error function: a rational start by Giles (2012, "Approximating the erfinv function", table 5), polished by two
 * Newton steps of Halley's kind in double precision: with f = erf(w) - x, w -= f / (f' + w f). */
static inline REAL real_erfinv(REAL x)
{
    const double a = fabs((double)x);
    if (!(a < 1))
        return a == 1 ? (REAL)copysign(INFINITY, (double)x) : (REAL)NAN;
    double w = -log((1 - a) * (1 + a)), p;
    if (w < 5) {
        w -= 2.5;
        p = 2.81022636e-08;
        p = 3.43273939e-07 + p * w;
        p = -3.5233877e-06 + p * w;
        p = -4.39150654e-06 + p * w;
        p = 0.00021858087 + p * w;
        p = -0.00125372503 + p * w;
        p = -0.00417768164 + p * w;
        p = 0.246640727 + p * w;
        p = 1.50140941 + p * w;
    } else {
        w = sqrt(w) - 3;
        p = -0.000200214257;
        p = 0.000100950558 + p * w;
        p = 0.00134934322 + p * w;
        p = -0.00367342844 + p * w;
        p = 0.00573950773 + p * w;
        p = -0.0076224613 + p * w;
        p = 0.00943887047 + p * w;
        p = 1.00167406 + p * w;
        p = 2.83297682 + p * w;
    }
    double r = p * a;
    for (int i = 0; i < 2; i++) {
        /* Near 1 the difference erf(r) - a cancels; erfc does not. 1 - a is exact there. */
        const double f = a > 0.5 ? (1 - a) - erfc(r) : erf(r) - a;
        const double slope = 1.1283791670955126 * exp(-r * r);
        r -= f / (slope + r * f);
    }
    return (REAL)copysign(r, (double)x);
}

/* MXNet gives NaN at the poles (negative integers); tgamma does so too. */
static inline REAL real_gamma(REAL x) { return (REAL)tgamma((double)x); }

static inline REAL real_gammaln(REAL x)
{
#ifdef __GLIBC__
    int sign;
    return (REAL)lgamma_r((double)x, &sign);  /* lgamma writes a global */
#else
    return (REAL)lgamma((double)x);
#endif
}

/* Derivative of gammaln: recurrence up to x >= 10, then the asymptotic series (Abramowitz and Stegun 6.3.5, 6.3.18);
 * reflection for x < 0 (6.3.7). Infinity at the poles, as MXNet has it. */
static inline REAL real_digamma(REAL value)
{
    double x = value, result = 0;
    if (x <= 0) {
        if (x == floor(x))
            return (REAL)INFINITY;
        result = -3.14159265358979323846 / tan(3.14159265358979323846 * (x - floor(x)));
        x = 1 - x;
    }
    while (x < 10) {
        result -= 1 / x;
        x += 1;
    }
    const double z = 1 / (x * x);
    const double tail = z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * (1. / 240 - z * (1. / 132 - z * (691. / 32760))))));
    return (REAL)(result + log(x) - 0.5 / x - tail);
}

#else /* integers */

/* Division truncates (C); x / 0 is 0 (it ends MXNet's process) and the one overflow, lowest / -1, wraps. */
static inline REAL int_div(REAL x, REAL y)
{
    if (y == 0)
        return 0;
    return y == (REAL)-1 && (REAL)-1 < 0 ? (REAL)(0 - x) : (REAL)(x / y);
}

/* Remainder with the sign of the divisor; x mod 0 is 0. */
static inline REAL int_mod(REAL x, REAL y)
{
    if (y == 0 || (y == (REAL)-1 && (REAL)-1 < 0))
        return 0;
    const REAL r = (REAL)(x % y);
    return r != 0 && (r < 0) != (y < 0) ? (REAL)(r + y) : r;
}

#endif
#endif
