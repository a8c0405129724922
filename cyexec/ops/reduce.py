"""Reductions over axes: sum, mean, prod, nansum, nanprod, max, min, norm.

The gradients are hidden operators of one elementwise step (`_backward_prod` needs two reductions more): head gradients
broadcast back along the reduced axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import product, same_dtype
from .params import Bool, Enum, Float, Int, Params, Shape
from .params import DType as DTypeField
from .reducing import reduce_step, reduced_axes, reduced_shape
from .registry import register
from .schema import Case, Op

AXIS_DOC = (
    "The axis or axes along which to perform the reduction. The default, None or (), reduces over all axes to an array "
    "of shape (1,). Negative values count from the last axis."
)


class ReduceParams(Params):
    axis = Shape(default=None, doc=AXIS_DOC)
    keepdims = Bool(default=False, doc="Leave the reduced axes in the result, with size one.")
    exclude = Bool(default=False, doc="Reduce over the axes that are not in `axis` instead.")


class NormParams(Params):
    ord = Int(default=2, doc="Order of the norm: 1 or 2.")
    axis = Shape(default=None, doc=AXIS_DOC)
    out_dtype = DTypeField(default=None, doc="Dtype of the output; by default that of the input.")
    keepdims = Bool(default=False, doc="Leave the reduced axes in the result, with size one.")


class SpreadParams(Params):
    kind = Enum("sum", "nansum", "max", "norm1", "norm2", default="sum", doc="Which reduction's gradient.")
    axes = Shape(doc="The reduced axes.")
    shape = Shape(default=(), doc="Shape of the reduction's input.")
    scale = Float(default=1.0, doc="Factor of the gradient.")


class ProdGradParams(Params):
    axes = Shape(doc="The reduced axes.")
    nan = Bool(default=False, doc="Take NaN as one.")


def _axes(p, ndim):
    return reduced_axes(p.axis, ndim, getattr(p, "exclude", False))


def _infer_shape(p, ins, outs):
    if isinstance(p, NormParams) and p.ord not in (1, 2):
        raise ShapeError(f"only supports ord=1 and ord=2, found ord={p.ord}")
    shape = ins[0]
    if shape is None:
        return ins, outs
    return [shape], [reduced_shape(shape, _axes(p, len(shape)), p.keepdims)]


def _infer_nonempty(p, ins, outs):
    shape = ins[0]
    if shape is not None and any(shape[a] == 0 for a in _axes(p, len(shape))):
        raise ShapeError(f"cannot take the extreme of no elements: data is {shape}")
    return _infer_shape(p, ins, outs)


def _lower(kind):
    def lower(low, node):
        x = low.ins[0]
        reduce_step(low, kind, x, low.outs[0], _axes(node.params, len(x.shape)))

    return lower


def _reference(function):
    def reference(p, x, is_train):
        axes = _axes(p, x.ndim)
        out = function(x if x.dtype.kind != "f" else x.astype(np.float64), axis=axes)
        out = np.asarray(out).reshape(reduced_shape(x.shape, axes, p.keepdims))
        return (np.trunc(out) if x.dtype.kind in "iu" else out).astype(x.dtype)

    return reference


# Gradients


def _spread_shape(p, ins, outs):
    shape = p.shape if p.kind == "sum" else ins[1]
    return ins, [shape]


def _spread_lower(low, node):
    p, out = node.params, low.outs[0]
    keep = [1 if i in p.axes else d for i, d in enumerate(out.shape)]
    head = low.ins[0].reshape(*keep)
    if p.kind == "sum":
        code = [Instr("copy", (0,)) if p.scale == 1 else Instr("mul_s", (0,), p.scale)]
        low.elementwise(code, [head], [out])
        return
    x = low.ins[1]
    if p.kind == "nansum":
        low.elementwise([Instr("equal", (1, 1)), Instr("mul", (0, 2))], [head, x], [out])
    elif p.kind == "max":
        y = low.ins[2].reshape(*keep)
        low.elementwise([Instr("equal", (1, 2)), Instr("mul", (0, 3))], [head, x, y], [out])
    elif p.kind == "norm1":
        low.elementwise([Instr("sign", (1,)), Instr("mul", (0, 2))], [low.cast(head, x.dtype), x], [out])
    else:
        y = low.cast(low.ins[2], x.dtype).reshape(*keep)
        code = [Instr("div", (1, 2)), Instr("mul", (0, 3))]
        low.elementwise(code, [low.cast(head, x.dtype), x, y], [out])


def _spread_dtype(p, ins, outs):
    if p.kind == "sum":
        return same_dtype(p, ins, outs)
    return ins, [ins[1]]


def spread(g, head, node, kind="sum", scale=1.0, inputs=()):
    """Return the gradient of the input of a reduction `node`."""
    shape = node.in_shapes[0]
    return g(
        "_backward_reduce", head, *inputs, kind=kind, axes=_axes(node.params, len(shape)), shape=shape, scale=scale
    )


register(
    Op(
        name="_backward_reduce",
        doc="Broadcast the gradient of a reduction back over its axes; `kind` says what it is multiplied with.",
        params=SpreadParams,
        inputs=lambda p: ("ograd",) + {"sum": (), "nansum": ("data",), "norm1": ("data",)}.get(p.kind, ("data", "out")),
        infer_shape=_spread_shape,
        infer_dtype=_spread_dtype,
        lower=_spread_lower,
        hidden=True,
    )
)


def _prod_grad_lower(low, node):
    """d prod / dx_i is the product of the others: of all but the zeros, if x_i is the only zero or there is none.

    MXNet divides the product by x_i, which is NaN at a zero.
    """
    p, (head, x), out = node.params, low.ins, low.outs[0]
    keep = [1 if i in p.axes else d for i, d in enumerate(x.shape)]
    zero = low.workspace(x.shape, x.dtype)
    others = low.workspace(x.shape, x.dtype)
    zeros = low.workspace(keep, x.dtype)
    product_ = low.workspace(keep, x.dtype)
    code = [Instr("equal_s", (0,), 0.0), Instr("const", (), 1.0), Instr("where", (1, 2, 0))]
    low.elementwise(code, [x], [zero, others], results=(1, 3))
    reduce_step(low, "Sum", zero, zeros, p.axes)
    reduce_step(low, "NanProd" if p.nan else "Prod", others, product_, p.axes)
    code = [
        Instr("equal_s", (3,), 0.0),  # 5: no zero in the group
        Instr("equal_s", (3,), 1.0),  # 6: exactly one
        Instr("div", (4, 1)),  # 7: product without x
        Instr("const", (), 0.0),  # 8
        Instr("where", (5, 7, 8)),  # 9; not 5 * 7, which is NaN where the product has overflowed
        Instr("where", (6, 4, 8)),  # 10
        Instr("where", (2, 10, 9)),  # 11; `others` is 1 where x is zero
        Instr("mul", (0, 11)),  # 12
        Instr("equal", (1, 1)),  # 13
        Instr("where", (13, 12, 8)),
    ]
    low.elementwise(code if p.nan else code[:8], [head.reshape(*keep), others, zero, zeros, product_], [out])


register(
    Op(
        name="_backward_prod",
        doc="Gradient of prod and nanprod, exact where elements are zero.",
        params=ProdGradParams,
        inputs=("ograd", "data"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        lower=_prod_grad_lower,
        hidden=True,
    )
)


def _prod_gradient(nan):
    def gradient(g, node, ograds):
        x = node.inputs[0]
        return [g("_backward_prod", ograds[0], x, axes=_axes(node.params, len(x.shape)), nan=nan)]

    return gradient


def _mean_gradient(g, node, ograds):
    shape = node.in_shapes[0]
    count = product(shape[a] for a in _axes(node.params, len(shape)))
    return [spread(g, ograds[0], node, scale=1.0 / max(count, 1))]


def _norm_gradient(g, node, ograds):
    x = node.inputs[0]
    if node.params.ord == 1:
        return [spread(g, ograds[0], node, "norm1", inputs=(x,))]
    return [spread(g, ograds[0], node, "norm2", inputs=(x, node[0]))]


_FLOATS = ("float32", "float64", "float16")
_ALL = (*_FLOATS, "int32", "int64")
_AXES: tuple[dict[str, Any], ...] = (
    {},
    {"axis": ()},
    {"axis": 1},
    {"axis": (0, 2), "keepdims": True},
    {"axis": -1, "exclude": True},
    {"axis": (0,), "exclude": True, "keepdims": True},
)
_CASES = tuple(Case(shapes={"data": (3, 5, 4)}, params=p, low=0.3, high=2.0, seed=i) for i, p in enumerate(_AXES)) + (
    Case(shapes={"data": (2, 3, 1, 2, 5)}, params={"axis": (1, 3)}, dtypes=_FLOATS),
    Case(shapes={"data": (0, 3)}, params={"axis": 1}),
    Case(shapes={"data": (7,)}, params={"axis": 0}),
    Case(
        data={"data": np.arange(-12, 12).reshape(2, 3, 4) % 5 - 2},
        shapes={},
        params={"axis": (0, 2)},
        dtypes=("int32",),
    ),
)
_LONG = (
    Case(shapes={"data": (3, 9001)}, params={"axis": 1}, grad=False),
    Case(shapes={"data": (300, 131)}, params={"axis": 0}, grad=False),
    Case(shapes={"data": (70001,)}, grad=False, rtol=1e-4, atol=1e-4),
)


def _define(name, kind, function, doc, gradient, aliases=(), cases=_CASES, infer=_infer_shape):
    register(
        Op(
            name=name,
            aliases=aliases,
            doc=doc,
            params=ReduceParams,
            infer_shape=infer,
            gradient=gradient,
            lower=_lower(kind),
            reference=_reference(function),
            cases=cases,
        )
    )


_define(
    "sum", "Sum", np.sum, "Compute the sum of array elements over given axes.",
    lambda g, node, ograds: [spread(g, ograds[0], node)],
    aliases=("sum_axis",), cases=_CASES + _LONG + (Case(shapes={"data": (3, 0)}, params={"axis": 1}),),
)  # fmt: skip
_define(
    "mean", "Mean", np.mean, "Compute the mean of array elements over given axes; integers are rounded towards zero.",
    _mean_gradient, cases=_CASES + _LONG,
)  # fmt: skip

_WITH_ZEROS = np.array([[1.0, 0.0, 2.0, -3.0], [0.0, 0.5, 0.0, 1.0], [2.0, 3.0, -1.5, 1.0]])
_WITH_NANS = np.array([[1.0, np.nan, 2.0, -3.0], [0.4, 0.5, np.nan, 1.0], [2.0, 3.0, -1.5, 1.0]])
_define(
    "prod", "Prod", np.prod, "Compute the product of array elements over given axes.", _prod_gradient(False),
    cases=_CASES + (Case(shapes={}, data={"data": _WITH_ZEROS}, params={"axis": 1}, rtol=1e-4),),
)  # fmt: skip
_define(
    "nansum", "NanSum", np.nansum, "Compute the sum of array elements over given axes, taking NaN as zero.",
    lambda g, node, ograds: [spread(g, ograds[0], node, "nansum", inputs=(node.inputs[0],))],
    cases=_CASES + (Case(shapes={}, data={"data": _WITH_NANS}, params={"axis": 1}),),
)  # fmt: skip
_define(
    "nanprod", "NanProd", np.nanprod, "Compute the product of array elements over given axes, taking NaN as one.",
    _prod_gradient(True), cases=_CASES + (Case(shapes={}, data={"data": _WITH_NANS}, params={"axis": 1}),),
)  # fmt: skip


def _extreme_gradient(g, node, ograds):
    # Every element that equals the extreme gets the whole gradient, as in MXNet.
    return [spread(g, ograds[0], node, "max", inputs=(node.inputs[0], node[0]))]


_TIES = Case(shapes={}, data={"data": np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]])}, params={"axis": 1}, grad=False)
for _name, _kind, _function in (("max", "Max", np.max), ("min", "Min", np.min)):
    _define(
        _name, _kind, _function, f"Compute the {_name} of array elements over given axes; NaN wins.", _extreme_gradient,
        aliases=(f"{_name}_axis",), infer=_infer_nonempty,
        cases=_CASES + _LONG + (_TIES, Case(shapes={}, data={"data": _WITH_NANS}, params={"axis": 1}, grad=False)),
    )  # fmt: skip


def _norm_dtype(p, ins, outs):
    if p.out_dtype is not None:
        return ins, [p.out_dtype]
    return same_dtype(p, ins, outs)


def _norm_lower(low, node):
    p, x, out = node.params, low.ins[0], low.outs[0]
    kind = "Norm1" if p.ord == 1 else "Norm2"
    if x.dtype == out.dtype:
        reduce_step(low, kind, x, out, _axes(p, len(x.shape)))
        return
    # Compute in the wider of both, so that a float64 norm of float32 data is one.
    wide = np.promote_types(x.dtype, out.dtype)
    made = out if out.dtype == wide else low.workspace(out.shape, wide)
    reduce_step(low, kind, low.cast(x, wide), made, _axes(p, len(x.shape)))
    if made is not out:
        low.cast(made, out.dtype, out)


def _norm_reference(p, x, is_train):
    axes = _axes(p, x.ndim)
    wide = x.astype(np.float64)
    out = np.abs(wide).sum(axis=axes) if p.ord == 1 else np.sqrt((wide * wide).sum(axis=axes))
    out = np.asarray(out).reshape(reduced_shape(x.shape, axes, p.keepdims))
    dtype = p.out_dtype or x.dtype
    return (np.trunc(out) if dtype.kind in "iu" else out).astype(dtype)


register(
    Op(
        name="norm",
        doc="Compute the L1 or L2 norm of an array over given axes (of all elements along them, for several axes).",
        params=NormParams,
        infer_shape=_infer_shape,
        infer_dtype=_norm_dtype,
        gradient=_norm_gradient,
        lower=_norm_lower,
        reference=_norm_reference,
        cases=(
            Case(shapes={"data": (3, 5)}, dtypes=_FLOATS),
            Case(shapes={"data": (3, 5)}, params={"ord": 1, "axis": 0}, low=0.2),
            Case(shapes={"data": (3, 5, 2)}, params={"ord": 1, "axis": (0, 2), "keepdims": True}, low=-2.0, high=-0.1),
            Case(shapes={"data": (3, 5, 2)}, params={"ord": 2, "axis": (1, 2)}),
            Case(shapes={"data": (3, 5, 2)}, params={"axis": 1, "keepdims": True}),
            Case(shapes={"data": (3, 5)}, params={"axis": 1, "out_dtype": "float64"}),
            Case(
                shapes={"data": (3, 5)},
                params={"axis": 1, "out_dtype": "float16"},
                rtol=2e-3,
                grad=False,
                dtypes=("float32",),
            ),
            Case(shapes={}, data={"data": np.arange(8).reshape(2, 4)}, params={"axis": 1}, dtypes=("int32",)),
            Case(shapes={}, data={"data": np.array([[1e25, -1e25]])}, params={}, grad=False, dtypes=("float32",)),
        ),
    )
)
