from typing import Any

def place_in_order(
    order: Any,
    size: Any,
    align: Any,
    fixed: Any,
    first_row: Any,
    row_start: Any,
    row_end: Any,
    offsets: Any,
    best_fit: bool,
) -> tuple[int, int] | None: ...
