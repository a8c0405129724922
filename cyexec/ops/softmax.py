"""Softmax along an axis, its relatives, and their gradients.

SoftmaxActivation's gradient is that of its forward; MXNet 1.9.1's sums over the whole instance for more than two
dimensions, though its forward works on the last axis.
"""

from __future__ import annotations

import numpy as np

from ..base import DTypeError, ShapeError
from ..lowering.lower import Instr
from .infer import normalize_axis, product, same_shape, unify
from .params import Bool, Enum, Float, Int, Params
from .params import DType as DTypeField
from .registry import register
from .schema import Case, Op


class SoftmaxParams(Params):
    axis = Int(default=-1, doc="The axis along which to compute softmax.")
    temperature = Float(default=None, doc="Divides the input; None means 1.")
    dtype = DTypeField(default=None, doc="Dtype of the output; by default that of the input.")
    use_length = Bool(default=False, doc="Whether the second input says how many elements along `axis` count.")


class SoftmaxGradParams(Params):
    axis = Int(default=-1, doc="The axis of the softmax.")
    scale = Float(default=1.0, doc="What the input of the softmax was multiplied with.")
    logarithm = Bool(default=False, doc="Whether it was a log_softmax.")


class SoftmaxActivationParams(Params):
    mode = Enum(
        "channel", "instance", default="instance",
        doc="instance: softmax over the last axis; channel: over the second one, at each position.",
    )  # fmt: skip


def layout(shape: tuple[int, ...], axis: int) -> dict[str, int]:
    """Return n and inner of `shape` seen as (outer, n, inner) around `axis`."""
    axis = normalize_axis(axis, len(shape))
    return {"n": shape[axis], "inner": product(shape[axis + 1 :])}


def _scale(p, sign):
    with np.errstate(divide="ignore"):
        return float(np.float64(sign) / np.float64(1.0 if p.temperature is None else p.temperature))


def _infer_shape(p, ins, outs):
    shape = unify(ins[0], outs[0], "data and output shapes")
    if shape is not None:
        normalize_axis(p.axis, len(shape))
    if not p.use_length or len(ins) == 1:
        return [shape, *ins[1:]], [shape]
    length = ins[1]
    if shape is not None:
        axis = normalize_axis(p.axis, len(shape))
        length = unify(length, shape[:axis] + shape[axis + 1 :] or (1,), "length must be data without its axis: shapes")
    return [shape, length], [shape]


def _infer_dtype(p, ins, outs):
    data, out = ins[0], p.dtype if p.dtype is not None else None
    if out is not None and out.kind != "f":
        raise DTypeError(f"dtype must be float16, float32 or float64, found {out}")
    if out is None:
        data = data if data is not None else outs[0]
        out = data
    if data is not None and data.kind != "f":
        raise DTypeError(f"only supports floating point types, not {data}")
    length = ins[1:] if len(ins) == 1 or ins[1] is not None else [np.dtype(np.int32)]
    return [data, *length], [out]


def _lower(sign, logarithm):
    def lower(low, node):
        p, x, out = node.params, low.ins[0], low.outs[0]
        args = {**layout(x.shape, p.axis), "scale": _scale(p, sign), "logarithm": logarithm}
        reads = [low.cast(x, out.dtype) if out.dtype.itemsize >= x.dtype.itemsize else x]
        if p.use_length and len(low.ins) > 1:
            reads.append(low.cast(low.ins[1], np.dtype(np.int64)))
        if reads[0].dtype == out.dtype:
            low.step("softmax.Softmax", reads, [out], inplace=[(0, 0)], **args)
        else:
            made = low.workspace(out.shape, x.dtype)
            low.step("softmax.Softmax", reads, [made], **args)
            low.cast(made, out.dtype, out)

    return lower


def _gradient(sign, logarithm):
    def gradient(g, node, ograds):
        p, x = node.params, node.inputs[0]
        head, y = ograds[0], node[0]
        if y.dtype != x.dtype:
            head, y = (g("Cast", e, dtype=x.dtype) for e in (head, y))
        got = g("_backward_softmax", head, y, axis=p.axis, scale=_scale(p, sign), logarithm=logarithm)
        return [got] + [None] * (len(node.inputs) - 1)

    return gradient


