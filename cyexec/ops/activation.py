"""Activation and LeakyReLU: elementwise chains, so that fusion passes can join them to their neighbours.

Activation's gradients are written with the output, as MXNet does: the input's memory is free after the forward step.
The gradient of selu is the derivative; MXNet 1.9.1's is not, below zero (it agrees for elu).
"""

from __future__ import annotations

import math

import numpy as np

from ..base import ShapeError
from ..lowering.lower import Instr
from .infer import same_shape, unify
from .params import Enum, Float, Params
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_LAMBDA = 1.0507009873554804934193349852946
_KINDS = ("relu", "sigmoid", "softrelu", "softsign", "tanh")
_LEAKY = ("elu", "gelu", "leaky", "prelu", "rrelu", "selu")


class ActivationParams(Params):
    act_type = Enum(*_KINDS, doc="Activation function to be applied.")


class LeakyParams(Params):
    act_type = Enum(*_LEAKY, default="leaky", doc="Activation function to be applied.")
    slope = Float(default=0.25, doc="Slope below zero (leaky and elu).")
    lower_bound = Float(default=0.125, doc="Lower bound of the random slope (rrelu).")
    upper_bound = Float(default=0.333999991, doc="Upper bound of the random slope (rrelu).")


# Gradients from register 0, the head gradient, and 1, the output (the input for softsign).
_ACTIVATION_GRADIENT = {
    "relu": [Instr("greater_s", (1,), 0.0), Instr("mul", (0, 2))],
    "sigmoid": [Instr("rsub_s", (1,), 1.0), Instr("mul", (1, 2)), Instr("mul", (0, 3))],
    "tanh": [Instr("square", (1,)), Instr("rsub_s", (2,), 1.0), Instr("mul", (0, 3))],
    "softrelu": [Instr("negative", (1,)), Instr("expm1", (2,)), Instr("mul", (0, 3)), Instr("negative", (4,))],
    "softsign": [Instr("abs", (1,)), Instr("add_s", (2,), 1.0), Instr("square", (3,)), Instr("div", (0, 4))],
}


def _activation_numpy(p, x, is_train):
    z = x.astype(np.float64)
    return {
        "relu": lambda: np.maximum(z, 0),
        "sigmoid": lambda: 1 / (1 + np.exp(-z)),
        "tanh": lambda: np.tanh(z),
        "softrelu": lambda: np.logaddexp(z, 0),
        "softsign": lambda: z / (1 + np.abs(z)),
    }[p.act_type]()


def _activation_gradient(g, node, ograds):
    known = node.inputs[0] if node.params.act_type == "softsign" else node[0]
    return [g("_backward_Activation", ograds[0], known, act_type=node.params.act_type)]


register(
    Op(
        name="_backward_Activation",
        doc="Gradient of Activation from the head gradient and the output (the input for softsign).",
        params=ActivationParams,
        inputs=("ograd", "output"),
        infer_shape=same_shape,
        elementwise=lambda p: _ACTIVATION_GRADIENT[p.act_type],
        hidden=True,
    )
)
_FLOATS = ("float32", "float64", "float16")
register(
    Op(
        name="Activation",
        doc="Apply an activation function to every element.",
        params=ActivationParams,
        infer_shape=same_shape,
        gradient=_activation_gradient,
        elementwise=lambda p: [Instr(p.act_type, (0,))],
        reference=_activation_numpy,
        cases=tuple(
            Case(shapes={"data": (3, 5)}, params={"act_type": k}, low=-6, high=6, dtypes=_FLOATS) for k in _KINDS
        )
        + (Case(shapes={"data": (0, 3)}, params={"act_type": "tanh"}),),
    )
)


# LeakyReLU. Register 0 is data in the forward code; 0 the head gradient and 1 data in the gradients.


