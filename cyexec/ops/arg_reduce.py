"""Positions of extremes: argmax, argmin, argmax_channel. Results are whole numbers in data's dtype, as in MXNet."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import normalize_axis, product, zero_gradient
from .params import Bool, Int, Params
from .reducing import reduced_shape
from .registry import register
from .schema import Case, Op


class ArgParams(Params):
    axis = Int(default=None, doc="The axis to search along; None searches the flattened array.")
    keepdims = Bool(default=False, doc="Leave the reduced axis in the result, with size one.")


def _infer(axis_of):
    def infer(p, ins, outs):
        shape = ins[0]
        if shape is None:
            return ins, outs
        axis = axis_of(p)
        axes = tuple(range(len(shape))) if axis is None else (normalize_axis(axis, len(shape)),)
        if any(shape[a] == 0 for a in axes):
            raise ShapeError(f"cannot search {shape} along axis={axis}: it has no elements there")
        return ins, [reduced_shape(shape, axes, getattr(p, "keepdims", False))]

    return infer


def _lower(kind, axis_of):
    def lower(low, node):
        x, axis = low.ins[0], axis_of(node.params)
        if axis is None:
            n, inner = x.size, 1
        else:
            axis = normalize_axis(axis, len(x.shape))
            n, inner = x.shape[axis], product(x.shape[axis + 1 :])
        family = "reduce" if x.dtype.kind == "f" else "reduce_int"
        low.step(f"{family}.{kind}", [x], low.outs, n=n, inner=inner)

    return lower


def _reference(function, axis_of):
    def reference(p, x, is_train):
        axis = axis_of(p)
        axes = tuple(range(x.ndim)) if axis is None else (axis % x.ndim,)
        return np.asarray(function(x, axis=axis)).reshape(reduced_shape(x.shape, axes, getattr(p, "keepdims", False)))

    return reference


_TIES = np.array([[1, 7, 2], [3, 3, 1], [4, 5, 5]])
_CASES = (
    Case(shapes={}, data={"data": _TIES.astype(float)}, params={"axis": 1}, dtypes=("float32", "float64", "float16")),
    Case(shapes={}, data={"data": _TIES}, params={"axis": 0}, dtypes=("int32",)),
    Case(shapes={}, data={"data": np.array([[1, np.nan, 2], [np.nan, 3, 3]])}, params={"axis": 1}),
    Case(shapes={"data": (2, 3, 4)}, params={"axis": -2, "keepdims": True}),
    Case(shapes={"data": (2, 3, 4)}),
    Case(shapes={"data": (2, 3)}, params={"keepdims": True}),
    Case(shapes={"data": (7,)}, params={"axis": 0}),
    Case(shapes={"data": (2, 0, 3)}, params={"axis": 2}),
)
for _name, _kind, _function in (("argmax", "ArgMax", np.argmax), ("argmin", "ArgMin", np.argmin)):
    register(
        Op(
            name=_name,
            doc=f"Return the index of the {'largest' if _name == 'argmax' else 'smallest'} element along an axis: the "
            "first of equal ones, the first NaN if there is one.",
            params=ArgParams,
            infer_shape=_infer(lambda p: p.axis),
            gradient=zero_gradient,
            lower=_lower(_kind, lambda p: p.axis),
            reference=_reference(_function, lambda p: p.axis),
            cases=_CASES,
        )
    )
register(
    Op(
        name="argmax_channel",
        doc="Return the index of the largest element of each instance along axis 1.",
        infer_shape=_infer(lambda p: 1),
        gradient=zero_gradient,
        lower=_lower("ArgMax", lambda p: 1),
        reference=_reference(np.argmax, lambda p: 1),
        cases=(Case(shapes={"data": (4, 5)}), Case(shapes={"data": (2, 3, 2)})),
    )
)
