from typing import Any

import numpy as np

from ..context import Context
from .storage import Storage

def aligned_bytes(nbytes: int, alignment: int) -> np.ndarray[Any, Any]: ...

class NDArrayBase:
    _array: np.ndarray[Any, Any]
    _storage: Storage
    _ctx: Context
