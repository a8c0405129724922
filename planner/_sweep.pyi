from typing import Any

def sweep(
    by_start: Any,
    by_end: Any,
    start: Any,
    end: Any,
    size: Any,
    align: Any,
    high_end: Any,
    grain: int,
    most_alive: int,
    ceiling: int,
    offsets: Any,
) -> None: ...
