import numpy as np
import pytest

import cyexec as mx
from cyexec.passes import block_layout, fold_batchnorm, fuse_epilogue

from .compare import check_pass, check_same_numbers, graph_of, lines

# Sums of some hundred products in another order: float32 round-off of the largest output.
RTOL = 2e-5


def conv(x, filters, kernel=3, name=None, **kw):
    kw.setdefault("pad", (kernel // 2, kernel // 2))
    return mx.sym.Convolution(x, kernel=(kernel, kernel), num_filter=filters, name=name, **kw)


def both(graph):
    return fuse_epilogue.run(block_layout.run(fold_batchnorm.run(graph)))


def test_layout_changes_once_for_each_value():
    x = conv(mx.sym.var("x"), 16, name="c0")
    with mx.name.NameManager():
        both_read = conv(x, 32, name="c1") + conv(x, 32, 1, name="c2")
    net = mx.sym.Group([mx.sym.softmax(both_read, name="soft"), x])
    check_pass(
        block_layout.run,
        graph_of(net, x=(1, 8, 6, 6)),
        [
            "x_blocked = _ToBlocked(x)",
            "c0_packed = _PackWeights(c0_weight)",
            "c0 = _BlockedConvolution(x_blocked, c0_packed, c0_bias)",
            "c1_packed = _PackWeights(c1_weight)",
            "c1 = _BlockedConvolution(c0, c1_packed, c1_bias)",
            "c2_packed = _PackWeights(c2_weight)",
            "c2 = _BlockedConvolution(c0, c2_packed, c2_bias)",
            "_plus0 = elemwise_add(c1, c2)",
            "_plus0_plain = _FromBlocked(_plus0)",
            "soft = softmax(_plus0_plain)",
            "c0_plain = _FromBlocked(c0)",
            "return soft, c0_plain",
        ],
    )


def test_few_channels_are_read_as_they_are():
    text = lines(block_layout.run(graph_of(conv(mx.sym.var("x"), 16, name="c0"), x=(1, 3, 6, 6))))
    assert "c0 = _BlockedConvolution(x, c0_packed, c0_bias)" in text


def test_batch_norm_scales_weights_while_they_are_packed():
    net = mx.sym.BatchNorm(conv(mx.sym.var("x"), 16, name="c0"), name="bn")
    text = lines(block_layout.run(fold_batchnorm.run(graph_of(net, x=(1, 3, 6, 6)))))
    assert "bn_packed = _PackWeights(c0_weight, bn_folded)" in text
    assert not any("_ScaleFilters" in line for line in text)


def test_what_a_convolution_reads_is_blocked_while_it_is_small():
    net = conv(mx.sym.UpSampling(mx.sym.var("x"), scale=2, sample_type="nearest", name="up"), 16, name="c0")
    text = lines(block_layout.run(graph_of(net, x=(1, 24, 6, 6))))
    assert "x_blocked = _ToBlocked(x)" in text
    assert not any("up_blocked" in line for line in text)


def test_float64_and_training_stay_plain():
    net = conv(mx.sym.var("x"), 16)
    graph = graph_of(net, dtype="float64", x=(1, 3, 6, 6))
    assert block_layout.run(graph) is graph


def network(kind):
    """A little network around what `kind` puts between two convolutions."""
    x = conv(mx.sym.var("x"), 32, name="before")
    x = {
        "relu": lambda: mx.sym.relu(x),
        "clip": lambda: mx.sym.clip(x, 0, 6),
        "leaky": lambda: mx.sym.LeakyReLU(x, slope=0.1),
        "elu": lambda: mx.sym.LeakyReLU(x, act_type="elu"),
        "prelu": lambda: mx.sym.LeakyReLU(x, act_type="prelu"),
        "sigmoid": lambda: mx.sym.sigmoid(x),
        "batch norm": lambda: mx.sym.Activation(mx.sym.BatchNorm(mx.sym.Activation(x, act_type="relu")), act_type="relu"),
        "sum": lambda: x + conv(x, 32, 1),
        "sum, relu": lambda: mx.sym.relu(x + conv(x, 32, 1)),
        "relu, sum": lambda: mx.sym.relu(conv(x, 32, 1)) + x,
        "twice": lambda: x + x,
        "with itself": lambda: mx.sym.relu(x) + x,
        "add_n": lambda: mx.sym.add_n(x, conv(x, 32, 1), conv(x, 32)),
        "max": lambda: mx.sym.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"),
        "full": lambda: mx.sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pooling_convention="full"),
        "avg": lambda: mx.sym.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg"),
        "avg inside": lambda: mx.sym.Pooling(x, kernel=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False),
        "mean of channels": lambda: mx.sym.broadcast_mul(x, mx.sym.mean(x, axis=1, keepdims=True)),
        "sum of rows": lambda: mx.sym.broadcast_add(x, mx.sym.sum(x, axis=(0, 2, 3), keepdims=True)),
        "spread": lambda: mx.sym.broadcast_mul(mx.sym.mean(x, axis=(2, 3), keepdims=True), x),
        "global": lambda: mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg"),
        "lp": lambda: mx.sym.Pooling(x, kernel=(2, 2), pool_type="lp", p_value=2),
        "concat": lambda: mx.sym.Concat(x, conv(x, 16, 1), conv(x, 5, 1)),
        "concat of few": lambda: mx.sym.Concat(conv(x, 5, 1), x),
        "concat of rows": lambda: mx.sym.Concat(x, conv(x, 32, 1), dim=2),
        "split": lambda: mx.sym.SliceChannel(x, num_outputs=2)[1],
        "split of few": lambda: mx.sym.SliceChannel(x, num_outputs=4)[2],
        "squeeze and excite": lambda: mx.sym.broadcast_mul(
            x, mx.sym.sigmoid(conv(mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg"), 32, 1))
        ),
        "one map": lambda: mx.sym.broadcast_mul(x, mx.sym.var("x").slice_axis(axis=1, begin=0, end=1)),
        "groups": lambda: conv(x, 64, num_group=2),
        "depthwise": lambda: conv(x, 32, num_group=32, stride=(2, 2)),
        "few in a group": lambda: conv(x, 32, num_group=8),
        "few filters in a group": lambda: conv(x, 16, num_group=2),
        "few channels in a group": lambda: conv(x, 64, num_group=4),
        "upsampling": lambda: mx.sym.UpSampling(x, scale=2, sample_type="nearest"),
        "transposed": lambda: mx.sym.Deconvolution(x, kernel=(2, 2), stride=(2, 2), num_filter=32),
    }[kind]()  # fmt: skip
    return mx.sym.FullyConnected(conv(x, 20, name="after", stride=(2, 2)), num_hidden=7)


KINDS = [
    "relu", "clip", "leaky", "elu", "prelu", "sigmoid", "batch norm", "sum", "sum, relu", "relu, sum", "twice",
    "with itself", "add_n", "max", "full", "avg", "avg inside", "global", "lp", "concat", "concat of few",
    "concat of rows", "split", "split of few", "squeeze and excite", "one map", "groups", "depthwise", "few in a group",
    "few filters in a group", "few channels in a group",
    "upsampling", "transposed", "mean of channels", "sum of rows", "spread",
]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_same_numbers(kind, batch):
    graph = graph_of(network(kind), x=(batch, 7, 9, 11))
    check_same_numbers(both, graph, RTOL)
    assert lines(both(both(graph))) == lines(both(graph))


def test_executor_uses_it_and_shows_it():
    with mx.name.NameManager():
        net = network("sum, relu")
    executor = net.simple_bind(mx.cpu(), grad_req="null", x=(1, 7, 9, 11))
    text = executor.get_optimized_symbol().debug_str()
    assert text.count("Op:_BlockedConvolution") == 3
    for name in ("before", "after", "relu0"):
        assert f"Name={name}\n" in text
    rng = np.random.RandomState(0)
    for array in executor.arg_arrays:
        array[:] = rng.uniform(-1, 1, array.shape)
    plain = net.bind(mx.cpu(), executor.arg_arrays, grad_req="null")
    plain.set_monitor_callback(lambda name, value: None)
    np.testing.assert_allclose(
        executor.forward()[0].asnumpy(), plain.forward()[0].asnumpy(), rtol=1e-4, atol=1e-4
    )  # fmt: skip


@pytest.mark.parametrize("size", [(12,), (1, 12)])
def test_one_dimension(size):
    x = mx.sym.Convolution(mx.sym.var("x"), kernel=(3,) if len(size) == 1 else (1, 3), num_filter=16, name="c")
    check_same_numbers(both, graph_of(mx.sym.relu(x), x=(2, 20, *size)), RTOL)


@pytest.mark.parametrize("kernel,filters,is_blocked", [((3, 30), 8, False), ((3, 29), 8, True)])
def test_windows_as_wide_as_the_image_stay_plain(kernel, filters, is_blocked):
    """The patches of a sentence are rows of its word vectors, as they lie."""
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=kernel, num_filter=filters, name="conv")
    executor = net.simple_bind(mx.cpu(), grad_req="null", data=(2, 1, 12, 30))
    assert ("_BlockedConvolution" in executor.get_optimized_symbol().tojson()) is is_blocked


def test_gradients_of_kernels_as_large_as_the_image_stay_plain():
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(7, 7), num_filter=32, name="conv")
    executor = net.simple_bind(mx.cpu(), data=(2, 32, 7, 7))
    kernels = {step.kernel for step in executor._program(True, True).program.steps}
    assert "conv.DataGradient" in kernels and "blocked_weight.WeightGradient" not in kernels