def _leaky_code(p):
    if p.act_type == "leaky":
        return [Instr("mul_s", (0,), p.slope), Instr("greater_s", (0,), 0.0), Instr("where", (2, 0, 1))]
    if p.act_type == "rrelu":
        slope = (p.lower_bound + p.upper_bound) / 2
        return [Instr("mul_s", (0,), slope), Instr("greater_s", (0,), 0.0), Instr("where", (2, 0, 1))]
    if p.act_type == "elu":
        return [
            Instr("expm1", (0,)), Instr("mul_s", (1,), p.slope), Instr("greater_s", (0,), 0.0), Instr("where", (3, 0, 2)),
        ]  # fmt: skip
    if p.act_type == "selu":
        return [
            Instr("expm1", (0,)), Instr("mul_s", (1,), SELU_ALPHA), Instr("greater_s", (0,), 0.0),
            Instr("where", (3, 0, 2)), Instr("mul_s", (4,), SELU_LAMBDA),
        ]  # fmt: skip
    # gelu: x (1 + erf(x / sqrt 2)) / 2
    return [
        Instr("mul_s", (0,), math.sqrt(0.5)), Instr("erf", (1,)), Instr("add_s", (2,), 1.0), Instr("mul", (0, 3)),
        Instr("mul_s", (4,), 0.5),
    ]  # fmt: skip


def _leaky_gradient_code(p):
    if p.act_type in ("leaky", "rrelu"):
        slope = p.slope if p.act_type == "leaky" else (p.lower_bound + p.upper_bound) / 2
        return [Instr("mul_s", (0,), slope), Instr("greater_s", (1,), 0.0), Instr("where", (3, 0, 2))]
    if p.act_type in ("elu", "selu"):
        alpha = p.slope if p.act_type == "elu" else SELU_ALPHA * SELU_LAMBDA
        above = 1.0 if p.act_type == "elu" else SELU_LAMBDA
        return [
            Instr("exp", (1,)), Instr("mul_s", (2,), alpha), Instr("mul", (0, 3)),  # 4
            Instr("mul_s", (0,), above), Instr("greater_s", (1,), 0.0), Instr("where", (6, 5, 4)),
        ]  # fmt: skip
    # gelu: (1 + erf(x / sqrt 2)) / 2 + x e^(-x^2 / 2) / sqrt(2 pi)
    return [
        Instr("mul_s", (1,), math.sqrt(0.5)), Instr("erf", (2,)), Instr("add_s", (3,), 1.0), Instr("mul_s", (4,), 0.5),
        Instr("square", (1,)), Instr("mul_s", (6,), -0.5), Instr("exp", (7,)), Instr("mul", (1, 8)),
        Instr("mul_s", (9,), 1 / math.sqrt(2 * math.pi)), Instr("add", (5, 10)), Instr("mul", (0, 11)),
    ]  # fmt: skip


def _gamma_shape(gamma, ndim):
    """Shape of gamma that broadcasts to data: along axis 1, or one value for all."""
    if len(gamma) == 1 and ndim > 1:
        return (1, gamma[0], *(1,) * (ndim - 2))
    return gamma


def _leaky_shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    if p.act_type != "prelu":
        return [data], [data] * len(outs)
    gamma = ins[1]
    if data is not None:
        if gamma is None:
            if len(data) < 2:
                raise ShapeError(f"prelu needs gamma's shape where data has one dimension, data is {data}")
            gamma = (data[1],)
        elif -1 not in data and -1 not in gamma:
            wanted = _gamma_shape(gamma, len(data))
            if len(wanted) != len(data) or any(x not in (1, y) for x, y in zip(wanted, data)):
                raise ShapeError(f"cannot broadcast gamma {gamma} to data {data}; expected ({data[1:2]}) or (1,)")
    return [data, gamma], [data]


def _leaky_lower(low, node):
    p, x, out = node.params, low.ins[0], low.outs[0]
    if p.act_type == "prelu":
        gamma = low.ins[1].reshape(*_gamma_shape(low.ins[1].shape, len(x.shape)))
        code = [Instr("mul", (0, 1)), Instr("greater_s", (0,), 0.0), Instr("where", (3, 0, 2))]
        low.elementwise(code, [x, gamma], [out])
    elif p.act_type == "rrelu" and low.is_train:
        slopes = low.outs[1]
        low.step("rrelu.Slopes", [x], [slopes], low=p.lower_bound, high=p.upper_bound, stream=low.random_stream())
        low.elementwise([Instr("mul", (0, 1))], [x, slopes], [out])
    else:
        low.elementwise(_leaky_code(p), [x], [out])
        if p.act_type == "rrelu" and low.used(1):
            slope = (p.lower_bound + p.upper_bound) / 2
            code = [Instr("greater_s", (0,), 0.0), Instr("const", (), slope), Instr("const", (), 1.0),
                    Instr("where", (1, 3, 2))]  # fmt: skip
            low.elementwise(code, [x], [low.outs[1]])


