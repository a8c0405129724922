"""What inference BatchNorm becomes when it is folded: a scale and a shift for every channel. Made by passes only.

    BatchNorm(x) = (x - mean) * scale + beta = x * scale + shift,    scale = gamma / sqrt(var + eps)

`_FoldBatchNorm` computes the two vectors from the parameters, once for as long as they do not change; `_ScaleFilters`
multiplies them into the weights of the convolution before, `_ScaleShift` applies them where there is none.
"""

from __future__ import annotations

import numpy as np

from ..lowering.lower import Instr
from .batch_norm import DEFAULT_EPS
from .infer import product, unify
from .params import Bool, Float, Int, Params
from .registry import register
from .schema import Case, Op


class FoldParams(Params):
    eps = Float(default=DEFAULT_EPS, doc="Added to the variance.")
    fix_gamma = Bool(default=True, doc="Take gamma as one.")
    has_bias = Bool(default=False, doc="Whether the layer before adds a bias, which moves the mean.")


def _fold_inputs(p):
    return ("gamma", "beta", "mean", "var", "bias") if p.has_bias else ("gamma", "beta", "mean", "var")


def _vectors(p, ins, outs):
    vector = None
    for shape in [*ins, *outs]:
        vector = unify(vector, shape, "shapes of the parameters")
    return [vector] * len(ins), [vector] * 2


def _fold_lower(low, node):
    p, count = node.params, len(low.ins)
    code = [Instr("add_s", (3,), p.eps), Instr("rsqrt", (count,))]
    scale = count + 1
    if not p.fix_gamma:
        code.append(Instr("mul", (scale, 0)))
        scale += 1
    mean = 2
    if p.has_bias:  # (x + bias - mean) * scale + beta
        code.append(Instr("sub", (2, 4)))
        mean = count + len(code) - 1
    code.append(Instr("mul", (mean, scale)))
    code.append(Instr("sub", (1, count + len(code) - 1)))
    low.elementwise(code, low.ins, low.outs, results=(scale, count + len(code) - 1))


def _fold_numpy(p, gamma, beta, mean, var, bias=0.0, is_train=False):
    scale = (1.0 if p.fix_gamma else gamma.astype(np.float64)) / np.sqrt(var.astype(np.float64) + p.eps)
    return (scale * np.ones_like(gamma)).astype(gamma.dtype), (beta + (bias - mean) * scale).astype(gamma.dtype)


_VAR = {"var": np.linspace(0.5, 2, 5)}
_FOUR: dict[str, tuple[int, ...]] = {"gamma": (5,), "beta": (5,), "mean": (5,), "var": (5,)}

register(
    Op(
        name="_FoldBatchNorm",
        doc="Compute scale and shift of an inference BatchNorm from its parameters and the bias of the layer before.",
        params=FoldParams,
        inputs=_fold_inputs,
        outputs=("scale", "shift"),
        infer_shape=_vectors,
        lower=_fold_lower,
        reference=_fold_numpy,
        hidden=True,
        cases=(
            Case(_FOUR, {"eps": 1e-3}, data=_VAR),
            Case(_FOUR, {"eps": 1e-5, "fix_gamma": False}, data=_VAR),
            Case({**_FOUR, "bias": (5,)}, {"eps": 1e-3, "fix_gamma": False, "has_bias": True}, data=_VAR),
            Case({**_FOUR, "bias": (5,)}, {"eps": 1e-3, "has_bias": True}, data=_VAR),
        ),
    )
)


class ScaleFiltersParams(Params):
    transposed = Bool(default=False, doc="Whether the weights are Deconvolution's: filters on the second axis.")
    groups = Int(default=1, min=1, doc="Groups of a transposed convolution.")


def _filters_view(p, shape):
    """Shapes in which scale broadcasts to the weights, and those of both: (groups, channels, filters, taps)."""
    if not p.transposed:
        return (1, 1, shape[0], product(shape[1:])), (1, 1, shape[0], 1)
    split = (p.groups, shape[0] // p.groups, shape[1], product(shape[2:]))
    return split, (p.groups, 1, shape[1], 1)


def _filters_shape(p, ins, outs):
    weight = unify(ins[0], outs[0], "weights before and after scaling")
    return [weight, ins[1]], [weight]


def _filters_lower(low, node):
    weight, scale = _filters_view(node.params, low.ins[0].shape)
    low.elementwise(
        [Instr("mul", (0, 1))],
        [low.ins[0].reshape(*weight), low.ins[1].reshape(*scale)],
        [low.outs[0].reshape(*weight)],
    )


def _filters_numpy(p, weight, scale, is_train=False):
    shape, vector = _filters_view(p, weight.shape)
    return (weight.reshape(shape) * scale.reshape(vector)).reshape(weight.shape)


register(
    Op(
        name="_ScaleFilters",
        doc="Multiply the weights of each filter of a convolution by a number.",
        params=ScaleFiltersParams,
        inputs=("weight", "scale"),
        infer_shape=_filters_shape,
        lower=_filters_lower,
        reference=_filters_numpy,
        hidden=True,
        cases=(
            Case({"weight": (4, 2, 3, 3), "scale": (4,)}),
            Case({"weight": (4, 3, 2), "scale": (3,)}, {"transposed": True}),
            Case({"weight": (4, 3, 2, 2), "scale": (6,)}, {"transposed": True, "groups": 2}),
        ),
    )
)


class ScaleShiftParams(Params):
    axis = Int(default=1, doc="Axis of the channels.")


def _channels_last(p, shape):
    """Shape of a vector of channels so that it broadcasts to data of `shape`."""
    return (shape[p.axis], *(1,) * (len(shape) - p.axis % len(shape) - 1))


def _scale_shift_lower(low, node):
    vector = _channels_last(node.params, node.shapes[0])
    data, scale, shift = low.ins
    low.elementwise(
        [Instr("mul", (0, 1)), Instr("add", (3, 2))],
        [data, scale.reshape(*vector), shift.reshape(*vector)],
        low.outs,
    )


def _scale_shift_numpy(p, data, scale, shift, is_train=False):
    vector = _channels_last(p, data.shape)
    return data * scale.reshape(vector) + shift.reshape(vector)


register(
    Op(
        name="_ScaleShift",
        doc="Multiply every channel by a number and add another: BatchNorm with its parameters folded.",
        params=ScaleShiftParams,
        inputs=("data", "scale", "shift"),
        infer_shape=lambda p, ins, outs: (ins, [unify(ins[0], outs[0], "data and output shapes")]),
        lower=_scale_shift_lower,
        reference=_scale_shift_numpy,
        hidden=True,
        cases=(
            Case({"data": (2, 3, 4, 5), "scale": (3,), "shift": (3,)}),
            Case({"data": (2, 3), "scale": (3,), "shift": (3,)}),
            Case({"data": (2, 3, 4), "scale": (4,), "shift": (4,)}, {"axis": -1}),
        ),
    )
)
