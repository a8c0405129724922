from collections.abc import Sequence
from typing import Literal

from ._skyline import Skyline

class Search(Skyline):
    nodes: int
    def __init__(
        self,
        pieces: Sequence[Sequence[tuple[int, int]]],
        size: Sequence[int],
        align: Sequence[int],
        slack: Sequence[int],
        fixed: Sequence[int],
        sections: int,
        *,
        release: bool = True,
        weights: bool = True,
        clear: bool = True,
        memo: bool = True,
        twins: bool = True,
        hop: bool = True,
        spans: bool = True,
    ) -> None: ...
    def run(
        self,
        capacity: int,
        short: int,
        strategies: Sequence[tuple[Sequence[int], bool, bool]],
        work_limit: int,
        deadline: float | None = None,
    ) -> list[int] | Literal[False] | None: ...
