"""What an operator is: one definition that everything else reads.

Symbols, `mx.nd` functions, documentation, inference, gradients, lowering and tests are all generated from `Op`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .params import NoParams, Params

if TYPE_CHECKING:
    from ..graph.graph import Builder, Entry, Node
    from ..lowering.lower import Lowering

# A shape under inference: None when even the rank is unknown, -1 for an unknown extent. Shapes of bound graphs are full.
Shape = tuple[int, ...] | None
DType = np.dtype | None

# (params, input shapes, output shapes) -> (input shapes, output shapes), as far as they can be told; both directions.
# Inputs include auxiliary states, in the order of `Op.input_names`. Never called with an impossible number of shapes.
# Raises ShapeError with a message that states rule and values; the caller adds operator and node.
InferShape = Callable[[Any, list[Shape], list[Shape]], tuple[list[Shape], list[Shape]]]
InferDType = Callable[[Any, list[DType], list[DType]], tuple[list[DType], list[DType]]]

# (builder, node, gradients of the outputs or None) -> gradients of the inputs or None (no gradient flows there).
# At least one is not None, so an operator with one output need not ask: hence Any for "Entry | None".
Gradient = Callable[["Builder", "Node", list[Any]], list["Entry | None"]]
Lower = Callable[["Lowering", "Node"], None]
Names = Sequence[str] | Callable[[Any], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """One example of an operator that the contract tests run.

    Parameters
    ----------
    shapes : dict of input name to shape
        Float inputs are drawn from a seeded generator, uniform in `low` to `high`; `data` gives arrays instead.
    params : dict
        The node's attributes.
    data : dict of input name to array
        Inputs that must have given values (indices, labels).
    dtypes : tuple of str
        Dtypes the case is run with ("float32" also gives the gradient check in float64).
    grad : bool
        False where finite differences make no sense (losses that redefine their gradient, steps, random numbers).
    """

    shapes: dict[str, tuple[int, ...]]
    params: dict[str, Any] = field(default_factory=dict)
    data: dict[str, np.ndarray] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32", "float64")
    low: float = -1.0
    high: float = 1.0
    grad: bool = True
    is_train: bool = True
    rtol: float = 1e-5
    atol: float = 1e-6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Op:
    """An operator.

    Parameters
    ----------
    name : str
        MXNet's name.
    doc : str
        What it computes; first line in the imperative.
    infer_shape, infer_dtype : callables
        See `InferShape`, `InferDType`. ``infer_dtype=None`` means: all inputs and outputs have one dtype.
    params : Params subclass
        Parameters with defaults and documentation.
    inputs, aux, outputs : names, or callable from params to names
        `aux` are auxiliary states: variables that the operator updates in training; they follow the inputs.
    visible : int or callable, optional
        How many of the outputs the user sees (BatchNorm hides mean and variance). None: all.
    gradient : callable, optional
        None: the operator is not differentiable and a gradient that reaches it is an error.
        `zero_gradient` (in `cyexec.ops.infer`): gradients stop here.
    lower : callable, optional
        Turns a node into steps. May be left out for an operator with `elementwise`.
    elementwise : callable, optional
        (params) -> `Expr` code for operators that work number by number; see `cyexec.lowering.lower`.
    reference : callable
        (params, *input arrays, is_train) -> array or tuple of arrays: the meaning in NumPy, slow and obvious.
        Auxiliary states come after the inputs. Tests compare the kernels with it.
    aliases : tuple of str
        Other names of MXNet's for the same operator.
    variadic : str, optional
        Name of the parameter that counts the inputs (``num_args``): set by composition when it is not given.
    hidden : bool
        Not a function of `mx.sym` and `mx.nd` (gradient operators).
    random : bool
        Draws random numbers: never merged with an equal node, never folded.
    opaque : bool
        Runs code of the user's: never merged with an equal node, never computed twice or ahead of time, and an imperative
        call is not kept for the next.
    loss : bool
        Backward needs no head gradient of it; where its gradient reads one all the same, a missing one counts as ones.
    learns : callable, optional
        (params) -> whether its backward step in training updates auxiliary states: it is taken where no gradient arrives, too.
    numbers : callable, optional
        (params) -> the `numbers` argument of each of its steps that has one, in order. Parameters enter nothing else: calls
        that differ in them share one compiled program.
    cases : tuple of Case
        Examples; an operator without any fails the tests.
    """

    name: str
    doc: str
    infer_shape: InferShape
    params: type[Params] = NoParams
    inputs: Names = ("data",)
    aux: Names = ()
    outputs: Names = ("output",)
    visible: int | Callable[[Any], int] | None = None
    infer_dtype: InferDType | None = None
    gradient: Gradient | None = None
    lower: Lower | None = None
    elementwise: Callable[[Any], Any] | None = None
    reference: Callable[..., Any] | None = None
    aliases: tuple[str, ...] = ()
    variadic: str | None = None
    hidden: bool = False
    random: bool = False
    opaque: bool = False
    loss: bool = False
    learns: Callable[[Any], bool] | None = None
    numbers: Callable[[Any], list[tuple[float, ...]]] | None = None
    cases: tuple[Case, ...] = ()

    def arg_names(self, params: Params) -> tuple[str, ...]:
        """Names of the inputs without auxiliary states."""
        return tuple(self.inputs(params) if callable(self.inputs) else self.inputs)

    def aux_names(self, params: Params) -> tuple[str, ...]:
        """Names of the auxiliary states."""
        return tuple(self.aux(params) if callable(self.aux) else self.aux)

    def input_names(self, params: Params) -> tuple[str, ...]:
        """Names of all inputs: arguments, then auxiliary states."""
        return self.arg_names(params) + self.aux_names(params)

    def output_names(self, params: Params) -> tuple[str, ...]:
        """Names of all outputs, hidden ones included."""
        return tuple(self.outputs(params) if callable(self.outputs) else self.outputs)

    def num_visible(self, params: Params) -> int:
        """How many outputs the user sees."""
        if self.visible is None:
            return len(self.output_names(params))
        return self.visible(params) if callable(self.visible) else self.visible
