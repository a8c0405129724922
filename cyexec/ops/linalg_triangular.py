"""Triangular matrices, a batch of them: Cholesky factors, products, equations.

Triangular operands are read on their own side of the diagonal only, and their gradients are zero on the other.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from .infer import product, unify
from .params import Bool, Float, Params
from .registry import register
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype


class TriangularParams(Params):
    """Parameters of trmm and trsm."""

    transpose = Bool(default=False, doc="Use transposed of the triangular matrix")
    rightside = Bool(default=False, doc="Multiply triangular matrix from the right to non-triangular one.")
    lower = Bool(
        default=True,
        doc="True if the triangular matrix is lower triangular, false if it is upper triangular.",
    )
    alpha = Float(default=1.0, doc="Scalar factor to be applied to the result.")


class TriangleParams(Params):
    upper = Bool(default=False, doc="Keep what is above the diagonal.")
    mirror = Bool(default=False, doc="Mirror it instead of writing zeros.")


# What the linear algebra files share


def square(shape, what="A"):
    """Check that the last two axes of `shape`, where known, hold square matrices; returns them made equal."""
    if shape is None:
        return None
    if len(shape) < 2:
        raise ShapeError(f"{what} must have at least two dimensions, found {shape}")
    (n,) = unify(shape[-1:], shape[-2:-1], f"{what} holds square matrices: rows and columns")
    return (*shape[:-2], n, n)


def batch_size(shape):
    """How many matrices an array holds."""
    return product(shape[:-2])


def matmul(g, a, b, transpose_a=False, transpose_b=False, alpha=1.0):
    """Node of a product."""
    return g("_linalg_gemm2", a, b, transpose_a=transpose_a, transpose_b=transpose_b, alpha=alpha)


def triangle(g, x, upper=False, mirror=False):
    """Node of a triangle of `x`."""
    return g("_triangle", x, upper=upper, mirror=mirror)


def solve(g, a, b, **params):
    """Node of a triangular equation."""
    return g("_linalg_trsm", a, b, **params)


def transposed(g, x):
    """Node of the transposed matrices."""
    ndim = len(x.shape)
    return g("transpose", x, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def both_sides(g, x):
    """Node of x + x^T."""
    return g("_grad_add", x, transposed(g, x))


def same_square(p, ins, outs):
    shape = square(unify(ins[0], outs[0], "A and output"))
    return [shape], [shape]


def _definite(seed, *shape):
    """Symmetric positive definite matrices."""
    a = np.random.default_rng(seed).uniform(-1, 1, shape)
    return a @ a.swapaxes(-1, -2) + 2 * np.eye(shape[-1])


def _triangular(seed, *shape):
    """Matrices with a diagonal away from zero."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, shape) + 1.5 * np.eye(shape[-1])


def register_unary(name, doc, infer_shape, gradient, lower, reference, cases, params=None):
    """Register an operator of one input under MXNet's two names."""
    extra = {} if params is None else {"params": params}
    register(
        Op(
            name=f"_linalg_{name}",
            aliases=(f"linalg_{name}",),
            doc=doc,
            inputs=("A",),
            infer_shape=infer_shape,
            infer_dtype=float_dtype,
            gradient=gradient,
            lower=lower,
            reference=reference,
            cases=cases,
            **extra,
        )
    )


register(
    Op(
        name="_triangle",
        hidden=True,
        doc="Keep a triangle of square matrices, with zeros beside it, or mirrored.",
        params=TriangleParams,
        infer_shape=same_square,
        lower=lambda low, node: low.step("linalg.Triangle", low.ins, low.outs, **node.params.as_dict()),
        reference=lambda p, x, is_train: (
            (np.triu if p.upper else np.tril)(x)
            + ((np.triu(x, 1) if p.upper else np.tril(x, -1)).swapaxes(-1, -2) if p.mirror else 0)
        ),
        cases=(
            Case({"data": (2, 3, 3)}),
            Case({"data": (3, 3)}, {"upper": True}),
            Case({"data": (3, 3)}, {"mirror": True}),
        ),
    )
)


# potrf, potri


def _potrf_lower(low, node):
    where = f"{node.describe()}: the matrix is not positive definite"
    low.step("linalg.Cholesky", low.ins, low.outs, where=where)


def _potrf_gradient(g, node, ograds):
    factor = node[0]
    inner = triangle(g, matmul(g, factor, ograds[0], transpose_a=True), mirror=True)
    left = solve(g, factor, inner, transpose=True)
    return [solve(g, factor, left, rightside=True, alpha=0.5)]


