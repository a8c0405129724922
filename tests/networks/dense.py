"""Long skips: DenseNet (Huang et al., 2017) and U-Net (Ronneberger et al., 2015)."""

from __future__ import annotations

from typing import Any

from .network import bn, classify, conv, conv_bn_relu, global_pool, pool, relu

_DENSE = {121: (64, 32, (6, 12, 24, 16)), 161: (96, 48, (6, 12, 36, 24)), 169: (64, 32, (6, 12, 32, 32))}


def densenet(mx: Any, depth: int) -> Any:
    """Every layer reads all layers of its block before it."""
    channels, growth, blocks = _DENSE[depth]
    x = conv_bn_relu(mx, mx.sym.Variable("data"), channels, 7, 2, 3, name="stem")
    x = pool(mx, x, "max", 3, 2, 1, name="stem")
    for block, count in enumerate(blocks):
        for i in range(count):
            name = f"b{block}_l{i}"
            y = conv(mx, relu(mx, bn(mx, x, name + "_a"), name + "_a"), 4 * growth, 1, name=name + "_a")
            y = conv(mx, relu(mx, bn(mx, y, name + "_b"), name + "_b"), growth, 3, pad=1, name=name + "_b")
            x = mx.sym.Concat(x, y, name=name + "_concat")
        channels += count * growth
        name = f"t{block}"
        x = relu(mx, bn(mx, x, name), name)
        if block + 1 < len(blocks):
            channels //= 2
            x = pool(mx, conv(mx, x, channels, 1, name=name), "avg", 2, 2, name=name)
    return classify(mx, global_pool(mx, x), 1000)


def _double(mx: Any, x: Any, filters: int, name: str) -> Any:
    for i in range(2):
        x = relu(mx, conv(mx, x, filters, 3, pad=1, name=f"{name}_{i}", no_bias=False), f"{name}_{i}")
    return x


def unet(mx: Any) -> Any:
    """Label two classes of pixels; convolutions keep the size, deconvolutions double it."""
    x, skips = mx.sym.Variable("data"), []
    for level, filters in enumerate((32, 64, 128, 256)):
        x = _double(mx, x, filters, f"down{level}")
        skips.append((x, filters))
        x = pool(mx, x, "max", 2, 2, name=f"down{level}")
    x = _double(mx, x, 512, "bottom")
    for level, (skip, filters) in reversed(list(enumerate(skips))):
        x = mx.sym.Deconvolution(x, num_filter=filters, kernel=(2, 2), stride=(2, 2), name=f"up{level}_deconv")
        x = _double(mx, mx.sym.Concat(skip, x, name=f"up{level}_concat"), filters, f"up{level}")
    x = conv(mx, x, 2, 1, name="end", no_bias=False)
    return mx.sym.SoftmaxOutput(x, multi_output=True, name="softmax")
