/* The first k of n elements in order, for one dtype (REAL). Equal elements keep their order, NaN comes last.
 *
 * An element becomes an item: its value as an unsigned number that orders like it (bits of a float with the sign turned
 * about; all bits turned for the largest first), and its position. Items are all different, so any way of sorting them is
 * stable. Few of many are kept in a heap while the others pass; else the bytes of the values are sorted from the lowest to the
 * highest (radix sort; Knuth, The Art of Computer Programming 3, 5.2.5), bytes that are all alike being skipped.
 */
#ifndef CYEXEC_SORT_H
#define CYEXEC_SORT_H
#include <string.h>

typedef unsigned long long sort_u64;
#if defined(REAL_IS_F64) || defined(REAL_IS_I64)
#define SORT_BYTES 8
typedef sort_u64 sort_bits;
typedef struct {
    sort_u64 value, position;
} sort_item;
#define SORT_BEFORE(a, b) ((a).value < (b).value || ((a).value == (b).value && (a).position < (b).position))
#define SORT_POSITION(a) ((a).position)
#define SORT_BYTE(a, i) ((a).value >> 8 * (i) & 255)
#else /* both fit one number */
#if defined(REAL_IS_I8) || defined(REAL_IS_U8)
#define SORT_BYTES 1
typedef unsigned char sort_bits;
#else
#define SORT_BYTES 4
typedef unsigned int sort_bits;
#endif
typedef sort_u64 sort_item;
#define SORT_BEFORE(a, b) ((a) < (b))
#define SORT_POSITION(a) ((a) & 0xffffffffu)
#define SORT_BYTE(a, i) ((a) >> (32 + 8 * (i)) & 255)
#endif
#define SORT_FEW 24   /* so many are sorted by insertion */
#define SORT_SHARE 16 /* a heap where k is at most this part of n */

static inline sort_item sort_item_of(REAL x, long position, int ascend) {
    const sort_bits sign = (sort_bits)1 << (8 * SORT_BYTES - 1), all = (sort_bits)-1;
    sort_bits bits;
#if defined(REAL_IS_F32) || defined(REAL_IS_F64)
    x = x == 0 ? 0 : x; /* -0 equals 0 */
    memcpy(&bits, &x, sizeof bits);
    bits = bits & sign ? ~bits : bits | sign;
    if (!ascend) bits = ~bits;
    if (x != x) bits = all;
#else
    bits = (sort_bits)x ^ ((REAL)-1 < 0 ? sign : 0);
    if (!ascend) bits ^= all;
#endif
#if SORT_BYTES == 8
    return (sort_item){bits, position};
#else
    return (sort_u64)bits << 32 | (sort_u64)position;
#endif
}

static void sort_by_insertion(sort_item *a, long n) {
    for (long i = 1; i < n; i++) {
        const sort_item held = a[i];
        long j = i;
        for (; j > 0 && SORT_BEFORE(held, a[j - 1]); j--) a[j] = a[j - 1];
        a[j] = held;
    }
}

/* Sort `n` items; returns `a` or `spare`, which then holds them. */
static sort_item *sort_by_bytes(sort_item *a, sort_item *spare, long n) {
    long counts[SORT_BYTES][256];
    memset(counts, 0, sizeof counts);
    for (long i = 0; i < n; i++)
        for (int b = 0; b < SORT_BYTES; b++) counts[b][SORT_BYTE(a[i], b)]++;
    for (int b = 0; b < SORT_BYTES; b++) {
        long *next = counts[b], sum = 0;
        sort_item *swap = a;
        if (next[SORT_BYTE(a[0], b)] == n) continue;
        for (int v = 0; v < 256; v++) {
            const long count = next[v];
            next[v] = sum;
            sum += count;
        }
        for (long i = 0; i < n; i++) spare[next[SORT_BYTE(a[i], b)]++] = a[i];
        a = spare;
        spare = swap;
    }
    return a;
}

/* Let heap[at] sink among `n` items: every item comes after those under it. */
static void sort_sink(sort_item *heap, long at, long n) {
    const sort_item held = heap[at];
    for (long child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && SORT_BEFORE(heap[child], heap[child + 1])) child++;
        if (!SORT_BEFORE(held, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = held;
}

/* Positions of the first `k` of x[0], x[stride], ... in order, to positions[0], positions[step], ... Both areas have `n`. */
static void sort_first(const REAL *x, long stride, long n, long k, int ascend, sort_item *items, sort_item *spare,
                       long long *positions, long step) {
    if (k > 0 && k <= n / SORT_SHARE) {
        for (long i = 0; i < k; i++) items[i] = sort_item_of(x[i * stride], i, ascend);
        for (long i = k / 2; i-- > 0;) sort_sink(items, i, k);
        for (long i = k; i < n; i++) {
            const sort_item item = sort_item_of(x[i * stride], i, ascend);
            if (SORT_BEFORE(item, items[0])) {
                items[0] = item;
                sort_sink(items, 0, k);
            }
        }
        for (long i = k; i-- > 0;) { /* the last of the heap goes to the end */
            const sort_item last = items[0];
            items[0] = items[i];
            items[i] = last;
            sort_sink(items, 0, i);
        }
    } else {
        for (long i = 0; i < n; i++) items[i] = sort_item_of(x[i * stride], i, ascend);
        if (n <= SORT_FEW) sort_by_insertion(items, n);
        else items = sort_by_bytes(items, spare, n);
    }
    for (long i = 0; i < k; i++) positions[i * step] = SORT_POSITION(items[i]);
}
#endif
