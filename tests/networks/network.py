"""A network of the table, and the layers that several families share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Network(NamedTuple):
    """One network.

    Attributes
    ----------
    build : callable
        From a module such as `cyexec` to a symbol with inputs `data` and `softmax_label`.
    item : tuple of int
        Shape of one item of `data`: channels, height and width of an image, or the length of a sequence.
    """

    build: Callable[[Any], Any]
    item: tuple[int, ...]

    def shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of `data` for a batch of that many items."""
        return {"data": (batch, *self.item)}


def pair(value: Any) -> tuple[int, int]:
    """Return `value` for both axes of an image."""
    return value if isinstance(value, tuple) else (value, value)


def conv(
    mx: Any, x: Any, filters: int, kernel: Any, stride: Any = 1, pad: Any = 0, *, name: str, **options: Any
) -> Any:
    """Convolution with square defaults and no bias."""
    options.setdefault("no_bias", True)
    return mx.sym.Convolution(
        x, num_filter=filters, kernel=pair(kernel), stride=pair(stride), pad=pair(pad), name=name + "_conv", **options
    )


def bn(mx: Any, x: Any, name: str, eps: float = 1e-5, **options: Any) -> Any:
    """Batch normalisation that learns its scale."""
    options.setdefault("fix_gamma", False)
    return mx.sym.BatchNorm(x, eps=eps, name=name + "_bn", **options)


def relu(mx: Any, x: Any, name: str) -> Any:
    """Rectify."""
    return mx.sym.Activation(x, act_type="relu", name=name + "_relu")


def conv_bn_relu(
    mx: Any, x: Any, filters: int, kernel: Any, stride: Any = 1, pad: Any = 0, *, name: str, **options: Any
) -> Any:
    """Convolution, batch normalisation, ReLU."""
    return relu(mx, bn(mx, conv(mx, x, filters, kernel, stride, pad, name=name, **options), name), name)


def pool(mx: Any, x: Any, kind: str, kernel: Any, stride: Any = 1, pad: Any = 0, *, name: str, **options: Any) -> Any:
    """Pooling of that kind, "max" or "avg"."""
    return mx.sym.Pooling(
        x, pool_type=kind, kernel=pair(kernel), stride=pair(stride), pad=pair(pad), name=name + "_pool", **options
    )


def global_pool(mx: Any, x: Any, name: str = "global") -> Any:
    """Average over all positions."""
    return mx.sym.Pooling(x, pool_type="avg", global_pool=True, kernel=(1, 1), name=name + "_pool")


def classify(mx: Any, x: Any, classes: int) -> Any:
    """The end of most networks: flatten, a fully connected layer, softmax with its loss."""
    x = mx.sym.FullyConnected(mx.sym.Flatten(x, name="flat"), num_hidden=classes, name="output")
    return mx.sym.SoftmaxOutput(x, name="softmax")
