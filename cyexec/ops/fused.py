"""What the pass `fuse_elementwise` makes: several elementwise operators as one node, lowered to one step."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from ..kernels import levels
from . import params as P
from .registry import register
from .schema import Op, Shape


class Code(P.Field):
    """Instructions of the elementwise kernel, as ``((name, registers, scalar), ...)``."""

    type_name = "tuple of (name, registers, scalar)"

    def convert(self, value: Any) -> tuple:
        if isinstance(value, str):
            # Infinity and NaN have no literals; 1e999 reads as infinity.
            value = ast.literal_eval(value.replace("inf", "1e999").replace("nan", "(1e999 - 1e999)"))
        return tuple((str(name), tuple(registers), float(scalar)) for name, registers, scalar in value)


class Shapes(P.Field):
    """Tuple of shapes."""

    type_name = "tuple of Shape(tuple)"

    def convert(self, value: Any) -> tuple:
        return tuple(map(tuple, ast.literal_eval(value) if isinstance(value, str) else value))


class FusedParams(P.Params):
    """Parameters of _fused_elementwise."""

    nodes = P.Str(doc="Names of the nodes that became this one, in order.")
    operators = P.Str(doc="Their operators.")
    outputs = P.Str(default="output", doc="Names of the outputs.")
    shape = P.Shape(doc="Shape of every output.")
    views = Shapes(doc="Shapes that the inputs are seen with; they broadcast to `shape`.")
    code = Code(doc="Instructions of the kernel.")
    results = P.Shape(doc="Registers that the outputs hold.")


class Chain(NamedTuple):
    """What one node computes, if its lowering is one elementwise step over its inputs.

    Attributes
    ----------
    code : tuple of (name, registers, scalar)
        Register i is input number ``reads[i]``, then come the results of the instructions.
    reads : tuple of int
    views : tuple of shapes
        Shape that each read is seen with.
    """

    code: tuple
    reads: tuple[int, ...]
    views: tuple[tuple[int, ...], ...]


class _NotOneStep(Exception):
    """The lowering does something else than one elementwise step."""


class _Recorder:
    """Stands for a `Lowering` and takes down the one elementwise step that an operator writes."""

    def __init__(self, node: Any, is_train: bool):
        from ..lowering.program import Ref  # lowering imports the operators

        self.ins = [Ref(i, d, s) for i, (s, d) in enumerate(zip(node.in_shapes, node.in_dtypes))]
        self.outs = [Ref(len(self.ins), node.dtypes[0], node.shapes[0])]
        self.is_train = is_train
        self.steps: list[tuple] = []

    def used(self, output: int) -> bool:
        return True

    def elementwise(self, code: Any, reads: Any, writes: Any, results: Any = None, dtype: Any = None) -> None:
        last = len(reads) + len(code) - 1
        if self.steps or list(writes) != self.outs or dtype not in (None, writes[0].dtype) or (results or (last,)) != (last,):
            raise _NotOneStep
        self.steps.append((code, reads))

    def __getattr__(self, name: str) -> Any:
        raise _NotOneStep


_chains: dict[tuple, Chain | None] = {}
_CHAINS_KEPT = 4096


def chain_of(node: Any, is_train: bool) -> Chain | None:
    """Return what `node` computes as a chain, or None when it is more than one elementwise step of one dtype."""
    op = node.op
    if op is None or len(node.shapes) != 1 or not node.inputs or op.opaque:
        return None
    in_shapes, dtype = node.in_shapes, node.dtypes[0]
    if any(d != dtype for d in node.in_dtypes):
        return None
    # Lowering asks nothing else of a node than this. Passes ask for the chains of the same nodes again and again.
    key = (op, node.params, dtype, node.shapes[0], is_train, *in_shapes)
    try:
        return _chains[key]
    except KeyError:
        if len(_chains) >= _CHAINS_KEPT:
            _chains.clear()
        made = _chains[key] = _one_step(node, is_train)
        return made


def _one_step(node: Any, is_train: bool) -> Chain | None:
    """The chain of a node whose inputs and one output have one dtype."""
    op, dtype = node.op, node.dtypes[0]
    if op.lower is None:
        code = _elementwise_code(op, node.params, dtype)
        return None if code is None else Chain(code, tuple(range(len(node.inputs))), tuple(node.in_shapes))
    record = _Recorder(node, is_train)
    try:
        op.lower(record, node)
    except _NotOneStep:
        return None
    if not record.steps:
        return None
    lines, refs = record.steps[0]
    if any(ref.buffer >= len(node.inputs) or ref.offset or ref.size != record.ins[ref.buffer].size for ref in refs):
        return None
    code = _resolved(lines, dtype)
    return None if code is None else Chain(code, tuple(r.buffer for r in refs), tuple(r.shape for r in refs))


def _elementwise_code(op: Op, params: P.Params, dtype: Any) -> tuple | None:
    assert op.elementwise is not None
    return _resolved(op.elementwise(params), dtype)


def _resolved(code: Any, dtype: Any) -> tuple | None:
    """Instructions with scalars as they are for `dtype`; None where the kernel computes it in a wider one.

    Then every node rounds its result, and no chain would keep those numbers.
    """
    from ..lowering.lower import with_scalar_of

    lines = tuple(tuple(with_scalar_of(instr, dtype)) for instr in code)
    return lines if levels.supports_instructions(dtype, tuple(line[0] for line in lines)) else None


def _infer_shape(p: FusedParams, ins: list[Shape], outs: list[Shape]) -> tuple[list[Shape], list[Shape]]:
    return ins, [p.shape] * len(p.results)


def _lower(low: Any, node: Any) -> None:
    from ..lowering.lower import Instr

    p = node.params
    reads = [ref.reshape(*view) for ref, view in zip(low.ins, p.views)]
    low.elementwise([Instr(*line) for line in p.code], reads, low.outs, results=p.results)


register(
    Op(
        name="_fused_elementwise",
        doc="Elementwise operators in one step.",
        params=FusedParams,
        inputs=lambda p: tuple(f"arg{i}" for i in range(len(p.views))),
        outputs=lambda p: tuple(p.outputs.split(" ")),
        infer_shape=_infer_shape,
        lower=_lower,
        hidden=True,
    )
)
