/* Double-precision building blocks without branches, so that GCC vectorises loops around them.
 *
 * exp_double and log_double are good to about 1 ulp; the others carry enough digits for float32 results. Polynomials:
 * tools/fit_polynomials.py. Reduction of arguments: Cody and Waite, "Software Manual for the Elementary Functions" (1980).
 * The form of the logarithm (s = f / (2 + f), corrections kept apart) is that of Tang, ACM TOMS 16 (1990), and fdlibm.
 */
#ifndef CYEXEC_MATH_DOUBLE_H
#define CYEXEC_MATH_DOUBLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __FMA__
#define MADD(a, b, c) __builtin_fma(a, b, c)
#define MADDF(a, b, c) __builtin_fmaf(a, b, c)
#else
#define MADD(a, b, c) ((a) * (b) + (c))
#define MADDF(a, b, c) ((a) * (b) + (c))
#endif

static inline uint64_t double_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, 8);
    return u;
}

static inline double bits_double(uint64_t u)
{
    double x;
    memcpy(&x, &u, 8);
    return x;
}

/* Adding this rounds to an integer, which then stands in the low bits of the sum. */
#define ROUNDER 0x1.8p52

/* 2^k in two factors, so that results below 2^-1022 and the overflow at 2^1024 round once, in the last product. */
static inline double exp_double(double x)
{
    const double clamped = x < -746 ? -746 : x > 710 ? 710 : x;
    const double k = MADD(clamped, 1.4426950408889634, ROUNDER) - ROUNDER;
    const double r = MADD(k, -0x1.a39ef35793c76p-33, MADD(k, -0x1.62e42fee00000p-1, clamped)); /* ln 2: 32 bits, rest */
    double p = 2.0915442297780116e-09;
    p = MADD(p, r, 2.5106274733573296e-08);
    p = MADD(p, r, 2.75572718102198e-07);
    p = MADD(p, r, 2.755725283351691e-06);
    p = MADD(p, r, 2.4801587327007187e-05);
    p = MADD(p, r, 0.00019841269876864356);
    p = MADD(p, r, 0.0013888888888883327);
    p = MADD(p, r, 0.008333333333325544);
    p = MADD(p, r, 0.04166666666666667);
    p = MADD(p, r, 0.1666666666666667);
    p = MADD(p, r, 0.5);
    p = 1 + MADD(p * r, r, r);
    const double half = k * 0.5 + ROUNDER, rest = k - (half - ROUNDER) + ROUNDER;
    return p * bits_double((double_bits(half) + 1023) << 52) * bits_double((double_bits(rest) + 1023) << 52);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); the exponent becomes a double by standing in the low bits of 2^52. */
static inline double log_double(double x)
{
    const uint64_t root_half = 0x3fe6a09e667f3bcd, one = (uint64_t)1023 << 52, exponent = (uint64_t)0xfff << 52;
    const double tiny = x < 0x1p-1022 ? 54 : 0;
    const uint64_t u = double_bits(x < 0x1p-1022 ? x * 0x1p54 : x), v = u - root_half + one;
    const double e = bits_double(v >> 52 | 0x4330000000000000) - (0x1p52 + 1023) - tiny;
    const double f = bits_double(u - (v & exponent) + one) - 1;
    const double s = f / (2 + f), z = s * s, h = 0.5 * f * f;
    double p = 0.14628571557283904;
    p = MADD(p, z, 0.15330736526779512);
    p = MADD(p, z, 0.18182918892943603);
    p = MADD(p, z, 0.2222221072440129);
    p = MADD(p, z, 0.28571428628500795);
    p = MADD(p, z, 0.39999999999893915);
    p = MADD(p, z, 0.666666666666667);
    const double tail = MADD(e, 0x1.a39ef35793c76p-33, s * MADD(p, z, h));
    const double result = MADD(e, 0x1.62e42fee00000p-1, f - (h - tail));
    return x > 0 ? (x < INFINITY ? result : x) : x == 0 ? -INFINITY : NAN;
}

/* atan: |x| > 1 by pi/2 - atan(1/|x|), then beyond tan(pi/8) by pi/4 + atan((t - 1) / (t + 1)). */
static inline double atan_double(double x)
{
    const double a = fabs(x), t = a > 1 ? 1 / a : a;
    const double w = t > 0.41421356237309503 ? (t - 1) / (t + 1) : t, z = w * w;
    double p = 0.022734660289432312;
    p = MADD(p, z, -0.04482174587127949);
    p = MADD(p, z, 0.057359799104905136);
    p = MADD(p, z, -0.06649556219483789);
    p = MADD(p, z, 0.0769104971487617);
    p = MADD(p, z, -0.09090852255728335);
    p = MADD(p, z, 0.11111109627206857);
    p = MADD(p, z, -0.1428571426595293);
    p = MADD(p, z, 0.1999999999989756);
    p = MADD(p, z, -0.3333333333333324);
    const double inner = MADD(p * z, w, w) + (t > 0.41421356237309503 ? 0.78539816339744831 : 0);
    return copysign(a > 1 ? 1.5707963267948966 - inner : inner, x);
}

/* Up to this bound the quadrant needs 20 bits and its products with the first two parts of pi/2 (33 bits) are exact. */
#define SINE_LIMIT 1e6

/* sin(x + quarter * pi/2) for |x| <= SINE_LIMIT */
static inline double sine_double(double x, int quarter)
{
    const double t = MADD(x, 0.63661977236758138, ROUNDER), k = t - ROUNDER;
    const double r = ((x - k * 0x1.921fb54400000p+0) - k * 0x1.0b4611a600000p-34) - k * 0x1.3198a2e037073p-69, z = r * r;
    double s = -2.480070624050586e-08, c = 2.0697074803485915e-09;
    s = MADD(s, z, 2.7555937170259983e-06);
    s = MADD(s, z, -0.00019841266737518747);
    s = MADD(s, z, 0.008333333330892811);
    s = MADD(s, z, -0.16666666666663596);
    c = MADD(c, z, -2.755633125022941e-07);
    c = MADD(c, z, 2.4801585082648883e-05);
    c = MADD(c, z, -0.001388888888714404);
    c = MADD(c, z, 0.04166666666666447);
    const uint64_t n = double_bits(t) + (uint64_t)quarter;
    const double value = n & 1 ? MADD(c * z, z, 1 - 0.5 * z) : MADD(s * z, r, r);
    return n & 2 ? -value : value;
}

#endif
