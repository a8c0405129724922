"""Laws of reshaping, slicing, joining and splitting, and what their shape inference says of bad requests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.base import ShapeError
from cyexec.ops import registry
from cyexec.ops.infer import product
from cyexec.ops.reshape import reshape_shape

shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


def infer(name, ins, outs=(None,), **params):
    op = registry.get(name)
    return op.infer_shape(op.params(**params), list(ins), list(outs))


@given(shapes, st.data())
def test_reshape_codes_keep_the_size(shape, data):
    """Any walk over the data's dimensions by the codes ends in a shape of the same size."""
    codes, at = [], 0
    while at < len(shape):
        code = data.draw(st.sampled_from([0, -2, -3, -4] if at + 1 < len(shape) else [0, -2, -4]))
        if code == -4:
            n = shape[at]
            part = data.draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0]))
            codes += [-4, *data.draw(st.sampled_from([(part, n // part), (-1, part), (part, -1)]))]
        else:
            codes.append(code)
        at += {-2: len(shape), -3: 2}.get(code, 1)
    assert product(reshape_shape(shape, tuple(codes))) == product(shape)
    if -4 not in codes:
        whole = reshape_shape(shape[::-1], tuple(reversed(codes)), reverse=True)
        assert whole == reshape_shape(shape, tuple(codes))[::-1]


@given(shapes, st.data())
@settings(max_examples=40, deadline=None)
def test_concat_undoes_split(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(shape[axis] - 1, 1)), max_size=3)))
    x = np.arange(product(shape), dtype=np.float32).reshape(shape)
    parts = mx.nd.op._split_v2 if hasattr(mx.nd.op, "_split_v2") else mx.nd._internal._split_v2
    got = parts(mx.nd.array(x), indices=(0, *(c for c in cuts if c < shape[axis])), axis=axis)
    got = got if isinstance(got, list) else [got]
    np.testing.assert_array_equal(mx.nd.concat(*got, dim=axis).asnumpy(), x)


@pytest.mark.parametrize(
    "name,ins,outs,params,want",
    [
        ("Reshape", [(-1, 3, 4)], [(2, 12)], {"shape": (2, 12)}, ([(2, 3, 4)], [(2, 12)])),
        ("Reshape", [(-1, 3, 4)], [None], {"shape": (0, -1)}, ([(-1, 3, 4)], [(-1, -1)])),
        ("Concat", [(2, 3), None], [(2, 7)], {"num_args": 2}, ([(2, 3), (2, 4)], [(2, 7)])),
        ("Concat", [(-1, 3), (7, 5)], [None], {"num_args": 2}, ([(7, 3), (7, 5)], [(7, 8)])),
        ("transpose", [None], [(3, 4, 5)], {"axes": (1, 2, 0)}, ([(5, 3, 4)], [(3, 4, 5)])),
        ("SliceChannel", [None], [(2, 3), None], {"num_outputs": 2}, ([(2, 6)], [(2, 3), (2, 3)])),
        ("stack", [None, (4, 6)], [None], {"num_args": 2}, ([(4, 6), (4, 6)], [(2, 4, 6)])),
        ("Embedding", [(4,), None], [None], {"input_dim": 3, "output_dim": 2}, ([(4,), (3, 2)], [(4, 2)])),
        ("expand_dims", [None], [(1, 6)], {"axis": 0}, ([(6,)], [(1, 6)])),
    ],
)  # fmt: skip
def test_infers_partial_shapes(name, ins, outs, params, want):
    assert infer(name, ins, outs, **params) == want


@pytest.mark.parametrize(
    "name,ins,params,message",
    [
        ("Reshape", [(2, 3)], {"shape": (5, -1)}, "5 does not divide"),
        ("Reshape", [(2, 3)], {"shape": (4, 2)}, "sizes differ"),
        ("Reshape", [(2, 3)], {"shape": (-1, -1)}, "one and only one"),
        ("Reshape", [(2, 3)], {"shape": (0, 0, 0)}, "more dimensions"),
        ("transpose", [(2, 3)], {"axes": (0, 0)}, "not a permutation"),
        ("slice", [(5, 4)], {"begin": (0,), "end": (3,), "step": (0,)}, "cannot be 0"),
        ("slice_axis", [(5, 4)], {"axis": 0, "begin": 3, "end": 2}, "no part of axis 0"),
        ("Concat", [(2, 3), (4, 4)], {"num_args": 2}, "must agree"),
        ("SliceChannel", [(2, 4)], {"num_outputs": 3}, "cannot be split into 3"),
        ("squeeze", [(1, 2)], {"axis": 1}, "extent is not 1"),
        ("take", [(2, 3), (1,)], {"axis": 2}, "out of range"),
        ("topk", [(2, 3)], {"k": 4}, "more than the 3 elements"),
        ("Pad", [(1, 1, 3, 3)], {"mode": "reflect", "pad_width": (0, 0, 0, 0, 3, 0, 0, 0)}, "reflection needs"),
    ],
)
def test_refuses_with_rule_and_values(name, ins, params, message):
    outs = [None] * len(registry.get(name).output_names(registry.get(name).params(**params)))
    with pytest.raises(ShapeError, match=message):
        infer(name, ins, outs, **params)
