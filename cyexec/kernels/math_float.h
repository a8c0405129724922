/* float32 functions within 2 ulp, without branches, so that GCC vectorises loops around them.
 *
 * Those that networks use most (exp, log, tanh, sigmoid, erf) stay in float32; the others go through double
 * (math_double.h), where differences may cancel.
 */
#ifndef CYEXEC_MATH_FLOAT_H
#define CYEXEC_MATH_FLOAT_H

#include "math_double.h"

static inline uint32_t float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, 4);
    return x;
}

#define ROUNDER_F 0x1.8p23f

/* As exp_double. */
static inline float real_exp(float x)
{
    const float clamped = x < -104 ? -104 : x > 89 ? 89 : x;
    const float k = MADDF(clamped, 1.44269504f, ROUNDER_F) - ROUNDER_F;
    const float r = MADDF(k, 0x1.bd0106p-13f, MADDF(k, -0x1.63p-1f, clamped)); /* ln 2 = 0.693359375 - 0.000212194440 */
    float p = 0.0013926926614021907f;
    p = MADDF(p, r, 0.008363773874405574f);
    p = MADDF(p, r, 0.04166655011030512f);
    p = MADDF(p, r, 0.16666573381900845f);
    p = MADDF(p, r, 0.5f);
    p = 1 + MADDF(p * r, r, r);
    const float half = k * 0.5f + ROUNDER_F, rest = k - (half - ROUNDER_F) + ROUNDER_F;
    return p * bits_float((float_bits(half) + 127) << 23) * bits_float((float_bits(rest) + 127) << 23);
}

/* log(1 + f) = f - f^2/2 + f^3 P(f), the exponent as in log_double. */
static inline float real_log(float x)
{
    const uint32_t root_half = 0x3f3504f3, one = 127u << 23, exponent = 0x1ffu << 23;
    const float tiny = x < 0x1p-126f ? 25 : 0;
    const uint32_t u = float_bits(x < 0x1p-126f ? x * 0x1p25f : x), v = u - root_half + one;
    const float e = (float)((int32_t)(v >> 23) - 127) - tiny;
    const float f = bits_float(u - (v & exponent) + one) - 1, z = f * f;
    float p = 0.06980701958664974f;
    p = MADDF(p, f, -0.11494546612890219f);
    p = MADDF(p, f, 0.1168907113745787f);
    p = MADDF(p, f, -0.12424037717650198f);
    p = MADDF(p, f, 0.1424855126436147f);
    p = MADDF(p, f, -0.16667850972851767f);
    p = MADDF(p, f, 0.2000073050385224f);
    p = MADDF(p, f, -0.2499999662693948f);
    p = MADDF(p, f, 0.3333333112188015f);
    const float tail = MADDF(p * z, f, MADDF(e, -0x1.bd0106p-13f, -0.5f * z));
    const float result = MADDF(e, 0x1.63p-1f, f + tail);
    return x > 0 ? (x < INFINITY ? result : x) : x == 0 ? -INFINITY : NAN;
}

/* 1 - 2 / (e^2|x| + 1) cancels below 0.625; there a polynomial. */
static inline float real_tanh(float x)
{
    const float a = fabsf(x), z = x * x, large = 1 - 2 / (real_exp(2 * a) + 1);
    float p = -0.006094641315356439f;
    p = MADDF(p, z, 0.02099575389029558f);
    p = MADDF(p, z, -0.05385060910837768f);
    p = MADDF(p, z, 0.1333276776029121f);
    p = MADDF(p, z, -0.33333328924525096f);
    return a < 0.625f ? MADDF(p * z, x, x) : copysignf(large, x);
}

/* Below 0.9 an odd polynomial; above, 1 - exp(-x^2 - Q(x)) with Q fitted to -log(erfc(x)) - x^2. */
static inline float real_erf(float x)
{
    const float a = fabsf(x), z = x * x, b = a > 4 ? 4 : a; /* erf(4) rounds to 1 */
    float p = 8.493575518879748e-05f;
    p = MADDF(p, z, -0.0008171586410891219f);
    p = MADDF(p, z, 0.005203554413185084f);
    p = MADDF(p, z, -0.02686040832791323f);
    p = MADDF(p, z, 0.11283713678524579f);
    p = MADDF(p, z, -0.37612634925474087f);
    p = MADDF(p, z, 0.1283791667630003f); /* and 1 */
    float q = -1.6069090014251717e-06f;
    q = MADDF(q, b, 4.548583963739368e-05f);
    q = MADDF(q, b, -0.000592192484634414f);
    q = MADDF(q, b, 0.004738916665269071f);
    q = MADDF(q, b, -0.026364786416600727f);
    q = MADDF(q, b, 0.10998450652233492f);
    q = MADDF(q, b, -0.36807535239529704f);
    q = MADDF(q, b, 1.130176825605997f);
    q = MADDF(q, b, -0.0003062758486425702f);
    return a < 0.9f ? MADDF(p, x, x) : copysignf(1 - real_exp(-(q + b * b)), x);
}

