"""Networks of depthwise convolutions: MobileNet (Howard et al., 2017) and MobileNetV2 (Sandler et al., 2018)."""

from __future__ import annotations

from typing import Any

from .network import bn, classify, conv, conv_bn_relu, global_pool


def mobilenet_v1(mx: Any, width: float) -> Any:
    """Depthwise and pointwise convolutions in turn."""
    layers = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    channels = int(32 * width)
    x = conv_bn_relu(mx, mx.sym.Variable("data"), channels, 3, 2, 1, name="stem")
    for i, (filters, stride) in enumerate(layers):
        x = conv_bn_relu(mx, x, channels, 3, stride, 1, name=f"b{i}_depth", num_group=channels)
        channels = int(filters * width)
        x = conv_bn_relu(mx, x, channels, 1, name=f"b{i}_point")
    return classify(mx, global_pool(mx, x), 1000)


def _relu6(mx: Any, x: Any, name: str) -> Any:
    return mx.sym.clip(x, a_min=0, a_max=6, name=name + "_relu6")


def _bottleneck(mx: Any, x: Any, channels: int, out: int, expand: int, stride: int, name: str) -> Any:
    y, inner = x, channels * expand
    if expand > 1:
        y = _relu6(mx, bn(mx, conv(mx, y, inner, 1, name=name + "_a"), name + "_a"), name + "_a")
    y = conv(mx, y, inner, 3, stride, 1, name=name + "_b", num_group=inner)
    y = _relu6(mx, bn(mx, y, name + "_b"), name + "_b")
    y = bn(mx, conv(mx, y, out, 1, name=name + "_c"), name + "_c")
    return mx.sym.elemwise_add(x, y, name=name + "_plus") if stride == 1 and channels == out else y


def mobilenet_v2(mx: Any, width: float) -> Any:
    """Inverted bottlenecks with linear ends."""
    layers = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    channels = int(32 * width)
    x = conv(mx, mx.sym.Variable("data"), channels, 3, 2, 1, name="stem")
    x = _relu6(mx, bn(mx, x, "stem"), "stem")
    for block, (expand, filters, count, stride) in enumerate(layers):
        for i in range(count):
            out = int(filters * width)
            x = _bottleneck(mx, x, channels, out, expand, 1 if i else stride, f"b{block}_u{i}")
            channels = out
    last = int(1280 * width) if width > 1 else 1280
    x = _relu6(mx, bn(mx, conv(mx, x, last, 1, name="end"), "end"), "end")
    return classify(mx, global_pool(mx, x), 1000)
