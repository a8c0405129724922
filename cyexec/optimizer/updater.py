"""The state of every weight, made when the weight is first updated."""

from __future__ import annotations

from typing import Any

from ..ndarray import NDArray
from . import statefile
from .fused import FusedUpdate, can_fuse, has_fixed_rates
from .operator import OperatorOptimizer
from .optimizer import Optimizer


class Updater:
    """Updates weights by an optimiser and keeps their states: ``updater(index, grad, weight)``.

    Attributes
    ----------
    optimizer : Optimizer
    states : dict of index to state
    """

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 0
        self._fused: FusedUpdate | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the schedule, which is over this process's memory."""
        return {**self.__dict__, "_fused": None}

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """Update one weight, or each of a list."""
        if not isinstance(index, (list, tuple)):
            index, grad, weight = [index], [grad], [weight]
        optimizer = self.optimizer
        states = self._states_for(index, weight)
        if len(index) > 1 and can_fuse(optimizer, weight):
            fused = self._fuse(index, grad, weight, states)
            fused.prepare()
            fused.run()
        elif self.aggregate_updates:
            optimizer.update_multi_precision(index, weight, grad, states)
        else:
            for i, g, w, s in zip(index, grad, weight, states):
                optimizer.update_multi_precision(i, w, g, s)

    def joint(self, index: list, grad: list, weight: list) -> FusedUpdate | None:
        """The update of these weights as steps that someone else runs after others; None where it cannot be so.

        It cannot where the rates depend on gradients that are yet to be computed.
        """
        optimizer = self.optimizer
        states = self._states_for(index, weight)
        if not can_fuse(optimizer, weight) or not has_fixed_rates(optimizer):
            return None
        return self._fuse(index, grad, weight, states)

    def _states_for(self, index: Any, weight: Any) -> list:
        if weight:
            self.optimizer._set_current_context(weight[0].context.device_id)
        for i, w in zip(index, weight):
            self._prepare(i, w)
        return [self.states[i] for i in index]

    def _fuse(self, index: list, grad: list, weight: list, states: list) -> FusedUpdate:
        optimizer = self.optimizer
        assert isinstance(optimizer, OperatorOptimizer)
        if self._fused is None or not self._fused.fits(optimizer, index, weight, grad, states):
            self._fused = FusedUpdate(optimizer, index, weight, grad, states)
        return self._fused

    def _prepare(self, index: Any, weight: NDArray) -> None:
        """Make the weight's state, or bring one from a file to its context."""
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
            self.states_synced[index] = True
        elif not self.states_synced[index]:
            self.states[index] = self.sync_state_context(self.states[index], weight.context)
            self.states_synced[index] = True

    def sync_state_context(self, state: Any, context: Any) -> Any:
        """Return `state` with its arrays in `context`."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(s, context) for s in state)
        return state

    def set_states(self, states: bytes) -> None:
        """Take over what `get_states` gave, here or in MXNet; the optimiser too, if it is there.

        Raises
        ------
        MXNetError
            The bytes are no such states. Nothing is changed, and no code in them is run.
        """
        loaded = statefile.loads(states)
        if isinstance(loaded, tuple) and len(loaded) == 2 and isinstance(loaded[1], Optimizer):
            self.states, self.optimizer = loaded
            self.aggregate_updates = self.optimizer.aggregate_num > 0
        else:
            self.states = loaded
        self.states_synced = dict.fromkeys(self.states, False)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """Return all states as bytes that MXNet reads too.

        Parameters
        ----------
        dump_optimizer : bool
            Whether the optimiser, with its counts and rates, is in there too.
        """
        return statefile.dumps((self.states, self.optimizer) if dump_optimizer else self.states)


def get_updater(optimizer: Optimizer) -> Updater:
    """Return an `Updater` of `optimizer`."""
    return Updater(optimizer)
