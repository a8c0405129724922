from collections.abc import Sequence

class Skyline:
    work: int
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
    ) -> None: ...
