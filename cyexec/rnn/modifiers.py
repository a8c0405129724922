"""Cells that change what another cell does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import symbol as sym
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams
from .containers import BidirectionalCell
from .errors import CellError
from .fused import FusedRNNCell
from .sequence import arranged, time_axis


class DropoutCell(BaseRNNCell):
    """Dropout on the inputs, between two cells of a stack. It has no state.

    Parameters
    ----------
    dropout : float
        Fraction that is dropped in training.
    prefix, params
        As of any cell; there are no variables.
    """

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None):
        super().__init__(prefix, params)
        if isinstance(dropout, (str, bool)) or not hasattr(dropout, "__float__"):
            raise CellError("dropout probability must be a number")
        self.dropout = dropout

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return []

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        if self.dropout > 0:
            inputs = sym.Dropout(inputs, p=self.dropout)
        return inputs, list(states)

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        self.reset()
        inputs = arranged(inputs, length, time_axis(layout), merge_outputs)
        if isinstance(inputs, Symbol):
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs)


class ModifierCell(BaseRNNCell):
    """A cell around another one, whose parameters and states are that one's.

    The inner cell cannot make initial states by itself any more: ask this one.

    Parameters
    ----------
    base_cell : BaseRNNCell
    """

    def __init__(self, base_cell: BaseRNNCell):
        base_cell._modified = True
        super().__init__()
        self.base_cell = base_cell

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return self.base_cell.state_info

    def begin_state(  # type: ignore[override]  # MXNet's other name for the first parameter
        self, init_sym: Callable[..., Symbol] = sym.zeros, func: Callable[..., Symbol] | None = None, **kwargs: Any
    ) -> list[Symbol]:
        """Return symbols for the initial states; `func` is `init_sym` under the name that other cells give it."""
        if self._modified:
            raise CellError(
                "After applying modifier cells (e.g. DropoutCell) the base cell cannot be called directly. "
                "Call the modifier cell instead."
            )
        self.base_cell._modified = False
        try:
            return self.base_cell.begin_state(func=func or init_sym, **kwargs)
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """Zoneout (Krueger et al., 2016): in training, some outputs and states stay what they were a step before.

    Parameters
    ----------
    base_cell : BaseRNNCell
    zoneout_outputs, zoneout_states : float
        Fractions that stay.
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0):
        if isinstance(base_cell, FusedRNNCell):
            raise CellError("FusedRNNCell doesn't support zoneout. Please unfuse first.")
        if isinstance(base_cell, BidirectionalCell):
            raise CellError(
                "BidirectionalCell doesn't support zoneout since it doesn't support step. Please add ZoneoutCell to "
                "the cells underneath instead."
            )
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states

    def reset(self) -> None:
        super().reset()
        self.prev_output: Symbol | None = None

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, next_states = self.base_cell(inputs, states)
        before = sym.zeros((0, 0)) if self.prev_output is None else self.prev_output
        if self.zoneout_outputs:
            zoned = _zone_out(self.zoneout_outputs, output, before)
        else:
            zoned = output
        if self.zoneout_states:
            next_states = [_zone_out(self.zoneout_states, new, old) for new, old in zip(next_states, states)]
        self.prev_output = zoned
        return zoned, next_states


def _zone_out(p: float, new: Symbol, old: Symbol) -> Symbol:
    """`new`, where the dropout of ones leaves something; elsewhere `old`."""
    return sym.where(sym.Dropout(sym.ones_like(new), p=p), new, old)


class ResidualCell(ModifierCell):
    """Adds the input to the output (Wu et al., "Google's Neural Machine Translation System", 2016)."""

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, states = self.base_cell(inputs, states)
        return _plus_residual(output, inputs), list(states)

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        self.reset()
        self.base_cell._modified = False
        try:
            outputs, states = self.base_cell.unroll(
                length, inputs, begin_state=begin_state, layout=layout, merge_outputs=merge_outputs
            )
        finally:
            self.base_cell._modified = True
        merged = isinstance(outputs, Symbol) if merge_outputs is None else merge_outputs
        inputs = arranged(inputs, length, time_axis(layout), merged)
        if merged:
            return _plus_residual(outputs, inputs), states
        return [_plus_residual(output, step) for output, step in zip(outputs, inputs)], states


def _plus_residual(output: Symbol, inputs: Symbol) -> Symbol:
    return sym.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")
