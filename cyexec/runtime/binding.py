"""bind, simple_bind, plan and reshape: from a symbol and arrays or shapes to an executor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import MXNetError, ShapeError, as_dtype
from ..context import Context
from ..graph.build import build_graph
from ..graph.graph import Graph
from ..graph.infer import infer_dtypes, infer_shapes
from ..lowering.memory import MemoryPlan
from ..ndarray import NDArray
from ..ndarray.storage import Storage, allocate_bytes
from ..ops.infer import is_full, product
from ..passes import hoist_constants, place_devices
from ..symbol.node import auxiliary, topological
from ..symbol.subgraph import subgraphs_of
from ..symbol.unroll import unrolled
from .arena import Arena
from .compiled import LEAST
from .executor import Executor, numbered_contexts, zeros
from .programs import planned_program

if TYPE_CHECKING:
    from ..symbol import Symbol

LINE = 64  # bytes: a cache line
REQUESTS = ("null", "write", "add")

Typed = tuple[tuple[int, ...], np.dtype, int]  # shape, dtype and context of an array


def as_bytes(limit: int | str | None) -> int | None:
    """Bytes from a number or from text such as ``"512MB"`` (powers of 1024). Raises ValueError for anything else.

    ``"least"`` gives `LEAST`.
    """
    if limit is None or limit is LEAST:
        return limit
    if limit == "least":
        return LEAST
    if isinstance(limit, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", limit, re.IGNORECASE)
        if not match:
            raise ValueError(f"memory_limit is {limit!r}; expected bytes, or text such as '512MB'")
        return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
    if isinstance(limit, bool) or not hasattr(limit, "__index__") or limit.__index__() < 0:
        raise ValueError(f"memory_limit is {limit!r}; expected a number of bytes, or text such as '512MB'")
    return limit.__index__()


def _check_context(ctx: Any, what: str = "ctx") -> Context:
    if not isinstance(ctx, Context):
        raise TypeError(f"Context type error: {what} must be a Context such as mx.cpu(), found {ctx!r}")
    if ctx.device_type == "gpu":
        raise MXNetError(f"cannot bind to {ctx}: this library runs on CPU; use mx.cpu()")
    return ctx


def _by_name(values: Any, names: Sequence[str], what: str, allow_missing: bool) -> list[NDArray | None]:
    """Arrays in the order of `names`, from a list or a dict."""
    if isinstance(values, Mapping):
        out = []
        for name in names:
            if name in values:
                if not isinstance(values[name], NDArray):
                    raise TypeError(f"{what}['{name}'] must be an NDArray, found {type(values[name])}")
                out.append(values[name])
            elif allow_missing:
                out.append(None)
            else:
                raise ValueError(f"key `{name}` is missing in `{what}`")
        return out
    if isinstance(values, (str, NDArray)) or not isinstance(values, Sequence):
        raise TypeError(f"Only accept list of NDArrays or dict of str to NDArray for {what}, found {type(values)}")
    if len(values) != len(names):
        raise ValueError(
            f"Length of {what} does not match the number of arguments: found {len(values)}, expected {len(names)} "
            f"({', '.join(names)})"
        )
    for name, value in zip(names, values):
        if not isinstance(value, NDArray) and not (value is None and allow_missing):
            raise TypeError(f"Only accept list of NDArrays or dict of str to NDArray; {what} '{name}' is {type(value)}")
    return list(values)


def _requests(grad_req: Any, names: Sequence[str]) -> list[str]:
    """One of REQUESTS for each argument."""
    if isinstance(grad_req, str):
        reqs = [grad_req] * len(names)
    elif isinstance(grad_req, Mapping):
        reqs = [grad_req.get(name, "null") for name in names]
    elif isinstance(grad_req, Sequence):
        if len(grad_req) < len(names):
            raise ValueError(f"grad_req has {len(grad_req)} entries, expected one for each of {len(names)} arguments")
        reqs = list(grad_req[: len(names)])
    else:
        raise TypeError(f"grad_req must be a string, a list or a dict, found {type(grad_req)}")
    for name, req in zip(names, reqs):
        if req not in REQUESTS:
            raise ValueError(f"grad_req of '{name}' must be in {REQUESTS}, found {req!r}")
    return reqs


def _inferred_graph(symbol: Symbol, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, np.dtype]) -> Graph:
    """The forward graph with every shape and dtype, or an MXNetError that lists what cannot be inferred."""
    nodes = topological(symbol._outputs)
    found = infer_shapes(symbol._outputs, dict(shapes), partial=True)
    missing = [n.name for n in nodes if n.op is None and not is_full(found[n][0])]
    if missing:
        lines = ", ".join(f"{n.name}: {found[n][0]}" for n in nodes if n.op is None and not is_full(found[n][0]))
        names = {n.name for n in nodes if n.op is None}
        unknown = [n for n in shapes if n not in names]
        hint = f". Shapes were given for {', '.join(unknown)}, which the symbol does not have" if unknown else ""
        raise ShapeError(
            "InferShape cannot decide shapes for the following arguments (-1 means an unknown dimension, None that "
            f"nothing is known). Please consider providing them as inputs: {lines}{hint}"
        )
    types = infer_dtypes(symbol._outputs, dict(dtypes))
    outputs: Sequence[tuple[Any, int]] = symbol._outputs
    aux = auxiliary(nodes)  # as users see them: what an operator in a loop updates is an argument of the loop
    if any(subgraphs_of(node) for node in nodes):
        known = {node.name: types[node][0] for node in nodes if node.op is None}
        nodes, outputs, found = unrolled(symbol._outputs, found, shapes)  # type: ignore[assignment]
        types = infer_dtypes(outputs, known)  # type: ignore[arg-type]  # all known
    return build_graph(nodes, outputs, found, types, aux)


def _place(graph: Graph, ctx: Context, group2ctx: Mapping[str, Context] | None) -> Graph:
    """The graph with its nodes in the contexts that `group2ctx` gives their groups; context 0 is `ctx`."""
    if not group2ctx:
        return graph
    for name, other in group2ctx.items():
        _check_context(other, f"group2ctx['{name}']")
    numbers = {c: i for i, c in enumerate(numbered_contexts(ctx, group2ctx))}
    return place_devices.run(graph, {name: numbers[other] for name, other in group2ctx.items()})


def _shapes_dtypes_contexts(graph: Graph) -> tuple[list[Typed], list[Typed]]:
    """(shape, dtype, number of the context) of arguments and of auxiliary states, in order."""
    variables = sorted((node for node in graph.nodes if node.is_variable), key=lambda node: node.number)
    args = [(node.shapes[0], node.dtypes[0], node.ctx) for node in variables if node.kind == "arg"]
    aux = [(node.shapes[0], node.dtypes[0], node.ctx) for node in variables if node.kind == "aux"]
    return args, aux


def _check_arrays(
    names: Sequence[str], arrays: Sequence[NDArray | None], wanted: Sequence[tuple], what: str
) -> None:
    for name, array, (shape, dtype, _) in zip(names, arrays, wanted):
        if array is not None and (array.shape != shape or array._array.dtype != dtype):
            raise MXNetError(
                f"{what} '{name}' has shape {array.shape} and dtype {array._array.dtype}, expected {shape} and {dtype}"
            )


def _arenas(shared_exec: Any) -> list[Arena] | None:
    """The arenas to share."""
    if shared_exec is None:
        return None
    if not isinstance(shared_exec, Executor):
        raise TypeError(f"shared_exec must be an Executor, found {type(shared_exec)}")
    return shared_exec._arenas


def bind(
    symbol: Symbol,
    ctx: Context,
    args: Any,
    args_grad: Any = None,
    grad_req: Any = "write",
    aux_states: Any = None,
    group2ctx: Mapping[str, Context] | None = None,
    shared_exec: Executor | None = None,
    *,
    plan_time_limit: float | None = None,
    memory_limit: int | str | None = None,
) -> Executor:
    """Bind a symbol to the user's arrays. See `Symbol.bind`.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or number, as MXNet.
    MXNetError
        Shapes or dtypes that do not fit, naming node or argument.
    """
    ctx = _check_context(ctx)
    names, aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
    arg_arrays = _by_name(args, names, "args", False)
    aux_arrays = _by_name([] if aux_states is None else aux_states, aux_names, "aux_states", False)
    grads: list[NDArray | None] = [None] * len(names)
    if args_grad is not None:
        grads = _by_name(args_grad, names, "args_grad", True)
    reqs = _requests(grad_req, names)

    known = {n: a.shape for n, a in zip([*names, *aux_names], [*arg_arrays, *aux_arrays]) if a is not None}
    dtypes = {n: a._array.dtype for n, a in zip([*names, *aux_names], [*arg_arrays, *aux_arrays]) if a is not None}
    graph = _inferred_graph(symbol, known, dtypes)
    wanted, wanted_aux = _shapes_dtypes_contexts(graph)
    _check_arrays(names, arg_arrays, wanted, "argument")
    _check_arrays(names, grads, wanted, "gradient of argument")
    _check_arrays(aux_names, aux_arrays, wanted_aux, "auxiliary state")
    arenas = _arenas(shared_exec)
    graph = _place(graph, ctx, group2ctx)
    return Executor(
        symbol, graph, ctx, arg_arrays, grads, reqs, aux_arrays, group2ctx, arenas,  # type: ignore[arg-type]
        plan_time_limit or 0.0, as_bytes(memory_limit),
    )


def simple_bind(
    symbol: Symbol,
    ctx: Context,
    grad_req: Any = "write",
    type_dict: Mapping[str, Any] | None = None,
    stype_dict: Mapping[str, str] | None = None,
    group2ctx: Mapping[str, Context] | None = None,
    shared_arg_names: Sequence[str] | None = None,
    shared_exec: Executor | None = None,
    shared_buffer: dict[str, NDArray] | None = None,
    plan_time_limit: float | None = None,
    memory_limit: int | str | None = None,
    **kwargs: tuple[int, ...],
) -> Executor:
    """Infer all shapes from the given ones, allocate arrays of zeros and bind. See `Symbol.simple_bind`."""
    ctx = _check_context(ctx)
    arenas = _arenas(shared_exec)
    for name, stype in (stype_dict or {}).items():
        if stype != "default":
            raise MXNetError(f"storage type '{stype}' of '{name}' is not supported: this library has dense arrays only")
    names, aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
    reqs = _requests(grad_req, names)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in kwargs.items():
        try:
            shapes[name] = tuple(-1 if int(d) == 0 else int(d) for d in shape)
        except (TypeError, ValueError):
            raise TypeError(f"shape of '{name}' must be a tuple of integers, found {shape!r}") from None
    dtypes = {name: as_dtype(dtype) for name, dtype in (type_dict or {}).items()}
    try:
        graph = _inferred_graph(symbol, shapes, dtypes)
    except MXNetError as error:
        given = "\n".join(f"{name}: {shape}" for name, shape in kwargs.items())
        raise type(error)(f"simple_bind error. Arguments:\n{given}\n{error}") from None
    graph = _place(graph, ctx, group2ctx)
    wanted, wanted_aux = _shapes_dtypes_contexts(graph)

    allocate = _Allocator(numbered_contexts(ctx, group2ctx), shared_arg_names, shared_exec, shared_buffer)
    args = [allocate.argument(n, *w) for n, w in zip(names, wanted)]
    asked = [(n, *w) for n, w, r in zip(names, wanted, reqs) if r != "null"]
    allocate.reserve_gradients(asked)
    grads = [allocate.gradient(n, *w) if r != "null" else None for n, w, r in zip(names, wanted, reqs)]
    aux = [allocate.auxiliary(n, *w) for n, w in zip(aux_names, wanted_aux)]
    return Executor(
        symbol, graph, ctx, args, grads, reqs, aux, group2ctx, arenas, plan_time_limit or 0.0, as_bytes(memory_limit)
    )


class _Allocator:
    """Where simple_bind's arrays come from: another executor, a pool of buffers, or new memory."""

    def __init__(
        self,
        contexts: Sequence[Context],
        shared_arg_names: Sequence[str] | None,
        shared_exec: Executor | None,
        shared_buffer: dict[str, NDArray] | None,
    ):
        self._contexts = contexts
        if isinstance(shared_arg_names, str) or not isinstance(shared_arg_names, (Sequence, set, type(None))):
            raise ValueError(f"shared_arg_names in simple_bind must be a list or None, found {type(shared_arg_names)}")
        if not isinstance(shared_buffer, (dict, type(None))):
            raise ValueError(f"shared_buffer in simple_bind must be a dict or None, found {type(shared_buffer)}")
        self._shared_names = set(shared_arg_names or ())
        self._pool = shared_buffer
        self._laid_out: dict[str, list[NDArray]] = {}
        self._args = shared_exec.arg_dict if shared_exec is not None else {}
        self._grads = shared_exec.grad_dict if shared_exec is not None else {}
        # An executor that shares memory alone (no parameters, no buffers) keeps auxiliary states of its own, as in MXNet.
        shares_aux = shared_arg_names is not None or shared_buffer is not None
        self._aux = shared_exec.aux_dict if shared_exec is not None and shares_aux else {}

    def argument(self, name: str, shape: tuple[int, ...], dtype: np.dtype, ctx: int) -> NDArray:
        if name in self._shared_names:
            return self._from(self._args, name, shape, dtype, ctx)
        return self._pooled(name, shape, dtype, ctx)

    def gradient(self, name: str, shape: tuple[int, ...], dtype: np.dtype, ctx: int) -> NDArray:
        if name in self._laid_out:
            return self._laid_out[name].pop(0)
        if name in self._shared_names:
            return self._from(self._grads, name, shape, dtype, ctx)
        return self._pooled(f"grad of {name}", shape, dtype, ctx)

    def reserve_gradients(self, asked: Sequence[tuple[str, tuple[int, ...], np.dtype, int]]) -> None:
        """Lay new gradients out one behind the other, in the order of their arguments: updates walk over one block.

        Each array keeps a version of its own, and begins at a cache line.
        """
        for number, context in enumerate(self._contexts):
            new = [a for a in asked if a[3] == number and self._is_new(a[0])]
            sizes = [-(-product(shape) * dtype.itemsize // LINE) * LINE for _, shape, dtype, _ in new]
            block = allocate_bytes(sum(sizes))
            block[:] = 0
            start = 0
            for (name, shape, dtype, _), size in zip(new, sizes):
                nbytes = product(shape) * dtype.itemsize
                array = block[start : start + nbytes].view(dtype).reshape(shape)
                # Two arguments may have one name: their gradients are taken in order.
                self._laid_out.setdefault(name, []).append(NDArray._wrap(array, context, Storage(block)))
                start += size

    def _is_new(self, name: str) -> bool:
        """Whether the gradient of an argument is neither another executor's nor in the pool."""
        if name in self._shared_names:
            return self._grads.get(name) is None
        return self._pool is None

    def auxiliary(self, name: str, shape: tuple[int, ...], dtype: np.dtype, ctx: int) -> NDArray:
        return self._from(self._aux, name, shape, dtype, ctx)

    def _from(
        self, arrays: Mapping[str, NDArray | None], name: str, shape: tuple[int, ...], dtype: np.dtype, ctx: int
    ) -> NDArray:
        found = arrays.get(name)
        if found is None:
            return zeros(shape, dtype, self._contexts[ctx], f"'{name}'")
        if found.shape != shape or found._array.dtype != dtype:
            raise MXNetError(
                f"'{name}' is shared with an executor in which it has shape {found.shape} and dtype "
                f"{found._array.dtype}, but here it is {shape} and {dtype}"
            )
        return found

    def _pooled(self, name: str, shape: tuple[int, ...], dtype: np.dtype, ctx: int) -> NDArray:
        if self._pool is None:
            return zeros(shape, dtype, self._contexts[ctx], f"'{name}'")
        found = self._pool.get(name)
        if found is not None and found._array.dtype == dtype and found._array.size >= product(shape):
            return prefix(found, shape)
        self._pool[name] = zeros(shape, dtype, self._contexts[ctx], f"'{name}'")
        return self._pool[name]


def prefix(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The first elements of `array`, seen with another shape; shares memory."""
    return NDArray._wrap(array._array.reshape(-1)[: product(shape)].reshape(shape), array._ctx, array._storage)


def plan(
    symbol: Symbol,
    grad_req: Any = "write",
    type_dict: Mapping[str, Any] | None = None,
    plan_time_limit: float | None = None,
    memory_limit: int | str | None = None,
    **shapes: tuple[int, ...],
) -> MemoryPlan:
    """Return the memory plan that `simple_bind` would make, without allocating anything.

    With ``memory_limit="least"`` that is the plan with the smallest arena that computing values twice can reach.
    """
    names = symbol.list_arguments()
    dtypes = {name: as_dtype(dtype) for name, dtype in (type_dict or {}).items()}
    known = {n: tuple(-1 if int(d) == 0 else int(d) for d in s) for n, s in shapes.items()}
    graph = _inferred_graph(symbol, known, dtypes)
    wanted = [(i, r) for i, r in enumerate(_requests(grad_req, names)) if r != "null"]
    limit = as_bytes(memory_limit)
    return planned_program(graph, bool(wanted), wanted, time_limit=plan_time_limit or 0.0, memory_limit=limit).plan


def reshape_executor(
    parent: Executor, partial_shaping: bool, allow_up_sizing: bool, shapes: Mapping[str, tuple[int, ...]]
) -> Executor:
    """See `Executor.reshape`."""
    symbol = parent._symbol
    names, aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
    dtypes = {n: a._array.dtype for n, a in zip([*names, *aux_names], [*parent.arg_arrays, *parent.aux_arrays])}
    known = {n: tuple(-1 if int(d) == 0 else int(d) for d in s) for n, s in shapes.items()}
    graph = _place(_inferred_graph(symbol, known, dtypes), parent._ctx, parent._group2ctx)
    contexts = numbered_contexts(parent._ctx, parent._group2ctx)
    wanted, wanted_aux = _shapes_dtypes_contexts(graph)

    def fit(name: str, old: NDArray | None, shape: tuple[int, ...], dtype: np.dtype, ctx: int, what: str) -> NDArray | None:
        if old is None or old.shape == shape:
            return old
        if not partial_shaping and name not in shapes:
            raise MXNetError(
                f"Shape of unspecified {what}: {name} changed from {old.shape} to {shape}. This can cause the new "
                "executor to not share parameters with the old one. Please check for error in network. If this is "
                "intended, set partial_shaping=True to suppress this warning."
            )
        if product(shape) > old._array.size:
            if not allow_up_sizing:
                raise MXNetError(
                    f"New shape of {what}: {name}, {shape}, is larger than original {old.shape}. First making a big "
                    "executor and then down sizing it is more efficient than the reverse. If you really want to up "
                    "size, set allow_up_sizing=True to enable allocation of new arrays."
                )
            return zeros(shape, dtype, contexts[ctx], f"'{name}'")
        return prefix(old, shape)

    args = [fit(n, a, *w, "arg") for n, a, w in zip(names, parent.arg_arrays, wanted)]
    grads = [fit(n, a, *w, "arg") for n, a, w in zip(names, parent.grad_arrays, wanted)]
    aux = [fit(n, a, *w, "aux") for n, a, w in zip(aux_names, parent.aux_arrays, wanted_aux)]
    outputs = [
        prefix(old, e.shape)
        if product(e.shape) <= old._array.size and e.dtype == old._array.dtype
        else zeros(e.shape, e.dtype, contexts[e.node.ctx], e.node.describe())
        for e, old in zip(graph.outputs, parent.outputs)
    ]
    return Executor(
        symbol, graph, parent._ctx, args, grads, parent._grad_req, aux, parent._group2ctx, parent._arenas,  # type: ignore[arg-type]
        parent._plan_time_limit, parent._memory_limit, outputs,
    )  # fmt: skip


def clone_executor(parent: Executor, own: Sequence[str] | None) -> Executor:
    """See `Executor.clone`."""
    names = parent._symbol.list_arguments()
    if own is None:
        shared = {n.number for n in hoist_constants.parameters_only(parent._graph) if n.kind == "arg"}
    else:
        unknown = sorted(set(own) - set(names))
        if isinstance(own, str) or unknown:
            raise ValueError(f"own must be names of arguments ({', '.join(names)}), found {own!r}")
        shared = {i for i, name in enumerate(names) if name not in own}
    contexts = numbered_contexts(parent._ctx, parent._group2ctx)
    wanted, _ = _shapes_dtypes_contexts(parent._graph)
    args = [a if i in shared else a.copy() for i, a in enumerate(parent.arg_arrays)]
    grads = [
        None if old is None else zeros(shape, dtype, contexts[ctx], f"gradient of '{name}'")
        for name, old, (shape, dtype, ctx) in zip(names, parent.grad_arrays, wanted)
    ]
    return Executor(
        parent._symbol, parent._graph, parent._ctx, args, grads, parent._grad_req, parent.aux_arrays, parent._group2ctx,
        plan_time_limit=parent._plan_time_limit, memory_limit=parent._memory_limit,
    )  # fmt: skip
