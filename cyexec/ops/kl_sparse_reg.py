"""IdentityAttachKLSparseReg: a penalty on units that are active too often."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .infer import product, same_dtype, unify
from .params import Float, Params
from .reducing import reduce_step
from .registry import register
from .schema import Case, Op


class SparseRegParams(Params):
    sparseness_target = Float(default=0.1, min=0.0, max=1.0, doc="The sparseness target")
    penalty = Float(default=0.001, doc="The tradeoff parameter for the sparseness penalty")
    momentum = Float(default=0.9, min=0.0, max=1.0, doc="The momentum for running average")


def _shape(p, ins, outs):
    data = unify(ins[0], outs[0], "data and output shapes")
    if data is None:
        return [data, ins[1]], [data]
    if not data:
        raise ShapeError("data must have at least one dimension")
    units = -1 if -1 in data[1:] else product(data[1:])
    return [data, unify(ins[1], (units,), "moving_avg and the units of data")], [data]


def _gradient(g, node, ograds):
    return [g("_backward_IdentityAttachKLSparseReg", ograds[0], *node.inputs, like=node.params), None]


def _backward_lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    p, (grad, data, average), out = node.params, low.ins, low.outs[0]
    if not data.size:
        return
    batch, units = data.shape[0], average.size
    mean = low.workspace((1, units), data.dtype)
    reduce_step(low, "Mean", data.reshape(batch, units), mean, (0,))
    row = average.reshape(1, units)
    code = [Instr("mul_s", (0,), p.momentum), Instr("mul_s", (1,), 1 - p.momentum), Instr("add", (2, 3))]
    low.elementwise(code, [row, mean], [row])
    # The derivative of KL(target || average): (1 - target) / (1 - average) - target / average.
    code = [
        Instr("rsub_s", (1,), 1.0), Instr("rdiv_s", (2,), 1 - p.sparseness_target), Instr("rdiv_s", (1,), p.sparseness_target),
        Instr("sub", (3, 4)), Instr("mul_s", (5,), p.penalty), Instr("add", (0, 6)),
    ]  # fmt: skip
    low.elementwise(code, [grad.reshape(batch, units), row], [out.reshape(batch, units)])


register(
    Op(
        name="IdentityAttachKLSparseReg",
        doc="""Hand activations of logistic units on; backward adds the gradient of a penalty on their moving averages.

        The penalty is the Kullback-Leibler divergence of each unit's average activation from `sparseness_target`. The
        averages are updated in the backward pass.
        """,
        params=SparseRegParams,
        aux=("moving_avg",),
        infer_shape=_shape,
        infer_dtype=same_dtype,
        gradient=_gradient,
        lower=lambda low, node: low.copy(low.outs[0], low.ins[0]),
        reference=lambda p, data, average, is_train: data,
        cases=(
            Case(
                {"data": (3, 4)}, {"penalty": 0.5, "sparseness_target": 0.2}, {"moving_avg": np.full(4, 0.4)}, low=0.1,
                grad=False,
            ),
            Case({"data": (2, 6)}, {"momentum": 0.5}, {"moving_avg": np.linspace(0.2, 0.7, 6)}, low=0.1, grad=False),
        ),
    )
)  # fmt: skip
register(
    Op(
        name="_backward_IdentityAttachKLSparseReg",
        hidden=True,
        doc="Gradient of IdentityAttachKLSparseReg; it also updates the moving averages.",
        params=SparseRegParams,
        inputs=("ograd", "data"),
        aux=("moving_avg",),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        lower=_backward_lower,
    )
)
