"""Operators written in Python: ``mx.operator.CustomOp``, and the older NumpyOp and NDArrayOp.

    class Clip(mx.operator.CustomOp): forward(...), backward(...)          computes
    @mx.operator.register("clip")
    class ClipProp(mx.operator.CustomOpProp): list_arguments(), ...        describes
    mx.sym.Custom(data, op_type="clip", name="clip0")                      a node; also mx.nd.Custom(array, op_type="clip")

How such a node is run is told in `cyexec/ops/custom.py`.
"""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .codegen import input_names
from .ops import custom, registry
from .ops.params import REQUIRED

if TYPE_CHECKING:
    from .ndarray import NDArray
    from .symbol import Symbol

PropClass = TypeVar("PropClass", bound=type)


class CustomOp:
    """What computes. One object serves all runs of one executor, so it may keep something from forward for backward.

    Lists of arrays are in the order of the property's `list_arguments`, `list_outputs` and `list_auxiliary_states`. The arrays
    are the executor's memory: write results into them, and copy what must outlive the call.
    """

    def forward(
        self,
        is_train: bool,
        req: list[str],
        in_data: list[NDArray],
        out_data: list[NDArray],
        aux: list[NDArray],
    ) -> None:
        """Compute `out_data` of `in_data`.

        Parameters
        ----------
        is_train : bool
        req : list of str
            For each output "write", "inplace", "add" or "null": what `assign` is to do.
        in_data, out_data, aux : list of NDArray
        """
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(
        self,
        req: list[str],
        out_grad: list[NDArray],
        in_data: list[NDArray],
        out_data: list[NDArray],
        in_grad: list[NDArray],
        aux: list[NDArray],
    ) -> None:
        """Compute `in_grad`, the gradients of `in_data`, of `out_grad`, the gradients of `out_data`.

        Arrays that the property's `declare_backward_dependency` does not name are not there.
        """
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def assign(self, dst: NDArray, req: str, src: Any) -> None:
        """Write `src` into `dst`, add it there, or do nothing, as `req` says."""
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src


class CustomOpProp:
    """What describes an operator: names, shapes, dtypes, and what backward reads.

    Parameters
    ----------
    need_top_grad : bool
        Whether backward reads the gradients of the outputs; False for a loss.
    """

    need_top_grad_ = True

    def __init__(self, need_top_grad: bool = True):
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the auxiliary states."""
        return []

    def infer_shape(self, in_shape: list[list[int]]) -> Any:
        """Return shapes of inputs, of outputs and, optionally, of auxiliary states: lists of shapes.

        `in_shape` has an empty list for an input whose shape is not known; the answer tells it. By default all outputs have
        the first input's shape.
        """
        return in_shape, [in_shape[0]] * len(self.list_outputs()), []

    def infer_type(self, in_type: list[Any]) -> Any:
        """Return dtypes of inputs, of outputs and, optionally, of auxiliary states. By default all are the first input's."""
        first = in_type[0]
        return (
            [first] * len(self.list_arguments()),
            [first] * len(self.list_outputs()),
            [first] * len(self.list_auxiliary_states()),
        )

    def infer_storage_type(self, in_stype: list[str]) -> Any:
        """Return storage types of inputs, outputs and auxiliary states: here all are dense."""
        dense = ["default"]
        return in_stype, dense * len(self.list_outputs()), dense * len(self.list_auxiliary_states())

    def declare_backward_dependency(
        self, out_grad: Sequence[int], in_data: Sequence[int], out_data: Sequence[int]
    ) -> Sequence[int]:
        """Return those of the numbers whose arrays backward reads. By default all, without `out_grad` for a loss.

        An array that is not named need not be kept until then.
        """
        heads = list(out_grad) if self.need_top_grad_ else []
        return [*heads, *in_data, *out_data]

    def create_operator(self, ctx: Any, in_shapes: list[list[int]], in_dtypes: list[int]) -> CustomOp:
        """Return the object that computes.

        Parameters
        ----------
        ctx : Context
        in_shapes : list of list of int
            Of the inputs and auxiliary states.
        in_dtypes : list of int
            MXNet's type flags.
        """
        return CustomOp()


