"""Operators on batches of sequences of unequal length, along axis 0 (or 1 where ``axis`` says so)."""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64, data_dtype
from .infer import product, unify
from .params import Bool, Float, Int, Params
from .registry import register
from .reshape import ALL_DTYPES
from .schema import Case, Op


class SequenceParams(Params):
    use_sequence_length = Bool(
        default=False,
        doc="If set to true, this layer takes in an extra input parameter `sequence_length` to specify variable length "
        "sequence.",
    )
    axis = Int(default=0, doc="The sequence axis. Only values of 0 and 1 are currently supported.", min=0, max=1)


class SequenceMaskParams(SequenceParams):
    value = Float(default=0.0, doc="The value to be used as a mask.")
    axis = SequenceParams.axis


class SequenceReverseParams(SequenceParams):
    axis = Int(default=0, doc="The sequence axis. Only 0 is currently supported.", min=0, max=0)


class SequenceScatterParams(SequenceParams):
    time = Int(doc="Extent of the sequence axis.")


def _names(first):
    return lambda p: (first, "sequence_length") if p.use_sequence_length else (first,)


def _lengths(p, ins):
    """The inputs' shapes, with one length for each sequence."""
    data = ins[0]
    if data is not None:
        if len(data) < 2:
            raise ShapeError(f"the data array must be of rank 2 or greater, found {data}")
        if p.use_sequence_length:
            ins = [data, unify(ins[1], (data[1 - p.axis],), "the sequence lengths")]
    return ins


def _dtypes(p, ins, outs):
    """Lengths may have any dtype; untold, they have the data's."""
    ins, outs = data_dtype(p, ins, outs)
    return [ins[0], *(length or ins[0] for length in ins[1:])], outs


def _same(p, ins, outs):
    data = unify(ins[0], outs[0])
    return _lengths(p, [data, *ins[1:]]), [data]


def _first_gradient(name):
    """Apply operator `name` to the head gradient with the node's lengths and parameters."""

    def gradient(g, node, ograds):
        params = node.params.as_dict()
        if "value" in params:
            params["value"] = 0.0
        return [g(name, ograds[0], *node.inputs[1:], **params)] + [None] * (len(node.inputs) - 1)

    return gradient


def _mask_lower(low, node):
    p, data, out = node.params, low.ins[0], low.outs[0]
    if not p.use_sequence_length:
        low.copy(out, data)
        return
    first, second, *rest = data.shape
    bits = np.asarray(p.value).astype(out.dtype).view(f"u{out.dtype.itemsize}")
    low.step(
        "index.SequenceMask", [data, low.cast(low.ins[1], INT64)], [out], first=first, second=second,
        inner=product(rest), batch_major=p.axis == 1, pattern=int(bits),
    )  # fmt: skip


def _each(p, data, length):
    """(view of one sequence with time first, its length) for every sequence."""
    batches = np.moveaxis(data, p.axis, 0)
    for b in range(batches.shape[1]):
        yield batches[:, b], batches.shape[0] if length is None else int(length[b])


def _mask_numpy(p, data, length=None, is_train=True):
    out = data.copy()
    for sequence, n in _each(p, out, length):
        sequence[n:] = p.value
    return out


_LENGTHS = np.array([1, 3, 2, 0], np.float32)


def _sequence_cases(op, axes=(0, 1), lengths=_LENGTHS, **params):
    shapes = {0: (3, 4, 2), 1: (4, 3, 2)}
    cases = [Case(shapes={"data": (3, 2)}, dtypes=ALL_DTYPES)]
    for axis in axes:
        cases.append(
            Case(
                shapes={"data": shapes[axis]},
                data={"sequence_length": lengths},
                dtypes=("float32", "float64", "float16"),
                params={"use_sequence_length": True, "axis": axis, **params},
            )
        )
    cases.append(
        Case(
            shapes={"data": (3, 4)},
            data={"sequence_length": np.array([1, 3, 2, 2], np.int32)},
            params={"use_sequence_length": True, **params},
        )
    )
    return tuple(cases)


register(
    Op(
        name="SequenceMask",
        doc="Set all elements outside the sequence to a constant value.",
        params=SequenceMaskParams,
        inputs=_names("data"),
        infer_shape=_same,
        infer_dtype=_dtypes,
        gradient=_first_gradient("SequenceMask"),
        lower=_mask_lower,
        reference=_mask_numpy,
        cases=_sequence_cases("SequenceMask", value=-1.5),
    )
)


