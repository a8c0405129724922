"""Values shared by the devices of one process: ``mx.kv``, ``mx.kvstore``.

Devices push gradients under a key; the store sums them and, with an updater, updates its value; devices pull that. All
contexts are of one CPU here, so there is one kind of store, under all of MXNet's local names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .base import MXNetError, ShapeError
from .ndarray import NDArray, paramsio
from .optimizer import Optimizer, Updater, get_updater

LOCAL = ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device", "nccl")
Key = int | str


class KVStore:
    """A store of arrays by key. Made by `create`.

    Keys are all integers or all strings. Where a key is given as a list, so are the values.
    """

    def __init__(self, kind: str = "local"):
        self._kind = kind
        self._values: dict[Key, NDArray] = {}
        self._updater: Callable[[Key, NDArray, NDArray], Any] | None = None

    @property
    def type(self) -> str:
        """The name it was created by."""
        return self._kind

    @property
    def rank(self) -> int:
        """Number of this worker: 0."""
        return 0

    @property
    def num_workers(self) -> int:
        """Number of workers: 1."""
        return 1

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can do something: it can run an ``"optimizer"``."""
        return capability.lower() == "optimizer"

    # Values

    def _pairs(self, key: Any, value: Any, what: str) -> list[tuple[Key, list[NDArray]]]:
        """Keys with their arrays, one for each device."""
        several = isinstance(key, (list, tuple))
        keys = list(key) if several else [key]
        values = list(value) if several and isinstance(value, (list, tuple)) else [value]
        if len(keys) != len(values):
            raise AssertionError(f"{what}: {len(keys)} keys, but {len(values)} values")
        pairs = []
        for one, given in zip(keys, values):
            if isinstance(one, bool) or not isinstance(one, (int, str)):
                raise TypeError(f"{what}: keys must be integers or strings, found {one!r}")
            arrays = list(given) if isinstance(given, (list, tuple)) else [given]
            if not arrays or not all(isinstance(a, NDArray) for a in arrays):
                raise AssertionError(f"{what} '{one}': expected an NDArray or a list of them, found {given!r}")
            pairs.append((one, arrays))
        return pairs

    def _known(self, key: Key, arrays: Sequence[NDArray], what: str) -> NDArray:
        if key not in self._values:
            raise MXNetError(f"key {key} doesn't exist. Did you init?")
        value = self._values[key]
        for array in arrays:
            if array.shape != value.shape:
                raise ShapeError(f"{what} '{key}': the store has shape {value.shape}, found {array.shape}")
        return value

    def init(self, key: Any, value: Any) -> None:
        """Set the first value of a key, once. Of several arrays the first one counts.

        Raises
        ------
        MXNetError
            The key is there already, or integers and strings are mixed.
        """
        for one, arrays in self._pairs(key, value, "init"):
            if one in self._values:
                raise MXNetError(
                    f"duplicate init of key {one}. Please double check if you called kv.init or kv.broadcast with this "
                    "key multiple times"
                )
            if any(isinstance(known, str) != isinstance(one, str) for known in self._values):
                raise MXNetError(f"Mixed key types are not allowed: {one!r} beside {next(iter(self._values))!r}")
            self._values[one] = arrays[0].copy()

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sum the arrays given for a key, one from each device, and store that, or hand it to the updater.

        Raises
        ------
        MXNetError
            The key is not there, or shapes differ. (MXNet would take another shape.)
        """
        for one, arrays in self._pairs(key, value, "push"):
            stored = self._known(one, arrays, "push")
            total = _sum(arrays)
            if self._updater is not None:
                self._updater(one, total, stored)
            else:
                stored[:] = total

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Copy the value of a key into every array of `out`."""
        if out is None:
            raise AssertionError("pull: out must be given")
        for one, arrays in self._pairs(key, out, "pull"):
            stored = self._known(one, arrays, "pull")
            for array in arrays:
                array[:] = stored

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """`push` and then `pull`, into the pushed arrays themselves where no `out` is given."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """`init` and then `pull`."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """Raise MXNetError: there are no sparse arrays."""
        raise MXNetError("row_sparse_pull: arrays are dense here; use pull")

    # Updating

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Update values by `optimizer` from now on: what is pushed are gradients."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"set_optimizer: expected an Optimizer, found {type(optimizer)}")
        self._set_updater(get_updater(optimizer))

    def _set_updater(self, updater: Callable[[Key, NDArray, NDArray], Any]) -> None:
        """Call ``updater(key, pushed, stored)`` at every push, to change `stored` in place."""
        self._updater = updater

    set_updater = _set_updater

    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> None:
        """Raise MXNetError: nothing is sent anywhere that could be made shorter."""
        raise MXNetError(
            f"gradient compression ({compression_params}) is not supported: devices of one process share their memory"
        )

    def _states(self, what: str) -> Updater:
        if not isinstance(self._updater, Updater):
            raise AssertionError(f"Cannot {what} states: the store has no optimizer; call set_optimizer first")
        return self._updater

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Write the optimizer's states to a file: all of it, or nothing. See `Updater.get_states`."""
        paramsio.write_atomically(fname, [self._states("save").get_states(dump_optimizer)])

    def load_optimizer_states(self, fname: str) -> None:
        """Read states from a file. Raises MXNetError when it is missing or broken."""
        updater = self._states("load")
        updater.set_states(read_states(fname))

    # What distributed scripts call

    def barrier(self) -> None:
        """Do nothing: there is one worker."""

    _barrier = barrier

    def get_num_dead_node(self, node_id: int, timeout: int = 60) -> int:
        """Number of workers that do not answer: 0."""
        return 0


