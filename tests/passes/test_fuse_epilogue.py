import pytest

import cyexec as mx
from cyexec.passes import block_layout, fuse_epilogue

from .compare import check_pass, graph_of


def conv(x, name, **kw):
    return mx.sym.Convolution(x, kernel=(1, 1), num_filter=16, no_bias=True, name=name, **kw)


def blocked(net):
    return block_layout.run(graph_of(net, x=(1, 16, 4, 4)))


def convolutions(net):
    """Operators that are left, without packing and layout."""
    graph = fuse_epilogue.run(blocked(net))
    return {n.name: n.params for n in graph.nodes if n.op and not n.op.name.startswith(("_Pack", "_From", "_To"))}


def test_activation_addition_activation():
    x = mx.sym.var("x")
    net = mx.sym.relu(mx.sym.clip(conv(x, "a"), 0, 6, name="clip") + conv(x, "b"), name="relu")
    check_pass(
        fuse_epilogue.run,
        blocked(net),
        [
            "x_blocked = _ToBlocked(x)",
            "b_packed = _PackWeights(b_weight)",
            "a_packed = _PackWeights(a_weight)",
            "clip = _BlockedConvolution(x_blocked, a_packed)",
            "relu = _BlockedConvolution(x_blocked, b_packed, clip)",
            "relu_plain = _FromBlocked(relu)",
            "return relu_plain",
        ],
    )
    found = convolutions(net)
    assert (found["clip"].first, found["clip"].first_range) == ("clip", (0, 6))
    assert (found["relu"].first, found["relu"].second) == ("none", "relu")


def test_names_of_what_was_fused_are_kept():
    graph = fuse_epilogue.run(blocked(mx.sym.relu(mx.sym.clip(conv(mx.sym.var("x"), "a"), 0, 6, name="c"), name="r")))
    node = next(n for n in graph.nodes if n.name == "c")
    assert node.attrs[fuse_epilogue.FUSED] == "a c"


@pytest.mark.parametrize("second", ["relu", "prelu"])
@pytest.mark.parametrize("first", ["relu", "prelu"])
def test_slopes_stand_before_the_addend(first, second):
    def act(kind, x, name):
        return mx.sym.relu(x, name=name) if kind == "relu" else mx.sym.LeakyReLU(x, act_type="prelu", name=name)

    x = mx.sym.var("x")
    net = act(second, act(first, conv(x, "a"), "p") + conv(x, "b"), "q")
    found = convolutions(net)
    assert found["p"].first == first and found["q"].second == second


def test_what_is_read_or_shown_elsewhere_stays():
    x = conv(mx.sym.var("x"), "a")
    assert set(convolutions(mx.sym.relu(x, name="r") * x)) >= {"a", "r"}
    assert set(convolutions(mx.sym.Group([mx.sym.relu(x, name="r"), x]))) >= {"a", "r"}


def test_third_activation_stays():
    x = mx.sym.relu(mx.sym.relu(conv(mx.sym.var("x"), "a"), name="r"), name="s")
    assert set(convolutions(x)) == {"r", "s"}
