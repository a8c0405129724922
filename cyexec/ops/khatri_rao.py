"""Khatri-Rao product: Kronecker products of matching columns."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import product, unify
from .params import Count, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


class KhatriRaoParams(Params):
    num_args = Count(default=1, doc="Number of matrices.")


def _shape(p, ins, outs):
    columns = -1
    for i, shape in enumerate(ins):
        check_rank(shape, 2, f"input {i}")
        if shape is not None:
            columns = unify((columns,), shape[1:], "columns of the matrices")[0]
    if any(s is None for s in ins):
        return ins, outs
    rows = [s[0] for s in ins]
    out = unify(outs[0], (-1 if min(rows) < 0 else product(rows), columns), "output")
    return [(s[0], out[1]) for s in ins], [out]


def _rows_apart(refs, i, rows):
    """Matrix `i` as an array with an axis for the rows of each matrix, extents of 1 but for its own."""
    return refs[i].reshape(*(n if k == i else 1 for k, n in enumerate(rows)), refs[i].shape[1])


def _lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    rows, count = [ref.shape[0] for ref in low.ins], len(low.ins)
    code = [Instr("mul", (0 if i == 1 else count + i - 2, i)) for i in range(1, count)] or [Instr("copy", (0,))]
    reads = [_rows_apart(low.ins, i, rows) for i in range(count)]
    low.elementwise(code, reads, [low.outs[0].reshape(*rows, low.outs[0].shape[1])])


def _gradient(g, node, ograds):
    if len(node.inputs) > 8:
        raise ShapeError(f"khatri_rao of {len(node.inputs)} matrices has no gradient; it has for up to 8")
    rows, columns = [s[0] for s in node.in_shapes], node.shapes[0][1]
    apart = g("_reshape_to", ograds[0], shape=(*rows, columns))
    grads = []
    for i, entry in enumerate(node.inputs):
        made = apart
        for k, other in enumerate(node.inputs):
            if k != i:
                shape = (*(n if at == k else 1 for at, n in enumerate(rows)), columns)
                made = g("broadcast_mul", made, g("_reshape_to", other, shape=shape))
        shape = (*(n if at == i else 1 for at, n in enumerate(rows)), columns)
        grads.append(g("_reshape_to", g("_reduce_to_shape", made, shape=shape), shape=entry.shape))
    return grads


def _reference(p, *matrices, is_train):
    out = matrices[0].astype(np.float64)
    for matrix in matrices[1:]:
        out = (out[:, None] * matrix[None]).reshape(-1, out.shape[1])
    return out


def _case(*shapes):
    return Case({f"arg{i}": s for i, s in enumerate(shapes)}, {"num_args": len(shapes)})


register(
    Op(
        name="khatri_rao",
        doc="Compute the Khatri-Rao product of matrices: each column is the Kronecker product of the inputs' columns.",
        params=KhatriRaoParams,
        inputs=lambda p: tuple(f"arg{i}" for i in range(p.num_args)),
        variadic="num_args",
        infer_shape=_shape,
        infer_dtype=float_dtype,
        gradient=_gradient,
        lower=_lower,
        reference=_reference,
        cases=(_case((2, 2), (3, 2)), _case((2, 3)), _case((2, 3), (1, 3), (4, 3))),
    )
)
