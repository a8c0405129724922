"""Conversions between dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .infer import same_shape, unify
from .params import Bool, Count, DType, Params
from .registry import register
from .schema import Case, Op, Shape

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


class CastParams(Params):
    dtype = DType(doc="Data type of the output.")


def _cast_lower(low: Any, node: Any) -> None:
    for source, destination in zip(low.ins, low.outs):
        low.cast(source, destination.dtype, destination)


def _back(g: Any, entry: Any, dtype: Any) -> Any:
    return entry if entry is None or entry.dtype == dtype else g("Cast", entry, dtype=dtype)


def _cast_gradient(g: Any, node: Any, ograds: list) -> list:
    return [_back(g, entry, dtype) for entry, dtype in zip(ograds, node.in_dtypes)]


def cast_numpy(x: Any, dtype: Any) -> Any:
    """x as `dtype`; what is no integer in range becomes the lowest, and int8 and uint8 take the low bits of the int32."""
    if np.dtype(dtype).kind not in "iu" or x.dtype.kind != "f":
        return x.astype(dtype)
    via = np.dtype(np.int64 if np.dtype(dtype).itemsize == 8 else np.int32)
    x, limit = x.astype(np.float64), 2.0 ** (8 * via.itemsize - 1)
    with np.errstate(invalid="ignore", over="ignore"):
        fits = (x >= -limit) & (x < limit)
        return np.where(fits, np.where(fits, x, 0).astype(via), np.iinfo(via.type).min).astype(dtype)


register(
    Op(
        name="Cast",
        aliases=("cast",),
        doc="Convert the input to another data type; floats become integers by truncation.",
        params=CastParams,
        infer_shape=same_shape,
        infer_dtype=lambda p, ins, outs: (ins, [p.dtype]),
        gradient=_cast_gradient,
        lower=_cast_lower,
        reference=lambda p, x, is_train: cast_numpy(x, p.dtype),
        cases=(
            *(
                Case({"data": (3, 41)}, {"dtype": d}, low=0, high=100, grad=d == "float64", dtypes=(*sources, "int32", "uint8"))
                for d in ("float32", "float64", "float16", "int8", "uint8", "int32", "int64", "bool")
                for sources in [("float64",) if d == "float64" else ("float32", "float64", "float16")]
            ),
            Case(
                {}, {"dtype": "int8"}, dtypes=("float32", "float64"), grad=False,
                data={"data": np.array([300, -300, 3e9, np.nan, np.inf, -1e20, 128.9, -1.5])},
            ),
            Case(
                {}, {"dtype": "int32"}, dtypes=("float32", "float64"), grad=False,
                data={"data": np.array([300, -300, 3e9, np.nan, np.inf, -1e20, 128.9, -1.5])},
            ),
        ),
    )
)  # fmt: skip


class AmpCastParams(Params):
    dtype = DType(doc="Data type of the output where the input is float16 or float32.")


def _amp_dtype(params: Any, ins: list, outs: list) -> tuple[list, list]:
    if ins[0] is None:
        return ins, outs
    return ins, [params.dtype if ins[0] in (HALF, SINGLE) else ins[0]]


register(
    Op(
        name="amp_cast",
        doc="Convert float16 and float32 to another data type; leave others alone.",
        params=AmpCastParams,
        infer_shape=same_shape,
        infer_dtype=_amp_dtype,
        gradient=_cast_gradient,
        lower=_cast_lower,
        reference=lambda p, x, is_train: x.astype(p.dtype) if x.dtype in (HALF, SINGLE) else x,
        cases=(
            Case({"data": (3, 5)}, {"dtype": "float16"}, dtypes=("float32", "float16", "int32"), rtol=1e-3, atol=1e-3),
            Case({"data": (3, 5)}, {"dtype": "float32"}, dtypes=("float16", "float64")),
        ),
    )
)


class MulticastParams(Params):
    num_outputs = Count(doc="Number of inputs, and of outputs.")
    cast_narrow = Bool(default=False, doc="Whether to convert to the narrowest type instead of the widest.")


def _multicast_inputs(params: Any) -> list[str]:
    return [f"data_{i}" for i in range(params.num_outputs)]


def _multicast_outputs(params: Any) -> list[str]:
    return ["output"] if params.num_outputs == 1 else [f"output{i}" for i in range(params.num_outputs)]


def _multicast_dtype(params: Any, ins: list, outs: list) -> tuple[list, list]:
    floats = [d for d in ins if d in (HALF, SINGLE)]
    if any(d is None for d in ins):
        return ins, outs
    present = set(floats)
    one = HALF if params.cast_narrow and HALF in present or SINGLE not in present else SINGLE
    return ins, [one if d in present else d for d in ins]


def _pairwise(params: Any, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    shapes = [unify(a, b, "an input and its output") for a, b in zip(ins, outs)]
    return shapes, list(shapes)


def _multicast_numpy(p: Any, *arrays: Any, is_train: bool) -> Any:
    _, dtypes = _multicast_dtype(p, [a.dtype for a in arrays], [None] * len(arrays))
    return tuple(a.astype(d) for a, d in zip(arrays, dtypes))


register(
    Op(
        name="amp_multicast",
        doc="Convert all float16 and float32 inputs to the widest (or narrowest) type among them.",
        params=MulticastParams,
        inputs=_multicast_inputs,
        outputs=_multicast_outputs,
        variadic="num_outputs",
        infer_shape=_pairwise,
        infer_dtype=_multicast_dtype,
        gradient=_cast_gradient,
        lower=_cast_lower,
        reference=_multicast_numpy,
        cases=(
            Case({"data_0": (2, 3), "data_1": (4,)}, {"num_outputs": 2}, dtypes=("float32", "float16", "float64")),
            Case({"data_0": (2,), "data_1": (4,)}, {"num_outputs": 2, "cast_narrow": True}),
        ),
    )
)
