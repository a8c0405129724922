"""Unary mathematics: one table of names, meanings and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from math import log as ln
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import special
from .chain import Value, elementwise, register_hidden
from .infer import same_shape, zero_gradient
from .registry import register
from .schema import Case, Op

Derivative = Callable[[Any, Value, Value], Value]
FLOATS = ("float32", "float64", "float16")


def define(
    name: str,
    doc: str,
    reference: Callable[[NDArray[Any]], NDArray[Any]],
    derivative: Derivative | None,
    of: str = "input",
    domain: tuple[float, float] = (-1.0, 1.0),
    integers: tuple[str, ...] = (),
) -> None:
    """Register one function.

    Parameters
    ----------
    derivative : callable, optional
        (params, g, v) -> gradient of the input from the gradient of the output; None: zero everywhere.
    of : "input" or "output"
        What the derivative's `v` is.
    domain : pair of floats
        Range of the test cases.
    integers : names of dtypes
        Integer dtypes to test: most functions of integers are computed in float64 and truncated, as MXNet's are.
    """
    gradient: Any = zero_gradient
    if derivative is not None:
        hidden = register_hidden(f"_backward_{name}", derivative, 2)

        def gradient(g: Any, node: Any, ograds: list) -> list:
            return [hidden(g, ograds[0], node.inputs[0] if of == "input" else node[0])]

    low, high = domain
    whole = (low, high) if not integers else (max(low * 20, -50), min(high * 20, 50))
    register(
        Op(
            name=name,
            doc=doc,
            infer_shape=same_shape,
            gradient=gradient,
            elementwise=elementwise(lambda p, x: getattr(x, name)()),
            reference=lambda p, x, is_train: reference(x).astype(x.dtype),
            cases=(
                Case({"data": (3, 5)}, low=low, high=high, dtypes=FLOATS, rtol=2e-5 if name == "gammaln" else 1e-5),
                Case({"data": (0, 2)}, low=low, high=high),
                Case({"data": (37,)}, low=low, high=high, seed=1),
                *([Case({"data": (4, 3)}, low=whole[0], high=whole[1], dtypes=integers, grad=False)] if integers else []),
            ),
        )
    )


def _sign(x: NDArray[Any]) -> NDArray[Any]:
    return (x > 0).astype(x.dtype) - (x < 0)


INTEGERS = ("int32", "int64", "int8")
POSITIVE = (0.1, 3.0)
WIDE = (-3.0, 3.0)

define("relu", "Compute max(x, 0).", lambda x: np.maximum(x, 0), lambda p, g, y: g * y.greater(0), "output", WIDE, INTEGERS)
define("sigmoid", "Compute 1 / (1 + exp(-x)).", special.sigmoid, lambda p, g, y: g * (y * (1 - y)), "output", WIDE)
define("softsign", "Compute x / (1 + abs(x)).", lambda x: x / (1 + abs(x)), lambda p, g, x: g / (1 + x.abs()).square())
define("tanh", "Compute the hyperbolic tangent.", np.tanh, lambda p, g, y: g * (1 - y * y), "output", WIDE)
define("exp", "Compute e to the power x.", np.exp, lambda p, g, y: g * y, "output", WIDE)
define("expm1", "Compute exp(x) - 1, accurately near 0.", np.expm1, lambda p, g, y: g * (y + 1), "output")
define("log", "Compute the natural logarithm.", np.log, lambda p, g, x: g / x, domain=POSITIVE)
define("log2", "Compute the logarithm to base 2.", np.log2, lambda p, g, x: g / (x * ln(2)), domain=POSITIVE)
define("log10", "Compute the logarithm to base 10.", np.log10, lambda p, g, x: g / (x * ln(10)), domain=POSITIVE)
define("log1p", "Compute log(1 + x), accurately near 0.", np.log1p, lambda p, g, x: g / (x + 1), domain=(-0.8, 3.0))
define("sqrt", "Compute the square root.", np.sqrt, lambda p, g, y: g * 0.5 / y, "output", POSITIVE)
define("rsqrt", "Compute 1 / sqrt(x).", lambda x: 1 / np.sqrt(x), lambda p, g, x: g * -0.5 / (x * x.sqrt()), domain=POSITIVE)
define("cbrt", "Compute the cube root.", np.cbrt, lambda p, g, y: g / (3 * (y * y)), "output", POSITIVE)
define("rcbrt", "Compute 1 / cbrt(x).", lambda x: 1 / np.cbrt(x), lambda p, g, x: -(g / (3 * (x * x.cbrt()))), domain=POSITIVE)
define("square", "Compute x * x.", np.square, lambda p, g, x: g * (x * 2), domain=WIDE, integers=INTEGERS)
define("reciprocal", "Compute 1 / x.", lambda x: 1 / x, lambda p, g, x: -(g / (x * x)), domain=POSITIVE)
define("abs", "Compute the absolute value.", np.abs, lambda p, g, x: g * x.sign(), domain=WIDE, integers=INTEGERS)
define("sign", "Compute -1, 0 or 1 by the sign of x.", _sign, None, domain=WIDE, integers=INTEGERS)
define("rint", "Round to the nearest integer; halves go down.", special.rint, None, domain=WIDE)
define("round", "Round to the nearest integer; halves go away from zero.", special.round_away, None, domain=WIDE)
define("ceil", "Round up to an integer.", np.ceil, None, domain=WIDE)
define("floor", "Round down to an integer.", np.floor, None, domain=WIDE)
define("trunc", "Round towards zero to an integer.", np.trunc, None, domain=WIDE)
define("fix", "Round towards zero to an integer.", np.trunc, None, domain=WIDE)
define("logical_not", "Return 1 where x is 0, else 0.", lambda x: x == 0, None, domain=WIDE, integers=INTEGERS)
define("sin", "Compute the sine of radians.", np.sin, lambda p, g, x: g * x.cos(), domain=WIDE)
define("cos", "Compute the cosine of radians.", np.cos, lambda p, g, x: -(g * x.sin()), domain=WIDE)
define("tan", "Compute the tangent of radians.", np.tan, lambda p, g, y: g * (y * y + 1), "output")
define("arcsin", "Compute the inverse sine.", np.arcsin, lambda p, g, x: g / (1 - x * x).sqrt(), domain=(-0.9, 0.9))
define("arccos", "Compute the inverse cosine.", np.arccos, lambda p, g, x: -(g / (1 - x * x).sqrt()), domain=(-0.9, 0.9))
define("arctan", "Compute the inverse tangent.", np.arctan, lambda p, g, x: g / (x * x + 1), domain=WIDE)
define("degrees", "Convert radians to degrees.", np.degrees, lambda p, g, x: g * (180 / pi))
define("radians", "Convert degrees to radians.", np.radians, lambda p, g, x: g * (pi / 180), domain=(-180.0, 180.0))
define("sinh", "Compute the hyperbolic sine.", np.sinh, lambda p, g, x: g * x.cosh())
define("cosh", "Compute the hyperbolic cosine.", np.cosh, lambda p, g, x: g * x.sinh())
define("arcsinh", "Compute the inverse hyperbolic sine.", np.arcsinh, lambda p, g, x: g / (x * x + 1).sqrt(), domain=WIDE)
define("arccosh", "Compute the inverse hyperbolic cosine.", np.arccosh, lambda p, g, x: g / (x * x - 1).sqrt(),
domain=(1.1, 3.0))
define("arctanh", "Compute the inverse hyperbolic tangent.", np.arctanh, lambda p, g, x: g / (1 - x * x), domain=(-0.9, 0.9))
define("erf", "Compute the error function.", special.erf, lambda p, g, x: g * (x.square().negative().exp() * (2 / sqrt(pi))))
define(
    "erfinv", "Compute the inverse of the error function.", special.erfinv,
    lambda p, g, y: g * (y.square().exp() * (sqrt(pi) / 2)), "output", (-0.9, 0.9),
)  # fmt: skip
define("gamma", "Compute the gamma function.", special.gamma, lambda p, g, x: g * (x.gamma() * x.digamma()), domain=POSITIVE)
define("gammaln", "Compute log(abs(gamma(x))).", special.gammaln, lambda p, g, x: g * x.digamma(), domain=POSITIVE)
define("negative", "Compute -x.", np.negative, lambda p, g, x: -g, integers=INTEGERS)
