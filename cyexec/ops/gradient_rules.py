"""Functions whose gradient is not their derivative, and the quadratic of MXNet's tutorial."""

from __future__ import annotations

import numpy as np

from . import special
from .chain import elementwise, register_hidden
from .infer import same_shape
from .params import Bool, Float, Params
from .registry import register
from .schema import Case, Op

_FLOATS = ("float32", "float64", "float16")


# Straight-through estimators (Bengio et al., 2013): rounding has no derivative to learn from, so the gradient passes unchanged.
for _name, _doc, _function in (
    (
        "round",
        "Round to the nearest integer, halves away from zero; the gradient passes unchanged.",
        special.round_away,
    ),
    ("sign", "Compute -1, 0 or 1 by the sign; the gradient passes unchanged.", np.sign),
):
    register(
        Op(
            name=f"_contrib_{_name}_ste",
            aliases=(f"_sparse__contrib_{_name}_ste",),
            doc=_doc,
            infer_shape=same_shape,
            gradient=lambda g, node, ograds: [ograds[0]],
            elementwise=elementwise(lambda p, x, name=_name: getattr(x, name)(), 1),
            reference=lambda p, x, is_train, function=_function: function(x),
            cases=(Case({"data": (3, 4)}, low=-3, high=3, grad=False, dtypes=_FLOATS),),
        )
    )


class MultiplierParams(Params):
    scalar = Float(default=1.0, doc="What the gradient is multiplied with.")
    is_int = Bool(default=True, doc="Whether the scalar is an integer; MXNet 1.9 writes it, nothing depends on it.")


register(
    Op(
        name="_contrib_gradientmultiplier",
        doc="Hand data on; backward multiplies the gradient with a scalar (-1: gradient reversal, Ganin and Lempitsky, 2015).",
        params=MultiplierParams,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [g("_mul_scalar", ograds[0], scalar=node.params.scalar)],
        lower=lambda low, node: low.copy(low.outs[0], low.ins[0]),
        reference=lambda p, x, is_train: x,
        cases=(Case({"data": (3, 4)}, {"scalar": -0.5}, grad=False, dtypes=_FLOATS),),
    )
)


class QuadraticParams(Params):
    a = Float(default=0.0, doc="Coefficient of the quadratic term in the quadratic function.")
    b = Float(default=0.0, doc="Coefficient of the linear term in the quadratic function.")
    c = Float(default=0.0, doc="Constant term in the quadratic function.")


_slope = register_hidden("_backward_quadratic", lambda p, g, x: g * (x * (2 * p.a) + p.b), 2, QuadraticParams)

register(
    Op(
        name="_contrib_quadratic",
        doc="Compute a * x * x + b * x + c.",
        params=QuadraticParams,
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [_slope(g, ograds[0], node.inputs[0], like=node.params)],
        elementwise=elementwise(lambda p, x: x * x * p.a + x * p.b + p.c),
        reference=lambda p, x, is_train: p.a * x * x + p.b * x + p.c,
        cases=(Case({"data": (3, 4)}, {"a": 2.0, "b": -3.0, "c": 0.5}, dtypes=_FLOATS),),
    )
)
