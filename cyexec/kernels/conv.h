/* Convolution in up to three dimensions and its gradients, for one dtype and CPU level, on top of gemm.h.
 *
 * Everything is a product with the matrix of patches P: row (c, kz, ky, kx), column (z, y, x) of the output, element
 * x[c, z * stride - pad + kz * dilate, ...] or 0 outside. P is never stored:
 *
 *     forward            Y = W P             panels of P are packed straight from the image
 *     weight gradient    dW = dY P^T         k runs over the positions of all images
 *     data gradient      dX = scatter(W^T dY)  a few channels at a time (`conv_scatter`), to bound the workspace
 *
 * Missing dimensions are extents of 1. Layout: images (batch, channels, z, y, x), weights (filters, channels per group, ...).
 */
#ifndef CYEXEC_CONV_H
#define CYEXEC_CONV_H
#define GEMM_READS_DIRECTLY 0 /* those tiles would make up a third of the module, and patches are packed anyway */
#include "gemm.h"

typedef struct {
    long batch, channels, filters, groups;
    long in[3], kernel[3], stride[3], dilate[3], pad[3], out[3];
} conv_shape;

GEMM_INLINE long conv_in_size(const conv_shape *s) { return s->in[0] * s->in[1] * s->in[2]; }
GEMM_INLINE long conv_out_size(const conv_shape *s) { return s->out[0] * s->out[1] * s->out[2]; }
GEMM_INLINE long conv_kernel_size(const conv_shape *s) { return s->kernel[0] * s->kernel[1] * s->kernel[2]; }
/* Rows of P for one group. */
GEMM_INLINE long conv_rows(const conv_shape *s) { return s->channels / s->groups * conv_kernel_size(s); }

/* Whether P is the image itself. */
static inline int conv_is_pointwise(const conv_shape *s) {
    for (int d = 0; d < 3; d++)
        if (s->kernel[d] != 1 || s->stride[d] != 1 || s->pad[d] != 0 || s->in[d] != s->out[d]) return 0;
    return 1;
}

/* Whether windows take whole lines of one channel: the patches are rows that overlap in the image, as it lies. */
static inline int conv_is_lines(const conv_shape *s) {
    return s->channels == s->groups && s->kernel[0] == 1 && s->in[0] == 1 && s->pad[0] == 0 && s->kernel[2] == s->in[2] &&
           s->pad[1] == 0 && s->pad[2] == 0 && s->dilate[1] == 1 && s->dilate[2] == 1;
}

/* One filter tap for each input: dense products would be mostly overhead. */
static inline int conv_is_depthwise(const conv_shape *s) {
    return s->groups > 1 && s->groups == s->channels && s->filters / s->groups <= 4;
}

/* Positions o in [*lo, *hi) of range(o0, o1) whose input o * stride + offset lies in range(extent). */
GEMM_INLINE void conv_valid(long o0, long o1, long stride, long offset, long extent, long *lo, long *hi) {
    long first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    long stop = extent - offset <= 0 ? 0 : (extent - offset + stride - 1) / stride;
    *lo = first < o0 ? o0 : first > o1 ? o1 : first;
    *hi = stop > o1 ? o1 : stop < *lo ? *lo : stop;
}

typedef struct {
    const REAL *x; /* first channel of the group, of the first image */
    long image_stride;
    const conv_shape *shape;
} conv_patches;

/* Where a row of P finds its elements. */
typedef struct {
    const REAL *plane;
    long offset[3];
} conv_tap;

GEMM_INLINE conv_tap conv_tap_at(const conv_patches *p, long image, long row) {
    const conv_shape *s = p->shape;
    long kx = row % s->kernel[2], ky = row / s->kernel[2] % s->kernel[1];
    long kz = row / (s->kernel[2] * s->kernel[1]) % s->kernel[0], c = row / conv_kernel_size(s);
    conv_tap t;
    t.plane = p->x + image * p->image_stride + c * conv_in_size(s);
    t.offset[0] = kz * s->dilate[0] - s->pad[0];
    t.offset[1] = ky * s->dilate[1] - s->pad[1];
    t.offset[2] = kx * s->dilate[2] - s->pad[2];
    return t;
}

