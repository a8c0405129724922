"""Chains of layers: a perceptron, LeNet (LeCun et al., 1998), AlexNet (Krizhevsky, 2014), VGG (Simonyan and Zisserman,
2015)."""

from __future__ import annotations

from typing import Any

from .network import classify, conv, pool, relu

_VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def mlp(mx: Any) -> Any:
    """Three fully connected layers for 784 pixels and 10 classes."""
    x = mx.sym.Variable("data")
    for i, hidden in enumerate((128, 64)):
        x = relu(mx, mx.sym.FullyConnected(x, num_hidden=hidden, name=f"fc{i}"), f"fc{i}")
    return classify(mx, x, 10)


def lenet(mx: Any) -> Any:
    """Two convolutions and two fully connected layers with tanh."""
    x = mx.sym.Variable("data")
    for i, filters in enumerate((20, 50)):
        x = conv(mx, x, filters, 5, name=f"c{i}", no_bias=False)
        x = mx.sym.Activation(x, act_type="tanh", name=f"c{i}_tanh")
        x = pool(mx, x, "max", 2, 2, name=f"c{i}")
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=500, name="fc")
    return classify(mx, mx.sym.Activation(x, act_type="tanh", name="fc_tanh"), 10)


def _fully_connected(mx: Any, x: Any, hidden: int) -> Any:
    x = mx.sym.Flatten(x)
    for i in range(2):
        x = relu(mx, mx.sym.FullyConnected(x, num_hidden=hidden, name=f"fc{i}"), f"fc{i}")
        x = mx.sym.Dropout(x, p=0.5, name=f"fc{i}_dropout")
    return classify(mx, x, 1000)


def alexnet(mx: Any) -> Any:
    """Five convolutions, three poolings, three fully connected layers."""
    x = mx.sym.Variable("data")
    layers = (
        (64, 11, 4, 2, True),
        (192, 5, 1, 2, True),
        (384, 3, 1, 1, False),
        (256, 3, 1, 1, False),
        (256, 3, 1, 1, True),
    )
    for i, (filters, kernel, stride, pad, pooled) in enumerate(layers):
        x = relu(mx, conv(mx, x, filters, kernel, stride, pad, name=f"c{i}", no_bias=False), f"c{i}")
        if pooled:
            x = pool(mx, x, "max", 3, 2, name=f"c{i}")
    return _fully_connected(mx, x, 4096)


def vgg(mx: Any, depth: int) -> Any:
    """Blocks of 3x3 convolutions, each halved by pooling."""
    x = mx.sym.Variable("data")
    for block, (count, filters) in enumerate(zip(_VGG[depth], (64, 128, 256, 512, 512))):
        for i in range(count):
            name = f"b{block}_c{i}"
            x = relu(mx, conv(mx, x, filters, 3, pad=1, name=name, no_bias=False), name)
        x = pool(mx, x, "max", 2, 2, name=f"b{block}")
    return _fully_connected(mx, x, 4096)
