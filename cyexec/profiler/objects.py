"""What users mark themselves: tasks, frames, events, counters and markers. They record while profiling is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime import tracing
from .session import session

if TYPE_CHECKING:
    from typing import Self


class Domain:
    """A name that groups others.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str):
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """Return a Task of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """Return a Frame of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> Counter:
        """Return a Counter of this domain."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """Return a Marker of this domain."""
        return Marker(self, name)


class _Span:
    """Something that lasts from `start` to `stop`; also a ``with`` block."""

    def __init__(self, category: str, name: str):
        self.name = name
        self._category = category
        self._begin: int | None = None

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Begin."""
        self._begin = tracing.clock()

    def stop(self) -> None:
        """End; recorded if profiling is on."""
        if self._begin is not None and session.is_on:
            session.record(self._category, self.name, self._begin, tracing.clock())
        self._begin = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class Task(_Span):
    """Work that may overlap with other work."""

    def __init__(self, domain: Domain, name: str):
        super().__init__(str(domain), name)


class Frame(_Span):
    """One of many equal pieces of work, such as a batch."""

    def __init__(self, domain: Domain, name: str):
        super().__init__(f"{domain},frame", name)


class Event(_Span):
    """Work without a domain."""

    def __init__(self, name: str):
        super().__init__("event", name)


class Counter:
    """A number over time.

    Parameters
    ----------
    domain : Domain
    name : str
    value : number, optional
        To begin with; 0 by default.
    """

    def __init__(self, domain: Domain, name: str, value: float | None = None):
        self.name = name
        self.value: Any = 0
        self._category = str(domain)
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: float) -> None:
        """Set the number."""
        self.value = value
        session.note("C", self._category, self.name, {self.name: value})

    def increment(self, delta: float = 1) -> None:
        """Add to the number."""
        self.set_value(self.value + delta)

    def decrement(self, delta: float = 1) -> None:
        """Subtract from the number."""
        self.set_value(self.value - delta)

    def __iadd__(self, delta: float) -> Self:
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> Self:
        self.decrement(delta)
        return self


class Marker:
    """A moment."""

    def __init__(self, domain: Domain, name: str):
        self.name = name
        self._category = f"{domain},instant_marker"

    def __str__(self) -> str:
        return self.name

    def mark(self, scope: str = "process") -> None:
        """Mark now; `scope` ("global", "process", "thread") tells a viewer how far the mark reaches."""
        session.note("i", self._category, self.name, {"scope": scope[:1]})
