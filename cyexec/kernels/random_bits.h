/* Random numbers by counting: Philox4x32-10.
 *
 * J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Ten rounds of a keyed bijection of a 128-bit counter. There is no state to share: an element's bits follow from
 *     key      the seed of the run,
 *     counter  { element (or block of elements), stream number of the step, draw number }
 * so that results do not depend on threads or on the order of steps. It passes BigCrush.
 */
#ifndef CYEXEC_RANDOM_BITS_H
#define CYEXEC_RANDOM_BITS_H

#include <math.h>
#include <stdint.h>

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u /* golden ratio */
#define PHILOX_W1 0xBB67AE85u /* sqrt(3) - 1 */

static inline void philox(uint64_t seed, uint64_t element, uint32_t stream, uint32_t draw, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)element, c1 = (uint32_t)(element >> 32), c2 = stream, c3 = draw;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* 64 words of block number `block`: sixteen counters side by side, which the compiler makes vectors of.
 * Word w of counter l stands at 16 * w + l. */
static inline void philox_block(uint64_t seed, uint64_t block, uint32_t stream, uint32_t out[64])
{
    uint32_t c0[16], c1[16], c2[16], c3[16];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int l = 0; l < 16; l++) {
        c0[l] = (uint32_t)(block * 16) + l; /* no carry: block * 16 is a multiple of 16 */
        c1[l] = (uint32_t)((block * 16) >> 32);
        c2[l] = stream;
        c3[l] = 0;
    }
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * c0[l], p1 = (uint64_t)PHILOX_M1 * c2[l];
            c0[l] = (uint32_t)(p1 >> 32) ^ c1[l] ^ k0;
            c2[l] = (uint32_t)(p0 >> 32) ^ c3[l] ^ k1;
            c1[l] = (uint32_t)p1;
            c3[l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    for (int l = 0; l < 16; l++) {
        out[l] = c0[l];
        out[16 + l] = c1[l];
        out[32 + l] = c2[l];
        out[48 + l] = c3[l];
    }
}

/* A sequence of words for one element, for distributions that take an unknown number of them. */
typedef struct {
    uint64_t seed, element;
    uint32_t stream, draw, words[4];
    int left;
} philox_sequence;

static inline philox_sequence philox_start(uint64_t seed, uint64_t element, uint32_t stream)
{
    philox_sequence s = {seed, element, stream, 0, {0, 0, 0, 0}, 0};
    return s;
}

static inline uint64_t philox_next64(philox_sequence *s)
{
    if (!s->left) {
        philox(s->seed, s->element, s->stream, s->draw++, s->words);
        s->left = 2;
    }
    int at = 4 - 2 * s->left;
    s->left--;
    return (uint64_t)s->words[at] << 32 | s->words[at + 1];
}

/* Uniform in [0, 1), 53 bits. */
static inline double philox_uniform(philox_sequence *s) { return (double)(philox_next64(s) >> 11) * 0x1p-53; }

/* Uniform in (0, 1]: for logarithms. */
static inline double philox_positive(philox_sequence *s) { return (double)((philox_next64(s) >> 11) + 1) * 0x1p-53; }

#endif
