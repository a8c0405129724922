import cyexec as mx
from cyexec.graph.graph import Graph
from cyexec.passes import drop_identities

from .compare import check_pass, graph_of, lines


def network():
    x = mx.sym.Dropout(mx.sym.var("x"), p=0.5, name="drop")
    x = mx.sym.BlockGrad(mx.sym.tanh(x, name="t"), name="stop")
    return mx.sym.MakeLoss(mx.sym.identity(x, name="same"), name="loss")


def test_layers_become_neighbours():
    check_pass(drop_identities.run, graph_of(network(), x=(2, 3)), ["t = tanh(x)", "return t"])


def test_dropout_that_drops_stays():
    always = mx.sym.Dropout(mx.sym.var("x"), p=0.5, mode="always", name="drop")
    for graph in (graph_of(always, x=(2, 3)), graph_of(network(), is_train=True, x=(2, 3))):
        assert lines(drop_identities.run(graph))[0] == "drop = Dropout(x)"


def test_shown_mask_stays():
    graph = graph_of(mx.sym.Dropout(mx.sym.var("x"), name="drop"), x=(2, 3))
    shown = Graph([graph.outputs[0].node[1]])
    assert lines(drop_identities.run(shown)) == ["drop = Dropout(x)", "return drop:1"]
