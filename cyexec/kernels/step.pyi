from collections.abc import Sequence
from typing import Any

class Step:
    cost: float
    def __init__(self, reads: Sequence[Any], writes: Sequence[Any], **arguments: Any) -> None: ...
    def __call__(self, seed: int = 0) -> None: ...
