"""Loops and branches over arrays: `mx.nd.contrib.foreach`, `while_loop` and `cond`, as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..nested import flatten, regroup
from . import op
from .ndarray import NDArray


def foreach(body: Callable[..., Any], data: Any, init_states: Any) -> tuple[Any, Any]:
    """Run a function on each slice of the data's first axis, handing states from step to step.

    Parameters
    ----------
    body : callable
        ``body(slices, states)`` returns ``(outputs, new_states)``.
    data, init_states : NDArray or nested list of NDArray

    Returns
    -------
    outputs : NDArray or nested list of NDArray
        The outputs of all steps, stacked along a new first axis.
    states : NDArray or nested list of NDArray
        After the last step.
    """
    flat_data, data_format = flatten(data, NDArray, "foreach input")
    flatten(init_states, NDArray, "foreach states")
    states = init_states
    rows: list[list[NDArray]] = []
    out_format: Any = []
    for i in range(flat_data[0].shape[0] if flat_data else 0):
        outputs, states = body(regroup([array[i] for array in flat_data], data_format), states)
        flat, out_format = flatten(outputs, NDArray, "foreach output")
        rows.append(flat)
    return regroup(_stacked(rows, len(rows)), out_format), states


def _stacked(rows: list[list[NDArray]], count: int) -> list[NDArray]:
    """Outputs of all steps, `count` rows each; rows of steps that did not happen are zero."""
    stacked = []
    for parts in zip(*rows):
        missing = [op.zeros_like(parts[0])] * (count - len(parts))
        stacked.append(op.stack(*parts, *missing, axis=0, num_args=count))
    return stacked


def while_loop(
    cond: Callable[..., Any], func: Callable[..., Any], loop_vars: Any, max_iterations: int | None = None
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

    Returns
    -------
    outputs : NDArray or nested list of NDArray
        Of all iterations, stacked along a new first axis of `max_iterations` rows (those that did not happen are zero); an
        empty list when there was no iteration.
    loop_vars : NDArray or nested list of NDArray
        After the last iteration.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    flat_vars, var_format = flatten(loop_vars, NDArray, "while loop_vars")
    if not flat_vars:
        raise ValueError("loop_vars should contain at least one element")
    rows: list[list[NDArray]] = []
    out_format: Any = []
    while len(rows) < max_iterations:
        arguments = [loop_vars] if var_format is None else loop_vars
        if not _truth(cond(*arguments)):
            break
        outputs, new_vars = func(*arguments)
        flat, out_format = flatten([] if outputs is None else outputs, NDArray, "while output")
        new_flat, _ = flatten(new_vars, NDArray, "while loop_vars")
        if len(new_flat) != len(flat_vars):
            raise ValueError("The length of loop_vars should be consistent during the loop")
        loop_vars = regroup(new_flat, var_format)
        rows.append(flat)
    return (regroup(_stacked(rows, int(max_iterations)), out_format) if rows else []), loop_vars


def _truth(value: Any) -> bool:
    return bool(value.asscalar()) if isinstance(value, NDArray) else bool(value)


def cond(pred: NDArray, then_func: Callable[[], Any], else_func: Callable[[], Any]) -> Any:
    """Return the result of one of two functions, by one number (not 0 means the first)."""
    return then_func() if _truth(pred) else else_func()
