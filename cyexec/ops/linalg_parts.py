"""Diagonals and triangles of square matrices, a batch of them, as vectors; sums of logarithms of diagonals."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import unify
from .linalg_triangular import batch_size, register_unary, square
from .params import Bool, Int, Params
from .reducing import reduce_step
from .schema import Case
from .strided import View, move

# Diagonals


class OffsetParams(Params):
    offset = Int(
        default=0,
        doc="Offset of the diagonal versus the main diagonal. 0 corresponds to the main diagonal, a negative/positive value "
        "to diagonals below/above the main diagonal.",
    )


def _diagonal(view, offset):
    """View of a diagonal of square matrices, as the last axis."""
    rows = view.cut(len(view.shape) - 2, max(-offset, 0), view.shape[-2] - abs(offset))
    columns = rows.cut(len(view.shape) - 1, max(offset, 0), view.shape[-1] - abs(offset))
    return View(
        view.ref, columns.shape[:-1], (*columns.strides[:-2], columns.strides[-2] + columns.strides[-1]), columns.offset
    )


def _extractdiag_shape(p, ins, outs):
    a = square(ins[0])
    if a is None:
        return ins, outs
    if 0 <= a[-1] <= abs(p.offset):
        raise ShapeError(f"offset={p.offset} lies outside matrices of shape {a}")
    return [a], [unify(outs[0], (*a[:-2], -1 if a[-1] < 0 else a[-1] - abs(p.offset)), "output")]


def _makediag_shape(p, ins, outs):
    a = ins[0]
    if a is None:
        return ins, outs
    if not a:
        raise ShapeError("A must have at least one dimension")
    n = -1 if a[-1] < 0 else a[-1] + abs(p.offset)
    return ins, [unify(outs[0], (*a[:-1], n, n), "output")]


def _makediag_lower(low, node):
    low.fill(low.outs[0], 0)
    move(low, _diagonal(View.of(low.outs[0]), node.params.offset), View.of(low.ins[0]))


def _makediag_numpy(p, a, is_train):
    flat = a.reshape(-1, a.shape[-1])
    made = np.stack([np.diag(row, p.offset) for row in flat])
    return made.reshape(*a.shape[:-1], *made.shape[1:])


register_unary(
    "extractdiag",
    "Extract a diagonal of square matrices.",
    _extractdiag_shape,
    lambda g, node, ograds: [g("_linalg_makediag", ograds[0], offset=node.params.offset)],
    lambda low, node: move(low, View.of(low.outs[0]), _diagonal(View.of(low.ins[0]), node.params.offset)),
    lambda p, a, is_train: np.diagonal(a, p.offset, -2, -1),
    (Case({"A": (3, 3)}), Case({"A": (2, 4, 4)}, {"offset": 1}), Case({"A": (3, 3)}, {"offset": -2})),
    OffsetParams,
)
register_unary(
    "makediag",
    "Construct square matrices with a given diagonal.",
    _makediag_shape,
    lambda g, node, ograds: [g("_linalg_extractdiag", ograds[0], offset=node.params.offset)],
    _makediag_lower,
    _makediag_numpy,
    (Case({"A": (3,)}), Case({"A": (2, 3)}, {"offset": 1}), Case({"A": (2,)}, {"offset": -2})),
    OffsetParams,
)


# Triangles as vectors: rows of the lower triangle one after another; of the upper one its columns.


class TrianParams(OffsetParams):
    lower = Bool(
        default=True,
        doc="Refer to the lower triangular matrix if lower=true, refer to the upper otherwise. Only relevant when offset=0",
    )


def _below(p, view):
    """The matrices seen so that the triangle lies below the diagonal, which starts `abs(p.offset)` rows down."""
    upper = p.offset > 0 or p.offset == 0 and not p.lower
    ndim = len(view.shape)
    return view.transpose((*range(ndim - 2), ndim - 1, ndim - 2)) if upper else view


def _copy_triangle(low, p, matrices, vectors, out):
    """Copy between triangles and vectors, row by row; `out` says that the vectors are written."""
    start, first = 0, abs(p.offset)
    last = len(matrices.shape) - 1
    for row in range(first, matrices.shape[-2]):
        length = row - first + 1
        there = matrices.cut(last - 1, row, 1).drop(last - 1).cut(last - 1, 0, length)
        here = vectors.cut(len(vectors.shape) - 1, start, length)
        move(low, *((here, there) if out else (there, here)))
        start += length


def _extracttrian_shape(p, ins, outs):
    a = square(ins[0])
    if a is None or a[-1] < 0:
        return [a], outs
    k = a[-1] - abs(p.offset)
    if k <= 0:
        raise ShapeError(f"offset={p.offset} lies outside matrices of shape {a}")
    return [a], [unify(outs[0], (*a[:-2], k * (k + 1) // 2), "output")]


def _maketrian_shape(p, ins, outs):
    a = ins[0]
    if a is None or not a or a[-1] < 0:
        return ins, outs
    k = int((np.sqrt(8 * a[-1] + 1) - 1) / 2 + 0.5)
    if k * (k + 1) // 2 != a[-1]:
        raise ShapeError(f"A {a}: the last axis must hold a triangle of 1, 3, 6, 10, ... elements")
    n = k + abs(p.offset)
    return ins, [unify(outs[0], (*a[:-1], n, n), "output")]


def _extracttrian_lower(low, node):
    _copy_triangle(low, node.params, _below(node.params, View.of(low.ins[0])), View.of(low.outs[0]), True)


def _maketrian_lower(low, node):
    low.fill(low.outs[0], 0)
    _copy_triangle(low, node.params, _below(node.params, View.of(low.outs[0])), View.of(low.ins[0]), False)


def _trian_index(p, n):
    rows, columns = np.tril_indices(n, -abs(p.offset))
    upper = p.offset > 0 or p.offset == 0 and not p.lower
    return (..., columns, rows) if upper else (..., rows, columns)


def _maketrian_numpy(p, a, is_train):
    n = _maketrian_shape(p, [a.shape], [None])[1][0][-1]
    out = np.zeros((*a.shape[:-1], n, n), a.dtype)
    out[_trian_index(p, n)] = a
    return out


register_unary(
    "extracttrian",
    "Extract triangles of square matrices as vectors.",
    _extracttrian_shape,
    lambda g, node, ograds: [g("_linalg_maketrian", ograds[0], like=node.params)],
    _extracttrian_lower,
    lambda p, a, is_train: a[_trian_index(p, a.shape[-1])],
    (
        Case({"A": (3, 3)}), Case({"A": (2, 3, 3)}, {"lower": False}), Case({"A": (4, 4)}, {"offset": 1}),
        Case({"A": (2, 4, 4)}, {"offset": -2}),
    ),
    TrianParams,
)  # fmt: skip
register_unary(
    "maketrian",
    "Construct triangular matrices from vectors.",
    _maketrian_shape,
    lambda g, node, ograds: [g("_linalg_extracttrian", ograds[0], like=node.params)],
    _maketrian_lower,
    _maketrian_numpy,
    (
        Case({"A": (6,)}), Case({"A": (2, 6)}, {"lower": False}), Case({"A": (3,)}, {"offset": 1}),
        Case({"A": (2, 3)}, {"offset": -2}),
    ),
    TrianParams,
)  # fmt: skip


# sumlogdiag


def _sumlogdiag_shape(p, ins, outs):
    a = square(ins[0])
    if a is None:
        return ins, outs
    return [a], [unify(outs[0], a[:-2] or (1,), "output")]


def _sumlogdiag_lower(low, node):
    a, out = low.ins[0], low.outs[0]
    if not out.size:
        return
    diagonal = low.workspace((batch_size(a.shape), a.shape[-1]), a.dtype)
    move(low, View.of(diagonal), _diagonal(View.of(a, diagonal.shape[:1] + a.shape[-2:]), 0))
    low.elementwise([Instr("log", (0,))], [diagonal], [diagonal])
    reduce_step(low, "Sum", diagonal, out.reshape(diagonal.shape[0]), (1,))


def _sumlogdiag_gradient(g, node, ograds):
    a = node.inputs[0]
    spread = g("_reshape_to", ograds[0], shape=(*a.shape[:-2], 1))
    return [g("_linalg_makediag", g("broadcast_div", spread, g("_linalg_extractdiag", a)))]


register_unary(
    "sumlogdiag",
    "Compute the sum of the logarithms of the diagonal elements of square matrices.",
    _sumlogdiag_shape,
    _sumlogdiag_gradient,
    _sumlogdiag_lower,
    lambda p, a, is_train: np.log(np.diagonal(a, 0, -2, -1).astype(np.float64)).sum(-1).reshape(a.shape[:-2] or (1,)),
    (Case({"A": (3, 3)}, low=0.2, high=2), Case({"A": (2, 3, 3)}, low=0.2, high=2)),
)
