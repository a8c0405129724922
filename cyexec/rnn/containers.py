"""Cells of cells: one after the other, or one for each direction of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import symbol as sym
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell, RNNParams
from .errors import CellError
from .sequence import arranged, time_axis


class _Container(BaseRNNCell):
    """Several cells whose parameters and states are those of its parts, in order."""

    def __init__(self, params: RNNParams | None):
        super().__init__("", params)
        self._override_cell_params = params is not None
        self._cells: list[BaseRNNCell] = []

    def _take_in(self, cell: BaseRNNCell) -> None:
        self._cells.append(cell)
        if self._override_cell_params:
            if not cell._own_params:
                raise CellError(f"Either specify params for {type(self).__name__} or child cells, not both.")
            cell.params._params.update(self.params._params)
        self.params._params.update(cell.params._params)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, *args: Any, **kwargs: Any) -> list[Symbol]:
        if self._modified:
            raise CellError(
                "After applying modifier cells (e.g. ZoneoutCell) the base cell cannot be called directly. "
                "Call the modifier cell instead."
            )
        return [state for cell in self._cells for state in cell.begin_state(*args, **kwargs)]

    def unpack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        out = dict(args)
        for cell in self._cells:
            out = cell.unpack_weights(out)
        return out

    def pack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        out = dict(args)
        for cell in self._cells:
            out = cell.pack_weights(out)
        return out


class SequentialRNNCell(_Container):
    """Cells one after the other: the output of one is the input of the next.

    Parameters
    ----------
    params : RNNParams, optional
        Variables for the cells; without it they have their own.
    """

    def __init__(self, params: RNNParams | None = None):
        super().__init__(params)

    def add(self, cell: BaseRNNCell) -> None:
        """Append a cell."""
        self._take_in(cell)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        self._counter += 1
        next_states: list[Symbol] = []
        for cell in self._cells:
            if isinstance(cell, BidirectionalCell):
                raise CellError("SequentialRNNCell cannot be stepped with a BidirectionalCell in it. Please use unroll")
            count = len(cell.state_info)
            inputs, made = cell(inputs, states[len(next_states) : len(next_states) + count])
            next_states += made
        return inputs, next_states

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        self.reset()
        states = self.begin_state() if begin_state is None else begin_state
        start, next_states = 0, []
        for cell in self._cells:
            count = len(cell.state_info)
            merge = merge_outputs if cell is self._cells[-1] else None
            part = states[start : start + count]
            inputs, made = cell.unroll(length, inputs, begin_state=part, layout=layout, merge_outputs=merge)
            start += count
            next_states += made
        return inputs, next_states


class BidirectionalCell(_Container):
    """Two cells, the second of which sees time reversed; their outputs are joined.

    Parameters
    ----------
    l_cell, r_cell : BaseRNNCell
    params : RNNParams, optional
        Variables for the cells; without it they have their own.
    output_prefix : str
        Of the names of joined outputs.
    """

    def __init__(
        self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: RNNParams | None = None, output_prefix: str = "bi_"
    ):
        super().__init__(params)
        self._output_prefix = output_prefix
        self._take_in(l_cell)
        self._take_in(r_cell)

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        """Compose `length` steps; the states are a list of those of each cell. See `BaseRNNCell.unroll`."""
        self.reset()
        axis = time_axis(layout)
        steps = arranged(inputs, length, axis, False)
        states = self.begin_state() if begin_state is None else begin_state
        left, right = self._cells
        count = len(left.state_info)
        options: dict[str, Any] = {"layout": layout, "merge_outputs": merge_outputs}
        l_outputs, l_states = left.unroll(length, steps, begin_state=states[:count], **options)
        r_outputs, r_states = right.unroll(length, steps[::-1], begin_state=states[count:], **options)
        if merge_outputs is None:
            merge_outputs = isinstance(l_outputs, Symbol) and isinstance(r_outputs, Symbol)
            l_outputs = arranged(l_outputs, None if merge_outputs else length, axis, merge_outputs)
            r_outputs = arranged(r_outputs, None if merge_outputs else length, axis, merge_outputs)
        if merge_outputs:
            r_outputs = sym.reverse(r_outputs, axis=axis)
            return sym.Concat(l_outputs, r_outputs, dim=2, name=f"{self._output_prefix}out"), [l_states, r_states]
        joined = [
            sym.Concat(a, b, dim=1, name=f"{self._output_prefix}t{i}")
            for i, (a, b) in enumerate(zip(l_outputs, r_outputs[::-1]))
        ]
        return joined, [l_states, r_states]
