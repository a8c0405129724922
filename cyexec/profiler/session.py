"""The one profiling session of a process: its configuration, its state, and what it has recorded."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any

from ..base import MXNetError
from ..runtime import tracing
from .report import table, trace, write_json


@dataclass(frozen=True, slots=True)
class Record:
    """Something that happened.

    Attributes
    ----------
    phase : str
        As in Chrome's trace format: "X" lasted from begin to end, "C" a counter, "i" a moment.
    begin, end : int
        Nanoseconds of `tracing.clock`.
    """

    phase: str
    category: str
    name: str
    begin: int
    end: int
    thread: int
    args: dict[str, Any] | None = None


@dataclass
class Session:
    """Collects records while it runs."""

    filename: str = "profile.json"
    symbolic: bool = True
    imperative: bool = True
    running: bool = False
    paused: bool = False
    records: list[Record] = field(default_factory=list)

    def record(self, category: str, name: str, begin: int, end: int, args: dict[str, Any] | None = None) -> None:
        """Note something that lasted."""
        self.records.append(Record("X", category, name, begin, end, threading.get_ident(), args))

    def note(self, phase: str, category: str, name: str, args: dict[str, Any] | None = None) -> None:
        """Note a moment, if the session runs."""
        if self.is_on:
            now = tracing.clock()
            self.records.append(Record(phase, category, name, now, now, threading.get_ident(), args))

    @property
    def is_on(self) -> bool:
        return self.running and not self.paused

    def apply(self) -> None:
        """Let executors report, or no longer."""
        tracing.set_recorder(self if self.is_on else None)


session = Session()

# MXNet's options: whether they mean something here.
_OPTIONS = (
    "filename", "profile_all", "profile_symbolic", "profile_imperative", "profile_memory", "profile_api",
    "profile_process", "continuous_dump", "dump_period", "aggregate_stats",
)  # fmt: skip


def set_config(**kwargs: Any) -> None:
    """Configure what is profiled.

    Parameters
    ----------
    filename : str
        Where `dump` writes; "profile.json" by default.
    profile_all, profile_symbolic, profile_imperative : bool
        Time executors' steps, imperative calls; both by default.
    profile_memory, profile_api, profile_process, continuous_dump, dump_period, aggregate_stats
        Accepted for MXNet's sake: memory is planned (see `Executor.plan`), and `dumps` always has its table.

    Raises
    ------
    MXNetError
        For an unknown option.
    """
    for key in kwargs:
        if key not in _OPTIONS:
            raise MXNetError(f"set_config: Cannot find argument '{key}', Possible Arguments: {', '.join(_OPTIONS)}")
    everything = bool(kwargs.get("profile_all", False))
    session.filename = os.fspath(kwargs.get("filename", "profile.json"))
    session.symbolic = everything or bool(kwargs.get("profile_symbolic", True))
    session.imperative = everything or bool(kwargs.get("profile_imperative", True))


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """Begin ("run") or end ("stop") profiling. Raises KeyError for another state, as MXNet does."""
    session.running = {"stop": False, "run": True}[state]
    session.paused = False
    session.apply()


def pause(profile_process: str = "worker") -> None:
    """Record nothing until `resume`."""
    session.paused = True
    session.apply()


def resume(profile_process: str = "worker") -> None:
    """Record again after `pause`."""
    session.paused = False
    session.apply()


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Write what has been recorded to the configured file, as a Chrome trace. Profiling ends unless `finished` is False."""
    if finished:
        set_state("stop")
    write_json(session.filename, trace(session.records))


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """Return statistics by name of what has been recorded.

    Parameters
    ----------
    reset : bool
        Forget them afterwards.
    format : {"table", "json"}
    sort_by : {"total", "avg", "min", "max", "count"}
    ascending : bool
    """
    if format not in ("table", "json"):
        raise AssertionError(f"Invalid value provided for format: {format}. Support: 'table', 'json'")
    if sort_by not in ("total", "avg", "min", "max", "count"):
        raise AssertionError(f"Invalid value provided for sort_by: {sort_by}. Support: 'total', 'avg', 'min', 'max', 'count'")
    text = table(session.records, format, sort_by, ascending)
    if reset:
        session.records = []
    return text


# Names of MXNet's first versions.


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """Configure with a mode, "symbolic" or "all"; deprecated."""
    warnings.warn("profiler.profiler_set_config() is deprecated. Please use profiler.set_config() instead", stacklevel=2)
    set_config(filename=filename, profile_symbolic=True, profile_imperative=mode == "all")


def profiler_set_state(state: str = "stop") -> None:
    """As `set_state`; deprecated."""
    warnings.warn("profiler.profiler_set_state() is deprecated. Please use profiler.set_state() instead", stacklevel=2)
    set_state(state)


def dump_profile() -> None:
    """As `dump`; deprecated."""
    warnings.warn("profiler.dump_profile() is deprecated. Please use profiler.dump() instead", stacklevel=2)
    dump(True)


def set_kvstore_handle(handle: Any) -> None:
    """Do nothing: there is no server to profile."""


if os.environ.get("MXNET_PROFILER_AUTOSTART") == "1":
    set_state("run")
    atexit.register(dump)