/* Positions x0 .. x1 of output line (z, y) of one row of P, to dst[0], dst[step], ... */
GEMM_INLINE void conv_line(const conv_shape *s, const conv_tap *t, long z, long y, long x0, long x1, REAL *dst,
                           const long step) {
    const long iz = z * s->stride[0] + t->offset[0], iy = y * s->stride[1] + t->offset[1];
    long lo = x1, hi = x1;
    if (iz >= 0 && iz < s->in[0] && iy >= 0 && iy < s->in[1])
        conv_valid(x0, x1, s->stride[2], t->offset[2], s->in[2], &lo, &hi);
    for (long x = x0; x < lo; x++) dst[(x - x0) * step] = 0;
    if (lo < hi) {
        const REAL *line = t->plane + (iz * s->in[1] + iy) * s->in[2] + t->offset[2];
        if (s->stride[2] == 1)
            for (long x = lo; x < hi; x++) dst[(x - x0) * step] = line[x];
        else
            for (long x = lo; x < hi; x++) dst[(x - x0) * step] = line[x * s->stride[2]];
    }
    for (long x = hi; x < x1; x++) dst[(x - x0) * step] = 0;
}

/* Go on to the next row of P. */
GEMM_INLINE void conv_next_tap(const conv_shape *s, conv_tap *t) {
    for (int d = 2; d >= 0; d--) {
        const long first = -s->pad[d];
        t->offset[d] += s->dilate[d];
        if (t->offset[d] < first + s->kernel[d] * s->dilate[d]) return;
        t->offset[d] = first;
    }
    t->plane += conv_in_size(s);
}

/* gemm_pack: lanes are positions, k the rows of P.
 *
 * A panel covers parts of few output lines, the same for every row. A panel inside one line and the image is moved by whole
 * vectors. */
static void conv_pack_positions(const void *source, long image, long lane0, long lanes, long k0, long kn, REAL *dst,
                                long width) {
    const conv_patches *p = source;
    const conv_shape *s = p->shape;
    const long width_out = s->out[2], x0 = lane0 % width_out, line0 = lane0 / width_out;
    const long z0 = line0 / s->out[1], y0 = line0 % s->out[1];
    conv_tap t = conv_tap_at(p, image, k0);
    for (long k = 0; k < kn; k++, dst += width) {
        long z = z0, y = y0, x = x0, done = 0;
        while (done < lanes) {
            const long n = gemm_min(width_out - x, lanes - done);
            const long iz = z * s->stride[0] + t.offset[0], iy = y * s->stride[1] + t.offset[1], ix = x + t.offset[2];
            const int inside = iz >= 0 && iz < s->in[0] && iy >= 0 && iy < s->in[1] && ix >= 0 && ix + n <= s->in[2];
            if (n == GEMM_NR && s->stride[2] == 1 && inside) {
                const REAL *line = t.plane + (iz * s->in[1] + iy) * s->in[2] + ix;
                for (int v = 0; v < GEMM_NV; v++) gemm_store(dst + v * GEMM_VL, gemm_load(line + v * GEMM_VL));
            } else {
                conv_line(s, &t, z, y, x, x + n, dst + done, 1);
            }
            done += n;
            x = 0;
            if (++y == s->out[1]) y = 0, z++;
        }
        for (; done < width; done++) dst[done] = 0;
        conv_next_tap(s, &t);
    }
}

