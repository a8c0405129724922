"""Random integers: randint, draws from given probabilities, shuffling."""

from __future__ import annotations

import numpy as np

from ..base import MXNetError, ShapeError
from .infer import FLOAT32, product, same_dtype, same_shape, unify, zero_gradient
from .params import Bool, Int, Params, Shape, Str
from .random import NarrowDType, shape_of_param
from .registry import register
from .schema import Case, Op

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


class RandintParams(Params):
    low = Int(doc="Lower bound, included.")
    high = Int(doc="Upper bound, excluded.")
    shape = Shape(default=None, doc="Shape of the output; 0 is an extent to be inferred.")
    ctx = Str(default="", doc="Context of the output, for imperative calls.")
    dtype = NarrowDType("int32", "int64", default=None, doc="Dtype of the output, int32 by default.")


def _randint_lower(low, node):
    p, dtype = node.params, low.outs[0].dtype
    info = np.iinfo(dtype)
    if not p.low < p.high:
        raise MXNetError(f"{node.describe()}: low must be less than high, found low={p.low}, high={p.high}")
    if p.low < info.min or p.high - 1 > info.max:
        raise MXNetError(f"{node.describe()}: [{p.low}, {p.high}) does not fit in {dtype}")
    low.step("random_integers.Randint", [], [low.outs[0]], low=p.low, high=p.high, stream=low.random_stream())


register(
    Op(
        name="_random_randint",
        aliases=("random_randint",),
        doc="Draw random integers from [low, high), all equally likely.",
        params=RandintParams,
        inputs=(),
        random=True,
        infer_shape=lambda p, ins, outs: ([], [unify(shape_of_param(p.shape), outs[0], "shape and output shape")]),
        infer_dtype=lambda p, ins, outs: ([], [p.dtype or INT32]),
        gradient=zero_gradient,
        lower=_randint_lower,
        cases=(
            Case({}, {"low": -3, "high": 5, "shape": (3, 4)}),
            Case({}, {"low": 0, "high": 2**40, "shape": (70,), "dtype": "int64"}),
        ),
    )
)


class MultinomialParams(Params):
    shape = Shape(default=(), doc="Shape of the draws from each distribution.")
    get_prob = Bool(default=False, doc="Also return the logarithm of the probability of each draw.")
    dtype = NarrowDType(
        "float16", "float32", "float64", "int32", "uint8", default=INT32, doc="Dtype of the drawn indices."
    )


def _multinomial_shape(p, ins, outs):
    data = ins[0]
    if data is not None and len(data) == 0:
        raise ShapeError("data must have at least one dimension, the outcomes")
    out = None if data is None else data[:-1] + tuple(p.shape) or (1,)
    for shape in outs:
        out = unify(out, shape, "output shapes")
    return [data], [out] * len(outs)


def _rows(low, ref):
    """Probabilities as a matrix in float32 or float64."""
    wide = FLOAT32 if ref.dtype.itemsize == 2 else ref.dtype
    return low.cast(ref, wide).reshape(product(ref.shape[:-1]), ref.shape[-1])


def _multinomial_lower(low, node):
    outs = low.outs
    if outs[0].size == 0:
        return
    data = low.ins[0]
    if data.shape[-1] == 0:
        raise MXNetError(f"{node.describe()}: no outcomes to draw from, data is {data.shape}")
    matrix = _rows(low, data)
    shape = (matrix.shape[0], outs[0].size // matrix.shape[0])
    drawn = low.workspace(shape, INT64)
    writes = [drawn]
    if len(outs) == 2:
        writes.append(outs[1].reshape(*shape) if outs[1].dtype == matrix.dtype else low.workspace(shape, matrix.dtype))
    low.step("random.Multinomial", [matrix], writes, dtype=matrix.dtype, stream=low.random_stream())
    low.cast(drawn.reshape(*outs[0].shape), outs[0].dtype, outs[0])
    if len(outs) == 2 and outs[1].dtype != matrix.dtype:
        low.cast(writes[1].reshape(*outs[1].shape), outs[1].dtype, outs[1])


def _multinomial_gradient(g, node, ograds):
    if len(ograds) < 2 or ograds[1] is None:
        return [None]
    return [g("_backward_sample_multinomial", ograds[1], node.inputs[0], node[0])]


def _multinomial_backward_lower(low, node):
    dlog, data, drawn = low.ins
    out = low.outs[0]
    if drawn.size == 0 or data.size == 0:
        low.fill(out, 0)
        return
    matrix = _rows(low, data)
    shape = (matrix.shape[0], drawn.size // matrix.shape[0])
    made = out.reshape(*matrix.shape) if out.dtype == matrix.dtype else low.workspace(matrix.shape, matrix.dtype)
    reads = [low.cast(dlog, matrix.dtype).reshape(*shape), matrix, low.cast(drawn, INT64).reshape(*shape)]
    low.step("random.MultinomialGradient", reads, [made])
    if out.dtype != matrix.dtype:
        low.cast(made.reshape(*out.shape), out.dtype, out)


register(
    Op(
        name="_sample_multinomial",
        aliases=("sample_multinomial",),
        doc="""Draw indices from distributions given by their probabilities along the last axis.

        With `get_prob` the second output holds logarithms of the probabilities of what was drawn. Its gradient flows
        to data, for policy gradients; the gradient of the indices is zero.
        """,
        params=MultinomialParams,
        outputs=lambda p: ("output0", "output1") if p.get_prob else ("output",),
        random=True,
        infer_shape=_multinomial_shape,
        infer_dtype=lambda p, ins, outs: (ins, [p.dtype, ins[0]] if p.get_prob else [p.dtype]),
        gradient=_multinomial_gradient,
        lower=_multinomial_lower,
        cases=(
            Case({"data": (4,)}, {"shape": (5,)}, low=0.1, high=0.25),
            Case({"data": (3, 4)}, {"get_prob": True}, low=0.1, high=0.25, grad=False),
            Case({"data": (2, 3, 4)}, {"shape": (2, 2), "dtype": "float64"}, low=0.1, high=0.25),
        ),
    )
)

register(
    Op(
        name="_backward_sample_multinomial",
        hidden=True,
        doc="Gradient of the logarithms of probabilities that _sample_multinomial returns.",
        inputs=("ograd", "data", "drawn"),
        infer_shape=lambda p, ins, outs: (ins, [ins[1]]),
        infer_dtype=lambda p, ins, outs: (ins, [ins[1]]),
        lower=_multinomial_backward_lower,
    )
)


def _shuffle_lower(low, node):
    x, y = low.ins[0], low.outs[0]
    if x.size == 0:
        return
    order = low.workspace((x.shape[0],), INT64)
    low.step("random_integers.Permutation", [], [order], stream=low.random_stream())
    low.step("shuffle.Rows", [x.reshape(x.shape[0], -1), order], [y.reshape(x.shape[0], -1)])


def _shuffle_shape(p, ins, outs):
    (data,), (out,) = same_shape(p, ins, outs)
    if data == ():
        raise ShapeError("data must have at least one dimension, found ()")
    return [data], [out]


register(
    Op(
        name="_shuffle",
        aliases=("shuffle",),
        doc="Put the elements of the first axis in random order; what each of them holds stays together.",
        random=True,
        infer_shape=_shuffle_shape,
        infer_dtype=same_dtype,
        gradient=zero_gradient,
        lower=_shuffle_lower,
        cases=(
            Case({"data": (7, 3)}, dtypes=("float32", "float64", "float16", "int32"), grad=False),
            Case({"data": (70,)}, grad=False),
        ),
    )
)
