"""Tables and drawings of symbols. The drawing goes to a stand-in of graphviz's Digraph, which notes what it is told."""

import contextlib
import io
import sys
import types

CALLS = []


class Digraph:
    def __init__(self, **kwargs):
        CALLS.append(["Digraph", kwargs])

    def node(self, **kwargs):
        CALLS.append(["node", kwargs])

    def edge(self, **kwargs):
        CALLS.append(["edge", kwargs])


def kind(f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return "none"


def mixed(mx):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=8, pad=(1, 1), name="conv1")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, name="bn1"), act_type="relu", name="relu1")
    side = mx.sym.Convolution(net, kernel=(3, 3), num_filter=8, no_bias=True, num_group=2, pad=(1, 1), name="conv2")
    net = mx.sym.Concat(mx.sym.elemwise_add(net, side, name="plus"), side, name="cat")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    net = mx.sym.Deconvolution(net, kernel=(2, 2), num_filter=4, name="dec")
    net = mx.sym.Flatten(mx.sym.LeakyReLU(net, act_type="prelu", name="pr"), name="fl")
    net = mx.sym.Dropout(mx.sym.FullyConnected(net, num_hidden=10, name="fc1"), name="drop")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, no_bias=True, name="fc2"), name="softmax")


def words(mx):
    net = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=20, output_dim=6, name="emb")
    parts = mx.sym.SliceChannel(net, num_outputs=2, axis=1, name="parts")
    return mx.sym.Flatten(mx.sym.elemwise_add(parts[0], parts[1], name="plus"), name="flat")


def group(mx):
    data = mx.sym.Variable("data")
    return mx.sym.Group([mx.sym.FullyConnected(data, num_hidden=n, name="fc%d" % n) for n in (2, 3)])


def line(mx):
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3,), num_filter=2, name="conv")
    net = mx.sym.Pooling(net, kernel=(2,), global_pool=True, pool_type="avg", name="pool")
    net = mx.sym.LRN(mx.sym.Reshape(net, shape=(0, -1, 1, 1), name="reshape"), nsize=1, name="lrn")
    return mx.sym.softmax(mx.sym.BlockGrad(net, name="block"), name="sm")


def summary(mx, *args, **kwargs):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        mx.viz.print_summary(*args, **kwargs)
    return out.getvalue().split("\n")


def case_summary(mx):
    shape = {"data": (2, 3, 8, 8)}
    answers = [summary(mx, mixed(mx), shape), summary(mx, mixed(mx)), summary(mx, words(mx), {"data": (2, 4)})]
    answers += [summary(mx, group(mx), {"data": (2, 5)}), summary(mx, line(mx), {"data": (2, 4, 9)})]
    answers.append(summary(mx, mixed(mx), shape, line_length=80, positions=[0.4, 0.6, 0.8, 1.0]))
    answers.append(summary(mx, mixed(mx), shape, 100, [9, 20, 30, 40]))
    answers.append(summary(mx, mx.sym.Variable("data"), {"data": (2, 5)}))
    return answers + [kind(mx.viz.print_summary, 3), kind(mx.viz.print_summary, mixed(mx), {})]


def drawing(mx, *args, **kwargs):
    before = sys.modules.get("graphviz")
    sys.modules["graphviz"] = types.ModuleType("graphviz")
    sys.modules["graphviz"].Digraph = Digraph
    del CALLS[:]
    try:
        made = mx.viz.plot_network(*args, **kwargs)
    finally:
        del sys.modules["graphviz"]
        if before is not None:
            sys.modules["graphviz"] = before
    return [type(made).__name__] + [[what, sorted(kwargs.items())] for what, kwargs in CALLS]


def case_drawing(mx):
    shape = {"data": (2, 3, 8, 8)}
    answers = [drawing(mx, mixed(mx), shape=shape), drawing(mx, words(mx), shape={"data": (2, 4)}), drawing(mx, line(mx))]
    answers.append(
        drawing(mx, group(mx), title="T", save_format="png", hide_weights=False, node_attrs={"shape": "oval", "x": "y"})
    )
    answers.append(drawing(mx, line(mx), shape={"data": (2, 4, 9)}, dtype={"data": "float64"}))
    return answers
