"""Loops and branches over arrays, run as they are met: `mx.nd.contrib.foreach`, `while_loop` and `cond`.

They have the signatures of those of `mx.sym.contrib`, so that one function of the user's serves arrays and symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..nested import Format, flatten, regroup
from .creation import zeros
from .ndarray import NDArray
from .op import stack


def _stacked(steps: list[list[NDArray]], rows: int) -> list[NDArray]:
    """The outputs of all steps, each along a new first axis of `rows`; rows of steps that did not happen are zero."""
    joined = []
    for parts in zip(*steps):
        missing = rows - len(parts)
        padding = [zeros(parts[0].shape, parts[0].context, parts[0].dtype)] * missing
        joined.append(stack(*parts, *padding, axis=0))
    return joined


def foreach(body: Callable[..., Any], data: Any, init_states: Any, name: str = "foreach") -> tuple[Any, Any]:
    """Run a function on each slice of the data's first axis, handing states from step to step.

    Parameters
    ----------
    body : callable
        ``body(slices, states)`` returns ``(outputs, new_states)``.
    data : NDArray or nested list of NDArray
        Split along their first axes.
    init_states : NDArray or nested list of NDArray
        States of the first step.
    name : str
        Ignored: arrays have no names.

    Returns
    -------
    outputs : NDArray or nested list of NDArray
        The outputs of all steps, stacked along a new first axis.
    states : NDArray or nested list of NDArray
        After the last step.
    """
    flat_data, data_format = flatten(data, NDArray, "foreach input")
    flatten(init_states, NDArray, "foreach states")
    states, steps, out_format = init_states, [], None
    for i in range(flat_data[0].shape[0]):
        outputs, states = body(regroup([a[i] for a in flat_data], data_format), states)
        flat, out_format = flatten(outputs, NDArray, "foreach output")
        steps.append(flat)
    return regroup(_stacked(steps, len(steps)), out_format if steps else []), states


def while_loop(
    cond: Callable[..., NDArray],
    func: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str = "while_loop",
) -> tuple[Any, Any]:
    """Run a function on loop variables while a condition holds, at most `max_iterations` times.

    Parameters
    ----------
    cond : callable
        ``cond(*loop_vars)`` returns one number; not 0 means to go on.
    func : callable
        ``func(*loop_vars)`` returns ``(outputs, new_loop_vars)``.
    loop_vars : NDArray or nested list of NDArray
        Their first values.
    max_iterations : int
    name : str
        Ignored: arrays have no names.

    Returns
    -------
    outputs : NDArray or nested list of NDArray
        Of all iterations, stacked along a new first axis of `max_iterations` rows; rows of iterations that did not happen
        are zero (MXNet leaves them unwritten).
    loop_vars : NDArray or nested list of NDArray
        After the last iteration.

    Raises
    ------
    ValueError
        `max_iterations` is missing, there are no loop variables, or their number changes.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    rows = int(max_iterations)
    values, var_format = flatten(loop_vars, NDArray, "while loop_vars")
    if not values:
        raise ValueError("loop_vars should contain at least one element")
    steps: list[list[NDArray]] = []
    out_format: Format = []
    while len(steps) < rows and cond(*_arguments(values, var_format)).asscalar():
        outputs, new_vars = func(*_arguments(values, var_format))
        new_values, _ = flatten(new_vars, NDArray, "while loop_vars")
        if len(new_values) != len(values):
            raise ValueError("The number of loop_vars should be consistent during the loop")
        values = new_values
        flat, out_format = flatten([] if outputs is None else outputs, NDArray, "while output")
        steps.append(flat)
    return regroup(_stacked(steps, rows), out_format), regroup(values, var_format)


def _arguments(values: list[NDArray], format_: Format) -> Any:
    return values if format_ is None else regroup(values, format_)


def cond(pred: NDArray, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """Return the result of one of two functions, chosen by one number: not 0 means the first. Only that one runs."""
    return then_func() if pred.asscalar() else else_func()
