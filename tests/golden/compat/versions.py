"""A symbol file as earlier versions of MXNet wrote it. Runs under MXNet's Python 3.8 too."""

import copy
import hashlib
import json

VERSIONS = ("0.8", "0.9", "0.11", "1.0")


def fingerprint(text):
    """Of a symbol's nodes and heads, as loaded and saved again: its JSON."""
    graph = json.loads(text)
    kept = json.dumps([graph["nodes"], graph["heads"]], sort_keys=True)
    return hashlib.sha1(kept.encode()).hexdigest()


def of_version(symbol, version):
    """The parsed JSON of today's form, in the form of a version.

    * "0.8" (before NNVM): ``param`` for an operator's own attributes and ``attr`` for the user's; inputs and heads are pairs;
      auxiliary states are no nodes; every node has a ``backward_source_id``.
    * "0.9", "0.11": ``attr`` for all; 0.9's user attributes have no underscores around them.
    * "1.0": ``attr``, and a version among the graph's attributes. "1.9": as it is.
    """
    symbol = copy.deepcopy(symbol)
    if version == "1.9":
        return symbol
    for node in symbol["nodes"]:
        if "attrs" in node:
            node["attr"] = node.pop("attrs")
    numbers = {"0.9": 901, "0.11": 1100, "1.0": 10000}
    if version in numbers:
        symbol["attrs"] = {"mxnet_version": ["int", numbers[version]]}
        return symbol
    return _before_nnvm(symbol)


def _before_nnvm(symbol):
    nodes = symbol["nodes"]
    # BatchNorm is the only operator here with auxiliary states: its last two inputs.
    dropped = {i[0] for n in nodes if n["op"] == "BatchNorm" for i in n["inputs"][3:]}
    kept = [i for i in range(len(nodes)) if i not in dropped]
    place = {old: new for new, old in enumerate(kept)}
    made = []
    for node in (nodes[i] for i in kept):
        attributes = node.get("attr", {})
        entry = {"op": node["op"], "name": node["name"], "backward_source_id": -1}
        entry["param"] = {k: v for k, v in attributes.items() if not k.startswith("__")} if node["op"] != "null" else {}
        entry["inputs"] = [[place[i[0]], i[1]] for i in node["inputs"] if i[0] in place]
        # Shapes and dtypes of variables came later than 0.8.
        own = {k[2:-2]: v for k, v in attributes.items() if k in ("__lr_mult__", "__wd_mult__", "__ctx_group__")}
        if own:
            entry["attr"] = own
        made.append(entry)
    return {
        "nodes": made,
        "arg_nodes": [i for i, n in enumerate(made) if n["op"] == "null"],
        "heads": [[place[h[0]], h[1]] for h in symbol["heads"]],
    }
