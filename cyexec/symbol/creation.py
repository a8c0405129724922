"""Symbols that start a graph: variables, groups, constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..attribute import AttrScope
from ..base import DTYPE_FLAGS, as_dtype
from .compose import stored_key, to_text
from .node import SymbolNode
from .operators import apply
from .symbol import Symbol

_STORAGE_TYPES = {"default": 0, "row_sparse": 1, "csr": 2}


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: Sequence[int] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: Any,
) -> Symbol:
    """Make a variable: a named argument of a graph.

    Parameters
    ----------
    name : str
    attr : dict of str to str, optional
        Attributes.
    shape : tuple of int, optional
        Used by shape inference where no other shape is given; 0 is an unknown extent.
    lr_mult, wd_mult : float, optional
        Factors for learning rate and weight decay.
    dtype : optional
        Used by dtype inference.
    init : Initializer or str, optional
        Overrides the initializer that a trainer would use.
    stype : {"default", "row_sparse", "csr"}, optional
        Storage type; recorded only.
    **kwargs
        Further attributes, called ``__x__``.

    Raises
    ------
    TypeError
        When `name` is not a string.
    ValueError
        For other keywords, and attributes that are not strings.
    """
    if not isinstance(name, str):
        raise TypeError("Expect a string for variable `name`")
    given = AttrScope.current.get(attr)
    if shape is not None:
        given["__shape__"] = to_text(shape)
    if lr_mult is not None:
        given["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        given["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        given["__dtype__"] = str(DTYPE_FLAGS[as_dtype(dtype)])
    if init is not None:
        given["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        if stype not in _STORAGE_TYPES:
            raise ValueError(f"stype is {stype!r}, expected one of {', '.join(_STORAGE_TYPES)}")
        given["__storage_type__"] = str(_STORAGE_TYPES[stype])
    for key, value in kwargs.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ValueError(
                f"Attribute name={key} is not supported. Additional attributes must start and end with double "
                "underscores, e.g, __yourattr__"
            )
        given[key] = str(value)
    for value in given.values():
        if not isinstance(value, str):
            raise ValueError("Set Attr only accepts string values")
    return Symbol([(SymbolNode(None, name, {stored_key(k): v for k, v in given.items()}), 0)])


Variable = var


def Group(symbols: Iterable[Symbol]) -> Symbol:  # noqa: N802 (MXNet's name)
    """Return one symbol with the outputs of all `symbols`, in order.

    Raises
    ------
    TypeError
        When `symbols` is empty or has other things.
    """
    members = list(symbols)
    if not members or any(not isinstance(s, Symbol) for s in members):
        raise TypeError("Expected a list of symbols as input")
    return Symbol([entry for s in members for entry in s._outputs])


def _constant(op_name: str, name: str | None, params: dict[str, Any]) -> Symbol:
    return apply(op_name, op_name, name=name, **params)


def _dtype_text(dtype: Any) -> str:
    return str(as_dtype("float32" if dtype is None else dtype))


def zeros(shape: Any, dtype: Any = None, name: str | None = None, **kwargs: Any) -> Symbol:
    """Return zeros of a shape and dtype (float32)."""
    return _constant("_zeros", name, {"shape": shape, "dtype": _dtype_text(dtype), **kwargs})


def ones(shape: Any, dtype: Any = None, name: str | None = None, **kwargs: Any) -> Symbol:
    """Return ones of a shape and dtype (float32)."""
    return _constant("_ones", name, {"shape": shape, "dtype": _dtype_text(dtype), **kwargs})


def full(shape: Any, val: float, dtype: Any = None, name: str | None = None, **kwargs: Any) -> Symbol:
    """Return an array of a shape and dtype (float32) filled with `val`."""
    params = {"shape": shape, "dtype": _dtype_text(dtype), "value": float(val), **kwargs}
    return _constant("_full", name, params)


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, name: str | None = None, **kwargs: Any) -> Symbol:  # noqa: N803
    """Return an N x M matrix (M=0: square) with ones on its k-th diagonal."""
    return _constant("_eye", name, {"N": N, "M": M, "k": k, "dtype": _dtype_text(dtype), **kwargs})


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    name: str | None = None,
    dtype: Any = None,
) -> Symbol:
    """Return evenly spaced numbers in [start, stop), each `repeat` times; with one number, those in [0, start)."""
    params = {
        "start": start,
        "stop": stop,
        "step": step,
        "repeat": repeat,
        "infer_range": infer_range,
        "dtype": _dtype_text(dtype),
    }
    return _constant("_arange", name, params)


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None, dtype: Any = None
) -> Symbol:
    """Return `num` evenly spaced numbers from `start` to `stop` (which `endpoint=False` leaves out)."""
    params = {"start": start, "stop": stop, "num": num, "endpoint": endpoint, "dtype": _dtype_text(dtype)}
    return _constant("_linspace", name, params)


def split_v2(
    ary: Symbol, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False
) -> Symbol:
    """Split along an axis into equal parts (a number) or at given indices.

    Parameters
    ----------
    ary : Symbol
    indices_or_sections : int or tuple of int
        How many equal parts, or where parts after the first begin.
    axis : int
    squeeze_axis : bool
        Drop the axis from parts of length 1.

    Returns
    -------
    Symbol
        One output for each part.
    """
    sections, indices = 0, []
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
    elif isinstance(indices_or_sections, (tuple, list)):
        indices = [0, *indices_or_sections]
    else:
        raise ValueError("indices_or_sections must either int, or tuple / list of ints")
    params = {"indices": indices, "axis": axis, "squeeze_axis": squeeze_axis, "sections": sections}
    return apply("_split_v2", "_split_v2", ary, **params)
