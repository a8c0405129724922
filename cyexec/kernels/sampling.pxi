# levels: base v3
# dtypes: f32 f64
# flags: -ffp-contract=off -O2
# Images sampled at the points of a grid, with bilinear interpolation (Jaderberg et al., 2015, equation 5). Grid coordinates
# run from -1 to 1 over the pixels' centres; pixels outside the image are zeros. Contraction would move samples that lie on
# the border of two pixels, differently at each level.
from libc.math cimport floor

from cyexec.kernels.step cimport Span, Step, Team, share


cdef enum:
    CHUNK = 256  # points that are found once for all channels


cdef struct Corners:
    # The four pixels around a point: y and x of the upper left one, and the point's distances from it.
    Py_ssize_t y
    Py_ssize_t x
    real down
    real across
    bint top        # which rows and columns of them lie in the image
    bint bottom
    bint left
    bint right
    bint inner      # all of them
    bint there      # any of them


cdef inline bint find(real grid_x, real grid_y, Py_ssize_t height, Py_ssize_t width, Corners* at) noexcept nogil:
    """The pixels around a point of the grid; False if none of them is in the image (NaN never is)."""
    cdef real x = (grid_x + 1) * <real>(width - 1) / 2, y = (grid_y + 1) * <real>(height - 1) / 2
    at.inner = False
    at.y = at.x = 0
    at.down = at.across = 0
    if not (x > -1 and x < width and y > -1 and y < height):
        return False
    at.y, at.x = <Py_ssize_t>floor(y), <Py_ssize_t>floor(x)
    at.down, at.across = y - <real>at.y, x - <real>at.x
    at.top, at.bottom = at.y >= 0, at.y + 1 < height
    at.left, at.right = at.x >= 0, at.x + 1 < width
    at.inner = at.top and at.bottom and at.left and at.right
    return True


cdef inline real pixel(const real* plane, Py_ssize_t at, bint there) noexcept nogil:
    return plane[at] if there else <real>0


def points(array):
    """The array with its last two axes, height and width, as one."""
    first, second, height, width = array.shape
    return array.reshape(first, second, height * width)


cdef class BilinearSample(Step):
    """y[n, c, point] = image n at grid[n, :, point]."""
    cdef const real[:, :, :, ::1] x   # IN    (images, channels, height, width)
    cdef const real[:, :, ::1] grid   # IN    (images, 2, points): x, y
    cdef real[:, :, ::1] y            # OUT   (images, channels, points)

    def __init__(self, reads, writes):
        self.x = reads[0]
        self.grid = points(reads[1])
        self.y = points(writes[0])
        self.cost = 4.0 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, count = self.grid.shape[2], chunks = (count + CHUNK - 1) // CHUNK, n, first, i, c
        cdef Py_ssize_t width = self.x.shape[3], size
        cdef Span part = share(team, self.y.shape[0] * chunks, 1)
        cdef Corners[CHUNK] points
        cdef Py_ssize_t[CHUNK] place
        cdef real[CHUNK] a, b, d, e       # weights of the four pixels
        cdef bint inner                   # whether all points of the chunk have all four
        cdef Corners* p
        cdef const real* plane
        cdef real* y
        for task in range(part.start, part.stop):
            n, first = task // chunks, task % chunks * CHUNK
            size = min(CHUNK, count - first)
            inner = True
            for i in range(size):
                p = &points[i]
                p.there = find(self.grid[n, 0, first + i], self.grid[n, 1, first + i], self.x.shape[2], width, p)
                inner = inner and p.inner
                place[i] = p.y * width + p.x
                a[i], b[i] = (1 - p.down) * (1 - p.across), (1 - p.down) * p.across
                d[i], e[i] = p.down * (1 - p.across), p.down * p.across
            for c in range(self.y.shape[1]):
                plane, y = &self.x[n, c, 0, 0], &self.y[n, c, first]
                if inner:
                    for i in range(size):
                        y[i] = (
                            plane[place[i]] * a[i] + plane[place[i] + 1] * b[i]
                            + plane[place[i] + width] * d[i] + plane[place[i] + width + 1] * e[i]
                        )
                    continue
                for i in range(size):
                    p = &points[i]
                    y[i] = 0
                    if p.there:
                        y[i] = (
                            pixel(plane, place[i], p.top and p.left) * a[i]
                            + pixel(plane, place[i] + 1, p.top and p.right) * b[i]
                            + pixel(plane, place[i] + width, p.bottom and p.left) * d[i]
                            + pixel(plane, place[i] + width + 1, p.bottom and p.right) * e[i]
                        )


