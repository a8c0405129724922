"""Attributes that every symbol made in a ``with`` block gets: ``with mx.AttrScope(ctx_group="dev1"): ...``."""

from __future__ import annotations

import threading
from typing import Any

from .base import classproperty


class AttrScope:
    """Attach string attributes to all symbols created in the block; inner blocks add to and override outer ones.

    Parameters
    ----------
    **kwargs : str
        Attribute names and values.

    Raises
    ------
    ValueError
        When a value is not a string.
    """

    _local = threading.local()

    def __init__(self, **kwargs: str):
        for value in kwargs.values():
            if not isinstance(value, str):
                raise ValueError("Attributes need to be string")
        self._own = dict(kwargs)
        self._attr = dict(kwargs)
        self._outer: list[AttrScope] = []

    def get(self, attr: dict[str, Any] | None) -> dict[str, Any]:
        """Return the scope's attributes overridden by `attr`."""
        return {**self._attr, **attr} if attr else dict(self._attr)

    @classproperty
    def current(cls) -> AttrScope:
        """This thread's innermost scope."""
        scope = getattr(cls._local, "scope", None)
        if scope is None:
            scope = cls._local.scope = AttrScope()
        return scope

    def __enter__(self) -> AttrScope:
        outer = AttrScope.current
        self._outer.append(outer)
        self._attr = {**outer._attr, **self._own}
        AttrScope._local.scope = self
        return self

    def __exit__(self, *exc_info: object) -> None:
        AttrScope._local.scope = self._outer.pop()
        self._attr = dict(self._own)


def current() -> AttrScope:
    """Return this thread's innermost `AttrScope`."""
    return AttrScope.current