def _grad_lower(low, node):
    p, out = node.params, low.outs[0]
    args = {**layout(out.shape, p.axis), "scale": p.scale, "logarithm": p.logarithm}
    low.step("softmax.SoftmaxGrad", low.ins, [out], inplace=[(0, 0), (0, 1)], **args)


def softmax_numpy(x, axis=-1, scale=1.0, logarithm=False, length=None):
    """Softmax in float64, with at most `length` elements along the axis."""
    z = x.astype(np.float64) * scale
    inside = np.ones(z.shape, bool)
    if length is not None:
        where = np.arange(z.shape[axis]).reshape([-1 if i == axis % z.ndim else 1 for i in range(z.ndim)])
        inside = where < np.expand_dims(length.reshape(np.delete(z.shape, axis)), axis)
    if not z.size:
        return z
    top = np.max(z, axis=axis, keepdims=True, where=inside, initial=-1e300)
    e = np.where(inside, np.exp(np.minimum(z - top, 0)), 0)
    total = e.sum(axis=axis, keepdims=True)
    if logarithm:
        return np.where(inside, z - top - np.log(np.where(total > 0, total, 1)), 0)
    return e / np.where(total > 0, total, 1)


def _reference(sign, logarithm):
    def reference(p, x, *rest, is_train):
        dtype = p.dtype or x.dtype
        return softmax_numpy(x, p.axis, _scale(p, sign), logarithm, rest[0] if rest else None).astype(dtype)

    return reference


register(
    Op(
        name="_backward_softmax",
        doc="Gradient of softmax, log_softmax and softmin from the head gradient and the result.",
        params=SoftmaxGradParams,
        inputs=("ograd", "output"),
        infer_shape=same_shape,
        lower=_grad_lower,
        hidden=True,
    )
)

_FLOATS = ("float32", "float64", "float16")
_LENGTH = np.array([[0, 1, 2, 3], [3, 2, 1, 5]], np.int32)
_CASES = (
    Case(shapes={"data": (3, 5)}, dtypes=_FLOATS, low=-4, high=4),
    Case(shapes={"data": (2, 3, 4)}, params={"axis": 1}, dtypes=_FLOATS, low=-4, high=4),
    Case(shapes={"data": (2, 3, 71)}, params={"axis": 0, "temperature": 0.5}),
    Case(shapes={"data": (2, 131)}, params={"temperature": 2.0}, low=-3, high=3),
    Case(shapes={"data": (2, 3001)}, grad=False, low=-30, high=30),
    Case(shapes={"data": (7,)}, params={"dtype": "float64"}, dtypes=("float64",)),
    Case(shapes={"data": (2, 4)}, params={"dtype": "float64"}, dtypes=("float32", "float16"), grad=False, rtol=2e-3),
    Case(shapes={"data": (2, 4)}, params={"dtype": "float16"}, dtypes=("float32",), rtol=2e-3, atol=1e-3, grad=False),
    Case(shapes={"data": (0, 3)}),
    Case(shapes={"data": (3, 0)}),
)
_WITH_LENGTH = (
    Case(shapes={"data": (2, 3, 4)}, data={"length": _LENGTH}, params={"axis": 1, "use_length": True}),
    Case(shapes={"data": (3, 6)}, data={"length": np.array([6, 1, 0])}, params={"use_length": True}),
)
for _name, _sign, _logarithm, _doc in (
    ("softmax", 1, False, "Apply softmax along an axis: e^(x/t) over its sum, t the temperature."),
    ("log_softmax", 1, True, "Compute the logarithm of softmax along an axis, without overflow."),
    ("softmin", -1, False, "Apply softmax to the negative input."),
):
    _takes_length = _name == "softmax"
    register(
        Op(
            name=_name,
            doc=_doc,
            params=SoftmaxParams,
            inputs=(lambda p: ("data", "length") if p.use_length else ("data",)) if _takes_length else ("data",),
            infer_shape=_infer_shape,
            infer_dtype=_infer_dtype,
            gradient=_gradient(_sign, _logarithm),
            lower=_lower(_sign, _logarithm),
            reference=_reference(_sign, _logarithm),
            cases=_CASES + (_WITH_LENGTH if _takes_length else ()),
        )
    )


