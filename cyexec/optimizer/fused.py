"""The updates of many weights as one schedule over the very arrays.

    OperatorOptimizer: an operator for each weight --compiled once--> steps in place --> one loop, new rates every time

A call of an update operator from Python takes microseconds, most steps of small networks less. Here the steps are made
once; what changes from update to update are their numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ..ndarray import NDArray
from ..ndarray.imperative import steps_in_place
from ..ops import registry
from ..runtime import tracing
from ..runtime.schedule import Schedule
from .operator import OperatorOptimizer

_OWN = ("update", "update_multi_precision", "calls")


def can_fuse(optimizer: Any, weights: Sequence[NDArray]) -> bool:
    """Whether all that `optimizer` does to these weights is its operator: a class that overrides `update` does more."""
    if not isinstance(optimizer, OperatorOptimizer):
        return False
    kind = type(optimizer)
    if any(getattr(kind, name) is not getattr(OperatorOptimizer, name) for name in _OWN):
        return False
    return not optimizer.multi_precision or kind.MIXED or not any(map(optimizer.is_mixed, weights))


def has_fixed_rates(optimizer: Any) -> bool:
    """Whether rates are known before the gradients are."""
    return type(optimizer)._layer_rates is OperatorOptimizer._layer_rates


class FusedUpdate:
    """Updates of weights by their gradients, in place.

    Parameters
    ----------
    optimizer : OperatorOptimizer
        For which `can_fuse` is true.
    indices, weights, grads, states : lists of equal length
    """

    def __init__(
        self,
        optimizer: OperatorOptimizer,
        indices: Sequence[Any],
        weights: Sequence[NDArray],
        grads: Sequence[NDArray],
        states: Sequence[Any],
    ):
        self.optimizer = optimizer
        self._indices = list(indices)
        self._arrays = [*weights, *grads]
        self._states = list(states)
        self._weights, self._grads = list(weights), list(grads)
        self._options: dict[str, Any] | None = None
        names = [optimizer.operator_of(w, s) for w, s in zip(weights, states)]
        self._ops = [registry.get(name) for name, _ in names]
        self._own_numbers = any("t" in op.params.fields for op in self._ops)
        needed = {"lr": 0.0, "wd": 0.0, "t": 1}
        calls = []
        self._written: list[Any] = []
        for op, (_, arrays), weight, grad in zip(self._ops, names, weights, grads):
            params = {**optimizer._options(), **{n: v for n, v in needed.items() if n in op.params.fields}}
            calls.append((op, params, [a._array for a in (weight, grad, *arrays)], [weight._array]))
            self._written += [weight._storage, *(a._storage for a in arrays)]
        made = steps_in_place(calls)
        self._numbered = [step for _, numbered in made for step in numbered]
        assert len(self._numbered) == len(calls)
        # Steps of all updates, for whoever runs them together with others.
        self.steps = [step for steps, _ in made for step in steps]
        self._schedule: Schedule | None = None

    def fits(
        self,
        optimizer: Any,
        indices: Sequence[Any],
        weights: Sequence[NDArray],
        grads: Sequence[NDArray],
        states: Sequence[Any],
    ) -> bool:
        """Whether this is the update of just these arrays."""
        return (
            optimizer is self.optimizer
            and indices == self._indices
            and len(weights) + len(grads) == len(self._arrays)
            and all(map(operator.is_, self._arrays, [*weights, *grads]))
            and all(map(operator.is_, self._states, states))
        )

    def prepare(self) -> None:
        """Count the update and set its numbers."""
        optimizer = self.optimizer
        optimizer._update_count(self._indices)
        lrs, wds = optimizer._rates_of(self._indices)
        lrs = optimizer._layer_rates(self._indices, self._weights, self._grads, lrs, wds)
        options = optimizer._options()
        if options != self._options or self._own_numbers:
            self._set_numbers(options, lrs, wds)
            self._options = options
            return
        if type(optimizer)._rates is OperatorOptimizer._rates:
            for step, lr, wd in zip(self._numbered, lrs, wds):
                step.set_rates(lr, wd)
            return
        for step, index, lr, wd in zip(self._numbered, self._indices, lrs, wds):
            rates = optimizer._rates(index, lr, wd)
            step.set_rates(rates["lr"], rates["wd"])

    def _set_numbers(self, options: dict[str, Any], lrs: Sequence[float], wds: Sequence[float]) -> None:
        for step, op, index, lr, wd in zip(self._numbered, self._ops, self._indices, lrs, wds):
            assert op.numbers is not None
            rates = self.optimizer._rates(index, lr, wd)
            step.set_numbers(op.numbers(op.params.parse({**options, **rates}, op.name))[0])

    def run(self) -> None:
        """Do the update that `prepare` has prepared."""
        if self._schedule is None:
            self._schedule = Schedule(self.steps)
        recorder = tracing.of_executors()
        begin = tracing.clock() if recorder is not None else 0
        self._schedule.run(0, len(self.steps))
        if recorder is not None:
            recorder.record("executor", "update", begin, tracing.clock())
        self.written()

    def written(self) -> None:
        """Note that weights and states have changed."""
        for storage in self._written:
            storage.version += 1
