"""fft, ifft and count_sketch: compact bilinear pooling (Gao et al., 2016). MXNet has them on GPUs alone.

A complex number is a pair (real, imaginary) along the last axis, which is so twice as long as that of real numbers.
"""

from __future__ import annotations

import numpy as np

from ..base import ShapeError
from .indexing import INT64, check_bounds
from .infer import product, unify
from .params import Int, Params
from .registry import register
from .roi import check_rank
from .schema import Case, Op
from .windows import float_dtype


class FourierParams(Params):
    compute_size = Int(default=128, min=1, doc="Accepted and ignored: rows are not transformed in batches.")


def _spectrum_shape(inverse):
    def infer(p, ins, outs):
        data, out = ins[0], outs[0]
        for shape, what in ((data, "data"), (out, "output")):
            if shape is not None and len(shape) not in (2, 4):
                raise ShapeError(f"{what} must have 2 or 4 dimensions, found {shape}")
        pairs = data if inverse else out
        if pairs is not None and pairs[-1] >= 0 and pairs[-1] % 2:
            raise ShapeError(f"pairs of real and imaginary parts need an even last extent, found {pairs}")
        if data is not None and data[-1] >= 0:
            out = unify(out, (*data[:-1], data[-1] // 2 if inverse else 2 * data[-1]), "output")
        if out is not None and out[-1] >= 0:
            data = unify(data, (*out[:-1], 2 * out[-1] if inverse else out[-1] // 2), "data")
        return [data], [out]

    return infer


def _lower(inverse):
    def lower(low, node):
        src, dst = low.ins[0], low.outs[0]
        n = (dst if inverse else src).shape[-1]
        if not dst.size:
            return
        work = [low.workspace((product(src.shape[:-1]), n), np.dtype(np.float64)) for _ in range(2)]
        low.step("fft.Fourier", [src], [dst, *work], dtype=dst.dtype, n=n, inverse=inverse)

    return lower


def _fft_numpy(p, x, is_train):
    made = np.fft.fft(x.astype(np.float64))
    return np.stack([made.real, made.imag], axis=-1).reshape(*x.shape[:-1], -1)


def _ifft_numpy(p, x, is_train):
    pairs = x.astype(np.float64).reshape(*x.shape[:-1], -1, 2)
    return np.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1]).real * pairs.shape[-2]


# Each is the other's gradient: transposes of the same sums.
for _name, _other, _doc, _inverse, _reference, _wide in (
    (
        "fft",
        "ifft",
        "Transform rows of real numbers to pairs (real, imaginary) of their spectrum.",
        False,
        _fft_numpy,
        1,
    ),
    (
        "ifft",
        "fft",
        "Transform pairs back to real numbers, times their number: nothing is divided.",
        True,
        _ifft_numpy,
        2,
    ),
):
    register(
        Op(
            name=f"_contrib_{_name}",
            doc=_doc,
            params=FourierParams,
            infer_shape=_spectrum_shape(_inverse),
            infer_dtype=float_dtype,
            gradient=lambda g, node, ograds, other=_other: [g(f"_contrib_{other}", ograds[0])],  # type: ignore[misc]
            lower=_lower(_inverse),
            reference=_reference,
            cases=tuple(
                Case({"data": (*lead, n * _wide)}, atol=1e-5)
                for lead, n in (((3,), 8), ((2,), 6), ((2, 1, 3), 4), ((2,), 1))
            ),
        )
    )


# count_sketch


class SketchParams(Params):
    out_dim = Int(doc="The output dimension.", min=1)
    processing_batch_size = Int(default=32, min=1, doc="Accepted and ignored: rows are not sketched in batches.")


def _sketch_shape(p, ins, outs):
    data, h, s = ins
    if data is None:
        return ins, outs
    if len(data) < 2:
        raise ShapeError(f"data must have at least two dimensions, found {data}")
    width = (1, data[-1])
    check_rank(h, 2, "h")
    check_rank(s, 2, "s")
    h, s = unify(h, width, "h and (1, in_dim)"), unify(s, width, "s and (1, in_dim)")
    out = unify(outs[0], (*data[:-1], p.out_dim), "output")
    return [(*out[:-1], data[-1]), h, s], [out]


def _sketch_lower(low, node):
    from ..lowering.lower import Instr  # not at import: lowering imports the registry, which this file fills

    (data, h, s), out = low.ins, low.outs[0]
    rows, width = product(data.shape[:-1]), data.shape[-1]
    if not out.size:
        return
    if not data.size:
        low.fill(out, 0)
        return
    signed = low.workspace((rows, width), data.dtype)
    low.elementwise([Instr("mul", (0, 1))], [data.reshape(rows, width), s], [signed])
    places = low.cast(h.reshape(width), INT64)
    check_bounds(low, places, [0], [out.shape[-1]])
    low.step("scatter.ScatterAdd", [signed, places], [out], outer=rows, extent=out.shape[-1], inner=1)


def _sketch_gradient(g, node, ograds):
    data, h, s = node.inputs
    places = g("_reshape_to", h, shape=(data.shape[-1],))
    back = g("take", ograds[0], places, axis=len(data.shape) - 1)
    return [g("broadcast_mul", back, g("_reshape_to", s, shape=(data.shape[-1],))), None, None]


def _sketch_numpy(p, data, h, s, is_train):
    out = np.zeros((*data.shape[:-1], p.out_dim))
    np.add.at(np.moveaxis(out, -1, 0), h[0].astype(np.int64), np.moveaxis(data * s[0].astype(np.float64), -1, 0))
    return out


_PLACES, _SIGNS = np.array([[0.0, 3, 3, 1, 0]]), np.array([[1.0, -1, 1, 1, -1]])

register(
    Op(
        name="_contrib_count_sketch",
        doc="""Project rows to fewer numbers: element i is added, with sign ``s[i]``, to number ``h[i]`` of the output.

        (Charikar, Chen, Farach-Colton, 2002.) No gradient flows to `h` and `s`.
        """,
        params=SketchParams,
        inputs=("data", "h", "s"),
        infer_shape=_sketch_shape,
        infer_dtype=float_dtype,
        gradient=_sketch_gradient,
        lower=_sketch_lower,
        reference=_sketch_numpy,
        cases=(
            Case({"data": (3, 5)}, {"out_dim": 4}, {"h": _PLACES, "s": _SIGNS}),
            Case({"data": (2, 1, 3, 5)}, {"out_dim": 6}, {"h": _PLACES, "s": _SIGNS}),
        ),
    )
)