register_unary(
    "potrf",
    "Compute Cholesky factors: the lower triangular L with L L^T = A, for symmetric positive definite A.",
    same_square,
    _potrf_gradient,
    _potrf_lower,
    lambda p, a, is_train: np.linalg.cholesky(a.astype(np.float64)),
    # Its gradient is that for a symmetric matrix, of which one side is read.
    (Case({}, data={"A": _definite(0, 3, 3)}, grad=False), Case({}, data={"A": _definite(1, 2, 4, 4)}, grad=False)),
)


def _potri_lower(low, node):
    a, out = low.ins[0], low.outs[0]
    if not out.size:
        return
    n, batch = a.shape[-1], batch_size(a.shape)
    ones, inverse = low.workspace((batch, n, n), a.dtype), low.workspace((batch, n, n), a.dtype)
    low.fill(ones, 0)
    diagonal = View(ones, (batch, n), (n * n, n + 1))
    one = low.workspace((1,), a.dtype)
    low.fill(one, 1)
    move(low, diagonal, View.of(one).broadcast((batch, n)))
    _add_solve(low, a, ones, inverse, TriangularParams())
    add_gemm(low, inverse, inverse, out, n, n, n, batch, True, False)


def _potri_gradient(g, node, ograds):
    both = matmul(g, node[0], both_sides(g, ograds[0]), alpha=-1.0)
    return [triangle(g, solve(g, node.inputs[0], both, rightside=True, transpose=True))]


def _potri_numpy(p, a, is_train):
    factor = np.tril(a).astype(np.float64)
    return np.linalg.inv(factor @ factor.swapaxes(-1, -2))


register_unary(
    "potri",
    "Invert matrices given by their Cholesky factors: (A A^T)^-1 for lower triangular A.",
    same_square,
    _potri_gradient,
    _potri_lower,
    _potri_numpy,
    (Case({}, data={"A": _triangular(2, 3, 3)}), Case({}, data={"A": _triangular(3, 2, 2, 2)})),
)


# trmm, trsm


def _pair_shape(p, ins, outs):
    a, b = square(ins[0]), unify(ins[1], outs[0], "B and output")
    if b is not None and len(b) < 2:
        raise ShapeError(f"B must have at least two dimensions, found {b}")
    if b is not None:
        n = b[-1] if p.rightside else b[-2]
        a = unify(a, (*b[:-2], n, n), "A, and the leading axes of B with the side that meets A,")
        lead, n = a[:-2], a[-1]
        b = (*lead, b[-2], n) if p.rightside else (*lead, n, b[-1])
    return [a, b], [b]


def _outer_triangle(g, p, left, right):
    """Gradient of the triangle from the two factors whose product it is, in the order of a product that is not transposed."""
    return triangle(g, matmul(g, left, right, transpose_a=p.rightside, transpose_b=not p.rightside), upper=not p.lower)


def _trmm_lower(low, node):
    p, (a, b), out = node.params, low.ins, low.outs[0]
    if not out.size:
        return
    kept = low.workspace(a.shape, a.dtype)
    low.step("linalg.Triangle", [a], [kept], upper=not p.lower)
    m, n = b.shape[-2:]
    batch = batch_size(b.shape)
    if p.rightside:
        add_gemm(low, b, kept, out, m, n, n, batch, False, p.transpose, p.alpha)
    else:
        add_gemm(low, kept, b, out, m, n, m, batch, p.transpose, False, p.alpha)


def _trmm_gradient(g, node, ograds):
    p, (a, b), (grad,) = node.params, node.inputs, ograds
    db = g("_linalg_trmm", a, grad, **p.replace(transpose=not p.transpose).as_dict())
    scaled = g("_mul_scalar", grad, scalar=p.alpha)
    first, second = (scaled, b) if p.rightside == p.transpose else (b, scaled)
    return [_outer_triangle(g, p, first, second), db]


def _triangle_numpy(p, a):
    kept = (np.tril if p.lower else np.triu)(a).astype(np.float64)
    return kept.swapaxes(-1, -2) if p.transpose else kept


def _trmm_numpy(p, a, b, is_train):
    a = _triangle_numpy(p, a)
    return p.alpha * (b @ a if p.rightside else a @ b)


