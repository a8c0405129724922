"""Densities of the distributions that ``mx.nd.random`` draws from: ``random_pdf_normal`` and its relatives.

The parameters stand for the first axes of the samples: with means of shape (2, 3) and samples of shape (2, 3, 5), five
samples belong to each mean. A density is one elementwise step; gradients follow from the derivatives of its logarithm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..base import ShapeError
from .binary import unbroadcast
from .chain import Expression, Value, elementwise
from .infer import unify, unify_all
from .params import Bool, Params
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op
from .special import gammaln

_LOG_OF_ROOT_OF_2_PI = 0.5 * np.log(2 * np.pi)


class DensityParams(Params):
    is_log = Bool(default=False, doc="Give the logarithm.")


class Density(NamedTuple):
    """A distribution.

    Attributes
    ----------
    name, doc : str
    params : tuple of str
        Names of its parameters.
    log : expression
        (p, x, *parameters) -> logarithm of the density.
    slopes : tuple of expressions or None
        (p, w, x, *parameters) -> w times the derivative of `log` by x and by each parameter; None: no gradient.
    reference : callable
        (x, *parameters) -> `log` in NumPy.
    samples, values : arrays, tuple of arrays
        Of the test case.
    """

    name: str
    doc: str
    params: tuple[str, ...]
    log: Expression
    slopes: tuple[Expression | None, ...]
    reference: Any
    samples: Any
    values: tuple[Any, ...]


def _wide(ref: Any, rank: int) -> Any:
    """A parameter beside samples with `rank` axes: extents of 1 at the end."""
    return ref.reshape(*ref.shape, *(1,) * (rank - len(ref.shape)))


def _shape(p, ins, outs):
    sample, params = unify(ins[0], outs[0], "sample and output"), unify_all(ins[1:], "parameters")
    if sample is not None and params is not None:
        if len(params) > len(sample):
            raise ShapeError(f"parameters of shape {params} do not stand for the first axes of samples of shape {sample}")
        params = unify(sample[: len(params)], params, "first axes of sample and parameters")
        sample = (*params, *sample[len(params) :])
    return [sample, *[params] * (len(ins) - 1)], [sample]


def _broadcast_step(expression: Expression, count: int) -> Any:
    """The `lower` of an operator that computes `expression` of samples and parameters."""
    code = elementwise(expression, count)

    def lower(low, node):
        rank = len(low.outs[0].shape)
        low.elementwise(code(node.params), [_wide(ref, rank) for ref in low.ins], low.outs)

    return lower


def _register_slope(name: str, expression: Expression, inputs: tuple[str, ...]) -> None:
    register(
        Op(
            name=name,
            doc="Part of a gradient.",
            inputs=inputs,
            infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
            lower=_broadcast_step(expression, len(inputs)),
            hidden=True,
        )
    )


def _weight(g: Any, node: Any, ograd: Any) -> Any:
    """What the derivative of the logarithm is multiplied by."""
    return ograd if node.params.is_log else g("elemwise_mul", ograd, node[0])


def _summed(g: Any, full: Any, shape: tuple[int, ...], wide: tuple[int, ...]) -> Any:
    """A gradient in the shape of the samples, summed to a parameter's `shape`, which stands as `wide` beside them."""
    return full if full.shape == shape else g("_reshape_to", unbroadcast(g, full, wide), shape=shape)


def define(density: Density) -> None:
    """Register a density with its gradient."""
    inputs = ("sample", *density.params)
    slopes = [None if slope is None else f"_backward_{density.name}_{i}" for i, slope in enumerate(density.slopes)]
    for name, slope in zip(slopes, density.slopes):
        if name is not None and slope is not None:
            _register_slope(name, slope, ("weight", *inputs))

    def gradient(g, node, ograds):
        weight, rank = _weight(g, node, ograds[0]), len(node.shapes[0])
        return [
            g.zeros_like(entry) if name is None
            else _summed(
                g, g(name, weight, *node.inputs), entry.shape, (*entry.shape, *(1,) * (rank - len(entry.shape)))
            )
            for name, entry in zip(slopes, node.inputs)
        ]  # fmt: skip

    def value(p: Any, x: Value, *parameters: Value) -> Value:
        log = density.log(p, x, *parameters)
        return log if p.is_log else log.exp()

    def reference(p, x, *parameters, is_train):
        rank = x.ndim
        log = density.reference(x, *(v.reshape(*v.shape, *(1,) * (rank - v.ndim)) for v in parameters))
        log = np.broadcast_to(log, x.shape)
        return log if p.is_log else np.exp(log)

    data = {"sample": np.array(density.samples, np.float32)}
    data.update({n: np.array(v, np.float32) for n, v in zip(density.params, density.values)})
    shapes = {n: a.shape for n, a in data.items()}
    # Finite differences of samples that are counted say nothing.
    smooth = density.slopes[0] is not None
    register(
        Op(
            name=f"_{density.name}",
            doc=density.doc,
            params=DensityParams,
            inputs=inputs,
            infer_shape=_shape,
            gradient=gradient,
            lower=_broadcast_step(value, len(inputs)),
            reference=reference,
            aliases=(density.name,),
            cases=(
                Case(shapes, {}, data, grad=smooth, rtol=1e-4),
                Case(shapes, {"is_log": True}, data, grad=smooth, rtol=1e-4),
            ),
        )
    )


