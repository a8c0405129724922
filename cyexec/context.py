"""Where an array lives. This library runs on CPU; the other names exist so that scripts that mention them still load."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from .base import MXNetError, classproperty

if TYPE_CHECKING:
    from typing import Self

_STACK = threading.local()


class Context:
    """A device: type and number.

    Contexts compare and hash by value and nest as ``with`` blocks, inside which they are the default. ``cpu(0)``,
    ``cpu(1)``, ... are different contexts over the same memory; the executor gives each its own arena.

    Parameters
    ----------
    device_type : str or Context
        "cpu", "gpu", "cpu_pinned" or "cpu_shared".
    device_id : int, default 0
    """

    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5}

    @classproperty
    def default_ctx(cls) -> Context:  # noqa: N805
        """The current context: the older name of `current_context`."""
        return current_context()

    __slots__ = ("device_id", "device_typeid")
    device_typeid: int
    device_id: int

    def __init__(self, device_type: str | Context, device_id: int = 0):
        if isinstance(device_type, Context):
            self.device_typeid = device_type.device_typeid
            self.device_id = device_type.device_id
        else:
            self.device_typeid = self.devstr2type[device_type]
            self.device_id = device_id

    @property
    def device_type(self) -> str:
        """Name of the device type."""
        return self.devtype2str[self.device_typeid]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Context)
            and self.device_typeid == other.device_typeid
            and self.device_id == other.device_id
        )

    def __hash__(self) -> int:
        return hash((self.device_typeid, self.device_id))

    def __str__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    __repr__ = __str__

    def __reduce__(self):
        return Context, (self.device_type, self.device_id)

    def __enter__(self) -> Self:
        _stack().append(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        _stack().pop()

    def empty_cache(self) -> None:
        """Do nothing: no memory is pooled on CPU."""
        check_cpu(self)


def _stack() -> list[Context]:
    try:
        return _STACK.contexts
    except AttributeError:
        _STACK.contexts = [_CPU0]
        return _STACK.contexts


_CPU0 = Context("cpu", 0)


def cpu(device_id: int = 0) -> Context:
    """Return a CPU context."""
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """Return a GPU context. It is only a name: arrays and executors on it raise MXNetError."""
    return Context("gpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """Return a pinned-memory context; here the same memory as `cpu`."""
    return Context("cpu_pinned", device_id)


def num_gpus() -> int:
    """How many GPUs this library can use: none."""
    return 0


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """Raise MXNetError: there is no GPU support."""
    raise MXNetError("gpu_memory_info: cyexec runs on CPU; there is no GPU support")


def current_context() -> Context:
    """The context of the innermost ``with`` block of this thread, by default ``cpu(0)``."""
    return _stack()[-1]


def as_context(ctx: Context | str | None) -> Context:
    """Return the context that `ctx` means (None: the current one; strings such as "cpu(1)"), which must be a CPU.

    Raises
    ------
    MXNetError
        For a GPU, or a string that is no context.
    """
    if ctx is None:
        ctx = _stack()[-1]
    elif isinstance(ctx, str):
        name, bracket, number = ctx.partition("(")
        if name not in Context.devstr2type or not (bracket and number.endswith(")") and number[:-1].isdigit()):
            raise MXNetError(f"Invalid context string {ctx}")
        ctx = Context(name, int(number[:-1]))
    elif not isinstance(ctx, Context):
        raise TypeError(f"ctx must be a Context, not {type(ctx).__name__}")
    if ctx.device_typeid == 2:
        check_cpu(ctx)
    return ctx


def check_cpu(ctx: Context) -> None:
    """Raise MXNetError for a GPU context."""
    if ctx.device_typeid == 2:
        raise MXNetError(f"{ctx}: cyexec runs on CPU; GPU support does not exist. Use mx.cpu() as the context")
