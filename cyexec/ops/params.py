"""Typed operator parameters, parsed from MXNet's string attributes.

An operator declares its parameters as fields of a `Params` class::

    class PoolingParams(Params):
        kernel = Shape(default=(), doc="Pooling kernel size: (w,), (h, w) or (d, h, w).")
        pool_type = Enum("max", "avg", "sum", "lp", default="max", doc="...")
        global_pool = Bool(default=False, doc="...")

`Params.parse` takes the strings of a symbol file (``"(2, 2)"``, ``"True"``) as well as Python values.
Instances are immutable and hashable.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from math import copysign
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..base import MXNetError, as_dtype

if TYPE_CHECKING:
    from typing import Self  # since Python 3.11

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "<required>"})()


class Field:
    """One parameter: its type, default and documentation. ``nullable`` fields accept None (MXNet's ``None`` string)."""

    type_name = "any"

    def __init__(self, default: Any = REQUIRED, doc: str = "", nullable: bool = False, alias: tuple[str, ...] = ()):
        self.default = default
        self.doc = doc
        self.nullable = nullable or default is None
        self.alias = alias
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance._values[self.name]

    def parse(self, value: Any) -> Any:
        """Return `value` (a string of MXNet's or a Python value) as this field's type; ValueError if it is not one."""
        if value is None or (isinstance(value, str) and value.strip() == "None"):
            if self.nullable:
                return None
            raise ValueError("must not be None")
        return self.convert(value)

    def convert(self, value: Any) -> Any:
        return value

    def describe(self) -> str:
        """Type as MXNet's documentation words it."""
        if self.default is REQUIRED:
            return f"{self.type_name}, required"
        return f"{self.type_name}, optional, default={self.default!r}"


class Int(Field):
    """Integer, in [min, max] where given."""

    type_name = "int"

    def __init__(self, default: Any = REQUIRED, doc: str = "", min: int | None = None, max: int | None = None, **kw: Any):
        super().__init__(default, doc, **kw)
        self.min, self.max = min, max

    def convert(self, value: Any) -> int:
        if isinstance(value, str):
            text = value.strip()
            if text in ("True", "False"):
                value = text == "True"
            else:
                number = int(text[:-1] if text.endswith("L") else text)
                value = number
        elif isinstance(value, float) and not value.is_integer():
            raise ValueError("expected an integer")
        number = int(value)
        if self.min is not None and number < self.min or self.max is not None and number > self.max:
            low = "-inf" if self.min is None else self.min
            high = "inf" if self.max is None else self.max
            raise ValueError(f"expected an integer in [{low}, {high}]")
        return number


class Count(Int):
    """How many inputs, outputs or layers a node has: each gets a name, so that a file must not ask for billions."""

    MOST = 1 << 20  # names for so many take 0.2 s and 100 MB

    def __init__(self, default: Any = REQUIRED, doc: str = "", min: int = 1, **kw: Any):
        super().__init__(default, doc, min=min, max=self.MOST, **kw)


class Float(Field):
    """Floating-point number."""

    type_name = "float"

    def __init__(self, default: Any = REQUIRED, doc: str = "", min: float | None = None, max: float | None = None, **kw: Any):
        super().__init__(default, doc, **kw)
        self.min, self.max = min, max

    def convert(self, value: Any) -> float:
        text = value.strip() if isinstance(value, str) else value
        number = float(text[:-1] if isinstance(text, str) and text.endswith("f") and text[-2:-1].isdigit() else text)
        if self.min is not None and number < self.min or self.max is not None and number > self.max:
            raise ValueError(f"expected a number in [{self.min}, {self.max}]")
        return number


class Bool(Field):
    """Boolean; MXNet writes ``True``/``False`` and reads ``1``/``0`` and ``true``/``false`` too."""

    type_name = "boolean"

    def convert(self, value: Any) -> bool:
        if isinstance(value, str):
            text = value.strip().lower()
            if text in ("true", "1"):
                return True
            if text in ("false", "0"):
                return False
            raise ValueError("expected True or False")
        return bool(value)


class Str(Field):
    """Any string."""

    type_name = "string"

    def convert(self, value: Any) -> str:
        return str(value)


class Enum(Field):
    """One of a few strings."""

    def __init__(self, *choices: str, default: Any = REQUIRED, doc: str = "", **kw: Any):
        super().__init__(default, doc, **kw)
        self.choices = choices

    @property
    def type_name(self) -> str:  # type: ignore[override]
        names = (["None"] if self.nullable else []) + [repr(c) for c in self.choices]
        return "{" + ", ".join(names) + "}"

    def convert(self, value: Any) -> str:
        text = str(value)
        if text not in self.choices:
            raise ValueError(f"expected one of {self.type_name}")
        return text


class DType(Field):
    """A dtype by name; `others` are further strings the operator takes (such as "int32" restrictions are not checked)."""

    type_name = "dtype"

    def convert(self, value: Any) -> np.dtype:
        try:
            if isinstance(value, str) and value.strip().lstrip("-").isdigit():
                value = int(value)
            return as_dtype(value)
        except TypeError as error:
            raise ValueError(str(error)) from None


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip().replace("L", "")
    # Old files have "[2,2]", "(2L, 2L)", "2" and "(2,)" alike; "None" inside stands in slice bounds.
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError("expected numbers in parentheses") from None


class Shape(Field):
    """Tuple of integers; a lone integer counts as a tuple of one. ``none_items`` lets None stand in it."""

    type_name = "Shape(tuple)"

    def __init__(self, default: Any = REQUIRED, doc: str = "", none_items: bool = False, **kw: Any):
        super().__init__(default, doc, **kw)
        self.none_items = none_items

    def parse(self, value: Any) -> Any:
        # MXNet reads None as an empty shape: `Pooling(..., stride=None)` means the default.
        if (value is None or value == "None") and self.default is not REQUIRED and not self.nullable:
            return self.default
        return super().parse(value)

    def convert(self, value: Any) -> tuple:
        value = _literal(value)
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            value = (value,)
        if value is None and self.none_items:
            return (None,)
        try:
            items = tuple(value)
        except TypeError:
            raise ValueError("expected a tuple of integers") from None
        out: list[int | None] = []
        for item in items:
            if item is None and self.none_items:
                out.append(None)
            elif isinstance(item, (int, np.integer)) or isinstance(item, (float, np.floating)) and float(item).is_integer():
                out.append(int(item))
            else:
                raise ValueError("expected a tuple of integers")
        return tuple(out)


class Floats(Field):
    """Tuple of floats; a lone number counts as a tuple of one."""

    type_name = "tuple of <float>"

    def convert(self, value: Any) -> tuple[float, ...]:
        value = _literal(value)
        if isinstance(value, (int, float, np.number)):
            value = (value,)
        try:
            return tuple(float(v) for v in value)
        except TypeError:
            raise ValueError("expected a tuple of numbers") from None


def _distinct(value: Any) -> Any:
    """`value`, or something unequal to it if it has a -0.0: zeros of two signs are equal but do not compute the same."""
    kind = type(value)
    if kind is float:
        return "-0.0" if value == 0 and copysign(1.0, value) < 0 else value
    return tuple(map(_distinct, value)) if kind is tuple else value


def _is_small(value: Any) -> bool:
    """Whether a value may be kept for as long as the process lives: no object of the user's."""
    return value is None or isinstance(value, (bool, int, float, str, tuple, np.dtype))


def is_hidden(key: str) -> bool:
    """Whether an attribute is the user's (``__lr_mult__`` and the like), not the operator's."""
    return len(key) > 4 and key.startswith("__") and key.endswith("__")


_made: dict[tuple, Params] = {}
_MADE_KEPT = 4096


class Params:
    """Parsed parameters of one node. Fields are attributes; equality and hash go by values."""

    fields: ClassVar[dict[str, Field]] = {}
    __slots__ = ("_values", "_key", "_hash")

    def __init_subclass__(cls) -> None:
        inherited: dict[str, Field] = {}
        for base in reversed(cls.__bases__):
            theirs = getattr(base, "fields", {})
            inherited = {**{n: f for n, f in inherited.items() if n not in theirs}, **theirs}
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        # A field that a subclass names again stands where it names it: positional arguments come in MXNet's order.
        cls.fields = {**{n: f for n, f in inherited.items() if n not in own}, **own}

    def __init__(self, like: Params | None = None, /, **values: Any):
        given = values if like is None else {**like._values, **values}
        parsed = () if like is None else [n for n, f in like.fields.items() if self.fields.get(n) is f and n not in values]
        unknown = set(given) - set(self.fields)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no parameter {sorted(unknown)}")
        full = {}
        for name, field in self.fields.items():
            if name in given:
                full[name] = given[name] if name in parsed else field.parse(given[name])
            elif field.default is REQUIRED:
                raise TypeError(f"{type(self).__name__} needs {name}")
            else:
                full[name] = field.default
        self._set(full)

    def _set(self, values: dict[str, Any]) -> None:
        self._values = values
        self._key = (type(self).__name__, tuple(map(_distinct, values.values())))

    @classmethod
    def of(cls, like: Params | None = None, /, **values: Any) -> Self:
        """``cls(**values)``, with what is not among `values` as `like` has it, which may be of another class.

        Passes ask for the same few again and again: equal ones are made once.
        """
        key = (cls, like, *values, *map(_distinct, values.values()), *map(type, values.values()))  # 1, 1.0, True are equal
        try:
            found = _made.get(key)
        except TypeError:  # a list, say
            return cls(like, **values)
        if found is None:
            found = cls(like, **values)
            if all(map(_is_small, found._values.values())):
                if len(_made) >= _MADE_KEPT:
                    _made.clear()
                _made[key] = found
        return found  # type: ignore[return-value]  # the class is part of the key

    @classmethod
    def parse(cls, attrs: Mapping[str, Any], where: str) -> Params:
        """Parse a node's attributes.

        Parameters
        ----------
        attrs : mapping
            Names to strings (as in symbol files) or Python values. Hidden names (``__x__``) are left alone.
        where : str
            Operator and node, for messages.

        Raises
        ------
        MXNetError
            For an unknown name, a missing required one, or a value of the wrong type.
        """
        values: dict[str, Any] = {}
        names = {alias: name for name, field in cls.fields.items() for alias in (name, *field.alias)}
        for key, value in attrs.items():
            if is_hidden(key):
                continue
            name = names.get(key)
            if name is None:
                known = ", ".join(cls.fields) or "none"
                raise MXNetError(f"{where}: Cannot find argument '{key}', Possible Arguments: {known}")
            try:
                values[name] = cls.fields[name].parse(value)
            except (ValueError, TypeError, OverflowError) as error:
                raise MXNetError(
                    f"{where}: Invalid Parameter format for {key} expect {cls.fields[name].describe()} "
                    f"but value={str(value)!r}: {error}"
                ) from None
        for name, field in cls.fields.items():
            if name not in values:
                if field.default is REQUIRED:
                    raise MXNetError(f"{where}: Required parameter {name} of {field.type_name} is not presented")
                values[name] = field.default
        self = cls.__new__(cls)
        self._set({name: values[name] for name in cls.fields})
        return self

    def replace(self, **changes: Any) -> Params:
        """Return a copy with some fields changed."""
        return type(self)(self, **changes)

    def for_graph(self) -> Params:
        """Return the parameters for a node of a graph that is being bound: a copy where nodes of different graphs differ."""
        return self

    def carry_over(self, old: Params) -> Params:
        """Return these parameters with what `old`, parsed from other attributes of the same node, has besides them."""
        return self

    def as_dict(self) -> dict[str, Any]:
        """Fields and values, in declaration order."""
        return dict(self._values)

    def as_strings(self) -> dict[str, str]:
        """Fields that differ from their defaults as the attributes of a symbol file."""
        return {name: str(value) for name, value in self._values.items() if value != self.fields[name].default}

    def __eq__(self, other: object) -> bool:
        return self is other or isinstance(other, Params) and self._key == other._key

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:  # asked for the first time
            self._hash: int = hash(self._key)
            return self._hash

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


class NoParams(Params):
    """Parameters of an operator that has none. As in MXNet its nodes may have any attributes: ``zeros_like(x, ctx=...)``."""

    __slots__ = ()

    @classmethod
    def parse(cls, attrs: Mapping[str, Any], where: str) -> Params:
        return cls()
