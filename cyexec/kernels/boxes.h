/* How far two boxes overlap. A box is its corners x1, y1, x2, y2. NaN overlaps with nothing. */
#ifndef CYEXEC_BOXES_H
#define CYEXEC_BOXES_H

static inline REAL box_extent(REAL first, REAL last) { return last > first ? last - first : 0; }

static inline REAL box_later(REAL a, REAL b) { return a > b ? a : b; }

static inline REAL box_earlier(REAL a, REAL b) { return a < b ? a : b; }

/* Intersection over union; 0 for boxes that do not meet. */
static inline REAL box_overlap(const REAL *a, const REAL *b)
{
    REAL both = box_extent(box_later(a[0], b[0]), box_earlier(a[2], b[2]))
        * box_extent(box_later(a[1], b[1]), box_earlier(a[3], b[3]));
    /* Where they meet, both have an area: extents need no care. */
    if (!(both > 0))
        return 0;
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

#endif