def _activation_shape(p, ins, outs):
    (shape,), _ = same_shape(p, ins, outs)
    if shape is not None and p.mode == "channel" and len(shape) < 3:
        raise ShapeError(f"mode=channel needs at least 3 dimensions, data is {shape}")
    return [shape], [shape]


def _activation_axis(p):
    return 1 if p.mode == "channel" else -1


def _activation_lower(low, node):
    x = low.ins[0]
    low.step("softmax.Softmax", [x], low.outs, inplace=[(0, 0)], **layout(x.shape, _activation_axis(node.params)))


register(
    Op(
        name="SoftmaxActivation",
        doc="Apply softmax over the last axis (instance) or over channels (channel). Deprecated: use softmax.",
        params=SoftmaxActivationParams,
        infer_shape=_activation_shape,
        gradient=lambda g, node, ograds: [
            g("_backward_softmax", ograds[0], node[0], axis=_activation_axis(node.params))
        ],
        lower=_activation_lower,
        reference=lambda p, x, is_train: softmax_numpy(x, _activation_axis(p)),
        cases=(
            Case(shapes={"data": (3, 5)}, dtypes=_FLOATS),
            Case(shapes={"data": (2, 3, 4)}),
            Case(shapes={"data": (2, 3, 4, 2)}, params={"mode": "channel"}),
        ),
    )
)


# softmax_cross_entropy


def _cross_entropy_shape(p, ins, outs):
    data, label = ins
    if data is not None and len(data) != 2:
        raise ShapeError(f"data must have 2 dimensions, found {data}")
    if label is not None:
        if len(label) != 1:
            raise ShapeError(f"label must have 1 dimension, found {label}")
        data = unify(data, (label[0], -1), "data and label must have as many rows: shapes")
    if data is not None:
        label = unify(label, data[:1], "label and data must have as many rows: shapes")
    return [data, label], [(1,)]


def _cross_entropy_lower(low, node):
    x, label = low.ins
    p = low.workspace(x.shape, x.dtype)
    low.step("softmax.Softmax", [x], [p], **layout(x.shape, 1))
    low.step("loss.CrossEntropy", [p, label], low.outs, n=x.shape[1])


def _cross_entropy_grad_lower(low, node):
    head, x, label = low.ins
    p = low.workspace(x.shape, x.dtype)
    low.step("softmax.Softmax", [x], [p], **layout(x.shape, 1))
    low.step("loss.SoftmaxOutputGrad", [p, label], [p], inplace=[(0, 0)], **layout(x.shape, 1), scale=1.0)
    low.elementwise([Instr("mul", (0, 1))], [head.reshape(1, 1), p], low.outs)


def _cross_entropy_numpy(p, x, label, is_train):
    rows = softmax_numpy(x)
    picked = [row[int(k)] if 0 <= k < len(row) else 0 for row, k in zip(rows, label)]
    return -np.log(np.maximum(picked, 1e-8)).sum(keepdims=True)


register(
    Op(
        name="_backward_softmax_cross_entropy",
        doc="Gradient of softmax_cross_entropy: head * (softmax - one hot label).",
        inputs=("ograd", "data", "label"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        lower=_cross_entropy_grad_lower,
        hidden=True,
    )
)
register(
    Op(
        name="softmax_cross_entropy",
        doc="Compute the sum over rows of the cross entropy between softmax of the row and its class number.",
        inputs=("data", "label"),
        infer_shape=_cross_entropy_shape,
        gradient=lambda g, node, ograds: [g("_backward_softmax_cross_entropy", ograds[0], *node.inputs), None],
        lower=_cross_entropy_lower,
        reference=_cross_entropy_numpy,
        cases=(
            Case(shapes={"data": (3, 5)}, data={"label": np.array([0.0, 4.0, 2.0])}, dtypes=_FLOATS),
            Case(shapes={"data": (2, 3)}, data={"label": np.array([1.0, 7.0])}, grad=False),
        ),
    )
)
