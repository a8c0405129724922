"""Pooling of blocked arrays and its gradient. Made by `passes/block_layout.py` only."""

from __future__ import annotations

from ..lowering import blocked
from . import params as P
from . import pooling
from .blocked import blocked_shape, from_blocked, to_blocked
from .infer import unify
from .registry import register
from .schema import Op


class BlockedPoolingParams(pooling.PoolingParams):
    data_shape = P.Shape(doc="Plain shape of the data.")


def _out(p):
    _, (out,) = pooling._infer_shape(p, [p.data_shape], [None])
    return out


def _lower(low, node):
    p = node.params
    blocked.add_pool(low, low.ins[0], low.outs[0], pooling.pool_arguments(p, p.data_shape, _out(p)))


register(
    Op(
        name="_BlockedPooling",
        doc="Pooling of a blocked array.",
        params=BlockedPoolingParams,
        infer_shape=lambda p, ins, outs: (
            [unify(blocked_shape(p.data_shape), ins[0], "data")], [blocked_shape(_out(p))],
        ),
        lower=_lower,
        reference=lambda p, data, is_train: to_blocked(pooling._reference(p, from_blocked(data, p.data_shape[1]))),
        hidden=True,
    )
)  # fmt: skip


def _gradient_inputs(p):
    return pooling._NEEDS.get(p.pool_type, ("ograd",))


def _gradient_shape(p, ins, outs):
    out, data = blocked_shape(_out(p)), blocked_shape(p.data_shape)
    return [data if name == "data" else out for name in _gradient_inputs(p)], [data]


def _gradient_lower(low, node):
    p = node.params
    data = low.ins[1] if p.pool_type == "max" else None
    blocked.add_pool_gradient(
        low, low.ins[0], data, low.outs[0], pooling.pool_arguments(p, p.data_shape, _out(p))
    )  # fmt: skip


register(
    Op(
        name="_BlockedPoolingGradient",
        doc="Gradient of the pooling of a blocked array; reads the data only for a maximum.",
        params=BlockedPoolingParams,
        inputs=_gradient_inputs,
        outputs=("data",),
        infer_shape=_gradient_shape,
        lower=_gradient_lower,
        hidden=True,
    )
)
