"""The symbol: a list of outputs of nodes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..base import MXNetError
from ..graph.infer import from_mxnet_shape, infer_dtypes, infer_shapes, to_mxnet_shape
from ..graph.text import symbol_text
from ..ops.infer import is_full
from . import jsonio
from .compose import HIDDEN_KEYS, copy_graph, stored_key, substitute
from .execution import ExecutionMixin
from .fluent import FluentMixin
from .node import SymbolNode, auxiliary, topological
from .operators import OperatorMixin

Entry = tuple[SymbolNode, int]


class Symbol(OperatorMixin, FluentMixin, ExecutionMixin):
    """A symbolic expression: one or several outputs of a graph of operators over named variables.

    Symbols are made by `Variable`, by the functions of `mx.sym` and by arithmetic on other symbols; `bind` and
    `simple_bind` turn them into executors. ``_outputs`` holds (node, output index) pairs.
    """

    __slots__ = ("_outputs", "__weakref__")

    def __init__(self, outputs: Sequence[Entry]):
        self._outputs: list[Entry] = list(outputs)

    # -- names ---------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """Name of the node behind all outputs; None for a group."""
        node = self._single_node()
        return None if node is None else node.name

    def _single_node(self) -> SymbolNode | None:
        nodes = {node for node, _ in self._outputs}
        return nodes.pop() if len(nodes) == 1 else None

    def list_arguments(self) -> list[str]:
        """Names of the variables that are no auxiliary states, in the order in which the graph first needs them."""
        return self._variables(lambda is_aux: not is_aux)

    def list_auxiliary_states(self) -> list[str]:
        """Names of the auxiliary states: variables that operators update while they run."""
        return self._variables(lambda is_aux: is_aux)

    def list_inputs(self) -> list[str]:
        """Names of all variables, auxiliary states among them."""
        return self._variables(lambda is_aux: True)

    def _variables(self, wanted: Any) -> list[str]:
        nodes = topological(self._outputs)
        states = auxiliary(nodes)
        return [n.name for n in nodes if n.op is None and wanted(n in states)]

    def list_outputs(self) -> list[str]:
        """Names of the outputs: ``fc1_output``; a variable's is its own."""
        return [node.output_name(index) for node, index in self._outputs]

    def __repr__(self) -> str:
        if self.name is None:
            return f"<Symbol group [{', '.join(str(node.name) for node, _ in self._outputs)}]>"
        return f"<Symbol {self.name}>"

    # -- outputs -------------------------------------------------------------------------------------------------

    @property
    def num_outputs(self) -> int:
        """How many outputs there are."""
        return len(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([entry]) for entry in list(self._outputs))

    def __getitem__(self, index: int | str | slice) -> Symbol:
        """Select outputs by number, by name (``fc1_output``) or by slice."""
        if isinstance(index, slice):
            chosen = self._outputs[index]
            if not chosen:
                raise ValueError(f"slice {index} selects none of {len(self)} outputs")
            return Symbol(chosen)
        if isinstance(index, str):
            found = [i for i, name in enumerate(self.list_outputs()) if name == index]
            if not found:
                raise ValueError(f'Cannot find output that matches name "{index}"')
            if len(found) > 1:
                raise ValueError(f'There are multiple outputs with name "{index}"')
            return Symbol([self._outputs[found[0]]])
        if isinstance(index, (bool, np.bool_)) or not isinstance(index, (int, np.integer)):
            raise TypeError("Symbol only support integer index to fetch i-th output")
        if index < 0:
            raise MXNetError(f"Symbol only accept nonnegative index, found {index}")
        if index >= len(self):
            raise IndexError(f"output {index} of a symbol with {len(self)}")
        return Symbol([self._outputs[index]])

    def get_internals(self) -> Symbol:
        """Return a group of every visible output of every node, inputs first."""
        return Symbol([(node, i) for node in topological(self._outputs) for i in range(node.num_visible)])

    def get_children(self) -> Symbol | None:
        """Return a group of the inputs of the output nodes; None when there are none."""
        nodes = dict.fromkeys(node for node, _ in self._outputs)
        entries = [entry for node in nodes for entry in node.inputs]
        return Symbol(entries) if entries else None

    # -- attributes ----------------------------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """Return the attribute `key` of the symbol's node; None when it has none or there are several nodes."""
        node = self._single_node()
        if node is None:
            return None
        value = node.attrs.get(key)
        if value is None and key in HIDDEN_KEYS:
            value = node.attrs.get(f"__{key}__")
        return value

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """Return all attributes of the first output's node."""
        if recursive:
            raise DeprecationWarning(
                "Symbol.list_attr with recursive=True has been deprecated. Please use attr_dict instead."
            )
        return _shown_attrs(self._outputs[0][0])

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Return the attributes of all nodes that have some, by node name."""
        out: dict[str, dict[str, str]] = {}
        for node in topological(self._outputs):
            if node.attrs:
                out.setdefault(node.name, {}).update(_shown_attrs(node))
        return out

    def _set_attr(self, **kwargs: str) -> None:
        for value in kwargs.values():
            if not isinstance(value, str):
                raise ValueError("Set Attr only accepts string values")
        node = self._single_node()
        if node is None:
            raise MXNetError("Symbol.SetAttrs only works for non-grouped symbol")
        for key, value in kwargs.items():
            node.set_attr(stored_key(key), value)

    # -- composition ---------------------------------------------------------------------------------------------

    def __call__(self, *args: Symbol, name: str | None = None, **kwargs: Symbol) -> Symbol:
        """Return a copy with symbols in place of arguments: ``net(data=other, name="new")``."""
        if args and kwargs:
            raise TypeError("compose only accept input Symbols either as positional or keyword arguments, not both")
        for value in (*args, *kwargs.values()):
            if not isinstance(value, Symbol):
                raise TypeError("Compose expect `Symbol` as arguments")
        if args:
            raise MXNetError(f"General composition only support kwargs for now, got {len(args)} positional symbols")
        entries = {key: single(value, f"Keyword Argument {key}") for key, value in kwargs.items()}
        return Symbol(substitute(self._outputs, entries, name))

    def __copy__(self) -> Symbol:
        return Symbol(copy_graph(self._outputs))

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self.__copy__()

    def __reduce__(self) -> Any:
        return jsonio.from_text, (jsonio.to_text(self._outputs, keep_all=True),)

    # -- inference -----------------------------------------------------------------------------------------------

    def infer_shape(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Infer the shapes of arguments, outputs and auxiliary states.

        Parameters
        ----------
        *args, **kwargs : tuple of int
            Known shapes of arguments, in their order or by name. 0 is an unknown extent, ``()`` an unknown rank.

        Returns
        -------
        arg_shapes, out_shapes, aux_shapes : lists of tuple, or None each
            None, with a warning, when not all of them can be told.

        Raises
        ------
        MXNetError
            When the shapes contradict each other; the message names the node.
        """
        shapes = self._infer_shapes(args, kwargs)
        if shapes[3]:
            return shapes[:3]
        names, found = self.list_arguments(), shapes[0]
        unknown = [f"{n}: {s}" for n, s in zip(names, found) if not s or 0 in s]
        if unknown:
            more = ["..."] if len(unknown) > 10 else []
            listed = "\n\t".join(unknown[:10] + more)
            warnings.warn(
                "Cannot decide shape for the following arguments (0s in shape means unknown dimensions). "
                f"Consider providing them as input:\n\t{listed}",
                stacklevel=2,
            )
        return None, None, None

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Infer what can be told of the shapes; see `infer_shape`. Unknown extents are 0, unknown ranks ``()``."""
        return self._infer_shapes(args, kwargs)[:3]

    def _infer_shapes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any, Any, bool]:
        known = self._by_argument("shapes", args, kwargs)
        for name, shape in known.items():
            if not isinstance(shape, tuple):
                raise TypeError(f"Arguments need to be shapes (tuple), but '{name}' is {type(shape)}.")
            for d in shape:
                if isinstance(d, (float, np.floating)) or not hasattr(d, "__index__"):
                    raise TypeError(f"integer argument expected, got {type(d).__name__} in the shape of '{name}'")
        known = {name: from_mxnet_shape(shape) for name, shape in known.items()}
        result = infer_shapes(self._outputs, known, partial=True)
        complete = all(is_full(s) for node, shapes in result.items() for s in shapes)
        return *self._three_lists(result, to_mxnet_shape), complete

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Infer the dtypes of arguments, outputs and auxiliary states from known ones of arguments.

        Returns
        -------
        arg_types, out_types, aux_types : lists of NumPy types, or None each
            None, with a warning, when not all of them can be told.
        """
        types = self.infer_type_partial(*args, **kwargs)
        if all(t is not None for group in types for t in group):
            return types
        unknown = [f"{n}: {t}" for n, t in zip(self.list_arguments(), types[0]) if t is None]
        if unknown:
            listed = "\n\t".join(unknown[:10] + (["..."] if len(unknown) > 10 else []))
            warnings.warn(
                f"Cannot decide type for the following arguments. Consider providing them as input:\n\t{listed}",
                stacklevel=2,
            )
        return None, None, None

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Infer what can be told of the dtypes; unknown ones are None."""
        known = self._by_argument("types", args, kwargs)
        dtypes = {name: np.dtype(value) for name, value in known.items() if value is not None}
        result = infer_dtypes(self._outputs, dtypes, default=None)
        return self._three_lists(result, lambda dtype: None if dtype is None else dtype.type)

    def _by_argument(self, what: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if args and kwargs:
            raise ValueError(f"Can only specify known argument {what} either by positional or kwargs way.")
        names = self.list_arguments()
        if args:
            if len(args) > len(names):
                raise MXNetError(f"{len(args)} {what} given, but there are {len(names)} arguments: {', '.join(names)}")
            return {name: value for name, value in zip(names, args) if value is not None}
        known = {*names, *self.list_auxiliary_states()}
        for key in kwargs:
            if key not in known:
                listed = "".join(f"\n\t[{i}]{n}" for i, n in enumerate(names))
                raise MXNetError(f"Keyword argument name {key} not found.\nCandidate arguments:{listed}")
        return dict(kwargs)

    def _three_lists(self, result: Mapping[SymbolNode, Sequence[Any]], convert: Any) -> tuple[Any, Any, Any]:
        states = auxiliary(result)
        variables = [n for n in result if n.op is None]
        return (
            [convert(result[n][0]) for n in variables if n not in states],
            [convert(result[node][index]) for node, index in self._outputs],
            [convert(result[n][0]) for n in variables if n in states],
        )

    # -- text ----------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """Return the symbol as JSON, in MXNet 1.7's format."""
        return jsonio.to_text(self._outputs, keep_all=not remove_amp_cast)

    def save(self, fname: Any, remove_amp_cast: bool = True) -> None:
        """Write `tojson` to a file: a path, or an object with ``write``."""
        text = self.tojson(remove_amp_cast)
        if hasattr(fname, "write"):
            try:
                fname.write(text)
            except TypeError:  # opened in binary mode
                fname.write(text.encode())
            return
        if not isinstance(fname, (str, os.PathLike)):
            raise TypeError("fname only accepts string")
        # A crash while writing must leave an earlier file as it was.
        temporary = f"{os.fspath(fname)}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, fname)
        except BaseException as error:
            if os.path.exists(temporary):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise MXNetError(f"{os.fspath(fname)}: cannot be written: {error.strerror}") from None
            raise

    def debug_str(self) -> str:
        """Return the graph as MXNet prints it for debugging."""
        return symbol_text(self)


def _shown_attrs(node: SymbolNode) -> dict[str, str]:
    """A node's attributes; the well-known hidden ones appear without underscores too, as MXNet lists them."""
    out = dict(node.attrs)
    for key in HIDDEN_KEYS:
        if f"__{key}__" in out:
            out[key] = out[f"__{key}__"]
    return out


def single(symbol: Symbol, what: str) -> Entry:
    """Return the symbol's one output. Raises MXNetError when it has several."""
    if len(symbol._outputs) != 1:
        raise MXNetError(f"{what} is a tuple of {len(symbol._outputs)} outputs, single value is required")
    return symbol._outputs[0]
