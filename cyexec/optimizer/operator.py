"""Optimisers whose update of a weight is one operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from ..ndarray import NDArray
from ..ndarray.imperative import invoke
from .optimizer import Optimizer


class Call(NamedTuple):
    """An update: the operator, its arrays (weight first; all but the gradient change), its parameters."""

    op: str
    arrays: tuple[NDArray, ...]
    params: dict[str, Any]


class OperatorOptimizer(Optimizer):
    """An optimiser whose `update` is one call of an operator.

    A kind says which operator (`_operator`), its fixed parameters (`_options`) and, where the rates are not simply those
    of the parameter, how they come about (`_rates`). `update` takes lists too.

    A float16 weight under `multi_precision` goes through the operator's ``mp_`` form if `MIXED` is true; its state is
    then a pair: the state of the float32 copy, and the copy.
    """

    MIXED: ClassVar[bool] = False

    def _operator(self, state: Any) -> str:
        """The operator for a weight with this state."""
        raise NotImplementedError

    def _options(self) -> dict[str, Any]:
        """Parameters of the operator that are one for all weights."""
        options = {"rescale_grad": self.rescale_grad}
        if self.clip_gradient is not None:
            options["clip_gradient"] = self.clip_gradient
        return options

    def _rates(self, index: Any, lr: float, wd: float) -> dict[str, Any]:
        """Parameters of the operator for one weight, of which the updates are already counted."""
        return {"lr": lr, "wd": wd}

    def _layer_rates(
        self, indices: Sequence[Any], weights: Sequence[NDArray], grads: Sequence[NDArray], lrs: list[float],
        wds: list[float],
    ) -> list[float]:  # fmt: skip
        """Learning rates, where they depend on the weights and gradients themselves."""
        return lrs

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        if self.MIXED and self.is_mixed(weight):
            copy = weight.astype("float32")
            return self.create_state(index, copy), copy
        return super().create_state_multi_precision(index, weight)

    def _split(self, weight: NDArray, state: Any) -> tuple[Any, tuple[NDArray, ...]]:
        """The state proper, and the float32 copy of the weight if there is one."""
        return (state[0], (state[1],)) if self.MIXED and self.is_mixed(weight) else (state, ())

    def operator_of(self, weight: NDArray, state: Any) -> tuple[str, tuple[NDArray, ...]]:
        """The operator that updates `weight`, and its inputs after weight and gradient."""
        own, copies = self._split(weight, state)
        return ("mp_" if copies else "") + self._operator(own), (*_arrays(own), *copies)

    def calls(
        self, indices: Sequence[Any], weights: Sequence[NDArray], grads: Sequence[NDArray], states: Sequence[Any]
    ) -> list[Call]:
        """Count one update of each weight, and return what makes them."""
        self._update_count(indices)
        lrs, wds = self._rates_of(indices)
        lrs = self._layer_rates(indices, weights, grads, lrs, wds)
        options = self._options()
        made = []
        for index, weight, grad, state, lr, wd in zip(indices, weights, grads, states, lrs, wds):
            params = {**options, **self._rates(index, lr, wd)}
            name, arrays = self.operator_of(weight, state)
            made.append(Call(name, (weight, grad, *arrays), params))
        return made

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Change one weight, or each of a list, in place by one step."""
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        for call in self.calls(index, weight, grad, state):
            invoke(call.op, call.arrays, call.params, call.arrays[0])

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        if self.MIXED and type(self).update is OperatorOptimizer.update:
            self.update(index, weight, grad, state)
        elif isinstance(index, (list, tuple)):
            # An `update` of the user's own expects one weight.
            for one in zip(index, weight, grad, state):
                OperatorOptimizer.update_multi_precision(self, *one)
        elif self.MIXED:
            self.update(index, weight, grad, state)
        else:
            super().update_multi_precision(index, weight, grad, state)


def _arrays(state: Any) -> tuple[NDArray, ...]:
    if state is None:
        return ()
    return (state,) if isinstance(state, NDArray) else tuple(state)
