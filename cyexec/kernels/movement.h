/* Transposing a tile of elements of 1, 2, 4 or 8 bytes (REAL is the unsigned integer of that size).
 *
 * Squares that fill 16-byte vectors are transposed in registers: every vector of x and of y is then moved once. The vectors
 * are the baseline's of every x86-64; wider ones would not make memory faster.
 */
#ifndef CYEXEC_MOVEMENT_H
#define CYEXEC_MOVEMENT_H
#include <string.h>

#define MOVE_SIDE (16 / (long)sizeof(REAL))
typedef REAL move_vec __attribute__((vector_size(16)));

#if defined(REAL_IS_B4)
/* y[r * y_row + c] = x[r + c * x_column] for r and c below MOVE_SIDE. */
static inline void move_square(REAL *y, const REAL *x, long y_row, long x_column) {
    const move_vec low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
    move_vec a, b, c, d;
    memcpy(&a, x, 16);
    memcpy(&b, x + x_column, 16);
    memcpy(&c, x + 2 * x_column, 16);
    memcpy(&d, x + 3 * x_column, 16);
    const move_vec ac_low = __builtin_shuffle(a, c, low), ac_high = __builtin_shuffle(a, c, high);
    const move_vec bd_low = __builtin_shuffle(b, d, low), bd_high = __builtin_shuffle(b, d, high);
    a = __builtin_shuffle(ac_low, bd_low, low);
    b = __builtin_shuffle(ac_low, bd_low, high);
    c = __builtin_shuffle(ac_high, bd_high, low);
    d = __builtin_shuffle(ac_high, bd_high, high);
    memcpy(y, &a, 16);
    memcpy(y + y_row, &b, 16);
    memcpy(y + 2 * y_row, &c, 16);
    memcpy(y + 3 * y_row, &d, 16);
}
#elif defined(REAL_IS_B8)
static inline void move_square(REAL *y, const REAL *x, long y_row, long x_column) {
    move_vec a, b, low, high;
    memcpy(&a, x, 16);
    memcpy(&b, x + x_column, 16);
    low = __builtin_shuffle(a, b, (move_vec){0, 2});
    high = __builtin_shuffle(a, b, (move_vec){1, 3});
    memcpy(y, &low, 16);
    memcpy(y + y_row, &high, 16);
}
#else /* rarely large: element by element */
#undef MOVE_SIDE
#define MOVE_SIDE 1
static inline void move_square(REAL *y, const REAL *x, long y_row, long x_column) { *y = *x; }
#endif

/* y[r * y_row + c] = x[r + c * x_column] for r < rows, c < columns. */
static void move_tile(REAL *y, const REAL *x, long rows, long columns, long y_row, long x_column) {
    long r = 0;
    for (; r + MOVE_SIDE <= rows; r += MOVE_SIDE) {
        long c = 0;
        for (; c + MOVE_SIDE <= columns; c += MOVE_SIDE)
            move_square(y + r * y_row + c, x + r + c * x_column, y_row, x_column);
        for (; c < columns; c++)
            for (long i = 0; i < MOVE_SIDE; i++) y[(r + i) * y_row + c] = x[r + i + c * x_column];
    }
    for (; r < rows; r++)
        for (long c = 0; c < columns; c++) y[r * y_row + c] = x[r + c * x_column];
}
#endif