cdef class BilinearSampleImageGradient(Step):
    """dx = every point's gradient, shared among the pixels around it. Threads take channels: points share pixels."""
    cdef const real[:, :, ::1] dy     # IN    (images, channels, points)
    cdef const real[:, :, ::1] grid   # IN    (images, 2, points)
    cdef real[:, :, :, ::1] dx        # OUT   (images, channels, height, width)

    def __init__(self, reads, writes):
        self.dy = points(reads[0])
        self.grid = points(reads[1])
        self.dx = writes[0]
        self.cost = 5.0 * reads[0].size + 0.1 * writes[0].size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t n, c, i, height = self.dx.shape[2], width = self.dx.shape[3], first
        cdef Span part = share(team, self.dx.shape[1], 1)
        cdef Corners at
        cdef real* plane
        cdef real g
        if height * width == 0:
            return
        for n in range(self.dx.shape[0]):
            for c in range(part.start, part.stop):
                plane = &self.dx[n, c, 0, 0]
                for i in range(height * width):
                    plane[i] = 0
            for i in range(self.grid.shape[2]):
                if part.stop == part.start or not find(self.grid[n, 0, i], self.grid[n, 1, i], height, width, &at):
                    continue
                first = at.y * width + at.x
                for c in range(part.start, part.stop):
                    plane, g = &self.dx[n, c, 0, 0], self.dy[n, c, i]
                    if at.top and at.left:
                        plane[first] += g * (1 - at.down) * (1 - at.across)
                    if at.top and at.right:
                        plane[first + 1] += g * (1 - at.down) * at.across
                    if at.bottom and at.left:
                        plane[first + width] += g * at.down * (1 - at.across)
                    if at.bottom and at.right:
                        plane[first + width + 1] += g * at.down * at.across


cdef class BilinearSampleGridGradient(Step):
    """dgrid = slopes of the interpolation at the points, times their gradients, summed over channels."""
    cdef const real[:, :, ::1] dy     # IN    (images, channels, points)
    cdef const real[:, :, :, ::1] x   # IN    (images, channels, height, width)
    cdef const real[:, :, ::1] grid   # IN    (images, 2, points)
    cdef real[:, :, ::1] dgrid        # OUT   (images, 2, points)

    def __init__(self, reads, writes):
        dy, self.x, grid = reads
        self.dy = points(dy)
        self.grid = points(grid)
        self.dgrid = points(writes[0])
        self.cost = 5.0 * dy.size

    cdef void run(self, Team* team) noexcept nogil:
        cdef Py_ssize_t task, points = self.grid.shape[2], n, i, c, height = self.x.shape[2], width = self.x.shape[3], first
        cdef Span part = share(team, self.dy.shape[0] * points, 16)
        cdef Corners at
        cdef real down, across, a, b, d, e
        cdef const real* plane
        for task in range(part.start, part.stop):
            n, i = task // points, task % points
            down = across = 0
            if find(self.grid[n, 0, i], self.grid[n, 1, i], height, width, &at):
                first = at.y * width + at.x
                for c in range(self.dy.shape[1]):
                    plane = &self.x[n, c, 0, 0]
                    a = pixel(plane, first, at.top and at.left)
                    b = pixel(plane, first + 1, at.top and at.right)
                    d = pixel(plane, first + width, at.bottom and at.left)
                    e = pixel(plane, first + width + 1, at.bottom and at.right)
                    down += self.dy[n, c, i] * ((d - a) * (1 - at.across) + (e - b) * at.across)
                    across += self.dy[n, c, i] * ((b - a) * (1 - at.down) + (e - d) * at.down)
            self.dgrid[n, 0, i] = across * <real>(width - 1) / 2
            self.dgrid[n, 1, i] = down * <real>(height - 1) / 2
