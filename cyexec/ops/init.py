"""Operators that make arrays from parameters alone: zeros, ones, full, arange, linspace, eye."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base import DTypeError, ShapeError
from .infer import FLOAT32, same_shape, unify, zero_gradient
from .params import REQUIRED, Bool, DType, Float, Int, Params, Shape, Str
from .registry import register
from .schema import Case, Op
from .schema import Shape as ShapeType

CTX = "Context of the output, such as cpu(0); for imperative calls."
TYPES = ("float32", "float64", "float16", "int32", "int64", "int8", "uint8")


class ConstantParams(Params):
    shape = Shape(default=(), doc="Shape of the output; 0 stands for an extent to be inferred.")
    ctx = Str(default="", doc=CTX)
    dtype = DType(default=FLOAT32, doc="Data type of the output.")


class FullParams(Params):
    shape = Shape(default=None, doc="Shape of the output; 0 stands for an extent to be inferred.")
    ctx = Str(default="", doc=CTX)
    dtype = DType(default=FLOAT32, doc="Data type of the output.")
    value = Float(doc="Value of all elements.")


class _OptionalDType(DType):
    type_name = "int"

    def convert(self, value: Any) -> Any:
        return None if str(value).strip() == "-1" else super().convert(value)


class ZerosWithoutDTypeParams(Params):
    shape = Shape(default=None, doc="Shape of the output; 0 stands for an extent to be inferred.")
    ctx = Str(default="", doc=CTX)
    dtype = _OptionalDType(default=None, doc="Data type of the output; -1: whatever its readers need.")


def _given_shape(params: Any, ins: list[ShapeType], outs: list[ShapeType]) -> tuple[list[ShapeType], list[ShapeType]]:
    wanted = tuple(d if d > 0 else -1 for d in params.shape) if params.shape else None
    return [], [unify(wanted, outs[0], "parameter shape and output")]


def _given_dtype(params: Any, ins: list, outs: list) -> tuple[list, list]:
    if outs[0] is not None and params.dtype is not None and outs[0] != params.dtype:
        raise DTypeError(f"parameter dtype is {params.dtype} but the output is {outs[0]}")
    return [], [params.dtype or outs[0]]


def _constant(name: str, doc: str, value: float | None, params: type[Params], **more: Any) -> None:
    def number(p: Any) -> float:
        return p.value if value is None else value

    def lower(low: Any, node: Any) -> None:
        low.fill(low.outs[0], number(node.params))

    extra = {"value": 2.5} if value is None else {}
    register(
        Op(
            name=name, doc=doc, params=params, inputs=(), infer_dtype=_given_dtype, gradient=lambda g, node, ograds: [],
            lower=lower, **{"infer_shape": _given_shape, **more},
            reference=lambda p, is_train: np.full(p.shape, number(p), np.float64).astype(p.dtype),
            cases=(
                Case({}, {"shape": (2, 3), "dtype": "float32", **extra}),
                *(Case({}, {"shape": (5,), "dtype": d, **extra}, dtypes=(d,), grad=False) for d in TYPES[1:]),
            ),
        )
    )  # fmt: skip


def _exact_shape(params: Any, ins: list[ShapeType], outs: list[ShapeType]) -> tuple[list[ShapeType], list[ShapeType]]:
    return [], [unify(params.shape, outs[0], "parameter shape and output")]


_constant("_zeros", "Return zeros.", 0.0, ConstantParams)
_constant("_ones", "Return ones.", 1.0, ConstantParams)
_constant("_full", "Return an array filled with one value.", None, FullParams)
_constant("_zeros_without_dtype", "Return zeros of the dtype that readers need.", 0.0, ZerosWithoutDTypeParams)
# Gradients of arrays without elements need zeros whose extents of 0 mean 0.
_constant("_zeros_exact", "Return zeros of just this shape.", 0.0, ConstantParams, infer_shape=_exact_shape, hidden=True)


def _like(name: str, doc: str, value: float) -> None:
    register(
        Op(
            name=name, doc=doc, infer_shape=same_shape, gradient=zero_gradient,
            lower=lambda low, node: low.fill(low.outs[0], value),
            reference=lambda p, x, is_train: np.full_like(x, value),
            cases=(Case({"data": (2, 3)}, dtypes=TYPES), Case({"data": (0, 3)})),
        )
    )  # fmt: skip


_like("zeros_like", "Return zeros of the input's shape and dtype.", 0.0)
_like("ones_like", "Return ones of the input's shape and dtype.", 1.0)


class ArangeParams(Params):
    start = Float(doc="Start of the interval, included.")
    stop = Float(default=None, doc="End of the interval, excluded; None: the interval is [0, start).")
    step = Float(default=1.0, doc="Distance of neighbours.")
    repeat = Int(default=1, min=1, doc="How often each element stands there.")
    infer_range = Bool(default=False, doc="Whether the length comes from the output's readers, stop being None.")
    ctx = Str(default="", doc=CTX)
    dtype = DType(default=FLOAT32, doc="Data type of the output.")


def _arange_bounds(p: Any) -> tuple[float, float | None]:
    """Start and stop; stop is None where the length is inferred."""
    if p.stop is not None or p.infer_range:
        return p.start, p.stop
    return 0.0, p.start


def _arange_shape(params: Any, ins: list[ShapeType], outs: list[ShapeType]) -> tuple[list[ShapeType], list[ShapeType]]:
    start, stop = _arange_bounds(params)
    if stop is None:
        if outs[0] is not None and len(outs[0]) != 1:
            raise ShapeError(f"an inferred range has one dimension but the output is {outs[0]}")
        return [], [outs[0] or (-1,)]
    if params.step == 0 or (stop - start) / params.step <= 0:
        raise ShapeError(f"start={start}, stop={stop}, step={params.step} is no interval")
    length = math.ceil((stop - start) / params.step) * params.repeat
    return [], [unify((length,), outs[0], "range and output")]


def _arange_numpy(p: Any, is_train: bool) -> Any:
    start, stop = _arange_bounds(p)
    assert stop is not None, "a range of inferred length is lowered with its length"
    count = math.ceil((stop - start) / p.step)
    kind = p.dtype if p.dtype.kind != "f" else np.float64
    a, s = np.float64(start).astype(kind), np.float64(p.step).astype(kind)
    return (a + np.repeat(np.arange(count), p.repeat) * s).astype(p.dtype)


register(
    Op(
        name="_arange",
        doc="Return evenly spaced values in an interval.",
        params=ArangeParams,
        inputs=(),
        infer_shape=_arange_shape,
        infer_dtype=_given_dtype,
        gradient=lambda g, node, ograds: [],
        lower=lambda low, node: low.step(
            "generate.Arange", [], low.outs, start=_arange_bounds(node.params)[0], step=node.params.step,
            repeat=node.params.repeat,
        ),
        reference=_arange_numpy,
        cases=(
            Case({}, {"start": 5.0}),
            Case({}, {"start": 1.0, "stop": 7.0, "step": 2.0, "dtype": "int32"}, dtypes=("int32",)),
            Case({}, {"start": 0.0, "stop": 1.0, "step": 0.3, "repeat": 2, "dtype": "float64"}),
            Case({}, {"start": 5.0, "stop": 1.0, "step": -1.5, "dtype": "float16"}, dtypes=("float16",)),
            Case({}, {"start": 0.0, "stop": 2.0, "step": 0.5, "dtype": "int64"}, dtypes=("int64",)),
        ),
    )
)  # fmt: skip


class LinspaceParams(Params):
    start = Float(doc="First value.")
    stop = Float(default=REQUIRED, nullable=True, doc="Last value, or the first one left out when endpoint is False.")
    num = Int(doc="Number of values.", min=0)
    endpoint = Bool(default=True, doc="Whether stop is the last value.")
    ctx = Str(default="", doc=CTX)
    dtype = DType(default=FLOAT32, doc="Data type of the output.")


def _linspace_step(p: Any) -> float:
    intervals = p.num - 1 if p.endpoint else p.num
    return (p.stop - p.start) / intervals if intervals > 0 else 0.0


def _linspace_lower(low: Any, node: Any) -> None:
    p = node.params
    # Counted in float64: integers are truncated values of the real line, not multiples of a truncated step.
    wide = low.outs[0] if p.dtype == np.float64 else low.workspace(node.shapes[0], np.dtype(np.float64))
    low.step("generate.Arange", [], [wide], start=p.start, step=_linspace_step(p))
    if p.endpoint and p.num > 1:
        low.fill(wide.part(p.num - 1, (1,)), p.stop)
    if wide is not low.outs[0]:
        low.cast(wide, p.dtype, low.outs[0])


register(
    Op(
        name="_linspace",
        doc="Return `num` evenly spaced values from start to stop.",
        params=LinspaceParams,
        inputs=(),
        infer_shape=lambda p, ins, outs: ([], [unify((p.num,), outs[0], "num and output")]),
        infer_dtype=_given_dtype,
        gradient=lambda g, node, ograds: [],
        lower=_linspace_lower,
        reference=lambda p, is_train: np.linspace(p.start, p.stop, p.num, p.endpoint).astype(p.dtype),
        cases=(
            Case({}, {"start": 0.0, "stop": 1.0, "num": 5}),
            Case({}, {"start": 0.0, "stop": -3.0, "num": 7, "endpoint": False, "dtype": "float64"}, dtypes=("float64",)),
            Case({}, {"start": 2.0, "stop": 9.0, "num": 1}),
        ),
    )
)


class EyeParams(Params):
    N = Int(doc="Number of rows.")
    M = Int(default=0, doc="Number of columns; 0: as many as rows.")
    k = Int(default=0, doc="Which diagonal: 0 the main one, positive above it, negative below.")
    ctx = Str(default="", doc=CTX)
    dtype = DType(default=FLOAT32, doc="Data type of the output.")


register(
    Op(
        name="_eye",
        doc="Return ones on a diagonal and zeros elsewhere.",
        params=EyeParams,
        inputs=(),
        infer_shape=lambda p, ins, outs: ([], [unify((p.N, p.M or p.N), outs[0], "N, M and output")]),
        infer_dtype=_given_dtype,
        gradient=lambda g, node, ograds: [],
        lower=lambda low, node: low.step("generate.Eye", [], low.outs, k=node.params.k),
        reference=lambda p, is_train: np.eye(p.N, p.M or p.N, p.k, p.dtype),
        cases=(
            Case({}, {"N": 3}),
            Case({}, {"N": 2, "M": 4, "k": 1, "dtype": "int32"}, dtypes=("int32",)),
            Case({}, {"N": 4, "M": 2, "k": -1, "dtype": "float16"}, dtypes=("float16",)),
            Case({}, {"N": 2, "k": 5}),
        ),
    )
)


def _dims_shape(size: bool) -> Any:
    def infer(params: Any, ins: list[ShapeType], outs: list[ShapeType]) -> tuple[list[ShapeType], list[ShapeType]]:
        length = 1 if size else -1 if ins[0] is None else len(ins[0])
        return ins, [unify((length,), outs[0], "rank and output")]

    return infer


def _int64_out(params: Any, ins: list, outs: list) -> tuple[list, list]:
    return ins, [np.dtype(np.int64)]


def _shape_array_lower(low: Any, node: Any) -> None:
    for i, extent in enumerate(node.in_shapes[0]):
        low.fill(low.outs[0].part(i, (1,)), extent)


register(
    Op(
        name="shape_array",
        doc="Return the shape of the input as int64 numbers.",
        infer_shape=_dims_shape(False),
        infer_dtype=_int64_out,
        gradient=zero_gradient,
        lower=_shape_array_lower,
        reference=lambda p, x, is_train: np.array(x.shape, np.int64),
        cases=(Case({"data": (2, 3, 4)}, grad=False), Case({"data": (7,)}, dtypes=("int32",), grad=False)),
    )
)
register(
    Op(
        name="size_array",
        doc="Return the number of elements of the input as an int64 number.",
        infer_shape=_dims_shape(True),
        infer_dtype=_int64_out,
        gradient=zero_gradient,
        lower=lambda low, node: low.fill(low.outs[0], math.prod(node.in_shapes[0])),
        reference=lambda p, x, is_train: np.array([x.size], np.int64),
        cases=(Case({"data": (2, 3, 4)}, grad=False), Case({"data": (0, 7)}, dtypes=("int32",), grad=False)),
    )
)
