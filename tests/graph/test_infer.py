"""Shape and dtype inference over symbols."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cyexec as mx
from cyexec.base import DTypeError, MXNetError, ShapeError
from cyexec.graph.infer import from_mxnet_shape, infer_dtypes, infer_shapes, to_mxnet_shape
from cyexec.ops.infer import is_full, unify

V = mx.sym.Variable


def shapes_by_name(symbol, known, partial=True):
    result = infer_shapes(symbol._outputs, known, partial)
    return {node.name: shapes for node, shapes in result.items()}


class TestShapes:
    def test_mxnets_unknowns(self):
        assert from_mxnet_shape((0, 3, -1)) == (-1, 3, -1)
        assert from_mxnet_shape(()) is None
        assert from_mxnet_shape(None) is None
        assert to_mxnet_shape((-1, 3)) == (0, 3)
        assert to_mxnet_shape(None) == ()

    def test_zero_is_a_real_extent_inside(self):
        net = mx.sym.exp(V("x"), name="e")
        assert shapes_by_name(net, {"x": (0, 3)})["e"] == [(0, 3)]

    def test_from_an_output_back_to_all_inputs(self):
        x, y = V("x"), V("y")
        net = mx.sym.exp(x, name="a") * mx.sym.sin(y, name="b") + V("z")
        found = shapes_by_name(net, {"z": (2, 3)})
        assert found["x"] == found["y"] == found["a"] == found["b"] == [(2, 3)]

    def test_two_partial_shapes_complete_each_other(self):
        net = V("x") + V("y")
        assert shapes_by_name(net, {"x": (2, -1), "y": (-1, 3)})["x"] == [(2, 3)]

    def test_one_variable_read_twice_by_a_node(self):
        x = V("x")
        assert shapes_by_name(mx.sym.elemwise_add(x, x, name="s"), {"x": (4,)})["s"] == [(4,)]

    def test_contradiction_names_node_operator_and_argument(self):
        fc = mx.sym.FullyConnected(V("data"), num_hidden=3, name="fc1")
        with pytest.raises(ShapeError, match=r"FullyConnected 'fc1': .*\(3, 5\)"):
            shapes_by_name(fc, {"data": (2, 4), "fc1_weight": (3, 5)})
        with pytest.raises(ShapeError, match=r"inputs are .*\(2, 4\)"):
            shapes_by_name(V("x") + V("y"), {"x": (2, 4), "y": (2, 5)})

    def test_incomplete_names_the_arguments(self):
        with pytest.raises(ShapeError, match="unknown are those of arguments x, y"):
            infer_shapes((V("x") + V("y"))._outputs, {})

    @pytest.mark.parametrize("backward", [False, True])
    def test_time_grows_with_the_number_of_nodes(self, backward):
        net = V("x")
        for i in range(20_000):
            net = mx.sym.identity(net, name=f"n{i}")
        net = net + V("y")
        start = time.perf_counter()
        found = shapes_by_name(net, {"y" if backward else "x": (2, 3)})
        assert found["x"] == found["y"] == [(2, 3)]
        assert time.perf_counter() - start < 10  # half a second alone; quadratic time would be an hour


class TestDTypes:
    def dtypes(self, symbol, known, default=np.dtype(np.float32)):
        result = infer_dtypes(symbol._outputs, {k: np.dtype(v) for k, v in known.items()}, default)
        return {node.name: [None if d is None else d.name for d in dtypes] for node, dtypes in result.items()}

    def test_default_is_float32(self):
        assert self.dtypes(V("x") + V("y"), {})["y"] == ["float32"]
        assert self.dtypes(V("x") + V("y"), {}, None)["y"] == [None]

    def test_declared_dtype_comes_before_the_default(self):
        assert self.dtypes(V("x") + V("y", dtype="float16"), {})["x"] == ["float16"]

    def test_casts_part_a_graph(self):
        net = mx.sym.Cast(V("x") + V("y"), dtype="float64", name="c") * V("z")
        found = self.dtypes(net, {"x": "float16"})
        assert (found["y"], found["c"], found["z"]) == (["float16"], ["float64"], ["float64"])

    def test_batch_norm_keeps_float32_statistics_for_float16(self):
        found = self.dtypes(mx.sym.BatchNorm(V("x"), name="bn"), {"x": "float16"})
        assert found["bn_gamma"] == found["bn_moving_mean"] == ["float32"]
        assert found["bn"][0] == "float16"

    def test_contradiction_names_the_node(self):
        with pytest.raises(DTypeError, match="elemwise_add 's'.*float16.*float32|elemwise_add 's'.*float32.*float16"):
            self.dtypes(mx.sym.elemwise_add(V("x"), V("y"), name="s"), {"x": "float16", "y": "float32"})


@st.composite
def graphs(draw):
    """A random graph of elementwise operators, concatenations and transpositions over variables of known shapes."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    made = [(V("v0"), (rows, columns))]
    known = {"v0": (rows, columns)}
    for i in range(draw(st.integers(1, 15))):
        symbol, shape = draw(st.sampled_from(made))
        kind = draw(st.sampled_from(["unary", "binary", "variable", "concat", "transpose"]))
        if kind == "unary":
            made.append((mx.sym.exp(symbol, name=f"n{i}"), shape))
        elif kind == "transpose":
            made.append((mx.sym.transpose(symbol, axes=(1, 0), name=f"n{i}"), shape[::-1]))
        elif kind == "variable":
            known[f"v{i + 1}"] = shape
            made.append((mx.sym.elemwise_add(symbol, V(f"v{i + 1}"), name=f"n{i}"), shape))
        else:
            others = [s for s, other in made if other == shape]
            other = draw(st.sampled_from(others))
            if kind == "binary":
                made.append((mx.sym.elemwise_mul(symbol, other, name=f"n{i}"), shape))
            else:
                made.append((mx.sym.Concat(symbol, other, dim=0, name=f"n{i}"), (2 * shape[0], shape[1])))
    return mx.sym.Group([s for s, _ in made]), known, [shape for _, shape in made]


@settings(max_examples=80, deadline=None)
@given(graphs(), st.data())
def test_less_known_never_says_something_else(case, data):
    symbol, known, wanted = case
    full = infer_shapes(symbol._outputs, known)
    assert [full[n][i] for n, i in symbol._outputs] == wanted
    hidden = {}
    for name, shape in known.items():
        keep = data.draw(st.sampled_from(["all", "none", "first"]))
        hidden[name] = {"all": shape, "none": None, "first": (shape[0], -1)}[keep]
    for node, shapes in infer_shapes(symbol._outputs, hidden, partial=True).items():
        for ours, true in zip(shapes, full[node]):
            assert unify(ours, true) == true


@settings(max_examples=80, deadline=None)
@given(graphs(), st.data())
def test_a_wrong_shape_is_refused_or_overridden_nowhere(case, data):
    symbol, known, _ = case
    name = data.draw(st.sampled_from(sorted(known)))
    wrong = {**known, name: (known[name][0] + 1, known[name][1])}
    try:
        found = infer_shapes(symbol._outputs, wrong)
    except MXNetError:
        return
    assert all(is_full(s) for shapes in found.values() for s in shapes)
    assert next(shapes for node, shapes in found.items() if node.name == name) == [wrong[name]]
