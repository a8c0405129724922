"""What lowering must know of the matrix multiplication kernel: how much workspace it needs.

Bounds that hold for every CPU level, so that a plan does not depend on the machine. The block sizes are those of
``cyexec/kernels/gemm.h``; a step that is given too little refuses to be made. With less than is fastest it packs less at a
time, which changes no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .program import Ref, Variant, Variants

if TYPE_CHECKING:
    from .lower import Lowering

KC, NC, MS = 256, 2048, 1008
WIDEST = 32  # columns of a packed panel at the widest level
PANELS = ((14, 16), (6, 8), (4, 4))  # (rows of a tile, width of a packed panel of A) of the levels
SMALLEST_TILE, WIDEST_TILE = 4, 14  # rows, at any level
# Products of a third of a millisecond or more are not given less than this much packed width (448 KiB): a packed number is
# used for a tenth of the time that packing it again would take.
LARGE, LEAST_WIDTH = 1 << 26, 448
UNPACKED = 200**3  # products at most for which matrices are read as they lie


def gemm_workspace(m: int, n: int, k: int, column_batch: int = 1, k_batch: int = 1) -> int:
    """Elements of workspace that C (m x n) = A (m x k) B (k x n) may need.

    Parameters
    ----------
    column_batch, k_batch : int
        Images that n or k are repeated over.
    """
    depth = min(k * k_batch, KC)
    rows = min(m, MS)
    width_a = max(-(-rows // tile) * width for tile, width in PANELS)
    width_b = min(-(-n // WIDEST) * WIDEST * column_batch, NC)
    return depth * (width_a + width_b)


def gemm_variants(m: int, n: int, k: int, column_batch: int = 1, k_batch: int = 1) -> Variants:
    """Ways to multiply matrices of that size (see `gemm_workspace`)."""
    full = gemm_workspace(m, n, k, column_batch, k_batch)
    large = m * n * k * column_batch * k_batch >= LARGE
    least = min(full, KC * LEAST_WIDTH if large else gemm_workspace(1, 1, k, 1, k_batch))

    def within(room: int | None) -> Variant:
        return Variant({}, full if room is None else max(least, min(room, full)))

    return within


def no_workspace(room: int | None) -> Variant:
    """The only way of a step that needs none."""
    return Variant({}, 0)


def unpacked(m: int, n: int, k: int, transpose_a: bool, transpose_b: bool) -> bool:
    """Whether every level multiplies matrices of this size without workspace (see `gemm_free_tiles`)."""
    if n == 1 and m > 1:
        m, n, transpose_a, transpose_b = 1, m, not transpose_b, not transpose_a
    if not transpose_a and transpose_b and (m <= 4 or n <= 4 or m * n * k <= 24**3):
        return True
    collides = n % 1024 == 0 and k > 64
    return not transpose_b and (m <= SMALLEST_TILE or m * n * k <= UNPACKED and not collides)


def add_gemm(
    low: Lowering,
    a: Ref,
    b: Ref,
    c: Ref,
    m: int,
    n: int,
    k: int,
    batch: int = 1,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    bias: Ref | None = None,
    bias_axis: str = "column",
    accumulate: bool = False,
) -> None:
    """Add the step ``c = alpha op(a) op(b) + bias`` (``c +=`` with `accumulate`) over a batch of C-contiguous matrices."""
    reads = [a, b] + ([] if bias is None else [bias]) + ([c] if accumulate else [])
    free = unpacked(m, n, k, transpose_a, transpose_b) or not batch
    low.scratch_step(
        "gemm.Gemm", no_workspace if free else gemm_variants(m, n, k), reads, [c],
        m=m, n=n, k=k, batch=batch, transpose_a=transpose_a, transpose_b=transpose_b, alpha=alpha,
        accumulate=accumulate, bias="" if bias is None else bias_axis,
    )  # fmt: skip
