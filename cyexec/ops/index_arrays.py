"""index_copy: rows replaced by number; index_array: the numbers themselves; allclose."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64, check_bounds
from .infer import normalize_axis, product, unify, unify_dtype, zero_gradient
from .params import Bool, Float, Params, Shape
from .reducing import reduce_step
from .registry import register
from .roi import check_rank
from .schema import Case, Op

# index_copy


def _copy_shape(p, ins, outs):
    old, index, new = ins
    old = unify(old, outs[0], "old_tensor and output")
    check_rank(index, 1, "index_vector")
    if old is not None:
        if not old:
            raise ShapeError("old_tensor must have at least one dimension")
        new = unify(
            new, (-1 if index is None else index[0], *old[1:]), "new_tensor and (indices, *old_tensor's other axes)"
        )
        index = unify(index, new[:1], "index_vector and the rows of new_tensor")
    return [old, index, new], [old]


def _copy_dtype(p, ins, outs):
    data = unify_dtype([ins[0], ins[2], *outs])
    return [data, ins[1], data], [data]


def _copy_lower(low, node):
    (old, index, new), out = low.ins, low.outs[0]
    low.copy(out, old)
    if new.size:
        rows = low.cast(index, INT64)
        check_bounds(low, rows, [0], [old.shape[0]])
        low.step("index.Scatter", [new, rows, out], [out], extent=old.shape[0], inner=product(old.shape[1:]))


def _copy_gradient(g, node, ograds):
    _, index, new = node.inputs
    kept = g("_contrib_index_copy", ograds[0], index, g.zeros_like(new))
    return [kept, None, g("take", ograds[0], index, axis=0)]


def _copy_numpy(p, old, index, new, is_train):
    out = old.copy()
    out[index.astype(np.int64)] = new
    return out


register(
    Op(
        name="_contrib_index_copy",
        doc="Return `old_tensor` with the rows that `index_vector` numbers replaced by those of `new_tensor`.",
        inputs=("old_tensor", "index_vector", "new_tensor"),
        infer_shape=_copy_shape,
        infer_dtype=_copy_dtype,
        gradient=_copy_gradient,
        lower=_copy_lower,
        reference=_copy_numpy,
        cases=(
            Case({"old_tensor": (5, 3), "new_tensor": (3, 3)}, data={"index_vector": np.array([0.0, 4, 2])}),
            Case({"old_tensor": (4,), "new_tensor": (2,)}, data={"index_vector": np.array([3, 1], np.int64)}),
        ),
    )
)


# index_array


class IndexArrayParams(Params):
    axes = Shape(default=None, doc="The axes to include in the index array. Supports negative values. None: all.")


def _index_axes(p, ndim):
    return tuple(range(ndim)) if p.axes is None else tuple(normalize_axis(a, ndim, "axes") for a in p.axes)


def _index_shape(p, ins, outs):
    data = ins[0]
    if data is None:
        return ins, outs
    return ins, [unify(outs[0], (*data, len(_index_axes(p, len(data)))), "output")]


def _index_lower(low, node):
    from .strided import View, move

    out, shape = low.outs[0], low.ins[0].shape
    if not out.size:
        return
    for at, axis in enumerate(_index_axes(node.params, len(shape))):
        low.step("rows.Positions", [], [count := low.workspace((shape[axis],), INT64)], dtype=INT64)
        there = View.of(count, [n if i == axis else 1 for i, n in enumerate(shape)]).broadcast(shape)
        move(low, View.of(out).cut(len(shape), at, 1).drop(len(shape)), there)


register(
    Op(
        name="_contrib_index_array",
        doc="Return the index of every element of an array, or some of its axes' numbers, along a new last axis.",
        params=IndexArrayParams,
        infer_shape=_index_shape,
        infer_dtype=lambda p, ins, outs: (ins, [INT64]),
        gradient=zero_gradient,
        lower=_index_lower,
        reference=lambda p, x, is_train: np.moveaxis(np.indices(x.shape), 0, -1)[..., _index_axes(p, x.ndim)],
        cases=(Case({"data": (2, 3)}), Case({"data": (2, 3, 2)}, {"axes": (-1, 0)}), Case({"data": (4,)})),
    )
)


# allclose


class AllcloseParams(Params):
    rtol = Float(default=1e-5, doc="Relative tolerance.")
    atol = Float(default=1e-8, doc="Absolute tolerance.")
    equal_nan = Bool(default=True, doc="Whether NaNs are equal to each other.")


def _close_lower(low, node):
    from ..lowering.lower import Instr

    p, (a, b), out = node.params, low.ins, low.outs[0]
    if not a.size:
        low.fill(out, 1)
        return
    dtype = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
    a, b = low.cast(a, dtype), low.cast(b, dtype)
    close, whole = low.workspace(a.shape, dtype), low.workspace((), dtype)
    code = [
        Instr("sub", (0, 1)), Instr("abs", (2,)), Instr("abs", (1,)), Instr("mul_s", (4,), p.rtol),
        Instr("add_s", (5,), p.atol), Instr("lesser_equal", (3, 6)), Instr("equal", (0, 1)), Instr("maximum", (7, 8)),
    ]  # fmt: skip
    if p.equal_nan:
        code += [
            Instr("not_equal", (0, 0)), Instr("not_equal", (1, 1)), Instr("minimum", (10, 11)), Instr("maximum", (9, 12)),
        ]  # fmt: skip
    low.elementwise(code, [a, b], [close])
    reduce_step(low, "Min", close, whole, tuple(range(len(a.shape))))
    low.cast(whole, out.dtype, out)


register(
    Op(
        name="_contrib_allclose",
        doc="Return 1 if all elements of two arrays are equal within a tolerance: abs(a - b) <= atol + rtol * abs(b).",
        params=AllcloseParams,
        inputs=("a", "b"),
        infer_shape=lambda p, ins, outs: ([unify(ins[0], ins[1], "a and b")] * 2, [()]),
        infer_dtype=lambda p, ins, outs: ([unify_dtype(ins)] * 2, [np.dtype(np.uint8)]),
        lower=_close_lower,
        reference=lambda p, a, b, is_train: np.uint8(np.allclose(a, b, p.rtol, p.atol, p.equal_nan)),
        cases=(
            Case({"a": (3, 2), "b": (3, 2)}),
            Case({"a": (3, 2), "b": (3, 2)}, {"atol": 3.0}),
            Case({}, data={"a": np.array([1.0, np.nan, np.inf]), "b": np.array([1 + 1e-7, np.nan, np.inf])}),
            Case({}, {"equal_nan": False}, {"a": np.array([1.0, np.nan]), "b": np.array([1.0, np.nan])}),
        ),
    )
)
