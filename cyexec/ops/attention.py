"""Attention over interleaved projections, as GluonNLP's transformers use it; and the scale that goes with it.

Queries, keys and values are the slices of one array of shape (length, batch, heads * slices * size). A head's matrices are
gathered before they are multiplied: (batch * heads, length, size).
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from ..lowering.gemm import add_gemm
from .infer import same_shape, unify
from .params import Int, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .strided import View, move
from .windows import float_dtype


class HeadsParams(Params):
    heads = Int(min=1, doc="Set number of heads")


def _size(p, shape, slices, what):
    """Numbers of one head in each slice of an array."""
    if shape[2] < 0:
        return -1
    if shape[2] % (p.heads * slices):
        raise ShapeError(f"{what} {shape}: the last axis must be a multiple of heads={p.heads} times {slices} slices")
    return shape[2] // (p.heads * slices)


def _head_view(p, ref, slices, which):
    """View (batch, heads, length, size) of slice number `which`."""
    length, batch, _ = ref.shape
    view = View.of(ref, (length, batch, p.heads, slices, _size(p, ref.shape, slices, "input")))
    return view.cut(3, which, 1).drop(3).transpose((1, 2, 0, 3))


def _gathered(low, p, ref, slices, which):
    """The matrices of one slice: (batch * heads, length, size)."""
    view = _head_view(p, ref, slices, which)
    made = low.workspace(view.shape, ref.dtype)
    move(low, View.of(made), view)
    return made


def _spread(low, p, made, ref, slices, which):
    """Write matrices of one slice to their places in `ref`."""
    move(low, _head_view(p, ref, slices, which), View.of(made))


def _batched(low, a, b, out, transpose_a=False, transpose_b=False, alpha=1.0):
    """out = alpha op(a) op(b) for each matrix."""
    m, n = out.shape[-2:]
    k = a.shape[-2] if transpose_a else a.shape[-1]
    add_gemm(low, a, b, out, m, n, k, out.size // max(m * n, 1), transpose_a, transpose_b, alpha)


def _heads_numpy(p, x, slices, which):
    length, batch, _ = x.shape
    parts = x.astype(np.float64).reshape(length, batch, p.heads, slices, -1)[:, :, :, which]
    return parts.transpose(1, 2, 0, 3).reshape(batch * p.heads, length, -1)


def _define_scores(name, inputs, slices, doc, cases):
    """Register the products of queries and keys, and their gradient. `slices` of each input: queries first, keys second."""
    same = len(inputs) == 1  # queries and keys lie in one array
    key_slice = 1 if same else 0

    def infer_shape(p, ins, outs):
        for shape, what in zip(ins, inputs):
            check_rank(shape, 3, what)
        if any(s is None for s in ins):
            return ins, outs
        queries, keys = ins[0], ins[-1]
        batch = unify(queries[1:2], keys[1:2], "batches")[0]
        sizes = [_size(p, s, n, what) for s, n, what in zip(ins, slices, inputs)]
        unify((sizes[0],), (sizes[-1],), "sizes of queries and keys")
        rows = -1 if batch < 0 else batch * p.heads
        return ins, [unify(outs[0], (rows, queries[0], keys[0]), "output")]

    def parts(low, p, refs):
        queries, keys = refs[0], refs[-1]
        return _gathered(low, p, queries, slices[0], 0), _gathered(low, p, keys, slices[-1], key_slice)

    def lower(low, node):
        if low.outs[0].size:
            q, k = parts(low, node.params, low.ins)
            _batched(low, q, k, low.outs[0], False, True, q.shape[-1] ** -0.5)

    def backward_lower(low, node):
        p, (grad, *refs) = node.params, low.ins
        for out in low.outs:
            low.fill(out, 0)
        if not grad.size:
            return
        q, k = parts(low, p, refs)
        scale = q.shape[-1] ** -0.5
        dq, dk = low.workspace(q.shape, q.dtype), low.workspace(k.shape, k.dtype)
        _batched(low, grad, k, dq, alpha=scale)
        _batched(low, grad, q, dk, True, alpha=scale)
        _spread(low, p, dq, low.outs[0], slices[0], 0)
        _spread(low, p, dk, low.outs[-1], slices[-1], key_slice)

    def reference(p, *ins, is_train):
        q, k = _heads_numpy(p, ins[0], slices[0], 0), _heads_numpy(p, ins[-1], slices[-1], key_slice)
        return q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])

    _register_pair(name, doc, inputs, infer_shape, lower, backward_lower, reference, cases)


def _define_values(name, inputs, slices, doc, cases):
    """Register the products of attention maps and values, the last slice, and their gradient."""

    def infer_shape(p, ins, outs):
        check_rank(ins[0], 3, inputs[0])
        check_rank(ins[1], 3, inputs[1])
        if any(s is None for s in ins):
            return ins, outs
        (length, batch, _), size = ins[0], _size(p, ins[0], slices, inputs[0])
        attention = unify(ins[1], (-1 if batch < 0 else batch * p.heads, -1, length), "attention")
        out = (attention[1], batch, -1 if size < 0 else p.heads * size)
        return [ins[0], attention], [unify(outs[0], out, "output")]

    def lower(low, node):
        p, (source, attention), out = node.params, low.ins, low.outs[0]
        if not out.size:
            return
        values = _gathered(low, p, source, slices, slices - 1)
        made = low.workspace((*values.shape[:2], out.shape[0], values.shape[3]), out.dtype)
        _batched(low, attention, values, made)
        _spread(low, p, made, out, 1, 0)

    def backward_lower(low, node):
        p, (grad, source, attention) = node.params, low.ins
        low.fill(low.outs[0], 0)
        if not grad.size:
            low.fill(low.outs[1], 0)
            return
        values = _gathered(low, p, source, slices, slices - 1)
        g = _gathered(low, p, grad, 1, 0)
        _batched(low, g, values, low.outs[1], False, True)
        made = low.workspace(values.shape, values.dtype)
        _batched(low, attention, g, made, True)
        _spread(low, p, made, low.outs[0], slices, slices - 1)

    def reference(p, source, attention, is_train):
        made = attention.astype(np.float64) @ _heads_numpy(p, source, slices, slices - 1)
        length, batch = attention.shape[1], source.shape[1]
        return made.reshape(batch, p.heads, length, -1).transpose(2, 0, 1, 3).reshape(length, batch, -1)

    _register_pair(name, doc, inputs, infer_shape, lower, backward_lower, reference, cases)


def _register_pair(name, doc, inputs, infer_shape, lower, backward_lower, reference, cases):
    """Register an operator and its gradient, which reads the output's gradient and the inputs."""
    register(
        Op(
            name=f"_backward_{name}",
            hidden=True,
            doc=f"Gradients of {name}.",
            params=HeadsParams,
            inputs=("ograd", *inputs),
            outputs=inputs,
            infer_shape=lambda p, ins, outs: (ins, ins[1:]),
            lower=backward_lower,
        )
    )

    def gradient(g, node, ograds):
        made = g.node(f"_backward_{name}", ograds[0], *node.inputs, heads=node.params.heads)
        return [made[i] for i in range(len(inputs))]

    register(
        Op(
            name=f"_contrib_{name}",
            doc=doc,
            params=HeadsParams,
            inputs=inputs,
            infer_shape=infer_shape,
            infer_dtype=float_dtype,
            gradient=gradient,
            lower=lower,
            reference=reference,
            cases=cases,
        )
    )


