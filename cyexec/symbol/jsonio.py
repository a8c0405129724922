"""Symbols as JSON: write what MXNet 1.7 writes, read what any version from 0.8 on wrote.

    {"nodes": [{"op", "name", "attrs", "inputs": [[node, output, version], ...]}, ...],
     "arg_nodes": [...], "node_row_ptr": [...], "heads": [[node, output, version], ...], "attrs": {"mxnet_version": []}}

Versions differ in the name of ``attrs`` (``param`` and ``attr`` before 0.9, ``attr`` up to 0.12), in the length of
inputs (two numbers before 0.9), and in what `upgrade.py` mends. A file is checked completely before any node is made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..base import MXNetError
from ..ops import registry
from ..ops.control_flow import ControlFlowParams
from . import upgrade
from .node import SymbolNode, topological
from .subgraph import Subgraph, subgraphs_of

if TYPE_CHECKING:
    from .symbol import Symbol

Entry = tuple[SymbolNode, int]

MXNET_VERSION = 10700  # what we write: 1.7.0

# Operators that automatic mixed precision inserted; `Symbol.save` leaves them out.
_AMP_CASTS = ("amp_cast", "amp_multicast")


# -- writing -----------------------------------------------------------------------------------------------------


def to_text(outputs: Sequence[Entry], keep_all: bool = True) -> str:
    """Write the graph behind `outputs`, byte for byte as MXNet 1.7 does."""
    parts = [*_graph_parts(outputs, keep_all, 0), f'"attrs": {{"mxnet_version": ["int", {MXNET_VERSION}]}}']
    return "{\n  " + ", \n  ".join(parts) + "\n}"


def _graph_parts(outputs: Sequence[Entry], keep_all: bool, indent: int) -> list[str]:
    """The members of a graph's object, whose brace stands at column `indent`."""
    skipped = {} if keep_all else _amp_casts(outputs)

    def source(entry: Entry) -> Entry:
        while entry[0] in skipped:
            entry = entry[0].inputs[entry[1]]
        return entry

    heads = [source(e) for e in outputs]
    nodes = [n for n in topological(outputs) if n not in skipped]
    number = {node: i for i, node in enumerate(nodes)}
    pad, inner = " " * (indent + 4), " " * (indent + 6)
    written = []
    row, rows = 0, [0]
    for node in nodes:
        row += _row_length(node)
        rows.append(row)
        lines = [
            f'"op": {_string("null" if node.op is None else node.op.name)}',
            f'"name": {_string(node.name)}',
        ]
        if node.attrs:
            lines.append(f'"attrs": {_attributes(node.attrs, indent + 6)}')
        entries = []
        for (child, index), version in zip(node.inputs, node.input_versions()):
            at = source((child, index))
            entries.append(f"[{number[at[0]]}, {at[1]}, {version}]")
        lines.append(f'"inputs": {_array(entries, indent + 6)}')
        graphs = subgraphs_of(node)
        if graphs:
            lines.append(f'"subgraphs": {_subgraphs(graphs, keep_all, indent + 6)}')
        written.append(f"{pad}{{\n{inner}" + f", \n{inner}".join(lines) + f"\n{pad}}}")
    arguments = [str(i) for i, node in enumerate(nodes) if node.op is None]
    end = " " * (indent + 2)
    return [
        '"nodes": [\n' + ", \n".join(written) + f"\n{end}]",
        f'"arg_nodes": {_array(arguments, indent + 2)}',
        f'"node_row_ptr": {_array([str(r) for r in rows], indent + 2)}',
        f'"heads": {_array([f"[{number[n]}, {i}, 0]" for n, i in heads], indent + 2)}',
    ]


def _subgraphs(graphs: Sequence[Subgraph], keep_all: bool, indent: int) -> str:
    pad, inner = " " * (indent + 2), " " * (indent + 4)
    written = [
        f"{pad}{{\n{inner}" + f", \n{inner}".join(_graph_parts(g.outputs, keep_all, indent + 2)) + f"\n{pad}}}"
        for g in graphs
    ]
    return "[\n" + ", \n".join(written) + "\n" + " " * indent + "]"


def _amp_casts(outputs: Sequence[Entry]) -> dict[SymbolNode, None]:
    return {n: None for n in topological(outputs) if n.op is not None and n.op.name in _AMP_CASTS}


def _row_length(node: SymbolNode) -> int:
    """Outputs that MXNet counts. Its builds for oneDNN give max pooling a second one, for the places of the maxima."""
    if node.op is not None and node.op.name == "Pooling" and node.params.as_dict()["pool_type"] == "max":
        return 2
    # What RNN keeps for its gradient is no output of MXNet's.
    return node.num_visible if node.op is not None and node.op.name == "RNN" else node.num_outputs


