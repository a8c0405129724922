"""Make a symbol from an operator and its inputs, and put symbols in place of a symbol's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..attribute import AttrScope
from ..base import MXNetError
from ..name import NameManager
from ..ops.schema import Op
from .node import SymbolNode, auxiliary, parse_params, topological

Entry = tuple[SymbolNode, int]

# Attributes that users write without underscores and MXNet stores with them.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")

# Initializers that MXNet writes on the variables of these inputs when they have none of their own.
INITIALIZERS: dict[str, dict[str, str]] = {
    "BatchNorm": {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'},
    "BatchNorm_v1": {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'},
    "_contrib_SyncBatchNorm": {"moving_mean": '["zero", {}]', "moving_var": '["one", {}]'},
    "LeakyReLU": {"gamma": '["Constant", {"value": 0.25}]'},
    "UpSampling": {"weight": '["bilinear", {}]'},
}


def stored_key(key: str) -> str:
    """Return the name under which an attribute is stored: ``lr_mult`` is ``__lr_mult__``.

    Raises
    ------
    MXNetError
        For ``weight_lr_mult`` and its like, which only files of old versions may have.
    """
    if key in HIDDEN_KEYS:
        return f"__{key}__"
    for hidden in HIDDEN_KEYS:
        if key.strip("_").endswith(f"_{hidden}"):
            raise MXNetError(
                f"setting variable attributes with {key} is deprecated. please instead use\n"
                f"w = Variable({hidden}=...)\nsym = YourSymbolName(weight=w)"
            )
    return key


def to_text(value: Any) -> str:
    """Write a parameter as MXNet stores it: ``str(value)``, with NumPy numbers as plain ones."""
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, (tuple, list)):
        items = [repr(v.item()) if isinstance(v, np.generic) else _item_text(v) for v in value]
        if isinstance(value, list):
            return f"[{', '.join(items)}]"
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return str(value)


def _item_text(value: Any) -> str:
    return to_text(value) if isinstance(value, (tuple, list)) else repr(value)


def create(
    op: Op,
    hint: str,
    positional: Sequence[Entry | None],
    keyword: Mapping[str, Entry],
    params: Mapping[str, Any],
    name: str | None,
    attr: Mapping[str, Any] | None = None,
) -> SymbolNode:
    """Apply `op`: the node behind every function of `mx.sym`.

    Parameters
    ----------
    positional, keyword : entries
        Inputs; missing ones become variables called ``{name}_{input}``.
    params : mapping
        Parameters, as Python values or MXNet's strings.
    name : str or None
        None: the name manager makes one from `hint`.
    attr : mapping, optional
        The user's attributes, on top of those of the `AttrScope`.

    Raises
    ------
    MXNetError
        For bad parameters, unknown inputs or too many of them.
    """
    if attr is not None and not isinstance(attr, Mapping):
        raise TypeError(f"attr must be a dict of strings, not {type(attr).__name__}")
    texts = {str(k): to_text(v) for k, v in AttrScope.current.get(dict(attr) if attr else None).items()}
    texts.update((k, to_text(v)) for k, v in params.items())
    attrs = {stored_key(k): v for k, v in texts.items()}
    if op.variadic and op.variadic not in attrs:
        attrs[op.variadic] = str(len(positional) + len(keyword))
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{op.name}: name must be a string, not {type(name).__name__}")
    name = NameManager.current.get(name, hint)
    where = f"{op.name} '{name}'"
    parsed = parse_params(op, attrs, where)
    names = op.input_names(parsed)
    if len(positional) > len(names):
        raise MXNetError(f"{where}: takes {len(names)} inputs ({', '.join(names)}), got {len(positional)}")
    given: dict[str, Entry] = {n: e for n, e in zip(names, positional) if e is not None}
    for key, entry in keyword.items():
        if key not in names:
            raise MXNetError(f"{where}: {_not_found(key, names)}")
        if key in given:
            raise MXNetError(f"{where}: input {key} is given twice")
        given[key] = entry
    inputs = [given.get(n) or (SymbolNode(None, f"{name}_{n}", dict(attrs)), 0) for n in names]
    node = SymbolNode(op, name, attrs, inputs, (), parsed)
    mark_auxiliary(node, names, len(op.arg_names(parsed)))
    return node


def mark_auxiliary(node: SymbolNode, names: Sequence[str], num_args: int) -> None:
    """Check that auxiliary states are variables, count their use, and write the initializers of a new node's inputs."""
    if num_args < len(node.inputs):
        for (child, _), name in zip(node.inputs[num_args:], names[num_args:]):
            if child.op is not None:
                raise MXNetError(
                    f"{node.describe()}: auxiliary state {name} must be a variable, but is {child.describe()}"
                )
        for child, _ in node.inputs[num_args:]:
            child.version += 1
    versions = tuple(child.version for child, _ in node.inputs)
    if any(versions):
        node.versions = versions
    assert node.op is not None
    for name, init in INITIALIZERS.get(node.op.name, {}).items():
        if name in names:
            child = node.inputs[names.index(name)][0]
            if child.op is None:
                child.attrs.setdefault("__init__", init)


def _not_found(key: str, names: Sequence[str]) -> str:
    listed = "".join(f"\n\t[{i}]{n}" for i, n in enumerate(names))
    return f"Symbol.ComposeKeyword argument name {key} not found.\nCandidate arguments:{listed}"


def copy_graph(outputs: Sequence[Entry], replace: Mapping[SymbolNode, Entry] | None = None) -> list[Entry]:
    """Copy all nodes behind `outputs`; nodes that are keys of `replace` are replaced by its entries instead."""
    new: dict[SymbolNode, SymbolNode] = {}
    replace = replace or {}

    def moved(entry: Entry) -> Entry:
        return replace[entry[0]] if entry[0] in replace else (new[entry[0]], entry[1])

    for node in topological(outputs):
        if node in replace:
            continue
        copy = SymbolNode(
            node.op, node.name, dict(node.attrs), [moved(e) for e in node.inputs], node.versions, node._params
        )
        copy.version = node.version
        new[node] = copy
    return [moved(e) for e in outputs]


def substitute(outputs: Sequence[Entry], arguments: Mapping[str, Entry], name: str | None) -> list[Entry]:
    """Return a copy of the graph with variables replaced by entries, its first output renamed to `name`.

    Raises
    ------
    MXNetError
        For a name that is no argument, or an auxiliary state that would be computed.
    """
    nodes = topological(outputs)
    variables = [n for n in nodes if n.op is None]
    names = [n.name for n in variables]
    for key in arguments:
        if key not in names:
            raise MXNetError(_not_found(key, names))
    states = auxiliary(nodes)
    replace = {}
    for node in variables:
        if node.name in arguments:
            entry = arguments[node.name]
            if node in states and entry[0].op is not None:
                raise MXNetError(f"auxiliary state {node.name} must be a variable, but is {entry[0].describe()}")
            replace[node] = entry
    copied = copy_graph(outputs, replace)
    if name and outputs[0][0] not in replace:
        copied[0][0].name = name
    return copied
