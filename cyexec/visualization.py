"""Symbols as a table (`print_summary`) and as a drawing (`plot_network`): ``mx.viz``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .ops import registry
from .ops.infer import product
from .symbol import Symbol

_Node = dict[str, Any]


def _check(symbol: Any) -> None:
    if not isinstance(symbol, Symbol):
        raise TypeError(f"symbol must be Symbol, found {type(symbol).__name__}")


def _nodes(symbol: Symbol) -> tuple[list[_Node], list[list[int]]]:
    """Nodes as the symbol's file has them, and the outputs."""
    content = json.loads(symbol.tojson())
    return content["nodes"], content["heads"]


def _shapes(symbol: Symbol, shape: Mapping[str, Any] | None) -> dict[str, tuple[int, ...]]:
    """Shapes of all outputs of all nodes by name; empty if no shapes are given. Raises ValueError if these do not suffice."""
    if shape is None:
        return {}
    internals = symbol.get_internals()
    _, found, _ = internals.infer_shape(**shape)
    if found is None:
        raise ValueError("Input shape is incomplete")
    return dict(zip(internals.list_outputs(), found))


def _output_name(node: _Node, number: int) -> str:
    if node["op"] == "null":
        return node["name"]
    op = registry.get(node["op"])
    return f"{node['name']}_{op.output_names(op.params.parse(node.get('attrs', {}), node['name']))[number]}"


# The table


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, tuple[int, ...]] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print the layers of a symbol: names, output shapes, numbers of parameters and what they read, as MXNet prints it.

    Parameters
    ----------
    symbol : Symbol
    shape : dict of str to tuple, optional
        Shapes of inputs. Without them there are neither output shapes nor numbers that follow from them.
    line_length : int
        Characters of a line.
    positions : list of float
        Where columns end: parts of a line, or characters.

    Notes
    -----
    As in MXNet, shapes are shown without the batch, a parameter that two layers share counts twice, and only those of
    Convolution, FullyConnected, BatchNorm and Embedding are counted. For a FullyConnected that flattens its input by
    itself, or reads one of several outputs of a node, MXNet counts too few; here all are counted.

    Raises
    ------
    ValueError
        `shape` does not suffice.
    """
    _check(symbol)
    nodes, heads = _nodes(symbol)
    shapes = _shapes(symbol, shape)
    ends = [int(line_length * p) for p in positions] if positions[-1] <= 1 else [int(p) for p in positions]
    # MXNet takes for outputs the nodes whose numbers stand anywhere in the first head. Its zeros make that the first
    # variable too, which is how the data are shown.
    shown = set(heads[0])

    def row(*cells: object) -> None:
        line = ""
        for cell, end in zip(cells, ends):
            line = (line + str(cell))[:end].ljust(end)
        print(line)

    print("_" * line_length)
    row("Layer (type)", "Output Shape", "Param #", "Previous Layer")
    print("=" * line_length)
    total = 0
    listed = [(i, n) for i, n in enumerate(nodes) if n["op"] != "null" or i in shown]
    for place, (_, node) in enumerate(listed):
        sources = [(nodes[item[0]], item[1]) for item in node["inputs"] if nodes[item[0]]["op"] != "null" or item[0] in shown]
        inputs = [shapes.get(_output_name(source, number)) for source, number in sources]
        key = node["name"] if node["op"] == "null" else f"{node['name']}_output"
        out = shapes.get(key)
        count = _parameters(node, inputs, out)
        total += count
        names = [source["name"] for source, _ in sources] or [""]
        row(f"{node['name']}({node['op']})", "x".join(map(str, out[1:])) if out else "", count, names[0])
        for name in names[1:]:
            row("", "", "", name)
        print(("=" if place == len(listed) - 1 else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


def _parameters(node: _Node, inputs: Sequence[tuple[int, ...] | None], out: tuple[int, ...] | None) -> int:
    """How many parameters a layer has, as far as its inputs' shapes are known."""
    op = node["op"]
    if op not in ("Convolution", "FullyConnected", "BatchNorm", "Embedding"):
        return 0
    params: Any = registry.get(op).params.parse(node.get("attrs", {}), node["name"])
    if op == "BatchNorm":
        return 2 * out[1] if out else 0
    if op == "Embedding":
        return params.input_dim * params.output_dim
    given = [shape for shape in inputs if shape is not None]
    if op == "Convolution":
        channels = sum(shape[1] for shape in given)
        weights = channels * params.num_filter // params.num_group * product(params.kernel)
        return weights + (0 if params.no_bias else params.num_filter)
    width = sum(product(shape[1:]) if params.flatten else shape[-1] for shape in given)
    return (width + (not params.no_bias)) * params.num_hidden


