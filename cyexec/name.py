"""Automatic names of symbols: ``convolution0``, ``activation1``, ... and prefixes for them."""

from __future__ import annotations

import threading

from .base import classproperty


class NameManager:
    """Give a name to every symbol that the user does not name; in a ``with`` block, counting starts anew."""

    _local = threading.local()

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}
        self._outer: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """Return `name`, or `hint` with the next number when there is none."""
        if name:
            return name
        count = self._counter.get(hint, 0)
        self._counter[hint] = count + 1
        return f"{hint}{count}"

    @classproperty
    def current(cls) -> NameManager:
        """This thread's innermost manager."""
        manager = getattr(NameManager._local, "manager", None)
        if manager is None:
            manager = NameManager._local.manager = NameManager()
        return manager

    def __enter__(self) -> NameManager:
        self._outer.append(NameManager.current)
        NameManager._local.manager = self
        return self

    def __exit__(self, *exc_info: object) -> None:
        NameManager._local.manager = self._outer.pop()


class Prefix(NameManager):
    """A name manager that puts `prefix` before every operator's name, given or automatic.

    Examples
    --------
    >>> import cyexec as mx
    >>> data = mx.sym.Variable("data")
    >>> with mx.name.Prefix("mynet_"):
    ...     net = mx.sym.FullyConnected(data, num_hidden=10, name="fc1")
    >>> net.list_arguments()
    ['data', 'mynet_fc1_weight', 'mynet_fc1_bias']
    """

    def __init__(self, prefix: str):
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        return self._prefix + super().get(name, hint)


def current() -> NameManager:
    """Return this thread's innermost `NameManager`."""
    return NameManager.current