_define_scores(
    "interleaved_matmul_selfatt_qk",
    ("queries_keys_values",),
    (3,),
    "Multiply queries with keys, scaled by 1 / sqrt(size): scores (batch * heads, length, length) of self-attention.",
    (
        Case({"queries_keys_values": (3, 2, 24)}, {"heads": 2}),
        Case({"queries_keys_values": (4, 1, 9)}, {"heads": 1}),
    ),
)
_define_values(
    "interleaved_matmul_selfatt_valatt",
    ("queries_keys_values", "attention"),
    3,
    "Multiply attention maps (batch * heads, length, length) with values: the result of self-attention.",
    (Case({"queries_keys_values": (3, 2, 24), "attention": (4, 3, 3)}, {"heads": 2}),),
)
_define_scores(
    "interleaved_matmul_encdec_qk",
    ("queries", "keys_values"),
    (1, 2),
    "Multiply a decoder's queries with an encoder's keys, scaled by 1 / sqrt(size).",
    (Case({"queries": (3, 2, 8), "keys_values": (5, 2, 16)}, {"heads": 2}),),
)
_define_values(
    "interleaved_matmul_encdec_valatt",
    ("keys_values", "attention"),
    2,
    "Multiply attention maps (batch * heads, decoder length, encoder length) with an encoder's values.",
    (Case({"keys_values": (5, 2, 16), "attention": (4, 3, 5)}, {"heads": 2}),),
)


# div_sqrt_dim


def _scaled(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    low.elementwise([Instr("div_s", (0,), float(low.ins[0].shape[-1]) ** 0.5)], low.ins, low.outs)


def _scaled_shape(p, ins, outs):
    ins, outs = same_shape(p, ins, outs)
    if ins[0] == ():
        raise ShapeError("data must have at least one dimension")
    return ins, outs


register(
    Op(
        name="_contrib_div_sqrt_dim",
        doc="Divide by the square root of the last axis' extent.",
        infer_shape=_scaled_shape,
        infer_dtype=float_dtype,
        gradient=lambda g, node, ograds: [g("_contrib_div_sqrt_dim", ograds[0])],
        lower=_scaled,
        reference=lambda p, x, is_train: x / np.sqrt(x.shape[-1]),
        cases=(Case({"data": (2, 3)}, dtypes=("float32", "float64", "float16")), Case({"data": (5,)})),
    )
)