def _leaky_gradient(g, node, ograds):
    p, (x, *gamma) = node.params, node.inputs
    if p.act_type == "rrelu" and g.is_train:
        return [g("elemwise_mul", ograds[0], node[1])]
    if p.act_type != "prelu":
        return [g("_backward_LeakyReLU", ograds[0], x, like=p)]
    got = g("_backward_prelu", ograds[0], x, gamma[0])
    return list(got)


def _prelu_grad_lower(low, node):
    head, x, gamma = low.ins
    spread = _gamma_shape(gamma.shape, len(x.shape))
    if low.used(0):
        code = [Instr("mul", (0, 2)), Instr("greater_s", (1,), 0.0), Instr("where", (4, 0, 3))]
        low.elementwise(code, [head, x, gamma.reshape(*spread)], [low.outs[0]])
    if low.used(1):
        part = low.workspace(x.shape, x.dtype)
        low.elementwise([Instr("minimum_s", (1,), 0.0), Instr("mul", (0, 2))], [head, x], [part])
        axes = tuple(i for i, (a, b) in enumerate(zip(spread, x.shape)) if a != b)
        reduce_step(low, "Sum", part, low.outs[1], axes)


def _leaky_numpy(p, x, *gamma, is_train):
    z = x.astype(np.float64)
    if p.act_type == "prelu":
        return np.where(z > 0, z, z * gamma[0].reshape(_gamma_shape(gamma[0].shape, z.ndim)))
    slope = p.slope if p.act_type != "rrelu" else (p.lower_bound + p.upper_bound) / 2
    below = np.expm1(np.minimum(z, 0))
    return {
        "leaky": lambda: np.where(z > 0, z, z * slope),
        "rrelu": lambda: np.where(z > 0, z, z * slope),
        "elu": lambda: np.where(z > 0, z, slope * below),
        "selu": lambda: SELU_LAMBDA * np.where(z > 0, z, SELU_ALPHA * below),
        "gelu": lambda: z * (1 + np.vectorize(math.erf, otypes="d")(z / math.sqrt(2))) / 2,
    }[p.act_type]()


register(
    Op(
        name="_backward_LeakyReLU",
        doc="Gradient of LeakyReLU without parameters, from the head gradient and the input.",
        params=LeakyParams,
        inputs=("ograd", "data"),
        infer_shape=same_shape,
        elementwise=_leaky_gradient_code,
        hidden=True,
    )
)
register(
    Op(
        name="_backward_prelu",
        doc="Gradients of prelu's data and gamma.",
        inputs=("ograd", "data", "gamma"),
        outputs=("data", "gamma"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1], ins[2]]),
        lower=_prelu_grad_lower,
        hidden=True,
    )
)
register(
    Op(
        name="LeakyReLU",
        doc="Apply a rectified linear unit that lets something through below zero (leaky, elu, selu, gelu, prelu, rrelu).",
        params=LeakyParams,
        inputs=lambda p: ("data", "gamma") if p.act_type == "prelu" else ("data",),
        outputs=lambda p: ("output", "mask") if p.act_type == "rrelu" else ("output",),
        visible=1,
        infer_shape=_leaky_shape,
        gradient=_leaky_gradient,
        lower=_leaky_lower,
        reference=_leaky_numpy,
        random=True,  # rrelu is
        cases=(
            *(
                Case(shapes={"data": (3, 5)}, params={"act_type": k}, low=-4, high=4, dtypes=_FLOATS, is_train=False)
                for k in _LEAKY
                if k != "prelu"
            ),
            Case(shapes={"data": (3, 5)}, params={"slope": 0.01}),
            Case(shapes={"data": (2, 3, 2), "gamma": (3,)}, params={"act_type": "prelu"}, dtypes=_FLOATS),
            Case(shapes={"data": (2, 3, 4, 2), "gamma": (1,)}, params={"act_type": "prelu"}),
            Case(shapes={"data": (2, 3), "gamma": (3,)}, params={"act_type": "prelu"}),
            Case(shapes={"data": (5,), "gamma": (1,)}, params={"act_type": "prelu"}),
        ),
    )
)