def _add_solve(low, a, b, out, p):
    """Add the step that solves op(A) X = alpha B, or X op(A) = alpha B."""
    m, n = b.shape[-2:]
    if p.rightside:  # rows of X are the vectors, and A is transposed once more
        places = {"vectors": m, "element": 1, "vector": n, "transpose": not p.transpose}
    else:
        places = {"vectors": n, "element": n, "vector": 1, "transpose": p.transpose}
    low.step("linalg.TriangularSolve", [a, b], [out], inplace=[(0, 1)], lower=p.lower, alpha=p.alpha, **places)


def _trsm_lower(low, node):
    if low.outs[0].size:
        _add_solve(low, *low.ins, low.outs[0], node.params)


def _trsm_gradient(g, node, ograds):
    p, a, x = node.params, node.inputs[0], node[0]
    flipped = p.replace(transpose=not p.transpose, alpha=1.0).as_dict()
    back = g("_linalg_trsm", a, ograds[0], **flipped)
    minus = g("_mul_scalar", back, scalar=-1.0)
    first, second = (minus, x) if p.rightside == p.transpose else (x, minus)
    return [_outer_triangle(g, p, first, second), g("_mul_scalar", back, scalar=p.alpha)]


def _trsm_numpy(p, a, b, is_train):
    a = _triangle_numpy(p, a)
    if p.rightside:
        return p.alpha * np.linalg.solve(a.swapaxes(-1, -2), b.swapaxes(-1, -2).astype(np.float64)).swapaxes(-1, -2)
    return p.alpha * np.linalg.solve(a, b.astype(np.float64))


def _pair_cases():
    for i in range(8):
        params = {"transpose": bool(i & 1), "rightside": bool(i & 2), "lower": not i & 4, "alpha": 1.5}
        shape = (2, 2, 3) if params["rightside"] else (2, 3, 2)
        yield Case({"B": shape}, params, {"A": _triangular(i, 2, 3, 3)})
    yield Case({"B": (2, 4)}, {}, {"A": _triangular(9, 2, 2)})


for _name, _doc, _lower, _grad, _reference in (
    (
        "trmm",
        "Multiply with triangular matrices: alpha op(A) B, or alpha B op(A).",
        _trmm_lower,
        _trmm_gradient,
        _trmm_numpy,
    ),
    (
        "trsm",
        "Solve triangular equations op(A) X = alpha B, or X op(A) = alpha B.",
        _trsm_lower,
        _trsm_gradient,
        _trsm_numpy,
    ),
):
    register(
        Op(
            name=f"_linalg_{_name}",
            aliases=(f"linalg_{_name}",),
            doc=_doc,
            params=TriangularParams,
            inputs=("A", "B"),
            infer_shape=_pair_shape,
            infer_dtype=float_dtype,
            gradient=_grad,
            lower=_lower,
            reference=_reference,
            cases=tuple(_pair_cases()),
        )
    )


# syrk


class SyrkParams(Params):
    transpose = Bool(default=False, doc="Use transpose of input matrix.")
    alpha = Float(default=1.0, doc="Scalar factor to be applied to the result.")


def _syrk_shape(p, ins, outs):
    a = ins[0]
    if a is None:
        return ins, [square(outs[0], "output")]
    if len(a) < 2:
        raise ShapeError(f"A must have at least two dimensions, found {a}")
    n = a[-1] if p.transpose else a[-2]
    return ins, [unify(outs[0], (*a[:-2], n, n), "output")]


def _syrk_lower(low, node):
    p, a = node.params, low.ins[0]
    m, k = a.shape[:-3:-1] if p.transpose else a.shape[-2:]
    add_gemm(low, a, a, low.outs[0], m, m, k, batch_size(a.shape), p.transpose, not p.transpose, p.alpha)


def _syrk_gradient(g, node, ograds):
    p, a, both = node.params, node.inputs[0], both_sides(g, ograds[0])
    return [matmul(g, a, both, alpha=p.alpha) if p.transpose else matmul(g, both, a, alpha=p.alpha)]


def _syrk_numpy(p, a, is_train):
    a = a.astype(np.float64)
    return p.alpha * (a.swapaxes(-1, -2) @ a if p.transpose else a @ a.swapaxes(-1, -2))


register_unary(
    "syrk",
    "Multiply matrices with their transposes: alpha A A^T, or alpha A^T A.",
    _syrk_shape,
    _syrk_gradient,
    _syrk_lower,
    _syrk_numpy,
    (Case({"A": (2, 3, 4)}, {"alpha": 2.0}), Case({"A": (2, 3, 4)}, {"transpose": True}), Case({"A": (3, 2)})),
    SyrkParams,
)
