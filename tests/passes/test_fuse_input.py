import cyexec as mx
from cyexec.passes import block_layout, fold_batchnorm, fuse_epilogue, fuse_input

from .compare import check_pass, check_same_numbers, graph_of, lines


def preactivated(x, name, filters=32, kernel=(1, 1), **kw):
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name=name + "_bn"), act_type="relu", name=name + "_relu")
    return mx.sym.Convolution(x, kernel=kernel, num_filter=filters, no_bias=True, name=name, **kw)


def network():
    x = mx.sym.Convolution(mx.sym.var("x"), kernel=(1, 1), num_filter=32, name="stem")
    y = preactivated(preactivated(x, "a"), "b", kernel=(3, 3), pad=(1, 1))
    return mx.sym.sum(mx.sym.Concat(x, y))


def before(net):
    return fuse_epilogue.run(block_layout.run(fold_batchnorm.run(graph_of(net, x=(2, 16, 5, 6)))))


def test_normalisation_moves_into_the_convolution():
    text = lines(fuse_input.run(before(network())))
    # The second normalisation is folded into `a`, which has its name then.
    assert "b_relu = _BlockedConvolution(stem, b_bn_packed, a_bn_folded, a_bn_folded:1, b_bn_folded:1)" in text
    assert not any("_ScaleShift" in line for line in text)


def test_a_value_that_is_read_elsewhere_stays():
    x = mx.sym.Convolution(mx.sym.var("x"), kernel=(1, 1), num_filter=32, name="stem")
    conv = preactivated(x, "a")
    graph = before(mx.sym.Group([conv, mx.sym.sum(conv.get_internals()["a_relu_output"])]))
    check_pass(fuse_input.run, graph, lines(graph))


def test_same_numbers():
    check_same_numbers(lambda g: fuse_input.run(fuse_epilogue.run(block_layout.run(fold_batchnorm.run(g)))),
                       graph_of(network(), x=(2, 16, 5, 6)), 2e-5)  # fmt: skip


def test_depthwise_convolutions_read_what_is_normalised():
    x = mx.sym.Convolution(mx.sym.var("x"), kernel=(1, 1), num_filter=32, name="stem")
    graph = before(mx.sym.sum(preactivated(x, "a", kernel=(3, 3), pad=(1, 1), num_group=32)))
    check_pass(fuse_input.run, graph, lines(graph))
