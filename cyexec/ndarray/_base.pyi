from typing import Any

import numpy as np

from ..context import Context
from .storage import Storage

class NDArrayBase:
    _array: np.ndarray[Any, Any]
    _storage: Storage
    _ctx: Context
