"""All operators by name. Importing `cyexec.ops` fills it."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import MXNetError
from .schema import Op

_BY_NAME: dict[str, Op] = {}
_OPS: list[Op] = []


def register(op: Op) -> Op:
    """Add `op` under its name and aliases. Raises ValueError when a name is taken."""
    for name in (op.name, *op.aliases):
        if name in _BY_NAME:
            raise ValueError(f"operator name {name} is registered twice ({_BY_NAME[name].name}, {op.name})")
        _BY_NAME[name] = op
    _OPS.append(op)
    return op


def alias(name: str, of: str) -> None:
    """Let `name` be another name of the operator called `of`. Raises ValueError when it is taken."""
    if name in _BY_NAME:
        raise ValueError(f"operator name {name} is taken ({_BY_NAME[name].name})")
    _BY_NAME[name] = get(of)


def get(name: str) -> Op:
    """Return the operator called `name` (or aliased so). Raises MXNetError with close names when there is none."""
    op = _BY_NAME.get(name)
    if op is None:
        import difflib

        near = difflib.get_close_matches(name, _BY_NAME, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise MXNetError(f"Operator {name} is not registered{hint}")
    return op


def find(name: str) -> Op | None:
    """Return the operator called `name`, or None."""
    return _BY_NAME.get(name)


def all_ops() -> Iterator[Op]:
    """Every operator once, in registration order."""
    return iter(_OPS)


def all_names() -> dict[str, Op]:
    """Every name and alias."""
    return dict(_BY_NAME)
