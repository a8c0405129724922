/* The loops of the elementwise instructions, and the table that names them.
 *
 * All loops have one type, so that a program is an array of pointers. An operand may be the output (same address): each
 * element is read before it is written, and `ivdep` tells GCC that no other overlap happens.
 */
#ifndef CYEXEC_ELEMENTWISE_TABLE_H
#define CYEXEC_ELEMENTWISE_TABLE_H

#include <stddef.h>
#include "elementwise_math.h"

typedef void (*ew_loop)(ptrdiff_t n, const REAL* a, const REAL* b, const REAL* c, REAL* out, REAL s);

typedef struct {
    const char* name;
    ew_loop loop;
    int inputs;
    double cost; /* per element, in units of one addition */
} ew_entry;

#define EW_LOOP(NAME, LOAD, EXPR)                                                                        \
    static void ew_##NAME(ptrdiff_t n, const REAL* a, const REAL* b, const REAL* c, REAL* out, REAL s)    \
    {                                                                                                    \
        _Pragma("GCC ivdep") for (ptrdiff_t i = 0; i < n; i++)                                           \
        {                                                                                                \
            LOAD out[i] = (REAL)(EXPR);                                                                  \
        }                                                                                                \
    }

#define UNARY(NAME, COST, EXPR) EW_LOOP(NAME, const REAL x = a[i];, EXPR)
/* A block of 64 elements without exceptions goes through a loop that vectorises; the numbers are the same. */
#define GUARDED(NAME, COST, CONDITION, EXPR, SLOW)                                                        \
    EW_LOOP(NAME##_guarded, const REAL x = a[i];, (CONDITION) ? (EXPR) : (SLOW))                          \
    EW_LOOP(NAME##_fast, const REAL x = a[i];, EXPR)                                                      \
    static void ew_##NAME(ptrdiff_t n, const REAL* a, const REAL* b, const REAL* c, REAL* out, REAL s)    \
    {                                                                                                    \
        for (ptrdiff_t start = 0; start < n; start += 64) {                                              \
            const ptrdiff_t count = n - start < 64 ? n - start : 64;                                     \
            int plain = 1;                                                                               \
            for (ptrdiff_t i = start; i < start + count; i++) {                                          \
                const REAL x = a[i];                                                                     \
                plain &= (CONDITION) ? 1 : 0;                                                            \
            }                                                                                            \
            (plain ? ew_##NAME##_fast : ew_##NAME##_guarded)(count, a + start, b, c, out + start, s);    \
        }                                                                                                \
    }
#if defined(REAL_IS_F32) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define WIDE(NAME, COST, EXPR, VECTOR)                                                                    \
    static void ew_##NAME(ptrdiff_t n, const REAL* a, const REAL* b, const REAL* c, REAL* out, REAL s)    \
    {                                                                                                    \
        ptrdiff_t i = 0;                                                                                 \
        for (; i + 16 <= n; i += 16)                                                                     \
            _mm512_storeu_ps(out + i, VECTOR(_mm512_loadu_ps(a + i)));                                   \
        const __mmask16 rest = (__mmask16)((1u << (n - i)) - 1);                                         \
        if (rest)                                                                                        \
            _mm512_mask_storeu_ps(out + i, rest, VECTOR(_mm512_maskz_loadu_ps(rest, a + i)));            \
    }
#else
#define WIDE(NAME, COST, EXPR, VECTOR) UNARY(NAME, COST, EXPR)
#endif
#define BINARY(NAME, COST, EXPR)                             \
    EW_LOOP(NAME, const REAL x = a[i]; const REAL y = b[i];, EXPR) \
    EW_LOOP(NAME##_s, const REAL x = a[i]; const REAL y = s;, EXPR)    \
    EW_LOOP(r##NAME##_s, const REAL x = s; const REAL y = a[i];, EXPR)
#define TERNARY(NAME, COST, EXPR) EW_LOOP(NAME, const REAL x = a[i]; const REAL y = b[i]; const REAL z = c[i];, EXPR)
EW_LOOP(const, , s)
#include "elementwise_list.h"
#undef UNARY
#undef WIDE
#undef GUARDED
#undef BINARY
#undef TERNARY

#define UNARY(NAME, COST, EXPR) {#NAME, ew_##NAME, 1, COST},
#define WIDE(NAME, COST, EXPR, VECTOR) {#NAME, ew_##NAME, 1, COST},
#define GUARDED(NAME, COST, CONDITION, EXPR, SLOW) {#NAME, ew_##NAME, 1, COST},
#define BINARY(NAME, COST, EXPR) \
    {#NAME, ew_##NAME, 2, COST}, {#NAME "_s", ew_##NAME##_s, 1, COST}, {"r" #NAME "_s", ew_r##NAME##_s, 1, COST},
#define TERNARY(NAME, COST, EXPR) {#NAME, ew_##NAME, 3, COST},
static const ew_entry EW_TABLE[] = {
    {"const", ew_const, 0, 1},
#include "elementwise_list.h"
};
#undef UNARY
#undef WIDE
#undef GUARDED
#undef BINARY
#undef TERNARY
static const int EW_COUNT = sizeof(EW_TABLE) / sizeof(EW_TABLE[0]);

#endif
