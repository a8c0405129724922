"""What all cells do: names, initial states, unrolling, weights by gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import ndarray as nd
from .. import symbol as sym
from ..ndarray import NDArray
from ..symbol import Symbol
from .errors import CellError
from .sequence import arranged, time_axis

Arrays = dict[str, NDArray]


class RNNParams:
    """Variables that cells share: each is made when it is first asked for.

    Parameters
    ----------
    prefix : str
        Of the variables' names.
    """

    def __init__(self, prefix: str = ""):
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """Return variable `name` (with the prefix); `kwargs` are `mx.sym.Variable`'s where it is new."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = sym.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """A recurrent cell.

    A subclass gives `state_info`, ``__call__`` and, where its weights can be taken apart, `_gate_names`.

    Parameters
    ----------
    prefix : str
        Of the names of all nodes and variables.
    params : RNNParams, optional
        Variables shared with another cell.
    """

    def __init__(self, prefix: str = "", params: RNNParams | None = None):
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self.reset()

    def reset(self) -> None:
        """Begin anew: names count from step 0 again."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    def __call__(self, inputs: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
        """Compose one step.

        Parameters
        ----------
        inputs : Symbol
            (batch, features).
        states : list of Symbol
            From `begin_state`, or of the step before.

        Returns
        -------
        output : Symbol
        states : list of Symbol
        """
        raise NotImplementedError

    @property
    def params(self) -> RNNParams:
        """The cell's variables. Who has seen them may share them."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """Shape (0: the batch) and layout of each state."""
        raise NotImplementedError

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """Shapes of the states."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> Sequence[str]:
        """Parts of the names of the weights of each gate; empty where there are no gates."""
        return ()

    def _next_name(self) -> str:
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    def begin_state(self, func: Callable[..., Symbol] = sym.zeros, **kwargs: Any) -> list[Symbol]:
        """Return symbols for the initial states.

        Parameters
        ----------
        func : callable
            Makes a symbol from a name, a shape and `kwargs`: `mx.sym.zeros`, `mx.sym.ones`, `mx.sym.Variable`, ...
        """
        if self._modified:
            raise CellError(
                "After applying modifier cells (e.g. DropoutCell) the base cell cannot be called directly. "
                "Call the modifier cell instead."
            )
        states = []
        for info in self.state_info:
            self._init_counter += 1
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**kwargs, **info}))
        return states

    def unpack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        """Return `args` with an array for each gate in place of those that hold all gates of this cell.

        See also
        --------
        pack_weights : the inverse
        """
        out = dict(args)
        gates = self._gate_names
        if not gates:
            return out
        for group in ("i2h", "h2h"):
            whole = {kind: out.pop(f"{self._prefix}{group}_{kind}") for kind in ("weight", "bias")}
            for number, gate in enumerate(gates):
                for kind, array in whole.items():
                    rows = array.shape[0] // len(gates)
                    part = array[number * rows : (number + 1) * rows]
                    out[f"{self._prefix}{group}{gate}_{kind}"] = part.copy()
        return out

    def pack_weights(self, args: Mapping[str, NDArray]) -> Arrays:
        """Return `args` with this cell's arrays of single gates put together; the inverse of `unpack_weights`."""
        out = dict(args)
        gates = self._gate_names
        if not gates:
            return out
        for group in ("i2h", "h2h"):
            for kind in ("weight", "bias"):
                parts = [out.pop(f"{self._prefix}{group}{gate}_{kind}") for gate in gates]
                out[f"{self._prefix}{group}_{kind}"] = nd.concat(*parts, dim=0)
        return out

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: Sequence[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, Any]:
        """Compose `length` steps.

        Parameters
        ----------
        length : int
        inputs : Symbol or list of Symbol
            One symbol in `layout`, or a (batch, features) symbol for each step.
        begin_state : list of Symbol, optional
            Default: those of `begin_state`.
        layout : str
            NTC or TNC; of a symbol of inputs and of merged outputs.
        merge_outputs : bool, optional
            True: outputs are one symbol. False: a list. None: whatever costs no more.

        Returns
        -------
        outputs : Symbol or list of Symbol
        states : list of Symbol
            After the last step.
        """
        self.reset()
        axis = time_axis(layout)
        steps = arranged(inputs, length, axis, False)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return arranged(outputs, length, axis, merge_outputs), states

    def _get_activation(self, inputs: Symbol, activation: Any, **kwargs: Any) -> Symbol:
        """Apply an activation: a name of `Activation`'s, or any function of a symbol."""
        if isinstance(activation, str):
            return sym.Activation(inputs, act_type=activation, **kwargs)
        return activation(inputs, **kwargs)
