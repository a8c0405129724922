import cyexec as mx
from cyexec.graph.graph import Graph
from cyexec.passes import fold_batchnorm, hoist_constants

from .compare import graph_of, lines


def split(symbol, **shapes):
    found = hoist_constants.run(fold_batchnorm.run(graph_of(symbol, **shapes)))
    return lines(found.graph), lines(Graph(found.constants)) if found.constants else []


def test_folded_parameters_are_constants():
    conv = mx.sym.Convolution(mx.sym.var("x"), kernel=(1, 1), num_filter=2, no_bias=True, name="conv")
    graph, constants = split(mx.sym.BatchNorm(conv, name="bn"), x=(1, 3, 4, 4))
    assert graph == ["bn = Convolution(x, conv_weight_folded_output, bn_folded_shift)", "return bn"]
    assert constants[-1] == "return conv_weight_folded, bn_folded:1"


def test_what_the_user_computes_of_weights_is_a_constant():
    w = mx.sym.var("fc_weight", shape=(2, 3))
    net = mx.sym.FullyConnected(mx.sym.var("x"), mx.sym.L2Normalization(w, name="unit"), num_hidden=2, no_bias=True, name="fc")
    graph, constants = split(net, x=(4, 3))
    assert graph == ["fc = FullyConnected(x, unit_output)", "return fc"]
    assert constants == ["unit = L2Normalization(fc_weight)", "return unit"]


def test_data_is_none():
    x, y = mx.sym.var("x"), mx.sym.var("y")
    for net in (x * y + 1, mx.sym.FullyConnected(x * 2, num_hidden=2), mx.sym.zeros((2, 3)) + 1):
        assert split(net, x=(2, 3), y=(2, 3))[1] == []


def test_a_parameter_that_is_shown_too_is_computed_at_every_run():
    unit = mx.sym.L2Normalization(mx.sym.var("w", shape=(2, 3)))
    net = mx.sym.Group([mx.sym.FullyConnected(mx.sym.var("x"), unit, num_hidden=2, no_bias=True), unit])
    assert split(net, x=(4, 3))[1] == []


def test_views_cost_nothing_and_are_not_kept():
    w = mx.sym.Reshape(mx.sym.var("w", shape=(6,)), shape=(2, 3), name="view")
    net = mx.sym.FullyConnected(mx.sym.var("x"), w, num_hidden=2, no_bias=True, name="fc")
    graph, constants = split(net, x=(4, 3))
    assert graph[0] == "view = Reshape(w)" and constants == []


def test_random_weights_are_drawn_at_every_run():
    w = mx.sym.random.uniform(shape=(2, 3)) + mx.sym.var("w", shape=(2, 3))
    net = mx.sym.FullyConnected(mx.sym.var("x"), w, num_hidden=2, no_bias=True)
    assert split(net, x=(4, 3))[1] == []
