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

#ifdef REAL_IS_F32
#include "math_float.h"
#if defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "math_avx512.h"
#endif
#else
#include "math_double.h"
static inline double real_exp(double x) { return exp_double(x); }
static inline double real_log(double x) { return log_double(x); }
static inline double real_expm1(double x) { return expm1(x); }
static inline double real_log2(double x) { return log2(x); }
static inline double real_log10(double x) { return log10(x); }
static inline double real_log1p(double x) { return log1p(x); }
static inline double real_tanh(double x) { return tanh(x); }
static inline double real_asin(double x) { return asin(x); }
static inline double real_acos(double x) { return acos(x); }
static inline double real_atan(double x) { return atan(x); }
static inline double real_sinh(double x) { return sinh(x); }
static inline double real_cosh(double x) { return cosh(x); }
static inline double real_asinh(double x) { return asinh(x); }
static inline double real_acosh(double x) { return acosh(x); }
static inline double real_atanh(double x) { return atanh(x); }
static inline double real_erf(double x) { return erf(x); }
static inline double real_cbrt(double x) { return cbrt(x); }
static inline double real_pow(double x, double y) { return pow(x, y); }
#endif

/* e^-|x| never overflows, and both branches keep full relative accuracy. The last line takes back what rounding added to
 * 1 + e (to first order), without which it would be 2.3 ulp. */
static inline REAL real_sigmoid(REAL x)
{
    const REAL e = real_exp(-M(fabs)(x)), sum = 1 + e, quotient = (x < 0 ? e : 1) / sum;
    return quotient - quotient * (e - (sum - 1));
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|); what rounding loses of 1 + e is given back to first order. */
static inline REAL real_softrelu(REAL x)
{
    const REAL e = real_exp(-M(fabs)(x)), sum = 1 + e;
    return (0 > x ? 0 : x) + (real_log(sum) + (e - (sum - 1)) / sum);
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
        /* From the nearest integer: x - floor(x) would be 1 for a small negative x. */
        result = -3.14159265358979323846 / tan(3.14159265358979323846 * (x - rint(x)));
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