/* gemm_pack: lanes are rows of P, k the positions. */
static void conv_pack_rows(const void *source, long image, long lane0, long lanes, long k0, long kn, REAL *dst,
                           long width) {
    const conv_patches *p = source;
    const conv_shape *s = p->shape;
    const long width_out = s->out[2], x0 = k0 % width_out, line0 = k0 / width_out;
    conv_tap t = conv_tap_at(p, image, lane0);
    for (long i = 0; i < lanes; i++, conv_next_tap(s, &t)) {
        long z = line0 / s->out[1], y = line0 % s->out[1], x = x0, done = 0;
        while (done < kn) {
            long n = gemm_min(width_out - x, kn - done);
            conv_line(s, &t, z, y, x, x + n, dst + done * width + i, width);
            done += n;
            x = 0;
            if (++y == s->out[1]) y = 0, z++;
        }
    }
    for (long i = lanes; i < width; i++)
        for (long k = 0; k < kn; k++) dst[k * width + i] = 0;
}

/* plane[input of position] += column[position], for one row of P. */
static void conv_scatter_row(const conv_shape *s, const conv_tap *t, const REAL *column, REAL *plane) {
    long lo, hi;
    conv_valid(0, s->out[2], s->stride[2], t->offset[2], s->in[2], &lo, &hi);
    for (long z = 0; z < s->out[0]; z++) {
        const long iz = z * s->stride[0] + t->offset[0];
        if (iz < 0 || iz >= s->in[0]) continue;
        for (long y = 0; y < s->out[1]; y++) {
            const long iy = y * s->stride[1] + t->offset[1];
            if (iy < 0 || iy >= s->in[1]) continue;
            const REAL *restrict from = column + (z * s->out[1] + y) * s->out[2];
            REAL *restrict to = plane + (iz * s->in[1] + iy) * s->in[2] + t->offset[2];
            if (s->stride[2] == 1)
                for (long x = lo; x < hi; x++) to[x] += from[x];
            else
                for (long x = lo; x < hi; x++) to[x * s->stride[2]] += from[x];
        }
    }
}

/* ---- depthwise: lines of one plane at a time ---- */

#define CONV_LINES(...)                                                                          \
    for (long row = 0; row < conv_kernel_size(s); row++) {                                        \
        const conv_tap t = conv_tap_at(&p, 0, row);                                               \
        const long step = s->stride[2];                                                           \
        long lo, hi;                                                                              \
        conv_valid(0, s->out[2], step, t.offset[2], s->in[2], &lo, &hi);                          \
        for (long z = 0; z < s->out[0]; z++) {                                                    \
            const long iz = z * s->stride[0] + t.offset[0];                                       \
            if (iz < 0 || iz >= s->in[0]) continue;                                               \
            for (long y = 0; y < s->out[1]; y++) {                                                \
                const long iy = y * s->stride[1] + t.offset[1];                                   \
                if (iy < 0 || iy >= s->in[1]) continue;                                           \
                const long in_line = (iz * s->in[1] + iy) * s->in[2] + t.offset[2];               \
                const long out_line = (z * s->out[1] + y) * s->out[2];                            \
                __VA_ARGS__                                                                       \
            }                                                                                     \
        }                                                                                         \
    }

static void conv_depthwise_forward(const conv_shape *s, const REAL *x, const REAL *w, REAL bias, REAL *y_plane) {
    const conv_patches p = {x, 0, s};
    const long size = conv_out_size(s);
    for (long i = 0; i < size; i++) y_plane[i] = bias;
    CONV_LINES({
        const REAL tap = w[row];
        const REAL *restrict from = x + in_line;
        REAL *restrict to = y_plane + out_line;
        if (step == 1)
            for (long i = lo; i < hi; i++) to[i] += tap * from[i];
        else
            for (long i = lo; i < hi; i++) to[i] += tap * from[i * step];
    })
}

static void conv_depthwise_data(const conv_shape *s, const REAL *dy, const REAL *w, REAL *dx) {
    const conv_patches p = {dx, 0, s};
    CONV_LINES({
        const REAL tap = w[row];
        const REAL *restrict from = dy + out_line;
        REAL *restrict to = dx + in_line;
        if (step == 1)
            for (long i = lo; i < hi; i++) to[i] += tap * from[i];
        else
            for (long i = lo; i < hi; i++) to[i * step] += tap * from[i];
    })
}

