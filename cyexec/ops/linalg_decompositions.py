"""Decompositions of matrices, a batch of them: determinants, inverses, LQ, eigenvalues."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64
from .infer import unify
from .linalg_triangular import batch_size, matmul, same_square, solve, square, transposed, triangle
from .registry import register
from .schema import Case, Op
from .windows import float_dtype

FLOAT64 = np.dtype(np.float64)


def _general(seed, *shape):
    """Matrices that are far from singular."""
    return np.random.default_rng(seed).uniform(-1, 1, shape) + 1.5 * np.eye(shape[-2], shape[-1])


def _symmetric(seed, *shape):
    a = np.random.default_rng(seed).uniform(-1, 1, shape)
    return a + a.swapaxes(-1, -2)


def _factorised(low, a):
    """Add the step of an LU factorisation; returns factors and pivots."""
    n, batch = a.shape[-1], batch_size(a.shape)
    lu, pivots = low.workspace((batch, n, n), FLOAT64), low.workspace((batch, n + 1), INT64)
    low.step("linalg.Lu", [a], [lu, pivots], dtype=a.dtype)
    return [lu, pivots]


def _scalars_shape(p, ins, outs):
    a = square(ins[0], "A")
    made = None if a is None else a[:-2] or (1,)
    return [a], [unify(out, made, "output") for out in outs]


def _determinant_lower(low, node):
    low.step("linalg.LuDeterminant", _factorised(low, low.ins[0]), low.outs)


def _times_inverse(g, a, factor):
    """factor * (A^-1)^T, where each matrix has a factor."""
    spread = g("_reshape_to", factor, shape=(*a.shape[:-2], 1, 1))
    return g("broadcast_mul", transposed(g, g("_linalg_inverse", a)), spread)


def _det_gradient(g, node, ograds):
    return [_times_inverse(g, node.inputs[0], g("elemwise_mul", ograds[0], node[0]))]


def _slogdet_gradient(g, node, ograds):
    return [None if ograds[1] is None else _times_inverse(g, node.inputs[0], ograds[1])]


_DETERMINANTS = (Case({}, data={"A": _general(0, 3, 3)}), Case({}, data={"A": _general(1, 2, 4, 4)}))

register(
    Op(
        name="_linalg_det",
        aliases=("linalg_det",),
        doc="Compute the determinants of square matrices.",
        inputs=("A",),
        outputs=("output0",),  # MXNet numbers it: it has two more that nobody sees
        infer_shape=_scalars_shape,
        infer_dtype=float_dtype,
        gradient=_det_gradient,
        lower=_determinant_lower,
        reference=lambda p, a, is_train: np.linalg.det(a.astype(np.float64)).reshape(a.shape[:-2] or (1,)),
        cases=_DETERMINANTS,
    )
)
register(
    Op(
        name="_linalg_slogdet",
        aliases=("linalg_slogdet",),
        doc="Compute the signs of determinants and the logarithms of their absolute values.",
        inputs=("A",),
        outputs=("output0", "output1"),
        infer_shape=_scalars_shape,
        infer_dtype=float_dtype,
        gradient=_slogdet_gradient,
        lower=_determinant_lower,
        reference=lambda p, a, is_train: tuple(
            x.reshape(a.shape[:-2] or (1,)) for x in np.linalg.slogdet(a.astype(np.float64))
        ),
        cases=_DETERMINANTS,
    )
)


def _inverse_lower(low, node):
    out = low.outs[0]
    reads = _factorised(low, low.ins[0])
    column = low.workspace(reads[0].shape[:2], FLOAT64)
    where = f"{node.describe()}: the matrix is singular"
    low.step("linalg.LuInverse", reads, [out, column], dtype=out.dtype, where=where)


def _inverse_gradient(g, node, ograds):
    left = matmul(g, node[0], ograds[0], transpose_a=True, alpha=-1.0)
    return [matmul(g, left, node[0], transpose_b=True)]


register(
    Op(
        name="_linalg_inverse",
        aliases=("linalg_inverse",),
        doc="Compute the inverses of square matrices.",
        inputs=("A",),
        infer_shape=same_square,
        infer_dtype=float_dtype,
        gradient=_inverse_gradient,
        lower=_inverse_lower,
        reference=lambda p, a, is_train: np.linalg.inv(a.astype(np.float64)),
        cases=(Case({}, data={"A": _general(2, 3, 3)}), Case({}, data={"A": _general(3, 2, 4, 4)})),
    )
)


# gelqf


def _lq_shape(p, ins, outs):
    a = unify(ins[0], outs[0], "A and Q")
    if a is None:
        return [a], outs
    if len(a) < 2 or 0 <= a[-1] < a[-2]:
        raise ShapeError(f"A must hold matrices with at least as many columns as rows, found {a}")
    return [a], [a, unify(outs[1], (*a[:-1], a[-2]), "L")]


def _lq_lower(low, node):
    a = low.ins[0]
    if not a.size:
        return
    shape = (batch_size(a.shape), *a.shape[-2:])
    work = [low.workspace(s, FLOAT64) for s in (shape, shape, shape[:2])]
    low.step("linalg.Lq", [a], [*low.outs, *work], dtype=a.dtype)


def _lq_gradient(g, node, ograds):
    q, lower = node[0], node[1]
    dq, dl = (grad if grad is not None else g.zeros_like(out) for grad, out in zip(ograds, (q, lower)))
    inner = g("elemwise_sub", matmul(g, lower, dl, transpose_a=True), matmul(g, dq, q, transpose_b=True))
    both = g("_grad_add", dq, matmul(g, triangle(g, inner, mirror=True), q))
    return [solve(g, lower, both, transpose=True)]


def _lq_numpy(p, a, is_train):
    q, r = np.linalg.qr(a.astype(np.float64).swapaxes(-1, -2))
    return q.swapaxes(-1, -2), r.swapaxes(-1, -2)


register(
    Op(
        name="_linalg_gelqf",
        aliases=("linalg_gelqf",),
        doc="Factorise matrices into L Q: L is lower triangular, the rows of Q are orthonormal. Returns Q and L.",
        inputs=("A",),
        outputs=("output0", "output1"),
        infer_shape=_lq_shape,
        infer_dtype=float_dtype,
        gradient=_lq_gradient,
        lower=_lq_lower,
        reference=_lq_numpy,
        cases=(Case({"A": (2, 3)}), Case({"A": (2, 3, 3)}, seed=1), Case({"A": (1, 4)})),
    )
)


# syevd


def _eigen_shape(p, ins, outs):
    a = square(unify(ins[0], outs[0], "A and U"), "A")
    return [a], [a, None if a is None else unify(outs[1], a[:-1], "L")]


def _eigen_lower(low, node):
    a = low.ins[0]
    if not a.size:
        return
    shape = (batch_size(a.shape), *a.shape[-2:])
    work = [low.workspace(shape, FLOAT64) for _ in range(2)]
    low.step("linalg.SymmetricEigen", [a], [*low.outs, *work], dtype=a.dtype)


def _eigen_gradient(g, node, ograds):
    u, values = node[0], node[1]
    du, dvalues = (grad if grad is not None else g.zeros_like(out) for grad, out in zip(ograds, (u, values)))
    inner = g("_eigen_gradient", matmul(g, du, u, transpose_b=True), values, dvalues)
    return [matmul(g, matmul(g, u, inner, transpose_a=True), u)]


def _eigen_numpy(p, a, is_train):
    values, vectors = np.linalg.eigh(a.astype(np.float64))
    u = vectors.swapaxes(-1, -2)
    largest = np.take_along_axis(u, abs(u).argmax(-1)[..., None], -1)
    return u * np.sign(largest), values


register(
    Op(
        name="_linalg_syevd",
        aliases=("linalg_syevd",),
        doc="""Decompose symmetric matrices: A = U^T diag(L) U, with eigenvectors in the rows of U. Returns U and L.

        Eigenvalues ascend; the largest element of each eigenvector is positive.
        """,
        inputs=("A",),
        outputs=("output0", "output1"),
        infer_shape=_eigen_shape,
        infer_dtype=float_dtype,
        gradient=_eigen_gradient,
        lower=_eigen_lower,
        reference=_eigen_numpy,
        # Its gradient is that for a symmetric matrix, of which one side is read.
        cases=(
            Case({}, data={"A": _symmetric(0, 3, 3)}, grad=False), Case({}, data={"A": _symmetric(1, 2, 4, 4)}, grad=False),
            Case({}, data={"A": np.diag([3.0, 1, 2])}, grad=False),
        ),
    )
)  # fmt: skip
register(
    Op(
        name="_eigen_gradient",
        hidden=True,
        doc="The middle of syevd's gradient, from gradients of eigenvectors times eigenvectors.",
        inputs=("inner", "values", "dvalues"),
        infer_shape=lambda p, ins, outs: (ins, [ins[0]]),
        lower=lambda low, node: low.step("linalg.EigenGradient", low.ins, low.outs) if low.outs[0].size else None,
    )
)