def register(reg_name: str) -> Callable[[PropClass], PropClass]:
    """Return a class decorator that makes a CustomOpProp known as ``op_type=reg_name``; the last one of a name counts."""

    def add(prop: PropClass) -> PropClass:
        if not isinstance(prop, type) or not issubclass(prop, CustomOpProp):
            raise AssertionError(f"register({reg_name!r}): only subclasses of CustomOpProp are custom operators")
        custom.PROPS[reg_name] = prop
        return prop

    return add


def get_all_registered_operators() -> list[str]:
    """Return the names of all operators of the library."""
    return sorted(name for name, op in registry.all_names().items())


OperatorArguments = namedtuple("OperatorArguments", ["narg", "names", "types"])


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """Return number, names and types of what an operator takes: its inputs, then its parameters."""
    op = registry.get(op_name)
    arguments, aux = input_names(op)
    names, types = [*arguments, *aux], ["NDArray-or-Symbol"] * (len(arguments) + len(aux))
    if op.variadic:
        names, types = ["data"], ["NDArray-or-Symbol[]"]
    for name, field in op.params.fields.items():
        names.append(name)
        types.append(field.describe() if field.default is REQUIRED else f"{field.type_name}, optional")
    return OperatorArguments(len(names), names, types)


# Before CustomOp, MXNet had operators whose symbols could not be saved.

_numbers = itertools.count()


class PythonOp:
    """The base of NumpyOp and NDArrayOp; deprecated in favour of CustomOp.

    Parameters
    ----------
    need_top_grad : bool
        Whether backward reads the gradients of the outputs.
    """

    def __init__(self, need_top_grad: bool = True):
        self.need_top_grad_ = need_top_grad

    def __call__(self, *args: Any, **kwargs: Any) -> Symbol:
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Any, **kwargs: Any) -> Symbol:
        """Return a symbol that applies the operator. It can be bound, but no other process can load it."""
        from . import symbol

        name = f"_{type(self).__name__}_{next(_numbers)}"
        custom.PROPS[name] = partial(_LegacyProp, self)
        return symbol.Custom(*args, op_type=name, **kwargs)  # type: ignore[misc]  # made when asked for

    def forward(self, in_data: list[Any], out_data: list[Any]) -> None:
        """Write the outputs; by default the input."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any]) -> None:
        """Write the gradients; by default 1."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape: list[list[int]]) -> Any:
        """Return shapes of inputs and of outputs; by default those of the input."""
        return in_shape, [in_shape[0]]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def need_top_grad(self) -> bool:
        """Whether backward reads the gradients of the outputs."""
        return self.need_top_grad_

    def declare_backward_dependency(
        self, out_grad: Sequence[int], in_data: Sequence[int], out_data: Sequence[int]
    ) -> Sequence[int]:
        """Return those of the numbers whose arrays backward reads."""
        return [*(out_grad if self.need_top_grad() else ()), *in_data, *out_data]

    def _call(self, method: Callable[..., None], *groups: list[NDArray]) -> None:
        method(*groups)


class NDArrayOp(PythonOp):
    """An operator whose methods get NDArrays."""


class NumpyOp(PythonOp):
    """An operator whose methods get NumPy arrays."""

    def _call(self, method: Callable[..., None], *groups: list[NDArray]) -> None:
        # The memory itself: what the method writes is the result. What backward did not ask for stays what it is.
        method(*([a if isinstance(a, custom.Undeclared) else np.asarray(a._array) for a in group] for group in groups))


class _LegacyOp(CustomOp):
    def __init__(self, op: PythonOp):
        self._op = op

    def forward(self, is_train, req, in_data, out_data, aux):
        self._op._call(self._op.forward, in_data, out_data)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self._op._call(self._op.backward, out_grad, in_data, out_data, in_grad)


class _LegacyProp(CustomOpProp):
    def __init__(self, op: PythonOp):
        super().__init__(op.need_top_grad())
        self._op = op
        self.list_arguments = op.list_arguments  # type: ignore[method-assign]
        self.list_outputs = op.list_outputs  # type: ignore[method-assign]
        self.infer_shape = op.infer_shape  # type: ignore[method-assign]
        self.declare_backward_dependency = op.declare_backward_dependency  # type: ignore[method-assign]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return _LegacyOp(self._op)
