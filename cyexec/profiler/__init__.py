"""Where time goes: ``mx.profiler``.

    mx.profiler.set_config(filename="profile.json", aggregate_stats=True)
    mx.profiler.set_state("run")
    ...
    mx.profiler.set_state("stop")
    print(mx.profiler.dumps())      a table by operator
    mx.profiler.dump()              a file for chrome://tracing or ui.perfetto.dev

Every step of executors is timed, every imperative call, and what the user's own tasks, frames, events and counters tell
(`objects.py`). `session.py` collects and `report.py` writes. While nothing is profiled, nothing is spent.
"""

from .objects import Counter, Domain, Event, Frame, Marker, Task
from .session import (
    dump,
    dump_profile,
    dumps,
    pause,
    profiler_set_config,
    profiler_set_state,
    resume,
    set_config,
    set_kvstore_handle,
    set_state,
)

__all__ = [
    "Counter", "Domain", "Event", "Frame", "Marker", "Task", "dump", "dump_profile", "dumps", "pause",
    "profiler_set_config", "profiler_set_state", "resume", "set_config", "set_kvstore_handle", "set_state",
]  # fmt: skip
