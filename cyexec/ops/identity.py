"""Operators that hand their input on."""

from __future__ import annotations

from .infer import same_shape
from .registry import register
from .schema import Case, Op


def _lower_copy(low, node):
    low.copy(low.outs[0], low.ins[0])


register(
    Op(
        name="_copy",
        aliases=("identity",),
        doc="Return the input unchanged.",
        infer_shape=same_shape,
        gradient=lambda g, node, ograds: [ograds[0]],
        lower=_lower_copy,
        reference=lambda p, x, is_train: x,
        cases=(Case(shapes={"data": (2, 3)}, dtypes=("float32", "float64", "float16")), Case(shapes={"data": (0, 3)})),
    )
)
