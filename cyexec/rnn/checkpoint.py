"""Checkpoints in which cells' weights stand gate by gate, so that fused and unfused networks can read each other's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import symbol as sym
from ..checkpoint import load_checkpoint, save_checkpoint
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import Arrays, BaseRNNCell

Cells = BaseRNNCell | Sequence[BaseRNNCell]


def _listed(cells: Cells) -> Sequence[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else cells


def rnn_unroll(
    cell: BaseRNNCell,
    length: int,
    inputs: Any = None,
    begin_state: Sequence[Symbol] | None = None,
    input_prefix: str = "",
    layout: str = "NTC",
) -> tuple[Any, Any]:
    """Unroll a cell. Deprecated: use ``cell.unroll``.

    Without `inputs` there is a variable ``{input_prefix}t{step}_data`` for each step. (MXNet 1.x raises TypeError here.)
    """
    warnings.warn("rnn_unroll is deprecated. Please call cell.unroll directly.", stacklevel=2)
    if inputs is None:
        inputs = [sym.Variable(f"{input_prefix}t{i}_data") for i in range(length)]
    return cell.unroll(length, inputs=inputs, begin_state=begin_state, layout=layout)


def save_rnn_checkpoint(
    cells: Cells,
    prefix: str,
    epoch: int,
    symbol: Symbol,
    arg_params: Mapping[str, NDArray],
    aux_params: Mapping[str, NDArray],
) -> None:
    """Save a checkpoint with the weights of `cells` unpacked.

    Parameters
    ----------
    cells : BaseRNNCell or list of them
        The cells that `symbol` was made of.
    prefix, epoch, symbol, arg_params, aux_params
        See `mx.model.save_checkpoint`.
    """
    unpacked: Mapping[str, NDArray] = arg_params
    for cell in _listed(cells):
        unpacked = cell.unpack_weights(unpacked)
    save_checkpoint(prefix, epoch, symbol, unpacked, aux_params)


def load_rnn_checkpoint(cells: Cells, prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """Load a checkpoint of `save_rnn_checkpoint`, and pack the weights as `cells` want them.

    Returns
    -------
    symbol, arg_params, aux_params
    """
    symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
    for cell in _listed(cells):
        arg_params = cell.pack_weights(arg_params)
    return symbol, arg_params, aux_params


def do_rnn_checkpoint(cells: Cells, prefix: str, period: int = 1) -> Callable[..., None]:
    """Return a callback for the end of an epoch that saves a checkpoint every `period` epochs.

    See also
    --------
    save_rnn_checkpoint
    """
    period = int(max(1, period))

    def callback(
        epoch: int,
        symbol: Symbol | None = None,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
    ) -> None:
        if (epoch + 1) % period == 0:
            assert symbol is not None and arg_params is not None and aux_params is not None
            save_rnn_checkpoint(cells, prefix, epoch + 1, symbol, arg_params, aux_params)

    return callback