_POSITIVE = [[0.5, 1.0, 2.0], [0.25, 3.0, 1.5]]
_COUNTS = [[0, 1, 2], [3, 1, 5]]

define(Density(
    "random_pdf_uniform", "Compute densities of uniform distributions, wherever the samples are.", ("low", "high"),
    lambda p, x, a, b: -((b - a).log()),
    (None, lambda p, w, x, a, b: w / (b - a), lambda p, w, x, a, b: -(w / (b - a))),
    lambda x, a, b: -np.log(b - a), _POSITIVE, ([0.0, -1.0], [1.5, 2.0]),
))  # fmt: skip
define(Density(
    "random_pdf_normal", "Compute densities of normal distributions.", ("mu", "sigma"),
    lambda p, x, m, s: -(((x - m) / s).square() * 0.5) - s.log() - _LOG_OF_ROOT_OF_2_PI,
    (
        lambda p, w, x, m, s: -(w * (x - m) / s.square()),
        lambda p, w, x, m, s: w * (x - m) / s.square(),
        lambda p, w, x, m, s: w * (((x - m) / s).square() - 1.0) / s,
    ),
    lambda x, m, s: -((x - m) ** 2) / (2 * s**2) - np.log(s) - _LOG_OF_ROOT_OF_2_PI, _POSITIVE, ([1.5, 2.0], [0.5, 3.0]),
))  # fmt: skip
define(Density(
    "random_pdf_gamma", "Compute densities of gamma distributions of shape `alpha` and rate `beta`.", ("alpha", "beta"),
    lambda p, x, a, b: a * b.log() + (a - 1.0) * x.log() - b * x - a.gammaln(),
    (
        lambda p, w, x, a, b: w * ((a - 1.0) / x - b),
        lambda p, w, x, a, b: w * (b.log() + x.log() - a.digamma()),
        lambda p, w, x, a, b: w * (a / b - x),
    ),
    lambda x, a, b: a * np.log(b) + (a - 1) * np.log(x) - b * x - gammaln(a), _POSITIVE, ([1.5, 2.0], [0.5, 3.0]),
))  # fmt: skip
define(Density(
    "random_pdf_exponential", "Compute densities of exponential distributions of rate `lam`.", ("lam",),
    lambda p, x, r: r.log() - r * x,
    (lambda p, w, x, r: -(w * r), lambda p, w, x, r: w * (1.0 / r - x)),
    lambda x, r: np.log(r) - r * x, _POSITIVE, ([1.5, 2.0],),
))  # fmt: skip
define(Density(
    "random_pdf_poisson", "Compute probabilities of Poisson distributions of mean `lam`.", ("lam",),
    lambda p, x, r: x * r.log() - (x + 1.0).gammaln() - r,
    (None, lambda p, w, x, r: w * (x / r - 1.0)),
    lambda x, r: x * np.log(r) - gammaln(x + 1) - r, _COUNTS, ([1.5, 2.0],),
))  # fmt: skip
define(Density(
    "random_pdf_negative_binomial",
    "Compute probabilities of negative binomial distributions: failures before `k` successes of probability `p`.",
    ("k", "p"),
    lambda p, x, k, q: (x + k).gammaln() - (x + 1.0).gammaln() - k.gammaln() + k * q.log() + x * (1.0 - q).log(),
    (
        None,
        lambda p, w, x, k, q: w * ((x + k).digamma() - k.digamma() + q.log()),
        lambda p, w, x, k, q: w * (k / q - x / (1.0 - q)),
    ),
    lambda x, k, q: gammaln(x + k) - gammaln(x + 1) - gammaln(k) + k * np.log(q) + x * np.log(1 - q),
    _COUNTS, ([2.0, 3.0], [0.3, 0.6]),
))  # fmt: skip
define(Density(
    "random_pdf_generalized_negative_binomial",
    "Compute probabilities of generalized negative binomial distributions of mean `mu` and dispersion `alpha`.",
    ("mu", "alpha"),
    lambda p, x, m, a: (x + 1.0 / a).gammaln() - (x + 1.0).gammaln() - (1.0 / a).gammaln()
    + x * (m * a).log() - (x + 1.0 / a) * (m * a + 1.0).log(),
    (
        None,
        lambda p, w, x, m, a: w * (x - m) / (m * (m * a + 1.0)),
        lambda p, w, x, m, a: w * (
            ((m * a + 1.0).log() + (1.0 / a).digamma() - (x + 1.0 / a).digamma()) / a.square()
            + (x - m) / (a * (m * a + 1.0))
        ),
    ),
    lambda x, m, a: gammaln(x + 1 / a) - gammaln(x + 1) - gammaln(1 / a) + x * np.log(m * a) - (x + 1 / a) * np.log(m * a + 1),
    _COUNTS, ([1.5, 2.0], [0.5, 3.0]),
))  # fmt: skip