def _attributes(attrs: Mapping[str, str], indent: int) -> str:
    items = [f"{_string(k)}: {_string(v)}" for k, v in sorted(attrs.items())]
    if len(items) == 1:
        return "{" + items[0] + "}"
    pad = " " * (indent + 2)
    return "{\n" + pad + f", \n{pad}".join(items) + "\n" + " " * indent + "}"


def _array(items: Sequence[str], indent: int) -> str:
    """MXNet puts arrays of more than ten items on a line each."""
    if len(items) <= 10:
        return f"[{', '.join(items)}]"
    pad = " " * (indent + 2)
    return "[\n" + pad + f", \n{pad}".join(items) + "\n" + " " * indent + "]"


def _string(text: str) -> str:
    # MXNet writes UTF-8. Half a surrogate pair (a file can hold it as an escape) has no UTF-8, so it is escaped again.
    broken = not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)
    return json.dumps(text, ensure_ascii=broken)


# -- reading -----------------------------------------------------------------------------------------------------


def from_text(text: str | bytes, where: str = "symbol JSON") -> Symbol:
    """Read a symbol. `where` names the source in messages.

    Raises
    ------
    MXNetError
        For anything that is no symbol of a known operator set; the message names the place.
    """
    from .symbol import Symbol

    if isinstance(text, (bytes, bytearray)):
        try:
            text = bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MXNetError(f"{where}: not UTF-8 text at byte {error.start}") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise MXNetError(f"{where}: not JSON, line {error.lineno} column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise MXNetError(f"{where}: nested too deeply") from None
    except ValueError as error:  # integers of thousands of digits
        raise MXNetError(f"{where}: {error}") from None
    return Symbol(_Reader(document, where).read())


class _Reader:
    """Checks a parsed document and builds its nodes."""

    def __init__(self, document: Any, where: str, version: int | None = None):
        self.where = where
        if not isinstance(document, dict):
            raise self.error(f"expected an object, found {_kind(document)}")
        self.nodes = self.field(document, "nodes", list, "the file")
        self.heads = self.field(document, "heads", list, "the file")
        self.version = self._version(document) if version is None else version
        if not self.nodes or not self.heads:
            raise self.error("there are no nodes" if not self.nodes else "there are no heads")

    def error(self, text: str) -> MXNetError:
        return MXNetError(f"{self.where}: {text}")

    def field(self, record: dict[str, Any], key: str, kind: type, owner: str, default: Any = None) -> Any:
        value = record.get(key, default)
        if value is None:
            raise self.error(f"{owner} has no {key!r}")
        if not isinstance(value, kind):
            raise self.error(f"{key!r} of {owner} is {_kind(value)}, expected {_KINDS[kind]}")
        return value

    def _version(self, document: dict[str, Any]) -> int:
        attrs = self.field(document, "attrs", dict, "the file", {})
        version = attrs.get("mxnet_version")
        if version is None:
            return upgrade.OLDEST
        if not (isinstance(version, list) and len(version) == 2 and type(version[1]) is int):
            raise self.error(f"mxnet_version is {str(version)[:40]!r}, expected ['int', number]")
        return version[1]

    def read(self) -> list[Entry]:
        records = [self._record(i, raw) for i, raw in enumerate(self.nodes)]
        upgraded: list[upgrade.Upgraded | None] = []
        made: list[SymbolNode | None] = [None] * len(records)
        for record in records:
            made_of = upgrade.attributes(record.op, record.attrs, self.version, record.where)
            if record.graphs:
                made_of = made_of._replace(params=made_of.params.with_subgraphs(record.graphs, record.where))  # type: ignore[attr-defined]
            upgraded.append(made_of)
        # Attributes that old files keep on the reader belong to its variables.
        for record, up in zip(records, upgraded):
            assert up is not None
            if record.op is None or not up.for_inputs:
                continue
            names = record.op.input_names(up.params)
            for name, key, value in up.for_inputs:
                position = names.index(name)
                if position < len(record.inputs):
                    target = upgraded[record.inputs[position][0]]
                    if target is not None and records[record.inputs[position][0]].op is None:
                        target.attrs[key] = value
        for i in self._order(records):
            made[i] = self._node(records[i], upgraded[i], made)  # type: ignore[arg-type]
        heads = []
        for k, raw in enumerate(self.heads):
            index, output, _ = self._entry(raw, f"head {k}", len(records))
            node = made[index]
            assert node is not None
            if output >= node.num_outputs:
                raise self.error(f"head {k} is output {output} of {node.describe()}, which has {node.num_outputs}")
            heads.append((node, output))
        return heads

    def _record(self, number: int, raw: Any) -> _Record:
        owner = f"node {number}"
        if not isinstance(raw, dict):
            raise self.error(f"{owner} is {_kind(raw)}, expected an object")
        name = self.field(raw, "name", str, owner)
        owner = f"node {number} '{name}'"
        op_name = self.field(raw, "op", str, owner)
        attrs: dict[str, str] = {}
        for key in ("param", "attr", "attrs"):
            for k, v in self.field(raw, key, dict, owner, {}).items():
                if not isinstance(v, str):
                    raise self.error(f"{owner}: attribute {k!r} is {_kind(v)}, expected a string")
                attrs[k] = v
        op = None
        if op_name != "null":
            op = registry.find(upgrade.RENAMED.get(op_name, op_name))
            if op is None:
                try:
                    registry.get(op_name)
                except MXNetError as error:
                    raise self.error(f"{owner}: {error}") from None
        inputs = [
            self._entry(entry, f"input {k} of {owner}", len(self.nodes))
            for k, entry in enumerate(self.field(raw, "inputs", list, owner))
        ]
        if op is None and inputs:
            raise self.error(f"{owner}: a variable has no inputs, found {len(inputs)}")
        graphs = [
            Subgraph(_Reader(document, f"{self.where}: {owner}: subgraph {k}", self.version).read())
            for k, document in enumerate(self.field(raw, "subgraphs", list, owner, []))
        ]
        if bool(graphs) != (op is not None and issubclass(op.params, ControlFlowParams)):
            raise self.error(f"{owner}: {op_name} has {len(graphs)} subgraphs")
        return _Record(op, name, attrs, inputs, f"{self.where}: {owner}", graphs)

    def _entry(self, raw: Any, owner: str, count: int) -> tuple[int, int, int]:
        if not isinstance(raw, list) or not 2 <= len(raw) <= 3 or any(type(v) is not int for v in raw):
            raise self.error(f"{owner} is {str(raw)[:60]}, expected [node, output] or [node, output, version]")
        if not 0 <= raw[0] < count:
            raise self.error(f"{owner} refers to node {raw[0]}, but there are {count} nodes")
        if not 0 <= raw[1] < 1 << 31:
            raise self.error(f"{owner} refers to output {raw[1]}")
        version = raw[2] if len(raw) == 3 else 0
        return raw[0], raw[1], version if 0 <= version < 1 << 31 else 0

    def _order(self, records: Sequence[_Record]) -> list[int]:
        """Numbers of the nodes, inputs first. Files list them so; any other order is sorted. Raises for a cycle."""
        if all(e[0] < i for i, record in enumerate(records) for e in record.inputs):
            return list(range(len(records)))
        waiting = [len({e[0] for e in record.inputs}) for record in records]
        readers: list[list[int]] = [[] for _ in records]
        for i, record in enumerate(records):
            for child in {e[0] for e in record.inputs}:
                readers[child].append(i)
        ready = [i for i, count in enumerate(waiting) if count == 0]
        for i in ready:
            for reader in readers[i]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)
        if len(ready) < len(records):
            stuck = next(i for i, count in enumerate(waiting) if count)
            raise self.error(f"node {stuck} '{records[stuck].name}' is part of a cycle, or needs one")
        return ready

    def _node(self, record: _Record, up: upgrade.Upgraded, made: Sequence[SymbolNode | None]) -> SymbolNode:
        if record.op is None:
            return SymbolNode(None, record.name, up.attrs)
        inputs: list[Entry] = []
        versions = []
        for index, output, version in record.inputs:
            child = made[index]
            assert child is not None
            if output >= child.num_outputs:
                raise MXNetError(
                    f"{record.where}: reads output {output} of {child.describe()}, which has {child.num_outputs}"
                )
            inputs.append((child, output))
            versions.append(version)
            if child.op is None:
                child.version = max(child.version, version)
        return upgrade.complete(record.op, record.name, up, inputs, versions, self.version, record.where)