def read_states(fname: str) -> bytes:
    """The bytes of a file of optimizer states. Raises MXNetError when it cannot be read."""
    try:
        with open(fname, "rb") as file:
            return file.read()
    except OSError as error:
        raise MXNetError(f"{fname}: cannot be read: {error.strerror}") from None


def _sum(arrays: Sequence[NDArray]) -> NDArray:
    if len(arrays) == 1:
        return arrays[0]
    total = arrays[0] + arrays[1]
    for array in arrays[2:]:
        total += array
    return total


def create(name: str = "local") -> KVStore:
    """Make a store.

    Parameters
    ----------
    name : str
        "local", "device" and MXNet's other names for stores of one process, which are all the same here.

    Raises
    ------
    MXNetError
        A distributed store ("dist_sync" and so on), or an unknown name.
    """
    if not isinstance(name, str):
        raise TypeError("name must be a string")
    if name.lower() in LOCAL:
        return KVStore(name)
    if name.startswith(("dist", "p3", "horovod", "byteps")) or "dist" in name:
        raise MXNetError(f"kvstore '{name}': training on several machines is not supported; use 'local' or 'device'")
    raise MXNetError(f"Unknown KVStore type '{name}'; known are {', '.join(LOCAL)}")


def create_for(kvstore: Any, num_device: int, arg_params: Mapping[str, NDArray]) -> tuple[KVStore | None, bool]:
    """The store that a trainer of `num_device` devices uses, and whether that updates the parameters.

    Parameters
    ----------
    kvstore : str, KVStore or None
        One device needs no store: there is none then, unless it is given as an object.
    arg_params : dict of str to NDArray
        Large parameters are not updated in a "local" store, as in MXNet (which spares them one device's work).
    """
    if kvstore is None:
        return None, False
    on_store = os.environ.get("MXNET_UPDATE_ON_KVSTORE", "1") not in ("0", "false")
    if isinstance(kvstore, KVStore):
        return kvstore, on_store
    if not isinstance(kvstore, str):
        raise TypeError("kvstore must be KVStore, str or None")
    if num_device == 1 and "dist" not in kvstore:
        create(kvstore)  # tells an unknown name
        return None, False
    store = create(kvstore)
    if kvstore == "local" and max((a.size for a in arg_params.values()), default=0) > 1024 * 1024 * 16:
        on_store = False
    return store, on_store