def _rows(low, p, data_shape, length, kind):
    """Row numbers in the (time * batch, ...) matrix of the data."""
    time, batch = data_shape[p.axis], data_shape[1 - p.axis]
    if length is None:
        length = low.workspace((batch,), INT64)
        low.fill(length, time)
    rows = low.workspace((batch if kind == 0 else time * batch,), INT64)
    low.step(
        "rows.SequenceRows", [low.cast(length, INT64)], [rows], dtype=INT64, time=time, batch=batch,
        batch_major=p.axis == 1, kind=kind,
    )  # fmt: skip
    return rows


def _gather_lower(kind):
    def lower(low, node):
        data, out = low.ins[0], low.outs[0]
        rows = _rows(low, node.params, data.shape, low.ins[1] if len(low.ins) > 1 else None, kind)
        time, batch, *rest = data.shape
        low.step("index.Gather", [data, rows], [out], outer=1, extent=time * batch, inner=product(rest))

    return lower


def _reverse_numpy(p, data, length=None, is_train=True):
    out = data.copy()
    for sequence, n in _each(p, out, length):
        sequence[:n] = sequence[:n][::-1].copy()
    return out


register(
    Op(
        name="SequenceReverse",
        doc="Reverse the elements of each sequence, as far as it goes.",
        params=SequenceReverseParams,
        inputs=_names("data"),
        infer_shape=_same,
        infer_dtype=_dtypes,
        gradient=_first_gradient("SequenceReverse"),
        lower=_gather_lower(1),
        reference=_reverse_numpy,
        cases=_sequence_cases("SequenceReverse", axes=(0,)),
    )
)


def _last_shapes(p, ins, outs):
    ins = _lengths(p, ins)
    data = ins[0]
    if data is None:
        return ins, outs
    return ins, [unify(outs[0], (data[1 - p.axis], *data[2:]))]


def _last_gradient(g, node, ograds):
    p = node.params
    grad = g("_backward_SequenceLast", ograds[0], *node.inputs[1:], time=node.in_shapes[0][p.axis], like=p)
    return [grad] + [None] * (len(node.inputs) - 1)


def _last_numpy(p, data, length=None, is_train=True):
    # The last element of an empty sequence is its first (MXNet reads what lies before the array).
    return np.stack([sequence[max(n, 1) - 1] for sequence, n in _each(p, data, length)])


register(
    Op(
        name="SequenceLast",
        doc="Take the last element of each sequence.",
        params=SequenceParams,
        inputs=_names("data"),
        infer_shape=_last_shapes,
        infer_dtype=_dtypes,
        gradient=_last_gradient,
        lower=_gather_lower(0),
        reference=_last_numpy,
        cases=_sequence_cases("SequenceLast", lengths=np.array([1, 3, 2, 1], np.float32)),
    )
)


def _scattered_shape(p, ograd):
    batch, *rest = ograd
    return (p.time, batch, *rest) if p.axis == 0 else (batch, p.time, *rest)


def _scatter_shapes(p, ins, outs):
    if ins[0] is None:
        return ins, outs
    return ins, [unify(outs[0], _scattered_shape(p, ins[0]))]


def _scatter_lower(low, node):
    p, grad, out = node.params, low.ins[0], low.outs[0]
    rows = _rows(low, p, out.shape, low.ins[1] if len(low.ins) > 1 else None, 0)
    low.fill(out, 0)
    time, batch, *rest = out.shape
    low.step("index.Scatter", [grad, rows, out], [out], extent=time * batch, inner=product(rest))


def _scatter_numpy(p, grad, length=None, is_train=True):
    out = np.zeros(_scattered_shape(p, grad.shape), grad.dtype)
    for b, (sequence, n) in enumerate(_each(p, out, length)):
        sequence[max(n, 1) - 1] = grad[b]
    return out


register(
    Op(
        name="_backward_SequenceLast",
        hidden=True,
        doc="Zeros with one element for each sequence, at its last step.",
        params=SequenceScatterParams,
        inputs=_names("ograd"),
        infer_shape=_scatter_shapes,
        infer_dtype=_dtypes,
        lower=_scatter_lower,
        reference=_scatter_numpy,
        cases=(
            Case(shapes={"ograd": (2, 3)}, params={"time": 4}),
            Case(
                shapes={"ograd": (2, 3)}, data={"sequence_length": np.array([1, 3], np.float32)},
                params={"time": 4, "axis": 1, "use_sequence_length": True},
            ),
        ),
    )
)  # fmt: skip
