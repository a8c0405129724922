"""Products of matrices: dot, batch_dot and linalg_gemm2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from . import params as P
from .infer import product, unify
from .registry import register
from .schema import Case, Op
from .windows import float_dtype


class DotParams(P.Params):
    """Parameters of dot and batch_dot."""

    transpose_a = P.Bool(default=False, doc="If true then transpose the first input before dot.")
    transpose_b = P.Bool(default=False, doc="If true then transpose the second input before dot.")
    forward_stype = P.Enum(
        "csr", "default", "row_sparse", default=None, doc="Accepted and ignored: storage is always dense."
    )


class Gemm2Params(P.Params):
    """Parameters of linalg_gemm2."""

    transpose_a = P.Bool(default=False, doc="Multiply with transposed of first input (A).")
    transpose_b = P.Bool(default=False, doc="Multiply with transposed of second input (B).")
    alpha = P.Float(default=1.0, doc="Scalar factor multiplied with A*B.")
    axis = P.Int(default=-2, doc="Axis corresponding to the matrix row indices; only the last but one is supported.")


class Sizes(NamedTuple):
    """C (m x n) = op(A) op(B) with k products for each element; `batch` of them."""

    m: int
    n: int
    k: int
    batch: int


def add_product_gradients(low, p, sizes: Sizes, alpha: float = 1.0) -> None:
    """Add the steps that write gradients 0 (of A) and 1 (of B), where they are read, from (dC, A, B)."""
    grad, a, b = low.ins
    m, n, k, batch = sizes
    ta, tb = p.transpose_a, p.transpose_b
    if low.used(0) and ta:  # dA^T = op(B) dC^T
        add_gemm(low, b, grad, low.outs[0], k, m, n, batch, tb, True, alpha)
    elif low.used(0):  # dA = dC op(B)^T
        add_gemm(low, grad, b, low.outs[0], m, k, n, batch, False, not tb, alpha)
    if low.used(1) and tb:  # dB^T = dC^T op(A)
        add_gemm(low, grad, a, low.outs[1], n, k, m, batch, True, ta, alpha)
    elif low.used(1):  # dB = op(A)^T dC
        add_gemm(low, a, grad, low.outs[1], k, n, m, batch, not ta, False, alpha)


def _gradient(name):
    def gradient(g, node, ograds):
        return list(g(name, ograds[0], *node.inputs, like=node.params))

    return gradient


# dot: the last axis of lhs with the first of rhs; transposed, the first of lhs with the last of rhs


def _split(shape, summed_first):
    """Return (axes that stay, the summed axis)."""
    return (shape[1:], shape[0]) if summed_first else (shape[:-1], shape[-1])


def _dot_shape(p, ins, outs):
    lhs, rhs = ins
    if lhs is None or rhs is None:
        return ins, outs
    if not lhs or not rhs:
        raise ShapeError(f"inputs must have at least one dimension, found {lhs} and {rhs}")
    if len(lhs) == len(rhs) == 1 and (p.transpose_a or p.transpose_b):
        raise ShapeError(f"vectors {lhs} and {rhs} cannot be transposed")
    rows, k = _split(lhs, p.transpose_a)
    columns, k2 = _split(rhs, not p.transpose_b)
    if k != k2 and min(k, k2) >= 0:
        raise ShapeError(
            f"lhs {lhs} and rhs {rhs} do not fit (transpose_a={p.transpose_a}, transpose_b={p.transpose_b}): {k} != {k2}"
        )
    k = max(k, k2)
    out = unify(outs[0], (*rows, *columns) or (1,), "output")
    lhs = (k, *lhs[1:]) if p.transpose_a else (*lhs[:-1], k)
    rhs = (*rhs[:-1], k) if p.transpose_b else (k, *rhs[1:])
    return [lhs, rhs], [out]


def _dot_sizes(p, lhs, rhs):
    rows, k = _split(lhs, p.transpose_a)
    return Sizes(product(rows), product(_split(rhs, not p.transpose_b)[0]), k, 1)


def _dot_lower(low, node):
    p = node.params
    s = _dot_sizes(p, *node.in_shapes)
    add_gemm(low, *low.ins, low.outs[0], s.m, s.n, s.k, 1, p.transpose_a, p.transpose_b)


def _dot_reference(p, lhs, rhs, is_train=False):
    a = np.tensordot(
        lhs.astype(np.float64), rhs.astype(np.float64), ([0 if p.transpose_a else -1], [-1 if p.transpose_b else 0])
    )
    return np.asarray(a.reshape(a.shape or (1,)), lhs.dtype)


def _products(shapes, batch=(), **kw):
    """Cases of all four combinations of transposes, for (m, n, k)."""
    for m, n, k in shapes:
        for ta in (False, True):
            for tb in (False, True):
                lhs, rhs = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
                yield (*batch, *lhs), (*batch, *rhs), {"transpose_a": ta, "transpose_b": tb}


def _named(first, second, cases):
    return tuple(Case({first: a, second: b}, kw, atol=1e-5, grad=product(a) < 200) for a, b, kw in cases)


register(
    Op(
        name="dot",
        doc="Compute the dot product of two arrays: sum over the last axis of the first and the first axis of the second.",
        params=DotParams,
        inputs=("lhs", "rhs"),
        infer_shape=_dot_shape,
        infer_dtype=float_dtype,
        gradient=_gradient("_backward_dot"),
        lower=_dot_lower,
        reference=_dot_reference,
        cases=(
            *_named("lhs", "rhs", _products([(3, 5, 4), (70, 33, 60)])),
            Case({"lhs": (4,), "rhs": (4,)}, dtypes=("float32", "float64", "float16")),
            Case({"lhs": (3, 4), "rhs": (4,)}),
            Case({"lhs": (4,), "rhs": (4, 3)}),
            Case({"lhs": (4,), "rhs": (3, 4)}, {"transpose_b": True}),
            Case({"lhs": (2, 3, 4), "rhs": (4, 5, 2)}),
            Case({"lhs": (4, 3, 2), "rhs": (5, 2, 4)}, {"transpose_a": True, "transpose_b": True}),
            Case({"lhs": (2, 0), "rhs": (0, 3)}),
        ),
    )
)


# batch_dot: a product for each matrix of the leading axes


def _batch_shape(p, ins, outs):
    a, b = ins
    if a is None or b is None:
        return ins, outs
    if len(a) < 2 or len(a) != len(b):
        raise ShapeError(f"inputs must have equally many dimensions, at least 2, found {a} and {b}")
    lead = unify(a[:-2], b[:-2], "leading axes")
    m, k = a[:-3:-1] if p.transpose_a else a[-2:]
    k2, n = b[:-3:-1] if p.transpose_b else b[-2:]
    if k != k2 and min(k, k2) >= 0:
        raise ShapeError(
            f"matrices of {a} and {b} do not fit (transpose_a={p.transpose_a}, transpose_b={p.transpose_b}): {k} != {k2}"
        )
    k = max(k, k2)
    out = unify(outs[0], (*lead, m, n), "output")
    return [(*lead, *((k, m) if p.transpose_a else (m, k))), (*lead, *((n, k) if p.transpose_b else (k, n)))], [out]


def _batch_dot_shape(p, ins, outs):
    if any(s is not None and len(s) < 3 for s in ins):
        raise ShapeError(f"inputs must have at least 3 dimensions, found {ins[0]} and {ins[1]}")
    return _batch_shape(p, ins, outs)


def _gemm2_shape(p, ins, outs):
    for shape in ins:
        if shape is not None and p.axis not in (-2, len(shape) - 2):
            raise ShapeError(f"axis={p.axis} of {len(shape)} dimensions is not supported; expected -2")
    return _batch_shape(p, ins, outs)


def _batch_sizes(p, a, b):
    m, k = a[:-3:-1] if p.transpose_a else a[-2:]
    return Sizes(m, b[-2] if p.transpose_b else b[-1], k, product(a[:-2]))


def _batch_lower(low, node):
    p = node.params
    s = _batch_sizes(p, *node.in_shapes)
    add_gemm(low, *low.ins, low.outs[0], s.m, s.n, s.k, s.batch, p.transpose_a, p.transpose_b, getattr(p, "alpha", 1.0))


def _batch_reference(p, a, b, is_train=False):
    x, y = a.astype(np.float64), b.astype(np.float64)
    x = x.swapaxes(-1, -2) if p.transpose_a else x
    y = y.swapaxes(-1, -2) if p.transpose_b else y
    return (getattr(p, "alpha", 1.0) * (x @ y)).astype(a.dtype)


register(
    Op(
        name="batch_dot",
        doc="Multiply the matrices in the last two axes of two arrays, pair by pair.",
        params=DotParams,
        inputs=("lhs", "rhs"),
        infer_shape=_batch_dot_shape,
        infer_dtype=float_dtype,
        gradient=_gradient("_backward_batch_dot"),
        lower=_batch_lower,
        reference=_batch_reference,
        cases=(
            *_named("lhs", "rhs", _products([(3, 5, 4)], batch=(3,))),
            *_named("lhs", "rhs", _products([(50, 33, 77)], batch=(2,))),
            Case({"lhs": (2, 2, 3, 4), "rhs": (2, 2, 4, 1)}),
            Case({"lhs": (3, 1, 4), "rhs": (3, 4, 6)}),
            Case({"lhs": (0, 3, 4), "rhs": (0, 4, 5)}),
        ),
    )
)

register(
    Op(
        name="_linalg_gemm2",
        aliases=("linalg_gemm2",),
        doc="Multiply general matrices, a batch of them: alpha * op(A) * op(B).",
        params=Gemm2Params,
        inputs=("A", "B"),
        infer_shape=_gemm2_shape,
        infer_dtype=float_dtype,
        gradient=_gradient("_backward_linalg_gemm2"),
        lower=_batch_lower,
        reference=_batch_reference,
        cases=(
            *_named("A", "B", [(a, b, {**kw, "alpha": 1.5}) for a, b, kw in _products([(3, 5, 4)], batch=(2,))]),
            Case({"A": (3, 4), "B": (4, 5)}),
            Case({"A": (3, 1), "B": (1, 1)}, {"alpha": -2.0}),
        ),
    )
)


# linalg_gemm: the same with a third matrix added


class GemmParams(Gemm2Params):
    """Parameters of linalg_gemm."""

    beta = P.Float(default=1.0, doc="Scalar factor multiplied with C.")
    axis = Gemm2Params.axis


def _gemm_shape(p, ins, outs):
    pair, out = _gemm2_shape(p, ins[:2], [unify(ins[2], outs[0], "C and output")])
    return [*pair, out[0]], out


def _gemm_lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    p = node.params
    s = _batch_sizes(p, *node.in_shapes[:2])
    a, b, c = low.ins
    low.elementwise([Instr("mul_s", (0,), p.beta)], [c], low.outs)
    add_gemm(low, a, b, low.outs[0], s.m, s.n, s.k, s.batch, p.transpose_a, p.transpose_b, p.alpha, accumulate=True)


def _gemm_gradient(g, node, ograds):
    p = node.params
    shared = {"transpose_a": p.transpose_a, "transpose_b": p.transpose_b, "alpha": p.alpha, "axis": p.axis}
    return [
        *g("_backward_linalg_gemm2", ograds[0], *node.inputs[:2], **shared),
        g("_mul_scalar", ograds[0], scalar=p.beta),
    ]


register(
    Op(
        name="_linalg_gemm",
        aliases=("linalg_gemm",),
        doc="Multiply general matrices, a batch of them, and add: alpha * op(A) * op(B) + beta * C.",
        params=GemmParams,
        inputs=("A", "B", "C"),
        infer_shape=_gemm_shape,
        infer_dtype=float_dtype,
        gradient=_gemm_gradient,
        lower=_gemm_lower,
        reference=lambda p, a, b, c, is_train: _batch_reference(p, a, b) + (p.beta * c).astype(a.dtype),
        cases=(
            Case({"A": (2, 3, 4), "B": (2, 4, 5), "C": (2, 3, 5)}, {"alpha": 2.0, "beta": -0.5}),
            Case(
                {"A": (40, 60), "B": (70, 40), "C": (60, 70)},
                {"transpose_a": True, "transpose_b": True},
                grad=False,
                atol=1e-5,
            ),
        ),
    )
)


def _backward_lower(sizes):
    def lower(low, node):
        add_product_gradients(
            low, node.params, sizes(node.params, *node.in_shapes[1:]), getattr(node.params, "alpha", 1.0)
        )

    return lower


for _name, _params, _sizes in (
    ("dot", DotParams, _dot_sizes),
    ("batch_dot", DotParams, _batch_sizes),
    ("linalg_gemm2", Gemm2Params, _batch_sizes),
):
    register(
        Op(
            name=f"_backward_{_name}",
            doc=f"Gradients of {_name}.",
            params=_params,
            inputs=("ograd", "lhs", "rhs"),
            outputs=("lhs", "rhs"),
            infer_shape=lambda p, ins, outs: (ins, ins[1:]),
            lower=_backward_lower(_sizes),
            hidden=True,
        )
    )
