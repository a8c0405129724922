"""Text of a symbol's graph, line for line as MXNet prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graph import topological


if TYPE_CHECKING:
    from ..symbol.symbol import Symbol

RULE = "-" * 20


def symbol_text(symbol: Symbol) -> str:
    """Return what ``symbol.debug_str()`` shows: outputs, then every node with its inputs and attributes."""
    outputs = symbol._outputs
    if len(outputs) == 1 and outputs[0][0].op is None:
        return f"Variable:{outputs[0][0].name}\n"
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{i}]={node.name}({index})" for i, (node, index) in enumerate(outputs)]
    for node in topological(outputs):
        if node.op is None:
            lines.append(f"Variable:{node.name}")
            continue
        lines += [RULE, f"Op:{node.op.name}, Name={node.name}", "Inputs:"]
        for i, ((child, index), version) in enumerate(zip(node.inputs, node.input_versions())):
            mark = f" version={version}" if child.op is None else ""
            lines.append(f"\targ[{i}]={child.name}({index}){mark}")
        if node.attrs:
            lines.append("Attrs:")
            lines += [f"\t{key}={value}" for key, value in sorted(node.attrs.items())]
    return "\n".join(lines) + "\n"