/* With x = k ln 2 + r as in real_exp: 2^k (e^r - 1) + (2^k - 1), where nothing cancels; of large k the ones are lost. */
static inline float real_expm1(float x)
{
    const float clamped = x < -104 ? -104 : x > 89 ? 89 : x;
    const float k = MADDF(clamped, 1.44269504f, ROUNDER_F) - ROUNDER_F;
    const float r = MADDF(k, 0x1.bd0106p-13f, MADDF(k, -0x1.63p-1f, clamped));
    float p = 0.0013926926614021907f;
    p = MADDF(p, r, 0.008363773874405574f);
    p = MADDF(p, r, 0.04166655011030512f);
    p = MADDF(p, r, 0.16666573381900845f);
    p = MADDF(p, r, 0.5f);
    p = MADDF(p * r, r, r);
    const float half = k * 0.5f + ROUNDER_F, rest = k - (half - ROUNDER_F) + ROUNDER_F;
    const float first = bits_float((float_bits(half) + 127) << 23), second = bits_float((float_bits(rest) + 127) << 23);
    return k > 30 ? (1 + p) * first * second : MADDF(p * first, second, first * second - 1);
}

/* Small arguments take the first terms of the series: their squares are lost beside 1. */
static inline float real_log1p(float v)
{
    const double x = v, small = x - 0.5 * x * x, large = log_double(1 + x);
    return (float)(fabs(x) < 1e-6 ? small : large);
}

static inline float real_log2(float v) { return (float)(log_double(v) * 1.4426950408889634); }
static inline float real_log10(float v) { return (float)(log_double(v) * 0.43429448190325182); }

static inline float real_sinh(float v)
{
    const double x = v, e = exp_double(x);
    return (float)(fabs(x) < 1e-3 ? x + x * x * x / 6 : 0.5 * (e - 1 / e));
}

static inline float real_cosh(float v)
{
    const double e = exp_double(v);
    return (float)(0.5 * (e + 1 / e));
}

static inline float real_asinh(float v)
{
    const double x = v, a = fabs(x);
    return (float)(a < 1e-4 ? x - x * x * x / 6 : copysign(log_double(a + sqrt(a * a + 1)), x));
}

static inline float real_acosh(float v)
{
    const double x = v;
    return (float)(x < 1 ? NAN : log_double(x + sqrt(x * x - 1)));
}

static inline float real_atanh(float v)
{
    const double x = v;
    return (float)(fabs(x) < 1e-4 ? x + x * x * x / 3 : 0.5 * log_double((1 + x) / (1 - x)));
}

static inline float real_atan(float v) { return (float)atan_double(v); }
static inline float real_asin(float v) { return (float)atan_double(v / sqrt((1 - (double)v) * (1 + (double)v))); }
static inline float real_acos(float v) { return (float)(2 * atan_double(sqrt((1 - (double)v) / (1 + (double)v)))); }

static inline float real_cbrt(float v)
{
    const double x = v, root = copysign(exp_double(log_double(fabs(x)) * (1. / 3)), x);
    return (float)(fabs(x) < INFINITY ? root : x);
}

/* x^y by C's rules: exp(y log|x|) with the sign of odd powers, and the cases where that product is no number. */
static inline float real_pow(float x, float y)
{
    const double e = exp_double((double)y * log_double(fabs((double)x)));
    const int whole = truncf(y) == y, odd = whole & (truncf(y * 0.5f) != y * 0.5f) & (fabsf(y) < 0x1p24f);
    const float magnitude = (float)(isinf(x) && !isnan(y) ? (y > 0 ? INFINITY : 0) : e);
    const float value = odd ? copysignf(magnitude, x) : magnitude;
    const float real = (x < 0) & (x > -INFINITY) & !whole & (fabsf(y) < INFINITY) ? NAN : value;
    return (y == 0) | (x == 1) | ((x == -1) & (fabsf(y) == INFINITY)) ? 1 : x != x ? x : real;
}

#endif
