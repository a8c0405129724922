"""A network's symbol as a PyTorch module; runs where PyTorch is (`torch.sh`)."""

import ast

import torch
import torch.nn.functional as F


def _pair(attrs, key, default):
    return ast.literal_eval(attrs[key]) if attrs.get(key, "()") != "()" else default


def _flag(attrs, key):
    return attrs.get(key, "False") in ("True", "1", "true")


def _convolution(attrs):
    options = dict(
        stride=_pair(attrs, "stride", (1, 1)), padding=_pair(attrs, "pad", (0, 0)),
        dilation=_pair(attrs, "dilate", (1, 1)), groups=int(attrs.get("num_group", 1)),
    )  # fmt: skip
    return lambda _, x, weight, bias=None: F.conv2d(x, weight, bias, **options)


def _batch_norm(attrs):
    eps, momentum = float(attrs.get("eps", 1e-3)), 1 - float(attrs.get("momentum", 0.9))
    fixed = _flag({"fix_gamma": "True", **attrs}, "fix_gamma")

    def run(training, x, gamma, beta, mean, var):
        return F.batch_norm(x, mean, var, None if fixed else gamma, beta, training, momentum, eps)

    return run


def _pooling(attrs):
    largest = attrs.get("pool_type", "max") == "max"
    if _flag(attrs, "global_pool"):
        pool = F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d
        return lambda _, x: pool(x, 1)
    options = dict(
        kernel_size=_pair(attrs, "kernel", ()), stride=_pair(attrs, "stride", (1, 1)), padding=_pair(attrs, "pad", (0, 0)),
        ceil_mode=attrs.get("pooling_convention", "valid") == "full",
    )  # fmt: skip
    pool = F.max_pool2d if largest else F.avg_pool2d
    return lambda _, x: pool(x, **options)


def _dense(_attrs):
    return lambda _, x, weight, bias=None: F.linear(x.flatten(1), weight, bias)


def _activation(attrs):
    function = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[attrs["act_type"]]
    return lambda _, x: function(x)


def _clip(attrs):
    low, high = float(attrs["a_min"]), float(attrs["a_max"])
    return lambda _, x: torch.clamp(x, low, high)


def _dropout(attrs):
    p = float(attrs.get("p", 0.5))
    return lambda training, x: F.dropout(x, p, training)


def _loss(_attrs):
    # SoftmaxOutput's gradient is that of the sum of the cross entropies.
    return lambda _, x, label: F.cross_entropy(x, label.long(), reduction="sum")


OPERATORS = {
    "Convolution": _convolution, "BatchNorm": _batch_norm, "Pooling": _pooling, "FullyConnected": _dense,
    "Activation": _activation, "clip": _clip, "Dropout": _dropout, "SoftmaxOutput": _loss,
    "Flatten": lambda _: lambda _, x: x.flatten(1),
    "elemwise_add": lambda _: lambda _, x, y: x + y,
    "_plus": lambda _: lambda _, x, y: x + y,
    "Concat": lambda attrs: lambda _, *xs: torch.cat(xs, int(attrs.get("dim", 1))),
    "softmax": lambda attrs: lambda _, x: torch.softmax(x, int(attrs.get("axis", -1))),
}  # fmt: skip


class SymbolModule(torch.nn.Module):
    """Runs the nodes of a `benchmarks.networks.Network` one after the other: called with its inputs, gives its output.

    Each value is dropped after its last use. With a ``SoftmaxOutput`` at its end the output is the loss.
    """

    def __init__(self, network):
        super().__init__()
        tensors = {}
        for i, name in enumerate(network.parameters):
            tensors[name] = torch.nn.Parameter(torch.from_numpy(network.value(name)))
            self.register_parameter(f"p{i}", tensors[name])
        for i, name in enumerate(network.auxiliary):
            tensors[name] = torch.from_numpy(network.value(name))
            self.register_buffer(f"b{i}", tensors[name])
        graph = network.graph
        self._head = graph["heads"][0][0]
        self._constants, self._inputs, self._steps = {}, {}, []
        last = {}
        for index, node in enumerate(graph["nodes"]):
            if node["op"] == "null":
                if node["name"] in tensors:
                    self._constants[index] = tensors[node["name"]]
                else:
                    self._inputs[node["name"]] = index
                continue
            ins = [i[0] for i in node["inputs"]]
            last.update(dict.fromkeys(ins, index))
            self._steps.append((index, OPERATORS[node["op"]](node.get("attrs", {})), ins))
        # Constants stay: they are in `values` again at the next call.
        self._steps = [
            (index, run, ins, [i for i in set(ins) if last[i] == index and i not in self._constants])
            for index, run, ins in self._steps
        ]

    def forward(self, **inputs):
        values = dict(self._constants)
        values.update((self._inputs[name], value) for name, value in inputs.items())
        for index, run, ins, dead in self._steps:
            values[index] = run(self.training, *[values[i] for i in ins])
            for i in dead:
                del values[i]
        return values[self._head]