/* dw += sum over positions of dy times x. */
static void conv_depthwise_weight(const conv_shape *s, const REAL *x, const REAL *dy, REAL *dw) {
    const conv_patches p = {x, 0, s};
    CONV_LINES({
        const REAL *a = x + in_line, *b = dy + out_line;
        REAL part[GEMM_VL], sum = 0;
        long i = lo;
        if (step == 1) {
            gemm_vec acc = {0};
            for (; i + GEMM_VL <= hi; i += GEMM_VL) acc += gemm_load(a + i) * gemm_load(b + i);
            gemm_store(part, acc);
            for (int v = 0; v < GEMM_VL; v++) sum += part[v];
        }
        for (; i < hi; i++) sum += a[i * step] * b[i];
        dw[row] += sum;
    })
}

/* ---- the three products ---- */

/* The product of group `g`; operands and bias are filled in by the callers. */
GEMM_INLINE gemm_problem conv_product(long m, long n, long k) {
    gemm_problem q;
    memset(&q, 0, sizeof q);
    q.m = m;
    q.n = n;
    q.k = k;
    q.column_batch = q.k_batch = 1;
    q.epilogue.alpha = 1;
    return q;
}

GEMM_INLINE gemm_problem conv_forward_product(const conv_shape *s, const conv_patches *p) {
    const long filters = s->filters / s->groups, rows = conv_rows(s), size = conv_out_size(s);
    gemm_problem q = conv_product(filters, size, rows);
    q.column_batch = s->batch;
    q.a.lane_stride = rows;
    q.a.k_stride = 1;
    if (conv_is_pointwise(s)) {
        q.b.data = p->x;
        q.b.lane_stride = 1;
        q.b.k_stride = size;
        q.b.image_stride = p->image_stride;
    } else if (conv_is_lines(s)) {
        q.b.data = p->x;
        q.b.lane_stride = s->stride[1] * s->in[2];
        q.b.k_stride = 1;
        q.b.image_stride = p->image_stride;
    } else {
        q.b.pack = conv_pack_positions;
        q.b.source = p;
    }
    q.ldc = size;
    q.c_image_stride = s->filters * size;
    return q;
}

GEMM_INLINE gemm_problem conv_weight_product(const conv_shape *s, const conv_patches *p) {
    const long filters = s->filters / s->groups, rows = conv_rows(s), size = conv_out_size(s);
    gemm_problem q = conv_product(filters, rows, size);
    q.k_batch = s->batch;
    q.a.lane_stride = size;
    q.a.k_stride = 1;
    q.a.image_stride = s->filters * size;
    if (conv_is_pointwise(s)) {
        q.b.data = p->x;
        q.b.lane_stride = size;
        q.b.k_stride = 1;
        q.b.image_stride = p->image_stride;
    } else if (conv_is_lines(s)) {
        q.b.data = p->x;
        q.b.lane_stride = 1;
        q.b.k_stride = s->stride[1] * s->in[2];
        q.b.image_stride = p->image_stride;
    } else {
        q.b.pack = conv_pack_rows;
        q.b.source = p;
    }
    q.ldc = rows;
    return q;
}

/* W^T dY for `channels` channels of `images` images; pointwise: all, straight into dX. */
GEMM_INLINE gemm_problem conv_data_product(const conv_shape *s, long images, long channels) {
    const long filters = s->filters / s->groups, rows = channels * conv_kernel_size(s), size = conv_out_size(s);
    gemm_problem q = conv_product(rows, size, filters);
    q.column_batch = images;
    q.a.lane_stride = 1;
    q.a.k_stride = conv_rows(s);
    q.b.lane_stride = 1;
    q.b.k_stride = size;
    q.b.image_stride = s->filters * size;
    q.ldc = size;
    q.c_image_stride = conv_is_pointwise(s) ? s->channels * size : rows * size;
    return q;
}