# Dirichlet distributions: a sample is the last axis.


def _apart(ref: Any, rank: int) -> Any:
    """Parameters of shape (..., K) beside samples of shape (..., samples, K)."""
    return ref.reshape(*_apart_shape(ref.shape, rank))


def _apart_shape(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (*shape[:-1], *(1,) * (rank - len(shape)), shape[-1])


def _dirichlet_shape(p, ins, outs):
    sample, alpha = ins
    if sample is None or alpha is None:
        return ins, outs
    if not 0 < len(alpha) <= len(sample):
        raise ShapeError(f"alpha of shape {alpha} does not fit samples of shape {sample}")
    lead, count = len(alpha) - 1, unify(sample[-1:], alpha[-1:], "extents of a sample and of alpha")
    first = unify(sample[:lead], alpha[:lead], "first axes of sample and alpha")
    sample = (*first, *sample[lead:-1], *count)
    # MXNet has no arrays without axes.
    return [sample, (*first, *count)], [unify(outs[0], sample[:-1] or (1,), "output")]


def _dirichlet_lower(low, node):
    """exp(sum of ((alpha - 1) log x - gammaln(alpha)) + gammaln(sum of alpha))"""
    (x, alpha), out = low.ins, low.outs[0]
    terms, sums = low.workspace(x.shape, x.dtype), low.workspace(alpha.shape[:-1] or (1,), x.dtype)
    code = elementwise(lambda p, v, a: (a - 1.0) * v.log() - a.gammaln(), 2)(node.params)
    low.elementwise(code, [x, _apart(alpha, len(x.shape))], [terms])
    total = low.workspace(out.shape, x.dtype)
    reduce_step(low, "Sum", terms, total, (len(x.shape) - 1,))
    reduce_step(low, "Sum", alpha, sums, (len(alpha.shape) - 1,))
    is_log = node.params.is_log
    code = elementwise(lambda p, t, s: t + s.gammaln() if is_log else (t + s.gammaln()).exp(), 2)(node.params)
    low.elementwise(code, [total, _wide(sums, len(out.shape))], [out])


def _dirichlet_gradient(g, node, ograds):
    sample, alpha = node.inputs
    rank = len(sample.shape)
    weight = g("_reshape_to", _weight(g, node, ograds[0]), shape=(*sample.shape[:-1], 1))
    beside = g("_reshape_to", alpha, shape=_apart_shape(alpha.shape, rank))
    sums = g("sum", beside, axis=(rank - 1,), keepdims=True)
    by_alpha = g("_backward_random_pdf_dirichlet_1", weight, sample, beside, sums)
    return [
        g("_backward_random_pdf_dirichlet_0", weight, sample, beside),
        _summed(g, by_alpha, alpha.shape, beside.shape),
    ]


def _dirichlet_numpy(p, x, alpha, is_train):
    beside = alpha.reshape(_apart_shape(alpha.shape, x.ndim))
    log = np.atleast_1d(((beside - 1) * np.log(x) - gammaln(beside)).sum(-1) + gammaln(beside.sum(-1)))
    return log if p.is_log else np.exp(log)


_register_slope(
    "_backward_random_pdf_dirichlet_0", lambda p, w, x, a: w * (a - 1.0) / x, ("weight", "sample", "alpha")
)
_register_slope(
    "_backward_random_pdf_dirichlet_1", lambda p, w, x, a, s: w * (x.log() - a.digamma() + s.digamma()),
    ("weight", "sample", "alpha", "sums"),
)  # fmt: skip
_SIMPLEX = np.array([[[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], [[0.4, 0.4, 0.2], [0.6, 0.3, 0.1]]], np.float32)
_ALPHA = np.array([[1.0, 2.0, 3.0], [0.5, 1.5, 2.5]], np.float32)
register(
    Op(
        name="_random_pdf_dirichlet",
        doc="Compute densities of Dirichlet distributions; a sample is the last axis.",
        params=DensityParams,
        inputs=("sample", "alpha"),
        infer_shape=_dirichlet_shape,
        gradient=_dirichlet_gradient,
        lower=_dirichlet_lower,
        reference=_dirichlet_numpy,
        aliases=("random_pdf_dirichlet",),
        cases=tuple(
            Case({"sample": s.shape, "alpha": a.shape}, {"is_log": log}, {"sample": s, "alpha": a}, rtol=1e-4)
            for log in (False, True) for s, a in ((_SIMPLEX, _ALPHA), (_SIMPLEX[0, 0], _ALPHA[0]))
        ),
    )
)  # fmt: skip
