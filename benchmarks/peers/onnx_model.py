"""A network's symbol as an ONNX model; runs where the `onnx` package is (`onnx.sh`).

Weights are initialisers and not among the inputs, so that a runtime may fold and prepack them.
"""

import ast

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def _pair(attrs, key, default):
    return list(ast.literal_eval(attrs[key])) if attrs.get(key, "()") != "()" else list(default)


def _flag(attrs, key):
    return attrs.get(key, "False") in ("True", "1", "true")


def _convolution(attrs, ins, _):
    pads = _pair(attrs, "pad", (0, 0))
    return [("Conv", ins, dict(
        kernel_shape=_pair(attrs, "kernel", ()), strides=_pair(attrs, "stride", (1, 1)),
        dilations=_pair(attrs, "dilate", (1, 1)), group=int(attrs.get("num_group", 1)), pads=pads + pads,
    ))]  # fmt: skip


def _batch_norm(attrs, ins, constants):
    if _flag({"fix_gamma": "True", **attrs}, "fix_gamma"):
        constants[ins[1]] = np.ones_like(constants[ins[1]])
    return [("BatchNormalization", ins, dict(epsilon=float(attrs.get("eps", 1e-3))))]


def _pooling(attrs, ins, _):
    kind = {"max": "MaxPool", "avg": "AveragePool"}[attrs.get("pool_type", "max")]
    if _flag(attrs, "global_pool"):
        return [("Global" + kind, ins, {})]
    pads = _pair(attrs, "pad", (0, 0))
    options = dict(
        kernel_shape=_pair(attrs, "kernel", ()), strides=_pair(attrs, "stride", (1, 1)), pads=pads + pads,
        ceil_mode=int(attrs.get("pooling_convention", "valid") == "full"),
    )  # fmt: skip
    if kind == "AveragePool":
        options["count_include_pad"] = int(_flag({"count_include_pad": "True", **attrs}, "count_include_pad"))
    return [(kind, ins, options)]


def _dense(_attrs, ins, _constants):
    return [("Flatten", ins[:1], {}), ("Gemm", [None, *ins[1:]], dict(transB=1))]


def _activation(attrs, ins, _):
    return [({"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}[attrs["act_type"]], ins, {})]


def _clip(attrs, ins, constants):
    for key in ("a_min", "a_max"):
        constants[f"{key}_{attrs[key]}"] = np.array(float(attrs[key]), np.float32)
    return [("Clip", [*ins, f"a_min_{attrs['a_min']}", f"a_max_{attrs['a_max']}"], {})]


OPERATORS = {
    "Convolution": _convolution, "BatchNorm": _batch_norm, "Pooling": _pooling, "FullyConnected": _dense,
    "Activation": _activation, "clip": _clip,
    "Flatten": lambda _attrs, ins, _: [("Flatten", ins, {})],
    "Dropout": lambda _attrs, ins, _: [("Identity", ins, {})],
    "elemwise_add": lambda _attrs, ins, _: [("Add", ins, {})],
    "Concat": lambda attrs, ins, _: [("Concat", ins, dict(axis=int(attrs.get("dim", 1))))],
    "softmax": lambda attrs, ins, _: [("Softmax", ins, dict(axis=int(attrs.get("axis", -1))))],
}  # fmt: skip


def model(network):
    """The bytes of an ONNX model of a `benchmarks.networks.Network`, weights inside.

    Raises
    ------
    KeyError
        An operator that `OPERATORS` does not have.
    """
    constants = {name: network.value(name) for name in [*network.parameters, *network.auxiliary]}
    graph = network.graph
    names, nodes = {}, []
    for index, node in enumerate(graph["nodes"]):
        names[index] = node["name"]
        if node["op"] == "null":
            continue
        ins = [names[i[0]] for i in node["inputs"]]
        previous = None
        parts = OPERATORS[node["op"]](node.get("attrs", {}), ins, constants)
        for k, (kind, inputs, options) in enumerate(parts):
            output = node["name"] if k == len(parts) - 1 else f"{node['name']}_{k}"
            nodes.append(helper.make_node(kind, [n or previous for n in inputs], [output], output, **options))
            previous = output
    made = helper.make_graph(
        nodes,
        network.name,
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in network.inputs.items()],
        [helper.make_tensor_value_info(names[head[0]], TensorProto.FLOAT, None) for head in graph["heads"]],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
