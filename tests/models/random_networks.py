"""Random convolutional networks: layers of all kinds, read by one or several others, with every shape kept valid."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import cyexec as mx

S = mx.sym
MOST_CHANNELS, MOST_POSITIONS = 80, 600


class Value(NamedTuple):
    """A symbol, and the channels, height and width of its output."""

    symbol: Any
    channels: int
    height: int
    width: int


def convolution(rng: random.Random, x: Value, kind: str) -> Value | None:
    """Kernel, stride, dilation, padding and groups at random; then perhaps a BatchNorm and an activation."""
    kernel = (1, 1) if kind == "pointwise" else rng.choice([(1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (3, 2)])
    stride = rng.choice([1, 1, 1, 2]), rng.choice([1, 1, 1, 2])
    dilate = rng.choice([1, 1, 1, 2])
    pad = tuple(rng.choice([0, k // 2 * dilate]) for k in kernel)
    window = [(k - 1) * dilate + 1 for k in kernel]
    room = [x.height + 2 * pad[0] - window[0], x.width + 2 * pad[1] - window[1]]
    if min(room) < 0:
        return None
    filters, groups = rng.choice([1, 4, 8, 16, 17, 32]), 1
    if kind == "depthwise":
        groups, filters = x.channels, x.channels * rng.choice([1, 1, 2])
    elif kind == "grouped":
        groups = next((g for g in (4, 2, 3) if x.channels % g == 0), 1)
        filters = groups * rng.choice([1, 4, 8])
    y = S.Convolution(
        x.symbol, kernel=kernel, stride=stride, dilate=(dilate, dilate), pad=pad, num_filter=filters, num_group=groups,
        no_bias=rng.random() < 0.5,
    )  # fmt: skip
    y = Value(y, filters, room[0] // stride[0] + 1, room[1] // stride[1] + 1)
    if rng.random() < 0.6:
        y = batch_norm(rng, y)
    return activation(rng, y) if rng.random() < 0.6 else y


def preactivated(rng: random.Random, x: Value) -> Value | None:
    """BatchNorm, ReLU, and a convolution that may take both into itself."""
    x = batch_norm(rng, x)
    x = x._replace(symbol=S.Activation(x.symbol, act_type="relu"))
    return convolution(rng, x, rng.choice(["any", "pointwise", "depthwise", "grouped"]))


def batch_norm(rng: random.Random, x: Value) -> Value:
    return x._replace(symbol=S.BatchNorm(x.symbol, fix_gamma=rng.random() < 0.3, eps=1e-3, use_global_stats=True))


def activation(rng: random.Random, x: Value) -> Value:
    kind = rng.choice(["relu", "relu", "relu", "tanh", "sigmoid", "softrelu", "leaky", "prelu", "elu", "clip"])
    if kind == "clip":
        y = S.clip(x.symbol, rng.choice([-1, 0]), rng.choice([1, 6]))
    elif kind in ("leaky", "prelu", "elu"):
        y = S.LeakyReLU(x.symbol, act_type=kind, slope=0.2)
    else:
        y = S.Activation(x.symbol, act_type=kind)
    return x._replace(symbol=y)


def pooling(rng: random.Random, x: Value) -> Value | None:
    kernel, pad = rng.choice([2, 3]), rng.choice([0, 0, 1])
    stride = rng.randint(1, kernel - 1) if pad else rng.randint(1, kernel)  # no window lies outside
    if min(x.height, x.width) < kernel:
        return None
    full = rng.random() < 0.5
    y = S.Pooling(
        x.symbol, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad),
        pool_type=rng.choice(["max", "avg", "avg", "sum"]), pooling_convention="full" if full else "valid",
        count_include_pad=rng.random() < 0.5,
    )  # fmt: skip
    up = stride - 1 if full else 0
    return Value(y, x.channels, *((n + 2 * pad - kernel + up) // stride + 1 for n in (x.height, x.width)))


def excitation(rng: random.Random, x: Value) -> Value:
    """Squeeze and excitation: one number for each channel, from all of them."""
    y = S.Pooling(x.symbol, global_pool=True, kernel=(1, 1), pool_type=rng.choice(["avg", "max"]))
    y = S.Activation(S.Convolution(y, kernel=(1, 1), num_filter=x.channels), act_type="sigmoid")
    return x._replace(symbol=rng.choice([S.broadcast_mul, S.broadcast_add])(x.symbol, y))


def pointwise(rng: random.Random, x: Value) -> Value:
    forms: list[Callable[[Any], Any]] = [
        lambda v: v * 0.5, lambda v: 1 - v, lambda v: S.sqrt(S.abs(v) + 1), lambda v: S.square(v) * 0.1,
        lambda v: S.sigmoid(v) * v, lambda v: S.exp(v * 0.1), lambda v: S.relu(v - 0.1), lambda v: S.Dropout(v, p=0.0),
    ]  # fmt: skip
    return x._replace(symbol=rng.choice(forms)(x.symbol))


def movement(rng: random.Random, x: Value) -> Value | None:
    kind = rng.choice(["slice", "split", "pad", "up", "transpose", "deconvolution"])
    if kind == "slice" and x.channels > 2:
        begin = rng.randint(0, x.channels // 2)
        end = rng.randint(begin + 1, x.channels)
        return x._replace(symbol=S.slice_axis(x.symbol, axis=1, begin=begin, end=end), channels=end - begin)
    if kind == "split" and x.channels % 2 == 0:
        halves = S.SliceChannel(x.symbol, num_outputs=2, axis=1)
        return x._replace(symbol=halves[0] * S.sigmoid(halves[1]), channels=x.channels // 2)
    if kind == "pad":
        y = S.Pad(x.symbol, mode=rng.choice(["edge", "constant"]), pad_width=(0, 0, 0, 0, 1, 0, 1, 2))
        return Value(y, x.channels, x.height + 1, x.width + 3)
    if kind == "transpose":
        return Value(S.transpose(x.symbol, axes=(0, 1, 3, 2)), x.channels, x.width, x.height)
    if kind == "up" and x.height * x.width < MOST_POSITIONS / 4:
        return Value(S.UpSampling(x.symbol, scale=2, sample_type="nearest"), x.channels, 2 * x.height, 2 * x.width)
    if kind == "deconvolution" and x.height * x.width < MOST_POSITIONS / 4:
        y = S.Deconvolution(x.symbol, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=8)
        return Value(y, 8, 2 * x.height, 2 * x.width)
    return None


def joined(rng: random.Random, x: Value, values: list[Value]) -> Value | None:
    """Two or more values added, multiplied or concatenated; the same one may come twice."""
    if rng.random() < 0.6:
        y = rng.choice([v for v in values if v[1:] == x[1:]]).symbol
        forms = [x.symbol + y, x.symbol * y, S.maximum(x.symbol, y), x.symbol - y, S.add_n(x.symbol, y, x.symbol)]
        made = x._replace(symbol=rng.choice(forms))
        return activation(rng, made) if rng.random() < 0.4 else made
    parts = [x, *(rng.choice([v for v in values if v[2:] == x[2:]]) for _ in range(rng.randint(1, 3)))]
    channels = sum(v.channels for v in parts)
    if channels > MOST_CHANNELS:
        return None
    return x._replace(symbol=S.Concat(*(v.symbol for v in parts), dim=1), channels=channels)


def network(seed: int) -> tuple[Any, tuple[int, ...]]:
    """A symbol and the shape of its ``data``; layers are named by their order, so that a seed is always the same network."""
    rng = random.Random(seed)
    first = Value(S.Variable("data"), rng.choice([1, 3, 4, 16, 17]), rng.choice([9, 12, 16, 23]), rng.choice([9, 12, 20]))
    values = [first]
    with mx.name.NameManager():
        for _ in range(rng.randint(4, 14)):
            x = rng.choice(values[-3:])
            kind = rng.choice(
                ["any", "any", "pointwise", "depthwise", "grouped", "norm", "activation", "pool", "join", "join", "move"]
                + ["excite", "scalar", "preactivated", "preactivated"]
            )  # fmt: skip
            made = {
                "preactivated": lambda x: preactivated(rng, x),
                "norm": lambda x: activation(rng, batch_norm(rng, x)), "activation": lambda x: activation(rng, x),
                "pool": lambda x: pooling(rng, x), "join": lambda x: joined(rng, x, values),
                "move": lambda x: movement(rng, x), "excite": lambda x: excitation(rng, x),
                "scalar": lambda x: pointwise(rng, x),
            }.get(kind, lambda x, kind=kind: convolution(rng, x, kind))(x)  # fmt: skip
            if made is not None and made.channels <= MOST_CHANNELS and made.height * made.width <= MOST_POSITIONS:
                values.append(made)
        heads = [values[-1].symbol * 1]
        if rng.random() < 0.4:
            heads.append(rng.choice(values).symbol + 0)
        if rng.random() < 0.5:
            heads[0] = S.FullyConnected(heads[0], num_hidden=5)
        return S.Group(heads), (rng.choice([1, 1, 2, 3]), *first[1:])
