"""Text of a graph, line for line as MXNet prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .graph import topological

if TYPE_CHECKING:
    from ..ops.params import Params
    from ..symbol.node import SymbolNode
    from ..symbol.symbol import Symbol

RULE = "-" * 20

# A node and which of its outputs.
TextEntry = tuple["TextNode", int]


@dataclass(eq=False)
class TextNode:
    """A node as it is printed: names only, so that operators can be shown that exist in MXNet alone.

    Attributes
    ----------
    op : str
        Operator; empty for a variable.
    args : list of TextEntry
    versions : list of int
        Of each argument; printed for variables.
    deps : list of TextNode
        What MXNet makes it wait for without reading it.
    source : SymbolNode or None
        The node of the user's symbol that it shows.
    """

    op: str
    name: str
    args: list[TextEntry] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    attrs: dict[str, str] = field(default_factory=dict)
    deps: list[TextNode] = field(default_factory=list)
    source: SymbolNode | None = None

    @property
    def inputs(self) -> list[TextEntry]:
        """What a walk visits: arguments, then what is waited for."""
        return [*self.args, *((node, 0) for node in self.deps)]

    @property
    def params(self) -> Params:
        assert self.source is not None
        return self.source.params


def text_entries(symbol: Symbol) -> list[TextEntry]:
    """The outputs of a symbol, its nodes made printable."""
    made: dict[SymbolNode, TextNode] = {}
    for node in topological(symbol._outputs):
        args = [(made[child], index) for child, index in node.inputs]
        op = "" if node.op is None else node.op.name
        made[node] = TextNode(op, node.name, args, list(node.input_versions()), node.attrs, source=node)
    return [(made[node], index) for node, index in symbol._outputs]


def write_text(outputs: Sequence[TextEntry]) -> str:
    """Outputs, then every node with its inputs and attributes."""
    first = outputs[0][0]
    if len(outputs) == 1 and not first.args:
        return f"AtomicFunctor  Op:{first.op}\n" if first.op else f"Variable:{first.name}\n"
    lines = ["Symbol Outputs:", *_numbered("output", (f"{node.name}({index})" for node, index in outputs))]
    for node in topological(outputs):
        if not node.op:
            lines.append(f"Variable:{node.name}")
            continue
        lines += [RULE, f"Op:{node.op}, Name={node.name}", "Inputs:"]
        marks = (
            f"{child.name}({index})" + ("" if child.op else f" version={version}")
            for (child, index), version in zip(node.args, node.versions)
        )
        lines += _numbered("arg", marks)
        if node.attrs:
            lines += ["Attrs:", *(f"\t{key}={value}" for key, value in sorted(node.attrs.items()))]
        if node.deps:
            lines += ["Control deps:", *_numbered("cdep", (dep.name for dep in node.deps))]
    return "\n".join(lines) + "\n"


def _numbered(what: str, texts: Iterable[str]) -> list[str]:
    return [f"\t{what}[{i}]={text}" for i, text in enumerate(texts)]


def symbol_text(symbol: Symbol) -> str:
    """Return what ``symbol.debug_str()`` shows."""
    return write_text(text_entries(symbol))
