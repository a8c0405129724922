"""What operators tell of shapes and dtypes, asked once for what is alike: a network has many layers of few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..ops.infer import FLOAT32, same_dtype
from ..ops.params import Params
from ..ops.schema import Op, Shape


def shapes(
    op: Op, params: Params, ins: Sequence[Shape], outs: Sequence[Shape]
) -> tuple[Sequence[Shape], Sequence[Shape]]:
    """What ``op.infer_shape`` tells of inputs and outputs. Raises ShapeError."""
    if not follows_from_arguments(op, params):
        return op.infer_shape(params, list(ins), list(outs))
    return _shapes(op, params, tuple(ins), tuple(outs))


def outputs(op: Op, params: Params, in_shapes: tuple, in_dtypes: tuple) -> tuple[tuple, tuple]:
    """Shapes and dtypes of the outputs, from all those of the inputs. Raises ShapeError, DTypeError."""
    return (_outputs if follows_from_arguments(op, params) else _asked)(op, params, in_shapes, in_dtypes)


def follows_from_arguments(op: Op, params: Params) -> bool:
    """Whether the answer follows from the arguments: not that of the user's code, nor that of graphs inside a node."""
    return not op.opaque and not getattr(params, "subgraphs", ())


@lru_cache(maxsize=8192)
def _shapes(op: Op, params: Params, ins: tuple, outs: tuple) -> tuple[tuple, tuple]:
    new_ins, new_outs = op.infer_shape(params, list(ins), list(outs))
    return tuple(new_ins), tuple(new_outs)


def _asked(op: Op, params: Params, in_shapes: tuple, in_dtypes: tuple) -> tuple[tuple, tuple]:
    nothing: list[Any] = [None] * len(op.output_names(params))
    _, shapes = op.infer_shape(params, list(in_shapes), nothing)
    if not in_dtypes and op.infer_dtype is None:
        return tuple(shapes), (FLOAT32,) * len(nothing)
    _, dtypes = (op.infer_dtype or same_dtype)(params, list(in_dtypes), nothing)
    return tuple(shapes), tuple(dtypes)


_outputs = lru_cache(maxsize=8192)(_asked)