class _Record:
    """One node of the file, checked but not yet built."""

    __slots__ = ("op", "name", "attrs", "inputs", "where", "graphs")

    def __init__(
        self,
        op: Any,
        name: str,
        attrs: dict[str, str],
        inputs: list[tuple[int, int, int]],
        where: str,
        graphs: list[Subgraph],
    ):
        self.op, self.name, self.attrs, self.inputs, self.where, self.graphs = op, name, attrs, inputs, where, graphs


_KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return _KINDS.get(type(value), type(value).__name__)


# -- files -------------------------------------------------------------------------------------------------------


def load(fname: Any) -> Symbol:
    """Load a symbol from a file.

    Parameters
    ----------
    fname : str, path or file object

    Raises
    ------
    MXNetError
        When the file cannot be read or is no symbol.
    """
    if hasattr(fname, "read"):
        return from_text(fname.read(), str(getattr(fname, "name", "symbol file")))
    if not isinstance(fname, (str, os.PathLike)):
        raise TypeError("fname need to be string")
    try:
        with open(fname, "rb") as file:
            data = file.read()
    except OSError as error:
        raise MXNetError(f'Open "{os.fspath(fname)}": {error.strerror}') from None
    return from_text(data, str(os.fspath(fname)))


def load_json(json_str: str) -> Symbol:
    """Load a symbol from a JSON string; see `load`."""
    if not isinstance(json_str, str):
        raise TypeError("fname required to be string")
    return from_text(json_str)