/* Images and channels at a time for the data gradient, so that their part of P fits `room` elements. */
static inline void conv_data_chunk(const conv_shape *s, long room, long *images, long *channels) {
    const long per_group = s->channels / s->groups, one = conv_kernel_size(s) * conv_out_size(s);
    *channels = gemm_min(per_group, one ? room / one : per_group);
    if (*channels < 1) *channels = 1;
    *images = *channels == per_group && one ? gemm_min(s->batch, room / (one * per_group)) : 1;
    if (*images < 1) *images = 1;
}

typedef struct {
    REAL *data;
    long size;
} conv_area;

/* Workspace elements that the three products need at least; depthwise convolution needs none. */
static inline long conv_forward_workspace(const conv_shape *s) {
    conv_patches p = {0, 0, s};
    gemm_problem q = conv_forward_product(s, &p);
    return conv_is_depthwise(s) ? 0 : gemm_least_workspace(&q);
}

static inline long conv_weight_workspace(const conv_shape *s) {
    conv_patches p = {0, 0, s};
    gemm_problem q = conv_weight_product(s, &p);
    return conv_is_depthwise(s) ? 0 : gemm_least_workspace(&q);
}

static inline long conv_data_workspace(const conv_shape *s, long room) {
    long images = s->batch, channels = s->channels / s->groups;
    gemm_problem q;
    if (!conv_is_pointwise(s)) conv_data_chunk(s, room, &images, &channels);
    q = conv_data_product(s, images, channels);
    return conv_is_depthwise(s) ? 0 : gemm_least_workspace(&q);
}

static void conv_forward(const conv_shape *s, const REAL *x, const REAL *w, const REAL *bias, REAL *y, conv_area work,
                         const gemm_team *team) {
    const long in = conv_in_size(s), out = conv_out_size(s), per_group = s->channels / s->groups;
    const long filters = s->filters / s->groups, rows = conv_rows(s);
    if (conv_is_depthwise(s)) {
        long lo, hi;
        gemm_share(team, s->batch * s->filters, &lo, &hi);
        for (long t = lo; t < hi; t++) {
            const long f = t % s->filters, image = t / s->filters;
            conv_depthwise_forward(s, x + (image * s->channels + f / filters) * in, w + f * rows, bias ? bias[f] : 0,
                                   y + t * out);
        }
        return;
    }
    for (long g = 0; g < s->groups; g++) {
        const conv_patches p = {x + g * per_group * in, s->channels * in, s};
        gemm_problem q = conv_forward_product(s, &p);
        q.a.data = w + g * filters * rows;
        q.c = y + g * filters * out;
        q.epilogue.row_bias = bias ? bias + g * filters : NULL;
        gemm_run(&q, work.data, work.size, team);
    }
}

static void conv_weight_gradient(const conv_shape *s, const REAL *x, const REAL *dy, REAL *dw, conv_area work,
                                 const gemm_team *team) {
    const long in = conv_in_size(s), out = conv_out_size(s), per_group = s->channels / s->groups;
    const long filters = s->filters / s->groups, rows = conv_rows(s);
    if (conv_is_depthwise(s)) {
        long lo, hi;
        gemm_share(team, s->filters, &lo, &hi);
        for (long f = lo; f < hi; f++) {
            for (long r = 0; r < rows; r++) dw[f * rows + r] = 0;
            for (long image = 0; image < s->batch; image++)
                conv_depthwise_weight(s, x + (image * s->channels + f / filters) * in,
                                      dy + (image * s->filters + f) * out, dw + f * rows);
        }
        return;
    }
    for (long g = 0; g < s->groups; g++) {
        const conv_patches p = {x + g * per_group * in, s->channels * in, s};
        gemm_problem q = conv_weight_product(s, &p);
        q.a.data = dy + g * filters * out;
        q.c = dw + g * filters * rows;
        gemm_run(&q, work.data, work.size, team);
    }
}

