/* Conversion loops between all dtypes, and a table of them: CAST_TABLE[source][destination], in the order of cast.pxi's
 * CODES.
 *
 * - Floats become integers by truncation. Out of range and NaN give what the x86 instruction gives (the lowest integer),
 *   written out so that C leaves it defined; int8 and uint8 take the low bits of the int32, as MXNet's do.
 * - bool is 0 or 1: anything but zero is 1.
 * - float16 is handled as its bits, in integer arithmetic that GCC vectorises; rounding to nearest, ties to even.
 *   A float64 becomes a float32 first (MXNet does so).
 */
#ifndef CYEXEC_CAST_H
#define CYEXEC_CAST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Normal numbers: move the exponent's bias by 127 - 15 = 112. Infinities and NaN: by 112 again, to the top. Subnormal
 * numbers are m * 2^-24, exactly. */
static inline float half_to_float(uint16_t h)
{
    const uint32_t m = h & 0x7fffu;
    const uint32_t normal = (m << 13) + (112u << 23);
    const uint32_t special = normal + (112u << 23);
    const uint32_t small = float_bits((float)(int32_t)m * 0x1p-24f);
    const uint32_t u = m >= 0x7c00u ? special : m >= 0x0400u ? normal : small;
    return bits_float(u | (uint32_t)(h & 0x8000u) << 16);
}

/* Rounding adds half a unit less one, plus the bit that would be last (ties to even); a carry into the exponent is right.
 * Below 2^-14 the unit is 2^-24: adding 0.5, whose unit in float32 is 2^-24 too, lets the addition round. */
static inline uint16_t float_to_half(float x)
{
    const uint32_t u = float_bits(x), m = u & 0x7fffffffu;
    const uint32_t normal = (m + 0xfffu + ((m >> 13) & 1u) - (112u << 23)) >> 13;
    const uint32_t small = float_bits(bits_float(m) + 0.5f) - float_bits(0.5f);
    const uint32_t big = m > 0x7f800000u ? 0x7e00u : 0x7c00u;
    const uint32_t h = m >= 0x47800000u ? big : m >= 0x38800000u ? normal : small;
    return (uint16_t)(h | (u >> 16 & 0x8000u));
}

static inline int32_t f32_to_i32(float x) { return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN; }
static inline int32_t f64_to_i32(double x) { return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN; }
static inline int64_t f32_to_i64(float x) { return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN; }
static inline int64_t f64_to_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
static inline int64_t integer(int64_t x) { return x; }

#define TO_I32(v) ((int32_t)_Generic((v), float: f32_to_i32, double: f64_to_i32, default: integer)(v))
#define TO_I64(v) _Generic((v), float: f32_to_i64, double: f64_to_i64, default: integer)(v)

/* code, C type, value of an element (of an arithmetic type), element from a value */
#define CAST_DTYPES(X, ...)                    \
    X(f16, uint16_t, __VA_ARGS__)              \
    X(f32, float, __VA_ARGS__)                 \
    X(f64, double, __VA_ARGS__)                \
    X(i8, int8_t, __VA_ARGS__)                 \
    X(u8, uint8_t, __VA_ARGS__)                \
    X(i32, int32_t, __VA_ARGS__)               \
    X(i64, int64_t, __VA_ARGS__)               \
    X(bool, uint8_t, __VA_ARGS__)
#define LOAD_f16(x) half_to_float(x)
#define LOAD_f32(x) (x)
#define LOAD_f64(x) (x)
#define LOAD_i8(x) (x)
#define LOAD_u8(x) (x)
#define LOAD_i32(x) (x)
#define LOAD_i64(x) (x)
#define LOAD_bool(x) ((uint8_t)((x) != 0))
#define STORE_f16(v) float_to_half((float)(v))
#define STORE_f32(v) (float)(v)
#define STORE_f64(v) (double)(v)
#define STORE_i8(v) (int8_t)(uint8_t)TO_I32(v)
#define STORE_u8(v) (uint8_t)TO_I32(v)
#define STORE_i32(v) (int32_t)TO_I32(v)
#define STORE_i64(v) (int64_t)TO_I64(v)
#define STORE_bool(v) (uint8_t)((v) != 0)

typedef void (*cast_loop)(ptrdiff_t n, const void* source, void* destination);

#define CAST_LOOP(DST, DST_TYPE, SRC, SRC_TYPE)                                              \
    static void cast_##SRC##_##DST(ptrdiff_t n, const void* source, void* destination)        \
    {                                                                                        \
        const SRC_TYPE* restrict from = (const SRC_TYPE*)source;                             \
        DST_TYPE* restrict to = (DST_TYPE*)destination;                                      \
        for (ptrdiff_t i = 0; i < n; i++)                                                    \
            to[i] = STORE_##DST(LOAD_##SRC(from[i]));                                        \
    }
CAST_DTYPES(CAST_LOOP, f16, uint16_t)
CAST_DTYPES(CAST_LOOP, f32, float)
CAST_DTYPES(CAST_LOOP, f64, double)
CAST_DTYPES(CAST_LOOP, i8, int8_t)
CAST_DTYPES(CAST_LOOP, u8, uint8_t)
CAST_DTYPES(CAST_LOOP, i32, int32_t)
CAST_DTYPES(CAST_LOOP, i64, int64_t)
CAST_DTYPES(CAST_LOOP, bool, uint8_t)

#define CAST_ENTRY(DST, DST_TYPE, SRC) cast_##SRC##_##DST,
static const cast_loop CAST_TABLE[8][8] = {
    {CAST_DTYPES(CAST_ENTRY, f16)},
    {CAST_DTYPES(CAST_ENTRY, f32)},
    {CAST_DTYPES(CAST_ENTRY, f64)},
    {CAST_DTYPES(CAST_ENTRY, i8)},
    {CAST_DTYPES(CAST_ENTRY, u8)},
    {CAST_DTYPES(CAST_ENTRY, i32)},
    {CAST_DTYPES(CAST_ENTRY, i64)},
    {CAST_DTYPES(CAST_ENTRY, bool)},
};

#endif
