"""Residual networks: He et al., "Deep Residual Learning" (2016, v1) and "Identity Mappings" (2016, v2)."""

from __future__ import annotations

from typing import Any

from .network import bn, classify, conv, conv_bn_relu, global_pool, pool, relu

_LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_FILTERS = (64, 128, 256, 512)


def _body_v1(mx: Any, x: Any, filters: int, stride: int, bottleneck: bool, name: str) -> Any:
    if bottleneck:
        x = conv_bn_relu(mx, x, filters, 1, stride, name=name + "_a")
        x = conv_bn_relu(mx, x, filters, 3, pad=1, name=name + "_b")
        return bn(mx, conv(mx, x, 4 * filters, 1, name=name + "_c"), name + "_c")
    x = conv_bn_relu(mx, x, filters, 3, stride, 1, name=name + "_a")
    return bn(mx, conv(mx, x, filters, 3, pad=1, name=name + "_b"), name + "_b")


def _stages_v1(mx: Any, x: Any, layers: Any, filters: Any, bottleneck: bool, same_first: bool) -> Any:
    for stage, (count, width) in enumerate(zip(layers, filters)):
        for i in range(count):
            name, stride = f"s{stage}_u{i}", 2 if stage and not i else 1
            body = _body_v1(mx, x, width, stride, bottleneck, name)
            if not i and not (same_first and not stage):
                out = 4 * width if bottleneck else width
                x = bn(mx, conv(mx, x, out, 1, stride, name=name + "_skip"), name + "_skip")
            x = relu(mx, mx.sym.elemwise_add(body, x, name=name + "_plus"), name)
    return x


def resnet20(mx: Any) -> Any:
    """Twenty layers for images of 32x32 and 10 classes."""
    x = conv_bn_relu(mx, mx.sym.Variable("data"), 16, 3, pad=1, name="stem")
    x = _stages_v1(mx, x, (3, 3, 3), (16, 32, 64), False, True)
    return classify(mx, global_pool(mx, x), 10)


def resnet_v1(mx: Any, depth: int) -> Any:
    """For images of 224x224 and 1000 classes."""
    x = conv_bn_relu(mx, mx.sym.Variable("data"), 64, 7, 2, 3, name="stem")
    x = pool(mx, x, "max", 3, 2, 1, name="stem")
    x = _stages_v1(mx, x, _LAYERS[depth], _FILTERS, depth >= 50, depth < 50)
    return classify(mx, global_pool(mx, x), 1000)


def _unit_v2(mx: Any, x: Any, filters: int, stride: int, bottleneck: bool, widens: bool, name: str) -> Any:
    out = 4 * filters if bottleneck else filters
    y = relu(mx, bn(mx, x, name + "_a"), name + "_a")
    skip = conv(mx, y, out, 1, stride, name=name + "_skip") if widens else x
    if bottleneck:
        y = conv(mx, y, filters, 1, name=name + "_a")
        y = conv(mx, relu(mx, bn(mx, y, name + "_b"), name + "_b"), filters, 3, stride, 1, name=name + "_b")
        y = conv(mx, relu(mx, bn(mx, y, name + "_c"), name + "_c"), out, 1, name=name + "_c")
    else:
        y = conv(mx, y, filters, 3, stride, 1, name=name + "_a")
        y = conv(mx, relu(mx, bn(mx, y, name + "_b"), name + "_b"), filters, 3, pad=1, name=name + "_b")
    return mx.sym.elemwise_add(y, skip, name=name + "_plus")


def resnet_v2(mx: Any, depth: int) -> Any:
    """For images of 224x224 and 1000 classes; normalisation and ReLU before the convolutions."""
    x = bn(mx, mx.sym.Variable("data"), "data", fix_gamma=True)
    x = pool(mx, conv_bn_relu(mx, x, 64, 7, 2, 3, name="stem"), "max", 3, 2, 1, name="stem")
    for stage, (count, width) in enumerate(zip(_LAYERS[depth], _FILTERS)):
        for i in range(count):
            widens = not i and (stage > 0 or depth >= 50)
            x = _unit_v2(mx, x, width, 2 if stage and not i else 1, depth >= 50, widens, f"s{stage}_u{i}")
    return classify(mx, global_pool(mx, relu(mx, bn(mx, x, "end"), "end")), 1000)
