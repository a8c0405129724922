"""Checkpoints: a symbol in ``PREFIX-symbol.json`` and parameters in ``PREFIX-0001.params``."""

from __future__ import annotations

import logging
from collections import namedtuple
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import ndarray as nd
from . import symbol as sym
from .base import MXNetError
from .ndarray import NDArray

if TYPE_CHECKING:
    from .symbol import Symbol

Params = dict[str, NDArray]

BatchEndParam = namedtuple("BatchEndParam", ["epoch", "nbatch", "eval_metric", "locals"])
BatchEndParam.__doc__ = "What a callback gets after a batch; `locals` are the variables of the loop that called it."


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Symbol | None,
    arg_params: Mapping[str, NDArray],
    aux_params: Mapping[str, NDArray],
    remove_amp_cast: bool = True,
) -> None:
    """Save a symbol and its parameters.

    Parameters
    ----------
    prefix : str
        Path and beginning of the file names.
    epoch : int
        Number in the parameter file's name, four digits at least.
    symbol : Symbol or None
        None: only the parameters.
    arg_params, aux_params : dict of str to NDArray
        Written under ``arg:NAME`` and ``aux:NAME``.
    remove_amp_cast : bool
        Leave ``amp_cast`` nodes out of the saved symbol.

    Notes
    -----
    Each file is written beside its place and then moved there, so a crash never leaves a broken file.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    entries = {f"arg:{name}": value for name, value in arg_params.items()}
    entries.update({f"aux:{name}": value for name, value in aux_params.items()})
    name = f"{prefix}-{epoch:04d}.params"
    nd.save(name, entries)
    logging.info('Saved checkpoint to "%s"', name)


def load_params(prefix: str, epoch: int) -> tuple[Params, Params]:
    """Load the parameters of a checkpoint.

    Returns
    -------
    arg_params, aux_params : dict of str to NDArray

    Raises
    ------
    MXNetError
        The file is missing, broken, or has entries without the ``arg:`` or ``aux:`` that checkpoints have.
    """
    name = f"{prefix}-{epoch:04d}.params"
    loaded = nd.load(name)
    arg_params: Params = {}
    aux_params: Params = {}
    if not loaded:
        logging.warning("Params file '%s' is empty", name)
        return arg_params, aux_params
    if not isinstance(loaded, dict):
        raise MXNetError(f"{name}: has {len(loaded)} arrays without names; a checkpoint has 'arg:NAME' and 'aux:NAME'")
    for key, value in loaded.items():
        kind, _, rest = key.partition(":")
        if kind == "arg":
            arg_params[rest] = value
        elif kind == "aux":
            aux_params[rest] = value
        else:
            raise MXNetError(f"{name}: entry '{key}' is neither 'arg:NAME' nor 'aux:NAME'; is this file a checkpoint?")
    return arg_params, aux_params


def load_checkpoint(prefix: str, epoch: int) -> tuple[Symbol, Params, Params]:
    """Load a checkpoint: symbol, arguments and auxiliary states.

    Raises
    ------
    MXNetError
        A file is missing or broken.
    """
    symbol = sym.load(f"{prefix}-symbol.json")
    arg_params, aux_params = load_params(prefix, epoch)
    return symbol, arg_params, aux_params
