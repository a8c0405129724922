"""Symbols of one operator, as symbol files.

Used by `make.py` under MXNet's Python and by the tests: imports neither library.
"""

import json


def _file(nodes, heads):
    arguments = [i for i, node in enumerate(nodes) if node["op"] == "null"]
    return json.dumps(
        {"nodes": nodes, "arg_nodes": arguments, "heads": heads, "attrs": {"mxnet_version": ["int", 10901]}}
    )


def _nodes(case, names):
    count = case["args"] + case["aux"]
    nodes = [{"op": "null", "name": f"i{k}", "inputs": []} for k in range(count)]
    inputs = [[k, 0, 0] for k in range(count)]
    # The user's own attribute tells where MXNet copies the attributes of the forward node.
    attrs = {**case["attrs"], "__u__": "1"}
    nodes += [{"op": case["op"], "name": name, "attrs": attrs, "inputs": inputs} for name in names]
    return nodes, count


def one_node(case):
    """The operator over variables, with all its outputs."""
    nodes, first = _nodes(case, ["node"])
    return _file(nodes, [[first, i, 0] for i in range(case["outputs"])])


def twice(case):
    """Two equal nodes."""
    nodes, first = _nodes(case, ["node", "node2"])
    return _file(nodes, [[first, 0, 0], [first + 1, 0, 0]])


def blocked(case):
    """The operator with gradients of zero for all its outputs."""
    nodes, first = _nodes(case, ["node"])
    nodes += [{"op": "BlockGrad", "name": f"bg{i}", "inputs": [[first, i, 0]]} for i in range(case["outputs"])]
    return _file(nodes, [[first + 1 + i, 0, 0] for i in range(case["outputs"])])


def elsewhere(case):
    """The operator in context a; what reads it is in context b."""
    nodes, first = _nodes(case, ["node"])
    for node in nodes[:first]:
        node["attrs"] = {"__ctx_group__": "a"}
    for i in range(case["outputs"]):
        attrs = {"__ctx_group__": "b"}
        nodes.append({"op": "sin", "name": f"sin{i}", "attrs": attrs, "inputs": [[first, i, 0]]})
    return _file(nodes, [[first + 1 + i, 0, 0] for i in range(case["outputs"])])
