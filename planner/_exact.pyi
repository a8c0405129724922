from collections.abc import Sequence
from typing import Literal

class Search:
    nodes: int
    work: int
    def __init__(
        self,
        first: Sequence[int],
        last: Sequence[int],
        size: Sequence[int],
        align: Sequence[int],
        slack: Sequence[int],
        sections: int,
        *,
        memo: bool = True,
        release: bool = True,
        twins: bool = True,
        hop: bool = True,
        weights: bool = True,
    ) -> None: ...
    def run(
        self,
        capacity: int,
        short: int,
        ranks: Sequence[tuple[Sequence[int], int]],
        work_limit: int,
        deadline: float | None = None,
    ) -> list[int] | Literal[False] | None: ...