# The drawing

_PALETTE = ("#8dd3c7", "#fb8072", "#ffffb3", "#bebada", "#80b1d3", "#fdb462", "#b3de69", "#fccde5")
_COLORS = {
    "null": 0, "Convolution": 1, "FullyConnected": 1, "Activation": 2, "LeakyReLU": 2, "BatchNorm": 3, "Pooling": 4,
    "Concat": 5, "Flatten": 5, "Reshape": 5,
}  # fmt: skip
_OTHER_COLOR = 7
_WEIGHTS = (
    "_weight", "_bias", "_beta", "_gamma", "_moving_var", "_moving_mean", "_running_var", "_running_mean",
)  # fmt: skip


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, tuple[int, ...]] | None = None,
    dtype: Mapping[str, Any] | None = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> Any:
    """Return a drawing of a symbol, a ``graphviz.Digraph``, as MXNet draws it.

    Parameters
    ----------
    symbol : Symbol
    title : str
        Name of the graph and of the file that its `render` writes.
    save_format : str
        Format of that file.
    shape, dtype : dict, optional
        Shapes and dtypes of inputs: arrows then tell those of what they carry.
    node_attrs : dict of str to str, optional
        Graphviz attributes of nodes.
    hide_weights : bool
        Whether parameters, known by the ends of their names, are left out.

    Raises
    ------
    ImportError
        The package graphviz is not installed.
    ValueError
        `shape` does not suffice.
    """
    try:
        from graphviz import Digraph  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError("plot_network draws with the package graphviz: `pip install graphviz`") from None
    _check(symbol)
    nodes, _ = _nodes(symbol)
    shapes = _shapes(symbol, shape)
    dtypes: dict[str, Any] = {}
    if dtype is not None:
        internals = symbol.get_internals()
        dtypes = dict(zip(internals.list_outputs(), internals.infer_type(**dtype)[1] or ()))
    style = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled"}
    style.update(node_attrs or {})
    dot = Digraph(name=title, format=save_format)
    hidden = set()
    for node in nodes:
        name, op = node["name"], node["op"]
        attrs = dict(style)
        if op == "null":
            if name.endswith(_WEIGHTS):
                hidden.add(name)
                continue
            attrs["shape"] = "oval"
        attrs["fillcolor"] = _PALETTE[_COLORS.get(op, _OTHER_COLOR)]
        dot.node(name=name, label=_label(node), **attrs)
    for node in nodes:
        if node["op"] == "null":
            continue
        for source_number, output, *_ in node["inputs"]:
            source = nodes[source_number]
            if hide_weights and source["name"] in hidden:
                continue
            key = _output_name(source, output)
            label = "x".join(map(str, shapes[key][1:])) if shapes else ""
            if shapes and dtype is not None:
                found = dtypes.get(key)
                label += f"({getattr(found, '__name__', found)})"
            dot.edge(tail_name=node["name"], head_name=source["name"], dir="back", arrowtail="open", label=label)
    return dot


def _label(node: _Node) -> str:
    op = node["op"]
    if op == "Convolution":
        p = _params(node)
        return f"Convolution\n{_times(p.kernel)}/{_times(p.stride) or 1}, {p.num_filter}"
    if op == "FullyConnected":
        return f"FullyConnected\n{_params(node).num_hidden}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{_params(node).act_type}"
    if op == "Pooling":
        p = _params(node)
        return f"Pooling\n{p.pool_type}, {_times(p.kernel)}/{_times(p.stride) or 1}"
    return node["name"]


def _params(node: _Node) -> Any:
    return registry.get(node["op"]).params.parse(node.get("attrs", {}), node["name"])


def _times(extents: Sequence[int]) -> str:
    return "x".join(map(str, extents))