/* `columns`: for elements of P (at least one channel of one image); unused when pointwise or depthwise. */
static void conv_data_gradient(const conv_shape *s, const REAL *dy, const REAL *w, const REAL *bias, REAL *dx, conv_area work,
                               conv_area columns, const gemm_team *team) {
    const long in = conv_in_size(s), out = conv_out_size(s), per_group = s->channels / s->groups;
    const long filters = s->filters / s->groups, rows = conv_rows(s), taps = conv_kernel_size(s);
    long images, channels, lo, hi;
    if (conv_is_depthwise(s)) {
        gemm_share(team, s->batch * s->channels, &lo, &hi);
        for (long t = lo; t < hi; t++) {
            const long c = t % s->channels, image = t / s->channels;
            for (long i = 0; i < in; i++) dx[t * in + i] = bias ? bias[c] : 0;
            for (long f = c * filters; f < (c + 1) * filters; f++)
                conv_depthwise_data(s, dy + (image * s->filters + f) * out, w + f * rows, dx + t * in);
        }
        return;
    }
    if (conv_is_pointwise(s)) {
        for (long g = 0; g < s->groups; g++) {
            gemm_problem q = conv_data_product(s, s->batch, per_group);
            q.a.data = w + g * filters * rows;
            q.b.data = dy + g * filters * out;
            q.c = dx + g * per_group * in;
            q.epilogue.row_bias = bias ? bias + g * per_group : NULL;
            gemm_run(&q, work.data, work.size, team);
        }
        return;
    }
    conv_data_chunk(s, columns.size, &images, &channels);
    for (long image = 0; image < s->batch; image += images)
        for (long g = 0; g < s->groups; g++)
            for (long c0 = 0; c0 < per_group; c0 += channels) {
                const long ni = gemm_min(images, s->batch - image), nc = gemm_min(channels, per_group - c0);
                const conv_patches p = {dx, 0, s};
                gemm_problem q = conv_data_product(s, ni, nc);
                q.a.data = w + g * filters * rows + c0 * taps;
                q.b.data = dy + (image * s->filters + g * filters) * out;
                q.c = columns.data;
                gemm_run(&q, work.data, work.size, team);
                gemm_sync(team);
                gemm_share(team, ni * nc, &lo, &hi);
                for (long t = lo; t < hi; t++) {
                    const long c = g * per_group + c0 + t % nc;
                    REAL *plane = dx + ((image + t / nc) * s->channels + c) * in;
                    for (long i = 0; i < in; i++) plane[i] = bias ? bias[c] : 0;
                    for (long row = 0; row < taps; row++) {
                        const conv_tap tap = conv_tap_at(&p, 0, row);
                        conv_scatter_row(s, &tap, columns.data + (t * taps + row) * out, plane);
                    }
                }
                gemm_sync(team); /* before `columns` is written again */
            }
}

/* out[c] = sum over batch and positions of x[batch, c, position]. `channels` lo to hi. */
static void conv_channel_sums(const REAL *x, long batch, long channels, long size, REAL *out, long lo, long hi) {
    if (size == 1) { /* rows: whole vectors of channels */
        for (long c = lo; c < hi; c++) out[c] = 0;
        for (long n = 0; n < batch; n++) {
            const REAL *restrict from = x + n * channels;
            REAL *restrict to = out;
            for (long c = lo; c < hi; c++) to[c] += from[c];
        }
        return;
    }
    for (long c = lo; c < hi; c++) {
        REAL sum = 0, part[GEMM_VL];
        for (long n = 0; n < batch; n++) {
            const REAL *from = x + (n * channels + c) * size;
            gemm_vec acc = {0};
            REAL image = 0;
            long i = 0;
            for (; i + GEMM_VL <= size; i += GEMM_VL) acc += gemm_load(from + i);
            for (; i < size; i++) image += from[i];
            gemm_store(part, acc);
            for (int v = 0; v < GEMM_VL; v++) image += part[v];
            sum += image;
        }
        out[c] = sum;
    }
}
#endif
