"""Branches that are concatenated: Inception-BN (Ioffe and Szegedy, 2015), Inception v3 (Szegedy et al., 2016), SqueezeNet
(Iandola et al., 2016)."""

from __future__ import annotations

from typing import Any

from .network import classify, conv, conv_bn_relu, global_pool, pool, relu


def _chain(mx: Any, x: Any, name: str, *layers: Any) -> Any:
    """Convolutions one after the other, each (filters, kernel, stride, pad)."""
    for i, layer in enumerate(layers):
        x = conv_bn_relu(mx, x, *layer, name=f"{name}_{i}")
    return x


def _concat(mx: Any, parts: Any, name: str) -> Any:
    return mx.sym.Concat(*parts, name=name + "_concat")


def _block_bn(mx: Any, x: Any, one: int, three: Any, double: Any, pooled: Any, name: str) -> Any:
    kind, projection = pooled
    parts = [_chain(mx, x, name + "_1x1", (one, 1))] if one else []
    stride = 1 if one else 2
    parts.append(_chain(mx, x, name + "_3x3", (three[0], 1), (three[1], 3, stride, 1)))
    parts.append(_chain(mx, x, name + "_d3x3", (double[0], 1), (double[1], 3, 1, 1), (double[1], 3, stride, 1)))
    around = pool(mx, x, kind, 3, stride, 1, name=name)
    parts.append(_chain(mx, around, name + "_proj", (projection, 1)) if projection else around)
    return _concat(mx, parts, name)


def inception_bn(mx: Any) -> Any:
    """For images of 224x224 and 1000 classes."""
    x = _chain(mx, mx.sym.Variable("data"), "stem0", (64, 7, 2, 3))
    x = _chain(mx, pool(mx, x, "max", 3, 2, name="stem0"), "stem1", (64, 1), (192, 3, 1, 1))
    x = pool(mx, x, "max", 3, 2, name="stem1")
    blocks = (
        (64, (64, 64), (64, 96), ("avg", 32)), (64, (64, 96), (64, 96), ("avg", 64)), (0, (128, 160), (64, 96), ("max", 0)),
        (224, (64, 96), (96, 128), ("avg", 128)), (192, (96, 128), (96, 128), ("avg", 128)),
        (160, (128, 160), (128, 160), ("avg", 128)), (96, (128, 192), (160, 192), ("avg", 128)),
        (0, (128, 192), (192, 256), ("max", 0)), (352, (192, 320), (160, 224), ("avg", 128)),
        (352, (192, 320), (192, 224), ("max", 128)),
    )  # fmt: skip
    for i, block in enumerate(blocks):
        x = _block_bn(mx, x, *block, name=f"b{i}")
    return classify(mx, global_pool(mx, x), 1000)


def _block_a(mx: Any, x: Any, projection: int, name: str) -> Any:
    around = pool(mx, x, "avg", 3, 1, 1, name=name)
    return _concat(mx, [
        _chain(mx, x, name + "_1x1", (64, 1)),
        _chain(mx, x, name + "_5x5", (48, 1), (64, 5, 1, 2)),
        _chain(mx, x, name + "_3x3", (64, 1), (96, 3, 1, 1), (96, 3, 1, 1)),
        _chain(mx, around, name + "_proj", (projection, 1)),
    ], name)  # fmt: skip


def _block_c(mx: Any, x: Any, width: int, name: str) -> Any:
    across, along = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    around = pool(mx, x, "avg", 3, 1, 1, name=name)
    return _concat(mx, [
        _chain(mx, x, name + "_1x1", (192, 1)),
        _chain(mx, x, name + "_7x7", (width, 1), (width, *across), (192, *along)),
        _chain(mx, x, name + "_d7x7", (width, 1), (width, *along), (width, *across), (width, *along), (192, *across)),
        _chain(mx, around, name + "_proj", (192, 1)),
    ], name)  # fmt: skip


def _block_e(mx: Any, x: Any, name: str) -> Any:
    across, along = (384, (1, 3), 1, (0, 1)), (384, (3, 1), 1, (1, 0))
    three = _chain(mx, x, name + "_3x3", (384, 1))
    double = _chain(mx, x, name + "_d3x3", (448, 1), (384, 3, 1, 1))
    around = pool(mx, x, "avg", 3, 1, 1, name=name)
    return _concat(mx, [
        _chain(mx, x, name + "_1x1", (320, 1)),
        _chain(mx, three, name + "_3x3_a", across), _chain(mx, three, name + "_3x3_b", along),
        _chain(mx, double, name + "_d3x3_a", across), _chain(mx, double, name + "_d3x3_b", along),
        _chain(mx, around, name + "_proj", (192, 1)),
    ], name)  # fmt: skip


def inception_v3(mx: Any) -> Any:
    """For images of 299x299 and 1000 classes."""
    x = _chain(mx, mx.sym.Variable("data"), "stem0", (32, 3, 2), (32, 3), (64, 3, 1, 1))
    x = _chain(mx, pool(mx, x, "max", 3, 2, name="stem0"), "stem1", (80, 1), (192, 3))
    x = pool(mx, x, "max", 3, 2, name="stem1")
    for i, projection in enumerate((32, 64, 64)):
        x = _block_a(mx, x, projection, f"a{i}")
    x = _concat(mx, [
        _chain(mx, x, "b_3x3", (384, 3, 2)),
        _chain(mx, x, "b_d3x3", (64, 1), (96, 3, 1, 1), (96, 3, 2)),
        pool(mx, x, "max", 3, 2, name="b"),
    ], "b")  # fmt: skip
    for i, width in enumerate((128, 160, 160, 192)):
        x = _block_c(mx, x, width, f"c{i}")
    x = _concat(mx, [
        _chain(mx, x, "d_3x3", (192, 1), (320, 3, 2)),
        _chain(mx, x, "d_7x7", (192, 1), (192, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)), (192, 3, 2)),
        pool(mx, x, "max", 3, 2, name="d"),
    ], "d")  # fmt: skip
    for i in range(2):
        x = _block_e(mx, x, f"e{i}")
    x = mx.sym.Dropout(global_pool(mx, x), p=0.5, name="dropout")
    return classify(mx, x, 1000)


def _fire(mx: Any, x: Any, squeeze: int, expand: int, name: str) -> Any:
    def layer(x: Any, filters: int, kernel: int, pad: int, name: str) -> Any:
        return relu(mx, conv(mx, x, filters, kernel, 1, pad, name=name, no_bias=False), name)

    x = layer(x, squeeze, 1, 0, name + "_squeeze")
    return _concat(mx, [layer(x, expand, 1, 0, name + "_1x1"), layer(x, expand, 3, 1, name + "_3x3")], name)


def squeezenet(mx: Any, version: str) -> Any:
    """Version "1.0" or "1.1"."""
    filters, kernel, pooled = (96, 7, (0, 3, 7)) if version == "1.0" else (64, 3, (0, 2, 4))
    x = relu(mx, conv(mx, mx.sym.Variable("data"), filters, kernel, 2, name="stem", no_bias=False), "stem")
    fires = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    for i, (squeeze, expand) in enumerate(fires):
        if i in pooled:
            x = pool(mx, x, "max", 3, 2, name=f"f{i}", pooling_convention="full")
        x = _fire(mx, x, squeeze, expand, f"f{i}")
    x = mx.sym.Dropout(x, p=0.5, name="dropout")
    x = relu(mx, conv(mx, x, 1000, 1, name="end", no_bias=False), "end")
    return mx.sym.SoftmaxOutput(mx.sym.Flatten(global_pool(mx, x), name="flat"), name="softmax")
