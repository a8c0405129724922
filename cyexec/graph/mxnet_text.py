"""The graph that MXNet would bind, for the user's eye: the first part of `Executor.debug_str`.

MXNet merges equal nodes, appends its own backward operators, and copies values between contexts. Our programs are made
otherwise (gradients are composed of ordinary operators and optimised), so this is a rendering and nothing is computed
from it: a walk over the user's symbol with the table in `mxnet_gradients`. How MXNet merges, sums and names was learnt
from what 1.9.1 prints; `tests/golden/debug_text` holds examples of all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from . import mxnet_gradients
from .graph import topological
from .text import TextEntry, TextNode, text_entries, write_text

if TYPE_CHECKING:
    from ..symbol.symbol import Symbol

# MXNet adds up to that many contributions to a gradient with one add_n, more of them pairwise.
ADD_N_LIMIT = 7

ZEROS = frozenset({"zeros_like", "_zeros"})

# Operators that MXNet does not merge with their equals: those from before NNVM, of which each node may hold a state.
# Neither does it merge operators that draw random numbers, update auxiliary states or have no inputs.
NEVER_MERGED = frozenset(
    [
        "_CrossDeviceCopy", "SliceChannel", "Crop", "Dropout", "InstanceNorm", "L2Normalization", "MakeLoss",
        "SVMOutput", "Pooling_v1", "SequenceMask", "SequenceReverse", "SequenceLast", "Pad", "SwapAxis",
        "BilinearSampler", "Correlation", "GridGenerator", "RNN", "ROIPooling", "SpatialTransformer",
        "_contrib_DeformableConvolution", "_contrib_DeformablePSROIPooling", "_contrib_ModulatedDeformableConvolution",
        "_contrib_MultiBoxDetection", "_contrib_MultiBoxPrior", "_contrib_MultiBoxTarget", "_contrib_MultiProposal",
        "_contrib_PSROIPooling", "_contrib_Proposal",
        # Updates that change states beside the weight.
        "_adamw_update", "ftml_update", "lamb_update_phase1", "mp_lamb_update_phase1", "mp_lamb_update_phase2",
        "mp_nag_mom_update", "mp_sgd_mom_update", "mp_sgd_update", "nag_mom_update", "rmsprop_update",
        "rmspropalex_update", "signum_update",
    ]
)


class UnknownGradientError(Exception):
    """MXNet has no gradient of an operator, or the table does not know it."""


def bound_text(
    symbol: Symbol, wanted: Collection[int] = (), default: Hashable = None, groups: Mapping[str, Hashable] | None = None
) -> str:
    """Return what MXNet's ``executor.debug_str()`` shows of `symbol`, without the totals.

    Parameters
    ----------
    symbol : Symbol
    wanted : collection of int
        Numbers of the arguments whose gradients are asked for.
    default : object
        The context of nodes that are in no group.
    groups : mapping of group name to context, optional

    Raises
    ------
    UnknownGradientError
        There is no telling what MXNet would print.
    """
    heads = text_entries(symbol)
    arguments = [n for n in topological(heads) if not n.op]
    aux = _auxiliary(topological(heads))
    arguments = [n for n in arguments if n not in aux]
    outputs = _merge_equal(heads)
    targets: list[TextNode] = []
    shown = list(outputs)
    if wanted:
        targets = [n for i, n in enumerate(arguments) if i in wanted]
        shown += _gradients(heads, outputs, targets)
    if groups:
        shown = _place(shown, len(outputs), targets, default, groups)
    return write_text(shown)


def _auxiliary(nodes: Iterable[TextNode]) -> set[TextNode]:
    """Variables that an operator takes as auxiliary states."""
    found: set[TextNode] = set()
    for node in nodes:
        if node.source is not None and node.source.op is not None:
            count = len(node.source.op.arg_names(node.params))
            found.update(child for child, _ in node.args[count:])
    return found


# Equal nodes


def _may_merge(node: TextNode) -> bool:
    if not node.args or node.op in NEVER_MERGED:
        return False
    op = node.source.op if node.source is not None else None
    # LeakyReLU is random in its mode rrelu alone; MXNet merges it always.
    return op is None or node.op == "LeakyReLU" or not (op.random or op.aux)


def _merge_equal(heads: Sequence[TextEntry]) -> list[TextEntry]:
    """Merge nodes that compute the same, changing nodes in place; outputs that become one are told apart by copies.

    The nodes of `heads` stay as they are, only their inputs are merged: MXNet differentiates from them.
    """
    outputs = list(heads)
    while True:
        kept: dict[Hashable, TextNode] = {}
        instead: dict[TextNode, TextNode] = {}
        for node in topological(outputs):
            node.args = [(instead.get(child, child), index) for child, index in node.args]
            if node.op and _may_merge(node):
                key = (node.op, tuple(node.args), tuple(sorted(node.attrs.items())))
                first = kept.setdefault(key, node)
                if first is not node:
                    instead[node] = first
        if not instead:
            return outputs
        outputs = [(instead.get(node, node), index) for node, index in outputs]
        seen = set()
        for i, entry in enumerate(outputs):
            if entry in seen:
                # Copies of one value are equal in turn: the next round makes a chain of them.
                outputs[i] = (_copy(entry, f"{entry[0].name}_0_copy"), 0)
            seen.add(entry)


def _copy(entry: TextEntry, name: str, op: str = "_copy") -> TextNode:
    return TextNode(op, name, [entry], [0])


# Gradients


def _gradients(
    heads: Sequence[TextEntry], outputs: Sequence[TextEntry], targets: Sequence[TextNode]
) -> list[TextEntry]:
    """The gradients of `targets`, by a walk from `heads` backwards."""
    parts: dict[TextEntry, list[TextEntry]] = {}
    for i, (head, output) in enumerate(zip(heads, outputs)):
        variable = TextNode("", f"_head_grad_{i}")
        hint = TextNode("_identity_with_attr_like_rhs", f"_head_grad_{i}_id", [(variable, 0), output], [0, 0])
        # Of an output that is listed twice MXNet takes the last gradient only.
        parts[head] = [(hint, 0)]
    for node in reversed(topological(heads)):
        if not node.args:
            continue
        assert node.source is not None
        ograds = [_sum(parts.get((node, i), [])) for i in range(node.source.num_outputs)]
        for number, made in _backward(node, ograds):
            parts.setdefault(node.args[number], []).append(made)
    found: list[TextEntry] = []
    times: dict[TextEntry, int] = {}
    for target in targets:
        entry = _sum(parts.get((target, 0), []))
        count = times[entry] = times.get(entry, -1) + 1
        found.append((_copy(entry, f"{entry[0].name}_{count}_copy"), 0) if count else entry)
    return found


def _backward(node: TextNode, ograds: list[TextEntry]) -> Iterable[tuple[int, TextEntry]]:
    """(input number, its gradient) for every input of `node`."""
    assert node.source is not None
    rule = mxnet_gradients.backward(node)
    read = " ".join(step.reads for step in rule).split() if rule is not None else ["g"]
    heads = ograds if "g" in read else [ograds[0]]
    if all(grad.op in ZEROS for grad, _ in heads) and (rule is None or all(step.zeros for step in rule)):
        rule = mxnet_gradients.zeros(node)
    if rule is None:
        raise UnknownGradientError(node.op)
    for step in rule:
        feeds = range(len(node.args)) if step.feeds is None else step.feeds
        if not step.op:
            yield from ((number, ograds[0]) for number in feeds)
            continue
        made = TextNode(step.op, "" if step.suffix is None else node.name + step.suffix)
        made.attrs = node.attrs if step.attrs is None else step.attrs
        made.deps = [] if step.suffix is None else [node]
        for what in step.reads.split():
            for entry, version in _read(node, ograds, what):
                made.args.append(entry)
                made.versions.append(version)
        yield from ((number, (made, i)) for i, number in enumerate(feeds))


def _read(node: TextNode, ograds: Sequence[TextEntry], what: str) -> Iterable[tuple[TextEntry, int]]:
    """(entry, version) of what a letter of `Backward.reads` stands for."""
    assert node.source is not None
    counts = {"g": len(ograds), "i": len(node.args), "o": node.source.num_outputs}
    for i in range(counts[what]) if len(what) == 1 else (int(what[1:]),):
        if what[0] == "i":
            yield node.args[i], node.versions[i]
        elif what[0] == "o":
            yield (node, i), 0
        else:
            yield ograds[i] if i < len(ograds) else _sum([]), 0


def _sum(parts: Sequence[TextEntry]) -> TextEntry:
    """The sum of the contributions to one value."""
    if not parts:
        return TextNode("_zeros_without_dtype", "zeros_without_dtype"), 0
    parts = [p for p in parts if p[0].op not in ZEROS] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    if len(parts) <= ADD_N_LIMIT:
        attrs = {"num_args": str(len(parts))}
        return TextNode("add_n", "sum_grad", list(parts), [0] * len(parts), attrs), 0
    total = parts[0]
    made = {parts[0][0]}
    for i, part in enumerate(parts[1:], 1):
        if part[0] not in made:
            # It waits, so that few contributions exist at a time. (MXNet cannot bind where an earlier one comes again.)
            part[0].deps.append(total[0])
            made.add(part[0])
        total = TextNode("_grad_add", f"sum_grad_{i}", [total, part], [0, 0]), 0
    return _copy(total, "sum_grad_final"), 0


# Contexts


def _place(
    shown: Sequence[TextEntry],
    num_outputs: int,
    targets: Sequence[TextNode],
    default: Hashable,
    groups: Mapping[str, Hashable],
) -> list[TextEntry]:
    """Copy values that cross from one context to another, changing nodes in place."""
    nodes = topological(shown)
    where: dict[TextNode, Hashable] = {}
    for node in nodes:
        group = groups.get(node.attrs.get("__ctx_group__", ""))
        sources = node.deps[:1] if mxnet_gradients.is_backward(node.op) else [child for child, _ in node.args]
        found = next((where[source] for source in sources if source in where), None)
        if group is not None:
            where[node] = group
        elif found is not None:
            where[node] = found
        elif node.source is not None and not node.op:
            where[node] = default
    for (node, _), target in zip(shown[num_outputs:], targets):
        where.setdefault(node, where[target])
    for node in reversed(nodes):
        if node in where:
            for child, _ in node.args:
                where.setdefault(child, where[node])
    copies: dict[tuple[TextEntry, Hashable], TextNode] = {}
    for node in nodes:
        here = where.get(node, default)
        for i, (child, index) in enumerate(node.args):
            if where.get(child, default) != here:
                key = ((child, index), here)
                if key not in copies:
                    copies[key] = _copy((child, index), f"{child.name}_{index}_copy", "_CrossDeviceCopy")
                node.args[i] = (copies[key], 0)
    return list(shown)
