import pytest

import cyexec as mx
from cyexec.passes import fold_batchnorm

from .compare import check_pass, check_same_numbers, graph_of, lines

SHAPE = (2, 4, 5, 6)


def convolution(x, **kw):
    return mx.sym.Convolution(x, kernel=(3, 3), num_filter=6, name="conv", **kw)


def test_convolution_takes_scale_and_shift():
    net = mx.sym.BatchNorm(convolution(mx.sym.var("x")), name="bn")
    check_pass(
        fold_batchnorm.run,
        graph_of(net, x=SHAPE),
        [
            "bn_folded = _FoldBatchNorm(bn_gamma, bn_beta, bn_moving_mean, bn_moving_var, conv_bias)",
            "conv_weight_folded = _ScaleFilters(conv_weight, bn_folded)",
            "bn = Convolution(x, conv_weight_folded, bn_folded:1)",
            "return bn",
        ],
    )


def test_without_a_convolution_it_is_scale_and_shift():
    net = mx.sym.BatchNorm(mx.sym.var("x"), name="bn")
    check_pass(
        fold_batchnorm.run,
        graph_of(net, x=SHAPE),
        [
            "bn_folded = _FoldBatchNorm(bn_gamma, bn_beta, bn_moving_mean, bn_moving_var)",
            "bn = _ScaleShift(x, bn_folded, bn_folded:1)",
            "return bn",
        ],
    )


def test_another_reader_keeps_the_convolution():
    conv = convolution(mx.sym.var("x"))
    for net in (mx.sym.BatchNorm(conv) + conv, mx.sym.Group([mx.sym.BatchNorm(conv), conv])):
        text = lines(fold_batchnorm.run(graph_of(net, x=SHAPE)))
        assert "conv = Convolution(x, conv_weight, conv_bias)" in text


def test_shown_statistics_keep_batch_norm():
    net = mx.sym.BatchNorm(mx.sym.var("x"), output_mean_var=True, name="bn")
    assert "bn = BatchNorm" in lines(fold_batchnorm.run(graph_of(net, x=SHAPE)))[0]


@pytest.mark.parametrize("options", [
    {}, {"no_bias": True}, {"num_group": 2}, {"stride": (2, 2)}, {"dilate": (2, 2)},
])  # fmt: skip
@pytest.mark.parametrize("layer", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize("fix_gamma", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_numbers(layer, options, fix_gamma, dtype):
    if layer == "Deconvolution":
        options = {"no_bias": False, **options}
    conv = getattr(mx.sym, layer)(mx.sym.var("x"), kernel=(2, 3), num_filter=6, **options)
    net = mx.sym.BatchNorm(conv, fix_gamma=fix_gamma, eps=1e-3)
    # Every product is rounded once more.
    check_same_numbers(fold_batchnorm.run, graph_of(net, dtype=dtype, x=SHAPE), 1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("shape,axis", [((2, 4), 1), ((2, 3, 4), -1), ((2, 3, 4), 1), ((2, 3, 4), 0)])
def test_same_numbers_alone(shape, axis):
    net = mx.sym.BatchNorm(mx.sym.var("x"), fix_gamma=False, axis=axis)
    check_same_numbers(fold_batchnorm.run, graph_of(net, x=shape), 2e-6)
