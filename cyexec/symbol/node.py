"""Nodes of symbols: what the user composed, before shapes are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..graph.graph import topological
from ..ops.params import NoParams, Params
from ..ops.schema import Op

__all__ = ["SymbolNode", "auxiliary", "parse_params", "topological"]

# The third number of an input in symbol files: how many auxiliary uses of a variable were composed before this use.
# Nothing is computed from it; it is kept because MXNet writes it and prints it in `debug_str`.
Versions = tuple[int, ...]


class SymbolNode:
    """One operator application or a variable (``op`` is None).

    Attributes
    ----------
    op : Op or None
    name : str
    attrs : dict of str to str
        Parameters as the user wrote them, and the user's own ``__x__`` attributes.
    inputs : tuple of (SymbolNode, int)
        Arguments, then auxiliary states.
    versions : tuple of int
        Of each input when it was composed; shorter than `inputs` where the rest are 0.
    version : int
        Of a variable: how many auxiliary uses it has so far.
    """

    __slots__ = ("op", "name", "attrs", "inputs", "versions", "version", "_params")

    def __init__(
        self,
        op: Op | None,
        name: str,
        attrs: dict[str, str] | None = None,
        inputs: Sequence[tuple[SymbolNode, int]] = (),
        versions: Versions = (),
        params: Params | None = None,
    ):
        self.op = op
        self.name = name
        self.attrs: dict[str, str] = attrs if attrs is not None else {}
        self.inputs = tuple(inputs)
        self.versions = versions
        self.version = 0
        self._params = params

    @property
    def params(self) -> Params:
        """The operator's parsed parameters. Raises MXNetError for attributes it cannot take."""
        if self._params is None:
            self._params = parse_params(self.op, self.attrs, self.describe())
        return self._params

    @property
    def num_outputs(self) -> int:
        """Outputs, hidden ones included."""
        return 1 if self.op is None else len(self.op.output_names(self.params))

    @property
    def num_visible(self) -> int:
        return 1 if self.op is None else self.op.num_visible(self.params)

    def set_attr(self, key: str, value: str) -> None:
        """Change one attribute; parameters are parsed anew. Raises MXNetError, changing nothing, for a bad one."""
        changed = {**self.attrs, key: value}
        params = None if self.op is None else parse_params(self.op, changed, self.describe()).carry_over(self.params)
        self.attrs, self._params = changed, params

    def describe(self) -> str:
        """``Convolution 'conv0'``, for messages."""
        return f"Variable '{self.name}'" if self.op is None else f"{self.op.name} '{self.name}'"

    def input_versions(self) -> Versions:
        """A version for every input."""
        return self.versions + (0,) * (len(self.inputs) - len(self.versions))

    def output_name(self, index: int) -> str:
        """MXNet's name of an output: ``fc1_output``; a variable's is its own name."""
        if self.op is None:
            return self.name
        return f"{self.name}_{self.op.output_names(self.params)[index]}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def __reduce__(self) -> str:
        raise TypeError("nodes are pickled with their Symbol only")


def parse_params(op: Op | None, attrs: dict[str, str], where: str) -> Params:
    """Parse the attributes of a node. An operator without parameters takes, and ignores, any, as MXNet's do."""
    if op is None or not op.params.fields:
        return NoParams()
    return op.params.parse(attrs, where)


def auxiliary(nodes: Iterable[SymbolNode]) -> set[SymbolNode]:
    """Variables that some operator of `nodes` takes as auxiliary state."""
    found: set[SymbolNode] = set()
    for node in nodes:
        if node.op is not None and node.op.aux:
            count = len(node.op.aux_names(node.params))
            if count:
                found.update(child for child, _ in node.inputs[-count:])
    return found
