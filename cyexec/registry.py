"""Classes by name: behind ``mx.init.create``, ``mx.metric.create``, and for the user's own kinds: ``mx.registry``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


class Registry:
    """The subclasses of one class, by name, whatever the case.

    Parameters
    ----------
    base : type
    nickname : str
        What its objects are called in messages, and the key of the name in dicts.
    """

    def __init__(self, base: type, nickname: str):
        self.base = base
        self.nickname = nickname
        self.classes: dict[str, Any] = {}

    def add(self, klass: Class, name: str | None = None) -> Class:
        """Make a class known, by its own name by default; the last one of a name counts. Usable as a decorator."""
        if not (isinstance(klass, type) and issubclass(klass, self.base)):
            raise AssertionError(f"Can only register subclass of {self.base.__name__}, found {klass!r}")
        key = (name or klass.__name__).lower()
        known = self.classes.get(key)
        if known is not None and known is not klass:
            warnings.warn(
                f"New {self.nickname} {klass.__module__}.{klass.__name__} registered with name {key} is "
                f"overriding existing {self.nickname} {known.__module__}.{known.__name__}",
                stacklevel=3,
            )
        self.classes[key] = klass
        return klass

    def alias(self, *aliases: str) -> Callable[[Class], Class]:
        """Return a decorator that makes a class known by further names."""

        def decorate(klass: Class) -> Class:
            for name in aliases:
                self.add(klass, name)
            return klass

        return decorate

    def find(self, name: str) -> Any:
        """Return the class of a name. Raises AssertionError where there is none."""
        if name.lower() not in self.classes:
            raise AssertionError(
                f"{name} is not registered. Please register with {self.nickname}.register first; "
                f"known are {', '.join(sorted(self.classes))}"
            )
        return self.classes[name.lower()]

    def create(self, *args: Any, **kwargs: Any) -> Any:
        """Make an object.

        Parameters
        ----------
        *args, **kwargs
            A name (by position, or by the nickname), then the class's own arguments; or one of: an object, which is
            returned; a dict of nickname to name and of arguments; such a dict, or ``["name", {arguments}]``, as JSON text.

        Raises
        ------
        AssertionError
            Nothing is registered under that name, or it is none of these.
        """
        if args:
            name, *rest = args
        else:
            name, rest = kwargs.pop(self.nickname), []
        if isinstance(name, (self.base, Mapping)):
            if rest or kwargs:
                raise AssertionError(f"{self.nickname} is already an instance. Additional arguments are invalid")
            return self.create(**name) if isinstance(name, Mapping) else name
        if not isinstance(name, str):
            raise AssertionError(f"{self.nickname} must be of string type, found {name!r}")
        if name.startswith(("[", "{")):
            if rest or kwargs:
                raise AssertionError(f"{self.nickname} is JSON text with its arguments; no more can be given")
            given = json.loads(name)
            return self.create(**given) if isinstance(given, dict) else self.create(given[0], **given[1])
        return self.find(name)(*rest, **kwargs)


_registries: dict[type, Registry] = {}


def registry_of(base_class: type, nickname: str) -> Registry:
    """Return the registry of a class, made when first asked for."""
    return _registries.setdefault(base_class, Registry(base_class, nickname))


def get_registry(base_class: type) -> dict[str, type]:
    """Return a copy of what is registered for a class: subclasses by name."""
    return dict(registry_of(base_class, base_class.__name__.lower()).classes)


def get_register_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return a function, also a decorator, that registers subclasses of a class."""
    return registry_of(base_class, nickname).add


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return a function that makes decorators, which register a subclass under further names."""
    return registry_of(base_class, nickname).alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return a function that makes objects of registered classes. See `Registry.create`."""
    return registry_of(base_class, nickname).create
