"""Rows by index and sorting: against NumPy, and bit by bit the same for any team."""

from __future__ import annotations

import numpy as np
import pytest

from cyexec.kernels import levels
from cyexec.runtime import schedule


def run(kernel, dtype, reads, writes, threads=1, **args):
    """Run one step by a team of `threads`, however small it is."""
    cls, view = levels.resolve(kernel, np.dtype(dtype))
    seen = [a.view(view) if view is not None and a.dtype == dtype else a for a in (*reads, *writes)]
    old_threads, old = schedule.get_num_threads(), schedule.set_sharing_thresholds(0, 0)
    try:
        schedule.set_num_threads(threads)
        schedule.Schedule([cls(seen[: len(reads)], seen[len(reads) :], **args)]).run(0, 1)
    finally:
        schedule.set_num_threads(old_threads)
        schedule.set_sharing_thresholds(*old)


@pytest.mark.parametrize("outer,extent,inner,count", [(1, 7, 130, 40), (3, 5, 1, 17), (2, 4, 65, 9), (1, 3, 0, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_row_sums_do_not_depend_on_the_team(outer, extent, inner, count, dtype):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(outer, count, inner)) * 100).astype(dtype)
    rows = rng.integers(-2, extent + 2, count)
    want = np.zeros((outer, extent, inner), np.float64)
    for i, row in enumerate(np.clip(rows, 0, extent - 1)):
        want[:, row] += x[:, i]
    results = []
    for threads in (1, 2, 3):
        y = np.full((outer, extent, inner), 7, dtype)
        run("scatter.ScatterAdd", dtype, [x, rows], [y], threads, outer=outer, extent=extent, inner=inner)
        results.append(y)
    assert all((y == results[0]).all() for y in results)
    np.testing.assert_allclose(results[0], want, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "int64"])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_gather_and_scatter_move_whole_rows(dtype, wrap, threads):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 100, (2, 6, 37)).astype(dtype)
    rows = rng.integers(-20, 20, 50)
    y = np.zeros((2, 50, 37), dtype)
    run("index.Gather", dtype, [x, rows], [y], threads, outer=2, extent=6, inner=37, wrap=wrap)
    inside = rows % 6 if wrap else np.clip(rows, 0, 5)
    np.testing.assert_array_equal(y, x[:, inside])
    back, want = np.full((6, 37), 9, dtype), np.full((6, 37), 9, dtype)
    run("index.Scatter", dtype, [y[0], rows, back], [back], threads, extent=6, inner=37)
    for i, row in enumerate(np.clip(rows, 0, 5)):
        want[row] = y[0, i]
    np.testing.assert_array_equal(back, want)


@pytest.mark.parametrize("extent", [0, 1, 7, 8, 9, 100, 1000])
@pytest.mark.parametrize("ascend", [True, False])
@pytest.mark.parametrize("threads", [1, 3])
def test_sort_is_stable_with_nan_last(extent, ascend, threads):
    rng = np.random.default_rng(5)
    x = rng.integers(0, 20, (2, extent, 3)).astype(np.float32)
    if extent > 8:
        x[0, ::5] = np.nan
    values, positions = np.zeros_like(x), np.zeros(x.shape, np.int64)
    scratch = [np.zeros((6, extent), np.int64) for _ in range(2)]
    run(
        "sort.TopK", np.float32, [x], [values, positions, *scratch], threads, outer=2, extent=extent, inner=3, k=extent,
        ascend=ascend,
    )  # fmt: skip
    # NumPy's stable sort has NaN last too; negating keeps the order of equal elements.
    want = np.argsort(x if ascend else -x, 1, kind="stable")
    np.testing.assert_array_equal(positions, want)
    np.testing.assert_array_equal(values, np.take_along_axis(x, want, 1))


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("shape,axes", [((300, 200), (1, 0)), ((5, 70, 40), (2, 0, 1)), ((9, 3, 50, 2), (0, 2, 1, 3))])
def test_strided_copy_by_a_team(shape, axes, threads):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    want = np.ascontiguousarray(x.transpose(axes))
    y = np.zeros_like(want)
    strides = [s // 4 for s in x.strides]
    run(
        "movement.StridedCopy", np.float32, [x], [y], threads, shape=want.shape,
        x_strides=tuple(strides[a] for a in axes), y_strides=tuple(s // 4 for s in want.strides),
    )  # fmt: skip
    np.testing.assert_array_equal(y, want)
